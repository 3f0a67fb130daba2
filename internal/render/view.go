package render

import (
	"fmt"
	"sync"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// view is what templates see; every text in it is clean for its channel.
type view struct {
	Business, Locale, Event, Source, CustomerName, OrderID, TransactionID, Status, Amount, Refunded string
	Time                                                                                            time.Time
	Items                                                                                           []line
	Unsubscribe                                                                                     string // a URL, for customers' e-mails; "" for none

	channel message.Channel
	event   *event.Event
}

type line struct{ Name, Quantity, Price string }

// Field returns a field that the view does not have, as text; "" when it is absent or not a string, a number or a boolean: see event.Field.
func (v *view) Field(name string) string {
	if v.event == nil {
		return ""
	}
	return field(v.channel, v.event.Field(name))
}

// scratch keeps views between messages: the next one reuses the memory of the items.
var scratch = sync.Pool{New: func() any { return new(view) }}

// reset empties a view, so that it keeps no text of an event, and keeps the memory of the items.
func (v *view) reset() {
	clear(v.Items)
	*v = view{Items: v.Items[:0]}
}

// fill makes the view of a job's event.
func (r *Renderer) fill(v *view, j *job.Job, e *event.Event, business, locale string) {
	fit := func(text string) string { return field(j.Channel, text) }
	*v = view{
		Business: business, Locale: locale, Event: string(e.Type), Source: fit(e.Source), CustomerName: fit(e.Customer.Name),
		OrderID: fit(e.Sale.OrderID), TransactionID: fit(e.Sale.TransactionID), Status: fit(e.Sale.Status),
		Amount: r.prices.format(e.Sale.Total, e.Sale.Currency, locale), Refunded: r.prices.format(e.Sale.Refunded, e.Sale.Currency, locale), Time: e.At, Items: v.Items[:0], channel: j.Channel, event: e,
	}
	if r.Unsubscribe != nil && j.Channel == message.Email && j.Audience == message.Customer {
		v.Unsubscribe = r.Unsubscribe(j.Recipient)
	}
	for i := range e.Items {
		item := &e.Items[i]
		if i == maxItems {
			v.Items = append(v.Items, line{Name: fmt.Sprintf("… and %d more", len(e.Items)-maxItems)})
			break
		}
		v.Items = append(v.Items, line{Name: fit(item.Name), Quantity: item.Quantity, Price: r.prices.format(item.UnitPrice, e.Sale.Currency, locale)})
	}
}
