package clover

import (
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// order is an Order of Clover's API (docs.clover.com/dev/reference/ordergetorder). Amounts are in the currency's smallest unit, times in milliseconds.
type order struct {
	ID           fields.Text        `json:"id"`
	Currency     fields.Text        `json:"currency"`
	Total        fields.Text        `json:"total"` // with tax, without tips
	PaymentState fields.Text        `json:"paymentState"`
	State        fields.Text        `json:"state"` // missing: it is not shown yet
	Title        fields.Text        `json:"title"`
	TestMode     fields.Flag        `json:"testMode"`
	VAT          fields.Flag        `json:"isVat"` // the prices have the tax in them
	Created      fields.Text        `json:"createdTime"`
	Modified     fields.Text        `json:"modifiedTime"`
	Deleted      fields.Text        `json:"deletedTimestamp"`
	Lines        elements[lineItem] `json:"lineItems"`
	Customers    elements[customer] `json:"customers"`
	Payments     elements[payment]  `json:"payments"`
	Refunds      elements[refund]   `json:"refunds"`
	Credits      elements[refund]   `json:"credits"`
}

// elements is how Clover writes a list.
type elements[T any] = fields.Object[struct {
	Elements fields.List[T] `json:"elements"`
}]

// lineItem is one piece, or so many thousandths of a unit (docs.clover.com/dev/docs/ordercreatelineitem).
type lineItem struct {
	Name    fields.Text `json:"name"`
	Price   fields.Text `json:"price"`
	UnitQty fields.Text `json:"unitQty"`
}

type customer struct {
	ID        fields.Text `json:"id"`
	FirstName fields.Text `json:"firstName"`
	LastName  fields.Text `json:"lastName"`
	Phones    elements[struct {
		Number fields.Text `json:"phoneNumber"`
	}] `json:"phoneNumbers"`
	Emails elements[struct {
		Address fields.Text `json:"emailAddress"`
	}] `json:"emailAddresses"`
}

type payment struct {
	ID      fields.Text `json:"id"`
	Amount  fields.Text `json:"amount"` // without the tip
	Tip     fields.Text `json:"tipAmount"`
	Tax     fields.Text `json:"taxAmount"`
	Result  fields.Text `json:"result"`
	Created fields.Text `json:"createdTime"`
	Tender  fields.Object[struct {
		Label fields.Text `json:"label"`
	}] `json:"tender"`
	Card fields.Object[struct {
		Brand    fields.Text `json:"cardType"`
		LastFour fields.Text `json:"last4"`
	}] `json:"cardTransaction"`
}

type refund struct {
	Amount  fields.Text `json:"amount"`
	Created fields.Text `json:"createdTime"`
}

// change is what an order says.
type change struct {
	state   event.Type
	meaning string
	status  string
	at      time.Time
}

// paymentState returns how far an order is paid. Where Clover does not say, its payments do.
func (o *order) paymentState() string {
	if state := strings.ToUpper(o.PaymentState.String()); state != "" {
		return state
	}
	var amounts []string
	for _, p := range o.made() {
		amounts = append(amounts, p.Amount.Number())
	}
	if total := value.Sum(amounts...); total != "" && total == o.Total.Number() {
		return "PAID"
	}
	return "OPEN"
}

// returned reports whether an order was paid back, whole or in part.
func (o *order) returned() bool {
	state := o.paymentState()
	return state == "REFUNDED" || state == "PARTIALLY_REFUNDED" || state == "CREDITED"
}

// change returns what an order says that its customer does not know yet, where an update came at a time; nil for nothing. paid says that a payment was approved: the order may
// not know it yet. Clover tells of every edit.
func (o *order) change(at time.Time, paid bool) *change {
	n := &change{}
	var happened time.Time
	switch state := o.paymentState(); {
	case !o.Deleted.Time(time.UTC).IsZero():
		return nil
	case o.returned():
		var sum string
		sum, happened = o.back()
		n.state, n.meaning, n.status = event.RefundComplete, "refunded/"+sum, "partially_refunded"
		if state != "PARTIALLY_REFUNDED" {
			n.status = "refunded"
		}
	case state == "PAID", paid:
		happened = o.paidAt()
		n.state, n.meaning, n.status = event.PaymentComplete, "paid", "paid"
	case state == "PARTIALLY_PAID":
		happened = o.paidAt()
		n.state, n.meaning, n.status = event.OrderUpdate, "status/partially_paid", "partially_paid"
	case o.State.String() == "":
		return nil
	default:
		happened = o.Created.Time(time.UTC)
		n.state, n.meaning, n.status = event.OrderCreate, "created", "received"
	}
	if n.at = happened; !sender.Recent(happened, at) {
		return nil
	}
	return n
}

// made returns the payments that were made.
func (o *order) made() (all []payment) {
	for _, p := range o.Payments.Members.Elements {
		if result := strings.ToUpper(p.Result.String()); result == "" || result == "SUCCESS" || result == "AUTH_COMPLETED" {
			all = append(all, p)
		}
	}
	return all
}

// paidAt returns when an order was paid last.
func (o *order) paidAt() (latest time.Time) {
	for _, p := range o.made() {
		if at := p.Created.Time(time.UTC); at.After(latest) {
			latest = at
		}
	}
	return latest
}

// back returns how much was paid back so far, in the smallest unit, and when last.
func (o *order) back() (sum string, latest time.Time) {
	for _, list := range []fields.List[refund]{o.Refunds.Members.Elements, o.Credits.Members.Elements} {
		for _, r := range list {
			sum = value.Sum(sum, r.Amount.Number())
			if at := r.Created.Time(time.UTC); at.After(latest) {
				latest = at
			}
		}
	}
	if sum == "" && o.paymentState() == "REFUNDED" {
		sum = o.Total.Number()
	}
	return sum, latest
}

// describe gives an event the order's sale and items.
func (o *order) describe(e *event.Event, n *change) {
	currency, _ := value.Currency(o.Currency.String())
	money := func(minor string) string { return value.Minor(minor, currency) }
	e.Sale = event.Sale{
		TransactionID: e.Sale.TransactionID, OrderID: o.ID.String(), OrderName: o.Title.String(), Status: n.status, Currency: currency, TaxIncluded: bool(o.VAT), Test: bool(o.TestMode),
	}
	var taxes, tips []string
	made := o.made()
	for _, p := range made {
		taxes, tips = append(taxes, p.Tax.Number()), append(tips, p.Tip.Number())
	}
	e.Sale.Tax, e.Sale.Tip = money(value.Sum(taxes...)), money(value.Sum(tips...))
	if total := o.Total.Number(); total != "" {
		e.Sale.Total = money(value.Sum(append(tips, total)...))
	}
	if len(made) > 0 && e.Sale.TransactionID == "" {
		e.Sale.TransactionID = made[0].ID.String()
	}
	if len(made) == 1 {
		e.Sale.Payment.Brand = fields.First(made[0].Card.Members.Brand, made[0].Tender.Members.Label)
		e.Sale.Payment.LastFour, _ = value.LastFour(made[0].Card.Members.LastFour.String())
	}
	if n.state == event.RefundComplete {
		sum, _ := o.back()
		e.Sale.Refunded = money(sum)
	}
	e.Items = o.items(money)
}

// items returns the lines. Clover has one for each piece: those that are the same become one.
func (o *order) items(money func(string) string) []event.Item {
	type kind struct{ name, price string }
	count, at := map[kind]int64{}, map[kind]int{}
	var items []event.Item
	for _, l := range o.Lines.Members.Elements {
		item := event.Item{Name: l.Name.String(), Quantity: "1", UnitPrice: money(l.Price.Number())}
		if weight := value.Shift(l.UnitQty.Number(), 3); strings.Trim(weight, "0.") != "" {
			item.Quantity = weight
			items = append(items, item)
			continue
		}
		k := kind{item.Name, item.UnitPrice}
		if count[k]++; count[k] == 1 {
			at[k] = len(items)
			items = append(items, item)
		} else {
			items[at[k]].Quantity = strconv.FormatInt(count[k], 10)
		}
	}
	return items
}

// person returns a customer as an event has it.
func (c *customer) person() event.Customer {
	who := event.Customer{Name: fields.Join(c.FirstName, c.LastName)}
	if all := c.Phones.Members.Elements; len(all) > 0 {
		who.Phone = all[0].Number.String()
	}
	if all := c.Emails.Members.Elements; len(all) > 0 {
		who.Email = all[0].Address.String()
	}
	return who
}
