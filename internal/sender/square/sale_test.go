package square_test

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/square"
)

type object = sendertest.Object

var with = sendertest.With

func ours() sender.Sender {
	return square.New(square.Options{Store: "default", Keys: [][]byte{[]byte("a-key")}, NotificationURL: subscription})
}

func stamp(after time.Duration) string { return sendertest.Now.Add(after).Format(time.RFC3339) }

func money(amount int) object { return object{"amount": amount, "currency": "USD"} }

// payment is one of 21.50 with a tip of 3.00.
func payment(members object) object {
	return with(object{
		"id": "p1", "created_at": stamp(0), "amount_money": money(1850), "tip_money": money(300), "total_money": money(2150), "status": "COMPLETED", "source_type": "CARD",
		"delay_action": "CANCEL", "delay_duration": "PT168H", "order_id": "o1", "buyer_email_address": "ann@example.com",
		"card_details": object{"card": object{"card_brand": "VISA", "last_4": "1111"}, "card_payment_timeline": object{"authorized_at": stamp(0), "captured_at": stamp(0)}},
	}, members)
}

// act is a webhook of a payment, some time after it was made.
func act(typ string, after time.Duration, members object) sendertest.Act {
	return sendertest.Act{After: after, Body: func(at time.Time) object {
		stamp := at.Format(time.RFC3339)
		return object{"merchant_id": "M1", "type": typ, "created_at": stamp, "data": object{"object": object{"payment": with(payment(members), object{"updated_at": stamp})}}}
	}}
}

func TestSales(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	uncaptured := object{"card_details": object{"card": object{"card_brand": "VISA"}, "card_payment_timeline": object{"authorized_at": stamp(0)}}}
	for name, tt := range map[string]struct {
		acts []sendertest.Act
		want []string
	}{
		"at a till, refunded twice in part": {[]sendertest.Act{
			act("payment.created", 0, object{"status": "APPROVED"}), act("payment.updated", 0, nil), act("payment.updated", minute, object{"processing_fee": []any{}}),
			act("payment.updated", 20*minute, object{"refunded_money": money(500)}), act("payment.updated", 30*minute, object{"refunded_money": money(2150)}),
		}, []string{"paid", "refunded/5.00", "refunded/21.50"}},
		"without a total":                  {[]sendertest.Act{act("payment.updated", 0, object{"total_money": nil})}, []string{"paid"}},
		"in cash":                          {[]sendertest.Act{act("payment.created", 0, object{"source_type": "CASH", "delay_action": nil, "card_details": nil}), act("payment.updated", 0, object{"source_type": "CASH", "delay_action": nil, "card_details": nil})}, []string{"paid"}},
		"a fee weeks later":                {[]sendertest.Act{act("payment.updated", 0, nil), act("payment.updated", 400*time.Hour, object{"processing_fee": []any{}})}, []string{"paid"}},
		"from a bank account":              {[]sendertest.Act{act("payment.created", 0, object{"status": "PENDING", "source_type": "BANK_ACCOUNT", "card_details": nil}), act("payment.updated", 90*time.Hour, object{"source_type": "BANK_ACCOUNT", "card_details": nil, "delay_action": nil})}, []string{"paid"}},
		"taken days after it was approved": {[]sendertest.Act{act("payment.created", 0, with(uncaptured, object{"status": "APPROVED"})), act("payment.updated", 90*time.Hour, uncaptured)}, []string{"paid"}},
		"declined, and then another card":  {[]sendertest.Act{act("payment.updated", 0, object{"id": "p0", "status": "FAILED"}), act("payment.updated", minute, nil)}, []string{"paid"}},
		"canceled":                         {[]sendertest.Act{act("payment.created", 0, object{"status": "APPROVED"}), act("payment.updated", 0, object{"status": "CANCELED"})}, nil},
		"of nothing":                       {[]sendertest.Act{act("payment.updated", 0, object{"amount_money": money(0), "tip_money": money(0), "total_money": money(0)})}, nil},
	} {
		for _, e := range sendertest.Sale(t, name, ours(), tt.acts, tt.want...) {
			if e.Sale.Total != "21.50" || e.Sale.Tip != "3.00" || e.Customer.Email != "ann@example.com" || (e.Sale.Status == "refunded") != (e.Sale.Refunded == "21.50") {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
}

// TestForms: what names no type, or no payment, is none of Square's; other types are no fault.
func TestForms(t *testing.T) {
	t.Parallel()
	for body, malformed := range map[string]bool{
		`{"type":"invoice.payment_made","data":{"object":{"invoice":{"id":"i"}}}}`: false, `{"type":"dispute.created"}`: false, `{"type":"order.created"}`: false,
		`{}`: true, `{"type":{}}`: true, `{"type":"payment.updated","data":{"object":{}}}`: true, `"payment.updated"`: true, ``: true,
	} {
		reading, err := ours().Decode(&sender.Delivery{Body: []byte(body), At: sendertest.Now})
		if (err != nil) != malformed || sendertest.Check(reading, err) != nil {
			t.Errorf("%s: %+v, %v", body, reading, err)
		}
	}
}
