package shopify_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/shopify"
)

type (
	object = sendertest.Object
	list   = []any
)

var with = sendertest.With

func ours() sender.Sender {
	return shopify.New("default", [][]byte{[]byte("a-key-of-the-shop-0123456789")})
}

// order is one of two lines of 27.50, with tax of 1.85.
func order(members object) object {
	return with(object{
		"id": 7, "name": "#1007", "email": "ann@example.com", "created_at": stamp(0), "processed_at": stamp(0), "currency": "USD", "financial_status": "pending",
		"fulfillment_status": nil, "source_name": "web", "total_line_items_price": "27.50", "subtotal_price": "27.50", "total_discounts": "0.00", "total_tax": "1.85",
		"total_price": "29.35", "current_subtotal_price": "27.50", "current_total_discounts": "0.00", "current_total_tax": "1.85", "current_total_price": "29.35",
		"line_items": list{
			object{"title": "Moka pot", "quantity": 1, "current_quantity": 1, "price": "21.00"},
			object{"title": "Espresso", "quantity": 2, "current_quantity": 2, "price": "3.25"},
		},
		"fulfillments": list{}, "refunds": list{},
	}, members)
}

func stamp(after time.Duration) string { return sendertest.Now.Add(after).Format(time.RFC3339) }

// act is a webhook of a topic, some time after the order.
func act(name string, after time.Duration, members object) sendertest.Act {
	return sendertest.Act{Header: topic("orders/" + name), After: after, Once: name != "updated", Body: func(at time.Time) object {
		return with(order(members), object{"updated_at": at.Format(time.RFC3339)})
	}}
}

// refund pays amounts back, each some minutes after the order.
func refund(amounts ...string) object {
	refunds := list{}
	for i, amount := range amounts {
		refunds = append(refunds, object{
			"created_at":   stamp(time.Duration(10+i) * time.Minute),
			"transactions": list{object{"kind": "refund", "status": "success", "amount": amount, "currency": "USD"}},
		})
	}
	return object{"financial_status": "partially_refunded", "refunds": refunds}
}

func TestSales(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	paid := object{"financial_status": "paid"}
	shipped := object{"financial_status": "paid", "fulfillment_status": "fulfilled", "fulfillments": list{object{"created_at": stamp(5 * minute), "status": "success"}}}
	free := object{"total_price": "0.00", "current_total_price": "0.00", "financial_status": "paid", "total_discounts": "29.35"}
	old := object{"processed_at": stamp(-90 * 24 * time.Hour), "financial_status": "paid"}
	for name, tt := range map[string]struct {
		acts []sendertest.Act
		want []string
	}{
		"a sale, refunded twice in part": {[]sendertest.Act{
			act("create", 0, nil), act("updated", 0, nil), act("paid", minute, paid), act("updated", minute, paid), act("updated", 2*minute, paid), act("fulfilled", 5*minute, shipped),
			act("updated", 5*minute, shipped), act("updated", 10*minute, with(shipped, refund("5.00"))), act("updated", 11*minute, with(shipped, refund("5.00", "7.50"))),
		}, []string{"created", "paid", "fulfilled", "refunded/5.00", "refunded/12.50"}},
		"refunded and cancelled at once": {[]sendertest.Act{
			act("create", 0, nil), act("paid", minute, paid), act("cancelled", 11*minute, with(refund("29.35"), object{"cancelled_at": stamp(11 * minute)})),
			act("updated", 11*minute, with(refund("29.35"), object{"cancelled_at": stamp(11 * minute)})),
		}, []string{"created", "paid", "refunded/29.35", "cancelled"}},
		"at a till": {[]sendertest.Act{
			act("create", 0, with(paid, object{"source_name": "pos", "email": "", "customer": nil})), act("paid", 0, paid), act("updated", 0, paid),
		}, []string{"paid"}},
		"edited after the payment": {[]sendertest.Act{
			act("create", 0, nil), act("paid", minute, paid), act("updated", 20*minute, object{"financial_status": "partially_paid", "current_total_price": "49.35"}),
		}, []string{"created", "paid"}},
		"free":                     {[]sendertest.Act{act("create", 0, free), act("paid", 0, free), act("updated", 0, free)}, []string{"created"}},
		"from another system":      {[]sendertest.Act{act("create", 0, old), act("paid", 0, old), act("updated", 0, old)}, nil},
		"from another, paid later": {[]sendertest.Act{act("create", 0, old), act("paid", 200*time.Hour, old)}, []string{"paid"}},
		"restocked":                {[]sendertest.Act{act("updated", 10*minute, refund("0.00"))}, nil},
		"a parcel that was stopped": {[]sendertest.Act{act("updated", 10*minute, object{
			"fulfillment_status": "partial", "fulfillments": list{object{"created_at": stamp(-50 * time.Hour), "status": "success"}, object{"created_at": stamp(0), "status": "cancelled"}},
		})}, nil},
		"a bank's refund": {[]sendertest.Act{act("updated", 90*time.Hour, object{"financial_status": "refunded", "refunds": list{object{
			"created_at": stamp(0), "transactions": list{object{"kind": "refund", "status": "success", "amount": "29.35", "processed_at": stamp(89 * time.Hour)}},
		}}})}, []string{"refunded/29.35"}},
	} {
		for _, e := range sendertest.Sale(t, name, ours(), tt.acts, tt.want...) {
			if e.Sale.Total != "0.00" && e.Type != event.RefundComplete && name != "edited after the payment" && !sendertest.AddsUp(e) {
				t.Errorf("%s: %s does not add up: %+v", name, e.ID, e)
			}
		}
	}
}

