// Package fields has the members that a sender's JSON is made of: each reads whatever stands at its place, so that one odd value does not cost the
// rest of the webhook.
package fields

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/value"
)

// ErrNotJSON means that a body is no JSON, or has no object at its top.
var ErrNotJSON = errors.New("the body is not a JSON object")

// byteOrderMark is what some systems put in front of a text in UTF-8.
var byteOrderMark = []byte("\ufeff")

// Decode reads a body into a struct of members. Of a name that stands twice in an object the last one counts, and text that is not UTF-8 is mended:
// PHP's and JavaScript's own readers do so. Errors: ErrNotJSON.
func Decode(body []byte, into any) error {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, byteOrderMark))
	if len(body) == 0 || body[0] != '{' {
		return ErrNotJSON
	}
	if err := json.Unmarshal(body, into, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return ErrNotJSON
	}
	return nil
}

// Text is a member that should be a string. A number is taken as it is written, and anything else as a text that is missing.
type Text struct{ value string }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *Text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	read, err := d.ReadValue()
	if err != nil {
		return err
	}
	t.value = ""
	switch read.Kind() {
	case '"':
		t.value = unquote(read)
	case '0':
		t.value = string(read)
	}
	return nil
}

// unquote returns the text of a JSON string. Half of a surrogate pair becomes U+FFFD.
func unquote(quoted jsontext.Value) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(bytes.ToValidUTF8(quoted[1:len(quoted)-1], []byte("\ufffd")))
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // its errors are half surrogate pairs
	return string(bytes.ToValidUTF8(text, []byte("\ufffd")))
}

// String returns the text without spaces around it; "" where there is none.
func (t Text) String() string { return strings.TrimSpace(t.value) }

// Number returns the plain decimal that is written in the text, as value.Number; "" where there is none.
func (t Text) Number() string {
	plain, _ := value.Number(t.value)
	return plain
}

// Time returns the time that is written in the text, as value.Time; a time without a zone is in zone. The zero time where there is none.
func (t Text) Time(zone *time.Location) time.Time {
	at, ok := value.Time(t.value, zone)
	if !ok {
		return time.Time{}
	}
	return at
}

// Flag is a member that should be true or false. Anything else is false.
type Flag bool

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (f *Flag) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	read, err := d.ReadValue()
	*f = err == nil && read.Kind() == 't'
	return err
}

// Object is a member that should be an object with the members of T. Anything else is an object without them.
type Object[T any] struct {
	// Given is set where there is an object.
	Given   bool
	Members T
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *Object[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*o = Object[T]{Given: d.PeekKind() == '{'}
	if !o.Given {
		return d.SkipValue()
	}
	return json.UnmarshalDecode(d, &o.Members)
}

// List is a member that should be an array of objects. Elements of another kind are left out, and so are those beyond event.MaxItems.
type List[T any] []T

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *List[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*l = nil
	if d.PeekKind() != '[' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if d.PeekKind() == 0 {
			return io.ErrUnexpectedEOF
		}
		if d.PeekKind() != '{' || len(*l) == event.MaxItems {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		*l = append(*l, *new(T))
		if err := json.UnmarshalDecode(d, &(*l)[len(*l)-1]); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// First returns the first text that is not empty.
func First(texts ...Text) string {
	for _, t := range texts {
		if s := t.String(); s != "" {
			return s
		}
	}
	return ""
}

// Join returns the texts that are not empty with spaces between, as a name of its parts.
func Join(texts ...Text) string {
	var parts []string
	for _, t := range texts {
		if s := t.String(); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}

// FirstTime returns the first time that is known; the zero time where none is.
func FirstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
