package woocommerce

import (
	"html"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// order is the body of order.created and order.updated.
type order struct {
	ID            fields.Text            `json:"id"`
	Number        fields.Text            `json:"number"`
	Status        fields.Text            `json:"status"`
	Currency      fields.Text            `json:"currency"`
	CreatedAt     fields.Text            `json:"date_created_gmt"`
	ModifiedAt    fields.Text            `json:"date_modified_gmt"`
	PaidAt        fields.Text            `json:"date_paid_gmt"`
	CompletedAt   fields.Text            `json:"date_completed_gmt"`
	Discount      fields.Text            `json:"discount_total"`
	DiscountTax   fields.Text            `json:"discount_tax"`
	Tax           fields.Text            `json:"total_tax"`
	Total         fields.Text            `json:"total"`
	TaxIncluded   fields.Flag            `json:"prices_include_tax"`
	TransactionID fields.Text            `json:"transaction_id"`
	PaymentMethod fields.Text            `json:"payment_method_title"`
	Billing       fields.Object[contact] `json:"billing"`
	Shipping      fields.Object[contact] `json:"shipping"`
	Lines         fields.List[line]      `json:"line_items"`
	ShippingLines fields.List[charge]    `json:"shipping_lines"`
	FeeLines      fields.List[charge]    `json:"fee_lines"`
	Refunds       fields.List[charge]    `json:"refunds"`
}

type contact struct {
	FirstName fields.Text `json:"first_name"`
	LastName  fields.Text `json:"last_name"`
	Company   fields.Text `json:"company"`
	Country   fields.Text `json:"country"`
	Phone     fields.Text `json:"phone"`
	Email     fields.Text `json:"email"`
}

// line is an item. Its amounts are without tax: subtotal before the discount, and price that of one after it.
type line struct {
	Name        fields.Text       `json:"name"`
	ParentName  fields.Text       `json:"parent_name"`
	Quantity    fields.Text       `json:"quantity"`
	Subtotal    fields.Text       `json:"subtotal"`
	SubtotalTax fields.Text       `json:"subtotal_tax"`
	Total       fields.Text       `json:"total"`
	TotalTax    fields.Text       `json:"total_tax"`
	Meta        fields.List[meta] `json:"meta_data"`
}

// meta is an option of an item. Its display_ texts are for people.
type meta struct {
	Key          fields.Text `json:"key"`
	DisplayKey   fields.Text `json:"display_key"`
	DisplayValue fields.Text `json:"display_value"`
}

// charge is shipping, a fee, or a refund, whose total is negative.
type charge struct {
	Method   fields.Text `json:"method_title"`
	Name     fields.Text `json:"name"`
	Total    fields.Text `json:"total"`
	TotalTax fields.Text `json:"total_tax"`
}

// change is something that happened to the order.
type change struct {
	state   event.Type
	meaning string
	status  string
	at      time.Time
}

// drafts are the statuses of orders that are not placed yet, or are deleted.
var drafts = map[string]bool{"checkout-draft": true, "auto-draft": true, "draft": true, "trash": true, "": true}

// oneAct is how long after it was paid an order is completed by the same act, as a download is. Then the receipt says it all.
const oneAct = time.Minute

// changes returns what an order says that its customer does not know yet; where there is nothing, why. order.updated comes with each edit, and for new orders,
// too. A refund, a cancellation and a status of a plug-in have no times of their own: their ids are all that tells an edit from a change.
func (o *order) changes(created bool, d *sender.Delivery) ([]change, sender.Skip) {
	status := o.status()
	if drafts[status] {
		return nil, sender.SkipState
	}
	said := fields.FirstTime(o.modified(), d.At)
	paid, completed := o.PaidAt.Time(time.UTC), o.CompletedAt.Time(time.UTC)
	if sum := o.refunded(); sum != "" && !created {
		return []change{{event.RefundComplete, "refunded/" + sum, status, o.modified()}}, ""
	}
	switch status {
	case "cancelled":
		return []change{{event.OrderCancel, "cancelled", status, o.modified()}}, ""
	case "failed", "on-hold", "pending", "processing", "completed", "refunded":
	default: // a plug-in's own
		return []change{{event.OrderUpdate, "status/" + status, status, o.modified()}}, ""
	}
	var out []change
	if !paid.IsZero() && sender.Recent(paid, said) && status != "failed" && status != "refunded" {
		out = append(out, change{event.PaymentComplete, "paid", "paid", paid})
	}
	switch {
	case status == "completed" && !completed.IsZero() && sender.Recent(completed, said) && (paid.IsZero() || completed.Sub(paid) > oneAct):
		out = append(out, change{event.OrderUpdate, "completed", status, completed})
	case created && paid.IsZero() && status != "failed":
		out = append(out, change{event.OrderCreate, "created", status, o.CreatedAt.Time(time.UTC)})
	case !created && paid.IsZero() && (status == "processing" || status == "on-hold" || status == "failed"):
		out = append(out, change{event.OrderUpdate, "status/" + status, status, o.modified()})
	}
	switch {
	case len(out) > 0:
		return out, ""
	case !paid.IsZero():
		return nil, sender.SkipRepeat
	}
	return nil, sender.SkipState
}

// status returns the order's status, in small letters and without the prefix that WordPress stores it with.
func (o *order) status() string {
	return strings.TrimPrefix(strings.ToLower(o.Status.String()), "wc-")
}

func (o *order) modified() time.Time { return o.ModifiedAt.Time(time.UTC) }

// refunded returns how much was paid back so far; "" for nothing.
func (o *order) refunded() string {
	if len(o.Refunds) == 0 {
		return ""
	}
	amounts := make([]string, len(o.Refunds))
	for i, r := range o.Refunds {
		amounts[i] = strings.TrimPrefix(r.Total.Number(), "-")
	}
	return value.Sum(amounts...)
}

// describe gives an event the order's sale, customer and items. Where the shop's prices have the tax in them, so have the lines.
func (o *order) describe(e *event.Event, status string) {
	currency, _ := value.Currency(o.Currency.String())
	e.Sale = event.Sale{
		TransactionID: fields.First(o.TransactionID, o.ID),
		OrderID:       o.ID.String(),
		OrderName:     fields.First(o.Number, o.ID),
		Status:        status,
		Currency:      currency,
		Discount:      o.withTax(o.Discount, o.DiscountTax),
		Tax:           o.Tax.Number(),
		TaxIncluded:   bool(o.TaxIncluded),
		Total:         o.Total.Number(),
	}
	if e.Type == event.RefundComplete {
		e.Sale.Refunded = o.refunded()
	}
	if e.Type != event.OrderCreate {
		e.Sale.Payment.Brand = text(o.PaymentMethod)
	}
	billing, shipping := o.Billing.Members, o.Shipping.Members
	region, _ := value.Region(fields.First(billing.Country, shipping.Country))
	e.Customer = event.Customer{
		Name:   fields.Join(billing.FirstName, billing.LastName),
		Phone:  fields.First(billing.Phone, shipping.Phone),
		Region: region,
		Email:  billing.Email.String(),
	}
	if e.Customer.Name == "" {
		e.Customer.Name = fields.Join(shipping.FirstName, shipping.LastName)
	}
	e.Customer.Name = html.UnescapeString(e.Customer.Name)
	e.Items = o.items()
}

// withTax returns an amount as the shop's prices are: with the tax that belongs to it, or without.
func (o *order) withTax(amount, tax fields.Text) string {
	if !bool(o.TaxIncluded) || amount.Number() == "" {
		return amount.Number()
	}
	return value.Sum(amount.Number(), tax.Number())
}

// items returns the lines, and shipping and fees as lines of their own.
func (o *order) items() []event.Item {
	var items []event.Item
	for _, l := range o.Lines {
		item := event.Item{Name: text(l.Name), Quantity: l.Quantity.Number(), Total: o.withTax(l.Subtotal, l.SubtotalTax)}
		if item.Total == "" {
			item.Total = o.withTax(l.Total, l.TotalTax)
		}
		for _, m := range l.Meta {
			if option := m.option(); option != "" && len(item.Options) < event.MaxOptions {
				item.Options = append(item.Options, option)
			}
		}
		items = append(items, item)
	}
	for _, charges := range []fields.List[charge]{o.ShippingLines, o.FeeLines} {
		for _, c := range charges {
			total := o.withTax(c.Total, c.TotalTax)
			if strings.Trim(total, "-0.") != "" {
				items = append(items, event.Item{Name: html.UnescapeString(fields.First(c.Method, c.Name)), Total: total})
			}
		}
	}
	return items[:min(len(items), event.MaxItems)]
}

// option returns an option as people read it. Keys that begin with an underscore are for programs.
func (m *meta) option() string {
	key, shown := fields.First(m.DisplayKey, m.Key), strip(text(m.DisplayValue))
	if shown == "" || key == "" || strings.HasPrefix(m.Key.String(), "_") || strings.HasPrefix(key, "_") {
		return ""
	}
	return html.UnescapeString(key) + ": " + shown
}

// text returns a text with its HTML entities decoded: WordPress escapes names of products when they are saved.
func text(t fields.Text) string { return html.UnescapeString(t.String()) }

// strip returns a text without the tags that plug-ins put around values.
func strip(s string) string {
	var b strings.Builder
	inTag := false
	for _, r := range s {
		switch {
		case r == '<':
			inTag = true
		case r == '>' && inTag:
			inTag = false
		case !inTag:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}
