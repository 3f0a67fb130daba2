package woocommerce

import (
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/value"
)

// change is something that happened to the order.
type change struct {
	state   event.Type
	meaning string
	status  string
	at      time.Time // zero where the order does not say
}

// The statuses of WooCommerce. Plug-ins have others of their own.
const (
	pending, processing, onHold, completed = "pending", "processing", "on-hold", "completed"
	cancelled, refunded, failed            = "cancelled", "refunded", "failed"
)

// drafts are the statuses of orders that are not placed yet, or are deleted; pos-open is a cart at the till of WCPOS.
var drafts = map[string]bool{"checkout-draft": true, "auto-draft": true, "draft": true, "trash": true, "pos-open": true, "": true}

// oneAct is how long after it was paid an order gets its next status by the same act, as a download does. Then the receipt says it all.
const oneAct = time.Minute

// changes returns what an order says at a time that its customer may not know yet; where there is nothing, why. order.updated comes with each edit, and for new orders, too.
// What has a time is told where that is near; a refund, a cancellation and most statuses have none (docs/senders/woocommerce.md).
func (o *order) changes(created bool, said time.Time) (all []change, skip sender.Skip) {
	status := o.status()
	if drafts[status] {
		return nil, sender.SkipState
	}
	made, paid := o.CreatedAt.Time(time.UTC), o.PaidAt.Time(time.UTC)
	over := status == cancelled || status == refunded || status == failed
	fresh := !paid.IsZero() && sender.Recent(paid, said)
	imported := !made.IsZero() && said.Sub(made) > sender.ImportWindow
	placed := change{event.OrderCreate, "created", status, made}
	further, found := o.progress(status, created, fresh, said)
	switch {
	case over:
	case fresh && value.Zero(o.Total.Number()): // it was free
		all = append(all, placed)
	case fresh:
		all = append(all, change{event.PaymentComplete, "paid", "paid", paid})
	case created && paid.IsZero() && !imported && !found: // otherwise its status says more
		all = append(all, placed)
	}
	if found {
		all = append(all, further)
	}
	if sum := o.refunded(); sum != "" && !created {
		all = append(all, change{state: event.RefundComplete, meaning: "refunded/" + sum, status: o.refundStatus(sum)})
	}
	switch {
	case len(all) > 0:
		return all, ""
	case !paid.IsZero(), created && imported:
		return nil, sender.SkipRepeat
	}
	return nil, sender.SkipState
}

// progress returns what the order's status says beside that it was placed or paid.
func (o *order) progress(status string, created, fresh bool, said time.Time) (n change, found bool) {
	paid, done := o.PaidAt.Time(time.UTC), o.CompletedAt.Time(time.UTC)
	switch status {
	case cancelled:
		return change{state: event.OrderCancel, meaning: "cancelled", status: status}, true
	case completed:
		alone := paid.IsZero() || done.Sub(paid) > oneAct
		return change{event.OrderUpdate, "completed", status, done}, alone && !done.IsZero() && sender.Recent(done, said)
	case failed: // of the payment
		return change{state: event.OrderUpdate, meaning: "status/failed", status: "payment_failed"}, !created && paid.IsZero()
	case processing, onHold:
		return change{state: event.OrderUpdate, meaning: "status/" + status, status: status}, !created && paid.IsZero()
	case pending, refunded:
		return n, false
	}
	// A plug-in's own. An order that is new, or has just been paid, has it from that.
	return change{state: event.OrderUpdate, meaning: "status/" + status, status: status}, !created && (!fresh || said.Sub(paid) > oneAct)
}

// status returns the order's status, in small letters and without the prefix that WordPress stores it with.
func (o *order) status() string {
	return strings.TrimPrefix(strings.ToLower(o.Status.String()), "wc-")
}

// refunded returns how much was paid back so far; "" for nothing.
func (o *order) refunded() (sum string) {
	for _, r := range o.Refunds {
		if amount := value.Absolute(r.Total.Number()); value.Some(amount) {
			sum = value.Sum(sum, amount)
		}
	}
	return sum
}

// refundStatus returns what a refund of a sum makes of the order. WooCommerce has a word for the whole only.
func (o *order) refundStatus(sum string) string {
	if o.status() == refunded || value.Equal(sum, o.Total.Number()) {
		return "refunded"
	}
	return "partially_refunded"
}
