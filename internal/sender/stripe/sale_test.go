package stripe_test

import (
	"encoding/json"
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/stripe"
)

type object = sendertest.Object

var with = sendertest.With

func ours(intents bool) sender.Sender {
	return stripe.New(stripe.Options{Store: "default", Keys: [][]byte{[]byte("whsec_test")}, PaymentIntents: intents})
}

// act is an event of a type, some time after the first.
func act(typ string, after time.Duration, of object) sendertest.Act {
	return sendertest.Act{After: after, Once: true, Body: func(at time.Time) object {
		return object{"id": "evt_1", "object": "event", "type": typ, "created": at.Unix(), "livemode": true, "data": object{"object": of}}
	}}
}

// The objects that Stripe makes of one sale of 29.35.
var (
	paidSession = object{
		"id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_intent": "pi_1", "payment_status": "paid", "currency": "usd", "amount_subtotal": 2750, "amount_total": 2935,
		"total_details": object{"amount_discount": 0, "amount_shipping": 0, "amount_tax": 185}, "customer_details": object{"name": "Omar Haddad", "email": "omar@example.com", "phone": "+12025550171"},
	}
	charge = object{
		"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 2935, "amount_captured": 2935, "amount_refunded": 0, "captured": true, "currency": "usd",
		"billing_details": object{"name": "Omar Haddad", "email": "omar@example.com"}, "payment_method_details": object{"type": "card", "card": object{"brand": "visa", "last4": "1111"}},
	}
	intent   = object{"id": "pi_1", "object": "payment_intent", "amount": 2935, "amount_received": 2935, "currency": "usd", "receipt_email": "omar@example.com", "amount_details": object{"tip": object{}}}
	terminal = with(charge, object{"payment_method_details": object{"type": "card_present", "card_present": object{"brand": "visa", "last4": "1111"}}})
)

