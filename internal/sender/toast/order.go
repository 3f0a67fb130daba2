package toast

import (
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// order is an order of the Orders API.
type order struct {
	GUID          fields.Text        `json:"guid"`
	DisplayNumber fields.Text        `json:"displayNumber"`
	Created       fields.Text        `json:"createdDate"`
	Opened        fields.Text        `json:"openedDate"`
	Modified      fields.Text        `json:"modifiedDate"`
	VoidDate      fields.Text        `json:"voidDate"`
	Voided        fields.Flag        `json:"voided"`
	Deleted       fields.Flag        `json:"deleted"`
	Approval      fields.Text        `json:"approvalStatus"`
	TestMode      fields.Flag        `json:"createdInTestMode"`
	Checks        fields.List[check] `json:"checks"`
}

type check struct {
	GUID           fields.Text                `json:"guid"`
	Amount         fields.Text                `json:"amount"`
	Tax            fields.Text                `json:"taxAmount"`
	Total          fields.Text                `json:"totalAmount"`
	PaymentStatus  fields.Text                `json:"paymentStatus"`
	DisplayNumber  fields.Text                `json:"displayNumber"`
	PaidDate       fields.Text                `json:"paidDate"`
	ClosedDate     fields.Text                `json:"closedDate"`
	TabName        fields.Text                `json:"tabName"`
	Voided         fields.Flag                `json:"voided"`
	Deleted        fields.Flag                `json:"deleted"`
	Customer       fields.Object[customer]    `json:"customer"`
	Selections     fields.List[selection]     `json:"selections"`
	Payments       fields.List[payment]       `json:"payments"`
	Discounts      fields.List[discount]      `json:"appliedDiscounts"`
	ServiceCharges fields.List[serviceCharge] `json:"appliedServiceCharges"`
}

type customer struct {
	FirstName   fields.Text `json:"firstName"`
	LastName    fields.Text `json:"lastName"`
	Phone       fields.Text `json:"phone"`
	CallingCode fields.Text `json:"phoneCountryCode"`
	Email       fields.Text `json:"email"`
}

// selection is a line. Its price is that of the whole line, with modifiers and after discounts.
type selection struct {
	Name        fields.Text           `json:"displayName"`
	Quantity    fields.Text           `json:"quantity"`
	Price       fields.Text           `json:"price"`
	PreDiscount fields.Text           `json:"preDiscountPrice"`
	Voided      fields.Flag           `json:"voided"`
	Modifiers   fields.List[modifier] `json:"modifiers"`
	Discounts   fields.List[discount] `json:"appliedDiscounts"`
}

type modifier struct {
	Name   fields.Text `json:"displayName"`
	Voided fields.Flag `json:"voided"`
}

type discount struct {
	Amount fields.Text `json:"discountAmount"`
}

type serviceCharge struct {
	Name   fields.Text `json:"name"`
	Amount fields.Text `json:"chargeAmount"`
}

type payment struct {
	Type     fields.Text           `json:"type"`
	CardType fields.Text           `json:"cardType"`
	LastFour fields.Text           `json:"last4Digits"`
	Date     fields.Text           `json:"paidDate"`
	Tip      fields.Text           `json:"tipAmount"`
	Status   fields.Text           `json:"paymentStatus"`
	Refund   fields.Object[refund] `json:"refund"`
}

// refund has two amounts, which are paid back together.
type refund struct {
	Amount fields.Text `json:"refundAmount"`
	Tip    fields.Text `json:"tipRefundAmount"`
	Date   fields.Text `json:"refundDate"`
}

// change is something that happened to an order or one of its checks.
type change struct {
	state   event.Type
	object  string // what it happened to
	meaning string
	status  string
	at      time.Time
	check   *check // nil where it is the order
}

// changes returns what an order says that its customers do not know yet; where there is nothing, why. Toast posts the whole order with each change of it, and has no
// topic for a new one: the first sight of it is that.
func (o *order) changes(said time.Time) (all []change, skip sender.Skip) {
	switch {
	case bool(o.Deleted):
		return nil, sender.SkipState
	case bool(o.Voided), strings.EqualFold(o.Approval.String(), "NOT_APPROVED"):
		at := o.VoidDate.Time(time.UTC) // an order that was not approved has none
		if !sender.Recent(at, said) {
			return nil, sender.SkipRepeat
		}
		return []change{{state: event.OrderCancel, object: o.GUID.String(), meaning: "cancelled", status: "cancelled", at: at, check: o.only()}}, ""
	}
	paid := false
	skip = sender.SkipState
	for i := range o.Checks {
		c := &o.Checks[i]
		if bool(c.Voided) || bool(c.Deleted) || c.GUID.String() == "" || !c.isPaid() {
			continue
		}
		paid = true
		if n, found := c.changes(said); found {
			all = append(all, n)
		} else {
			skip = sender.SkipRepeat
		}
	}
	created := fields.FirstTime(o.Created.Time(time.UTC), o.Opened.Time(time.UTC))
	switch {
	case len(all) > 0:
		return distinct(all), ""
	case paid:
		return nil, skip
	case !slices.ContainsFunc(o.Checks, check.holds): // a table that has just been seated
		return nil, sender.SkipState
	case !sender.Recent(created, said):
		return nil, sender.SkipRepeat
	}
	return []change{{state: event.OrderCreate, object: o.GUID.String(), meaning: "created", status: "received", at: created, check: o.only()}}, ""
}

// distinct leaves out what is said twice.
func distinct(all []change) (out []change) {
	seen := map[string]bool{}
	for _, n := range all {
		if key := n.object + "/" + n.meaning; !seen[key] {
			seen[key] = true
			out = append(out, n)
		}
	}
	return out
}

// only returns the order's check where it has one that stands; nil where it has none, or several, whose customers may be different people.
func (o *order) only() (one *check) {
	for i := range o.Checks {
		c := &o.Checks[i]
		if bool(c.Deleted) || bool(c.Voided) && !bool(o.Voided) { // of a voided order, they all are
			continue
		}
		if one != nil {
			return nil
		}
		one = c
	}
	return one
}

// holds reports whether something was ordered on a check.
func (c check) holds() bool {
	return !bool(c.Deleted) && (len(c.Selections) > 0 || value.Some(c.Total.Number()))
}

// isPaid reports whether a check is paid, now or before. One of nothing says nothing.
func (c *check) isPaid() bool {
	switch strings.ToUpper(c.PaymentStatus.String()) {
	case "PAID", "CLOSED":
		return c.Total.Number() == "" || value.Some(value.Sum(c.Total.Number(), c.tips()))
	}
	return false
}

// changes returns the last of what happened to a check that is paid, if it is recent.
func (c *check) changes(said time.Time) (n change, found bool) {
	if sum, at := c.refunded(); sum != "" {
		status := "partially_refunded"
		if value.Equal(sum, c.total()) {
			status = "refunded"
		}
		return change{event.RefundComplete, c.GUID.String(), "refunded/" + sum, status, at, c}, sender.Recent(at, said)
	}
	at := c.paidAt()
	return change{event.PaymentComplete, c.GUID.String(), "paid", "paid", at, c}, sender.Recent(at, said)
}

// paidAt returns when a check was paid; the zero time where that is not said.
func (c *check) paidAt() time.Time {
	at := c.PaidDate.Time(time.UTC)
	if !at.IsZero() {
		return at
	}
	for _, p := range c.Payments {
		if one := p.Date.Time(time.UTC); one.After(at) {
			at = one
		}
	}
	return fields.FirstTime(at, c.ClosedDate.Time(time.UTC))
}

// total returns what the customer paid. Toast's is without the tip.
func (c *check) total() string {
	if c.Total.Number() == "" {
		return ""
	}
	return value.Sum(c.Total.Number(), c.tips())
}

// refunded returns how much of a check was paid back so far, and when last; "" for nothing.
func (c *check) refunded() (sum string, latest time.Time) {
	for _, p := range c.Payments {
		r := &p.Refund
		if !r.Given {
			continue
		}
		sum = value.Sum(sum, r.Members.Amount.Number(), r.Members.Tip.Number())
		if at := r.Members.Date.Time(time.UTC); at.After(latest) {
			latest = at
		}
	}
	if !value.Some(sum) {
		return "", time.Time{}
	}
	return sum, latest
}

// tips returns the sum of a check's tips; "" for none.
func (c *check) tips() string {
	var all []string
	for _, p := range c.Payments {
		if status := strings.ToUpper(p.Status.String()); status != "DENIED" && status != "VOIDED" && status != "ERROR" {
			all = append(all, p.Tip.Number())
		}
	}
	return value.Sum(all...)
}

// describe gives an event the sale of a check, its customer and its items.
func (o *order) describe(e *event.Event, n change) {
	e.Sale = event.Sale{
		TransactionID: n.object, OrderID: o.GUID.String(), OrderName: o.DisplayNumber.String(), Status: n.status, Test: bool(o.TestMode),
	}
	if n.check == nil {
		return
	}
	c := n.check
	if e.Sale.OrderName == "" {
		e.Sale.OrderName = c.DisplayNumber.String()
	}
	e.Sale.Tax = c.Tax.Number()
	e.Sale.Tip = c.tips()
	e.Sale.Total = c.total()
	e.Sale.Discount = c.discount()
	e.Sale.Subtotal = sender.Subtotal(&e.Sale, c.Amount.Number()) // it is after the discounts
	if n.state == event.RefundComplete {
		e.Sale.Refunded, _ = c.refunded()
	}
	c.payment(&e.Sale.Payment)
	e.Customer = c.guest()
	e.Items = c.items()
}

// guest returns the customer of a check, or the name of its tab.
func (c *check) guest() event.Customer {
	who := c.Customer.Members
	name := fields.Join(who.FirstName, who.LastName)
	if name == "" {
		name = c.TabName.String()
	}
	return event.Customer{Name: name, Phone: who.phone(), Email: who.Email.String()}
}

// discount returns the sum of the discounts of the check and its lines; "" for nothing.
func (c *check) discount() string {
	var all []string
	for _, one := range c.Discounts {
		all = append(all, one.Amount.Number())
	}
	for i := range c.Selections {
		if s := &c.Selections[i]; !bool(s.Voided) && s.PreDiscount.Number() != "" {
			for _, one := range s.Discounts {
				all = append(all, one.Amount.Number())
			}
		}
	}
	return value.Sum(all...)
}

// payment says how a check was paid, where it was paid in one way.
func (c *check) payment(p *event.Payment) {
	if len(c.Payments) != 1 {
		return
	}
	one := &c.Payments[0]
	p.Brand = one.CardType.String()
	if p.Brand == "" && strings.EqualFold(one.Type.String(), "CASH") {
		p.Brand = "cash"
	}
	p.LastFour, _ = value.LastFour(one.LastFour.String())
}

// phone returns the customer's number, with the calling code that Toast has in a field of its own.
func (c *customer) phone() string {
	phone, code := c.Phone.String(), strings.TrimPrefix(c.CallingCode.String(), "+")
	if phone == "" || code == "" || strings.HasPrefix(phone, "+") || strings.Trim(code, "0123456789") != "" {
		return phone
	}
	if digits := strings.Map(digit, phone); code == "1" && len(digits) == 11 && digits[0] == '1' { // the code is in both fields
		return "+" + digits
	}
	return "+" + code + " " + phone
}

// digit keeps the digits of a text.
func digit(r rune) rune {
	if r < '0' || r > '9' {
		return -1
	}
	return r
}

// items returns the lines that were not voided, and service charges as lines of their own.
func (c *check) items() []event.Item {
	var items []event.Item
	for i := range c.Selections {
		s := &c.Selections[i]
		if bool(s.Voided) {
			continue
		}
		item := event.Item{Name: s.Name.String(), Quantity: s.Quantity.Number(), Total: fields.First(s.PreDiscount, s.Price)}
		if plain, ok := value.Number(item.Total); ok {
			item.Total = plain
		} else {
			item.Total = s.Price.Number()
		}
		for _, m := range s.Modifiers {
			if name := m.Name.String(); name != "" && !bool(m.Voided) && len(item.Options) < event.MaxOptions {
				item.Options = append(item.Options, name)
			}
		}
		items = append(items, item)
	}
	for _, s := range c.ServiceCharges {
		if amount := s.Amount.Number(); value.Some(amount) {
			items = append(items, event.Item{Name: s.Name.String(), Total: amount})
		}
	}
	return items[:min(len(items), event.MaxItems)]
}
