package render

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
	"ringup.dev/ringup/internal/value"
)

// view is what templates see. Every text in it is formatted, clean and fit for its channel; one that is missing is "". The comments of the fields are
// the table in docs/templates.md.
type view struct {
	// Business is the shop's name, BUSINESS_NAME.
	Business string
	// Locale is the language of the words, as a BCP 47 tag.
	Locale string
	// Direction is ltr or rtl, as the language is written.
	Direction string
	// Start and End are left and right, or right and left where Direction is rtl.
	Start, End string
	// Staff is "staff" in a message to the staff, and empty in one to a customer.
	Staff string
	// Event is the event type.
	Event string
	// Occasion is what the message is about, as refund_complete.
	Occasion string
	// Emoji is a sign for the occasion.
	Emoji string
	// Source is the till that the event comes from.
	Source string
	// CustomerName is the customer's name.
	CustomerName string
	// Order is the order as the customer knows it: its name, or else its id.
	Order string
	// OrderID is the order's id.
	OrderID string
	// OrderNumber is the order's id where Order is its name.
	OrderNumber string
	// TransactionID is the payment's reference.
	TransactionID string
	// Status is the status in the words of the language, or as the till wrote it.
	Status string
	// Subtotal is the sum before discount, tax and tip. Where TaxIncluded is not empty, it has the tax in it.
	Subtotal string
	// Discount is the discount, with a minus.
	Discount string
	// Tax is the tax that is added to the subtotal.
	Tax string
	// Tip is the tip.
	Tip string
	// Amount is the total. It is empty where the total is what was paid back: see Refunded.
	Amount string
	// TaxIncluded is the tax that the total has in it, where prices have it: then Tax is empty.
	TaxIncluded string
	// Refunded is what was paid back, without a minus.
	Refunded string
	// Paid says that it is known how it was paid: not empty if Brand or LastFour is not.
	Paid string
	// Brand is how it was paid: a card's brand, or the word for cash, a gift card and the like.
	Brand string
	// LastFour are the last four digits of the card's number.
	LastFour string
	// Date is the date and the time of the event, by the customer's clock, or else the shop's.
	Date string
	// Place is the shop, register or table.
	Place string
	// Receipt is the address of the sender's own receipt: https, whole or not at all.
	Receipt string
	// Items are the lines of the sale.
	Items []line
	// More is how many items there are beyond Items, because the message would be too long.
	More string
	// Logo is the address of the shop's logo, BUSINESS_LOGO_URL.
	Logo string
	// Color and TextColor are of the head of an e-mail: BUSINESS_COLOR, and black or white, whichever is easier to read on it.
	Color, TextColor string
	// Address is the shop's address, BUSINESS_ADDRESS.
	Address string
	// TaxNumber is the shop's tax number, BUSINESS_TAX_NUMBER.
	TaxNumber string
	// Support is where customers may ask, BUSINESS_SUPPORT.
	Support string
	// Unsubscribe is the link that ends e-mails, in e-mails to customers.
	Unsubscribe string
	// Time is the time of the event, for {{date $ .Time}}.
	Time time.Time

	channel  message.Channel
	event    *event.Event
	locale   format.Locale // of the figures
	currency string        // of the sale, or else of the store
	figures  *figures
	zone     *time.Location
	isolates bool // from right to left, for format.Isolate
	stops    bool // some value may end with a full stop
}

// line is an item of the sale.
type line struct {
	// Name is the item's name.
	Name string
	// Options are the item's options, with commas.
	Options string
	// Quantity is how many, or how much.
	Quantity string
	// Price is the price of one.
	Price string
	// Each is "2 × $3.25": quantity and price, if both are known and the quantity is not 1.
	Each string
	// Total is the price of the line.
	Total string
	// End is that of the view.
	End string
}

