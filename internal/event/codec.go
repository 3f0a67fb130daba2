package event

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// The bytes of an event are protobuf's wire format, by event.proto. docs/decisions/0011 says why.

// text is a field of the message T whose value is a text: its number and its name in event.proto, and where the value is. Tables of them are
// indexed by number; where the value is not a text, the codec treats the field by itself and there is no get.
type text[T any] struct {
	number protowire.Number
	name   string
	get    func(*T) *string
}

// The fields that are not texts, by their numbers.
const (
	eventAt       protowire.Number = 5
	eventAtNanos  protowire.Number = 6
	eventAtOffset protowire.Number = 7
	eventSale     protowire.Number = 9
	eventCustomer protowire.Number = 10
	eventItems    protowire.Number = 11

	salePayment     protowire.Number = 12
	saleTest        protowire.Number = 15
	saleTaxIncluded protowire.Number = 16

	itemOptions protowire.Number = 2
)

var eventFields = []text[Event]{
	{},
	{1, "id", func(e *Event) *string { return &e.ID }},
	{2, "store", func(e *Event) *string { return &e.Store }},
	{3, "type", func(e *Event) *string { return (*string)(&e.Type) }},
	{4, "sender", func(e *Event) *string { return &e.Sender }},
	{eventAt, "at", nil},
	{eventAtNanos, "at_nanos", nil},
	{eventAtOffset, "at_offset", nil},
	{8, "source", func(e *Event) *string { return &e.Source }},
	{eventSale, "sale", nil},
	{eventCustomer, "customer", nil},
	{eventItems, "items", nil},
	{12, "extra", func(e *Event) *string { return &e.Extra }},
	{13, "lookup", func(e *Event) *string { return &e.Lookup }},
}

var saleFields = []text[Sale]{
	{},
	{1, "transaction_id", func(s *Sale) *string { return &s.TransactionID }},
	{2, "order_id", func(s *Sale) *string { return &s.OrderID }},
	{3, "order_name", func(s *Sale) *string { return &s.OrderName }},
	{4, "status", func(s *Sale) *string { return &s.Status }},
	{5, "currency", func(s *Sale) *string { return &s.Currency }},
	{6, "subtotal", func(s *Sale) *string { return &s.Subtotal }},
	{7, "discount", func(s *Sale) *string { return &s.Discount }},
	{8, "tax", func(s *Sale) *string { return &s.Tax }},
	{9, "tip", func(s *Sale) *string { return &s.Tip }},
	{10, "total", func(s *Sale) *string { return &s.Total }},
	{11, "refunded", func(s *Sale) *string { return &s.Refunded }},
	{salePayment, "payment", nil},
	{13, "receipt_url", func(s *Sale) *string { return &s.ReceiptURL }},
	{14, "place", func(s *Sale) *string { return &s.Place }},
	{saleTest, "test", nil},
	{saleTaxIncluded, "tax_included", nil},
}

var paymentFields = []text[Payment]{
	{},
	{1, "brand", func(p *Payment) *string { return &p.Brand }},
	{2, "last_four", func(p *Payment) *string { return &p.LastFour }},
}

var customerFields = []text[Customer]{
	{},
	{1, "name", func(c *Customer) *string { return &c.Name }},
	{2, "phone", func(c *Customer) *string { return &c.Phone }},
	{3, "region", func(c *Customer) *string { return &c.Region }},
	{4, "email", func(c *Customer) *string { return &c.Email }},
	{5, "locale", func(c *Customer) *string { return &c.Locale }},
	{6, "time_zone", func(c *Customer) *string { return &c.TimeZone }},
}

var itemFields = []text[Item]{
	{},
	{1, "name", func(i *Item) *string { return &i.Name }},
	{itemOptions, "options", nil},
	{3, "quantity", func(i *Item) *string { return &i.Quantity }},
	{4, "unit_price", func(i *Item) *string { return &i.UnitPrice }},
	{5, "total", func(i *Item) *string { return &i.Total }},
}

// maxOffset is the largest offset of a time from UTC, in seconds: 24 hours and 60 minutes, as time.Parse takes them, by which senders read times.
const maxOffset = 25 * 60 * 60

