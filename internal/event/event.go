// Package event has what happened at a till, in the terms of no sender: the event that goes through the queue, its bytes, and the event types.
package event

import (
	"slices"
	"strings"
	"time"
)

// The limits of an event. A sender refuses what is larger, so that an event that was accepted can always be encoded.
const (
	MaxID      = 200      // bytes of an event's id
	MaxItems   = 10_000   // items of an event
	MaxOptions = 100      // options of an item
	MaxBytes   = 65 << 20 // bytes of an encoded event; the largest MAX_BODY_BYTES fits
)

const (
	// DefaultStore is the id of the store that the environment describes.
	DefaultStore = "default"
	// SenderPOS is the name of the sender behind POST /webhooks/pos.
	SenderPOS = "pos"
)

// Event is what happened at a till. All of its texts are UTF-8; "" is a field that the sender left out. Money and quantities are plain
// decimals as the sender wrote them ("125.50", "-1", "0.5"), never floats.
type Event struct {
	ID       string // 1 to MaxID bytes, without control characters; with the type, unique within the store and the sender
	Store    string // the id of the store
	Sender   string // the name of the sender, as pos or shopify
	Type     Type
	At       time.Time // when it happened, in the zone that the sender gave, or else the store's; zero when it gave no time
	Source   string    // which till or system of the store it comes from
	Sale     Sale
	Customer Customer
	Items    []Item // at most MaxItems
	// Extra is a JSON object with the fields that ringup does not know, for templates; "" when there are none.
	Extra string
	// Lookup is what has to be fetched from the sender before the event is whole, in the sender's own terms; "" for nothing.
	Lookup string
}

// Key names the event among those of all stores and senders, together with its type: tills use an order's number as the id of all its events. For DefaultStore and SenderPOS it is the id alone, as ringup 0.1.0 had it: a
// webhook that was accepted before an upgrade and comes again after it is still known.
func (e *Event) Key() string {
	if e.Store == DefaultStore && e.Sender == SenderPOS {
		return e.ID
	}
	return e.Store + "\x00" + e.Sender + "\x00" + e.ID // no id has a control character
}

// KeysOf returns the keys that an event with an id may have in DefaultStore: that of POST /webhooks/pos, and where the id begins with a sender's name, that sender's.
func KeysOf(id string) []string {
	keys := []string{id}
	if sender, _, named := strings.Cut(id, "/"); named && sender != "" {
		keys = append(keys, (&Event{Store: DefaultStore, Sender: sender, ID: id}).Key())
	}
	return keys
}

// Sale is what was sold, for how much, and how it was paid.
type Sale struct {
	TransactionID string
	OrderID       string
	OrderName     string // the order's name as the customer knows it, as #1001
	Status        string // in the sender's words
	Currency      string // three capitals by ISO 4217; in any case in an event that 0.1.0 took
	Subtotal      string
	Discount      string
	Tax           string
	TaxIncluded   bool // the lines, the discount and the subtotal have the tax in them
	Tip           string
	Total         string
	Refunded      string // of RefundComplete: how much was paid back
	Payment       Payment
	ReceiptURL    string
	Place         string // the shop, register or table
	Test          bool   // no sale: the sender tries out its connection
}

// Payment is how a sale was paid.
type Payment struct {
	Brand    string // as Visa or cash
	LastFour string // of the card's number
}

// Customer is the person who bought, as the sender wrote it: numbers and addresses have not been checked. Personal data.
type Customer struct {
	Name     string
	Phone    string
	Region   string // the country, by ISO 3166-1, to read Phone by; "" for the store's
	Email    string
	Locale   string // as en, de-AT or pt_BR
	TimeZone string // an IANA name; whatever the sender wrote in an event that 0.1.0 took
}

// Item is a line of a sale.
type Item struct {
	Name      string
	Options   []string // at most MaxOptions
	Quantity  string
	UnitPrice string
	Total     string // of the line
}

// Type is the kind of an event. Its text is part of webhooks, settings, templates' file names, metric labels and Redis.
type Type string

// The event types.
const (
	PaymentComplete Type = "payment_complete"
	RefundComplete  Type = "refund_complete"
	OrderCreate     Type = "order_create"
	OrderCancel     Type = "order_cancel"
	POSSave         Type = "pos_save"
	OrderUpdate     Type = "order_update"
)

// Types lists every event type, in the order settings and pages show them.
var Types = []Type{PaymentComplete, RefundComplete, OrderCreate, OrderCancel, POSSave, OrderUpdate}

// Known reports whether this program knows the type. A newer program's types are not known.
func (t Type) Known() bool { return slices.Contains(Types, t) }

// Names lists the event types for a sentence: with commas between.
func Names() string {
	names := make([]string, len(Types))
	for i, t := range Types {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}
