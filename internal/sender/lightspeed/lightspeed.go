// Package lightspeed is the sender of POST /webhooks/lightspeed/{store}: the webhooks of sales (sale.update) of Lightspeed Retail X-Series, formerly Vend.
package lightspeed

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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
const Name = "lightspeed"

// Config has the keys of the store "default".
type Config struct {
	// Secrets are the client secrets of the apps that made the webhooks, separated by commas; any of them counts. Setting one turns /webhooks/lightspeed/default on.
	Secrets secret.Keys `env:"LIGHTSPEED_CLIENT_SECRET"`
	// PathKeys are for webhooks that were added by hand, which have no app to sign them: the last part of their address, /webhooks/lightspeed/default/KEY. Letters, digits, - and _, as from `openssl rand -hex 32`; several with commas between.
	PathKeys secret.Keys `env:"LIGHTSPEED_PATH_KEY"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error { return sender.CheckPathKeys("LIGHTSPEED_PATH_KEY", c.PathKeys) }

// Options are what a store's sender is made of.
type Options struct {
	Store    string
	Keys     [][]byte // of the signature
	PathKeys [][]byte
	Resolve  bool // a resolver completes the events
}

type lightspeed struct{ Options }

// New returns the sender for a store.
func New(o Options) sender.Sender { return &lightspeed{o} }

const (
	signatureHeader = "X-Signature"
	algorithm       = "HMAC-SHA256"
)

// Verify implements sender.Sender: the key of the path, or else X-Signature: signature=<HMAC-SHA-256>,algorithm=HMAC-SHA256, keyed with the app's client secret. Lightspeed's
// page (x-series-api.lightspeedhq.com/docs/webhooks) says that the request body is signed, and not whether it means the form or the JSON in it, in hex or base64: any of
// them needs the secret.
func (s *lightspeed) Verify(d *sender.Delivery) error {
	if d.Key != "" {
		return sender.VerifyPath(s.PathKeys, d)
	}
	given := d.Header.Values(signatureHeader)
	if len(given) == 0 {
		return &sender.UnauthorizedError{Detail: signatureHeader + " is missing, and the path has no key: Lightspeed signs only the webhooks of apps"}
	}
	payload := []byte(formOf(d).Get(payloadField))
	for _, text := range given {
		signature, ok := parse(text)
		good := ok && sender.Signed(sha256.New, s.Keys, signature, d.Body)
		if len(payload) > 0 {
			good = ok && sender.Signed(sha256.New, s.Keys, signature, payload) || good
		}
		if !good {
			return &sender.UnauthorizedError{Detail: signatureHeader + " does not fit the body and the client secret"}
		}
	}
	return nil
}

// parse returns the bytes of a signature, in hex or base64; false for another algorithm, and for what is no signature.
func parse(header string) (signature []byte, ok bool) {
	var text, named string
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.TrimSpace(name) {
		case "signature":
			text = strings.TrimSpace(value)
		case "algorithm":
			named = strings.TrimSpace(value)
		}
	}
	if !strings.EqualFold(named, algorithm) {
		return nil, false
	}
	var err error
	if len(text) == hex.EncodedLen(sha256.Size) {
		signature, err = hex.DecodeString(text)
	} else {
		signature, err = base64.StdEncoding.DecodeString(text)
	}
	return signature, err == nil && len(signature) == sha256.Size
}

// The fields of the form. Only the payload is always there.
const (
	payloadField = "payload"
	typeField    = "type"
	prefixField  = "domain_prefix"
)

const topicSale = "sale.update"

// formOf returns the fields of the body, those that can be read.
func formOf(d *sender.Delivery) url.Values {
	form, _ := url.ParseQuery(string(d.Body))
	return form
}

// Decode implements sender.Sender. The account is not a part of the ids: it is not always there, and the ids of sales are UUIDs.
func (s *lightspeed) Decode(d *sender.Delivery) (*sender.Reading, error) {
	form := formOf(d)
	reading := &sender.Reading{Topic: form.Get(typeField), Account: form.Get(prefixField)}
	if reading.Topic != "" && reading.Topic != topicSale {
		reading.Skip = sender.SkipTopic
		return reading, nil
	}
	var body sale
	if err := fields.Decode([]byte(form.Get(payloadField)), &body); err != nil {
		return nil, &sender.MalformedError{Detail: "payload: " + err.Error()}
	}
	if reading.Topic == "" && !body.given() {
		reading.Skip = sender.SkipTopic
		return reading, nil
	}
	reading.Topic = topicSale
	if body.ID.String() == "" {
		return nil, &sender.MalformedError{Detail: "the sale has no id"}
	}
	said := fields.FirstTime(body.Updated.Time(time.UTC), d.At)
	changes, skip := body.changes(said)
	reading.Skip = skip
	for _, n := range changes {
		e := &event.Event{
			ID: sender.ID(Name, s.Store, body.ID.String(), n.meaning), Store: s.Store, Sender: Name, Type: n.state, Source: body.Register.String(),
			At: fields.FirstTime(n.at, said),
		}
		body.describe(e, n)
		switch lookup := body.lookup(); {
		case lookup != "" && s.Resolve:
			e.Lookup = lookup
		case lookup != "":
			reading.Note = "the customer or a product is an id: set LIGHTSPEED_ACCESS_TOKEN and RESOLVE_SENDERS"
		}
		value.Clean(e)
		reading.Events = append(reading.Events, e)
	}
	return reading, nil
}
