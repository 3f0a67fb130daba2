// Package stripe is the sender of POST /webhooks/stripe/{store}: Stripe's snapshot events of Checkout and Terminal.
package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// Name is the sender's name in paths and events.
const Name = "stripe"

// Config has the keys of the store "default".
type Config struct {
	// Secrets of Stripe's webhook endpoints, whsec_ and all, separated by commas; any of them counts. Setting one turns /webhooks/stripe/default on.
	Secrets secret.Keys `env:"STRIPE_WEBHOOK_SECRET"`
	// PaymentIntents sends the receipt at payment_intent.succeeded, for shops that use neither Checkout nor Terminal: where they do, that event has no customer, and the sale's others say the same.
	PaymentIntents bool `env:"STRIPE_PAYMENT_INTENTS, default=false"`
}

// Options are what a store's sender is made of.
type Options struct {
	Store          string
	Keys           [][]byte
	PaymentIntents bool
	Resolve        bool // a resolver completes the events
}

type stripe struct{ Options }

// New returns the sender for a store.
func New(o Options) sender.Sender { return &stripe{o} }

const signatureHeader = "Stripe-Signature"

// tolerance is how old a signature may be: that of Stripe's libraries (stripe-go, webhook.DefaultTolerance). One from the future is taken, as they do.
const tolerance = 5 * time.Minute

// Verify implements sender.Sender: t=<seconds>,v1=<hex of HMAC-SHA-256 over seconds, a point and the body>. There may be several v1 while a secret is rolled;
// one of them has to be right. Other schemes are passed over.
func (s *stripe) Verify(d *sender.Delivery) error {
	given := d.Header.Values(signatureHeader)
	if len(given) == 0 {
		return &sender.UnauthorizedError{Detail: signatureHeader + " is missing"}
	}
	for _, text := range given {
		if err := s.verify(d, text); err != nil {
			return err
		}
	}
	return nil
}

func (s *stripe) verify(d *sender.Delivery, header string) error {
	stamp, good := "", false
	var signatures [][]byte
	for part := range strings.SplitSeq(header, ",") {
		scheme, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch scheme {
		case "t":
			stamp = text
		case "v1":
			if signature, err := hex.DecodeString(text); err == nil {
				signatures = append(signatures, signature)
			}
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || len(signatures) == 0 {
		return &sender.UnauthorizedError{Detail: signatureHeader + " has no time, or no signature of scheme v1"}
	}
	for _, signature := range signatures {
		good = sender.Signed(sha256.New, s.Keys, signature, []byte(stamp), []byte("."), d.Body) || good
	}
	switch {
	case !good:
		return &sender.UnauthorizedError{Detail: signatureHeader + " does not fit the body and the secret"}
	case d.At.Sub(time.Unix(seconds, 0)) > tolerance:
		return &sender.UnauthorizedError{Detail: signatureHeader + " is too old: look at the clock of this machine"}
	}
	return nil
}

// envelope is the body of every snapshot event.
type envelope struct {
	ID      fields.Text `json:"id"`
	Object  fields.Text `json:"object"`
	Type    fields.Text `json:"type"`
	Account fields.Text `json:"account"`
	Created fields.Text `json:"created"`
	Mode    mode        `json:"livemode"`
	Data    fields.Object[struct {
		Object fields.Object[object] `json:"object"`
	}] `json:"data"`
}

// mode is whether an event is of Stripe's test mode.
type mode struct{ test bool }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *mode) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	m.test = d.PeekKind() == 'f'
	return d.SkipValue()
}

// Decode implements sender.Sender.
func (s *stripe) Decode(d *sender.Delivery) (*sender.Reading, error) {
	var e envelope
	if err := fields.Decode(d.Body, &e); err != nil {
		return nil, &sender.MalformedError{Detail: err.Error()}
	}
	reading := &sender.Reading{Topic: e.Type.String(), Account: e.Account.String()}
	if reading.Account == "" {
		reading.Account = s.Store // only Connect's events name the account
	}
	o := &e.Data.Members.Object.Members
	n, skip := s.changes(e.Type.String(), o)
	if skip == "" && o.ID.String() == "" {
		return nil, &sender.MalformedError{Detail: "the event's object has no id"}
	}
	if skip != "" {
		reading.Skip = skip
		return reading, nil
	}
	at := e.Created.Time(time.UTC) // not compared with RecentWindow: Stripe's are events, and it repeats one for three days
	if at.IsZero() {
		at = d.At
	}
	made := &event.Event{
		ID: sender.ID(Name, reading.Account, o.sale(), n.meaning), Store: s.Store, Sender: Name, Type: n.state, At: at, Source: e.Account.String(),
	}
	o.describe(made, n.status)
	made.Sale.Test = e.Mode.test
	if s.Resolve && strings.HasPrefix(reading.Topic, "checkout.session.") {
		made.Lookup = o.ID.String()
	}
	value.Clean(made)
	reading.Events = []*event.Event{made}
	return reading, nil
}
