package toast_test

import (
	"encoding/json"
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/toast"
)

type (
	object = sendertest.Object
	list   = []any
)

var with = sendertest.With

func ours() sender.Sender {
	return toast.New(toast.Options{Store: "default", Keys: [][]byte{[]byte("a-key")}})
}

// when writes a time as Toast does.
func when(after time.Duration) string { return format(sendertest.Now.Add(after)) }

func format(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000-0700") }

// check is one of 21.50, with tax of 1.72.
func check(members object) object {
	return with(object{
		"guid": "c1", "amount": 21.5, "taxAmount": 1.72, "totalAmount": 23.22, "paymentStatus": "OPEN", "paidDate": nil, "customer": object{"firstName": "Iris", "phone": "2025550181", "phoneCountryCode": "1"},
		"selections": list{object{"displayName": "Ramen", "quantity": 1.0, "price": 14.5, "preDiscountPrice": 14.5}, object{"displayName": "Tea", "quantity": 2.0, "price": 7.0, "preDiscountPrice": 7.0}, object{"displayName": "Soup", "voided": true, "price": 9.0}},
		"payments":   list{}, "appliedDiscounts": list{}, "appliedServiceCharges": list{},
	}, members)
}

// act is a webhook of an order, some time after it was made.
func act(after time.Duration, order object, checks ...any) sendertest.Act {
	return sendertest.Act{After: after, Body: func(at time.Time) object {
		return object{"timestamp": format(at), "eventCategory": "order_updated", "guid": "w", "details": object{"restaurantGuid": "r1", "order": with(object{
			"guid": "o1", "displayNumber": "42", "createdDate": when(0), "modifiedDate": format(at), "checks": checks,
		}, order)}}
	}}
}

func TestSales(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	card := object{"type": "CREDIT", "cardType": "VISA", "last4Digits": "1111", "tipAmount": 4.0, "paidDate": when(5 * minute), "paymentStatus": "CAPTURED"}
	paid := object{"paymentStatus": "CLOSED", "paidDate": when(5 * minute), "payments": list{card}}
	back := func(amount, tip float64, after time.Duration) object {
		return with(paid, object{"payments": list{with(card, object{"refundStatus": "PARTIAL", "refund": object{"refundAmount": amount, "tipRefundAmount": tip, "refundDate": when(after)}})}})
	}
	for name, tt := range map[string]struct {
		acts []sendertest.Act
		want []string
	}{
		"a sale, refunded twice in part": {[]sendertest.Act{
			act(0, nil, check(nil)), act(minute, nil, check(nil)), act(5*minute, nil, check(paid)), act(6*minute, nil, check(paid)), act(20*minute, nil, check(back(5, 0, 20*minute))), act(30*minute, nil, check(back(5, 1, 30*minute))),
		}, []string{"created", "paid", "refunded/5", "refunded/6"}},
		"a table that splits": {[]sendertest.Act{
			act(0, nil, check(nil)), act(5*minute, nil, check(paid), check(object{"guid": "c2"})), act(6*minute, nil, check(paid), check(with(paid, object{"guid": "c2", "paidDate": when(6 * minute)}))),
		}, []string{"created", "paid", "paid"}},
		"voided":       {[]sendertest.Act{act(0, nil, check(nil)), act(9*minute, object{"voided": true, "voidDate": when(9 * minute)}, check(nil))}, []string{"cancelled", "created"}},
		"not approved": {[]sendertest.Act{act(0, object{"approvalStatus": "NEEDS_APPROVAL"}, check(nil)), act(minute, object{"approvalStatus": "NOT_APPROVED"}, check(nil))}, []string{"cancelled", "created"}},
		"a table that is seated, and then orders": {[]sendertest.Act{
			act(0, nil, check(object{"selections": list{}, "totalAmount": 0, "amount": 0, "taxAmount": 0, "customer": nil})), act(9*minute, nil, check(nil)),
		}, []string{"created"}},
		"deleted":            {[]sendertest.Act{act(0, object{"deleted": true}, check(nil))}, nil},
		"of nothing":         {[]sendertest.Act{act(0, nil, check(with(paid, object{"totalAmount": 0.0, "amount": 0.0, "payments": list{}})))}, []string{"created"}},
		"paid in no time":    {[]sendertest.Act{act(5*minute, nil, check(with(paid, object{"paidDate": nil, "payments": list{with(card, object{"paidDate": nil})}})))}, []string{"paid"}},
		"ordered for Friday": {[]sendertest.Act{act(0, object{"promisedDate": when(90 * time.Hour)}, check(nil)), act(90*time.Hour, nil, check(with(paid, object{"paidDate": when(90 * time.Hour)})))}, []string{"created", "paid"}},
	} {
		for _, e := range sendertest.Sale(t, name, ours(), tt.acts, tt.want...) {
			if len(e.Items) > 0 && name != "of nothing" && !sendertest.AddsUp(e) {
				t.Errorf("%s: %s does not add up: %+v", name, e.ID, e)
			}
		}
	}
}

// TestReceipts: what the receipt of a check says, of many kinds.
func TestReceipts(t *testing.T) {
	t.Parallel()
	paid := object{"paymentStatus": "CLOSED", "paidDate": when(0)}
	refunded := func(amount float64) object {
		return object{"payments": list{object{"type": "CASH", "refund": object{"refundAmount": amount, "refundDate": when(0)}}}}
	}
	for name, tt := range map[string]struct {
		members object
		holds   func(*event.Event) bool
	}{
		"plain": {nil, func(e *event.Event) bool {
			return e.Sale.Subtotal == "21.5" && len(e.Items) == 2 && e.Customer.Phone == "+1 2025550181"
		}},
		"a discount of the check": {object{"amount": 20.0, "totalAmount": 21.72, "appliedDiscounts": list{object{"discountAmount": 1.5}}},
			func(e *event.Event) bool { return e.Sale.Discount == "1.5" && e.Sale.Subtotal == "" }},
		"a gratuity":                 {object{"amount": 24.5, "totalAmount": 26.22, "appliedServiceCharges": list{object{"name": "Gratuity", "chargeAmount": 3.0}}}, func(e *event.Event) bool { return e.Items[2].Name == "Gratuity" && e.Sale.Subtotal == "24.5" }},
		"refunded in part":           {refunded(5), func(e *event.Event) bool { return e.Sale.Status == "partially_refunded" && e.Sale.Refunded == "5" }},
		"refunded":                   {refunded(23.22), func(e *event.Event) bool { return e.Sale.Status == "refunded" }},
		"the code in both":           {object{"customer": object{"phone": "1 (202) 555-0181", "phoneCountryCode": "1"}}, func(e *event.Event) bool { return e.Customer.Phone == "+12025550181" }},
		"nobody, in the dining room": {object{"customer": nil, "tabName": "Jo"}, func(e *event.Event) bool { return e.Customer == event.Customer{Name: "Jo"} }},
	} {
		body, err := json.Marshal(act(0, nil, check(with(paid, tt.members))).Body(sendertest.Now))
		if err != nil {
			t.Fatal(err)
		}
		reading, err := ours().Decode(&sender.Delivery{Body: body, At: sendertest.Now})
		if err != nil || len(reading.Events) != 1 {
			t.Errorf("%s: %+v, %v", name, reading, err)
			continue
		}
		if e := reading.Events[0]; !tt.holds(e) || !sendertest.AddsUp(e) {
			t.Errorf("%s: %s", name, sendertest.Text(reading, nil))
		}
	}
}

// TestOneCheck: an order's customer is that of its only check, beside which others may have been deleted or voided.
func TestOneCheck(t *testing.T) {
	t.Parallel()
	other := check(object{"guid": "c2", "customer": object{"firstName": "Jo", "phone": "2025550182"}})
	for name, tt := range map[string]struct {
		order  object
		checks list
		want   string
	}{
		"one": {nil, list{check(nil)}, "Iris"}, "another is deleted": {nil, list{with(other, object{"deleted": true}), check(nil)}, "Iris"},
		"another is voided": {nil, list{check(nil), with(other, object{"voided": true})}, "Iris"}, "two": {nil, list{check(nil), other}, ""},
		"a voided order": {object{"voided": true, "voidDate": when(0)}, list{check(object{"voided": true})}, "Iris"},
	} {
		body, err := json.Marshal(act(0, tt.order, tt.checks...).Body(sendertest.Now))
		if err != nil {
			t.Fatal(err)
		}
		reading, err := ours().Decode(&sender.Delivery{Body: body, At: sendertest.Now})
		if err != nil || len(reading.Events) != 1 || reading.Events[0].Customer.Name != tt.want {
			t.Errorf("%s: %s", name, sendertest.Text(reading, err))
		}
	}
}

// TestForms: what names no category, or no order, is none of Toast's; other categories are no fault.
func TestForms(t *testing.T) {
	t.Parallel()
	for body, malformed := range map[string]bool{
		`{"eventCategory":"menus_updated","details":{}}`: false, `{"eventCategory":"guest_order_status","details":{"orderGuid":"o1"}}`: false,
		`{}`: true, `{"eventCategory":7.5}`: false, `{"eventCategory":"order_updated","details":{"order":[]}}`: true, `[]`: true, ``: true,
	} {
		reading, err := ours().Decode(&sender.Delivery{Body: []byte(body), At: sendertest.Now})
		if (err != nil) != malformed || sendertest.Check(reading, err) != nil {
			t.Errorf("%s: %+v, %v", body, reading, err)
		}
	}
}
