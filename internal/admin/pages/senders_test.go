package pages_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/queue"
)

// TestSenders is an operator who looks whether a sender reaches ringup, and has webhooks read again or deleted. Whatever a sender or a stranger wrote is text.
func TestSenders(t *testing.T) {
	t.Parallel()
	d := admintest.OpenWith(t, admintest.Options{Config: admin.Config{Token: "right", ViewToken: "look"}})
	const evil = `"><script>alert(1)</script><a href="javascript:x">`
	at := time.Now().UTC().Add(-time.Minute)
	d.Must(d.Store.NoteDeliveries(t.Context(), &queue.Deliveries{Sender: "shopify", Counts: map[string]int64{"accepted": 3, "unauthorized": 1},
		Latest:  []queue.Delivery{{At: at, Topic: evil, Outcome: "accepted", Events: []string{"shopify/luna/1/paid", evil}, Bytes: 812, Header: map[string][]string{"X-Shopify-Topic": {"orders/paid", evil}}}},
		Refused: []queue.Delivery{{At: at.Add(time.Second), Outcome: "unauthorized", Why: "X-Shopify-Hmac-Sha256 does not fit", Header: map[string][]string{evil: {evil}}}}}))
	for _, id := range []string{"one", "two", "three"} {
		d.Must(d.Store.SetAside(t.Context(), &queue.SetAside{ID: id, At: at, Sender: "toast", Why: evil, Bytes: 7, Header: map[string][]string{"Toast-Signature": {"•••"}, "X-Evil": {evil}}, Body: []byte("{body}")}))
	}
	shown := d.Ask(http.MethodGet, "/admin/senders", "", as("ann")...)
	d.Want(http.StatusOK, shown, "shopify", "accepted", "unauthorized", "X-Shopify-Hmac-Sha256 does not fit", "shopify/luna/1/paid", "X-Shopify-Topic: orders/paid", "Toast-Signature: •••", "Set aside", "Replay all", "Delete for good")
	page := shown.Body.String()
	if strings.Contains(page, "<script>alert") || strings.Contains(page, `href="javascript`) || strings.Contains(page, "{body}") {
		t.Errorf("the page has what a stranger wrote:\n%s", page)
	}
	if looks := d.Ask(http.MethodGet, "/admin/senders", "", "Authorization", "Bearer look").Body.String(); strings.Contains(looks, "/admin/senders/replay") || strings.Contains(looks, "/admin/senders/delete") {
		t.Error("who may only look is offered buttons")
	}
	for _, step := range []struct{ path, form, says, left string }{
		{"/admin/senders/delete", "id=one", "1 webhook deleted.", "three two"},
		{"/admin/senders/delete", "id=one", "0 webhooks deleted.", "three two"},
		{"/admin/senders/replay", "id=two", "1 webhook will be read again", "three two"},
		{"/admin/senders/replay", "", "2 webhooks will be read again", "three two"},
	} {
		w := d.Ask(http.MethodPost, step.path, step.form, as("ann")...)
		d.Want(http.StatusSeeOther, w)
		d.Want(http.StatusOK, d.Ask(http.MethodGet, w.Header().Get("Location"), "", as("ann")...), step.says)
		var logs admin.SenderLogs
		d.Must(json.Unmarshal(d.Ask(http.MethodGet, "/admin/api/senders", "", as("ann")...).Body.Bytes(), &logs))
		var ids []string
		for _, one := range logs.Aside {
			ids = append(ids, one.ID)
		}
		slices.Sort(ids)
		if got := strings.Join(ids, " "); got != step.left {
			t.Errorf("after %+v: %q", step, got)
		}
	}
	// What a script makes of no ids is not all of them.
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/senders/delete", "id=", as("ann")...), "without an id")
	for _, body := range []string{`{"ids":[]}`, `{"ids":[""]}`, `{"ids":["two",""]}`} {
		for _, path := range []string{"/admin/api/senders/delete", "/admin/api/senders/replay"} {
			d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, path, body, append(as("ann"), "Content-Type", "application/json")...), "without an id")
		}
	}
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/audit", "", as("ann")...), "delete-aside", "replay-aside")
}
