// Package woocommerce is the sender of POST /webhooks/woocommerce/{store}: WooCommerce's order webhooks, which have an order as its REST API (v3) does.
package woocommerce

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// Name is the sender's name in paths and events.
const Name = "woocommerce"

// Config has the keys of the store "default".
type Config struct {
	// Secrets of WooCommerce's webhooks, separated by commas; any of them counts: the field Secret of each webhook. Setting one turns /webhooks/woocommerce/default on.
	Secrets secret.Keys `env:"WOOCOMMERCE_WEBHOOK_SECRET"`
}

// woocommerce is the sender for one store.
type woocommerce struct {
	store string
	keys  [][]byte
}

// entities are what wp_specialchars_decode decodes in a secret before it signs (class-wc-webhook.php, generate_signature). & comes last.
var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&#039;", "'", "&#39;", "'", "&amp;", "&")

// New returns the sender for a store.
func New(store string, keys [][]byte) sender.Sender {
	s := &woocommerce{store: store}
	for _, key := range keys {
		s.keys = append(s.keys, key)
		if plain := entities.Replace(string(key)); plain != string(key) {
			s.keys = append(s.keys, []byte(plain))
		}
	}
	return s
}

const (
	signatureHeader = "X-Wc-Webhook-Signature"
	topicHeader     = "X-Wc-Webhook-Topic"
	sourceHeader    = "X-Wc-Webhook-Source"
)

// ping is the body of the request that WooCommerce makes when a webhook is activated. It is not signed, and says nothing.
var ping = regexp.MustCompile(`^webhook_id=[0-9]+$`)

// Verify implements sender.Sender: base64 of HMAC-SHA-256 over the body.
func (s *woocommerce) Verify(d *sender.Delivery) error {
	given := d.Header.Values(signatureHeader)
	if len(given) == 0 && ping.Match(d.Body) {
		return nil
	}
	for _, text := range given {
		signature, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !sender.Signed(sha256.New, s.keys, signature, d.Body) {
			return &sender.UnauthorizedError{Detail: "X-WC-Webhook-Signature does not fit the body and the secret"}
		}
	}
	if len(given) == 0 {
		return &sender.UnauthorizedError{Detail: "X-WC-Webhook-Signature is missing"}
	}
	return nil
}

// Decode implements sender.Sender.
func (s *woocommerce) Decode(d *sender.Delivery) (*sender.Reading, error) {
	reading := &sender.Reading{Topic: d.Header.Get(topicHeader), Account: account(d.Header.Get(sourceHeader))}
	switch {
	case ping.Match(d.Body):
		reading.Topic, reading.Skip = "ping", sender.SkipPing
		return reading, nil
	case reading.Topic == "":
		return nil, &sender.MalformedError{Detail: "X-WC-Webhook-Topic is missing"}
	case reading.Topic != "order.created" && reading.Topic != "order.updated":
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
	said := fields.FirstTime(o.ModifiedAt.Time(time.UTC), d.At)
	changes, skip := o.changes(reading.Topic == "order.created", said)
	reading.Skip = skip
	for _, n := range changes {
		e := &event.Event{
			ID: sender.ID(Name, reading.Account, o.ID.String(), n.meaning), Store: s.store, Sender: Name, Type: n.state, At: fields.FirstTime(n.at, said),
			Source: reading.Account,
		}
		o.describe(e, n.status)
		value.Clean(e)
		reading.Events = append(reading.Events, e)
		if n.at.IsZero() {
			reading.Undated = append(reading.Undated, e.ID)
		}
	}
	return reading, nil
}

// account returns the shop of an address, as store.example.com/shop.
func account(source string) string {
	parsed, err := url.Parse(source)
	if err != nil || parsed.Host == "" {
		return strings.TrimSuffix(source, "/")
	}
	return strings.TrimSuffix(parsed.Host+parsed.Path, "/")
}
