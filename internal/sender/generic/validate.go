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
	"ringup.dev/ringup/internal/value"
)

// maxProblems bounds the answer to a payload that is wrong everywhere, and the notes of one that is taken.
const maxProblems = 50

// validate returns the payload's event, what was left out of it, and what is wrong with the payload: first the fields that are there, then those that
// are missing. A time without a zone is in zone; now stands in for one that cannot be read.
//
// Types refuse a webhook, values do not. The author of the till sees a wrong type at the first try; a wrong value is typed at some till on
// some day, and to refuse it costs a customer the message.
func (p *payload) validate(zone *time.Location, now time.Time) (*event.Event, []value.Note, []inbound.FieldError) {
	v := validator{}
	e := &event.Event{Store: event.DefaultStore, Sender: event.SenderPOS}
	e.ID = v.required("id", &p.ID)
	if p.ID.given() && (e.ID == "" || len(e.ID) > event.MaxID || strings.ContainsFunc(e.ID, isControl)) {
		v.problem(path{name: "id"}, "must have 1 to %d bytes and no control characters", event.MaxID)
	}
	e.Type = event.Type(v.required("event_type", &p.Type))
	if p.Type.given() && !e.Type.Known() {
		v.problem(path{name: "event_type"}, "must be one of %s", event.Names())
	}
	if at := v.required("timestamp", &p.Timestamp); p.Timestamp.given() {
		var ok bool
		if e.At, ok = value.Time(at, zone); !ok {
			e.At = now
			v.note(path{name: "timestamp"}, "not a time by RFC 3339, as 2024-01-01T12:00:00Z: the time of acceptance is taken")
		}
	}
	e.Source = v.text(path{name: "source"}, &p.Source)
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
	value.Clean(e)
	return e, v.notes, v.problems
}

// validator notes what is wrong with a payload, and what of it was left out.
type validator struct {
	problems []inbound.FieldError
	missing  []string
	notes    []value.Note
	typed    []string // the names and texts of fields of the data whose values are left out, as they were typed
}

func (v *validator) problem(at path, format string, args ...any) {
	if len(v.problems) < maxProblems {
		v.problems = append(v.problems, inbound.FieldError{Path: at.String(), Message: fmt.Sprintf(format, args...)})
	}
}

// note notes a value that is left out, and why.
func (v *validator) note(at path, why string) {
	if len(v.notes) < maxProblems {
		v.notes = append(v.notes, value.Note{Path: at.String(), Message: why})
	}
}

// leaveOut notes a value that is left out, and keeps a field of the data as it was typed, for templates: a till may have sent it with a meaning of its own.
func (v *validator) leaveOut(at path, typed, why string) {
	v.note(at, why)
	if name, of := strings.CutPrefix(at.name, "data."); of && !strings.Contains(name, ".") {
		v.typed = append(v.typed, name, typed)
	}
}

// extra returns the fields of the data that have no place in an event: an object, or "" when there are none.
func (v *validator) extra(unknown jsontext.Value) string {
	if len(v.typed) == 0 {
		return string(unknown)
	}
	var b strings.Builder
	for i := 0; i < len(v.typed); i += 2 {
		name, _ := jsontext.AppendQuote(nil, v.typed[i]) // their errors are bytes that are not UTF-8: there are none
		text, _ := jsontext.AppendQuote(nil, v.typed[i+1])
		fmt.Fprintf(&b, "%c%s:%s", "{,"[min(i, 1)], name, text)
	}
	if rest := strings.TrimLeft(strings.TrimPrefix(string(unknown), "{"), " \t\r\n"); rest == "" || rest == "}" {
		b.WriteByte('}')
	} else {
		b.WriteString("," + rest)
	}
	return b.String()
}

// wrongType refuses the type of a field.
func (v *validator) wrongType(at path, want string, kind jsontext.Kind) {
	if at.later {
		v.note(at, "not "+want+": left out")
		return
	}
	v.problem(at, "must be %s, is %s", want, kindName(kind))
}

// data moves the payload's data into the event.
func (v *validator) data(e *event.Event, d *data) {
	e.Sale.TransactionID = v.text(path{name: "data.transactionId"}, &d.TransactionID)
	e.Sale.Total = v.number(path{name: "data.amount"}, &d.Amount)
	e.Sale.Currency = v.read(path{name: "data.currency"}, &d.Currency, value.Currency, "not a currency by ISO 4217, as USD: left out")
	e.Customer.Name = v.text(path{name: "data.customerName"}, &d.CustomerName)
	e.Customer.Phone = phone(v.text(path{name: "data.customerPhone"}, &d.CustomerPhone))
	e.Customer.Email = v.text(path{name: "data.customerEmail"}, &d.CustomerEmail)
	e.Sale.OrderID = v.text(path{name: "data.orderId"}, &d.OrderID)
	e.Sale.Status = v.text(path{name: "data.status"}, &d.Status)
	e.Customer.Locale = v.text(path{name: "data.locale"}, &d.Locale)
	e.Customer.TimeZone = v.read(later("data.timezone"), &d.TimeZone, value.Zone,
		"not a time zone by its IANA name, as Asia/Tokyo, its name in Windows or its distance from UTC: left out")
	v.receipt(e, d)
	if e.Type == event.RefundComplete && e.Sale.Refunded == "" {
		e.Sale.Refunded, e.Sale.Total = e.Sale.Total, ""
	}
	e.Extra = v.extra(d.Extra)
	switch d.Items.kind {
	case 0, 'n':
	case '[':
		v.items(e, &d.Items)
	default:
		v.problem(path{name: "data.items"}, "must be an array, is %s", kindName(d.Items.kind))
	}
}

