package generic

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
)

// Webhook is a valid payload.
type Webhook struct {
	ID        string
	EventType event.Type
	Timestamp time.Time
	Source    string
	Data      Data
}

// Data is what ringup knows of a payload's data; fields it does not know are for the templates, which read the payload itself.
// Numbers are kept as they were written: money never becomes a float.
type Data struct {
	TransactionID, Amount, Currency, CustomerName, CustomerPhone, CustomerEmail, OrderID, Status, Locale, Timezone string
	Items                                                                                                          []Item
}

// Item is a line of an order.
type Item struct {
	Name, Quantity, Price string
}

// SyntaxError means that a body is no JSON, or JSON that two readers could understand differently (RFC 7493).
type SyntaxError struct {
	Offset int64 // bytes
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("the body is not valid JSON: %s, at byte %d", e.Reason, e.Offset)
}

// Problem is one wrong field.
type Problem struct {
	Path    string `json:"path"` // as data.items[2].quantity; "" is the payload itself
	Message string `json:"message"`
}

// InvalidError means valid JSON that is not a valid webhook.
type InvalidError struct {
	Problems []Problem
}

func (e *InvalidError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = strings.TrimPrefix(p.Path+": ", ": ") + p.Message
	}
	return strings.Join(texts, "; ")
}

const (
	// maxProblems bounds the answer to a payload that is wrong everywhere.
	maxProblems = 50
	// maxDepth bounds nesting; payloads have four levels.
	maxDepth = 64
)

// decoders keep the state and the stacks of JSON decoders between payloads.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Decode reads and validates a payload in one pass. Errors: *SyntaxError, *InvalidError with every wrong field. Neither quotes the
// payload's values.
func Decode(body []byte) (*Webhook, error) {
	w := &Webhook{}
	if err := decode(body, w, ""); err != nil {
		return nil, err
	}
	return w, nil
}

// maxShared is how large a payload may be, in bytes, that texts of it keep in memory as a whole.
const maxShared = 4096

// Reread reads a payload that Decode took before it was stored, into w, whose items' room is used again. It costs a quarter less, and one
// allocation: names are not looked at for whether they stand twice, and the texts are parts of one copy of the payload, which a text that is
// kept keeps in memory.
func Reread(body []byte, w *Webhook) error {
	*w = Webhook{Data: Data{Items: w.Data.Items[:0]}}
	var whole string
	if len(body) <= maxShared {
		whole = string(body)
	}
	return decode(body, w, whole, jsontext.AllowDuplicateNames(true))
}

func decode(body []byte, w *Webhook, whole string, options ...jsontext.Options) error {
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	d.buffer = *bytes.NewBuffer(body)
	defer func() { d.buffer, d.whole, d.problems = bytes.Buffer{}, "", nil }()
	d.Reset(&d.buffer, options...)
	d.whole = whole
	if err := d.webhook(w); err != nil {
		return d.syntax(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("there is more after the payload")
		}
		return d.syntax(err)
	}
	if len(d.problems) > 0 {
		return &InvalidError{Problems: d.problems}
	}
	return nil
}

// decoder walks the payload and notes problems; its methods return errors of syntax alone.
type decoder struct {
	jsontext.Decoder
	buffer   bytes.Buffer
	whole    string // the payload, for its texts to be parts of; "" when each is to be a copy
	problems []Problem
}

// place is where in the payload a field is; its text is only made for a problem.
type place struct {
	name string // as source, data.amount; in an item: quantity
	item int    // 1 for the first of data.items, 0 outside of them
}

func (p place) String() string {
	if p.item == 0 {
		return p.name
	}
	return strings.TrimSuffix("data.items["+strconv.Itoa(p.item-1)+"]."+p.name, ".")
}

