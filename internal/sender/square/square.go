// Package square is the sender of POST /webhooks/square/{store}: Square's webhooks of payments.
package square

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// Name is the sender's name in paths and events.
const Name = "square"

// Config has the keys of the store "default".
type Config struct {
	// Keys are the signature keys of Square's webhook subscriptions, separated by commas; any of them counts. Setting one turns /webhooks/square/default on.
	Keys secret.Keys `env:"SQUARE_SIGNATURE_KEY"`
	// NotificationURL is the address of the subscription, letter by letter as Square's Developer Console shows it: it is a part of what Square signs.
	NotificationURL string `env:"SQUARE_NOTIFICATION_URL"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	if len(c.Keys) == 0 {
		return nil
	}
	if c.NotificationURL == "" {
		return errors.New("SQUARE_NOTIFICATION_URL is empty: set the address of the subscription, as Square's Developer Console shows it; it is a part of what Square signs")
	}
	if u, err := url.Parse(c.NotificationURL); err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(c.NotificationURL, " \t\n") {
		return fmt.Errorf("SQUARE_NOTIFICATION_URL is %q: set the address of the subscription, as https://hooks.example.com/webhooks/square/default", c.NotificationURL)
	}
	return nil
}

// Options are what a store's sender is made of.
type Options struct {
	Store           string
	Keys            [][]byte
	NotificationURL string
	Resolve         bool // a resolver completes the events
}

type square struct{ Options }

// New returns the sender for a store.
func New(o Options) sender.Sender { return &square{o} }

const (
	signatureHeader   = "X-Square-Hmacsha256-Signature"
	environmentHeader = "Square-Environment"
)

// Verify implements sender.Sender: base64 of HMAC-SHA-256 over the address of the subscription and the body. The older X-Square-Signature, which comes beside it, is
// passed over. Square's own library takes an empty body for signed; here it is not.
func (s *square) Verify(d *sender.Delivery) error {
	given := d.Header.Values(signatureHeader)
	if len(given) == 0 || len(d.Body) == 0 {
		return &sender.UnauthorizedError{Detail: signatureHeader + " is missing, or the body is empty"}
	}
	for _, text := range given {
		signature, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !sender.Signed(sha256.New, s.Keys, signature, []byte(s.NotificationURL), d.Body) {
			return &sender.UnauthorizedError{Detail: signatureHeader + " does not fit the body, the key and the address of the subscription"}
		}
	}
	return nil
}

// envelope is the body of every webhook.
type envelope struct {
	Merchant fields.Text `json:"merchant_id"`
	Type     fields.Text `json:"type"`
	Created  fields.Text `json:"created_at"`
	Data     fields.Object[struct {
		Object fields.Object[struct {
			Payment     fields.Object[payment] `json:"payment"`
			Created     fields.Object[change]  `json:"order_created"`
			Updated     fields.Object[change]  `json:"order_updated"`
			Fulfillment fields.Object[change]  `json:"order_fulfillment_updated"`
		}] `json:"object"`
	}] `json:"data"`
}

// Decode implements sender.Sender. A refund comes as a payment, too, which has the sum of all refunds and, where there is one, the customer.
func (s *square) Decode(d *sender.Delivery) (*sender.Reading, error) {
	var body envelope
	if err := fields.Decode(d.Body, &body); err != nil {
		return nil, &sender.MalformedError{Detail: err.Error()}
	}
	reading := &sender.Reading{Topic: body.Type.String(), Account: body.Merchant.String()}
	switch reading.Topic {
	case "webhooks.test_notification":
		reading.Skip = sender.SkipPing
		return reading, nil
	case "payment.created", "payment.updated":
	case "order.created", "order.updated", "order.fulfillment.updated":
		return s.ordered(d, &body, reading)
	default:
		reading.Skip = sender.SkipTopic
		return reading, nil
	}
	p := &body.Data.Members.Object.Members.Payment.Members
	if p.ID.String() == "" {
		return nil, &sender.MalformedError{Detail: "the payment has no id"}
	}
	said := fields.FirstTime(body.Created.Time(time.UTC), p.Updated.Time(time.UTC), d.At)
	e, skip := p.event(said)
	if e == nil {
		reading.Skip = skip
		return reading, nil
	}
	e.ID, e.Source = sender.ID(Name, reading.Account, p.ID.String(), e.ID), p.Location.String()
	if s.Resolve {
		e.Lookup = lookup(lookupOrder, p.OrderID.String(), lookupCustomer, p.Customer.String())
	}
	s.complete(d, reading, e)
	return reading, nil
}

// ordered reads a webhook about an order, which has ids only.
func (s *square) ordered(d *sender.Delivery, body *envelope, reading *sender.Reading) (*sender.Reading, error) {
	if !s.Resolve {
		reading.Skip = sender.SkipIDs
		return reading, nil
	}
	object := &body.Data.Members.Object.Members
	c := &object.Updated.Members
	switch reading.Topic {
	case "order.created":
		c = &object.Created.Members
	case "order.fulfillment.updated":
		c = &object.Fulfillment.Members
	}
	if c.Order.String() == "" {
		return nil, &sender.MalformedError{Detail: "the order has no id"}
	}
	said := fields.FirstTime(body.Created.Time(time.UTC), c.Updated.Time(time.UTC), c.Created.Time(time.UTC), d.At)
	s.complete(d, reading, c.event(reading.Account, reading.Topic, said))
	return reading, nil
}

// complete gives an event what all have, and puts it into the reading.
func (s *square) complete(d *sender.Delivery, reading *sender.Reading, e *event.Event) {
	e.Store, e.Sender = s.Store, Name
	e.Sale.Test = strings.EqualFold(d.Header.Get(environmentHeader), "Sandbox")
	value.Clean(e)
	reading.Events = []*event.Event{e}
}
