package generic

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/event"
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
	TransactionID text               `json:"transactionId"`
	Amount        number             `json:"amount"`
	Currency      text               `json:"currency"`
	CustomerName  text               `json:"customerName"`
	CustomerPhone text               `json:"customerPhone"`
	CustomerEmail text               `json:"customerEmail"`
	OrderID       text               `json:"orderId"`
	Status        text               `json:"status"`
	Locale        text               `json:"locale"`
	TimeZone      text               `json:"timezone"`
	Items         list[object[item]] `json:"items"`
	Extra         jsontext.Value     `json:",embed"` // the members that are not above, as an object
}

type item struct {
	Name     text   `json:"name"`
	Quantity number `json:"quantity"`
	Price    number `json:"price"`
}

// text is a value that should be a string.
type text struct {
	kind  jsontext.Kind // 0 when the member is absent
	value string
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	if t.kind = value.Kind(); t.kind != '"' {
		return nil
	}
	if bytes.IndexByte(value, '\\') < 0 {
		t.value = string(value[1 : len(value)-1])
		return nil
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	t.value = string(unquoted)
	return err
}

// number is a value that should be a number, and is kept as it was written: money never becomes a float.
type number struct {
	kind  jsontext.Kind // 0 when the member is absent
	value string
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (n *number) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	if n.kind = value.Kind(); n.kind == '0' {
		n.value = string(value)
	}
	return nil
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
func (l *list[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if l.kind = d.PeekKind(); l.kind != '[' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if len(l.elements) == event.MaxItems {
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