// Field returns a field that the view does not have, as text; "" when it is absent or not a string, a number or a boolean: see event.Field.
func (v *view) Field(name string) string {
	if v.event == nil {
		return ""
	}
	return v.text(v.event.Field(name))
}

const (
	// maxField is how much of a name, a status or an id a message shows, in characters.
	maxField = 80
	// maxSubject bounds an e-mail's subject.
	maxSubject = 200
	// maxOptions bounds an item's options in other messages than e-mails, where one item could be longer than the message may be.
	maxOptions = 200
)

// text makes a text that was typed at a till fit for the message's channel.
func (v *view) text(s string) string {
	if s == "" {
		return ""
	}
	s = format.PlainLink(format.Clean(s, maxField))
	if v.channel == message.WhatsApp {
		s = format.PlainMarks(s)
	}
	v.stops = v.stops || strings.HasSuffix(s, ".")
	return format.Isolate(s, v.isolates)
}

// scratch keeps views between messages: the next one reuses the memory of the items.
var scratch = sync.Pool{New: func() any { return new(view) }}

// reset empties a view, so that it keeps no text of an event, and keeps the memory of the items.
func (v *view) reset() {
	clear(v.Items)
	*v = view{Items: v.Items[:0]}
}

// fill makes an empty view that of a job's event, with all of its items.
func (r *Renderer) fill(v *view, j *job.Job, e *event.Event, s *store.Store, about occasion, is status, texts *set, locale format.Locale) {
	words := texts.words
	v.Locale, v.Direction, v.Start, v.End = words.name, "ltr", "left", "right"
	v.Event, v.Occasion, v.Emoji, v.Logo, v.Time = string(e.Type), string(about), emoji[about], s.Logo, e.At
	v.channel, v.event, v.locale, v.figures, v.isolates = j.Channel, e, locale, &r.figures, words.locale.RTL()
	v.stops = v.isolates || locale.RTL() || strings.HasSuffix(s.Name, ".") // an amount in Arabic ends with one, too
	if e.Sale.ReceiptURL != "" {
		v.Receipt = format.Link(e.Sale.ReceiptURL)
	}
	if v.isolates {
		v.Direction, v.Start, v.End = "rtl", "right", "left"
	}
	if j.Audience == message.Staff {
		v.Staff = j.Audience.String()
	} else if r.Unsubscribe != nil && j.Channel == message.Email {
		v.Unsubscribe = r.Unsubscribe(j.Recipient)
	}
	v.Business, v.Address, v.TaxNumber, v.Support = format.Isolate(s.Name, v.isolates), format.Isolate(s.Address, v.isolates), format.Isolate(s.TaxNumber, v.isolates), format.Isolate(s.Support, v.isolates)
	v.Color, v.TextColor = colors(s.Color)
	v.Source, v.CustomerName, v.Place = v.text(value.Name(e.Source)), v.text(e.Customer.Name), v.text(e.Sale.Place)
	v.OrderID, v.TransactionID, v.Status = v.text(e.Sale.OrderID), v.text(e.Sale.TransactionID), words.status(v, is)
	if v.Order = v.text(e.Sale.OrderName); v.Order == "" {
		v.Order = v.OrderID
	} else if v.Order != v.OrderID {
		v.OrderNumber = v.OrderID
	}
	v.zone = r.zones.of(e.Customer.TimeZone, s.TimeZone, e.At.Location())
	v.Date = v.directed(r.figures.time(e.At.In(v.zone), locale))
	v.payment(&e.Sale.Payment, words, r.statuses.read(e.Sale.Payment.Brand).key)
	if v.currency = e.Sale.Currency; v.currency == "" {
		v.currency = s.Currency
	}
	v.receipt(e, about, texts.items)
}

// figure formats a figure, as directed has it.
func (v *view) figure(kind figureKind, literal, code string) string {
	return v.directed(v.figures.get(kind, literal, code, v.locale))
}