// TestOtherTopics: the webhooks that a shop may choose beside are no fault of its, whatever their bodies are; one without a topic is.
func TestOtherTopics(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"orders/edited": `{"order_edit":{"id":78912328793,"order_id":7}}`, "orders/delete": `{"id":7}`, "orders/risk_assessment_changed": `{"order_id":7}`, "refunds/create": `{"id":1,"order_id":7}`,
		"products/update": `[]`, "customers/data_request": "", "fulfillments/create": `{"id":1}`, "orders": `{"id":7}`, "orders/": `{"id":7}`,
	} {
		reading, err := ours().Decode(&sender.Delivery{Header: topic(name), Body: []byte(body), At: sendertest.Now})
		if err != nil || reading.Skip != sender.SkipTopic || len(reading.Events) > 0 {
			t.Errorf("%s: %+v, %v", name, reading, err)
		}
	}
	_, err := ours().Decode(&sender.Delivery{Body: []byte(`{"id":7}`), At: sendertest.Now})
	if malformed := (*sender.MalformedError)(nil); !errors.As(err, &malformed) {
		t.Errorf("without a topic: %v", err)
	}
}

// TestReceipts: what the receipt of an order says, of orders of many kinds.
func TestReceipts(t *testing.T) {
	t.Parallel()
	both := func(shop, shown string) object {
		return object{"shop_money": object{"amount": shop, "currency_code": "USD"}, "presentment_money": object{"amount": shown, "currency_code": "JPY"}}
	}
	abroad := object{"name": "Aunt Ida", "country_code": "DE"}
	for name, tt := range map[string]struct {
		topic   string
		members object
		holds   func(*event.Event) bool
	}{
		"a discount": {"paid", object{"total_discounts": "2.50", "current_total_discounts": "2.50", "subtotal_price": "25.00", "current_subtotal_price": "25.00", "total_price": "26.85", "current_total_price": "26.85"},
			func(e *event.Event) bool { return e.Sale.Subtotal == "27.50" && e.Sale.Discount == "2.50" }},
		"shipping": {"paid", object{"shipping_lines": list{object{"title": "Post", "price": "5.00"}, object{"title": "Courier", "price": "9.00", "is_removed": true}}, "total_price": "34.35", "current_total_price": "34.35"},
			func(e *event.Event) bool {
				return e.Sale.Subtotal == "" && e.Items[2].Name == "Post" && len(e.Items) == 3
			}},
		"free shipping": {"paid", object{"shipping_lines": list{object{"title": "Post", "price": "0.00"}}},
			func(e *event.Event) bool { return e.Sale.Subtotal == "27.50" && len(e.Items) == 2 }},
		"a tip": {"paid", object{"total_tip_received": "4.00", "total_price": "33.35", "current_total_price": "33.35", "line_items": list{
			object{"title": "Moka pot", "quantity": 1, "price": "27.50"}, object{"title": "Tip", "quantity": 1, "price": "4.00", "tip_payment_gateway": nil},
		}}, func(e *event.Event) bool { return e.Sale.Tip == "4.00" && len(e.Items) == 1 }},
		"refunded in part, and then sent": {"fulfilled", with(refund("10.70"), object{
			"current_total_price": "22.40", "current_total_tax": "1.40", "current_subtotal_price": "21.00", "line_items": list{
				object{"title": "Moka pot", "quantity": 1, "current_quantity": 1, "price": "21.00"}, object{"title": "Espresso", "quantity": 2, "current_quantity": 0, "price": "3.25"},
			}}), func(e *event.Event) bool {
			return e.Sale.Total == "22.40" && e.Sale.Tax == "1.40" && e.Sale.Subtotal == "21.00" && len(e.Items) == 1 && e.Sale.Status == "fulfilled"
		}},
		"cancelled, with the money back": {"cancelled", with(refund("29.35"), object{
			"current_total_price": "0.00", "current_total_tax": "0.00", "current_subtotal_price": "0.00", "cancelled_at": stamp(0), "line_items": list{
				object{"title": "Moka pot", "quantity": 1, "current_quantity": 0, "price": "27.50"},
			}}), func(e *event.Event) bool { return e.Sale.Total == "29.35" && len(e.Items) == 1 }},
		"in the customer's currency": {"paid", object{
			"total_price_set": both("29.35", "4400"), "current_total_price_set": both("29.35", "4400"), "total_tax_set": both("1.85", "400"), "current_total_tax_set": both("1.85", "400"),
			"total_discounts_set": both("0.00", "0"), "current_total_discounts_set": both("0.00", "0"), "subtotal_price_set": both("27.50", "4000"), "current_subtotal_price_set": both("27.50", "4000"),
			"line_items": list{object{"title": "Moka pot", "quantity": 1, "price": "27.50", "price_set": both("27.50", "4000")}},
		}, func(e *event.Event) bool {
			return e.Sale.Currency == "JPY" && e.Sale.Total == "4400" && e.Sale.Subtotal == "4000"
		}},
		"paid, and refunded before the webhook was made": {"paid", object{"financial_status": "refunded"}, func(e *event.Event) bool { return e.Sale.Status == "paid" }},
		"a present that goes abroad": {"paid", object{"shipping_address": abroad, "billing_address": object{"name": "Ann Berg", "phone": "202 555 0143", "country_code": "US"}},
			func(e *event.Event) bool { return e.Customer.Phone == "202 555 0143" && e.Customer.Region == "US" }},
		"a company": {"paid", object{"customer": object{"first_name": nil, "last_name": ""}, "billing_address": object{"name": "", "company": "Berg & Sons", "country_code": "AT"}},
			func(e *event.Event) bool { return e.Customer.Name == "Berg & Sons" && e.Customer.Region == "AT" }},
		"nobody": {"paid", object{"customer": nil, "email": "", "phone": nil, "shipping_address": nil, "billing_address": nil},
			func(e *event.Event) bool { return e.Customer == event.Customer{} }},
	} {
		body, err := json.Marshal(order(with(object{"financial_status": "paid", "updated_at": stamp(0)}, tt.members)))
		if err != nil {
			t.Fatal(err)
		}
		reading, err := ours().Decode(&sender.Delivery{Header: topic("orders/" + tt.topic), Body: body, At: sendertest.Now})
		if err != nil || len(reading.Events) != 1 {
			t.Errorf("%s: %+v, %v", name, reading, err)
			continue
		}
		if e := reading.Events[0]; !tt.holds(e) || !sendertest.AddsUp(e) {
			t.Errorf("%s: %s", name, sendertest.Text(reading, nil))
		}
	}
}

// TestButton: what the admin's test button sends is a test.
func TestButton(t *testing.T) {
	t.Parallel()
	header := topic("orders/paid")
	header.Set("X-Shopify-Test", "true")
	reading, err := ours().Decode(&sender.Delivery{Header: header, Body: []byte(`{"id":7,"test":false,"total_price":"1.00"}`), At: sendertest.Now})
	if err != nil || !reading.Events[0].Sale.Test {
		t.Errorf("%+v, %v", reading, err)
	}
}