func (d *decoder) syntax(err error) error {
	var syntactic *jsontext.SyntacticError
	reason := "it cannot be read"
	offset := d.InputOffset()
	switch {
	case errors.Is(err, errDepth):
		reason = err.Error()
	case errors.As(err, &syntactic):
		offset = syntactic.ByteOffset
		switch {
		case errors.Is(err, jsontext.ErrDuplicateName):
			reason = "a name stands twice in one object"
		case errors.Is(err, io.ErrUnexpectedEOF):
			reason = "it ends too early"
		case strings.Contains(syntactic.Err.Error(), "UTF-8"):
			reason = "it is not valid UTF-8"
		default:
			reason = "unexpected character"
		}
	case errors.Is(err, io.EOF):
		reason = "it is empty"
	case err != nil && strings.HasPrefix(err.Error(), "there is more"):
		reason = err.Error()
	}
	return &SyntaxError{Offset: offset, Reason: reason}
}

func (d *decoder) problem(at place, format string, args ...any) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, Problem{Path: at.String(), Message: fmt.Sprintf(format, args...)})
	}
}

func (d *decoder) webhook(w *Webhook) error {
	if kind := d.PeekKind(); kind != '{' && kind != 0 {
		d.problem(place{}, "must be an object, is %s", kindName(kind))
		return d.skip()
	}
	var seen struct{ id, event, timestamp, data bool }
	err := d.object(func(name []byte) error {
		switch string(name) {
		case "id":
			seen.id = true
			given, err := d.text(place{name: "id"}, &w.ID)
			if given && (w.ID == "" || len(w.ID) > job.MaxWebhookID || strings.ContainsFunc(w.ID, isControl)) {
				d.problem(place{name: "id"}, "must have 1 to %d bytes and no control characters", job.MaxWebhookID)
			}
			return err
		case "event_type":
			seen.event = true
			var name string
			given, err := d.text(place{name: "event_type"}, &name)
			i := slices.Index(event.Types, event.Type(name))
			switch {
			case i >= 0:
				w.EventType = event.Types[i]
			case given:
				d.problem(place{name: "event_type"}, "must be one of %s", event.Names())
			}
			return err
		case "timestamp":
			seen.timestamp = true
			var text string
			given, err := d.text(place{name: "timestamp"}, &text)
			if given {
				var wrong error
				if w.Timestamp, wrong = time.Parse(time.RFC3339, text); wrong != nil {
					d.problem(place{name: "timestamp"}, "must be a time by RFC 3339, as 2024-01-01T12:00:00Z")
				}
			}
			return err
		case "source":
			return d.optional(place{name: "source"}, &w.Source)
		case "data":
			seen.data = true
			if kind := d.PeekKind(); kind != '{' && kind != 0 {
				d.problem(place{name: "data"}, "must be an object, is %s", kindName(kind))
				return d.skip()
			}
			return d.data(&w.Data)
		}
		return d.skip()
	})
	if err != nil {
		return err
	}
	for _, field := range []struct {
		name string
		seen bool
	}{{"id", seen.id}, {"event_type", seen.event}, {"timestamp", seen.timestamp}, {"data", seen.data}} {
		if !field.seen {
			d.problem(place{name: field.name}, "is required")
		}
	}
	return nil
}

func (d *decoder) data(data *Data) error {
	return d.object(func(name []byte) error {
		switch string(name) {
		case "transactionId":
			return d.optional(place{name: "data.transactionId"}, &data.TransactionID)
		case "amount":
			return d.number(place{name: "data.amount"}, &data.Amount, false)
		case "currency":
			at := place{name: "data.currency"}
			if err := d.optional(at, &data.Currency); err != nil || data.Currency == "" {
				return err
			}
			if len(data.Currency) != 3 || strings.ContainsFunc(data.Currency, notLetter) {
				d.problem(at, "must be three letters by ISO 4217, as USD")
			}
			return nil
		case "customerName":
			return d.optional(place{name: "data.customerName"}, &data.CustomerName)
		case "customerPhone":
			return d.optional(place{name: "data.customerPhone"}, &data.CustomerPhone)
		case "customerEmail":
			return d.optional(place{name: "data.customerEmail"}, &data.CustomerEmail)
		case "orderId":
			return d.optional(place{name: "data.orderId"}, &data.OrderID)
		case "status":
			return d.optional(place{name: "data.status"}, &data.Status)
		case "locale":
			return d.optional(place{name: "data.locale"}, &data.Locale)
		case "timezone":
			// Not asked for by the original: what else it may be is nobody's mistake.
			if d.PeekKind() != '"' {
				return d.skip()
			}
			return d.optional(place{name: "data.timezone"}, &data.Timezone)
		case "items":
			return d.items(&data.Items)
		}
		return d.skip()
	})
}