// directed isolates what is formatted in a locale that is written in the other direction than the words.
func (v *view) directed(text string) string {
	if v.locale.RTL() == v.isolates {
		return text
	}
	return format.Isolate(text, v.isolates)
}

// payment fills in how a sale was paid. However much of a card's number was sent, the last four digits are shown.
func (v *view) payment(p *event.Payment, words *language, key string) {
	v.Brand = words.method(v, p.Brand, key)
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, p.LastFour)
	v.LastFour = digits[max(0, len(digits)-4):]
	if v.LastFour != "" || v.Brand != "" {
		v.Paid = "paid"
	}
}

// receipt fills in the sums, and the items where the texts have them.
func (v *view) receipt(e *event.Event, about occasion, items bool) {
	s := &e.Sale
	as, sum := same, same
	if about.refunds() || about == paymentVoided {
		sum = absolute
		if items && v.returned(e) {
			as = negated
		}
	}
	money := func(literal string) string { return v.figure(v.moneyKind(), literal, v.currency) }
	v.Subtotal = money(sum(s.Subtotal))
	switch {
	case !s.TaxIncluded:
		v.Tax = money(sum(s.Tax))
	case !zero(s.Tax):
		v.TaxIncluded = money(sum(s.Tax))
	}
	// What was paid back may be all that is known of a refund: then there is nothing that a discount is taken from.
	if !zero(s.Discount) && (!about.refunds() || !zero(s.Subtotal) || len(e.Items) > 0) {
		v.Discount = money("-" + absolute(s.Discount))
	}
	if !zero(s.Tip) {
		v.Tip = money(sum(s.Tip))
	}
	total, back := s.Total, s.Refunded
	switch {
	case about.refunds() && negative(total):
		if zero(back) {
			back = total
		}
		total = ""
	case about == paymentVoided:
		total = absolute(total)
	}
	v.Amount = money(total)
	if !zero(back) {
		v.Refunded = money(absolute(back))
	}
	if !items {
		return
	}
	for i := range e.Items {
		v.Items = append(v.Items, v.line(&e.Items[i], as))
	}
}

// same returns a figure as it is.
func same(literal string) string { return literal }

// returned says that the lines of a refund come to less than zero, as the till gave returned goods a minus. One discount among the lines does not make it so.
func (v *view) returned(e *event.Event) bool {
	if !slices.ContainsFunc(e.Items, func(item event.Item) bool {
		return negative(item.Total) || negative(item.Quantity) || negative(item.UnitPrice)
	}) {
		return false
	}
	totals := make([]string, len(e.Items))
	for i := range e.Items {
		totals[i] = v.figures.total(&e.Items[i])
	}
	return negative(format.Sum(totals))
}

// line makes the line of an item; as gives a figure the sign that it has in the message. The only figure that is computed is the line's total.
func (v *view) line(item *event.Item, as func(string) string) line {
	quantity, price, total := item.Quantity, item.UnitPrice, as(v.figures.total(item))
	// In a return either the quantity or the price has the minus.
	if negative(quantity) {
		quantity = as(quantity)
	} else {
		price = as(price)
	}
	l := line{Name: v.text(item.Name), Quantity: v.figure(quantityKind, quantity, ""), End: v.End,
		Price: v.figure(unitKind, price, v.currency), Total: v.figure(v.moneyKind(), total, v.currency)}
	if l.Quantity != "" && l.Price != "" && !one(quantity) {
		l.Each = l.Quantity + " × " + l.Price
	}
	for _, option := range item.Options {
		if option = v.text(option); option != "" {
			if l.Options != "" {
				l.Options += ", "
			}
			l.Options += option
		}
	}
	if v.channel != message.Email {
		l.Options = format.Shorten(l.Options, maxOptions)
	}
	return l
}

// list shows the first n of all items.
func (v *view) list(all []line, n int) {
	v.Items, v.More = all[:n], ""
	if n < len(all) {
		v.More = strconv.Itoa(len(all) - n)
	}
}
