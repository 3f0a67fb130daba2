package ingest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// TestHabitsOfTills: what a till writes in its own way is taken, and what could not be read is named in the answer.
func TestHabitsOfTills(t *testing.T) {
	t.Parallel()
	of := shop(message.SMS)
	of.TimeZone = "Asia/Tokyo"
	head := `{"id":"w1","event_type":"payment_complete","timestamp":"2026-11-25T12:00:00Z","source":"till","data":`
	for name, tt := range map[string]struct {
		body  string
		notes string
		check func(*event.Event) bool
	}{
		"a mug comes back": {head + `{"amount":-20.00,"status":"refunded","items":[{"name":"Mug","quantity":-1,"price":20.00}]}}`, "",
			func(e *event.Event) bool { return e.Items[0].Quantity == "-1" && e.Sale.Total == "-20.00" }},
		"a sofa in rupiah, by a till in Java": {head + `{"amount":1.25E7,"currency":"IDR","items":[{"name":"Sofa","quantity":1,"price":1.25E7}]}}`, "",
			func(e *event.Event) bool { return e.Sale.Total == "12500000" && e.Items[0].UnitPrice == "12500000" }},
		"half an emoji":     {head + `{"customerName":"Jo \ud83d"}}`, "", func(e *event.Event) bool { return e.Customer.Name == "Jo \ufffd" }},
		"a byte order mark": {"\ufeff" + head + `{"amount":4.5}}`, "", func(e *event.Event) bool { return e.Sale.Total == "4.5" }},
		"local time": {strings.Replace(head, "00Z", "00", 1) + `{}}`, "",
			func(e *event.Event) bool { return e.At.Equal(time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)) }},
		"a time that is none": {strings.Replace(head, "T12:00:00Z", "", 1) + `{}}`, "timestamp", func(e *event.Event) bool { return time.Since(e.At) < time.Hour }},
		"numbers for texts": {strings.Replace(head, `"w1"`, `1042`, 1) + `{"orderId":1042,"customerPhone":15551234567}}`, "",
			func(e *event.Event) bool {
				return e.ID == "1042" && e.Sale.OrderID == "1042" && e.Customer.Phone == "15551234567"
			}},
		"texts for numbers":          {head + `{"amount":"12.50","tip":""}}`, "", func(e *event.Event) bool { return e.Sale.Total == "12.50" && e.Sale.Tip == "" }},
		"a zone of Windows":          {head + `{"timezone":"Tokyo Standard Time"}}`, "", func(e *event.Event) bool { return e.Customer.TimeZone == "Asia/Tokyo" }},
		"a name that a till escapes": {head + `{"customerName":"O&#039;Brien"}}`, "", func(e *event.Event) bool { return e.Customer.Name == "O'Brien" }},
		"no name":                    {head + `{"customerName":"undefined undefined"}}`, "", func(e *event.Event) bool { return e.Customer.Name == "" }},
		"nothing can be read": {head + `{"currency":"dollar","amount":"twelve","timezone":"here","items":[{"price":true},{"price":"1,234"}]}}`,
			"data.amount data.currency data.timezone data.items[0].price data.items[1].price", func(e *event.Event) bool { return len(e.Items) == 2 }},
	} {
		b := setupFor(t, of, nil)
		resp, answer := b.post(t, "/webhooks/pos", tt.body, nil)
		if resp.StatusCode != http.StatusAccepted || answer["status"] != "accepted" || !tt.check(b.queue.took[0].Event) {
			t.Errorf("%s: HTTP %d %v, %+v", name, resp.StatusCode, answer, b.queue.took)
			continue
		}
		if got := notes(answer); got != tt.notes {
			t.Errorf("%s: notes of %q, want %q", name, got, tt.notes)
		}
		// The dry run says the same.
		resp, answer = b.post(t, "/webhooks/test", tt.body, nil)
		would, _ := answer["would"].(map[string]any)
		if resp.StatusCode != http.StatusOK || answer["valid"] != true || notes(would) != tt.notes {
			t.Errorf("%s: test: HTTP %d %v", name, resp.StatusCode, answer)
		}
		if strings.Contains(b.log.String(), "dollar") {
			t.Errorf("the log has the value: %s", b.log)
		}
	}
}

// notes returns the paths of an answer's notes.
func notes(answer map[string]any) string {
	list, ok := answer["notes"].([]any)
	if !ok {
		return "no list of notes"
	}
	var paths []string
	for _, n := range list {
		paths = append(paths, n.(map[string]any)["path"].(string))
	}
	return strings.Join(paths, " ")
}

// TestNotesAreCounted: by field, whatever the item.
func TestNotesAreCounted(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	b := setupIn(t, registry, shop(message.SMS), nil)
	b.post(t, "/webhooks/pos", sampleWith(`{"currency":"dollar","items":[{"price":"x"},{"price":"y","quantity":"z"}]}`), nil)
	b.post(t, "/webhooks/pos", sampleWith(`{"currency":"$"}`), nil)
	b.post(t, "/webhooks/pos", sampleWith(`{"currency":"$","amount":[]}`), nil) // refused
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "ringup_webhook_notes_total" {
				got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	want := map[string]float64{"data.currency": 2, "data.items[].price": 2, "data.items[].quantity": 1}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTestOrders: a test order is answered 200 and goes nowhere, unless SEND_TEST_ORDERS says so.
func TestTestOrders(t *testing.T) {
	t.Parallel()
	body := sampleWith(`{"test":true,"customerPhone":"+15550100001"}`)
	dryRun := func(b *bundle) int {
		_, answer := b.post(t, "/webhooks/test", body, nil)
		return len(answer["would"].(map[string]any)["jobs"].([]any))
	}
	b := setup(t, nil)
	if n := dryRun(b); n != 0 {
		t.Errorf("the dry run says %d jobs", n)
	}
	resp, answer := b.post(t, "/webhooks/pos", body, nil)
	if resp.StatusCode != http.StatusOK || answer["status"] != "test" || answer["id"] != "w1" || len(answer["jobs"].([]any)) != 0 || len(b.queue.took) != 0 {
		t.Errorf("HTTP %d %v", resp.StatusCode, answer)
	}
	b = setup(t, func(c *Config) { c.SendTestOrders = true })
	resp, answer = b.post(t, "/webhooks/pos", body, nil)
	if resp.StatusCode != http.StatusAccepted || answer["status"] != "accepted" || len(b.queue.took) != 1 {
		t.Errorf("SEND_TEST_ORDERS: HTTP %d %v", resp.StatusCode, answer)
	}
	if n := dryRun(b); n == 0 {
		t.Error("SEND_TEST_ORDERS: the dry run says no jobs")
	}
}

// TestIDsInPaths: an id is asked for as a segment of a path, decoded once.
func TestIDsInPaths(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for _, id := range []string{"w/1 ü", "%", "a%2Fb", "sale-50%off", "a/b", "%25", "a+b", ".", "..", "ü", "a?b#c", "%2e", "a:sms:1", "100%"} {
		b.queue.known = id
		for _, asked := range []string{id, "%" + id, strings.ReplaceAll(id, "%", "%25")} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/v1/notifications/"+strings.ReplaceAll(url.PathEscape(asked), ".", "%2E"), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer token")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			var found struct{ ID string }
			want := map[bool]int{true: 200, false: 404}[asked == id]
			if err != nil || json.Unmarshal(body, &found) != nil || resp.StatusCode != want || want == 200 && found.ID != id {
				t.Errorf("%q of %q: HTTP %d %s, want %d", asked, id, resp.StatusCode, body, want)
			}
		}
	}
}
