package lightspeed_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/lightspeed"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/test/emulator"
)

const (
	buyer = "/api/2.0/customers/0a000000-0000-11ee-0000-0000000000c1"
	wheel = "/api/2.0/products/p1"
	tyre  = "/api/2.0/products/p2"
)

func start(t *testing.T) (*emulator.API, sender.Resolver) {
	t.Helper()
	api := emulator.NewLightspeedAPI()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	r, err := lightspeed.NewResolver(lightspeed.APIConfig{Token: secret.String(emulator.LightspeedToken), BaseURL: server.URL}, sender.ResolverOptions{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	return api, r
}

// resolvable returns the event of a sale with members of its own, for a resolver or without one, and the reading's note.
func resolvable(t *testing.T, resolve bool, members string) (*event.Event, string) {
	t.Helper()
	body := `{"id":"1","status":"CLOSED","sale_date":"2026-11-20 17:00:00","updated_at":"2026-11-20 17:00:01","total_price":10,"total_tax":1` + members + `}`
	s := lightspeed.New(lightspeed.Options{Store: "default", Resolve: resolve})
	reading, err := s.Decode(&sender.Delivery{Body: []byte(url.Values{"payload": {body}}.Encode()), At: sendertest.Now})
	if err != nil || len(reading.Events) != 1 {
		t.Fatalf("%+v, %v", reading, err)
	}
	return reading.Events[0], reading.Note
}

const ids = `,"customer_id":"0a000000-0000-11ee-0000-0000000000c1","register_sale_products":[{"product_id":"p1","quantity":1},{"product_id":"p9","name":"Bell"},{"product_id":"p2"},{"product_id":"p1"}]`

// TestCustomerAndProducts: a sale whose webhook has ids gets its customer and the names of its products, each asked for once.
func TestCustomerAndProducts(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	raw, err := os.ReadFile("testdata/api-customer.json")
	if err != nil {
		t.Fatal(err)
	}
	api.Put(buyer, string(raw))
	api.Put(wheel, `{"data":{"id":"p1","name":"Wheel","variant_name":"Wheel / 28"}}`)
	api.Put(tyre, `{"data":{"id":"p2","name":"Tyre","variant_name":null}}`)
	of, note := resolvable(t, true, ids)
	events, err := r.Resolve(t.Context(), of)
	if err != nil || len(events) != 1 || note != "" {
		t.Fatalf("%v, %v, %s", events, err, note)
	}
	e := events[0]
	if want := (event.Customer{Name: "Vera Lund", Phone: "202 555 0131", Email: "vera.lund@example.com", Region: "NZ"}); e.Customer != want || e.ID != of.ID || e.Lookup != "" {
		t.Errorf("%+v", e)
	}
	var names []string
	for _, item := range e.Items {
		names = append(names, item.Name)
	}
	if !slices.Equal(names, []string{"Wheel / 28", "Bell", "Tyre", "Wheel / 28"}) {
		t.Errorf("%q", names)
	}
	if got := api.Requests(); !slices.Equal(got, []string{buyer, wheel, tyre}) {
		t.Errorf("asked for %q", got)
	}
	if of.Items[0].Name != "" {
		t.Error("the event that is resolved was changed")
	}
}

// TestWhatIsNotAskedFor: a sale that has its customer and the names waits for nobody, and of a long one not every product is asked for.
func TestWhatIsNotAskedFor(t *testing.T) {
	t.Parallel()
	if of, note := resolvable(t, true, `,"customer_id":"c","customer":{"id":"c","email":"a@example.com"},"register_sale_products":[{"product_id":"p","name":"Bell"}]`); of.Lookup != "" || note != "" {
		t.Errorf("%q, %q", of.Lookup, note)
	}
	if of, note := resolvable(t, false, ids); of.Lookup != "" || !strings.Contains(note, "LIGHTSPEED_ACCESS_TOKEN") {
		t.Errorf("%q, %q", of.Lookup, note)
	}
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf(`{"product_id":"p%d"}`, i))
	}
	of, _ := resolvable(t, true, `,"register_sale_products":[`+strings.Join(lines, ",")+`]`)
	api, r := start(t)
	if events, err := r.Resolve(t.Context(), of); err != nil || len(events[0].Items) != 100 {
		t.Errorf("%v, %v", events, err)
	}
	if n := len(api.Requests()); n != 20 {
		t.Errorf("%d requests", n)
	}
	api, r = start(t)
	api.Put(buyer, `{"data":{"id":"0a","customer_code":"WALKIN","first_name":"Walk","email":"till@example.com"}}`)
	of, _ = resolvable(t, true, `,"customer_id":"0a000000-0000-11ee-0000-0000000000c1"`)
	if events, err := r.Resolve(t.Context(), of); err != nil || events[0].Customer != (event.Customer{}) {
		t.Errorf("walk-in: %+v, %v", events, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	for status, class := range map[int]failure.Class{0: failure.Transient, 400: failure.Permanent, 401: failure.Account, 403: failure.Account, 429: failure.Throttled, 503: failure.Transient} {
		api.Fail(emulator.APIFault{Status: status})
		for _, members := range []string{ids, `,"register_sale_products":[{"product_id":"p1"}]`} {
			of, _ := resolvable(t, true, members)
			if _, err := r.Resolve(t.Context(), of); failure.AsError(err).Class != class {
				t.Errorf("HTTP %d: %v", status, err)
			}
		}
		if err := r.Probe(t.Context()); status != 400 && failure.AsError(err).Class != class {
			t.Errorf("probe, HTTP %d: %v", status, err)
		}
	}
	of, _ := resolvable(t, true, ids)
	for _, fault := range []emulator.APIFault{{Status: 404, Body: "<html>"}, {Status: 200, Body: `{"data":{}}`}} {
		api.Fail(fault)
		if events, err := r.Resolve(t.Context(), of); failure.AsError(err).Class != failure.Transient {
			t.Errorf("a proxy's %d: %v, %v", fault.Status, events, err)
		}
	}
	api.Fail()
	if err := r.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if events, err := r.Resolve(t.Context(), of); err != nil || len(events) != 1 || len(events[0].Items) != 4 {
		t.Errorf("all is gone: %v, %v", events, err)
	}
}
