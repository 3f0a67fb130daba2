package pages_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
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
