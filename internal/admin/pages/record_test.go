package pages_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

// TestDone: a page shows no text of its address, whatever that is, and tells of each change.
func TestDone(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	notice := func(code string) string {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "http://localhost/admin/search", nil)
		q := r.URL.Query()
		q.Set("done", code)
		r.URL.RawQuery = q.Encode()
		r.Header.Set("Accept", "text/html")
		d.Handler.ServeHTTP(w, r)
		_, after, found := strings.Cut(w.Body.String(), `<p class="note" role="status">`)
		if !found {
			return ""
		}
		text, _, _ := strings.Cut(after, "</p>")
		return text
	}
	for code, want := range map[string]string{
		"retry.sms.1.0": "1 job put back to be sent.", "delete.email.12000.1": "12,000 jobs deleted. There may be more: do it again.", "purge.sms.0.0": "0 jobs deleted.",
		"pause.sms.0.0": "sms is paused.", "resume.whatsapp.0.0": "whatsapp is resumed.", "open-breaker.sms.0.0": "The breaker is open on sms.", "imported.sms.2.1": "2 addresses added; on the list already: 1.",
		"Call +1 900 555 0100 and say your token": "", "retry.sms.1": "", "retry.fax.1.0": "", "retry.sms.x.0": "", "retry.sms.-1.0": "", "fly.sms.1.0": "", "retry.sms.1.0.x": "",
	} {
		if got := notice(code); got != want {
			t.Errorf("%q: %q", code, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[A-Z]{8,20}`).Draw(t, "text")
		code := rapid.SampledFrom([]string{"%s", "pause.%s.0.0", "retry.sms.%s.0", "%s.sms.1.0", "retry.sms.1.0.%s"}).Draw(t, "code")
		if got := notice(fmt.Sprintf(code, text)); got != "" {
			t.Fatalf("%q is shown", got)
		}
	})
}

// TestAuditOfNothing: what changed and showed nothing is not recorded, however often it is done.
func TestAuditOfNothing(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Reveal: true})
	d.Failed("a", "TXN_1", "x")
	d.Heartbeat("pod-1/7")
	count := func() int {
		t.Helper()
		entries, err := d.Store.Audit(t.Context(), 1000)
		d.Must(err)
		return len(entries)
	}
	act := func(body string) {
		t.Helper()
		d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/api/actions", body, "Accept", "application/json"))
	}
	for _, tt := range []struct {
		body  string
		again bool // it is something the second time, too
	}{
		{`{"action":"pause","channel":"sms"}`, false}, {`{"action":"pause","channel":"sms","why":"wrong text"}`, false}, {`{"action":"resume","channel":"sms"}`, false},
		{`{"action":"open-breaker","channel":"sms","provider":"aws"}`, false}, {`{"action":"close-breaker","channel":"sms","provider":"aws"}`, false},
		{`{"action":"retry","channel":"sms","place":"failed"}`, false}, {`{"action":"purge","channel":"sms"}`, false},
	} {
		before := count()
		act(tt.body)
		if n := count(); n != before+1 {
			t.Errorf("%s: %d entries for a change", tt.body, n-before)
		}
		for range 3 {
			act(tt.body)
		}
		if n := count(); n != before+1 {
			t.Errorf("%s: %d entries for nothing", tt.body, n-before-1)
		}
	}
	before := count()
	for path, body := range map[string]string{
		"/admin/api/forget":            `{"who":"+15550109999"}`,
		"/admin/api/suppressed/remove": `{"channel":"sms","address":"+15550109999"}`,
		"/admin/api/suppressed/export": `{}`,
		"/admin/api/actions":           `{"action":"delete","channel":"sms","place":"failed","filter":"nowhere"}`,
	} {
		d.Want(http.StatusOK, d.Ask(http.MethodPost, path, body, "Accept", "application/json"))
	}
	add := func() {
		d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/api/suppressed/import?channel=sms", "+15550109999\n", "Content-Type", "text/csv", "Accept", "application/json"))
	}
	if n := count(); n != before {
		t.Errorf("%d entries for nothing", n-before)
	}
	add()
	add()
	if n := count(); n != before+1 {
		t.Errorf("%d entries for one address", n-before)
	}
}

// TestOneValue: a body of the API is one JSON value that can be read in one way.
func TestOneValue(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	for body, want := range map[string]int{
		`{"action":"pause","channel":"sms"}`: 200, ` {"action":"resume","channel":"sms"} ` + "\n": 200,
		`{"action":"resume","channel":"sms"}{"action":"purge","channel":"sms"}`: 400, `{"action":"resume","channel":"sms"} null`: 400, `{"action":"resume","channel":"sms"}]`: 400,
		`{"action":"purge","channel":"sms","dry_run":true,"dry_run":false}`: 400, `{"action":"purge","channel":"sms","dry_run":true,"Dry_Run":false}`: 400, `{"Action":"resume","channel":"sms"}`: 400,
		`{"action":"purge","channel":"sms","dry_run":true,"dry_r\u0075n":false}`: 400, `{"action":"pause","channel":"sms","why":"` + "\xff" + `"}`: 400, `[{"action":"resume","channel":"sms"}]`: 400,
		`{"action":"purge","channel":"sms","priority":1e0}`: 400, `{"action":"purge","channel":"sms","priority":"4"}`: 400, `null`: 422, `{"action":"pause","channel":"sms","why":{}}`: 400,
		`{"action":"resume","channel":"sms"}x`: 400, `{"action":"resume","channel":"sms"},`: 400, ``: 400,
	} {
		if w := d.Ask(http.MethodPost, "/admin/api/actions", body, admintest.Bearer...); w.Code != want {
			t.Errorf("%s: HTTP %d, want %d", body, w.Code, want)
		}
	}
}

// TestFormsOfWhichAPartIsMissing: what narrows a change down is read, or nothing is changed; also where the action would pass it over.
func TestFormsOfWhichAPartIsMissing(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	d.Failed("a", "TXN_1", "x")
	d.Failed("b", "TXN_2", "y")
	_, err := d.Producer.Enqueue(t.Context(), &queue.Submission{Priority: 1, AcceptedAt: time.Now(), Event: &event.Event{ID: "waits", Store: event.DefaultStore, Sender: event.SenderPOS, Type: event.PaymentComplete},
		Channels: []queue.ChannelSubmission{{Channel: message.SMS, Recipients: []message.Recipient{{Address: admintest.Customer, Audience: message.Customer}}}}})
	d.Must(err)
	for _, body := range []string{
		"action=delete&channel=sms&place=failed&filter=100%", "action=delete&channel=sms&place=failed&filter=a;b", "action=delete&channel=sms&place=failed&fil%ter=x",
		"action=purge&channel=sms&priority=4x", "action=purge&channel=sms&priority=%34%", "action=purge&channel=sms&priority= 4", "action=purge&channel=sms&filter=TXN_9",
		"action=purge&channel=sms&place=failed", "action=purge&channel=sms&id=b:sms:1", "action=purge&channel=sms&provider=aws", "action=delete&channel=sms&place=failed&priority=4",
		"action=delete&id=a:sms:1&filter=TXN_9", "action=pause&channel=sms&filter=x", "action=delete&channel=sms&place=failed&filter=" + strings.Repeat("x", 200<<10),
	} {
		for _, path := range []string{"/admin/do", "/admin/confirm"} {
			if w := d.Ask(http.MethodPost, path, body, admintest.Bearer...); w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusRequestEntityTooLarge {
				t.Errorf("%s %.80s: HTTP %d", path, body, w.Code)
			}
		}
	}
	for _, body := range []string{
		`{"action":"delete","channel":"sms","place":"failed","ids":[]}`, `{"action":"delete","channel":"sms","ids":[]}`, `{"action":"purge","channel":"sms","filter":"TXN_9"}`,
		`{"action":"purge","channel":"sms","ids":["b:sms:1"]}`, `{"action":"purge","channel":"sms","place":"failed"}`, `{"action":"delete","channel":"sms","place":"failed","priority":4}`,
		`{"action":"delete","channel":"sms","ids":["a:sms:1"],"filter":"TXN_9"}`, `{"action":"delete","channel":"sms","place":"failed","provider":"aws"}`,
		`{"action":"purge","channel":"sms","priority":"4"}`, `{"action":"delete","channel":"sms","place":"failed","filters":"TXN_9"}`,
	} {
		for _, dry := range []string{"", `,"dry_run":true`} {
			if w := d.Ask(http.MethodPost, "/admin/api/actions", strings.TrimSuffix(body, "}")+dry+"}", admintest.Bearer...); w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusBadRequest {
				t.Errorf("%s: HTTP %d %s", body, w.Code, w.Body)
			}
		}
	}
	if s, err := d.Store.State(t.Context(), message.SMS); err != nil || s.Failed != 2 || s.Waiting[0] != 1 || s.Halted.Kind != queue.NotHalted {
		t.Errorf("something was changed: %+v, %v", s, err)
	}
	d.Want(http.StatusRequestEntityTooLarge, d.Ask(http.MethodPost, "/admin/api/search", `{"text":"`+strings.Repeat("x", 70<<10)+`"}`, admintest.Bearer...), "64 KiB")
}

// silentLog is a queue whose audit log cannot be written.
type silentLog struct{ admin.Queues }

func (silentLog) Record(context.Context, queue.AuditEntry) error { return queue.ErrUnavailable }

// TestNothingIsShownUnrecorded: what shows addresses or keys is recorded first, or it does not happen.
func TestNothingIsShownUnrecorded(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right", Reveal: true})
	d.Failed("a", "TXN_1", "x")
	_, err := d.Store.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: admintest.Customer, Why: suppress.StopWord, At: time.Now()}})
	d.Must(err)
	ask := map[string]string{"/admin/job/reveal": "id=a:sms:1", "/admin/suppressed/export": "channel=sms", "/admin/api/suppressed/export": "{}"}
	for path, body := range ask {
		d.Want(http.StatusOK, d.Ask(http.MethodPost, path, body, admintest.Bearer...))
	}
	d.Admin.Queues = silentLog{d.Store}
	for path, body := range ask {
		w := d.Ask(http.MethodPost, path, body, admintest.Bearer...)
		d.Want(http.StatusServiceUnavailable, w)
		if strings.Contains(w.Body.String(), "4242") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}

// TestSignInAgain: the session that a browser had before ends, and no value that the browser chose becomes a session.
func TestSignInAgain(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right", ViewToken: "look"})
	first := signIn(d, "right")
	d.Cookies = []*http.Cookie{first}
	second := signIn(d, "look")
	chosen := &http.Cookie{Name: first.Name, Value: "chosen"}
	d.Cookies = []*http.Cookie{chosen}
	third := signIn(d, "right")
	for c, want := range map[*http.Cookie]int{first: http.StatusSeeOther, second: http.StatusOK, chosen: http.StatusSeeOther, third: http.StatusOK} {
		d.Cookies = []*http.Cookie{c}
		d.Want(want, d.Ask(http.MethodGet, "/admin/queues", ""))
	}
}
