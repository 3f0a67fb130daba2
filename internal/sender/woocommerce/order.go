package woocommerce

import (
	"html"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
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
	if !o.PaidAt.Time(time.UTC).IsZero() && value.Some(e.Sale.Total) { // before, it is how the customer means to pay
		e.Sale.Payment.Brand = text(o.PaymentMethod)
	}
	e.Customer = o.customer()
	e.Items = o.items()
}

// customer returns the person who bought. A number without a country's code is read by the country of the address that it stands in.
func (o *order) customer() event.Customer {
	billing, shipping := o.Billing.Members, o.Shipping.Members
	out := event.Customer{Phone: billing.Phone.String(), Email: billing.Email.String()}
	country := fields.First(billing.Country, shipping.Country)
	if out.Phone == "" {
		out.Phone, country = shipping.Phone.String(), fields.First(shipping.Country, billing.Country)
	}
	out.Region, _ = value.Region(country)
	for _, name := range []string{
		fields.Join(billing.FirstName, billing.LastName), fields.Join(shipping.FirstName, shipping.LastName), billing.Company.String(), shipping.Company.String(),
	} {
		if out.Name == "" {
			out.Name = html.UnescapeString(name)
		}
	}
	return out
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
			if value.Some(total) {
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