func TestSales(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	unpaid := with(paidSession, object{"payment_status": "unpaid"})
	for name, tt := range map[string]struct {
		intents bool
		acts    []sendertest.Act
		want    []string
	}{
		"by Checkout, refunded twice in part": {acts: []sendertest.Act{
			act("payment_intent.created", 0, intent), act("charge.succeeded", 0, charge), act("payment_intent.succeeded", 0, intent), act("checkout.session.completed", 0, paidSession),
			act("charge.updated", minute, charge), act("charge.refunded", 10*minute, with(charge, object{"amount_refunded": 500})), act("refund.created", 10*minute, object{"id": "re_1"}),
			act("charge.refunded", 20*minute, with(charge, object{"amount_refunded": 2935, "refunded": true})), act("charge.refund.updated", 21*minute, object{"id": "re_1"}),
		}, want: []string{"paid", "refunded/500", "refunded/2935"}},
		"three events for one sale, all chosen": {true, []sendertest.Act{
			act("payment_intent.succeeded", 0, intent), act("charge.succeeded", 0, charge), act("checkout.session.completed", 0, paidSession),
		}, []string{"paid"}},
		"by the shop's own form": {true, []sendertest.Act{act("charge.succeeded", 0, charge), act("payment_intent.succeeded", 0, intent)}, []string{"paid"}},
		"by bank debit": {acts: []sendertest.Act{
			act("checkout.session.completed", 0, unpaid), act("checkout.session.async_payment_succeeded", 90*time.Hour, paidSession),
		}, want: []string{"created", "paid"}},
		"by bank debit, in vain": {acts: []sendertest.Act{
			act("checkout.session.completed", 0, unpaid), act("checkout.session.async_payment_failed", 90*time.Hour, unpaid),
		}, want: []string{"created", "failed"}},
		"a card that is declined, and then another": {acts: []sendertest.Act{
			act("charge.failed", 0, charge), act("payment_intent.payment_failed", 0, intent), act("charge.succeeded", minute, charge), act("checkout.session.completed", minute, paidSession),
		}, want: []string{"paid"}},
		"an abandoned cart": {acts: []sendertest.Act{act("checkout.session.expired", 0, unpaid)}},
		"free":              {acts: []sendertest.Act{act("checkout.session.completed", 0, with(paidSession, object{"payment_status": "no_payment_required", "amount_total": 0, "payment_intent": nil}))}, want: []string{"created"}},
		"free by a coupon":  {acts: []sendertest.Act{act("checkout.session.completed", 0, with(paidSession, object{"amount_total": 0, "payment_intent": nil}))}, want: []string{"created"}},
		"a card to be kept": {acts: []sendertest.Act{act("checkout.session.completed", 0, object{"id": "cs_2", "mode": "setup", "payment_status": "no_payment_required", "amount_total": nil, "currency": nil})}},
		"at a Terminal":     {acts: []sendertest.Act{act("charge.succeeded", 0, terminal), act("payment_intent.succeeded", 0, intent)}, want: []string{"paid"}},
		"in a restaurant, with the tip later": {acts: []sendertest.Act{
			act("charge.succeeded", 0, with(terminal, object{"captured": false, "amount_captured": 0})), act("charge.captured", time.Hour, terminal), act("payment_intent.succeeded", time.Hour, intent),
		}, want: []string{"paid"}},
		"less is taken than was held, and some of it paid back": {acts: []sendertest.Act{
			act("charge.captured", 0, with(terminal, object{"amount": 5000, "amount_refunded": 2065})), act("charge.refunded", 0, with(terminal, object{"amount": 5000, "amount_refunded": 2065})),
			act("charge.refunded", time.Hour, with(terminal, object{"amount": 5000, "amount_refunded": 2565})),
		}, want: []string{"paid", "refunded/500"}},
		"a hold that is let go": {acts: []sendertest.Act{act("charge.succeeded", 0, with(terminal, object{"captured": false})), act("charge.expired", 0, with(terminal, object{"captured": false}))}},
		"a renewal of a subscription": {true, []sendertest.Act{
			act("invoice.paid", 0, object{"id": "in_1"}), act("charge.succeeded", 0, charge), act("payment_intent.succeeded", 0, intent), act("customer.subscription.updated", 0, object{"id": "sub_1"}),
		}, []string{"paid"}},
	} {
		for _, e := range sendertest.Sale(t, name, ours(tt.intents), tt.acts, tt.want...) {
			if e.Sale.Subtotal != "" && sender.Subtotal(&e.Sale, e.Sale.Subtotal) == "" || e.Sale.Total == "" {
				t.Errorf("%s: %s does not add up: %+v", name, e.ID, e.Sale)
			}
		}
	}
}

