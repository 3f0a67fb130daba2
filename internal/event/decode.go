package event

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxShared is how large an event may be, in bytes, that one of its texts keeps in memory as a whole.
const maxShared = 4096

// Decode reads an event's bytes. Fields that this program does not know are skipped. The event keeps no reference to data; its texts are parts
// of one copy of it, which a text that is kept keeps in memory, or, in an event of more than maxShared bytes, copies of their own. Errors:
// ErrCorrupt, also for an event beyond the limits.
func Decode(data []byte) (*Event, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrCorrupt, len(data))
	}
	e, s := &Event{}, scanner{data: data}
	if len(data) <= maxShared {
		s.copied = string(data)
	}
	if err := e.read(s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return e, nil
}

func (e *Event) read(s scanner) error {
	var at struct {
		given                  bool
		seconds, nanos, offset int64
	}
	for s.next() {
		switch {
		case s.is(eventAt, protowire.VarintType):
			at.given, at.seconds = true, int64(s.varint)
		case s.is(eventAtNanos, protowire.VarintType):
			at.nanos = int64(s.varint)
		case s.is(eventAtOffset, protowire.VarintType):
			at.offset = protowire.DecodeZigZag(s.varint)
		case s.is(eventSale, protowire.BytesType):
			s.err = e.Sale.read(s.message())
		case s.is(eventCustomer, protowire.BytesType):
			s.err = readTexts(s.message(), customerFields, &e.Customer)
		case s.is(eventItems, protowire.BytesType):
			if len(e.Items) == MaxItems {
				return fmt.Errorf("more than %d items", MaxItems)
			}
			e.Items = append(e.Items, Item{})
			s.err = e.Items[len(e.Items)-1].read(s.message())
		default:
			readText(&s, eventFields, e)
		}
	}
	if !at.given || s.err != nil {
		return s.err
	}
	if at.nanos < 0 || at.nanos >= int64(time.Second) || at.offset < -maxOffset || at.offset > maxOffset {
		return errors.New("invalid time")
	}
	zone := time.UTC
	if at.offset != 0 {
		zone = time.FixedZone("", int(at.offset))
	}
	e.At = time.Unix(at.seconds, at.nanos).In(zone)
	return nil
}

func (s *Sale) read(from scanner) error {
	for from.next() {
		switch {
		case from.is(salePayment, protowire.BytesType):
			from.err = readTexts(from.message(), paymentFields, &s.Payment)
		case from.is(saleTest, protowire.VarintType):
			s.Test = from.varint != 0
		case from.is(saleTaxIncluded, protowire.VarintType):
			s.TaxIncluded = from.varint != 0
		default:
			readText(&from, saleFields, s)
		}
	}
	return from.err
}

func (i *Item) read(from scanner) error {
	for from.next() {
		if !from.is(itemOptions, protowire.BytesType) {
			readText(&from, itemFields, i)
			continue
		}
		if len(i.Options) == MaxOptions {
			return fmt.Errorf("more than %d options of an item", MaxOptions)
		}
		i.Options = append(i.Options, from.text())
	}
	return from.err
}

func readTexts[T any](s scanner, fields []text[T], into *T) error {
	for s.next() {
		readText(&s, fields, into)
	}
	return s.err
}

// readText takes the field that was just read, where it is a text that is known.
func readText[T any](s *scanner, fields []text[T], into *T) {
	if s.kind == protowire.BytesType && int(s.number) < len(fields) && fields[s.number].get != nil {
		*fields[s.number].get(into) = s.text()
	}
}

// scanner reads the fields of a message one after the other.
type scanner struct {
	data   []byte // ends with the message
	copied string // the same bytes, for texts to be parts of; "" when each is a copy of its own
	at     int    // where the next field begins
	err    error

	// The field that was read last.
	number   protowire.Number
	kind     protowire.Type
	varint   uint64 // of a VarintType
	from, to int    // where the value of a BytesType is
}

// next reads a field; false at the end of the message, and when the bytes are wrong.
func (s *scanner) next() bool {
	if s.err != nil || s.at >= len(s.data) {
		return false
	}
	var n int
	if s.number, s.kind, n = protowire.ConsumeTag(s.data[s.at:]); n < 0 {
		s.err = protowire.ParseError(n)
		return false
	}
	s.at += n
	switch s.kind {
	case protowire.VarintType:
		s.varint, n = protowire.ConsumeVarint(s.data[s.at:])
	case protowire.BytesType:
		var value []byte
		value, n = protowire.ConsumeBytes(s.data[s.at:])
		s.from, s.to = s.at+n-len(value), s.at+n
	default:
		n = protowire.ConsumeFieldValue(s.number, s.kind, s.data[s.at:])
	}
	if n < 0 {
		s.err = protowire.ParseError(n)
		return false
	}
	s.at += n
	return true
}

func (s *scanner) is(number protowire.Number, kind protowire.Type) bool {
	return s.number == number && s.kind == kind
}

func (s *scanner) text() string {
	if s.copied == "" {
		return string(s.data[s.from:s.to])
	}
	return s.copied[s.from:s.to]
}

// message returns a scanner of the message that is the value of the field.
func (s *scanner) message() scanner {
	return scanner{data: s.data[:s.to], copied: s.copied, at: s.from}
}
