// Package store has the stores whose customers and staff get messages, and how a store is looked up.
package store

import (
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// Store is a shop: its name, language and country, and the recipients of its messages.
type Store struct {
	ID     string
	Name   string // as messages show it
	Locale string // the language of a message whose event names none that there are templates for, as en
	Region string // the country, by ISO 3166-1, of a number that does not begin with +
	// Currency of an event that has none, by ISO 4217 in capitals; "" where that is not known.
	Currency string
	// TimeZone is the IANA name of the zone of times without one; "" is UTC.
	TimeZone string
	Brand
	// MayWrite says why customers' messages are not sent to an address, whose country is not allowed; nil where they are. Without it all are.
	MayWrite func(message.Address) error
	// Priorities of the events, from 1, the first, to 4. A type that is not in it has 4.
	Priorities map[event.Type]int
	// Channels that messages go out on, in the order answers show them.
	Channels []Channel
}

// Brand is how a store's e-mails look. "" leaves a part out.
type Brand struct {
	Logo      string // the https address of a picture
	Color     string // of the head, as #rrggbb
	Address   string
	TaxNumber string
	Support   string // a number or an address that customers may ask
	ReplyTo   string // the address that answers to e-mails go to
}

// Channel is a channel that a store's messages go out on.
type Channel struct {
	Name message.Channel
	// Recipients get a message with every event.
	Recipients []message.Recipient
}

// DefaultPriorities are those of a store that says nothing else.
var DefaultPriorities = map[event.Type]int{
	event.PaymentComplete: 1,
	event.RefundComplete:  1,
	event.OrderCreate:     2,
	event.OrderCancel:     2,
	event.POSSave:         3,
	event.OrderUpdate:     4,
}

// lastPriority is that of events whose type has none.
const lastPriority = 4

// Priority returns the priority of a type's events, from 1, the first, to 4.
func (s *Store) Priority(t event.Type) int {
	if p, found := s.Priorities[t]; found {
		return p
	}
	return lastPriority
}

// Directory knows the stores. It is safe for concurrent use, and the stores that it returns are not changed afterwards.
type Directory interface {
	// Get returns the store with an id; false when there is none.
	Get(id string) (*Store, bool)
	// All returns every store.
	All() []*Store
}

// Only returns the directory of one store.
func Only(s *Store) Directory { return only{s} }

type only struct{ store *Store }

func (o only) Get(id string) (*Store, bool) {
	if id != o.store.ID {
		return nil, false
	}
	return o.store, true
}

func (o only) All() []*Store { return []*Store{o.store} }

// Staff returns the recipients of all channels.
func (s *Store) Staff() []message.Address {
	var all []message.Address
	for _, channel := range s.Channels {
		for _, one := range channel.Recipients {
			all = append(all, one.Address)
		}
	}
	return all
}
