package shopify

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// order is the body of the topics orders/*: the order itself, as the REST Admin API has it.
type order struct {
	ID                  fields.Text                   `json:"id"`
	Name                fields.Text                   `json:"name"`
	CreatedAt           fields.Text                   `json:"created_at"`
	UpdatedAt           fields.Text                   `json:"updated_at"`
	ProcessedAt         fields.Text                   `json:"processed_at"`
	CancelledAt         fields.Text                   `json:"cancelled_at"`
	TaxesIncluded       fields.Flag                   `json:"taxes_included"`
	Test                fields.Flag                   `json:"test"`
	Currency            fields.Text                   `json:"currency"`
	LinesTotal          fields.Text                   `json:"total_line_items_price"`
	LinesTotalSet       fields.Object[moneySet]       `json:"total_line_items_price_set"`
	Subtotal            fields.Text                   `json:"subtotal_price"`
	SubtotalSet         fields.Object[moneySet]       `json:"subtotal_price_set"`
	Discounts           fields.Text                   `json:"total_discounts"`
	DiscountsSet        fields.Object[moneySet]       `json:"total_discounts_set"`
	Tax                 fields.Text                   `json:"total_tax"`
	TaxSet              fields.Object[moneySet]       `json:"total_tax_set"`
	Tip                 fields.Text                   `json:"total_tip_received"`
	Total               fields.Text                   `json:"total_price"`
	TotalSet            fields.Object[moneySet]       `json:"total_price_set"`
	CurrentSubtotal     fields.Text                   `json:"current_subtotal_price"`
	CurrentSubtotalSet  fields.Object[moneySet]       `json:"current_subtotal_price_set"`
	CurrentDiscounts    fields.Text                   `json:"current_total_discounts"`
	CurrentDiscountsSet fields.Object[moneySet]       `json:"current_total_discounts_set"`
	CurrentTax          fields.Text                   `json:"current_total_tax"`
	CurrentTaxSet       fields.Object[moneySet]       `json:"current_total_tax_set"`
	CurrentTotal        fields.Text                   `json:"current_total_price"`
	CurrentTotalSet     fields.Object[moneySet]       `json:"current_total_price_set"`
	FinancialStatus     fields.Text                   `json:"financial_status"`
	FulfillmentStatus   fields.Text                   `json:"fulfillment_status"`
	SourceName          fields.Text                   `json:"source_name"`
	Locale              fields.Text                   `json:"customer_locale"`
	Email               fields.Text                   `json:"email"`
	ContactEmail        fields.Text                   `json:"contact_email"`
	Phone               fields.Text                   `json:"phone"`
	StatusURL           fields.Text                   `json:"order_status_url"`
	PaymentDetails      fields.Object[paymentDetails] `json:"payment_details"`
	Customer            fields.Object[customer]       `json:"customer"`
	BillingAddress      fields.Object[address]        `json:"billing_address"`
	ShippingAddress     fields.Object[address]        `json:"shipping_address"`
	LineItems           fields.List[line]             `json:"line_items"`
	ShippingLines       fields.List[shipping]         `json:"shipping_lines"`
	Fulfillments        fields.List[fulfillment]      `json:"fulfillments"`
	Refunds             fields.List[refund]           `json:"refunds"`
}

// moneySet is an amount in the shop's currency and in the one that the customer saw.
type moneySet struct {
	Presentment fields.Object[money] `json:"presentment_money"`
}

type money struct {
	Amount   fields.Text `json:"amount"`
	Currency fields.Text `json:"currency_code"`
}

type paymentDetails struct {
	Company fields.Text `json:"credit_card_company"`
	Number  fields.Text `json:"credit_card_number"`
}

type customer struct {
	FirstName fields.Text            `json:"first_name"`
	LastName  fields.Text            `json:"last_name"`
	Email     fields.Text            `json:"email"`
	Phone     fields.Text            `json:"phone"`
	Address   fields.Object[address] `json:"default_address"`
}

type address struct {
	Name      fields.Text `json:"name"`
	FirstName fields.Text `json:"first_name"`
	LastName  fields.Text `json:"last_name"`
	Company   fields.Text `json:"company"`
	Phone     fields.Text `json:"phone"`
	Country   fields.Text `json:"country_code"`
}

