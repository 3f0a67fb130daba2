package lightspeed

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// sale is the payload of sale.update, as API 1.0 has it (x-series-api.lightspeedhq.com/docs/webhooks, "Payload", and its example payloads), or with the names that API 2.0 has for the same.
type sale struct {
	ID             fields.Text             `json:"id"`
	Status         fields.Text             `json:"status"`
	State          fields.Text             `json:"state"`
	Attributes     words                   `json:"attributes"`
	SaleAttributes words                   `json:"register_sale_attributes"`
	Date           fields.Text             `json:"sale_date"`
	Created        fields.Text             `json:"created_at"`
	Updated        fields.Text             `json:"updated_at"`
	Deleted        fields.Text             `json:"deleted_at"`
	Price          fields.Text             `json:"total_price"`
	Tax            fields.Text             `json:"total_tax"`
	Invoice        fields.Text             `json:"invoice_number"`
	ReturnFor      fields.Text             `json:"return_for"`
	Register       fields.Text             `json:"register_id"`
	CustomerID     fields.Text             `json:"customer_id"`
	CustomerName   fields.Text             `json:"customer_name"`
	Customer       fields.Object[customer] `json:"customer"`
	Lines          fields.List[line]       `json:"register_sale_products"`
	Items          fields.List[line]       `json:"line_items"`
	SalePayments   fields.List[payment]    `json:"register_sale_payments"`
	Payments       fields.List[payment]    `json:"payments"`
	Totals         fields.Object[struct {
		Price   fields.Text `json:"total_price"`
		Tax     fields.Text `json:"total_tax"`
		Payment fields.Text `json:"total_payment"`
		ToPay   fields.Text `json:"total_to_pay"`
	}] `json:"totals"`
}

// line is an item. Its price is that of one, after the discount and without tax.
type line struct {
	Product    fields.Text `json:"product_id"`
	Name       fields.Text `json:"name"`
	Quantity   fields.Text `json:"quantity"`
	Price      fields.Text `json:"price"`
	Tax        fields.Text `json:"tax"`
	PriceTotal fields.Text `json:"price_total"`
	TaxTotal   fields.Text `json:"tax_total"`
	// Inclusive is 1 where the shop's price tags have the tax in them.
	Inclusive fields.Text `json:"display_retail_price_tax_inclusive"`
}

type payment struct {
	Name         fields.Text          `json:"name"`
	Date         fields.Text          `json:"payment_date"`
	Currency     fields.Text          `json:"currency"`
	RetailerType fields.Object[named] `json:"retailer_payment_type"`
	Type         fields.Object[named] `json:"payment_type"`
}

type named struct {
	Name fields.Text `json:"name"`
}

// customer is the sale's. Its do_not_email is about advertising, which a receipt is not.
type customer struct {
	contact
	ID    fields.Text            `json:"id"`
	Code  fields.Text            `json:"customer_code"`
	Name  fields.Text            `json:"name"`
	Reach fields.Object[contact] `json:"contact"`
}

type contact struct {
	FirstName fields.Text `json:"first_name"`
	LastName  fields.Text `json:"last_name"`
	Email     fields.Text `json:"email"`
	Phone     fields.Text `json:"phone"`
	Mobile    fields.Text `json:"mobile"`
	Country   fields.Text `json:"physical_country_id"`
	Postal    fields.Text `json:"postal_country_id"`
}

// walkIn is the code of the customer that stands for nobody.
const walkIn = "WALKIN"

// words is a member that should be an array of strings. Anything else is an empty one.
type words []string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (w *words) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*w = nil
	if d.PeekKind() != '[' {
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		var t fields.Text
		if err := t.UnmarshalJSONFrom(d); err != nil {
			return err
		}
		*w = append(*w, strings.ToLower(t.String()))
	}
	_, err := d.ReadToken()
	return err
}

// given reports whether a payload is a sale, and not a product or a customer: the form does not always say.
func (s *sale) given() bool {
	return fields.First(s.Date, s.Invoice) != "" || len(s.Lines)+len(s.Items)+len(s.SalePayments)+len(s.Payments) > 0
}

// The statuses that are of a sale that goes on. API 1.0 has them as one word, newer ones as a state and attributes (x-series-api.lightspeedhq.com/docs/sales_states_and_attributes).
const (
	statusVoided           = "VOIDED"
	statusAwaitingPickup   = "AWAITING_PICKUP"
	statusPickedUp         = "PICKED_UP_CLOSED"
	statusDispatched       = "DISPATCHED_CLOSED"
	statusAwaitingDispatch = "AWAITING_DISPATCH"
	statusService          = "SERVICE"
)

// pending has the statuses of sales that are not finished.
var pending = map[string]bool{
	"SAVED": true, "OPEN": true, "ONACCOUNT": true, "LAYBY": true, statusService: true, statusAwaitingPickup: true, statusAwaitingDispatch: true,
}

// newStatuses are the statuses by attribute, those that are pending and those that are closed; of several attributes the first here counts.
var newStatuses = []struct{ attribute, pending, closed string }{
	{"delivery", statusAwaitingDispatch, statusDispatched}, {"pickup", statusAwaitingPickup, statusPickedUp}, {"layby", "LAYBY", "LAYBY_CLOSED"},
	{"onaccount", "ONACCOUNT", "ONACCOUNT_CLOSED"}, {"service", statusService, "SERVICE_CLOSED"}, {"", "OPEN", "CLOSED"},
}

