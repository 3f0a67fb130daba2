package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// TestTheQueueResolve: it is shown once it is in use, and is worked with as a channel is; no list of addresses is its.
func TestTheQueueResolve(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	if w := d.Ask(http.MethodGet, "/admin/api/queues", "", admintest.Bearer...); strings.Contains(w.Body.String(), "resolve") {
		t.Errorf("%s", w.Body)
	}
	e := &event.Event{ID: "w", Store: event.DefaultStore, Sender: "square", Type: event.OrderUpdate, Sale: event.Sale{OrderID: "ORD_77"}, Lookup: "order=ORD_77"}
	_, err := d.Producer.Enqueue(t.Context(), &queue.Submission{Event: e, Priority: 4, AcceptedAt: time.Now(), Channels: []queue.ChannelSubmission{
		{Channel: message.Resolve, Recipients: []message.Recipient{{Address: "square", Audience: message.Customer}}}}})
	d.Must(err)
	ask := func(status int, method, path, body string, texts ...string) {
		t.Helper()
		d.Want(status, d.Ask(method, path, body, admintest.Bearer...), texts...)
	}
	ask(http.StatusOK, http.MethodGet, "/admin/api/queues", "", `"resolve":{`)
	ask(http.StatusOK, http.MethodGet, "/admin/api/queues/resolve/waiting", "", `"id":"w:resolve:1"`)
	ask(http.StatusOK, http.MethodGet, "/admin/api/job?id=w:resolve:1", "", `"place":"waiting"`)
	ask(http.StatusOK, http.MethodPost, "/admin/api/search", `{"text":"ORD_77"}`, `"id":"w:resolve:1"`)
	ask(http.StatusOK, http.MethodPost, "/admin/api/actions", `{"action":"pause","channel":"resolve"}`)
	ask(http.StatusOK, http.MethodGet, "/admin/api/queues", "", `"halted":"paused`)
	ask(http.StatusUnprocessableEntity, http.MethodGet, "/admin/api/suppressed/resolve", "")
	for _, page := range []string{"/admin/queues", "/admin/queues/resolve/waiting", "/admin/jobs/w:resolve:1"} {
		if w := d.Ask(http.MethodGet, page, "", admintest.Bearer...); w.Code >= 500 {
			t.Errorf("%s: HTTP %d", page, w.Code)
		}
	}
}
