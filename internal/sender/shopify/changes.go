package shopify

import (
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// change is something that happened to an order.
type change struct {
	state   event.Type
	meaning string
	status  string    // in Shopify's words
	at      time.Time // zero: when the webhook was made
}

// changes returns what a topic says of the order, at a time; where it says nothing, why. orders/updated comes with each edit, and with whatever the other topics say. So
// it says again what happened lately: the ids are those of the other topics. It says nothing of a payment, which has no time of its own.
func (o *order) changes(topic string, said time.Time) (all []change, skip sender.Skip) {
	switch topic {
	case "create":
		all = []change{o.created()}
	case "paid":
		all = []change{o.paid(time.Time{})}
	case "cancelled":
		all = []change{o.cancelled()}
	case "fulfilled", "partially_fulfilled":
		all = []change{o.fulfilled(topic == "fulfilled")}
	default:
		return o.recent(said)
	}
	if (topic == "create" || topic == "paid") && o.imported(said) {
		return nil, sender.SkipRepeat
	}
	return all, ""
}

// recent returns what happened lately to an order that was edited, the earliest first.
func (o *order) recent(said time.Time) (all []change, skip sender.Skip) {
	skip = sender.SkipState
	take := func(n change) {
		switch {
		case n.at.IsZero():
		case sender.Recent(n.at, said):
			all = append(all, n)
		default:
			skip = sender.SkipRepeat
		}
	}
	switch strings.ToLower(o.FulfillmentStatus.String()) {
	case "fulfilled":
		take(o.fulfilled(true))
	case "partial":
		take(o.fulfilled(false))
	}
	take(o.cancelled())
	if back := o.refunds(); back.sum != "" {
		take(change{event.RefundComplete, "refunded/" + back.sum, o.known("refunded", "partially_refunded"), back.latest})
	}
	if len(all) > 0 {
		skip = ""
	}
	slices.SortStableFunc(all, func(a, b change) int { return a.at.Compare(b.at) })
	return all, skip
}

// created returns that the order was made. A sale at a till is paid when it is made.
func (o *order) created() change {
	if strings.EqualFold(o.FinancialStatus.String(), "paid") && strings.EqualFold(o.SourceName.String(), "pos") {
		return o.paid(o.ProcessedAt.Time(time.UTC))
	}
	return o.placed()
}

func (o *order) placed() change {
	return change{event.OrderCreate, "created", o.known("pending", "authorized", "partially_paid", "paid"), o.CreatedAt.Time(time.UTC)}
}

// paid returns that the order was paid at a time. An order of nothing is paid, too, by Shopify's words: its customer is told of the order.
func (o *order) paid(at time.Time) change {
	if value.Zero(o.Total.Number()) {
		return o.placed()
	}
	return change{event.PaymentComplete, "paid", "paid", at}
}

func (o *order) cancelled() change {
	return change{event.OrderCancel, "cancelled", "cancelled", o.CancelledAt.Time(time.UTC)}
}

func (o *order) fulfilled(whole bool) change {
	if whole {
		return change{event.OrderUpdate, "fulfilled", "fulfilled", o.fulfilledAt()}
	}
	return change{event.OrderUpdate, "partial", "partial", o.fulfilledAt()}
}

// known returns the order's financial status where it is one of some; "" otherwise. The body may have a later state than its topic tells of.
func (o *order) known(statuses ...string) string {
	if status := strings.ToLower(o.FinancialStatus.String()); slices.Contains(statuses, status) {
		return status
	}
	return ""
}

// imported reports whether an app has just entered an order that was sold long before: "If you're importing orders from an app or another platform, then you can set
// processed_at to a date and time in the past to match when the original order was created" (Admin REST API, Order).
func (o *order) imported(said time.Time) bool {
	entered, sold := o.CreatedAt.Time(time.UTC), o.ProcessedAt.Time(time.UTC)
	return !entered.IsZero() && !sold.IsZero() && entered.Sub(sold) > sender.ImportWindow && sender.Recent(entered, said)
}

// fulfilledAt returns when the latest fulfillment was made that stands.
func (o *order) fulfilledAt() (latest time.Time) {
	for _, f := range o.Fulfillments {
		switch strings.ToLower(f.Status.String()) {
		case "cancelled", "error", "failure":
			continue
		}
		if at := f.CreatedAt.Time(time.UTC); at.After(latest) {
			latest = at
		}
	}
	return latest
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
			amount := value.Absolute(t.Amount.Number())
			if !value.Some(amount) || !strings.EqualFold(t.Kind.String(), "refund") || !strings.EqualFold(t.Status.String(), "success") {
				continue
			}
			if given, ok := value.Currency(t.Currency.String()); ok && given != currency {
				r.shown = false
			}
			r.sum = value.Sum(r.sum, amount)
			// One that a bank takes days for is made when it is through.
			if at := fields.FirstTime(t.ProcessedAt.Time(time.UTC), one.CreatedAt.Time(time.UTC)); at.After(r.latest) {
				r.latest = at
			}
		}
	}
	return r
}
