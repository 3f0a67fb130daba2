// Package acme is the sender of docs/adding-a-sender.md, as an example: a till that posts its sales.
package acme

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// docs: config

// Name is the sender's name in paths and events.
const Name = "acme"

// Config has the keys of the store "default".
type Config struct {
	// Secrets of Acme's webhooks, separated by commas; any of them counts. Setting one turns /webhooks/acme/default on.
	Secrets secret.Keys `env:"ACME_WEBHOOK_SECRET"`
}

type acme struct {
	store string
	keys  [][]byte
}

// New returns the sender for a store.
func New(store string, keys [][]byte) sender.Sender { return &acme{store, keys} }

// docs: verify

// Verify implements sender.Sender: base64 of HMAC-SHA-256 over the body.
func (a *acme) Verify(d *sender.Delivery) error {
	signature, err := base64.StdEncoding.DecodeString(d.Header.Get("Acme-Signature"))
	if err != nil || !sender.Signed(sha256.New, a.keys, signature, d.Body) {
		return &sender.UnauthorizedError{Detail: "Acme-Signature does not fit the body and the secret"}
	}
	return nil
}

// docs: decode

// sale is the body of every webhook.
type sale struct {
	ID       fields.Text `json:"id"`
	Shop     fields.Text `json:"shop"`
	Topic    fields.Text `json:"topic"`
	PaidAt   fields.Text `json:"paid_at"`
	Total    fields.Text `json:"total"`
	Currency fields.Text `json:"currency"`
	Phone    fields.Text `json:"phone"`
	Email    fields.Text `json:"email"`
}

// Decode implements sender.Sender.
func (a *acme) Decode(d *sender.Delivery) (*sender.Reading, error) {
	var s sale
	if err := fields.Decode(d.Body, &s); err != nil {
		return nil, &sender.MalformedError{Detail: err.Error()}
	}
	reading := &sender.Reading{Topic: s.Topic.String(), Account: s.Shop.String()}
	if reading.Topic != "sale.paid" {
		reading.Skip = sender.SkipTopic
		return reading, nil
	}
	if s.ID.String() == "" {
		return nil, &sender.MalformedError{Detail: "the sale has no id"}
	}
	currency, _ := value.Currency(s.Currency.String())
	e := &event.Event{
		ID: sender.ID(Name, reading.Account, s.ID.String(), "paid"), Store: a.store, Sender: Name, Type: event.PaymentComplete, Source: reading.Account,
		At:       fields.FirstTime(s.PaidAt.Time(time.UTC), d.At),
		Sale:     event.Sale{TransactionID: s.ID.String(), Status: "paid", Currency: currency, Total: s.Total.Number()},
		Customer: event.Customer{Phone: s.Phone.String(), Email: s.Email.String()},
	}
	value.Clean(e)
	reading.Events = []*event.Event{e}
	return reading, nil
}

// docs: end
