package event

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// webhook is one as 0.1.0 stored it.
const webhook = `{"id": "webhook_12345", "event_type": "pos_save", "timestamp": "2024-01-01T12:00:00Z", "source": "pos_system",
 "data": {"transactionId": "TXN_67890", "amount": 125.50, "currency": "USD", "customerName": "John Doe",
          "customerPhone": "+1234567890", "customerEmail": "john.doe@example.com",
          "items": [{"name": "Espresso", "quantity": 2, "price": 3.25}], "orderId": "ORD_1", "status": "ready"}}`

func TestDecodeVersion1(t *testing.T) {
	t.Parallel()
	noon := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
	of := func(data string) string {
		return `{"x":[],"id":"a","event_type":"order_update","timestamp":"2024-01-01T12:00:00Z","source":null,"data":` + data + `}`
	}
	with := func(change func(*Event)) *Event {
		e := &Event{ID: "a", Store: "default", Sender: "pos", Type: OrderUpdate, At: noon}
		change(e)
		return e
	}
	for name, tt := range map[string]struct {
		body string
		want *Event
	}{
		"the sample": {webhook, &Event{
			ID: "webhook_12345", Store: "default", Sender: "pos", Type: POSSave, At: noon, Source: "pos_system",
			Sale:     Sale{TransactionID: "TXN_67890", OrderID: "ORD_1", Status: "ready", Currency: "USD", Total: "125.50"},
			Customer: Customer{Name: "John Doe", Phone: "+1234567890", Email: "john.doe@example.com"},
			Items:    []Item{{Name: "Espresso", Quantity: "2", UnitPrice: "3.25"}},
		}},
		"nothing":                       {of(`{}`), with(func(*Event) {})},
		"null":                          {of(`{"amount":null,"customerPhone":null,"items":null,"timezone":null}`), with(func(*Event) {})},
		"unknown fields":                {of(`{"points":120,"deep":{"a":[1,{"b":null}]}}`), with(func(e *Event) { e.Extra = `{"points":120,"deep":{"a":[1,{"b":null}]}}` })},
		"escapes":                       {of(`{"customerName":"\u00e9\\\u0000","locale":"de"}`), with(func(e *Event) { e.Customer.Name, e.Customer.Locale = "é\\\x00", "de" })},
		"a time zone":                   {of(`{"timezone":"Europe/Berlin"}`), with(func(e *Event) { e.Customer.TimeZone = "Europe/Berlin" })},
		"a time zone that is an object": {of(`{"timezone":{"x":1}}`), with(func(*Event) {})},
		"a time zone that is a number":  {of(`{"timezone":5}`), with(func(*Event) {})},
		"a time zone that is a boolean": {of(`{"timezone":true}`), with(func(*Event) {})},
		"a time zone that is an array":  {of(`{"timezone":["UTC"]}`), with(func(*Event) {})},
		"empty items":                   {of(`{"items":[{},{"name":null,"price":-0.5}]}`), with(func(e *Event) { e.Items = []Item{{}, {UnitPrice: "-0.5"}} })},
		// Go's own reading of a time is more lenient than RFC 3339, and such webhooks were accepted.
		"a time with a comma": {strings.Replace(of(`{}`), "12:00:00Z", "12:00:00,5Z", 1), with(func(e *Event) { e.At = noon.Add(time.Second / 2) })},
	} {
		got, err := DecodeVersion1([]byte(tt.body))
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	for _, bad := range []string{"", "no webhook", `{"id":1}`, `[]`, of(`[]`), `{"id":"a"}`} {
		if _, err := DecodeVersion1([]byte(bad)); !errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), "a:") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestField(t *testing.T) {
	t.Parallel()
	e, err := DecodeVersion1([]byte(strings.Replace(webhook, `"ready"`, `"ready","locale":"de","timezone":"UTC","points":120,"vip":true,"note":"a\"b","none":null,"list":[1]`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"transactionId": "TXN_67890", "amount": "125.50", "currency": "USD", "customerName": "John Doe", "customerPhone": "+1234567890",
		"customerEmail": "john.doe@example.com", "orderId": "ORD_1", "status": "ready", "locale": "de", "timezone": "UTC",
		"points": "120", "vip": "true", "note": `a"b`, "none": "", "list": "", "items": "", "missing": "", "": "",
	} {
		if got := e.Field(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"subtotal": "130.00", "discount": "-5.00", "tax": "0.50", "tip": "2.00", "refunded": "1.00", "payment": "Visa", "receiptUrl": "https://till.example.com/r/1", "place": "Table 7",
		"test": "true", "orderName": "#1001", "customerRegion": "US", "points": "120",
	} {
		if got := full().Field(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := (&Event{Sale: Sale{TaxIncluded: true}}).Field("taxIncluded"); got != "true" {
		t.Errorf("tax that is in the prices: %q", got)
	}
	// A field that 0.1.0 had no place for.
	if got := (&Event{Extra: `{"tip":2}`}).Field("tip"); got != "2" {
		t.Errorf("a tip that 0.1.0 took: %q", got)
	}
	if got := Sample(RefundComplete).Field("amount"); got != "125.50" {
		t.Errorf("the amount of a refund: %q", got)
	}
	if got := (&Event{}).Field("points"); got != "" {
		t.Errorf("of an event without extra fields: %q", got)
	}
}