type line struct {
	Title           fields.Text             `json:"title"`
	Variant         fields.Text             `json:"variant_title"`
	Name            fields.Text             `json:"name"`
	Quantity        fields.Text             `json:"quantity"`
	CurrentQuantity fields.Text             `json:"current_quantity"`
	Price           fields.Text             `json:"price"`
	PriceSet        fields.Object[moneySet] `json:"price_set"`
	Properties      fields.List[property]   `json:"properties"`
	Tip             present                 `json:"tip_payment_gateway"` // of the line that is the tip, and of no other
}

// present is a member of which it counts that it is there, also as null.
type present bool

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *present) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*p = true
	return d.SkipValue()
}

type property struct {
	Name  fields.Text `json:"name"`
	Value fields.Text `json:"value"`
}

type shipping struct {
	Title    fields.Text             `json:"title"`
	Price    fields.Text             `json:"price"`
	PriceSet fields.Object[moneySet] `json:"price_set"`
	Removed  fields.Flag             `json:"is_removed"`
}

type fulfillment struct {
	CreatedAt fields.Text `json:"created_at"`
	Status    fields.Text `json:"status"`
}

type refund struct {
	CreatedAt    fields.Text              `json:"created_at"`
	Transactions fields.List[transaction] `json:"transactions"`
}

type transaction struct {
	Kind        fields.Text `json:"kind"`
	Status      fields.Text `json:"status"`
	Amount      fields.Text `json:"amount"`
	Currency    fields.Text `json:"currency"`
	ProcessedAt fields.Text `json:"processed_at"`
}

// describe gives an event the order's sale, customer and items. What was refunded or cancelled is told as it was sold, and anything else as the order is now: after
// an edit, and without what was paid back.
func (o *order) describe(e *event.Event, status string) {
	m := o.moneyOf()
	sold := e.Type == event.RefundComplete || e.Type == event.OrderCancel
	now := func(current fields.Text, currentSet fields.Object[moneySet], first fields.Text, firstSet fields.Object[moneySet]) string {
		if amount := m.amount(current, currentSet); amount != "" && !sold {
			return amount
		}
		return m.amount(first, firstSet)
	}
	e.Sale = event.Sale{
		TransactionID: o.ID.String(),
		OrderID:       o.ID.String(),
		OrderName:     o.Name.String(),
		Status:        status,
		Currency:      m.currency,
		Total:         now(o.CurrentTotal, o.CurrentTotalSet, o.Total, o.TotalSet),
		Discount:      now(o.CurrentDiscounts, o.CurrentDiscountsSet, o.Discounts, o.DiscountsSet),
		Tax:           now(o.CurrentTax, o.CurrentTaxSet, o.Tax, o.TaxSet),
		Tip:           o.tip(m),
		ReceiptURL:    o.StatusURL.String(),
		TaxIncluded:   bool(o.TaxesIncluded),
		Test:          bool(o.Test),
	}
	e.Sale.Payment.Brand = o.PaymentDetails.Members.Company.String()
	e.Sale.Payment.LastFour, _ = value.LastFour(o.PaymentDetails.Members.Number.String())
	if back := o.refunds(); back.shown && e.Type == event.RefundComplete {
		e.Sale.Refunded = back.sum
	}
	// Shopify's subtotal is after the discounts. Neither has the shipping in it.
	e.Sale.Subtotal = sender.Subtotal(&e.Sale, m.amount(o.LinesTotal, o.LinesTotalSet), now(o.CurrentSubtotal, o.CurrentSubtotalSet, o.Subtotal, o.SubtotalSet))
	e.Customer = o.customer()
	e.Items = o.items(m, sold)
}

// moneyOf says in which currency the order's amounts are told.
type moneyOf struct {
	currency  string // by ISO 4217; "" where it is not known
	presented bool   // the one that the customer saw, and not the shop's
}

