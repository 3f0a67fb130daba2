// Package shopify is the sender of POST /webhooks/shopify/{store}: Shopify's order webhooks, made in the admin or by an app.
package shopify

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
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
	testHeader, newTestHeader           = "X-Shopify-Test", "Shopify-Test" // true where the admin's test button was pressed
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

// topics are those whose body is an order. Of the others some have a body of another form, as orders/edited, and refunds/create has no customer: orders/updated says
// the same.
var topics = []string{"orders/create", "orders/paid", "orders/cancelled", "orders/fulfilled", "orders/partially_fulfilled", "orders/updated"}

// Decode implements sender.Sender.
func (s *shopify) Decode(d *sender.Delivery) (*sender.Reading, error) {
	reading := &sender.Reading{Topic: header(d, topicHeader, newTopicHeader), Account: header(d, shopHeader, newShopHeader)}
	switch {
	case reading.Topic == "":
		return nil, &sender.MalformedError{Detail: topicHeader + " is missing"}
	case !slices.Contains(topics, reading.Topic):
		reading.Skip = sender.SkipTopic
		return reading, nil
	}
	var o order
	if err := fields.Decode(d.Body, &o); err != nil {
		return nil, &sender.MalformedError{Detail: err.Error()}
	}
	if o.ID.String() == "" {
		return nil, &sender.MalformedError{Detail: "the order has no id"}
	}
	triggered, _ := value.Time(header(d, timeHeader, newTimeHeader), time.UTC)
	said := fields.FirstTime(triggered, o.UpdatedAt.Time(time.UTC), d.At)
	changes, skip := o.changes(strings.TrimPrefix(reading.Topic, "orders/"), said)
	reading.Skip = skip
	for _, n := range changes {
		e := &event.Event{
			ID: sender.ID(Name, reading.Account, o.ID.String(), n.meaning), Store: s.store, Sender: Name, Type: n.state, At: fields.FirstTime(n.at, said),
			Source: reading.Account,
		}
		o.describe(e, n.status)
		e.Sale.Test = e.Sale.Test || header(d, testHeader, newTestHeader) == "true"
		value.Clean(e)
		reading.Events = append(reading.Events, e)
	}
	return reading, nil
}
