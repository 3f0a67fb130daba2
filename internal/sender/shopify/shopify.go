// Package shopify is the sender of POST /webhooks/shopify/{store}: Shopify's order webhooks, made in the admin or by an app.
package shopify

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// Name is the sender's name in paths and events.
const Name = "shopify"

// Config has the keys of the store "default".
type Config struct {
	// Secrets of Shopify's webhooks, separated by commas; any of them counts: the key that the admin shows below the webhooks, or an app's client secret. Setting one turns /webhooks/shopify/default on.
	Secrets secret.Keys `env:"SHOPIFY_WEBHOOK_SECRET"`
}

// shopify is the sender for one store.
type shopify struct {
	store string
	keys  [][]byte
}

// New returns the sender for a store.
func New(store string, keys [][]byte) sender.Sender { return &shopify{store, keys} }

// The headers of webhooks made in the admin or by the REST and GraphQL APIs, and of those that an app's settings declare.
const (
	signatureHeader, newSignatureHeader = "X-Shopify-Hmac-Sha256", "Shopify-Hmac-Sha256"
	topicHeader, newTopicHeader         = "X-Shopify-Topic", "Shopify-Topic"
	shopHeader, newShopHeader           = "X-Shopify-Shop-Domain", "Shopify-Shop-Domain"
	timeHeader, newTimeHeader           = "X-Shopify-Triggered-At", "Shopify-Triggered-At"
)

// Verify implements sender.Sender: base64 of HMAC-SHA-256 over the body. Each header that is there has to be right.
func (s *shopify) Verify(d *sender.Delivery) error {
	given := 0
	for _, name := range []string{signatureHeader, newSignatureHeader} {
		for _, text := range d.Header.Values(name) {
			given++
			signature, err := base64.StdEncoding.DecodeString(text)
			if err != nil || !sender.Signed(sha256.New, s.keys, signature, d.Body) {
				return &sender.UnauthorizedError{Detail: name + " does not fit the body and the key"}
			}
		}
	}
	if given == 0 {
		return &sender.UnauthorizedError{Detail: signatureHeader + " is missing"}
	}
	return nil
}

// header returns a header by its name or its newer one.
func header(d *sender.Delivery, name, newer string) string {
	if text := d.Header.Get(name); text != "" {
		return text
	}
	return d.Header.Get(newer)
}

// Decode implements sender.Sender.
func (s *shopify) Decode(d *sender.Delivery) (*sender.Reading, error) {
	reading := &sender.Reading{Topic: header(d, topicHeader, newTopicHeader), Account: header(d, shopHeader, newShopHeader)}
	topic, known := strings.CutPrefix(reading.Topic, "orders/")
	if !known {
		reading.Skip = sender.SkipTopic // refunds/create, too: it has no customer, and orders/updated says the same
		return reading, nil
	}
	var o order
	if err := fields.Decode(d.Body, &o); err != nil {
		return nil, &sender.MalformedError{Detail: err.Error()}
	}
	if o.ID.String() == "" {
		return nil, &sender.MalformedError{Detail: "the order has no id"}
	}
	e, skip := o.event(topic, d)
	if e == nil {
		reading.Skip = skip
		return reading, nil
	}
	e.ID = sender.ID(Name, reading.Account, o.ID.String(), e.ID)
	e.Store, e.Sender, e.Source = s.store, Name, reading.Account
	value.Clean(e)
	reading.Events = []*event.Event{e}
	return reading, nil
}

// event returns the event of a topic, its ID being what happened to the order; nil where it says nothing to a customer.
func (o *order) event(topic string, d *sender.Delivery) (*event.Event, sender.Skip) {
	state, meaning, at := o.changes(topic)
	if state == "" {
		return nil, sender.SkipState
	}
	triggered, _ := value.Time(header(d, timeHeader, newTimeHeader), time.UTC)
	said := fields.FirstTime(triggered, o.UpdatedAt.Time(time.UTC), d.At)
	if topic == "updated" && !sender.Recent(at, said) {
		return nil, sender.SkipRepeat
	}
	e := &event.Event{ID: meaning, Type: state, At: fields.FirstTime(triggered, at, said)}
	o.describe(e)
	return e, ""
}

// changes returns what a topic says of the order, and when that happened; "" for nothing. orders/updated comes with each edit, and with whatever the
// other topics say: it is taken for what it says last.
func (o *order) changes(topic string) (state event.Type, meaning string, at time.Time) {
	paid := strings.EqualFold(o.FinancialStatus.String(), "paid")
	switch topic {
	case "create":
		if paid && strings.EqualFold(o.SourceName.String(), "pos") { // a sale at a till is paid when it is made
			return event.PaymentComplete, "paid", o.ProcessedAt.Time(time.UTC)
		}
		return event.OrderCreate, "created", o.CreatedAt.Time(time.UTC)
	case "paid":
		return event.PaymentComplete, "paid", o.ProcessedAt.Time(time.UTC)
	case "cancelled":
		return event.OrderCancel, "cancelled", o.CancelledAt.Time(time.UTC)
	case "fulfilled":
		return event.OrderUpdate, "fulfilled", o.fulfilledAt()
	case "partially_fulfilled":
		return event.OrderUpdate, "partial", o.fulfilledAt()
	case "updated":
		return o.latest()
	}
	return "", "", time.Time{}
}

// latest returns the last of what happened to the order, by its own times; of two at one time the first below.
func (o *order) latest() (state event.Type, meaning string, at time.Time) {
	take := func(s event.Type, m string, when time.Time) {
		if when.After(at) {
			state, meaning, at = s, m, when
		}
	}
	if back := o.refunds(); back.sum != "" {
		take(event.RefundComplete, "refunded/"+back.sum, back.latest)
	}
	take(event.OrderCancel, "cancelled", o.CancelledAt.Time(time.UTC))
	switch strings.ToLower(o.FulfillmentStatus.String()) {
	case "fulfilled":
		take(event.OrderUpdate, "fulfilled", o.fulfilledAt())
	case "partial":
		take(event.OrderUpdate, "partial", o.fulfilledAt())
	}
	return state, meaning, at
}

// fulfilledAt returns when the latest fulfillment was made.
func (o *order) fulfilledAt() (latest time.Time) {
	for _, f := range o.Fulfillments {
		if at := f.CreatedAt.Time(time.UTC); at.After(latest) {
			latest = at
		}
	}
	return latest
}