func (d *decoder) items(items *[]Item) error {
	switch kind := d.PeekKind(); kind {
	case '[':
	case 'n', 0:
		return d.skip()
	default:
		d.problem(place{name: "data.items"}, "must be an array, is %s", kindName(kind))
		return d.skip()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for i := 1; d.PeekKind() != ']'; i++ {
		if kind := d.PeekKind(); kind != '{' {
			if kind != 0 {
				d.problem(place{item: i}, "must be an object, is %s", kindName(kind))
			}
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		var item Item
		err := d.object(func(name []byte) error {
			switch string(name) {
			case "name":
				return d.optional(place{"name", i}, &item.Name)
			case "quantity":
				return d.number(place{"quantity", i}, &item.Quantity, true)
			case "price":
				return d.number(place{"price", i}, &item.Price, false)
			}
			return d.skip()
		})
		if err != nil {
			return err
		}
		*items = append(*items, item)
	}
	_, err := d.ReadToken()
	return err
}

// object reads an object, and hands the name of each member to read, which reads its value.
func (d *decoder) object(read func(name []byte) error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.unquoted()
		if err != nil {
			return err
		}
		if err := read(name); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// unquoted reads a string, good until the next is read.
func (d *decoder) unquoted() ([]byte, error) {
	value, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], nil
	}
	return jsontext.AppendUnquote(nil, value)
}

// text reads a string that has to be there; given says that it is one.
func (d *decoder) text(at place, into *string) (given bool, err error) {
	if kind := d.PeekKind(); kind != '"' {
		if kind != 0 {
			d.problem(at, "must be a string, is %s", kindName(kind))
		}
		return false, d.skip()
	}
	text, err := d.unquoted()
	*into = d.kept(text, 1)
	return err == nil, err
}

// optional reads a string, or null for none.
func (d *decoder) optional(at place, into *string) error {
	if d.PeekKind() == 'n' {
		return d.skip()
	}
	_, err := d.text(at, into)
	return err
}

// maxNumber is more digits than any amount has; an exponent could stand for more than there are atoms.
const maxNumber = 40

// number reads a number as it was written, or null for none.
func (d *decoder) number(at place, into *string, notNegative bool) error {
	switch kind := d.PeekKind(); kind {
	case 'n':
		return d.skip()
	case '0', 0:
	default:
		d.problem(at, "must be a number, is %s", kindName(kind))
		return d.skip()
	}
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch {
	case len(value) > maxNumber || bytes.ContainsAny(value, "eE"):
		d.problem(at, "must be a plain number of at most %d digits, without an exponent", maxNumber)
	case notNegative && value[0] == '-':
		d.problem(at, "must not be negative")
	}
	*into = d.kept(value, 0)
	return nil
}

// kept returns what was just read as a text that stays; after it in the payload come so many bytes that are not of it.
func (d *decoder) kept(value []byte, after int) string {
	if end := int(d.InputOffset()) - after; d.whole != "" && end >= len(value) && d.whole[end-len(value):end] == string(value) {
		return d.whole[end-len(value) : end]
	}
	return string(value) // also a string with escapes, which stands otherwise in the payload
}

var errDepth = errors.New("it is nested too deeply")

// skip passes over a value.
func (d *decoder) skip() error {
	base := d.StackDepth()
	for {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		if d.StackDepth() > maxDepth {
			return errDepth
		}
		if kind := token.Kind(); d.StackDepth() <= base && kind != '{' && kind != '[' {
			return nil
		}
	}
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "something else"
}

// isControl names what a terminal or a log may act upon: C0 and C1, and the separators of lines and paragraphs.
func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

func notLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }
