package stripe_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/stripe"
	"ringup.dev/ringup/test/emulator"
)

const lines = "/v1/checkout/sessions/cs_live_test0001/line_items?limit=100"

func start(t *testing.T) (*emulator.API, sender.Resolver) {
	t.Helper()
	api := emulator.NewStripeAPI()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	r, err := stripe.NewResolver(stripe.APIConfig{Key: emulator.StripeKey, BaseURL: server.URL}, sender.ResolverOptions{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	return api, r
}

func session(t *testing.T) *event.Event {
	t.Helper()
	body, err := os.ReadFile("testdata/checkout.session.completed.json")
	if err != nil {
		t.Fatal(err)
	}
	reading, err := stripe.New(stripe.Options{Store: "default", Resolve: true}).Decode(&sender.Delivery{Header: http.Header{}, Body: body, At: sendertest.Now})
	if err != nil || len(reading.Events) != 1 || reading.Events[0].Lookup != "cs_live_test0001" {
		t.Fatalf("%+v, %v", reading, err)
	}
	return reading.Events[0]
}

// TestASessionIsCompleted: its receipt has the lines, and adds up.
func TestASessionIsCompleted(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	raw, err := os.ReadFile("testdata/api-line_items.json")
	if err != nil {
		t.Fatal(err)
	}
	api.Put(lines, string(raw))
	of := session(t)
	events, err := r.Resolve(t.Context(), of)
	if err != nil || len(events) != 1 {
		t.Fatalf("%v, %v", events, err)
	}
	e := events[0]
	if e.ID != of.ID || e.Lookup != "" || e.Customer != of.Customer || e.Sale.Subtotal != "27.50" || len(e.Items) != 2 {
		t.Fatalf("%+v", e)
	}
	if i := e.Items[1]; i.Name != "Espresso" || i.Quantity != "2" || i.UnitPrice != "3.25" || i.Total != "6.50" {
		t.Errorf("%+v", i)
	}
}

// TestPages: a long session's lines come in several answers.
func TestPages(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	page := func(from, n int, more bool) string {
		var data []string
		for i := range n {
			data = append(data, fmt.Sprintf(`{"id":"li_%d","description":"Line %d","quantity":1,"currency":"jpy","amount_subtotal":300}`, from+i, from+i))
		}
		return fmt.Sprintf(`{"object":"list","data":[%s],"has_more":%t}`, strings.Join(data, ","), more)
	}
	api.Put(lines, page(0, 100, true))
	api.Put(lines+"&starting_after=li_99", page(100, 7, false))
	events, err := r.Resolve(t.Context(), session(t))
	if err != nil || len(events) != 1 || len(events[0].Items) != 107 || events[0].Items[106].Name != "Line 106" || events[0].Items[0].Total != "300" {
		t.Errorf("%v, %v", events, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for status, class := range map[int]failure.Class{
		0: failure.Transient, 400: failure.Permanent, 401: failure.Account, 403: failure.Account, 409: failure.Transient, 429: failure.Throttled, 500: failure.Transient, 503: failure.Transient,
	} {
		api, r := start(t)
		api.Fail(emulator.APIFault{Status: status})
		if _, err := r.Resolve(t.Context(), session(t)); failure.AsError(err).Class != class {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
	api, r := start(t)
	for _, fault := range []emulator.APIFault{{Status: 404, Body: "<html>"}, {Status: 401, Body: `{"message":"no route"}`}, {Status: 200, Body: "{}"}} {
		api.Fail(fault)
		if events, err := r.Resolve(t.Context(), session(t)); failure.AsError(err).Class != failure.Transient {
			t.Errorf("a proxy's %d: %v, %v", fault.Status, events, err)
		}
	}
	api.Fail()
	if events, err := r.Resolve(t.Context(), session(t)); err != nil || len(events) != 1 || len(events[0].Items) != 0 {
		t.Errorf("a session that is gone: %v, %v", events, err)
	}
}

// TestProbe: a token that may read sessions is well, and another is not; no session is read.
func TestProbe(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	if err := r.Probe(t.Context()); err != nil || len(api.Requests()) != 1 {
		t.Error(err)
	}
	for status, class := range map[int]failure.Class{401: failure.Account, 403: failure.Account, 503: failure.Transient, 429: failure.Throttled} {
		api.Fail(emulator.APIFault{Status: status})
		if err := r.Probe(t.Context()); failure.AsError(err).Class != class {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
}