func (o *order) moneyOf() moneyOf {
	shop, _ := value.Currency(o.Currency.String())
	shown, ok := value.Currency(o.TotalSet.Members.Presentment.Members.Currency.String())
	if !ok || shown == shop {
		return moneyOf{currency: shop}
	}
	return moneyOf{currency: shown, presented: true}
}

// amount returns an amount in the currency; "" where the order does not have it in that.
func (m moneyOf) amount(shop fields.Text, set fields.Object[moneySet]) string {
	if plain := shop.Number(); plain != "" && !m.presented {
		return plain
	}
	shown := set.Members.Presentment.Members
	if currency, ok := value.Currency(shown.Currency.String()); ok && currency != m.currency {
		return ""
	}
	return shown.Amount.Number()
}

// tip returns the order's tip. It is one of the lines, too.
func (o *order) tip(m moneyOf) (tip string) {
	for _, l := range o.LineItems {
		if l.Tip {
			tip = value.Sum(tip, m.amount(l.Price, l.PriceSet))
		}
	}
	if tip == "" && !m.presented {
		tip = o.Tip.Number()
	}
	return tip
}

// customer returns the person who bought: the order's own data first, then the customer's, then those of the addresses.
func (o *order) customer() event.Customer {
	c, ship, bill := o.Customer.Members, o.ShippingAddress.Members, o.BillingAddress.Members
	home := c.Address.Members
	out := event.Customer{Name: fields.Join(c.FirstName, c.LastName), Email: fields.First(o.Email, o.ContactEmail, c.Email), Locale: o.Locale.String()}
	for _, a := range []*address{&ship, &bill, &home} {
		if out.Name == "" {
			out.Name = a.name()
		}
	}
	// A number without a country's code is read by the country of the address that it stands in: a parcel may go abroad.
	country := fields.Text{}
	for _, one := range []struct{ phone, country fields.Text }{
		{o.Phone, bill.Country}, {c.Phone, home.Country}, {ship.Phone, ship.Country}, {bill.Phone, bill.Country}, {home.Phone, home.Country},
	} {
		if out.Phone = one.phone.String(); out.Phone != "" {
			country = one.country
			break
		}
	}
	out.Region, _ = value.Region(fields.First(country, bill.Country, ship.Country, home.Country))
	return out
}

// name returns the person at an address, or else the company.
func (a *address) name() string {
	if name := a.Name.String(); name != "" {
		return name
	}
	if name := fields.Join(a.FirstName, a.LastName); name != "" {
		return name
	}
	return a.Company.String()
}

// noVariant is what Shopify calls the only variant of a product.
const noVariant = "Default Title"

// items returns the lines, and shipping as lines of its own, as they were sold or as they are now: without those that were removed from the order.
func (o *order) items(m moneyOf, sold bool) []event.Item {
	var items []event.Item
	for _, l := range o.LineItems {
		quantity := l.Quantity.Number()
		if current := l.CurrentQuantity.Number(); current != "" && !sold {
			quantity = current
		}
		if value.Zero(quantity) || bool(l.Tip) {
			continue
		}
		item := event.Item{Name: l.Title.String(), Quantity: quantity, UnitPrice: m.amount(l.Price, l.PriceSet)}
		if item.Name == "" {
			item.Name = l.Name.String()
		} else if variant := l.Variant.String(); variant != "" && variant != noVariant {
			item.Options = append(item.Options, variant)
		}
		item.Options = append(item.Options, l.options()...)
		items = append(items, item)
	}
	for _, s := range o.ShippingLines {
		if price := m.amount(s.Price, s.PriceSet); value.Some(price) && (sold || !bool(s.Removed)) {
			items = append(items, event.Item{Name: s.Title.String(), Total: price})
		}
	}
	return items[:min(len(items), event.MaxItems)]
}

// options returns what the customer chose of an item. A property whose name begins with an underscore is for apps (Shopify's convention).
func (l *line) options() (options []string) {
	for _, p := range l.Properties {
		text := p.Value.String()
		if text == "" || strings.HasPrefix(p.Name.String(), "_") || len(options) == event.MaxOptions-1 {
			continue
		}
		if name := p.Name.String(); name != "" {
			text = name + ": " + text
		}
		options = append(options, text)
	}
	return options
}
