package loyverse

import (
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// receipt is a Receipt of Loyverse's API (developer.loyverse.com/docs, "Receipts"). Its amounts are decimals, of the merchant's currency.
type receipt struct {
	Number    fields.Text          `json:"receipt_number"`
	Type      fields.Text          `json:"receipt_type"`
	RefundFor fields.Text          `json:"refund_for"`
	Order     fields.Text          `json:"order"`
	Date      fields.Text          `json:"receipt_date"`
	Created   fields.Text          `json:"created_at"`
	Updated   fields.Text          `json:"updated_at"`
	Cancelled fields.Text          `json:"cancelled_at"`
	Total     fields.Text          `json:"total_money"`
	Tax       fields.Text          `json:"total_tax"`
	Discount  fields.Text          `json:"total_discount"`
	Tip       fields.Text          `json:"tip"`
	Surcharge fields.Text          `json:"surcharge"`
	Customer  fields.Text          `json:"customer_id"`
	Store     fields.Text          `json:"store_id"`
	Taxes     fields.List[tax]     `json:"total_taxes"`
	Lines     fields.List[line]    `json:"line_items"`
	Payments  fields.List[payment] `json:"payments"`
}

type tax struct {
	Type   fields.Text `json:"type"` // INCLUDED or ADDED
	Amount fields.Text `json:"money_amount"`
}

// line is an item. Its gross total is before discounts and with modifiers; its price is without them.
type line struct {
	Name      fields.Text           `json:"item_name"`
	Variant   fields.Text           `json:"variant_name"`
	Quantity  fields.Text           `json:"quantity"`
	Price     fields.Text           `json:"price"`
	Gross     fields.Text           `json:"gross_total_money"`
	Total     fields.Text           `json:"total_money"`
	Modifiers fields.List[modifier] `json:"line_modifiers"`
}

type modifier struct {
	Name   fields.Text `json:"name"`
	Option fields.Text `json:"option"`
}

type payment struct {
	Name    fields.Text `json:"name"`
	Type    fields.Text `json:"type"`
	Amount  fields.Text `json:"money_amount"`
	Details fields.Object[struct {
		Company fields.Text `json:"card_company"`
		Number  fields.Text `json:"card_number"`
	}] `json:"payment_details"`
}

// change is what a receipt says.
type change struct {
	state   event.Type
	meaning string
	status  string
	at      time.Time
}

// change returns what a receipt says; why it says nothing otherwise. Loyverse has receipts of sales that are paid, and of refunds, each of which is a receipt of its own; it posts one again
// with each edit. A till that was offline posts its receipts later: they are new when Loyverse has made them.
func (r *receipt) change(said time.Time) (n change, skip sender.Skip) {
	cancelled := r.Cancelled.Time(time.UTC)
	made := fields.FirstTime(r.Created.Time(time.UTC), r.Date.Time(time.UTC))
	n = change{event.PaymentComplete, "paid", "paid", fields.FirstTime(r.Date.Time(time.UTC), made)}
	switch kind := strings.ToUpper(r.Type.String()); {
	case kind == "REFUND" && !cancelled.IsZero():
		return n, sender.SkipState
	case kind == "REFUND":
		n.state, n.meaning, n.status = event.RefundComplete, "refunded", "refunded"
	case kind != "SALE" && kind != "":
		return n, sender.SkipState
	case !cancelled.IsZero():
		n, made = change{event.OrderCancel, "cancelled", "cancelled", cancelled}, cancelled
	}
	if !sender.Recent(made, said) {
		return n, sender.SkipRepeat
	}
	return n, ""
}

// describe gives an event the receipt's sale and items. A refund is of the sale that it names.
func (r *receipt) describe(e *event.Event, n change) {
	e.Sale = event.Sale{
		TransactionID: r.Number.String(), OrderID: fields.First(r.RefundFor, r.Number), OrderName: fields.First(r.Order, r.RefundFor, r.Number), Status: n.status,
		Discount: r.Discount.Number(), Tip: r.Tip.Number(), Total: r.paid(),
	}
	e.Sale.Tax, e.Sale.TaxIncluded = r.tax()
	if n.state == event.RefundComplete { // of the sale's own total it says nothing
		e.Sale.Refunded, e.Sale.Total = strings.TrimPrefix(e.Sale.Total, "-"), ""
	}
	if len(r.Payments) == 1 {
		e.Sale.Payment = r.Payments[0].how()
	}
	for i := range r.Lines {
		e.Items = append(e.Items, r.Lines[i].item())
	}
	if extra := r.Surcharge.Number(); strings.Trim(extra, "0.") != "" && len(e.Items) < event.MaxItems {
		e.Items = append(e.Items, event.Item{Name: "Surcharge", Total: extra})
	}
}

// paid returns what was paid. Loyverse does not say whether total_money has the tip and the surcharge in it: where the payments come to as much more, it has not.
func (r *receipt) paid() string {
	total := r.Total.Number()
	if total == "" {
		return ""
	}
	var amounts []string
	for i := range r.Payments {
		amounts = append(amounts, r.Payments[i].Amount.Number())
	}
	if whole := value.Sum(total, r.Tip.Number(), r.Surcharge.Number()); equal(whole, value.Sum(amounts...)) {
		return whole
	}
	return total
}

// tax returns the tax as the lines have it: what was added to them, or what is in them where nothing was added.
func (r *receipt) tax() (amount string, included bool) {
	var added []string
	inside := false
	for i := range r.Taxes {
		if strings.EqualFold(r.Taxes[i].Type.String(), "ADDED") {
			added = append(added, r.Taxes[i].Amount.Number())
		} else {
			inside = true
		}
	}
	switch {
	case inside && len(added) > 0:
		return value.Sum(added...), false
	default:
		return r.Tax.Number(), inside
	}
}

// how says how a sale was paid.
func (p *payment) how() event.Payment {
	how := event.Payment{Brand: fields.First(p.Details.Members.Company, p.Name)}
	if strings.EqualFold(p.Type.String(), "CASH") {
		how.Brand = "cash"
	}
	how.LastFour, _ = value.LastFour(p.Details.Members.Number.String())
	return how
}

// item returns a line. Where modifiers have a price, the item's own is not that of one.
func (l *line) item() event.Item {
	item := event.Item{Name: l.Name.String(), Quantity: l.Quantity.Number(), Total: l.Gross.Number()}
	if len(l.Modifiers) == 0 {
		item.UnitPrice = l.Price.Number()
	}
	if item.Total == "" {
		item.Total = l.Total.Number()
	}
	if variant := l.Variant.String(); variant != "" {
		item.Options = append(item.Options, variant)
	}
	for _, m := range l.Modifiers {
		if option := fields.First(m.Option, m.Name); option != "" && len(item.Options) < event.MaxOptions {
			item.Options = append(item.Options, option)
		}
	}
	return item
}

// equal reports whether two plain decimals are the same amount.
func equal(a, b string) bool {
	return a != "" && b != "" && strings.Trim(value.Sum(a, negated(b)), "-0.") == ""
}

func negated(amount string) string {
	if rest, negative := strings.CutPrefix(amount, "-"); negative {
		return rest
	}
	return "-" + amount
}