// ErrCorrupt means that bytes are no event.
var ErrCorrupt = errors.New("event cannot be read")

// AppendBinary appends the event's bytes to dst; a field that is empty takes none. On an error, which is of an event beyond the limits, dst is
// returned as it was.
func (e *Event) AppendBinary(dst []byte) ([]byte, error) {
	if len(e.Items) > MaxItems {
		return dst, fmt.Errorf("event of %d items: at most %d are possible", len(e.Items), MaxItems)
	}
	for i := range e.Items {
		if n := len(e.Items[i].Options); n > MaxOptions {
			return dst, fmt.Errorf("item of %d options: at most %d are possible", n, MaxOptions)
		}
	}
	_, offset := e.At.Zone()
	if offset < -maxOffset || offset > maxOffset {
		return dst, fmt.Errorf("time with an offset of %d s: at most %d are possible", offset, maxOffset)
	}
	out := appendTexts(dst, eventFields, e)
	if !e.At.IsZero() {
		out = appendVarint(out, eventAt, uint64(e.At.Unix()))
		if nanos := e.At.Nanosecond(); nanos != 0 {
			out = appendVarint(out, eventAtNanos, uint64(nanos))
		}
		if offset != 0 {
			out = appendVarint(out, eventAtOffset, protowire.EncodeZigZag(int64(offset)))
		}
	}
	out = appendMessage(out, eventSale, &e.Sale, (*Sale).append)
	out = appendMessage(out, eventCustomer, &e.Customer, (*Customer).append)
	for i := range e.Items {
		out = appendAlways(out, eventItems, &e.Items[i], (*Item).append)
	}
	if len(out)-len(dst) > MaxBytes {
		return dst, fmt.Errorf("event of %d bytes: at most %d are possible", len(out)-len(dst), MaxBytes)
	}
	return out, nil
}

func (s *Sale) append(dst []byte) []byte {
	dst = appendTexts(dst, saleFields, s)
	dst = appendMessage(dst, salePayment, &s.Payment, (*Payment).append)
	if s.Test {
		dst = appendVarint(dst, saleTest, 1)
	}
	if s.TaxIncluded {
		dst = appendVarint(dst, saleTaxIncluded, 1)
	}
	return dst
}

func (p *Payment) append(dst []byte) []byte { return appendTexts(dst, paymentFields, p) }

func (c *Customer) append(dst []byte) []byte { return appendTexts(dst, customerFields, c) }

func (i *Item) append(dst []byte) []byte {
	dst = appendTexts(dst, itemFields, i)
	for _, option := range i.Options {
		dst = protowire.AppendTag(dst, itemOptions, protowire.BytesType)
		dst = protowire.AppendString(dst, option)
	}
	return dst
}

func appendTexts[T any](dst []byte, fields []text[T], of *T) []byte {
	for i := range fields {
		if fields[i].get == nil {
			continue
		}
		if value := *fields[i].get(of); value != "" {
			dst = protowire.AppendTag(dst, fields[i].number, protowire.BytesType)
			dst = protowire.AppendString(dst, value)
		}
	}
	return dst
}

func appendVarint(dst []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.VarintType), value)
}

// appendMessage appends a message within a message; one that is empty takes no bytes.
func appendMessage[T any](dst []byte, number protowire.Number, of *T, body func(*T, []byte) []byte) []byte {
	before := len(dst)
	dst = appendAlways(dst, number, of, body)
	if len(dst) == before+protowire.SizeTag(number)+1 {
		return dst[:before]
	}
	return dst
}

// appendAlways appends a message within a message, also one that is empty.
func appendAlways[T any](dst []byte, number protowire.Number, of *T, body func(*T, []byte) []byte) []byte {
	dst = protowire.AppendTag(dst, number, protowire.BytesType)
	at := len(dst)
	// One byte is enough for most lengths; for a longer one the body makes way.
	dst = body(of, append(dst, 0))
	length := len(dst) - at - 1
	if more := protowire.SizeVarint(uint64(length)) - 1; more > 0 {
		dst = append(dst, make([]byte, more)...)
		copy(dst[at+1+more:], dst[at+1:at+1+length])
	}
	protowire.AppendVarint(dst[:at], uint64(length))
	return dst
}
