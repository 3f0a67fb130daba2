package render

import (
	"cmp"
	"strings"
	"sync"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/message"
)

// figureKind is how a figure is formatted.
type figureKind byte

const (
	amountKind figureKind = iota
	smsKind
	unitKind
	quantityKind
)

// moneyKind is how amounts are formatted in a message.
func (v *view) moneyKind() figureKind {
	if v.channel == message.SMS {
		return smsKind
	}
	return amountKind
}

const (
	// maxMemo bounds a memo: what a shop has comes again and again.
	maxMemo = 4096
	// maxRemembered bounds the texts of a memo's key, in bytes. A text from a till may be as large as its webhook, and 4,096 of them would fill the memory.
	maxRemembered = 128
)

// memo remembers values that cost as much as the rest of a text message to make. The zero memo is ready for use, by several goroutines.
type memo[K comparable, V any] struct {
	mu   sync.RWMutex
	seen map[K]V
}

func (m *memo[K, V]) find(key K) (V, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, known := m.seen[key]
	return v, known
}

// keep remembers a value. Texts in the key have to be clones: they may be parts of a whole payload.
func (m *memo[K, V]) keep(key K, value V) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil || len(m.seen) >= maxMemo {
		m.seen = map[K]V{}
	}
	m.seen[key] = value
	return value
}

// figures formats amounts, quantities and times.
type figures struct {
	numbers memo[figure, string]
	totals  memo[[2]string, string]
	times   memo[minute, string]
}

type figure struct {
	kind                  figureKind
	literal, code, locale string
}

func (f *figures) get(kind figureKind, literal, code string, locale format.Locale) string {
	if literal == "" {
		return ""
	}
	if len(literal)+len(code) > maxRemembered {
		return written(kind, literal, code, locale)
	}
	key := figure{kind, literal, code, locale.String()}
	if text, known := f.numbers.find(key); known {
		return text
	}
	key.literal, key.code = strings.Clone(literal), strings.Clone(code)
	return f.numbers.keep(key, written(kind, literal, code, locale))
}

// written formats a figure.
func written(kind figureKind, literal, code string, locale format.Locale) string {
	switch kind {
	case smsKind:
		return format.SMSMoney(literal, code, locale)
	case unitKind:
		return format.UnitPrice(literal, code, locale)
	case quantityKind:
		return format.Quantity(literal, locale)
	}
	return format.Money(literal, code, locale)
}

// total is a line's total, as a literal: the sender's, or else quantity × unit price, or else the unit price. It is "" where there is none of them.
func (f *figures) total(item *event.Item) string {
	if item.Total != "" || item.Quantity == "" {
		return cmp.Or(item.Total, item.UnitPrice)
	}
	return cmp.Or(f.product(item.Quantity, item.UnitPrice), item.UnitPrice)
}

// product is quantity × unit price, as a literal.
func (f *figures) product(quantity, price string) string {
	switch {
	case one(quantity):
		return price
	case len(quantity)+len(price) > maxRemembered:
		return format.LineTotal(quantity, price)
	}
	if total, known := f.totals.find([2]string{quantity, price}); known {
		return total
	}
	return f.totals.keep([2]string{strings.Clone(quantity), strings.Clone(price)}, format.LineTotal(quantity, price))
}

// minute is a time as messages show it.
type minute struct {
	unix   int64 // minutes
	offset int   // of the zone, in seconds
	locale string
}

// time formats a time; "" for the zero time.
func (f *figures) time(t time.Time, locale format.Locale) string {
	if t.IsZero() {
		return ""
	}
	_, offset := t.Zone()
	key := minute{t.Unix() / 60, offset, locale.String()}
	if text, known := f.times.find(key); known {
		return text
	}
	return f.times.keep(key, format.DateTime(t, locale))
}

// zones are the time zones that messages showed the time of.
type zones struct{ known sync.Map } // a *time.Location by its name; as many as there are zones

// of returns the zone whose clock a message shows: the customer's, or else the store's, or else that of the sender. UTC is what a store has that says nothing.
func (z *zones) of(customer, store string, sender *time.Location) *time.Location {
	for _, name := range []string{customer, store} {
		if name == "" || name == "Local" || name == "UTC" && name != customer {
			continue
		}
		if known, found := z.known.Load(name); found {
			return known.(*time.Location) //nolint:forcetypeassert // stored below
		}
		if loaded, err := time.LoadLocation(name); err == nil {
			z.known.Store(strings.Clone(name), loaded)
			return loaded
		}
	}
	return sender
}
