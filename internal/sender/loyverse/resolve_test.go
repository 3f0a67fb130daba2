package loyverse_test

import (
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
	"ringup.dev/ringup/internal/sender/loyverse"
	"ringup.dev/ringup/test/emulator"
)

const (
	buyer    = "/v1.0/customers/cc000000-0000-4000-8000-000000000001"
	original = "/v1.0/receipts/2-1001"
	merchant = "/v1.0/merchant"
)

func start(t *testing.T) (*emulator.API, sender.Resolver) {
	t.Helper()
	api := emulator.NewLoyverseAPI()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	r, err := loyverse.NewResolver(loyverse.APIConfig{Token: secret.String(emulator.LoyverseToken), BaseURL: server.URL}, sender.ResolverOptions{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	return api, r
}

func sample(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// decoded are the events of the sample with a sale and its refund, for a resolver or without one.
func decoded(t *testing.T, resolve bool) *sender.Reading {
	t.Helper()
	s := loyverse.New(loyverse.Options{Store: "default", Resolve: resolve})
	reading, err := s.Decode(&sender.Delivery{Header: http.Header{}, Body: []byte(sample(t, "receipts.update")), At: time.Date(2026, 11, 20, 7, 30, 2, 0, time.UTC)})
	if err != nil || len(reading.Events) != 2 {
		t.Fatalf("%+v, %v", reading, err)
	}
	return reading
}

// TestCustomers: a sale and its refund, which leaves the customer out, go to the sale's customer, in the merchant's currency; each object is asked for once.
func TestCustomers(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	api.Put(buyer, strings.Replace(sample(t, "api-customer"), `"email": ""`, `"email": "mai@example.com"`, 1))
	api.Put(original, `{"receipt_number":"2-1001","receipt_type":"SALE","customer_id":"cc000000-0000-4000-8000-000000000001"}`)
	api.Put(merchant, `{"id":"3e000000-0000-4000-8000-000000000001","country":"TH","currency":{"code":"THB","decimal_places":2}}`)
	want := event.Customer{Name: "Mai Suwan", Phone: "2025550121", Email: "mai@example.com", Region: "US"}
	for i, of := range decoded(t, true).Events {
		events, err := r.Resolve(t.Context(), of)
		if err != nil || len(events) != 1 {
			t.Fatalf("%v, %v", events, err)
		}
		if e := events[0]; e.Customer != want || e.Sale.Currency != "THB" || e.ID != of.ID || e.Lookup != "" || e.Sale.Total != of.Sale.Total || len(e.Items) != len(of.Items) {
			t.Errorf("%d: %+v", i, e)
		}
	}
	if got := api.Requests(); !slices.Equal(got, []string{buyer, merchant, original}) {
		t.Errorf("asked for %q", got)
	}
}

// TestWithoutResolver: what is known is said, and the operator is told what is missing; a receipt without a customer waits for nobody.
func TestWithoutResolver(t *testing.T) {
	t.Parallel()
	reading := decoded(t, false)
	if reading.Events[0].Lookup != "" || !strings.Contains(reading.Note, "LOYVERSE_ACCESS_TOKEN") {
		t.Errorf("%+v", reading)
	}
	s := loyverse.New(loyverse.Options{Store: "default", Resolve: true})
	reading, err := s.Decode(&sender.Delivery{Body: []byte(posted("2026-11-20T17:00:06Z", "")), At: time.Now()})
	if err != nil || len(reading.Events) != 1 || reading.Events[0].Lookup != "" || reading.Note != "" {
		t.Errorf("%+v, %v", reading, err)
	}
}

// TestWhatIsGone: without its customer, its sale or the merchant a receipt is told all the same, and they are asked for again with the next one.
func TestWhatIsGone(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	for range 2 {
		for _, of := range decoded(t, true).Events {
			if events, err := r.Resolve(t.Context(), of); err != nil || len(events) != 1 || events[0].Customer != (event.Customer{}) || events[0].Sale.Currency != "" {
				t.Errorf("%v, %v", events, err)
			}
		}
	}
	if got := api.Requests(); len(got) != 8 {
		t.Errorf("asked for %q", got)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	for status, class := range map[int]failure.Class{0: failure.Transient, 400: failure.Permanent, 401: failure.Account, 403: failure.Account, 429: failure.Throttled, 500: failure.Transient} {
		api.Fail(emulator.APIFault{Status: status})
		for _, of := range decoded(t, true).Events {
			if _, err := r.Resolve(t.Context(), of); failure.AsError(err).Class != class {
				t.Errorf("HTTP %d: %v", status, err)
			}
		}
		if err := r.Probe(t.Context()); status != 400 && failure.AsError(err).Class != class {
			t.Errorf("probe, HTTP %d: %v", status, err)
		}
	}
	for _, fault := range []emulator.APIFault{{Status: 404, Body: "<html>"}, {Status: 200, Body: "{}"}} {
		api.Fail(fault)
		if events, err := r.Resolve(t.Context(), decoded(t, true).Events[0]); failure.AsError(err).Class != failure.Transient {
			t.Errorf("a proxy's %d: %v, %v", fault.Status, events, err)
		}
	}
	api.Fail()
	api.Put(merchant, `{"id":"m"}`)
	if err := r.Probe(t.Context()); err != nil {
		t.Error(err)
	}
}
