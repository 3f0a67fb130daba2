package square_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/square"
	"ringup.dev/ringup/test/emulator"
)

const (
	paidOrder      = "/v2/orders/oRdTest00000000000000000001"
	openOrder      = "/v2/orders/oRdTest00000000000000000003"
	buyer          = "/v2/customers/CUSTEST00000000000000001"
	orderCreated   = "order.created"
	orderUpdated   = "order.updated"
	fulfilled      = "order.fulfillment.updated"
	paid           = "payment.updated"
	refundedInPart = "payment.updated-refunded"
)

func start(t *testing.T) (*emulator.API, sender.Resolver) {
	t.Helper()
	api := emulator.NewSquareAPI()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return api, resolver(t, server.URL, emulator.SquareToken)
}

func resolver(t *testing.T, url, token string) sender.Resolver {
	t.Helper()
	r, err := square.NewResolver(square.APIConfig{Token: secret.String(token), BaseURL: url}, sender.ResolverOptions{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sample(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// decoded is the event of a webhook that a resolver completes.
func decoded(t *testing.T, body string) *event.Event {
	t.Helper()
	s := square.New(square.Options{Store: "default", Resolve: true})
	reading, err := s.Decode(&sender.Delivery{Header: http.Header{}, Body: []byte(body), At: sendertest.Now})
	if err != nil || len(reading.Events) != 1 || reading.Events[0].Lookup == "" {
		t.Fatalf("%+v, %v", reading, err)
	}
	return reading.Events[0]
}

// one is the only event that comes of an event.
func one(t *testing.T, r sender.Resolver, of *event.Event) *event.Event {
	t.Helper()
	events, err := r.Resolve(t.Context(), of)
	if err != nil || len(events) != 1 || events[0].Lookup != "" {
		t.Fatalf("%+v, %v", events, err)
	}
	return events[0]
}

// TestAPaymentIsCompleted: its receipt has the order's lines and the customer's number.
func TestAPaymentIsCompleted(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	api.Put(paidOrder, sample(t, "api-order"))
	api.Put(buyer, sample(t, "api-customer"))
	of := decoded(t, sample(t, paid))
	e := one(t, r, of)
	if e.ID != of.ID || e.Type != event.PaymentComplete || e.Sale.OrderName != "Table 4" || e.Sale.Total != "21.50" || e.Sale.Subtotal != "18.50" || e.Sale.Tip != "3.00" {
		t.Errorf("%+v", e)
	}
	want := event.Customer{Name: "Rosa Lind", Phone: "+12025550142", Region: "US", Email: "rosa.lind@example.com"}
	if e.Customer != want {
		t.Errorf("%+v", e.Customer)
	}
	if len(e.Items) != 3 || e.Items[0].Name != "Flat white" || e.Items[0].Options[0] != "Large" || e.Items[1].Quantity != "0.5" || e.Items[1].Total != "9.00" {
		t.Errorf("%+v", e.Items)
	}
	if got := api.Requests(); !slices.Equal(got, []string{paidOrder, buyer}) {
		t.Errorf("asked for %q", got)
	}
	if again := one(t, r, of); again.ID != e.ID || !slices.Equal(api.Requests(), []string{paidOrder}) {
		t.Error("the customer is asked for again")
	}
	refund := one(t, r, decoded(t, sample(t, refundedInPart)))
	if refund.Type != event.RefundComplete || refund.Sale.Refunded != "5.00" || refund.Customer != want {
		t.Errorf("%+v", refund)
	}
}

// TestWhatIsGone: without its order or its customer a payment is told all the same.
func TestWhatIsGone(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	if e := one(t, r, decoded(t, sample(t, paid))); e.Sale.Total != "21.50" || len(e.Items) != 0 {
		t.Errorf("%+v", e)
	}
	api.Put(paidOrder, sample(t, "api-order"))
	e := one(t, r, decoded(t, sample(t, paid)))
	if len(e.Items) != 3 || e.Customer.Phone != "202-555-0142" {
		t.Errorf("%+v", e)
	}
	_, err := r.Resolve(t.Context(), decoded(t, sample(t, orderUpdated)))
	if f := failure.AsError(err); f.Class != failure.Permanent {
		t.Errorf("an order that is gone: %v", err)
	}
}

// TestAnOrdersLife: each state is told once, in words that messages have, whatever webhook brings it.
func TestAnOrdersLife(t *testing.T) {
	t.Parallel()
	at := func(version, state, kind, fulfillment string) string {
		return `{"order":{"id":"oRdTest00000000000000000003","location_id":"LTESTLOC0001","customer_id":"CUSTEST00000000000000001","state":"` + state + `","version":` + version + `,
			"line_items":[{"name":"Bun","quantity":"2","base_price_money":{"amount":300,"currency":"EUR"},"gross_sales_money":{"amount":600,"currency":"EUR"}}],
			"total_tax_money":{"amount":39,"currency":"EUR"},"total_money":{"amount":600,"currency":"EUR"},
			"fulfillments":[{"type":"` + kind + `","state":"` + fulfillment + `","` + strings.ToLower(kind) + `_details":{"recipient":{"display_name":"Ana","phone_number":"030 1234","address":{"country":"DE"}}}}]}}`
	}
	for _, tt := range []struct {
		topic, state, kind, fulfillment string
		id                              string // of what comes of it; "" for nothing
		typ                             event.Type
		status                          string
	}{
		{orderCreated, "OPEN", "PICKUP", "PROPOSED", "created", event.OrderCreate, "received"},
		{orderCreated, "DRAFT", "PICKUP", "PROPOSED", "", "", ""},
		{orderCreated, "CANCELED", "PICKUP", "CANCELED", "cancelled", event.OrderCancel, "cancelled"},
		{orderUpdated, "OPEN", "PICKUP", "PROPOSED", "", "", ""},
		{orderUpdated, "OPEN", "PICKUP", "RESERVED", "status/confirmed", event.OrderUpdate, "confirmed"},
		{fulfilled, "OPEN", "PICKUP", "PREPARED", "status/ready_for_pickup", event.OrderUpdate, "ready_for_pickup"},
		{orderUpdated, "OPEN", "PICKUP", "PREPARED", "status/ready_for_pickup", event.OrderUpdate, "ready_for_pickup"},
		{fulfilled, "COMPLETED", "PICKUP", "COMPLETED", "status/picked_up", event.OrderUpdate, "picked_up"},
		{fulfilled, "OPEN", "DELIVERY", "PREPARED", "status/ready", event.OrderUpdate, "ready"},
		{fulfilled, "COMPLETED", "DELIVERY", "COMPLETED", "status/delivered", event.OrderUpdate, "delivered"},
		{fulfilled, "OPEN", "SHIPMENT", "PREPARED", "", "", ""},
		{fulfilled, "COMPLETED", "SHIPMENT", "COMPLETED", "status/shipped", event.OrderUpdate, "shipped"},
		{fulfilled, "OPEN", "PICKUP", "FAILED", "", "", ""},
		{orderUpdated, "CANCELED", "PICKUP", "CANCELED", "cancelled", event.OrderCancel, "cancelled"},
		{orderUpdated, "COMPLETED", "OTHER", "NEW", "", "", ""},
	} {
		api, r := start(t)
		api.Put(openOrder, at("9", tt.state, tt.kind, tt.fulfillment))
		api.Put(buyer, sample(t, "api-customer"))
		events, err := r.Resolve(t.Context(), decoded(t, sample(t, tt.topic)))
		if err != nil || len(events) != min(1, len(tt.id)) {
			t.Errorf("%+v: %v, %v", tt, events, err)
			continue
		}
		if len(events) == 0 {
			continue
		}
		e := events[0]
		if e.ID != "square/MLTESTMERCHANT1/oRdTest00000000000000000003/"+tt.id || e.Type != tt.typ || e.Sale.Status != tt.status {
			t.Errorf("%+v: %+v", tt, e)
		}
		if e.Customer.Name != "Ana" || e.Customer.Phone != "030 1234" || e.Customer.Region != "DE" || e.Customer.Email != "rosa.lind@example.com" {
			t.Errorf("%+v: %+v", tt, e.Customer)
		}
		if e.Sale.Total != "6.00" || e.Sale.Subtotal != "6.00" || !e.Sale.TaxIncluded || e.Source != "LTESTLOC0001" {
			t.Errorf("%+v: %+v", tt, e.Sale)
		}
	}
}

// TestOldNews: a state that an order came to long before the webhook is not told again with a later edit.
func TestOldNews(t *testing.T) {
	t.Parallel()
	for _, order := range []string{
		`{"order":{"id":"o","state":"OPEN","version":9,"fulfillments":[{"type":"PICKUP","state":"PREPARED","pickup_details":{"ready_at":"2026-11-17T10:00:00Z"}}]}}`,
		`{"order":{"id":"o","state":"CANCELED","closed_at":"2026-11-17T10:00:00Z","version":9}}`,
	} {
		api, r := start(t)
		api.Put(openOrder, order)
		if events, err := r.Resolve(t.Context(), decoded(t, sample(t, orderUpdated))); err != nil || len(events) != 0 {
			t.Errorf("%s: %v, %v", order, events, err)
		}
	}
}

// TestOneRequestPerVersion: the webhooks of one edit share an order; a newer version is asked for.
func TestOneRequestPerVersion(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	order := func(version string) string {
		return `{"order":{"id":"oRdTest00000000000000000003","state":"OPEN","version":` + version + `}}`
	}
	api.Put(openOrder, order("3"))
	for range 2 {
		if _, err := r.Resolve(t.Context(), decoded(t, sample(t, fulfilled))); err != nil { // of version 3
			t.Fatal(err)
		}
	}
	api.Put(openOrder, order("4"))
	if _, err := r.Resolve(t.Context(), decoded(t, sample(t, orderUpdated))); err != nil { // of version 4
		t.Fatal(err)
	}
	if got := api.Requests(); len(got) != 2 {
		t.Errorf("asked for %q", got)
	}
}

// TestAnOlderOrder: what Square answers may be older than its webhook. Then it is asked again, as long as attempts are left, and nothing is said of the older state.
func TestAnOlderOrder(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	order := `{"order":{"id":"oRdTest00000000000000000003","state":"OPEN","version":%,"fulfillments":[{"type":"PICKUP","state":"PREPARED"}]}}`
	of := decoded(t, sample(t, fulfilled)) // of version 3
	api.Put(openOrder, strings.Replace(order, "%", "2", 1))
	_, err := r.Resolve(t.Context(), of)
	if f := failure.AsError(err); f.Class != failure.Transient || f.Outage() {
		t.Errorf("%v", err)
	}
	for _, version := range []string{"3", "4", `"odd"`} {
		api.Put(openOrder, strings.Replace(order, "%", version, 1))
		if e := one(t, r, of); e.Sale.Status != "ready_for_pickup" {
			t.Errorf("version %s: %+v", version, e)
		}
	}
}

// TestTimeOfAState: it is that of the order as it is, so that a state that a late answer brings is not older than what was told meanwhile. An order was made when the webhook says.
func TestTimeOfAState(t *testing.T) {
	t.Parallel()
	for topic, updated := range map[string]bool{fulfilled: true, orderUpdated: true, orderCreated: false} {
		api, r := start(t)
		kind := "PREPARED"
		if !updated {
			kind = "PROPOSED"
		}
		api.Put(openOrder, `{"order":{"id":"oRdTest00000000000000000003","state":"OPEN","version":9,"updated_at":"2026-11-20T15:00:00Z","fulfillments":[{"type":"PICKUP","state":"`+kind+`"}]}}`)
		of := decoded(t, sample(t, topic))
		want := of.At
		if updated {
			want = time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)
		}
		if e := one(t, r, of); !e.At.Equal(want) {
			t.Errorf("%s: %s, want %s", topic, e.At, want)
		}
	}
}

// TestProbe: a token with both permissions is well, and one that lacks either is not; no customer is read.
func TestProbe(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	if err := r.Probe(t.Context()); err != nil || len(api.Requests()) != 2 {
		t.Error(err)
	}
	api.Fail(emulator.APIFault{Status: 404, Times: 1}, emulator.APIFault{Status: 403, Times: 1})
	if err := r.Probe(t.Context()); failure.AsError(err).Class != failure.Account {
		t.Errorf("a token that may not read customers: %v", err)
	}
	if err := resolver(t, "http://127.0.0.1:1", "t").Probe(t.Context()); failure.AsError(err).Class != failure.Transient {
		t.Errorf("down: %v", err)
	}
}

// TestErrors: the class of each says what becomes of the event, and none has a word of the sender's answer.
func TestErrors(t *testing.T) {
	t.Parallel()
	pause := http.Header{"Retry-After": {"7"}}
	for name, tt := range map[string]struct {
		fault emulator.APIFault
		class failure.Class
	}{
		"rate limited": {emulator.APIFault{Status: 429, Header: pause}, failure.Throttled}, "down": {emulator.APIFault{Status: 503, Header: pause}, failure.Transient},
		"broken": {emulator.APIFault{Status: 500}, failure.Transient}, "a proxy": {emulator.APIFault{Status: 502, Body: "<html>"}, failure.Transient},
		"no permission": {emulator.APIFault{Status: 403}, failure.Account}, "bad request": {emulator.APIFault{Status: 400}, failure.Permanent},
		"cut off": {emulator.APIFault{}, failure.Transient}, "no JSON": {emulator.APIFault{Status: 200, Body: "rosa@example.com"}, failure.Transient},
		"a proxy's 404": {emulator.APIFault{Status: 404, Body: "<html>"}, failure.Transient}, "a proxy's 403": {emulator.APIFault{Status: 403, Body: `{"message":"rosa"}`}, failure.Transient},
		"no order":  {emulator.APIFault{Status: 200, Body: "{}"}, failure.Transient},
		"elsewhere": {emulator.APIFault{Status: 302, Header: http.Header{"Location": {"https://elsewhere.example.com"}}}, failure.Transient},
	} {
		api, r := start(t)
		api.Put(paidOrder, sample(t, "api-order"))
		api.Fail(tt.fault)
		_, err := r.Resolve(t.Context(), decoded(t, sample(t, paid)))
		var f *failure.Error
		if !errors.As(err, &f) || f.Class != tt.class || strings.Contains(err.Error(), "rosa") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if wait := tt.fault.Header.Get("Retry-After"); wait != "" && f.RetryAfter != 7*time.Second {
			t.Errorf("%s: try again after %s", name, f.RetryAfter)
		}
		api.Fail()
		one(t, r, decoded(t, sample(t, paid)))
	}
	server := httptest.NewServer(emulator.NewSquareAPI())
	defer server.Close()
	_, err := resolver(t, server.URL, "another-token").Resolve(t.Context(), decoded(t, sample(t, paid)))
	if f := failure.AsError(err); f.Class != failure.Account || f.Reason != failure.ReasonCredentials {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://connect.squareup.com": true, "http://localhost:1": true, "http://127.0.0.1:1": true, "http://proxy.example": false, "": false, "proxy": false, "https://u:p@x": false, "https://x?y": false,
	} {
		_, err := square.NewResolver(square.APIConfig{Token: "t", BaseURL: url}, sender.ResolverOptions{Concurrency: 1})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "SQUARE_BASE_URL") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := square.NewResolver(square.APIConfig{Token: "t", BaseURL: "http://emulator:8088"}, sender.ResolverOptions{AllowHTTP: true}); err != nil {
		t.Error(err)
	}
}
