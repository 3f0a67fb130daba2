package clover_test

import (
	"cmp"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/clover"
	"ringup.dev/ringup/internal/sender/sendertest"
	"ringup.dev/ringup/test/emulator"
)

const (
	base     = "/v3/merchants/" + emulator.CloverMerchant
	anOrder  = base + "/orders/TESTORDER0001?expand=lineItems%2Ccustomers%2Cpayments"
	returned = base + "/orders/TESTORDER0001?expand=refunds%2Ccredits"
	aPayment = base + "/payments/TESTPAYMT0001"
	buyer    = base + "/customers/TESTCUSTM0001?expand=phoneNumbers%2CemailAddresses"
)

func start(t *testing.T) (*emulator.API, sender.Resolver) {
	t.Helper()
	api := emulator.NewCloverAPI()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	r, err := clover.NewResolver(clover.APIConfig{Token: secret.String(emulator.CloverToken), BaseURL: server.URL}, sender.ResolverOptions{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	return api, r
}

// updates decodes the webhook of an app with updates of a merchant.
func updates(t *testing.T, updates string) []*event.Event {
	t.Helper()
	return decode(t, `{"appId":"a","merchants":{"`+emulator.CloverMerchant+`":[`+updates+`]}}`)
}

func decode(t *testing.T, body string) []*event.Event {
	t.Helper()
	reading, err := clover.New(clover.Options{Store: "default", Resolve: true}).Decode(&sender.Delivery{Body: []byte(body), At: sendertest.Now})
	if fault := sendertest.Check(reading, err); fault != nil || err != nil {
		t.Fatalf("%v, %v", fault, err)
	}
	return reading.Events
}

const update = `{"objectId":"O:TESTORDER0001","type":"UPDATE","ts":1795185603000}` // as the order was changed

// one resolves an event, and returns what comes of it; nil for nothing.
func one(t *testing.T, r sender.Resolver, of *event.Event) *event.Event {
	t.Helper()
	events, err := r.Resolve(t.Context(), of)
	if err != nil || len(events) > 1 {
		t.Fatalf("%+v, %v", events, err)
	}
	if len(events) == 0 {
		return nil
	}
	if e := events[0]; e.Lookup != "" {
		t.Errorf("it still has the lookup %q", e.Lookup)
	}
	return events[0]
}

// TestAnOrderIsResolved: of an order's id comes a receipt that adds up, for the order's customer.
func TestAnOrderIsResolved(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	api.Put(anOrder, string(read(t, "api-order.json")))
	e := one(t, r, updates(t, update)[0])
	if e == nil || e.ID != "clover/"+emulator.CloverMerchant+"/TESTORDER0001/paid" || e.Type != event.PaymentComplete || !e.At.Equal(time.UnixMilli(1795185603000)) {
		t.Fatalf("%+v", e)
	}
	if s := e.Sale; s.Total != "18.50" || s.Currency != "USD" || s.OrderID != "TESTORDER0001" || s.OrderName != "12" || s.TransactionID != "TESTPAYMT0001" || s.Tax != "0.00" || s.Test {
		t.Errorf("%+v", s)
	}
	if want := (event.Customer{Name: "Tom", Phone: "2025550191"}); e.Customer != want {
		t.Errorf("%+v", e.Customer)
	}
	if want := "[{Bagel [] 2 4.25 } {Olives (by weight) [] 0.500 20.00 }]"; fmt.Sprint(e.Items) != want {
		t.Errorf("%v", e.Items)
	}
	if got := api.Requests(); !slices.Equal(got, []string{anOrder}) {
		t.Errorf("asked for %q", got)
	}
}

// TestTheUpdatesOfOneSale: all updates of a sale, of its order and its payment, lead to one receipt, and the order is asked for as rarely as can be.
func TestTheUpdatesOfOneSale(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	api.Put(anOrder, string(read(t, "api-order.json")))
	api.Put(aPayment, `{"id":"TESTPAYMT0001","order":{"id":"TESTORDER0001"},"amount":1850,"result":"SUCCESS"}`)
	var ids []string
	for _, of := range []*event.Event{
		updates(t, `{"objectId":"O:TESTORDER0001","type":"CREATE","ts":1795185600123}`)[0],
		updates(t, update)[0],
		updates(t, `{"objectId":"P:TESTPAYMT0001","type":"CREATE","ts":1795185602900}`)[0],
		decode(t, `{"createdTime":1795185602,"status":"APPROVED","type":"PAYMENT","id":"TESTPAYMT0001","merchantId":"`+emulator.CloverMerchant+`"}`)[0],
	} {
		ids = append(ids, one(t, r, of).ID)
	}
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("%q", ids)
	}
	if got := api.Requests(); !slices.Equal(got, []string{anOrder, aPayment, aPayment}) {
		t.Errorf("asked for %q", got)
	}
	later := updates(t, `{"objectId":"O:TESTORDER0001","type":"UPDATE","ts":1795185603001}`)
	if one(t, r, later[0]); !slices.Equal(api.Requests(), []string{anOrder}) {
		t.Error("an order that was changed since is not asked for again")
	}
	several := updates(t, update+`,{"objectId":"P:TESTPAYMT0001","type":"CREATE","ts":1795185603000},{"objectId":"O:TESTORDER0001","type":"UPDATE","ts":1795185603001},{"objectId":"O:GONE","type":"DELETE"},{"objectId":"C:1","type":"CREATE"}`)
	if len(several) != 2 {
		t.Errorf("%+v", several)
	}
}

// TestStates: what an order says, by its state.
func TestStates(t *testing.T) {
	t.Parallel()
	const recent, old = "1795185602000", "1795100000000"
	for name, tt := range map[string]struct {
		members, back string
		want          string // the meaning, type and status; "" for nothing
		check         func(*event.Event) bool
	}{
		"created":               {members: `"paymentState":"OPEN","state":"open","createdTime":` + recent, want: "created order_create received"},
		"created long ago":      {members: `"paymentState":"OPEN","state":"open","createdTime":` + old},
		"not shown yet":         {members: `"paymentState":"OPEN","state":null,"createdTime":` + recent},
		"paid":                  {members: `"paymentState":"PAID","payments":{"elements":[{"id":"p","createdTime":` + recent + `}]}`, want: "paid payment_complete paid"},
		"paid long ago":         {members: `"paymentState":"PAID","payments":{"elements":[{"id":"p","createdTime":` + old + `}]}`},
		"paid in part":          {members: `"paymentState":"PARTIALLY_PAID","payments":{"elements":[{"createdTime":` + recent + `}]}`, want: "status/partially_paid order_update partially_paid"},
		"paid, by its payments": {members: `"total":500,"payments":{"elements":[{"amount":500,"result":"SUCCESS","createdTime":` + recent + `}]}`, want: "paid payment_complete paid"},
		"a payment that failed": {members: `"total":500,"state":"open","createdTime":` + recent + `,"payments":{"elements":[{"amount":500,"result":"FAIL"}]}`, want: "created order_create received"},
		"deleted":               {members: `"paymentState":"PAID","deletedTimestamp":` + recent},
		"a test order":          {members: `"paymentState":"PAID","testMode":true`, want: "paid payment_complete paid", check: func(e *event.Event) bool { return e.Sale.Test }},
		"refunded":              {members: `"paymentState":"REFUNDED","currency":"USD","total":1850`, back: `"refunds":{"elements":[{"amount":1850,"createdTime":` + recent + `}]}`, want: "refunded/1850 refund_complete refunded", check: func(e *event.Event) bool { return e.Sale.Refunded == "18.50" && e.Sale.Total == "18.50" }},
		"refunded in two parts": {members: `"paymentState":"PARTIALLY_REFUNDED","currency":"JPY","total":1850`, back: `"refunds":{"elements":[{"amount":500,"createdTime":` + old + `},{"amount":300,"createdTime":` + recent + `}]}`, want: "refunded/800 refund_complete partially_refunded", check: func(e *event.Event) bool { return e.Sale.Refunded == "800" }},
		"refunded long ago":     {members: `"paymentState":"REFUNDED"`, back: `"refunds":{"elements":[{"amount":1850,"createdTime":` + old + `}]}`},
		"credited":              {members: `"paymentState":"CREDITED","currency":"KWD"`, back: `"credits":{"elements":[{"amount":2935,"createdTime":` + recent + `}]}`, want: "refunded/2935 refund_complete refunded", check: func(e *event.Event) bool { return e.Sale.Refunded == "2.935" }},
		"with tax and two tips": {members: `"paymentState":"PAID","currency":"USD","total":1080,"isVat":true,"payments":{"elements":[{"amount":500,"tipAmount":100,"taxAmount":40},{"amount":580,"tipAmount":50,"taxAmount":40}]}`, want: "paid payment_complete paid", check: func(e *event.Event) bool {
			return e.Sale.Total == "12.30" && e.Sale.Tip == "1.50" && e.Sale.Tax == "0.80" && e.Sale.TaxIncluded && e.Sale.Payment.Brand == ""
		}},
		"by card":                {members: `"paymentState":"PAID","payments":{"elements":[{"tender":{"label":"Credit Card"},"cardTransaction":{"cardType":"VISA","last4":"1111"}}]}`, want: "paid payment_complete paid", check: func(e *event.Event) bool { return e.Sale.Payment == event.Payment{Brand: "VISA", LastFour: "1111"} }},
		"a currency that is odd": {members: `"paymentState":"PAID","currency":"?","total":1080`, want: "paid payment_complete paid", check: func(e *event.Event) bool { return e.Sale.Total == "" && e.Sale.Currency == "" }},
	} {
		api, r := start(t)
		api.Put(anOrder, `{"id":"TESTORDER0001",`+tt.members+`}`)
		api.Put(returned, `{"id":"TESTORDER0001",`+cmp.Or(tt.back, `"refunds":{}`)+`}`)
		e := one(t, r, updates(t, update)[0])
		got := ""
		if e != nil {
			got = strings.TrimPrefix(e.ID, "clover/"+emulator.CloverMerchant+"/TESTORDER0001/") + " " + string(e.Type) + " " + e.Sale.Status
		}
		if got != tt.want || tt.check != nil && !tt.check(e) {
			t.Errorf("%s: %q, want %q: %+v", name, got, tt.want, e)
		}
	}
}

// TestCustomers: an order may have its customer's id alone.
func TestCustomers(t *testing.T) {
	t.Parallel()
	api, r := start(t)
	api.Put(anOrder, `{"id":"TESTORDER0001","paymentState":"PAID","customers":{"elements":[{"id":"TESTCUSTM0001","firstName":"Tom"}]}}`)
	if e := one(t, r, updates(t, update)[0]); e.Customer != (event.Customer{Name: "Tom"}) {
		t.Errorf("a customer that is gone: %+v", e.Customer)
	}
	api.Put(buyer, `{"id":"TESTCUSTM0001","firstName":"Tom","lastName":"Bell","phoneNumbers":{"elements":[{"phoneNumber":"2025550191"}]},"emailAddresses":{"elements":[{"emailAddress":"tom@example.com"}]}}`)
	if e := one(t, r, updates(t, update)[0]); e.Customer != (event.Customer{Name: "Tom Bell", Phone: "2025550191", Email: "tom@example.com"}) {
		t.Errorf("%+v", e.Customer)
	}
}

// TestHostedCheckoutIsResolved: a payment that was approved is told, whether or not the order knows it yet, and also where Clover has neither of them any more.
func TestHostedCheckoutIsResolved(t *testing.T) {
	t.Parallel()
	approved := decode(t, `{"createdTime":1795185602,"status":"APPROVED","type":"PAYMENT","id":"TESTPAYMT0001","merchantId":"`+emulator.CloverMerchant+`"}`)[0]
	api, r := start(t)
	if e := one(t, r, approved); e == nil || e.ID != approved.ID || e.Sale != approved.Sale {
		t.Errorf("%+v", e)
	}
	api.Put(aPayment, `{"id":"TESTPAYMT0001","order":{"id":"TESTORDER0001"}}`)
	api.Put(anOrder, `{"id":"TESTORDER0001","paymentState":"OPEN","state":"open","currency":"USD","total":1850,"createdTime":1795185602000}`)
	if e := one(t, r, approved); e == nil || !strings.HasSuffix(e.ID, "/TESTORDER0001/paid") || e.Sale.Total != "18.50" || e.Sale.TransactionID != "TESTPAYMT0001" {
		t.Errorf("%+v", e)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for status, class := range map[int]failure.Class{0: failure.Transient, 400: failure.Permanent, 401: failure.Account, 429: failure.Throttled, 500: failure.Transient} {
		api, r := start(t)
		api.Fail(emulator.APIFault{Status: status})
		for _, of := range updates(t, update+`,{"objectId":"P:TESTPAYMT0001","type":"CREATE","ts":1795185603000}`) {
			if _, err := r.Resolve(t.Context(), of); failure.AsError(err).Class != class {
				t.Errorf("HTTP %d: %v", status, err)
			}
		}
	}
	api, r := start(t)
	for _, fault := range []emulator.APIFault{{Status: 404, Body: "<html>"}, {Status: 200, Body: "{}"}} {
		api.Fail(fault)
		if events, err := r.Resolve(t.Context(), updates(t, update)[0]); failure.AsError(err).Class != failure.Transient {
			t.Errorf("a proxy's %d: %v, %v", fault.Status, events, err)
		}
	}
	api.Fail()
	if e := one(t, r, updates(t, update)[0]); e != nil {
		t.Errorf("an order that is gone: %+v", e)
	}
	other := decode(t, `{"merchants":{"OTHERMERCH001":[{"objectId":"O:1","type":"UPDATE","ts":1795185603000}]}}`)[0]
	if _, err := r.Resolve(t.Context(), other); failure.AsError(err).Class != failure.Account {
		t.Errorf("an order of another merchant: %v", err)
	}
	if err := r.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	api.Fail(emulator.APIFault{Status: 503})
	if err := r.Probe(t.Context()); failure.AsError(err).Class != failure.Transient {
		t.Error(err)
	}
}
