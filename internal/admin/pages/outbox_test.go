package pages_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/admin/api"
	"ringup.dev/ringup/internal/admin/pages"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
)

// TestOutbox: messages are found by channel, event and text, on the page as by programs. A masked address cannot be searched for.
func TestOutbox(t *testing.T) {
	t.Parallel()
	for _, reveal := range []bool{false, true} {
		d := admintest.Open(t, admin.Config{Reveal: reveal})
		d.Want(http.StatusOK, d.Ask(http.MethodGet, "/outbox", ""), "Nothing has gone out yet")
		for i, e := range []sandbox.Entry{
			{Channel: message.SMS, EventType: "pos_save", Text: "Your receipt", JobID: "a:sms:1"},
			{Channel: message.WhatsApp, EventType: "order_update", Text: "*Luna* is _ready_ <b>", JobID: "b:whatsapp:1"},
			{Channel: message.Email, EventType: "pos_save", Subject: "Danke", Text: "plain", HTML: `<p>rich</p>`, Headers: []string{"Auto-Submitted: auto-generated"}, JobID: "a:email:1"},
		} {
			e.To, e.SentAt = admintest.Customer.Reveal(), time.Unix(int64(i), 0)
			d.Must(d.Store.Outbox(10).Put(t.Context(), e))
		}
		for query, want := range map[string]string{
			"": "a:email:1 b:whatsapp:1 a:sms:1", "channel=sms": "a:sms:1", "event=pos_save": "a:email:1 a:sms:1", "event=pos_save&channel=email": "a:email:1", "q=DANKE": "a:email:1",
			"q=receipt": "a:sms:1", "q=b:whatsapp:1": "b:whatsapp:1", "q=none": "", "channel=fax": "", "q=%3Cb%3E": "b:whatsapp:1", "q=4242": "a:email:1 b:whatsapp:1 a:sms:1",
			"q=15550104242": map[bool]string{true: "a:email:1 b:whatsapp:1 a:sms:1"}[reveal],
		} {
			var entries []sandbox.Entry
			d.Must(json.Unmarshal(d.Ask(http.MethodGet, "/outbox?"+query, "", "Accept", "application/json").Body.Bytes(), &entries))
			var got []string
			w := d.Ask(http.MethodGet, "/outbox?"+query, "")
			for _, e := range entries {
				got = append(got, e.JobID)
				d.Want(http.StatusOK, w, `<a href="/admin/job?`+url.Values{"id": {e.JobID}}.Encode()+`">`)
			}
			if strings.Join(got, " ") != want || strings.Count(w.Body.String(), "<article") != len(got) {
				t.Errorf("reveal %t, %q: %q, want %q, and %d on the page", reveal, query, got, want, strings.Count(w.Body.String(), "<article"))
			}
			if len(got) == 0 {
				d.Want(http.StatusOK, w, "No message matches.")
			}
			if len(scripts(w.Body.String())) != 0 || strings.Contains(w.Body.String(), "refresh") {
				t.Errorf("%q: %s", query, w.Body)
			}
		}
		w := d.Ask(http.MethodGet, "/outbox?channel=email", "")
		d.Want(http.StatusOK, w, "<option selected>email</option>", "Auto-Submitted: auto-generated", ">plain</pre>")
		if shown := frames(w.Body.String()); len(shown) != 1 || shown[0] != "<p>rich</p>" {
			t.Errorf("frames %q", shown)
		}
		d.Want(http.StatusOK, d.Ask(http.MethodGet, "/outbox?channel=whatsapp", ""), "<b>Luna</b> is <i>ready</i> &lt;b&gt;")
	}
}

// TestOutboxIsBounded: the page has the newest of many messages, and says so.
func TestOutboxIsBounded(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	for i := range 60 {
		d.Must(d.Store.Outbox(100).Put(t.Context(), sandbox.Entry{Channel: message.SMS, To: "x", Text: fmt.Sprintf("text %d.", i), JobID: fmt.Sprintf("w%d:sms:1", i), SentAt: time.Unix(int64(i), 0)}))
	}
	w := d.Ask(http.MethodGet, "/outbox", "")
	d.Want(http.StatusOK, w, "The newest 50 of 60.", "text 59.", "text 10.")
	if strings.Contains(w.Body.String(), "text 9.") {
		t.Error("the page has more")
	}
}

// TestOutboxOfJob: a job that the sandbox sent leads to its message, and no other does.
func TestOutboxOfJob(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	for id, provider := range map[string]string{"a": "sandbox", "b": "twilio"} {
		d.Settled(id, "TXN_1", queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: provider}}})
		w := d.Ask(http.MethodGet, "/admin/job?id="+id+":sms:1", "")
		d.Want(http.StatusOK, w, provider)
		if links := strings.Contains(w.Body.String(), `<a href="/outbox?q=`+id+`%3Asms%3A1">`); links != (provider == "sandbox") {
			t.Errorf("%s: a link (%t)", provider, links)
		}
	}
}

