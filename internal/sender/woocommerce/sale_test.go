package woocommerce_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/woocommerce"
)

type (
	object = sendertest.Object
	list   = []any
)

var with = sendertest.With

func ours() sender.Sender {
	return woocommerce.New("default", [][]byte{[]byte("a-key-of-the-shop-0123456789")})
}

func stamp(after time.Duration) string {
	return sendertest.Now.Add(after).UTC().Format("2006-01-02T15:04:05")
}

// order is one of 24.00 and 4.00 for the way, with tax of 1.35.
func order(members object) object {
	return with(object{
		"id": 727, "number": "727", "status": "pending", "currency": "USD", "date_created_gmt": stamp(0), "date_paid_gmt": nil, "date_completed_gmt": nil, "prices_include_tax": false,
		"discount_total": "0.00", "discount_tax": "0.00", "total_tax": "1.35", "total": "29.35", "transaction_id": "", "payment_method": "bacs", "payment_method_title": "Direct bank transfer",
		"billing":        object{"first_name": "Lia", "last_name": "Romero", "email": "lia@example.com", "phone": "(202) 555-0161", "country": "US"},
		"line_items":     list{object{"name": "Beans", "quantity": 2, "subtotal": "20.00", "subtotal_tax": "1.10", "total": "20.00"}, object{"name": "Filter", "quantity": 1, "subtotal": "4.00", "subtotal_tax": "0.20"}},
		"shipping_lines": list{object{"method_title": "Flat rate", "total": "4.00", "total_tax": "0.05"}}, "fee_lines": list{}, "refunds": list{},
	}, members)
}

// act is a webhook of a topic, some time after the order.
func act(name string, after time.Duration, members object) sendertest.Act {
	return sendertest.Act{Header: topic("order." + name), After: after, Once: name == "created", Body: func(at time.Time) object {
		return with(order(members), object{"date_modified_gmt": at.UTC().Format("2006-01-02T15:04:05")})
	}}
}

func refunds(amounts ...string) list {
	out := list{}
	for i, amount := range amounts {
		out = append(out, object{"id": 730 + i, "reason": "", "total": amount})
	}
	return out
}

func TestSales(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	paid := object{"status": "processing", "date_paid_gmt": stamp(2 * minute), "transaction_id": "pi_1"}
	partly := with(paid, object{"refunds": refunds("-5.00")})
	done := object{"status": "completed", "date_completed_gmt": stamp(50 * time.Hour)}
	for name, tt := range map[string]struct {
		acts []sendertest.Act
		want []string
	}{
		"a sale, refunded in part, and sent two days later": {[]sendertest.Act{
			act("created", 0, nil), act("updated", 0, nil), act("updated", 2*minute, paid), act("updated", 3*minute, paid), act("updated", 9*minute, paid),
			act("updated", 20*minute, partly), act("updated", 50*time.Hour, with(partly, done)),
		}, []string{"created", "paid", "refunded/5.00", "completed"}},
		"refunded twice, and then whole": {[]sendertest.Act{
			act("created", 0, paid), act("updated", 20*minute, partly), act("updated", 30*minute, with(partly, object{"refunds": refunds("-5.00", "-7.50")})),
			act("updated", 40*minute, with(partly, object{"status": "refunded", "refunds": refunds("-5.00", "-7.50", "-16.85")})),
		}, []string{"paid", "refunded/12.50", "refunded/29.35", "refunded/5.00"}},
		"refunded, then cancelled": {[]sendertest.Act{
			act("created", 0, paid), act("updated", 20*minute, partly), act("updated", 30*minute, with(partly, object{"status": "cancelled"})),
		}, []string{"cancelled", "paid", "refunded/5.00"}},
		"a payment that fails, and then succeeds": {[]sendertest.Act{
			act("created", 0, nil), act("updated", minute, object{"status": "failed"}), act("updated", 2*minute, paid),
		}, []string{"created", "paid", "status/failed"}},
		"by bank transfer": {[]sendertest.Act{
			act("created", 0, object{"status": "on-hold"}), act("updated", 90*time.Hour, with(paid, object{"date_paid_gmt": stamp(90 * time.Hour)})),
		}, []string{"created", "paid"}},
		"cash on delivery": {[]sendertest.Act{
			act("created", 0, object{"status": "processing"}), act("updated", 50*time.Hour, with(done, object{"date_paid_gmt": stamp(50 * time.Hour)})),
		}, []string{"created", "paid"}},
		"at a till":                       {[]sendertest.Act{act("updated", 0, object{"status": "pos-open"}), act("created", 0, with(done, object{"date_completed_gmt": stamp(0), "date_paid_gmt": stamp(0)}))}, []string{"paid"}},
		"done before the webhook is made": {[]sendertest.Act{act("created", 0, object{"status": "completed", "date_completed_gmt": stamp(0)})}, []string{"completed"}},
		"a download":                      {[]sendertest.Act{act("created", 0, with(paid, object{"status": "completed", "date_completed_gmt": stamp(2 * minute)}))}, []string{"paid"}},
		"free":                            {[]sendertest.Act{act("created", 0, with(paid, object{"total": "0.00"})), act("updated", 3*minute, with(paid, object{"total": "0.00"}))}, []string{"created"}},
		"a draft":                         {[]sendertest.Act{act("updated", 0, object{"status": "checkout-draft"})}, nil},
		"restocked":                       {[]sendertest.Act{act("created", 0, paid), act("updated", 5*minute, with(paid, object{"refunds": refunds("-0.00")}))}, []string{"paid"}},
		"a plug-in's status": {[]sendertest.Act{
			act("created", 0, object{"status": "pre-ordered"}), act("updated", 2*minute, with(paid, object{"status": "wc-packing"})), act("updated", 30*minute, with(paid, object{"status": "wc-with-courier"})),
		}, []string{"created", "paid", "status/with-courier"}},
		"from another system": {[]sendertest.Act{act("created", 0, object{"status": "on-hold", "date_created_gmt": stamp(-900 * time.Hour)})}, nil},
		"a renewal of a subscription": {[]sendertest.Act{
			act("created", 0, object{"created_via": "subscription"}), act("updated", minute, object{"status": "failed"}), act("updated", 2*minute, paid),
		}, []string{"created", "paid", "status/failed"}},
	} {
		for _, e := range sendertest.Sale(t, name, ours(), tt.acts, tt.want...) {
			if name != "free" && !sendertest.AddsUp(e) {
				t.Errorf("%s: %s does not add up: %+v", name, e.ID, e)
			}
			if unpaid := e.ID[len(e.ID)-4:] != "paid" && e.Type == event.OrderCreate; unpaid && e.Sale.Payment.Brand != "" {
				t.Errorf("%s: %s is said to be paid by %s", name, e.ID, e.Sale.Payment.Brand)
			}
		}
	}
}

