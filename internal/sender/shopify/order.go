package shopify

import (
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// order is the body of the topics orders/*: the order itself, as the REST Admin API has it.
type order struct {
	ID                fields.Text                   `json:"id"`
	Name              fields.Text                   `json:"name"`
	CreatedAt         fields.Text                   `json:"created_at"`
	UpdatedAt         fields.Text                   `json:"updated_at"`
	ProcessedAt       fields.Text                   `json:"processed_at"`
	CancelledAt       fields.Text                   `json:"cancelled_at"`
	TaxesIncluded     fields.Flag                   `json:"taxes_included"`
	Test              fields.Flag                   `json:"test"`
	Currency          fields.Text                   `json:"currency"`
	Presentment       fields.Text                   `json:"presentment_currency"`
	Subtotal          fields.Text                   `json:"subtotal_price"`
	SubtotalSet       fields.Object[moneySet]       `json:"subtotal_price_set"`
	Discounts         fields.Text                   `json:"total_discounts"`
	DiscountsSet      fields.Object[moneySet]       `json:"total_discounts_set"`
	Tax               fields.Text                   `json:"total_tax"`
	TaxSet            fields.Object[moneySet]       `json:"total_tax_set"`
	Tip               fields.Text                   `json:"total_tip_received"`
	Total             fields.Text                   `json:"total_price"`
	TotalSet          fields.Object[moneySet]       `json:"total_price_set"`
	CurrentTotal      fields.Text                   `json:"current_total_price"`
	CurrentTotalSet   fields.Object[moneySet]       `json:"current_total_price_set"`
	FinancialStatus   fields.Text                   `json:"financial_status"`
	FulfillmentStatus fields.Text                   `json:"fulfillment_status"`
	SourceName        fields.Text                   `json:"source_name"`
	Locale            fields.Text                   `json:"customer_locale"`
	Email             fields.Text                   `json:"email"`
	ContactEmail      fields.Text                   `json:"contact_email"`
	Phone             fields.Text                   `json:"phone"`
	StatusURL         fields.Text                   `json:"order_status_url"`
	PaymentDetails    fields.Object[paymentDetails] `json:"payment_details"`
	Customer          fields.Object[customer]       `json:"customer"`
	BillingAddress    fields.Object[address]        `json:"billing_address"`
	ShippingAddress   fields.Object[address]        `json:"shipping_address"`
	LineItems         fields.List[line]             `json:"line_items"`
	ShippingLines     fields.List[shipping]         `json:"shipping_lines"`
	Fulfillments      fields.List[fulfillment]      `json:"fulfillments"`
	Refunds           fields.List[refund]           `json:"refunds"`
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
	Name    fields.Text `json:"name"`
	Phone   fields.Text `json:"phone"`
	Country fields.Text `json:"country_code"`
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
}

type property struct {
	Name  fields.Text `json:"name"`
	Value fields.Text `json:"value"`
}

type shipping struct {
	Title    fields.Text             `json:"title"`
	Price    fields.Text             `json:"price"`
	PriceSet fields.Object[moneySet] `json:"price_set"`
}

type fulfillment struct {
	CreatedAt fields.Text `json:"created_at"`
}

type refund struct {
	CreatedAt    fields.Text              `json:"created_at"`
	Transactions fields.List[transaction] `json:"transactions"`
}

type transaction struct {
	Kind     fields.Text `json:"kind"`
	Status   fields.Text `json:"status"`
	Amount   fields.Text `json:"amount"`
	Currency fields.Text `json:"currency"`
}

// describe gives an event the order's sale, customer and items.
func (o *order) describe(e *event.Event) {
	m := o.moneyOf()
	e.Sale = event.Sale{
		TransactionID: o.ID.String(),
		OrderID:       o.ID.String(),
		OrderName:     o.Name.String(),
		Status:        o.status(e),
		Currency:      m.currency,
		Total:         m.amount(o.Total, o.TotalSet),
		Discount:      m.amount(o.Discounts, o.DiscountsSet),
		Tax:           m.amount(o.Tax, o.TaxSet),
		ReceiptURL:    o.StatusURL.String(),
		TaxIncluded:   bool(o.TaxesIncluded),
		Test:          bool(o.Test),
	}
	if !m.presented {
		e.Sale.Tip = o.Tip.Number()
	}
	e.Sale.Payment.Brand = o.PaymentDetails.Members.Company.String()
	e.Sale.Payment.LastFour, _ = value.LastFour(o.PaymentDetails.Members.Number.String())
	if e.Type == event.RefundComplete {
		if back := o.refunds(); back.shown {
			e.Sale.Refunded = back.sum
		}
	} else if current := m.amount(o.CurrentTotal, o.CurrentTotalSet); current != "" {
		e.Sale.Total = current // after an edit; a refund makes it less, too
	}
	if len(o.ShippingLines) == 0 { // it is without shipping, and would not add up with the lines
		e.Sale.Subtotal = m.amount(o.Subtotal, o.SubtotalSet)
	}
	e.Customer = o.customer()
	e.Items = o.items(m, e.Type == event.RefundComplete)
}

// status returns what happened, in Shopify's words.
func (o *order) status(e *event.Event) string {
	switch e.Type {
	case event.OrderCancel:
		return "cancelled"
	case event.OrderUpdate:
		return e.ID // fulfilled, partial
	}
	return o.FinancialStatus.String()
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
	if !m.presented {
		return shop.Number()
	}
	return set.Members.Presentment.Members.Amount.Number()
}

// customer returns the person who bought: the order's own data first, then the customer's, then those of the addresses.
func (o *order) customer() event.Customer {
	c, ship, bill := o.Customer.Members, o.ShippingAddress.Members, o.BillingAddress.Members
	name := fields.Join(c.FirstName, c.LastName)
	if name == "" {
		name = fields.First(ship.Name, bill.Name, c.Address.Members.Name)
	}
	region, _ := value.Region(fields.First(ship.Country, bill.Country, c.Address.Members.Country))
	return event.Customer{
		Name:   name,
		Phone:  fields.First(o.Phone, c.Phone, ship.Phone, bill.Phone, c.Address.Members.Phone),
		Region: region,
		Email:  fields.First(o.Email, o.ContactEmail, c.Email),
		Locale: o.Locale.String(),
	}
}

// noVariant is what Shopify calls the only variant of a product.
const noVariant = "Default Title"

// items returns the lines, and shipping as lines of its own. Lines that were removed from the order are left out, except of a refund, which removes them.
func (o *order) items(m moneyOf, refund bool) []event.Item {
	var items []event.Item
	for _, l := range o.LineItems {
		quantity := l.Quantity.Number()
		if current := l.CurrentQuantity.Number(); current != "" && !refund {
			quantity = current
		}
		if quantity == "0" {
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
		price := m.amount(s.Price, s.PriceSet)
		if price != "" && strings.Trim(price, "0.") != "" {
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

// refunds are what was paid back so far.
type refunds struct {
	sum    string // "" where nothing was
	shown  bool   // in the currency that the other amounts are told in
	latest time.Time
}

func (o *order) refunds() refunds {
	r := refunds{shown: true}
	currency := o.moneyOf().currency
	for _, one := range o.Refunds {
		for _, t := range one.Transactions {
			amount := t.Amount.Number()
			if amount == "" || !strings.EqualFold(t.Kind.String(), "refund") || !strings.EqualFold(t.Status.String(), "success") {
				continue
			}
			if given, ok := value.Currency(t.Currency.String()); ok && given != currency {
				r.shown = false
			}
			r.sum = value.Sum(r.sum, amount)
			if at := one.CreatedAt.Time(time.UTC); at.After(r.latest) {
				r.latest = at
			}
		}
	}
	return r
}
