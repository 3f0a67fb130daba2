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
	AmountReceived fields.Text            `json:"amount_received"` // of an intent
	AmountCaptured fields.Text            `json:"amount_captured"` // of a charge
	Captured       notFalse               `json:"captured"`
	AmountRefunded fields.Text            `json:"amount_refunded"`
	Billing        fields.Object[contact] `json:"billing_details"`
	Shipping       fields.Object[contact] `json:"shipping"`
	ReceiptEmail   fields.Text            `json:"receipt_email"`
	ReceiptURL     fields.Text            `json:"receipt_url"`
	Method         fields.Object[method]  `json:"payment_method_details"`
	// Charges are those of an intent, until 2022-11-15 of Stripe's API; the first is the latest.
	Charges fields.Object[struct {
		Data fields.List[object] `json:"data"`
	}] `json:"charges"`
	AmountDetails fields.Object[struct {
		Tip fields.Object[struct {
			Amount fields.Text `json:"amount"`
		}] `json:"tip"`
	}] `json:"amount_details"`

	// Presented is what the customer was shown, where that was another currency (docs.stripe.com/changelog, 2025-03-31.basil, "Adds presentment details for Adaptive Pricing").
	Presented fields.Object[struct {
		Amount   fields.Text `json:"presentment_amount"`
		Currency fields.Text `json:"presentment_currency"`
	}] `json:"presentment_details"`
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
	paid := change{event.PaymentComplete, "paid", "paid"}
	switch typ {
	case "checkout.session.completed":
		return o.completed()
	case "checkout.session.async_payment_succeeded":
		return paid, ""
	case "checkout.session.async_payment_failed":
		return change{event.OrderUpdate, "failed", "payment_failed"}, ""
	case "charge.succeeded", "charge.captured":
		switch kind := o.Method.Members.Type.String(); {
		case kind != "card_present" && kind != "interac_present":
			return n, sender.SkipTopic
		case o.Captured.isFalse: // it is authorized
			return n, sender.SkipState
		}
		return paid, ""
	case "payment_intent.succeeded":
		if s.PaymentIntents {
			return paid, ""
		}
	case "charge.refunded": // refund.* say the same without a customer
		back := o.paidBack()
		if value.Zero(back) {
			return n, sender.SkipState
		}
		status := "partially_refunded"
		if value.Equal(back, o.charged().Number()) {
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
	case o.PaymentStatus.String() == "no_payment_required", value.Zero(o.AmountTotal.Number()):
		return change{event.OrderCreate, "created", "confirmed"}, ""
	}
	return change{event.PaymentComplete, "paid", "paid"}, ""
}

// charged returns how much of an amount was taken: at a hotel or a pump less than was authorized.
func (o *object) charged() fields.Text {
	for _, taken := range []fields.Text{o.AmountCaptured, o.AmountReceived} {
		if value.Some(taken.Number()) {
			return taken
		}
	}
	return o.Amount
}

// paidBack returns how much of a charge was paid back so far, in the smallest unit. Stripe counts the part of an authorization that was not captured, too: of 20675, 20300 were captured and 375 refunded
// (woocommerce/woocommerce-gateway-stripe #1073). Nobody paid those.
func (o *object) paidBack() string {
	back, captured := o.AmountRefunded.Number(), o.AmountCaptured.Number()
	released := value.Sum(o.Amount.Number(), value.Minus(captured))
	if !value.Some(captured) || o.Amount.Number() == "" || !value.Some(released) || strings.HasPrefix(released, "-") {
		return back
	}
	if net := value.Sum(back, value.Minus(released)); !strings.HasPrefix(net, "-") {
		return net
	}
	return back
}

// sale returns what names the sale in all of its events.
func (o *object) sale() string { return fields.First(o.PaymentIntent, o.ID) }

// The currencies of which Stripe's amounts are not in the unit of ISO 4217 (docs.stripe.com/currencies, "Zero-decimal currencies" and "Special cases"):
// UGX and ISK have two digits for an old API's sake, MGA none.
var (
	twoDigits = []string{"UGX", "ISK"}
	noDigits  = []string{"MGA"}
)

