// Package loyverse is the sender of POST /webhooks/loyverse/{store}: Loyverse's webhooks of receipts (receipts.update).
package loyverse

import (
	"crypto/sha1" //nolint:gosec // Loyverse's choice; as an HMAC it is not known to be broken
	"encoding/base64"
	"encoding/hex"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// Name is the sender's name in paths and events.
const Name = "loyverse"

// Config has the keys of the store "default".
type Config struct {
	// Secrets are the client secrets of the apps that made the webhooks by OAuth, separated by commas; any of them counts. Setting one turns /webhooks/loyverse/default on. Loyverse's webhooks name no currency: set DEFAULT_CURRENCY.
	Secrets secret.Keys `env:"LOYVERSE_CLIENT_SECRET"`
	// PathKeys are for webhooks that were made with a personal access token, which Loyverse does not sign: the last part of their address, /webhooks/loyverse/default/KEY. Letters, digits, - and _, as from `openssl rand -hex 32`; several with commas between.
	PathKeys secret.Keys `env:"LOYVERSE_PATH_KEY"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error { return sender.CheckPathKeys("LOYVERSE_PATH_KEY", c.PathKeys) }

// Options are what a store's sender is made of.
type Options struct {
	Store    string
	Keys     [][]byte // of the signature
	PathKeys [][]byte
	Resolve  bool // a resolver completes the events
}

type loyverse struct{ Options }

// New returns the sender for a store.
func New(o Options) sender.Sender { return &loyverse{o} }

const signatureHeader = "X-Loyverse-Signature"

// Verify implements sender.Sender: the key of the path, or else HMAC-SHA-1 over the body. The signature is base64, as Loyverse's page says (developer.loyverse.com/docs, "Webhooks"),
// or hex, as its users have seen (loyverse.town/topic/7422).
func (s *loyverse) Verify(d *sender.Delivery) error {
	if d.Key != "" {
		return sender.VerifyPath(s.PathKeys, d)
	}
	given := d.Header.Values(signatureHeader)
	if len(given) == 0 {
		return &sender.UnauthorizedError{Detail: signatureHeader + " is missing, and the path has no key: Loyverse signs only webhooks that were made by OAuth"}
	}
	for _, text := range given {
		if !sender.Signed(sha1.New, s.Keys, decoded(text), d.Body) {
			return &sender.UnauthorizedError{Detail: signatureHeader + " does not fit the body and the client secret"}
		}
	}
	return nil
}

// decoded returns the bytes of a signature in base64 or hex, which have other lengths; nil for any other text.
func decoded(text string) []byte {
	if len(text) == hex.EncodedLen(sha1.Size) {
		signature, _ := hex.DecodeString(text)
		return signature
	}
	signature, _ := base64.StdEncoding.DecodeString(text)
	return signature
}

// envelope is the body of every webhook.
type envelope struct {
	Merchant fields.Text          `json:"merchant_id"`
	Type     fields.Text          `json:"type"`
	Created  fields.Text          `json:"created_at"`
	Receipts fields.List[receipt] `json:"receipts"`
}

// Decode implements sender.Sender. One webhook may have several receipts.
func (s *loyverse) Decode(d *sender.Delivery) (*sender.Reading, error) {
	var body envelope
	if err := fields.Decode(d.Body, &body); err != nil {
		return nil, &sender.MalformedError{Detail: err.Error()}
	}
	reading := &sender.Reading{Topic: body.Type.String(), Account: body.Merchant.String()}
	if reading.Topic == "" {
		return nil, &sender.MalformedError{Detail: "the webhook has no type"}
	}
	if reading.Topic != "receipts.update" {
		reading.Skip = sender.SkipTopic
		return reading, nil
	}
	numbers, seen := 0, map[string]bool{}
	for i := range body.Receipts {
		r := &body.Receipts[i]
		if r.Number.String() == "" {
			continue
		}
		numbers++
		said := fields.FirstTime(body.Created.Time(time.UTC), r.Updated.Time(time.UTC), d.At)
		n, skip := r.change(said)
		if skip != "" {
			reading.Skip = skip
			continue
		}
		e := &event.Event{
			ID: sender.ID(Name, reading.Account, r.Number.String(), n.meaning), Store: s.Store, Sender: Name, Type: n.state, Source: r.Store.String(),
			At: fields.FirstTime(n.at, said),
		}
		if seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		r.describe(e, n)
		switch lookup := r.lookup(); {
		case lookup != "" && s.Resolve:
			e.Lookup = lookup
		case lookup != "":
			reading.Note = "the customer is an id: set LOYVERSE_ACCESS_TOKEN and RESOLVE_SENDERS"
		}
		value.Clean(e)
		reading.Events = append(reading.Events, e)
	}
	switch {
	case numbers == 0:
		return nil, &sender.MalformedError{Detail: "no receipt has a number"}
	case len(reading.Events) > 0:
		reading.Skip = ""
	}
	return reading, nil
}
