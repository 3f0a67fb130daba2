package generic

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/value"
)

// payload is the JSON of POST /webhooks/pos. A value of a wrong kind is noted and passed over, so that every wrong field can be named at once.
type payload struct {
	ID        text         `json:"id"`
	Type      text         `json:"event_type"`
	Timestamp text         `json:"timestamp"`
	Source    text         `json:"source"`
	Data      object[data] `json:"data"`
}

type data struct {
	TransactionID  text               `json:"transactionId"`
	Amount         number             `json:"amount"`
	Currency       text               `json:"currency"`
	CustomerName   text               `json:"customerName"`
	CustomerPhone  text               `json:"customerPhone"`
	CustomerRegion text               `json:"customerRegion"`
	CustomerEmail  text               `json:"customerEmail"`
	OrderID        text               `json:"orderId"`
	OrderName      text               `json:"orderName"`
	Status         text               `json:"status"`
	Locale         text               `json:"locale"`
	TimeZone       text               `json:"timezone"`
	Subtotal       number             `json:"subtotal"`
	Discount       number             `json:"discount"`
	Tax            number             `json:"tax"`
	TaxIncluded    text               `json:"taxIncluded"`
	Tip            number             `json:"tip"`
	Refunded       number             `json:"refunded"`
	Payment        payment            `json:"payment"`
	ReceiptURL     text               `json:"receiptUrl"`
	Place          text               `json:"place"`
	Test           text               `json:"test"`
	Items          list[object[item]] `json:"items"`
	Extra          jsontext.Value     `json:",embed"` // the members that are not above, as an object
}

type item struct {
	Name     text    `json:"name"`
	Options  options `json:"options"`
	Quantity number  `json:"quantity"`
	Price    number  `json:"price"`
	Total    number  `json:"total"`
}

// text is a value that should be a string. A number is taken as its text.
type text struct {
	kind  jsontext.Kind // 0 when the member is absent
	value string        // of a string or a number
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	read, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch t.kind = read.Kind(); t.kind {
	case '"':
		t.value = unquote(read)
	case '0':
		t.value = whole(string(read))
	}
	return nil
}

// given says whether the member has a text.
func (t *text) given() bool { return t.kind == '"' || t.kind == '0' }

// unquote returns the text of a JSON string. Half of a surrogate pair, as a string that was cut has it, becomes U+FFFD.
func unquote(quoted jsontext.Value) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // its errors are half surrogate pairs
	return string(text)
}

// whole returns a number as the text that it was meant for: a program with a phone number in a float writes 15551234567.0 or
// 1.5551234567E10. A number that is not whole stays as it is written.
func whole(written string) string {
	plain, ok := value.Number(written)
	if !ok {
		return written
	}
	if digits, fraction, _ := strings.Cut(plain, "."); strings.Trim(fraction, "0") == "" {
		return digits
	}
	return written
}

// number is a value that should be a number, and is kept as it was written: money never becomes a float. A string is taken as the number that is
// written in it.
type number struct {
	kind  jsontext.Kind // 0 when the member is absent
	value string        // of a number or a string, unread
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (n *number) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	read, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch n.kind = read.Kind(); n.kind {
	case '0':
		n.value = string(read)
	case '"':
		n.value = unquote(read)
	}
	return nil
}

// payment is how a sale was paid: an object, or a text that stands for its brand.
type payment struct {
	kind     jsontext.Kind // 0 when the member is absent
	Brand    text
	LastFour text
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *payment) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if p.kind = d.PeekKind(); p.kind != '{' {
		return p.Brand.UnmarshalJSONFrom(d)
	}
	var members struct {
		Brand    text `json:"brand"`
		LastFour text `json:"lastFour"`
	}
	err := json.UnmarshalDecode(d, &members)
	p.Brand, p.LastFour = members.Brand, members.LastFour
	return err
}

// object is a value that should be an object with the members of T.
type object[T any] struct {
	kind    jsontext.Kind // 0 when the member is absent
	members T
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *object[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if o.kind = d.PeekKind(); o.kind != '{' {
		return d.SkipValue()
	}
	return json.UnmarshalDecode(d, &o.members)
}

// list is a value that should be an array. Beyond event.MaxItems its elements are not kept.
type list[T any] struct {
	kind     jsontext.Kind // 0 when the member is absent
	elements []T
	tooLong  bool
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *list[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error { return l.read(d, event.MaxItems) }

// read reads an array, and keeps some of its elements.
func (l *list[T]) read(d *jsontext.Decoder, keep int) error {
	if l.kind = d.PeekKind(); l.kind != '[' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if len(l.elements) == keep {
			l.tooLong = true
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		l.elements = append(l.elements, *new(T))
		if err := json.UnmarshalDecode(d, &l.elements[len(l.elements)-1]); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// options are an item's: an array, or one that stands for itself. Beyond event.MaxOptions they are not kept.
type options struct {
	list[text]
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *options) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '"', '0':
		o.kind, o.elements = '[', make([]text, 1)
		return o.elements[0].UnmarshalJSONFrom(d)
	}
	return o.read(d, event.MaxOptions)
}
