package generic

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
)

const (
	// maxProblems bounds the answer to a payload that is wrong everywhere.
	maxProblems = 50
	// maxNumber is more digits than any amount has; an exponent could stand for more than there are atoms.
	maxNumber = 40
)

// validate returns the payload's event, and what is wrong with it: first the fields that are there, then those that are missing.
func (p *payload) validate() (*event.Event, []inbound.FieldError) {
	v := &validator{}
	e := &event.Event{Store: event.DefaultStore, Sender: event.SenderPOS}
	e.ID = v.required("id", &p.ID)
	if p.ID.kind == '"' && (e.ID == "" || len(e.ID) > event.MaxID || strings.ContainsFunc(e.ID, isControl)) {
		v.problem(path{name: "id"}, "must have 1 to %d bytes and no control characters", event.MaxID)
	}
	e.Type = event.Type(v.required("event_type", &p.Type))
	if p.Type.kind == '"' && !e.Type.Known() {
		v.problem(path{name: "event_type"}, "must be one of %s", event.Names())
	}
	if at := v.required("timestamp", &p.Timestamp); p.Timestamp.kind == '"' {
		var err error
		if e.At, err = time.Parse(time.RFC3339, at); err != nil {
			v.problem(path{name: "timestamp"}, "must be a time by RFC 3339, as 2024-01-01T12:00:00Z")
		}
	}
	e.Source = v.optional(path{name: "source"}, &p.Source)
	switch p.Data.kind {
	case 0:
		v.missing = append(v.missing, "data")
	case '{':
		v.data(e, &p.Data.members)
	default:
		v.problem(path{name: "data"}, "must be an object, is %s", kindName(p.Data.kind))
	}
	for _, name := range v.missing {
		v.problem(path{name: name}, "is required")
	}
	return e, v.problems
}

// validator notes what is wrong with a payload.
type validator struct {
	problems []inbound.FieldError
	missing  []string
}

func (v *validator) problem(at path, format string, args ...any) {
	if len(v.problems) < maxProblems {
		v.problems = append(v.problems, inbound.FieldError{Path: at.String(), Message: fmt.Sprintf(format, args...)})
	}
}

// data moves the payload's data into the event.
func (v *validator) data(e *event.Event, d *data) {
	e.Sale.TransactionID = v.optional(path{name: "data.transactionId"}, &d.TransactionID)
	amount := &e.Sale.Total
	if e.Type == event.RefundComplete {
		amount = &e.Sale.Refunded
	}
	*amount = v.number(path{name: "data.amount"}, &d.Amount, false)
	e.Sale.Currency = v.optional(path{name: "data.currency"}, &d.Currency)
	if c := e.Sale.Currency; c != "" && (len(c) != 3 || strings.ContainsFunc(c, notLetter)) {
		v.problem(path{name: "data.currency"}, "must be three letters by ISO 4217, as USD")
	}
	e.Customer.Name = v.optional(path{name: "data.customerName"}, &d.CustomerName)
	e.Customer.Phone = v.optional(path{name: "data.customerPhone"}, &d.CustomerPhone)
	e.Customer.Email = v.optional(path{name: "data.customerEmail"}, &d.CustomerEmail)
	e.Sale.OrderID = v.optional(path{name: "data.orderId"}, &d.OrderID)
	e.Sale.Status = v.optional(path{name: "data.status"}, &d.Status)
	e.Customer.Locale = v.optional(path{name: "data.locale"}, &d.Locale)
	e.Customer.TimeZone = d.TimeZone.value // the original does not ask for it: a value of another kind is no mistake
	e.Extra = string(d.Extra)
	switch d.Items.kind {
	case 0, 'n':
	case '[':
		v.items(e, &d.Items)
	default:
		v.problem(path{name: "data.items"}, "must be an array, is %s", kindName(d.Items.kind))
	}
}

func (v *validator) items(e *event.Event, items *list[object[item]]) {
	if items.tooLong {
		v.problem(path{name: "data.items"}, "must have at most %d items", event.MaxItems)
	}
	e.Items = make([]event.Item, len(items.elements))
	for i := range items.elements {
		from, into := &items.elements[i], &e.Items[i]
		if from.kind != '{' {
			v.problem(path{item: i + 1}, "must be an object, is %s", kindName(from.kind))
			continue
		}
		into.Name = v.optional(path{"name", i + 1}, &from.members.Name)
		into.Quantity = v.number(path{"quantity", i + 1}, &from.members.Quantity, true)
		into.UnitPrice = v.number(path{"price", i + 1}, &from.members.Price, false)
	}
}

// required returns a string that has to be there.
func (v *validator) required(name string, t *text) string {
	switch t.kind {
	case '"':
	case 0:
		v.missing = append(v.missing, name)
	default:
		v.problem(path{name: name}, "must be a string, is %s", kindName(t.kind))
	}
	return t.value
}

// optional returns a string that may be missing or null: "" then.
func (v *validator) optional(at path, t *text) string {
	switch t.kind {
	case 0, 'n', '"':
	default:
		v.problem(at, "must be a string, is %s", kindName(t.kind))
	}
	return t.value
}

// number returns a number that may be missing or null: "" then.
func (v *validator) number(at path, n *number, notNegative bool) string {
	switch n.kind {
	case 0, 'n':
	case '0':
		switch {
		case len(n.value) > maxNumber || strings.ContainsAny(n.value, "eE"):
			v.problem(at, "must be a plain number of at most %d digits, without an exponent", maxNumber)
		case notNegative && n.value[0] == '-':
			v.problem(at, "must not be negative")
		}
	default:
		v.problem(at, "must be a number, is %s", kindName(n.kind))
	}
	return n.value
}

// path is where in the payload a field is. Its text is made only for a problem.
type path struct {
	name string // as source, data.amount; in an item: quantity
	item int    // 1 for the first of data.items, 0 outside of them
}

func (p path) String() string {
	if p.item == 0 {
		return p.name
	}
	return strings.TrimSuffix("data.items["+strconv.Itoa(p.item-1)+"]."+p.name, ".")
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
