// Package sender is the contract of the systems that post webhooks of their own, as Shopify and Square: how one is verified, and what it says.
package sender

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
	"unicode"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
)

// Sender reads the webhooks of one system for one store. It is safe for concurrent use. sendertest is the contract as tests.
type Sender interface {
	// Verify checks that a delivery was made by one who has a key of the store. It reads the raw bytes and decodes nothing of them. Errors:
	// *UnauthorizedError.
	Verify(*Delivery) error
	// Decode returns what a delivery that was verified says. A value of a kind that is not the sender's is taken as missing. Errors:
	// *MalformedError, for a body that is not of the sender's form.
	Decode(*Delivery) (*Reading, error)
}

// Resolver asks a sender for what its webhooks leave out. It is safe for concurrent use.
type Resolver interface {
	// Resolve completes an event that has a Lookup, by asking the sender. The events that come of it have none; there is none where what was fetched says nothing to a
	// customer. The same event may be resolved again, and the events have the same ids as long as the sender answers the same. Errors: *failure.Error, never
	// ambiguous; permanent ones are of an event that can never be completed.
	Resolve(context.Context, *event.Event) ([]*event.Event, error)
	// Probe returns nil where the sender is up, and takes the token with all permissions that Resolve needs. It reads nothing of a customer. Errors: *failure.Error.
	Probe(context.Context) error
}

// ResolverOptions are how all senders are asked.
type ResolverOptions struct {
	AllowHTTP   bool // http:// at other hosts than this machine: for emulators
	Concurrency int  // how many requests are made at a time
}

// Delivery is a webhook as it was delivered.
type Delivery struct {
	Header http.Header
	Body   []byte    // the bytes that are signed, unchanged
	Key    string    // the last part of the path, of a sender that signs nothing; "" where there is none
	At     time.Time // when it came in
}

// Reading is what a delivery says: events, or the reason why there is none.
type Reading struct {
	Topic   string // in the sender's words, as orders/paid; not checked
	Account string // the shop, in the sender's words; not checked
	Events  []*event.Event
	// Undated are the ids of the events whose body does not say when they happened, as a refund of WooCommerce: an edit of the sale a week later says the same again,
	// and nothing in it tells the two apart. They are remembered for SaidWindow.
	Undated []string
	Skip    Skip // "" where there is an event
	// Note is for the operator, in the log and on the senders page: the code of a handshake, or the setting that is missing. It has nothing of a customer.
	Note string
	// Reply is the sender's handshake. The zero value is the usual answer: 200 with an empty body.
	Reply inbound.Reply
}

// Skip is why a delivery that is in order has no event. It is a metric's label.
type Skip string

// The reasons.
const (
	SkipPing  Skip = "ping"     // a handshake, or a test of the connection
	SkipTopic Skip = "topic"    // a topic that is not known, or that says nothing to a customer
	SkipState Skip = "state"    // a sale in a state that says nothing to a customer, as one that is not paid yet
	SkipIDs   Skip = "ids_only" // only ids, and the store has no key to fetch the rest with
	// SkipAccount is a delivery of another shop than the one whose token the store has.
	SkipAccount Skip = "account"
	SkipRepeat  Skip = "repeat" // it was told before, or happened too long ago: the sale was edited, or entered, since
)

// UnauthorizedError is the refusal of a delivery. Its text says which step failed, and nothing about a key.
type UnauthorizedError struct{ Detail string }

func (e *UnauthorizedError) Error() string { return e.Detail }

// MalformedError means that a body is not of the sender's form. Its text quotes no value.
type MalformedError struct{ Detail string }

func (e *MalformedError) Error() string { return e.Detail }

// RecentWindow is how long after it happened a state of a sale is told to its customer. Senders post a sale again with each edit, paid or refunded as it is;
// deduplication alone would let it through once DEDUPE_TTL is over.
const RecentWindow = 6 * time.Hour

// SaidWindow is for how long an event that has no time of its own is told once. A sale is rarely edited later than that.
const SaidWindow = 90 * 24 * time.Hour

// ImportWindow is how long before it was entered into the sender's system a sale may have happened: a till that was offline, a marketplace that is read once per
// day. Older sales were moved from another system, and their customers were told then.
const ImportWindow = 48 * time.Hour

// Recent reports whether something had happened within RecentWindow when the sender said so. That is the time of the webhook or of the edit, and not of its
// delivery: a delivery may be repeated for days. What has no time is recent: deduplication is all there is then.
func Recent(happened, said time.Time) bool {
	return happened.IsZero() || said.Sub(happened) < RecentWindow
}

// hashedID is how many bytes of a hash end an id that is too long.
const hashedID = 32

// ID makes an event's id of its meaning: sender, account, the sale and what happened to it, as woocommerce/store.example.com/727/paid. What is longer
// than event.MaxID ends in a hash of the whole. Control characters become spaces.
func ID(parts ...string) string {
	id := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(strings.Join(parts, "/"), "\ufffd"))
	if len(id) <= event.MaxID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	head := strings.ToValidUTF8(id[:event.MaxID-hashedID-1], "")
	return head + "/" + hex.EncodeToString(sum[:hashedID/2])
}
