package pages_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/queue"
)

// TestFoundAgain: a message is found by what a person knows of it, also when more messages have followed than the queue keeps.
func TestFoundAgain(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	sent := queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM1"}}}
	d.Settled("the-one", "TXN_1", sent)
	for i := range 120 { // KEEP_COMPLETED is 100
		d.Settled(fmt.Sprint("later-", i), fmt.Sprint("TXN_L", i), sent)
	}
	search := func(body string) (found admin.SearchResult) {
		t.Helper()
		w := d.Ask(http.MethodPost, "/admin/api/search", body, admintest.Bearer...)
		d.Want(http.StatusOK, w)
		d.Must(json.Unmarshal(w.Body.Bytes(), &found))
		return found
	}
	for body, want := range map[string]int{
		`{"text":"TXN_1"}`: 1, `{"text":"txn_1"}`: 1, `{"text":"TXN_1","channel":"sms","status":"sent","provider":"twilio"}`: 1,
		`{"text":"TXN_1","channel":"email"}`: 0, `{"text":"TXN_1","status":"failed"}`: 0, `{"text":"TXN_1","provider":"aws"}`: 0,
		`{"text":"TXN_1","to":"2020-01-01T00:00:00Z"}`: 0, `{"text":"TXN_1","from":"2120-01-01T00:00:00Z"}`: 0, `{"text":"TXN"}`: 0,
	} {
		found := search(body)
		if len(found.Webhooks) != want || !found.End || want == 1 && (found.Webhooks[0].ID != "the-one" || len(found.Webhooks[0].Notifications) != 1) {
			t.Errorf("%s: %+v", body, found)
		}
	}
	// All of them are one person's: the latest first, in parts, each once.
	seen, body := map[string]bool{}, `{"text":"(555) 010-4242"}`
	for range 10 {
		found := search(body)
		for _, one := range found.Webhooks {
			if seen[one.ID] {
				t.Errorf("%s came twice", one.ID)
			}
			seen[one.ID] = true
		}
		if found.End {
			break
		}
		body = fmt.Sprintf(`{"text":"(555) 010-4242","to":%q}`, found.Back.Format("2006-01-02T15:04:05.999999999Z07:00"))
	}
	if len(seen) != 121 {
		t.Errorf("%d webhooks were found, want 121", len(seen))
	}

	page := d.Ask(http.MethodPost, "/admin/search", url.Values{"q": {"TXN_1"}, "status": {"sent"}}.Encode(), "Authorization", "Bearer right", "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded")
	d.Want(http.StatusOK, page, "the-one:sms:1", "Looked through all webhooks that were accepted since", `<option value="sent" selected>`)
	if strings.Contains(page.Body.String(), "4242\"") && strings.Contains(page.Body.String(), admintest.Customer.Reveal()) {
		t.Error("the page has an address")
	}
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/search", "q=TXN_1&to=yesterday", "Authorization", "Bearer right", "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded"))
}