// status returns the sale's status in the words of API 1.0; "" where it has none.
func (s *sale) status() string {
	if status := strings.ToUpper(s.Status.String()); status != "" {
		return status
	}
	state := strings.ToLower(s.State.String())
	switch state {
	case "parked":
		return "SAVED"
	case "voided":
		return statusVoided
	case "pending", "closed":
	default:
		return ""
	}
	has := map[string]bool{"": true}
	for _, attribute := range append(s.Attributes, s.SaleAttributes...) {
		has[attribute] = true
	}
	for _, n := range newStatuses {
		if has[n.attribute] && state == "closed" {
			return n.closed
		} else if has[n.attribute] {
			return n.pending
		}
	}
	return ""
}

// change is something that happened to the sale.
type change struct {
	state   event.Type
	meaning string
	status  string
	at      time.Time
}

// oneAct is how long after it was paid a sale is handed over by the same act. Then the receipt says it all.
const oneAct = time.Minute

// changes returns what a sale says that its customer does not know yet; where there is nothing, why. sale.update comes with each edit. A void and a hand-over have no
// times of their own: their ids are all that tells an edit from a change.
func (s *sale) changes(said time.Time) ([]change, sender.Skip) {
	status, paidAt := s.status(), s.paidAt()
	made := latest(paidAt, s.Created.Time(time.UTC))
	closed := strings.HasSuffix(status, "CLOSED")
	switch {
	case !s.Deleted.Time(time.UTC).IsZero():
		return nil, sender.SkipState
	case s.goesBack():
		return returned(closed, paidAt, sender.Recent(made, said))
	case status == statusVoided:
		return []change{{event.OrderCancel, "cancelled", "cancelled", s.Updated.Time(time.UTC)}}, ""
	case closed, pending[status] && s.settled(status):
		return s.paid(status, paidAt, said, sender.Recent(made, said))
	case !pending[status]:
		return nil, sender.SkipState
	}
	created := fields.FirstTime(s.Created.Time(time.UTC), s.Date.Time(time.UTC))
	if !sender.Recent(created, said) {
		return nil, sender.SkipRepeat
	}
	return []change{{event.OrderCreate, "created", "received", created}}, ""
}

// returned returns what a return says, which is a sale of its own: once it is closed.
func returned(closed bool, at time.Time, recent bool) ([]change, sender.Skip) {
	switch {
	case !closed:
		return nil, sender.SkipState
	case !recent:
		return nil, sender.SkipRepeat
	}
	return []change{{event.RefundComplete, "refunded", "refunded", at}}, ""
}

// paid returns what a sale says that is paid: that, and how it was handed over where this was another act.
func (s *sale) paid(status string, paidAt, said time.Time, recent bool) (all []change, skip sender.Skip) {
	if recent {
		all = append(all, change{event.PaymentComplete, "paid", "paid", paidAt})
	}
	over := map[string]string{statusPickedUp: "picked_up", statusDispatched: "shipped"}[status]
	if over != "" && (paidAt.IsZero() || said.Sub(paidAt) > oneAct) {
		all = append(all, change{event.OrderUpdate, "status/" + over, over, s.Updated.Time(time.UTC)})
	}
	if len(all) == 0 {
		return nil, sender.SkipRepeat
	}
	return all, ""
}

// settled reports whether a sale that waits to be handed over is paid.
func (s *sale) settled(status string) bool {
	if status != statusAwaitingPickup && status != statusAwaitingDispatch && status != statusService {
		return false
	}
	toPay, paid := s.Totals.Members.ToPay.Number(), s.Totals.Members.Payment.Number()
	return toPay != "" && isZero(toPay) && paid != "" && !isZero(paid)
}

// paidAt returns when the sale was paid last; the sale's date where no payment has one.
func (s *sale) paidAt() (at time.Time) {
	for _, p := range s.payments() {
		at = latest(at, p.Date.Time(time.UTC))
	}
	return fields.FirstTime(at, s.Date.Time(time.UTC))
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (s *sale) payments() []payment {
	if len(s.SalePayments) > 0 {
		return s.SalePayments
	}
	return s.Payments
}

func (s *sale) lines() []line {
	if len(s.Lines) > 0 {
		return s.Lines
	}
	return s.Items
}

// goesBack reports whether the customer gets money back: a return whose goods are worth more than what was bought with it.
func (s *sale) goesBack() bool {
	total := s.total()
	return strings.HasPrefix(total, "-") && !isZero(total) || total == "" && s.ReturnFor.String() != ""
}

// total returns the sale's total with tax; "" where a part of it is not known.
func (s *sale) total() string {
	price, tax := number(s.Totals.Members.Price, s.Price), s.tax()
	if price == "" || tax == "" {
		return ""
	}
	return value.Sum(price, tax)
}

func (s *sale) tax() string { return number(s.Totals.Members.Tax, s.Tax) }

// number returns the first text that is a number.
func number(texts ...fields.Text) string {
	for _, t := range texts {
		if n := t.Number(); n != "" {
			return n
		}
	}
	return ""
}

func isZero(n string) bool { return strings.Trim(n, "-0.") == "" }