// TestOutboxForm: an address or a name that is searched for is in no URL; an id is, so that a browser can come back to what it found.
func TestOutboxForm(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Reveal: true})
	d.Must(d.Store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: message.SMS, To: admintest.Customer.Reveal(), Text: "Hi Jane", JobID: "a:sms:1", SentAt: time.Unix(0, 0)}))
	d.Must(d.Store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: message.Email, To: "jane@example.com", Text: "two", JobID: "a:email:1", SentAt: time.Unix(0, 0)}))
	for text, found := range map[string]string{"+15550104242": "a:sms:1", "(555) 010-4242": "a:sms:1", "555 010": "", "5550104": "a:sms:1", "Jane@Example.com": "a:email:1", "@example": "a:email:1", "jane@": "a:email:1", "Hi Jane": "a:sms:1", "4242": "a:sms:1", "TXN 1": "", "-": ""} {
		w := d.Ask(http.MethodPost, "/outbox", url.Values{"q": {text}}.Encode())
		d.Want(http.StatusOK, w, "data-live-form", "/admin/static/live.js")
		if n := strings.Count(w.Body.String(), "<article"); (n == 1) != (found != "") || !strings.Contains(w.Body.String(), url.QueryEscape(found)) {
			t.Errorf("%q finds %d messages, want %q", text, n, found)
		}
	}
	for body, to := range map[string]string{"q=TXN_1&channel=sms": "/outbox?channel=sms&q=TXN_1", "q=a:sms:1": "/outbox?q=a%3Asms%3A1", "q=W4242": "/outbox?q=W4242", "event=pos_save": "/outbox?event=pos_save", "": "/outbox?"} {
		w := d.Ask(http.MethodPost, "/outbox", body)
		d.Want(http.StatusSeeOther, w)
		if got := w.Header().Get("Location"); got != to {
			t.Errorf("%q leads to %s, want %s", body, got, to)
		}
		if w := d.Ask(http.MethodGet, to, ""); strings.Contains(w.Body.String(), "data-live-form") {
			t.Errorf("%s is fetched again as a form", to)
		}
	}
}

// TestOutboxOfAnEMail: its head and its source are there.
func TestOutboxOfAnEMail(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Reveal: true})
	d.Must(d.Store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: message.Email, To: "jane@example.com", Subject: "Thanks <b>", HTML: "<p onclick=x>rich &amp; &lt;</p>", Text: "plain", JobID: "a:email:1",
		Headers: []string{"List-Unsubscribe: <https://x.example/u>"}, SentAt: time.Unix(0, 0)}))
	w := d.Ask(http.MethodGet, "/outbox", "")
	d.Want(http.StatusOK, w, "To: jane@example.com\n", "Subject: Thanks <b>\n", "Date: Thu, 01 Jan 1970 00:00:00 +0000\n", "List-Unsubscribe: <https://x.example/u>\n",
		`<pre class="message source">&lt;p onclick=x&gt;rich &amp;amp; &amp;lt;&lt;/p&gt;</pre>`)
	if found := scripts(w.Body.String()); len(found) != 0 {
		t.Errorf("%q is run", found)
	}
}

// TestLargeOutbox: a page has a bounded size, and the newest message however large it is.
func TestLargeOutbox(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	for i, size := range []int{900 << 10, 900 << 10, 900 << 10, 3 << 20} {
		d.Must(d.Store.Outbox(100).Put(t.Context(), sandbox.Entry{Channel: message.Email, To: "x", Subject: "s", HTML: strings.Repeat("x", size), JobID: fmt.Sprintf("w%d:email:1", i), SentAt: time.Unix(int64(i), 0)}))
		want := []int{1, 2, 2, 1}[i]
		if w := d.Ask(http.MethodGet, "/outbox", ""); strings.Count(w.Body.String(), "<article") != want {
			t.Errorf("after %d messages the page has %d, want %d", i+1, strings.Count(w.Body.String(), "<article"), want)
		} else {
			d.Want(http.StatusOK, w, fmt.Sprintf("The newest %d of %d.", want, i+1))
		}
	}
}

// partialOutbox has what two channels have.
type partialOutbox struct{ hostileOutbox }

func (o partialOutbox) List(ctx context.Context) ([]sandbox.Entry, error) {
	entries, _ := o.hostileOutbox.List(ctx)
	return entries, &queue.PartialError{Channels: []message.Channel{message.Email}, Err: queue.ErrUnavailable}
}

// TestOutboxOfSomeChannels: where one channel's Redis is away, the page has the others', and says so.
func TestOutboxOfSomeChannels(t *testing.T) {
	t.Parallel()
	a := admin.New(admin.Options{Queues: &hostileQueue{}, Log: slog.New(slog.DiscardHandler)})
	handler := pages.Handler(a, partialOutbox{hostileOutbox{"a text"}}, api.Path, api.Handler(a))
	for accept, want := range map[string]int{"text/html": http.StatusOK, "application/json": http.StatusServiceUnavailable} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost:8080/outbox", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want || want == http.StatusOK && (!strings.Contains(w.Body.String(), "what is on these channels is missing here") || !strings.Contains(w.Body.String(), "<article")) {
			t.Errorf("%s: HTTP %d %s", accept, w.Code, w.Body)
		}
	}
}