// TestReceipts: what the receipt of an object says, of many kinds.
func TestReceipts(t *testing.T) {
	t.Parallel()
	eur := object{"presentment_amount": 2710, "presentment_currency": "eur"}
	for name, tt := range map[string]struct {
		typ   string
		of    object
		holds func(*event.Event) bool
	}{
		"tax on top": {"checkout.session.completed", paidSession, func(e *event.Event) bool {
			return e.Sale.Subtotal == "27.50" && e.Sale.Tax == "1.85" && !e.Sale.TaxIncluded && e.Customer.Phone == "+12025550171"
		}},
		"tax in the prices": {"checkout.session.completed", with(paidSession, object{"amount_total": 2750}), func(e *event.Event) bool { return e.Sale.Subtotal == "27.50" && e.Sale.TaxIncluded }},
		"shipping": {"checkout.session.completed", with(paidSession, object{"amount_total": 3435, "total_details": object{"amount_discount": 0, "amount_shipping": 500, "amount_tax": 185}}),
			func(e *event.Event) bool { return e.Sale.Subtotal == "" && e.Sale.Total == "34.35" }},
		"three decimals":                         {"checkout.session.completed", with(paidSession, object{"currency": "kwd"}), func(e *event.Event) bool { return e.Sale.Total == "2.935" }},
		"yen":                                    {"checkout.session.completed", with(paidSession, object{"currency": "jpy"}), func(e *event.Event) bool { return e.Sale.Total == "2935" }},
		"crowns of Iceland have two digits here": {"checkout.session.completed", with(paidSession, object{"currency": "isk", "amount_total": 293500}), func(e *event.Event) bool { return e.Sale.Total == "2935.00" }},
		"shown in another currency": {"checkout.session.completed", with(paidSession, object{"presentment_details": eur}), func(e *event.Event) bool {
			return e.Sale.Currency == "EUR" && e.Sale.Total == "27.10" && e.Sale.Tax == "" && e.Sale.Subtotal == ""
		}},
		"paid back in another currency": {"charge.refunded", with(charge, object{"presentment_details": eur, "amount_refunded": 2935}), func(e *event.Event) bool {
			return e.Sale.Currency == "EUR" && e.Sale.Refunded == "27.10" && e.Sale.Status == "refunded"
		}},
		"in part": {"charge.refunded", with(charge, object{"presentment_details": eur, "amount_refunded": 500}), func(e *event.Event) bool {
			return e.Sale.Currency == "EUR" && e.Sale.Refunded == "" && e.Sale.Status == "partially_refunded"
		}},
		"less was taken than was held": {"charge.captured", with(terminal, object{"amount": 5000}), func(e *event.Event) bool { return e.Sale.Total == "29.35" }},
		"of which some was paid back": {"charge.refunded", with(terminal, object{"amount": 5000, "amount_refunded": 2565}), func(e *event.Event) bool {
			return e.Sale.Total == "29.35" && e.Sale.Refunded == "5.00" && e.Sale.Status == "partially_refunded"
		}},
		"a tip": {"payment_intent.succeeded", with(intent, object{"amount_details": object{"tip": object{"amount": 400}}}), func(e *event.Event) bool { return e.Sale.Tip == "4.00" && e.Sale.Total == "29.35" }},
		"an intent of an older version": {"payment_intent.succeeded", with(intent, object{"receipt_email": nil, "charges": object{"data": []any{with(charge, object{"receipt_url": "https://pay.example.com/r"})}}}),
			func(e *event.Event) bool {
				return e.Customer.Email == "omar@example.com" && e.Sale.Payment.LastFour == "1111" && e.Sale.ReceiptURL == "https://pay.example.com/r"
			}},
		"an intent with a parcel": {"payment_intent.succeeded", with(intent, object{"shipping": object{"name": "Ida", "phone": "030 123456", "address": object{"country": "DE"}}}),
			func(e *event.Event) bool {
				return e.Customer.Name == "Ida" && e.Customer.Phone == "030 123456" && e.Customer.Region == "DE"
			}},
	} {
		body, err := json.Marshal(act(tt.typ, 0, tt.of).Body(sendertest.Now))
		if err != nil {
			t.Fatal(err)
		}
		reading, err := ours(true).Decode(&sender.Delivery{Body: body, At: sendertest.Now})
		if err != nil || len(reading.Events) != 1 {
			t.Errorf("%s: %+v, %v", name, reading, err)
			continue
		}
		if e := reading.Events[0]; !tt.holds(e) {
			t.Errorf("%s: %s", name, sendertest.Text(reading, nil))
		}
	}
}

// TestNotEvents: a thin event has nothing to say, and what names no type is none of Stripe's.
func TestNotEvents(t *testing.T) {
	t.Parallel()
	for body, malformed := range map[string]bool{
		`{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered"}`: false, `{"object":"event","type":"customer.created","data":{"object":{"id":"cus_1"}}}`: false,
		`{}`: true, `{"type":null}`: true, `{"type":"charge.refunded"}`: true, `{"type":"checkout.session.completed","data":[]}`: true, `[]`: true, ``: true,
	} {
		reading, err := ours(false).Decode(&sender.Delivery{Body: []byte(body), At: sendertest.Now})
		if (err != nil) != malformed || sendertest.Check(reading, err) != nil {
			t.Errorf("%s: %+v, %v", body, reading, err)
		}
	}
}
