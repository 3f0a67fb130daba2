package stripe

import (
	"slices"
	"strings"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// object is a Checkout session, a charge or a payment intent: what a receipt needs of the three.
type object struct {
	ID            fields.Text `json:"id"`
	PaymentIntent fields.Text `json:"payment_intent"`
	Currency      fields.Text `json:"currency"`
	Metadata      fields.Object[struct {
		OrderID fields.Text `json:"order_id"`
	}] `json:"metadata"`
	Description fields.Text `json:"description"`

	// Of a session.
	Mode            fields.Text            `json:"mode"`
	PaymentStatus   fields.Text            `json:"payment_status"`
	Reference       fields.Text            `json:"client_reference_id"`
	AmountSubtotal  fields.Text            `json:"amount_subtotal"`
	AmountTotal     fields.Text            `json:"amount_total"`
	Details         fields.Object[totals]  `json:"total_details"`
	CustomerDetails fields.Object[contact] `json:"customer_details"`
	CustomerEmail   fields.Text            `json:"customer_email"`
	Locale          fields.Text            `json:"locale"`

	// Of a charge or a payment intent.
	Amount         fields.Text            `json:"amount"`
	AmountRefunded fields.Text            `json:"amount_refunded"`
	Billing        fields.Object[contact] `json:"billing_details"`
	ReceiptEmail   fields.Text            `json:"receipt_email"`
	ReceiptURL     fields.Text            `json:"receipt_url"`
	Method         fields.Object[method]  `json:"payment_method_details"`
}

type totals struct {
	Discount fields.Text `json:"amount_discount"`
	Shipping fields.Text `json:"amount_shipping"`
	Tax      fields.Text `json:"amount_tax"`
}

type contact struct {
	Name    fields.Text `json:"name"`
	Email   fields.Text `json:"email"`
	Phone   fields.Text `json:"phone"`
	Address fields.Object[struct {
		Country fields.Text `json:"country"`
	}] `json:"address"`
}

type method struct {
	Type    fields.Text         `json:"type"`
	Card    fields.Object[card] `json:"card"`
	Present fields.Object[card] `json:"card_present"`
	Interac fields.Object[card] `json:"interac_present"`
}

type card struct {
	Brand    fields.Text `json:"brand"`
	LastFour fields.Text `json:"last4"`
}

// change is what an event says.
type change struct {
	state   event.Type
	meaning string
	status  string
}

// changes returns what an event of a type says of its object; why it says nothing otherwise. A sale by Checkout makes a session, a charge and a payment intent, and one at
// a Terminal the last two: of each kind of sale one event is taken, the one that knows the customer.
func (s *stripe) changes(typ string, o *object) (n change, skip sender.Skip) {
	switch typ {
	case "checkout.session.completed":
		return o.completed()
	case "checkout.session.async_payment_succeeded":
		return change{event.PaymentComplete, "paid", "paid"}, ""
	case "checkout.session.async_payment_failed":
		return change{event.OrderUpdate, "failed", "failed"}, ""
	case "charge.succeeded":
		if kind := o.Method.Members.Type.String(); kind == "card_present" || kind == "interac_present" {
			return change{event.PaymentComplete, "paid", "paid"}, ""
		}
		return n, sender.SkipTopic
	case "payment_intent.succeeded":
		if s.PaymentIntents {
			return change{event.PaymentComplete, "paid", "paid"}, ""
		}
		return n, sender.SkipTopic
	case "charge.refunded": // refund.* say the same without a customer
		back := o.AmountRefunded.Number()
		status := "partially_refunded"
		if back == o.Amount.Number() {
			status = "refunded"
		}
		return change{event.RefundComplete, "refunded/" + back, status}, ""
	}
	return n, sender.SkipTopic
}

// completed returns what the end of a session says: one that waits for the bank is an order.
func (o *object) completed() (n change, skip sender.Skip) {
	switch {
	case o.Mode.String() == "setup":
		return n, sender.SkipState
	case o.PaymentStatus.String() == "unpaid":
		return change{event.OrderCreate, "created", "pending"}, ""
	case o.PaymentStatus.String() == "no_payment_required":
		return change{event.OrderCreate, "created", "confirmed"}, ""
	}
	return change{event.PaymentComplete, "paid", "paid"}, ""
}

// sale returns what names the sale in all of its events.
func (o *object) sale() string { return fields.First(o.PaymentIntent, o.ID) }

// The currencies of which Stripe's amounts are not in the unit of ISO 4217 (docs.stripe.com/currencies, "Zero-decimal currencies" and "Special cases"):
// UGX and ISK have two digits for an old API's sake, MGA none.
var (
	twoDigits = []string{"UGX", "ISK"}
	noDigits  = []string{"MGA"}
)

// moneyOf returns what makes a plain decimal of an amount in the smallest unit of a currency, as Stripe has it.
func moneyOf(currency string) func(fields.Text) string {
	return func(minor fields.Text) string {
		switch {
		case slices.Contains(twoDigits, currency):
			return value.Shift(minor.String(), 2)
		case slices.Contains(noDigits, currency):
			return value.Shift(minor.String(), 0)
		}
		return value.Minor(minor.String(), currency)
	}
}

// describe gives an event the object's sale and customer.
func (o *object) describe(e *event.Event, status string) {
	currency, _ := value.Currency(o.Currency.String())
	money := moneyOf(currency)
	order := fields.First(o.Reference, o.Metadata.Members.OrderID)
	e.Sale = event.Sale{
		TransactionID: o.sale(), OrderID: order, OrderName: order, Status: status, Currency: currency, ReceiptURL: o.ReceiptURL.String(),
		Total: money(o.AmountTotal),
	}
	if e.Sale.Total == "" {
		e.Sale.Total = money(o.Amount)
	}
	if e.Type == event.RefundComplete {
		e.Sale.Refunded = money(o.AmountRefunded)
	}
	o.sums(e, money)
	for _, c := range []card{o.Method.Members.Card.Members, o.Method.Members.Present.Members, o.Method.Members.Interac.Members} {
		if e.Sale.Payment.Brand == "" {
			e.Sale.Payment.Brand = c.Brand.String()
			e.Sale.Payment.LastFour, _ = value.LastFour(c.LastFour.String())
		}
	}
	at, bill := o.CustomerDetails.Members, o.Billing.Members
	region, _ := value.Region(fields.First(at.Address.Members.Country, bill.Address.Members.Country))
	e.Customer = event.Customer{
		Name: fields.First(at.Name, bill.Name), Phone: fields.First(at.Phone, bill.Phone), Region: region,
		Email: fields.First(at.Email, o.CustomerEmail, bill.Email, o.ReceiptEmail),
	}
	if locale := o.Locale.String(); locale != "auto" {
		e.Customer.Locale = locale
	}
}

// sums gives an event the sums of a session that belong to its total. A session does not say whether its prices have the tax in them; the sums do.
func (o *object) sums(e *event.Event, money func(fields.Text) string) {
	details := o.Details.Members
	e.Sale.Discount, e.Sale.Tax = money(details.Discount), money(details.Tax)
	subtotal, shipping := money(o.AmountSubtotal), money(details.Shipping)
	if subtotal == "" {
		return
	}
	net := value.Sum(subtotal, shipping, minus(e.Sale.Discount))
	e.Sale.TaxIncluded = strings.Trim(e.Sale.Tax, "0.") != "" && same(net, e.Sale.Total)
	if strings.Trim(shipping, "0.") == "" { // otherwise it would not add up: there is no line for shipping
		e.Sale.Subtotal = subtotal
	}
}

// minus returns a plain decimal with the other sign.
func minus(amount string) string {
	if rest, negative := strings.CutPrefix(amount, "-"); negative || amount == "" {
		return rest
	}
	return "-" + amount
}

// same reports whether two plain decimals are equal.
func same(a, b string) bool { return strings.Trim(value.Sum(a, minus(b)), "-0.") == "" }