// TestReceipts: what the receipt of an order says, of orders of many kinds.
func TestReceipts(t *testing.T) {
	t.Parallel()
	paid := object{"status": "processing", "date_paid_gmt": stamp(0), "date_modified_gmt": stamp(0)}
	for name, tt := range map[string]struct {
		members object
		holds   func(*event.Event) bool
	}{
		"prices with the tax in them": {object{"prices_include_tax": true, "discount_total": "2.00", "discount_tax": "0.20", "total": "28.50", "total_tax": "1.15", "line_items": list{
			object{"name": "Beans", "quantity": 2, "subtotal": "20.00", "subtotal_tax": "2.00"}, object{"name": "Filter", "quantity": 1, "subtotal": "4.00", "subtotal_tax": "0.65"},
		}}, func(e *event.Event) bool {
			return e.Sale.TaxIncluded && e.Sale.Discount == "2.20" && e.Items[0].Total == "22.00"
		}},
		"a fee, and one that is taken off": {object{"total": "30.35", "fee_lines": list{object{"name": "Gift wrap", "total": "2.00"}, object{"name": "Loyal &amp; dear", "total": "-1.00"}}},
			func(e *event.Event) bool { return len(e.Items) == 5 && e.Items[4].Name == "Loyal & dear" }},
		"yen": {object{"currency": "JPY", "total": "2935", "total_tax": "135", "discount_total": "0", "line_items": list{object{"name": "豆", "quantity": 2, "subtotal": "2800"}}, "shipping_lines": list{}},
			func(e *event.Event) bool { return e.Sale.Total == "2935" }},
		"dinars": {object{"currency": "KWD", "total": "2.935", "total_tax": "0.135", "line_items": list{object{"name": "Beans", "quantity": 0.5, "subtotal": "2.800"}}, "shipping_lines": list{}},
			func(e *event.Event) bool { return e.Sale.Total == "2.935" && e.Items[0].Quantity == "0.5" }},
		"a present that goes abroad": {object{"shipping": object{"first_name": "Ida", "phone": "030 123456", "country": "DE"}},
			func(e *event.Event) bool { return e.Customer.Phone == "(202) 555-0161" && e.Customer.Region == "US" }},
		"only the other has a number": {object{"billing": object{"first_name": "Lia", "country": "US"}, "shipping": object{"phone": "030 123456", "country": "DE"}},
			func(e *event.Event) bool { return e.Customer.Phone == "030 123456" && e.Customer.Region == "DE" }},
		"a company": {object{"billing": object{"company": "Berg &amp; Sons", "email": "office@example.com"}}, func(e *event.Event) bool { return e.Customer.Name == "Berg & Sons" }},
		"nobody":    {object{"billing": object{}, "customer_id": 0}, func(e *event.Event) bool { return e.Customer == event.Customer{} }},
	} {
		body, err := json.Marshal(order(with(paid, tt.members)))
		if err != nil {
			t.Fatal(err)
		}
		reading, err := ours().Decode(&sender.Delivery{Header: topic("order.updated"), Body: body, At: sendertest.Now})
		if err != nil || len(reading.Events) != 1 {
			t.Errorf("%s: %+v, %v", name, reading, err)
			continue
		}
		if e := reading.Events[0]; !tt.holds(e) || !sendertest.AddsUp(e) {
			t.Errorf("%s: %s", name, sendertest.Text(reading, nil))
		}
	}
}

// TestOtherTopics: the webhooks that a shop may choose beside are no fault of its, whatever their bodies are; one without a topic is.
func TestOtherTopics(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"order.deleted": `{"id":728}`, "order.restored": `{"id":728,"status":"processing"}`, "subscription.updated": `{"id":1,"status":"active"}`, "product.updated": `{"id":1}`,
		"action.woocommerce_order_refunded": `{"action":"woocommerce_order_refunded","arg":728}`, "coupon.created": `[]`,
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
