// Package fields has the members that a sender's JSON is made of: each reads whatever stands at its place, so that one odd value does not cost the
// rest of the webhook.
package fields

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
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
	d, found := open(body)
	defer d.release()
	if !found || readObject(&d.Decoder, reflect.ValueOf(into).Elem()) != nil {
		return ErrNotJSON
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return ErrNotJSON
	}
	return nil
}

// Member returns the first text of a name at the top of a body, "" where there is none. It reads no further: a large body that is signed with one of its members is
// decoded once.
func Member(body []byte, name string) string {
	d, found := open(body)
	defer d.release()
	if !found {
		return ""
	}
	if _, err := d.ReadToken(); err != nil {
		return ""
	}
	for d.PeekKind() == '"' {
		at, err := d.ReadValue()
		if err != nil {
			return ""
		}
		if unquote(at) != name {
			if d.SkipValue() != nil {
				return ""
			}
			continue
		}
		var t Text
		if t.UnmarshalJSONFrom(&d.Decoder) != nil {
			return ""
		}
		return t.String()
	}
	return ""
}

// decoder is kept between bodies for the stacks of its JSON decoder.
type decoder struct {
	jsontext.Decoder
	buffer bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// open returns a decoder at the begin of a body's object; false where the body has none.
func open(body []byte) (*decoder, bool) {
	d := decoders.Get().(*decoder)
	body = bytes.TrimSpace(bytes.TrimPrefix(body, byteOrderMark))
	d.buffer = *bytes.NewBuffer(body)
	d.Reset(&d.buffer, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return d, len(body) > 0 && body[0] == '{'
}

// release keeps the decoder for another body, and nothing of this one.
func (d *decoder) release() {
	d.buffer = bytes.Buffer{}
	decoders.Put(d)
}

// places has, by the type of a struct, where the fields of its names in JSON are: map[string][]int.
var places sync.Map

func placesOf(t reflect.Type) map[string][]int {
	if known, found := places.Load(t); found {
		return known.(map[string][]int)
	}
	of := make(map[string][]int, t.NumField())
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" && field.Anonymous { // a struct whose members are those of the one around it
			for inner, at := range placesOf(field.Type) {
				of[inner] = append([]int{i}, at...)
			}
			continue
		}
		of[cmp.Or(name, field.Name)] = []int{i}
	}
	places.Store(t, of)
	return of
}

// readObject reads an object into a struct of members, each of which reads itself. json.UnmarshalDecode does the same for any struct, and looks an unknown name up in other
// ways to write it, too: most of a body's names are unknown.
func readObject(d *jsontext.Decoder, into reflect.Value) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	known := placesOf(into.Type())
	for d.PeekKind() == '"' {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		var at []int
		var found bool
		if bytes.IndexByte(name, '\\') < 0 {
			at, found = known[string(name[1:len(name)-1])]
		} else {
			at, found = known[unquote(name)]
		}
		if found {
			err = into.FieldByIndex(at).Addr().Interface().(json.UnmarshalerFrom).UnmarshalJSONFrom(d)
		} else {
			err = d.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
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
		return strings.ToValidUTF8(string(quoted[1:len(quoted)-1]), "\ufffd")
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // its errors are half surrogate pairs
	return strings.ToValidUTF8(string(text), "\ufffd")
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
	return readObject(d, reflect.ValueOf(&o.Members).Elem())
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
		if err := readObject(d, reflect.ValueOf(&(*l)[len(*l)-1]).Elem()); err != nil {
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
