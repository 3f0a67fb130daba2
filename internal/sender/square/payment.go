package square

import (
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// payment is a Payment of the Payments API.
type payment struct {
	ID            fields.Text          `json:"id"`
	Status        fields.Text          `json:"status"`
	Created       fields.Text          `json:"created_at"`
	Updated       fields.Text          `json:"updated_at"`
	DelayAction   fields.Text          `json:"delay_action"`
	Tip           fields.Object[money] `json:"tip_money"`
	Total         fields.Object[money] `json:"total_money"`
	Amount        fields.Object[money] `json:"amount_money"`
	Refunded      fields.Object[money] `json:"refunded_money"`
	SourceType    fields.Text          `json:"source_type"`
	Location      fields.Text          `json:"location_id"`
	OrderID       fields.Text          `json:"order_id"`
	Customer      fields.Text          `json:"customer_id"`
	ReceiptNumber fields.Text          `json:"receipt_number"`
	ReceiptURL    fields.Text          `json:"receipt_url"`
	Email         fields.Text          `json:"buyer_email_address"`
	Billing       fields.Object[addr]  `json:"billing_address"`
	Shipping      fields.Object[addr]  `json:"shipping_address"`
	CardDetails   fields.Object[struct {
		Card fields.Object[struct {
			Brand    fields.Text `json:"card_brand"`
			LastFour fields.Text `json:"last_4"`
		}] `json:"card"`
		Timeline fields.Object[struct {
			Captured fields.Text `json:"captured_at"`
		}] `json:"card_payment_timeline"`
	}] `json:"card_details"`
}

// money is an amount in the currency's smallest unit.
type money struct {
	Amount   fields.Text `json:"amount"`
	Currency fields.Text `json:"currency"`
}

type addr struct {
	FirstName fields.Text `json:"first_name"`
	LastName  fields.Text `json:"last_name"`
	Country   fields.Text `json:"country"`
}

// plain returns an amount as a plain decimal; "" where there is none.
func (m *money) plain() string {
	currency, _ := value.Currency(m.Currency.String())
	return value.Minor(m.Amount.String(), currency)
}

// paidAt returns when the payment was completed; the zero time where that is not known, as of one that was captured later than it was made.
func (p *payment) paidAt() time.Time {
	if captured := p.CardDetails.Members.Timeline.Members.Captured.Time(time.UTC); !captured.IsZero() {
		return captured
	}
	if p.DelayAction.String() != "" {
		return time.Time{}
	}
	return p.Created.Time(time.UTC)
}

// event returns the event of a payment, its ID being what happened to it; nil, and why, where it says nothing to a customer. Only a completed payment is paid: one that
// is approved may still be canceled.
func (p *payment) event(said time.Time) (*event.Event, sender.Skip) {
	if !strings.EqualFold(p.Status.String(), "COMPLETED") {
		return nil, sender.SkipState
	}
	e := &event.Event{ID: "paid", Type: event.PaymentComplete, At: fields.FirstTime(p.paidAt(), said)}
	if back := p.Refunded.Members.plain(); strings.Trim(back, "0.") != "" {
		e.ID, e.Type, e.At = "refunded/"+back, event.RefundComplete, fields.FirstTime(p.Updated.Time(time.UTC), said)
	} else if !sender.Recent(p.paidAt(), said) {
		return nil, sender.SkipRepeat
	}
	p.describe(e)
	return e, ""
}

// describe gives an event the payment's sale and customer.
func (p *payment) describe(e *event.Event) {
	currency, _ := value.Currency(fields.First(p.Total.Members.Currency, p.Amount.Members.Currency))
	card := p.CardDetails.Members.Card.Members
	e.Sale = event.Sale{
		TransactionID: p.ID.String(), OrderID: p.OrderID.String(), OrderName: p.ReceiptNumber.String(), Status: "paid", Currency: currency,
		Tip: p.Tip.Members.plain(), Total: p.Total.Members.plain(), ReceiptURL: p.ReceiptURL.String(),
		Payment: event.Payment{Brand: card.Brand.String()},
	}
	e.Sale.Payment.LastFour, _ = value.LastFour(card.LastFour.String())
	if strings.EqualFold(p.SourceType.String(), "CASH") {
		e.Sale.Payment.Brand = "cash"
	}
	if e.Type == event.RefundComplete {
		e.Sale.Refunded, e.Sale.Status = p.Refunded.Members.plain(), "partially_refunded"
		if e.Sale.Refunded == e.Sale.Total {
			e.Sale.Status = "refunded"
		}
	}
	bill, ship := p.Billing.Members, p.Shipping.Members
	region, _ := value.Region(fields.First(bill.Country, ship.Country))
	e.Customer = event.Customer{Name: fields.Join(bill.FirstName, bill.LastName), Email: p.Email.String(), Region: region}
	if e.Customer.Name == "" {
		e.Customer.Name = fields.Join(ship.FirstName, ship.LastName)
	}
}
