// Package toast is the sender of POST /webhooks/toast/{store}: Toast's orders webhook (order_updated and channel_order_updated).
package toast

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

// Name is the sender's name in paths and events.
const Name = "toast"

// Config has the keys of the store "default".
type Config struct {
	// Secrets of Toast's webhook subscriptions, separated by commas; any of them counts. Setting one turns /webhooks/toast/default on. Toast names no currency: set DEFAULT_CURRENCY.
	Secrets secret.Keys `env:"TOAST_WEBHOOK_SECRET"`
}

// Options are what a store's sender is made of.
type Options struct {
	Store   string
	Keys    [][]byte
	Resolve bool // a resolver completes the events
}

type toast struct{ Options }

// New returns the sender for a store.
func New(o Options) sender.Sender { return &toast{o} }

const signatureHeader = "Toast-Signature"

// envelope is the body of every webhook.
type envelope struct {
	Timestamp fields.Text `json:"timestamp"`
	Category  fields.Text `json:"eventCategory"`
	Details   fields.Object[struct {
		Restaurant fields.Text          `json:"restaurantGuid"`
		Order      fields.Object[order] `json:"order"`
	}] `json:"details"`
}

// Verify implements sender.Sender: base64 of HMAC-SHA-256 over the body and the envelope's timestamp, with nothing between. Toast's page (apiMessageSigning)
// does not say which timestamp is meant; its receivers take this one.
func (s *toast) Verify(d *sender.Delivery) error {
	given := d.Header.Values(signatureHeader)
	if len(given) == 0 {
		return &sender.UnauthorizedError{Detail: signatureHeader + " is missing"}
	}
	stamp := fields.Member(d.Body, "timestamp") // a body without one can only be signed alone
	for _, text := range given {
		signature, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !sender.Signed(sha256.New, s.Keys, signature, d.Body, []byte(stamp)) {
			return &sender.UnauthorizedError{Detail: signatureHeader + " does not fit the body and the secret"}
		}
	}
	return nil
}

// Decode implements sender.Sender. Each check of an order is a sale of its own: a table may split.
func (s *toast) Decode(d *sender.Delivery) (*sender.Reading, error) {
	var body envelope
	if err := fields.Decode(d.Body, &body); err != nil {
		return nil, &sender.MalformedError{Detail: err.Error()}
	}
	reading := &sender.Reading{Topic: body.Category.String(), Account: body.Details.Members.Restaurant.String()}
	switch reading.Topic {
	case "order_updated", "channel_order_updated":
	case "":
		return nil, &sender.MalformedError{Detail: "the webhook has no eventCategory"}
	default:
		reading.Skip = sender.SkipTopic
		return reading, nil
	}
	o := &body.Details.Members.Order.Members
	if o.GUID.String() == "" {
		return nil, &sender.MalformedError{Detail: "the order has no guid"}
	}
	all, skip := o.changes(fields.FirstTime(body.Timestamp.Time(time.UTC), o.Modified.Time(time.UTC), d.At))
	if len(all) == 0 {
		reading.Skip = skip
		return reading, nil
	}
	for _, n := range all {
		e := &event.Event{
			ID: sender.ID(Name, reading.Account, n.object, n.meaning), Store: s.Store, Sender: Name, Type: n.state, Source: reading.Account,
			At: fields.FirstTime(n.at, o.Modified.Time(time.UTC), body.Timestamp.Time(time.UTC), d.At),
		}
		o.describe(e, n)
		if s.Resolve {
			e.Lookup = lookup(e, reading.Account, n)
		}
		value.Clean(e)
		reading.Events = append(reading.Events, e)
		if n.at.IsZero() {
			reading.Undated = append(reading.Undated, e.ID)
		}
	}
	return reading, nil
}