// minor returns an amount in a currency's smallest unit as a plain decimal; "" where either is not known.
func minor(amount, currency string) string {
	switch {
	case slices.Contains(twoDigits, currency):
		return value.Shift(amount, 2)
	case slices.Contains(noDigits, currency):
		return value.Shift(amount, 0)
	}
	return value.Minor(amount, currency)
}

// describe gives an event the object's sale and customer.
func (o *object) describe(e *event.Event, status string) {
	order := fields.First(o.Reference, o.Metadata.Members.OrderID)
	e.Sale = event.Sale{TransactionID: o.sale(), OrderID: order, OrderName: order, Status: status, ReceiptURL: o.ReceiptURL.String()}
	o.sums(&e.Sale, e.Type == event.RefundComplete)
	charge := o
	if all := o.Charges.Members.Data; len(all) > 0 {
		charge = &all[0]
	}
	paidBy := charge.Method.Members
	for _, c := range []card{paidBy.Card.Members, paidBy.Present.Members, paidBy.Interac.Members} {
		if e.Sale.Payment.Brand == "" {
			e.Sale.Payment.Brand = c.Brand.String()
			e.Sale.Payment.LastFour, _ = value.LastFour(c.LastFour.String())
		}
	}
	if e.Sale.ReceiptURL == "" {
		e.Sale.ReceiptURL = charge.ReceiptURL.String()
	}
	at, bill, ship := o.CustomerDetails.Members, charge.Billing.Members, o.Shipping.Members
	e.Customer = event.Customer{
		Name: fields.First(at.Name, bill.Name, ship.Name), Email: fields.First(at.Email, o.CustomerEmail, bill.Email, o.ReceiptEmail, charge.ReceiptEmail),
	}
	// A number without a country's code is read by the country of the address that it stands with.
	country := fields.First(at.country(), bill.country(), ship.country())
	for _, c := range []contact{at, bill, ship} {
		if phone := c.Phone.String(); phone != "" {
			e.Customer.Phone, country = phone, fields.First(c.country(), at.country(), bill.country(), ship.country())
			break
		}
	}
	e.Customer.Region, _ = value.Region(country)
	if locale := o.Locale.String(); locale != "auto" {
		e.Customer.Locale = locale
	}
}

func (c *contact) country() fields.Text { return c.Address.Members.Country }

// sums gives a sale its currency and amounts. Where the customer was shown another currency, only the total is known in it.
func (o *object) sums(s *event.Sale, refund bool) {
	s.Currency, _ = value.Currency(o.Currency.String())
	if s.Total = minor(o.AmountTotal.String(), s.Currency); s.Total == "" {
		s.Total = minor(o.charged().String(), s.Currency)
	}
	if refund {
		s.Refunded = minor(o.paidBack(), s.Currency)
	}
	shown, ok := value.Currency(o.Presented.Members.Currency.String())
	if total := minor(o.Presented.Members.Amount.String(), shown); ok && shown != s.Currency && total != "" {
		switch {
		case refund && value.Equal(s.Refunded, s.Total):
			s.Refunded = total
		case refund: // how much that is in it is not said
			s.Refunded = ""
		}
		s.Currency, s.Total = shown, total
		return
	}
	details := o.Details.Members
	s.Tip = minor(o.AmountDetails.Members.Tip.Members.Amount.String(), s.Currency)
	s.Discount, s.Tax = minor(details.Discount.String(), s.Currency), minor(details.Tax.String(), s.Currency)
	subtotal, shipping := minor(o.AmountSubtotal.String(), s.Currency), minor(details.Shipping.String(), s.Currency)
	// A session does not say whether its prices have the tax in them; the sums do.
	s.TaxIncluded = value.Some(s.Tax) && value.Equal(value.Sum(subtotal, shipping, value.Minus(s.Discount)), s.Total)
	s.Subtotal = sender.Subtotal(s, subtotal) // with shipping it does not add up: there is no line for it
}
