package render

import (
	"strings"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/format"
)

// occasion is what a message is about: the event's type, corrected by what the payload says. Its name begins the names of template files and of
// blocks of words.
type occasion string

const (
	paymentComplete occasion = "payment_complete"
	paymentPending  occasion = "payment_pending"
	paymentFailed   occasion = "payment_failed"
	paymentVoided   occasion = "payment_voided"
	refundComplete  occasion = "refund_complete"
	refundPending   occasion = "refund_pending"
	refundFailed    occasion = "refund_failed"
	orderCreate     occasion = "order_create"
	orderCancel     occasion = "order_cancel"
	posSave         occasion = "pos_save"
	orderUpdate     occasion = "order_update"
)

// occasions lists every occasion, in the order pages show them.
var occasions = []occasion{paymentComplete, paymentPending, paymentFailed, paymentVoided, refundComplete, refundPending, refundFailed, orderCreate, orderCancel,
	posSave, orderUpdate}

// emoji begin WhatsApp messages.
var emoji = map[occasion]string{
	paymentComplete: "✅", paymentPending: "⏳", paymentFailed: "⚠️", paymentVoided: "❌", refundComplete: "↩️", refundPending: "⏳", refundFailed: "⚠️",
	orderCreate: "🛍️", orderCancel: "❌", posSave: "🧾", orderUpdate: "🔔",
}

// refunds says whether money goes back to the customer; amounts are absolute then.
func (o occasion) refunds() bool { return strings.HasPrefix(string(o), "refund_") }

// outcome is what a status says of the money or of the order, as far as it decides about the occasion.
type outcome byte

const (
	settled  outcome = iota // as the event's type says; of every status without another outcome
	pending                 // not settled yet
	failed                  // refused, or gone wrong
	voided                  // taken back before money moved
	canceled                // of an order; of a payment it is as voided
	refunded                // paid back, whole or in part
	returned                // goods that came back, or money
	unclear                 // not settled, and nothing that there is a sentence for: the message shows the status
)

// byOutcome are the occasions of the events of a type.
type byOutcome [unclear + 1]occasion

var occasionsOf = map[event.Type]byOutcome{
	event.PaymentComplete: {paymentComplete, paymentPending, paymentFailed, paymentVoided, paymentVoided, refundComplete, orderUpdate, orderUpdate},
	event.RefundComplete:  {refundComplete, refundPending, refundFailed, refundComplete, refundComplete, refundComplete, refundComplete, orderUpdate},
	event.POSSave:         {posSave, orderUpdate, paymentFailed, paymentVoided, orderCancel, refundComplete, orderUpdate, orderUpdate},
	event.OrderCreate:     {orderCreate, orderCreate, orderUpdate, orderCancel, orderCancel, refundComplete, orderUpdate, orderCreate},
	event.OrderUpdate:     {orderUpdate, orderUpdate, orderUpdate, orderCancel, orderCancel, refundComplete, orderUpdate, orderUpdate},
	event.OrderCancel:     {orderCancel, orderCancel, orderCancel, orderCancel, orderCancel, orderCancel, orderCancel, orderCancel},
}

// ofNegative are the occasions of a payment or a sale with a negative total: money that goes back.
var ofNegative = byOutcome{refundComplete, refundPending, refundFailed, paymentVoided, paymentVoided, refundComplete, refundComplete, orderUpdate}

// occasionOf returns the occasion of an event with a status; false for an event type that is not known.
func occasionOf(e *event.Event, s status) (occasion, bool) {
	kind := e.Type
	switch {
	case kind == event.OrderCancel && s.about != aboutRefund:
	case s.about == aboutRefund:
		kind = event.RefundComplete
	case s.about == aboutPayment && s.is != settled && s.is != refunded && kind != event.RefundComplete:
		kind = event.PaymentComplete
	}
	all, known := occasionsOf[kind]
	if !known || !e.Type.Known() {
		return "", false
	}
	is := s.is
	if kind == event.RefundComplete && s.about == aboutSale && underWay[s.word] && s.word != "received" {
		is = pending
	}
	if s.word == "" && kind != event.OrderUpdate {
		is = s.inside // the message of an update shows the status itself
	}
	if (kind == event.PaymentComplete || kind == event.POSSave) && negative(e.Sale.Total) {
		all = ofNegative
	}
	return all[is], true
}

// subject is what a status is about, where it says so: "payment_failed", "Order ready".
type subject byte

const (
	aboutSale subject = iota
	aboutPayment
	aboutRefund
)

// prefixes of status keys say what the status is about, or nothing.
var prefixes = []struct {
	text  string
	about subject
}{
	{"payment_", aboutPayment}, {"card_", aboutPayment}, {"transaction_", aboutPayment}, {"refund_", aboutRefund},
	{"your_", aboutSale}, {"order_", aboutSale}, {"sale_", aboutSale}, {"delivery_", aboutSale}, {"fulfillment_", aboutSale}, {"status_", aboutSale},
	{"is_", aboutSale}, {"was_", aboutSale}, {"has_been_", aboutSale}, {"now_", aboutSale},
}