// phone returns a number that a spreadsheet or a data frame took for a float, as 2025550143.0, without the fraction, and any other as it is.
func phone(written string) string {
	if digits, found := strings.CutSuffix(strings.TrimSpace(written), ".0"); found && strings.Trim(digits, "+0123456789") == "" {
		return digits
	}
	return written
}

// receipt moves the fields into the event that came after ringup 0.1.0.
func (v *validator) receipt(e *event.Event, d *data) {
	e.Customer.Region = v.read(later("data.customerRegion"), &d.CustomerRegion, value.Region, "not a country by ISO 3166-1, as US: left out")
	e.Sale.OrderName = v.text(later("data.orderName"), &d.OrderName)
	e.Sale.Subtotal = v.number(later("data.subtotal"), &d.Subtotal)
	e.Sale.Discount = v.number(later("data.discount"), &d.Discount)
	e.Sale.Tax = v.number(later("data.tax"), &d.Tax)
	e.Sale.TaxIncluded = v.flag(later("data.taxIncluded"), &d.TaxIncluded)
	e.Sale.Tip = v.number(later("data.tip"), &d.Tip)
	e.Sale.Refunded = v.number(later("data.refunded"), &d.Refunded)
	brand := "data.payment"
	if d.Payment.kind == '{' {
		brand = "data.payment.brand"
	}
	e.Sale.Payment.Brand = v.text(later(brand), &d.Payment.Brand)
	e.Sale.Payment.LastFour = v.read(later("data.payment.lastFour"), &d.Payment.LastFour, value.LastFour, "has no four digits: left out")
	e.Sale.ReceiptURL = v.text(later("data.receiptUrl"), &d.ReceiptURL)
	e.Sale.Place = v.text(later("data.place"), &d.Place)
	e.Sale.Test = v.flag(later("data.test"), &d.Test)
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
		into.Name = v.text(path{name: "name", item: i + 1}, &from.members.Name)
		into.Options = v.options(path{name: "options", item: i + 1, later: true}, &from.members.Options)
		into.Quantity = v.number(path{name: "quantity", item: i + 1}, &from.members.Quantity)
		into.UnitPrice = v.number(path{name: "price", item: i + 1}, &from.members.Price)
		into.Total = v.number(path{name: "total", item: i + 1, later: true}, &from.members.Total)
	}
}

// options returns the texts of an item's options.
func (v *validator) options(at path, o *options) (texts []string) {
	switch o.kind {
	case 0, 'n', 'f', '[':
	default:
		v.wrongType(at, "a list of texts", o.kind)
	}
	if o.tooLong {
		v.note(at, "more than "+strconv.Itoa(event.MaxOptions)+": the others are left out")
	}
	for i := range o.elements {
		if text := v.text(at, &o.elements[i]); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// required returns a text that has to be there.
func (v *validator) required(name string, t *text) string {
	switch {
	case t.given():
	case t.kind == 0:
		v.missing = append(v.missing, name)
	default:
		v.problem(path{name: name}, "must be a string, is %s", kindName(t.kind))
	}
	return t.value
}

// text returns a text that may be missing: "" then, and for null, and for false, which some languages have for a text that is empty.
func (v *validator) text(at path, t *text) string {
	switch t.kind {
	case 0, 'n', 'f', '"', '0':
	case 't':
		v.leaveOut(at, "true", "true is no text: left out")
	default:
		v.wrongType(at, "a string", t.kind)
	}
	return t.value
}

// read returns what a text means to a function; "" for one that is empty or missing, and with a note for one that means nothing.
func (v *validator) read(at path, t *text, read func(string) (string, bool), why string) string {
	written := v.text(at, t)
	if written == "" {
		return ""
	}
	means, ok := read(written)
	if !ok && strings.TrimSpace(written) != "" {
		v.leaveOut(at, written, why)
	}
	return means
}

// number returns a number that may be missing: "" then, and for null, false and an empty text.
func (v *validator) number(at path, n *number) string {
	switch n.kind {
	case 0, 'n', 'f':
	case '0', '"':
		plain, ok := value.Number(n.value)
		if !ok && n.kind == '"' {
			plain, ok = value.Written(n.value)
		}
		if !ok && strings.TrimSpace(n.value) != "" {
			v.leaveOut(at, n.value, "not a number of at most 40 digits before and after the point: left out")
		}
		return plain
	case 't':
		v.leaveOut(at, "true", "true is no number: left out")
	default:
		v.wrongType(at, "a number", n.kind)
	}
	return ""
}

// flag returns whether a field says true, as a boolean or as a text.
func (v *validator) flag(at path, t *text) bool {
	if t.kind == 't' {
		return true
	}
	written := v.text(at, t)
	switch strings.ToLower(strings.TrimSpace(written)) {
	case "true", "1", "yes":
		return true
	case "", "false", "0", "no":
	default:
		v.leaveOut(at, written, "not true or false: left out")
	}
	return false
}

// path is where in the payload a field is. Its text is made only for a problem or a note.
type path struct {
	name string // as source, data.amount; in an item: quantity
	item int    // 1 for the first of data.items, 0 outside of them
	// later says that ringup 0.1.0 did not know the field, or did not look at its type. A till may have sent it with a meaning of its own, which is no
	// reason to refuse its webhooks since.
	later bool
}

// later is the path of a field outside of items that came after 0.1.0.
func later(name string) path { return path{name: name, later: true} }

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
