package toast_test

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/internal/sender/toast"
	"ringup.dev/ringup/test/emulator"
)

const (
	orderGUID = "017fdd94-4a30-4657-9475-b1a684758531"
	anOrder   = "/orders/v2/orders/" + orderGUID
	guest     = `{"firstName":"Ana","lastName":"Silva","phone":"2025550143","phoneCountryCode":"1","email":"ana@example.com"}`
)

// orderOf is an order with two checks that are paid, and their customers.
func orderOf(first, second string) string {
	check := func(guid, who string) string {
		return `{"guid":"` + guid + `","paymentStatus":"PAID","paidDate":"` + sendertest.Now.Format("2006-01-02T15:04:05.000-0700") + `","totalAmount":12.5,"tabName":"Table 4","customer":` + who + `}`
	}
	return `{"guid":"` + orderGUID + `","checks":[` + check("c1", first) + `,` + check("c2", second) + `]}`
}

func eventsOf(t *testing.T, restaurant, order string) []*event.Event {
	t.Helper()
	body := `{"timestamp":"` + sendertest.Now.Format("2006-01-02T15:04:05.000Z") + `","eventCategory":"order_updated","details":{"restaurantGuid":"` + restaurant + `","order":` + order + `}}`
	reading, err := toast.New(toast.Options{Store: "default", Resolve: true}).Decode(&sender.Delivery{Body: []byte(body), At: sendertest.Now})
	if fault := sendertest.Check(reading, err); fault != nil || err != nil {
		t.Fatalf("%v, %v", fault, err)
	}
	return reading.Events
}

func startAPI(t *testing.T, seconds int, key string) (*emulator.ToastAPI, sender.Resolver) {
	t.Helper()
	api := emulator.NewToastAPI(seconds)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	r, err := toast.NewResolver(toast.APIConfig{ClientID: emulator.ToastClientID, ClientSecret: secret.String(key), BaseURL: server.URL}, sender.ResolverOptions{Concurrency: 4})
	if err != nil {
		t.Fatal(err)
	}
	return api, r
}

// TestGuests: what the webhook leaves out of a guest comes from the order, of the guest's own check; the sale stays as the webhook has it.
func TestGuests(t *testing.T) {
	t.Parallel()
	api, r := startAPI(t, 86400, emulator.ToastClientSecret)
	api.Put(anOrder, strings.ReplaceAll(orderOf(guest, "null"), "12.5", "99"))
	all := eventsOf(t, emulator.ToastRestaurant, orderOf("null", "null"))
	if len(all) != 2 {
		t.Fatalf("%d events", len(all))
	}
	for i, want := range []event.Customer{{Name: "Ana Silva", Phone: "+1 2025550143", Email: "ana@example.com"}, {Name: "Table 4"}} {
		got, err := r.Resolve(t.Context(), all[i])
		if err != nil || len(got) != 1 || got[0].Customer != want || got[0].Lookup != "" || got[0].Sale.Total != "12.5" || got[0].ID != all[i].ID {
			t.Errorf("%d: %+v, %v", i, got, err)
		}
	}
	if n := api.Logins(); n != 1 {
		t.Errorf("%d logins for two orders", n)
	}
	for _, e := range append(eventsOf(t, emulator.ToastRestaurant, orderOf(guest, guest)), eventsOf(t, "", orderOf("null", "null"))...) {
		if e.Lookup != "" {
			t.Errorf("asks for %q, of a guest that is known or a restaurant that is not", e.Lookup)
		}
	}
	api.Put(anOrder, "")
	if got, err := r.Resolve(t.Context(), all[0]); err != nil || len(got) != 1 || got[0].Customer.Name != "Table 4" {
		t.Errorf("an order that is gone: %+v, %v", got, err)
	}
}

// TestTokens: one login for many requests at a time; a token that is over is replaced before it is used, and a new one that is refused is not asked for again and again.
func TestTokens(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ seconds, logins int }{"valid for a day": {86400, 1}, "for less than a request may take": {30, 8}, "without a time": {0, 8}} {
		api, r := startAPI(t, tt.seconds, emulator.ToastClientSecret)
		api.Put(anOrder, orderOf(guest, guest))
		all := eventsOf(t, emulator.ToastRestaurant, orderOf("null", "null"))
		for range 4 {
			for _, e := range all {
				if _, err := r.Resolve(t.Context(), e); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if n := api.Logins(); n != tt.logins {
			t.Errorf("%s: %d logins", name, n)
		}
	}
	api, r := startAPI(t, 86400, emulator.ToastClientSecret)
	api.Put(anOrder, orderOf(guest, guest))
	one := eventsOf(t, emulator.ToastRestaurant, orderOf("null", "null"))[0]
	var together sync.WaitGroup
	for range 8 {
		together.Go(func() {
			if _, err := r.Resolve(t.Context(), one); err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	if n := api.Logins(); n != 1 {
		t.Errorf("%d logins at a time", n)
	}
	api.Fail(emulator.APIFault{Status: 401, Times: 1})
	if _, err := r.Resolve(t.Context(), one); failure.AsError(err).Class != failure.Account || api.Logins() != 1 {
		t.Errorf("a new token that is refused: %v, %d logins", err, api.Logins())
	}
}

// TestRefusals: each answer of Toast is of its class, and a probe tells wrong credentials.
func TestRefusals(t *testing.T) {
	t.Parallel()
	api, r := startAPI(t, 86400, emulator.ToastClientSecret)
	one := eventsOf(t, emulator.ToastRestaurant, orderOf("null", "null"))[0]
	if err := r.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	other := eventsOf(t, "11111111-b4be-3fef-9220-b3dad273e0b4", orderOf("null", "null"))[0]
	if _, err := r.Resolve(t.Context(), other); failure.AsError(err).Class != failure.Account {
		t.Errorf("another restaurant: %v", err)
	}
	for status, want := range map[int]failure.Class{429: failure.Throttled, 500: failure.Transient, 503: failure.Transient, 400: failure.Permanent, 0: failure.Transient} {
		api.Fail(emulator.APIFault{Status: status})
		if _, err := r.Resolve(t.Context(), one); failure.AsError(err).Class != want {
			t.Errorf("%d: %v", status, err)
		}
	}
	api.Fail(emulator.APIFault{Status: 401, Body: "<html>of a proxy</html>"})
	if _, err := r.Resolve(t.Context(), one); failure.AsError(err).Class != failure.Transient {
		t.Errorf("a proxy's answer: %v", err)
	}
	api.Fail(emulator.APIFault{Status: 200, Body: `{}`})
	if _, err := r.Resolve(t.Context(), one); failure.AsError(err).Class != failure.Transient {
		t.Errorf("not an order: %v", err)
	}
	if err := r.Probe(t.Context()); failure.AsError(err).Class != failure.Transient {
		t.Errorf("a login without a token: %v", err)
	}
	_, wrong := startAPI(t, 86400, "another secret")
	if err := wrong.Probe(t.Context()); failure.AsError(err).Class != failure.Account {
		t.Errorf("wrong credentials: %v", err)
	}
	if _, err := wrong.Resolve(t.Context(), one); failure.AsError(err).Class != failure.Account {
		t.Errorf("wrong credentials: %v", err)
	}
	if _, err := toast.NewResolver(toast.APIConfig{ClientSecret: "s", BaseURL: "https://ws-api.toasttab.com"}, sender.ResolverOptions{}); err == nil || !strings.Contains(err.Error(), "TOAST_CLIENT_ID") {
		t.Errorf("without an id: %v", err)
	}
}
