package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/job"
)

// Webhook is a valid payload.
type Webhook struct {
	ID        string
	EventType EventType
	Timestamp time.Time
	Source    string
	Data      Data
}

// Data is what ringup knows of a payload's data; fields it does not know are for the templates, which read the payload itself.
// Numbers are kept as they were written: money never becomes a float.
type Data struct {
	TransactionID, Amount, Currency, CustomerName, CustomerPhone, CustomerEmail, OrderID, Status, Locale string
	Items                                                                                                []Item
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

// Decode reads and validates a payload in one pass. Errors: *SyntaxError, *InvalidError with every wrong field. Neither quotes the
// payload's values.
func Decode(body []byte) (*Webhook, error) {
	d := decoder{Decoder: jsontext.NewDecoder(bytes.NewBuffer(body))}
	w := &Webhook{}
	if err := d.webhook(w); err != nil {
		return nil, d.syntax(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("there is more after the payload")
		}
		return nil, d.syntax(err)
	}
	if len(d.problems) > 0 {
		return nil, &InvalidError{Problems: d.problems}
	}
	return w, nil
}

// decoder walks the payload and notes problems; its methods return errors of syntax alone.
type decoder struct {
	*jsontext.Decoder
	problems []Problem
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

func (d *decoder) problem(path, format string, args ...any) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

func (d *decoder) webhook(w *Webhook) error {
	if kind := d.PeekKind(); kind != '{' && kind != 0 {
		d.problem("", "must be an object, is %s", kindName(kind))
		return d.skip()
	}
	var seen struct{ id, event, timestamp, data bool }
	err := d.object(func(name string) error {
		switch name {
		case "id":
			seen.id = true
			return d.text(name, &w.ID, func(id string) {
				if id == "" || len(id) > job.MaxWebhookID || strings.ContainsFunc(id, isControl) {
					d.problem(name, "must have 1 to %d bytes and no control characters", job.MaxWebhookID)
				}
			})
		case "event_type":
			seen.event = true
			return d.text(name, (*string)(&w.EventType), func(event string) {
				if EventType(event).Priority() == 0 {
					d.problem(name, "must be one of %s", eventNames())
				}
			})
		case "timestamp":
			seen.timestamp = true
			var text string
			return d.text(name, &text, func(text string) {
				at, err := time.Parse(time.RFC3339, text)
				if err != nil {
					d.problem(name, "must be a time by RFC 3339, as 2024-01-01T12:00:00Z")
				}
				w.Timestamp = at
			})
		case "source":
			return d.optional(name, &w.Source)
		case "data":
			seen.data = true
			if kind := d.PeekKind(); kind != '{' && kind != 0 {
				d.problem(name, "must be an object, is %s", kindName(kind))
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
			d.problem(field.name, "is required")
		}
	}
	return nil
}

func (d *decoder) data(data *Data) error {
	return d.object(func(name string) error {
		path := "data." + name
		switch name {
		case "transactionId":
			return d.optional(path, &data.TransactionID)
		case "amount":
			return d.number(path, &data.Amount, false)
		case "currency":
			if err := d.optional(path, &data.Currency); err != nil || data.Currency == "" {
				return err
			}
			if len(data.Currency) != 3 || strings.ContainsFunc(data.Currency, notLetter) {
				d.problem(path, "must be three letters by ISO 4217, as USD")
			}
			return nil
		case "customerName":
			return d.optional(path, &data.CustomerName)
		case "customerPhone":
			return d.optional(path, &data.CustomerPhone)
		case "customerEmail":
			return d.optional(path, &data.CustomerEmail)
		case "orderId":
			return d.optional(path, &data.OrderID)
		case "status":
			return d.optional(path, &data.Status)
		case "locale":
			return d.optional(path, &data.Locale)
		case "items":
			return d.items(path, &data.Items)
		}
		return d.skip()
	})
}

func (d *decoder) items(path string, items *[]Item) error {
	switch kind := d.PeekKind(); kind {
	case '[':
	case 'n', 0:
		return d.skip()
	default:
		d.problem(path, "must be an array, is %s", kindName(kind))
		return d.skip()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for i := 0; d.PeekKind() != ']'; i++ {
		at := path + "[" + strconv.Itoa(i) + "]"
		if kind := d.PeekKind(); kind != '{' {
			if kind != 0 {
				d.problem(at, "must be an object, is %s", kindName(kind))
			}
			if err := d.skip(); err != nil {
				return err
			}
			continue
		}
		var item Item
		err := d.object(func(name string) error {
			switch name {
			case "name":
				return d.optional(at+".name", &item.Name)
			case "quantity":
				return d.number(at+".quantity", &item.Quantity, true)
			case "price":
				return d.number(at+".price", &item.Price, false)
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
func (d *decoder) object(read func(name string) error) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		if err := read(token.String()); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// text reads a string that has to be there, and hands it to check.
func (d *decoder) text(path string, into *string, check func(string)) error {
	if kind := d.PeekKind(); kind != '"' {
		if kind != 0 {
			d.problem(path, "must be a string, is %s", kindName(kind))
		}
		return d.skip()
	}
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	*into = token.String()
	check(*into)
	return nil
}

// optional reads a string, or null for none.
func (d *decoder) optional(path string, into *string) error {
	if d.PeekKind() == 'n' {
		return d.skip()
	}
	return d.text(path, into, func(string) {})
}

// maxNumber is more digits than any amount has; an exponent could stand for more than there are atoms.
const maxNumber = 40

// number reads a number as it was written, or null for none.
func (d *decoder) number(path string, into *string, notNegative bool) error {
	switch kind := d.PeekKind(); kind {
	case 'n':
		return d.skip()
	case '0', 0:
	default:
		d.problem(path, "must be a number, is %s", kindName(kind))
		return d.skip()
	}
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch {
	case len(value) > maxNumber || bytes.ContainsAny(value, "eE"):
		d.problem(path, "must be a plain number of at most %d digits, without an exponent", maxNumber)
	case notNegative && value[0] == '-':
		d.problem(path, "must not be negative")
	}
	*into = string(value)
	return nil
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

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func notLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }
