package square

import (
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// order is an Order of the Orders API (square/connect-api-specification, api.json at 5733f66).
type order struct {
	ID           fields.Text              `json:"id"`
	Location     fields.Text              `json:"location_id"`
	Reference    fields.Text              `json:"reference_id"`
	Ticket       fields.Text              `json:"ticket_name"`
	Customer     fields.Text              `json:"customer_id"`
	State        fields.Text              `json:"state"`
	Version      fields.Text              `json:"version"`
	Created      fields.Text              `json:"created_at"`
	Updated      fields.Text              `json:"updated_at"`
	Closed       fields.Text              `json:"closed_at"`
	Lines        fields.List[line]        `json:"line_items"`
	Charges      fields.List[charge]      `json:"service_charges"`
	Fulfillments fields.List[fulfillment] `json:"fulfillments"`
	Tax          fields.Object[money]     `json:"total_tax_money"`
	Discount     fields.Object[money]     `json:"total_discount_money"`
	Tip          fields.Object[money]     `json:"total_tip_money"`
	Total        fields.Object[money]     `json:"total_money"`
}

// version returns which state of the order it is; 0 where that is not known.
func (o *order) version() int {
	n, _ := strconv.Atoi(o.Version.String())
	return n
}

type line struct {
	Name      fields.Text          `json:"name"`
	Variation fields.Text          `json:"variation_name"`
	Quantity  fields.Text          `json:"quantity"`
	Price     fields.Object[money] `json:"base_price_money"`
	Gross     fields.Object[money] `json:"gross_sales_money"`
	Total     fields.Object[money] `json:"total_money"`
	Modifiers fields.List[struct {
		Name  fields.Text          `json:"name"`
		Total fields.Object[money] `json:"total_price_money"`
	}] `json:"modifiers"`
}

type charge struct {
	Name  fields.Text          `json:"name"`
	Total fields.Object[money] `json:"total_money"`
}

type fulfillment struct {
	Type     fields.Text            `json:"type"`
	State    fields.Text            `json:"state"`
	Pickup   fields.Object[details] `json:"pickup_details"`
	Delivery fields.Object[details] `json:"delivery_details"`
	Shipment fields.Object[details] `json:"shipment_details"`
}

// details are of a pick-up, a delivery or a shipment: each has some of them.
type details struct {
	Recipient fields.Object[recipient] `json:"recipient"`
	Accepted  fields.Text              `json:"accepted_at"`
	Ready     fields.Text              `json:"ready_at"`
	PickedUp  fields.Text              `json:"picked_up_at"`
	Completed fields.Text              `json:"completed_at"`
	Shipped   fields.Text              `json:"shipped_at"`
}

type recipient struct {
	Name    fields.Text         `json:"display_name"`
	Email   fields.Text         `json:"email_address"`
	Phone   fields.Text         `json:"phone_number"`
	Address fields.Object[addr] `json:"address"`
}

func (f *fulfillment) details() details {
	for _, d := range []fields.Object[details]{f.Pickup, f.Delivery, f.Shipment} {
		if d.Given {
			return d.Members
		}
	}
	return details{}
}

// status returns a fulfillment's state in words that messages have, and when it came to it; "" for a state that says nothing to a customer.
func (f *fulfillment) status() (word string, at time.Time) {
	d := f.details()
	kind := strings.ToUpper(f.Type.String())
	switch strings.ToUpper(f.State.String()) {
	case "RESERVED":
		return "confirmed", d.Accepted.Time(time.UTC)
	case "PREPARED":
		switch kind {
		case "PICKUP":
			return "ready_for_pickup", d.Ready.Time(time.UTC)
		case "SHIPMENT": // packaged, and not on its way
			return "", time.Time{}
		}
		return "ready", d.Ready.Time(time.UTC)
	case "COMPLETED":
		switch kind {
		case "PICKUP":
			return "picked_up", d.PickedUp.Time(time.UTC)
		case "SHIPMENT":
			return "shipped", d.Shipped.Time(time.UTC)
		case "DELIVERY":
			return "delivered", d.Completed.Time(time.UTC)
		}
		return "completed", d.Completed.Time(time.UTC)
	}
	return "", time.Time{}
}

// event returns the event of an order that was created or changed at a time, its ID being what happened to it; nil where that says nothing to a customer. The order
// is as it is now: what it was meanwhile is passed over.
func (o *order) event(created bool, said time.Time) *event.Event {
	switch state := strings.ToUpper(o.State.String()); {
	case state == "DRAFT":
		return nil
	case state == "CANCELED":
		if !sender.Recent(o.Closed.Time(time.UTC), said) {
			return nil
		}
		return &event.Event{ID: "cancelled", Type: event.OrderCancel, Sale: event.Sale{Status: "cancelled"}}
	case created && state == "OPEN" && sender.Recent(o.Created.Time(time.UTC), said):
		return &event.Event{ID: "created", Type: event.OrderCreate, Sale: event.Sale{Status: "received"}}
	}
	for _, f := range o.Fulfillments {
		if word, at := f.status(); word != "" && sender.Recent(at, said) {
			return &event.Event{ID: "status/" + word, Type: event.OrderUpdate, Sale: event.Sale{Status: word}}
		}
	}
	return nil
}

// describe adds the order to an event: its lines, and the sums where they are those of the event's total.
func (o *order) describe(e *event.Event) {
	s := &e.Sale
	s.OrderID = o.ID.String()
	if name := fields.First(o.Ticket, o.Reference); name != "" {
		s.OrderName = name
	}
	if s.Currency == "" {
		s.Currency, _ = value.Currency(o.Total.Members.Currency.String())
	}
	if e.Source == "" {
		e.Source = o.Location.String()
	}
	var lines []string
	for _, l := range o.Lines {
		item := l.item()
		lines = append(lines, item.Total)
		e.Items = append(e.Items, item)
	}
	for _, c := range o.Charges {
		if total := c.Total.Members.plain(); len(e.Items) < event.MaxItems && !nothing(total) {
			lines = append(lines, total)
			e.Items = append(e.Items, event.Item{Name: c.Name.String(), Total: total})
		}
	}
	total := o.Total.Members.plain()
	if s.Total == "" {
		s.Total = total
	}
	if total == "" || !same(s.Total, total) || len(lines) == 0 { // a payment of a part of the order
		return
	}
	s.Tax, s.Discount = o.Tax.Members.plain(), o.Discount.Members.plain()
	if tip := o.Tip.Members.plain(); s.Tip == "" {
		s.Tip = tip
	}
	subtotal := value.Sum(lines...)
	net := value.Sum(subtotal, minus(s.Discount), s.Tip)
	switch {
	case same(net, total) && !nothing(s.Tax):
		s.Subtotal, s.TaxIncluded = subtotal, true
	case same(value.Sum(net, s.Tax), total):
		s.Subtotal = subtotal
	}
}

// item returns a line. Its total is before discounts and taxes, which stand below the lines. The price is left out where priced modifiers make the line cost more.
func (l *line) item() event.Item {
	item := event.Item{Name: l.Name.String(), Quantity: l.Quantity.Number(), UnitPrice: l.Price.Members.plain(), Total: l.Gross.Members.plain()}
	if item.Total == "" {
		item.Total = l.Total.Members.plain()
	}
	if v := l.Variation.String(); v != "" {
		item.Options = append(item.Options, v)
	}
	for _, m := range l.Modifiers {
		if name := m.Name.String(); name != "" && len(item.Options) < event.MaxOptions {
			item.Options = append(item.Options, name)
		}
		if !nothing(m.Total.Members.plain()) {
			item.UnitPrice = ""
		}
	}
	return item
}

// nothing says that an amount is zero or missing.
func nothing(amount string) bool { return strings.Trim(amount, "-0.") == "" }

// same says that two amounts are equal.
func same(a, b string) bool { return nothing(value.Sum(a, minus(b))) }

// minus returns an amount with the other sign.
func minus(amount string) string {
	if rest, negative := strings.CutPrefix(amount, "-"); negative || amount == "" {
		return rest
	}
	return "-" + amount
}