// status is what a till's status means.
type status struct {
	key      string // as format.StatusKey makes it
	about    subject
	word     string // the name of the block status.<word>; "" when the status is not known
	is       outcome
	inside   outcome // of a status that is not known: as its words say
	readable string  // for when there are no words
}

// statuses remembers what statuses mean.
type statuses struct {
	own   vocabulary // the words of the shop's files; nil for none
	known memo[string, status]
}

func (all *statuses) read(text string) status {
	switch {
	case text == "":
		return status{}
	case len(text) > maxRemembered:
		return readStatus(text, all.own)
	}
	s, known := all.known.find(text)
	if !known {
		text = strings.Clone(text)
		s = all.known.keep(text, readStatus(text, all.own))
	}
	return s
}

// readStatus reads a status. One that is known as it is is not taken apart.
func readStatus(text string, own vocabulary) status {
	s := status{key: format.StatusKey(text), readable: format.Readable(format.Clean(text, maxField))}
	for key, about := s.key, aboutSale; ; {
		if word, known := own.wordOf(key); known {
			s.about, s.word, s.is = about, word, outcomeOf(about, key, word)
			return s
		}
		rest := key
		for _, p := range prefixes {
			if cut, found := strings.CutPrefix(key, p.text); found {
				if rest = cut; p.about != aboutSale {
					about = p.about
				}
				break
			}
		}
		if rest == key {
			s.inside = own.inside(s.key)
			return s
		}
		key = rest
	}
}

// outcomeOf returns the outcome of a known status. Where it says that it is about a payment or a refund, the words for the progress of an order say that this
// is under way; a refund that was cancelled is not made.
func outcomeOf(about subject, key, word string) outcome {
	is := outcomes[word]
	switch {
	case about == aboutSale:
	case (is == settled || word == "on_hold") && (underWay[word] && key != "received" || about == aboutRefund && word == "confirmed"):
		return pending
	case about == aboutRefund && (is == canceled || is == voided):
		return failed
	}
	return is
}

// underWay are the words for an order that has come in, and is not ready. A payment that is said to be received is made.
var underWay = map[string]bool{"received": true, "scheduled": true, "preparing": true, "on_hold": true, "delayed": true}

// inside returns what the words of a status say together that is not known as a whole: "DECLINED: do not honor", "cancelled by customer". What they say after a
// word for something that is settled is about something else: "paid, pickup pending". Words that say different things, or one of doubts, are unclear; and so is a
// status of which no word is known: it may be of any language.
func (own vocabulary) inside(key string) outcome {
	if strings.HasSuffix(key, "_false") || strings.HasSuffix(key, "_no") { // paid: false
		return unclear
	}
	found, known, odd := settled, false, false
	for part := range strings.SplitSeq(key, "_") {
		word, _ := own.wordOf(part)
		is := outcomes[word]
		known, odd = known || word != "", odd || word == "" && strange(part)
		switch {
		case doubts[part] && found != failed: // "declined: do not honor" is clear
			is = unclear
		case strings.HasPrefix(part, "refund") && is == settled || part == "refund":
			is = returned // not how far the refund is
		case part == "pago": // paid in Portuguese, payment in Spanish
		case word != "" && is == settled && found == settled && !underWay[word]:
			return settled
		}
		switch {
		case is == settled:
		case found == settled:
			found = is
		case found != is:
			return unclear
		}
	}
	if odd && !known {
		return unclear
	}
	return found
}

// outcomes are those of words whose outcome is not settled.
var outcomes = map[string]outcome{
	"pending": pending, "authorized": pending, "failed": failed, "declined": failed, "expired": failed, "voided": voided, "cancelled": canceled,
	"refunded": refunded, "partially_refunded": refunded, "returned": returned, "on_hold": unclear,
}

// methods are the means of payment that have words, by what tills write.
var methods = map[string]string{
	"cash": "cash", "card": "card", "credit_card": "card", "debit_card": "card", "credit": "card", "debit": "card", "external_credit": "card", "card_present": "card",
	"gift_card": "gift_card", "giftcard": "gift_card", "square_gift_card": "gift_card", "bank_transfer": "bank_transfer", "bank": "bank_transfer",
	"bank_account": "bank_transfer", "transfer": "bank_transfer", "wire": "bank_transfer", "store_credit": "store_credit",
}

// negative says that a literal is below zero; "-0.00" is not.
func negative(literal string) bool {
	digits, found := strings.CutPrefix(literal, "-")
	return found && !zero(digits)
}

// zero says that a literal has no digit but 0 before its exponent, as "" and "0.00".
func zero(literal string) bool {
	if i := strings.IndexAny(literal, "eE"); i >= 0 {
		literal = literal[:i]
	}
	return !strings.ContainsAny(literal, "123456789")
}

// absolute returns a literal without its sign.
func absolute(literal string) string { return strings.TrimPrefix(literal, "-") }

// negated returns a literal with the other sign.
func negated(literal string) string {
	if positive, is := strings.CutPrefix(literal, "-"); is || literal == "" {
		return positive
	}
	return "-" + literal
}

// one says that a literal is 1, as "1.0".
func one(literal string) bool {
	whole, decimals, _ := strings.Cut(literal, ".")
	return whole == "1" && strings.Trim(decimals, "0") == ""
}
