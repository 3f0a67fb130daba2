package pages_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/admin/api"
	"ringup.dev/ringup/internal/admin/pages"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
)

// TestMend is the operator's night: a customer asks for a receipt.
func TestMend(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	d.Failed("hook<script>1", "TXN_42", "permanent: invalid_recipient")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues", ""), "payment_complete", ">1</a>")
	found := d.Ask(http.MethodPost, "/admin/search", "q=TXN_42")
	d.Want(http.StatusOK, found, "+•••4242", "invalid_recipient", "hook&lt;script&gt;1")
	if strings.Contains(found.Body.String(), "<script>1") {
		t.Error("what a POS sends is run")
	}
	link := regexp.MustCompile(`href="(/admin/job\?id=[^"]+)"`).FindStringSubmatch(found.Body.String())[1]
	job := d.Ask(http.MethodGet, link, "")
	d.Want(http.StatusOK, job, "accepted", "attempt 1", "through twilio", "pod-1/7", "Hi John Doe", "$12.50", ">Retry</a>")
	if strings.Contains(job.Body.String(), "5550104242") || strings.Contains(job.Body.String(), "Show the whole") {
		t.Error("the address is shown, or offered")
	}
	id := url.QueryEscape("hook<script>1:sms:1")
	d.Want(http.StatusForbidden, d.Ask(http.MethodPost, "/admin/job/reveal", "id="+id))
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/confirm?action=retry&id="+id, ""), "Retry 1 job of sms?")
	d.Want(http.StatusSeeOther, d.Ask(http.MethodPost, "/admin/do", "action=retry&why=asked&id="+id))
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/do", "action=retry&id="+id), "is waiting: that cannot be changed")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/audit", ""), "local", "retry", "asked", "hook&lt;script&gt;1:sms:1")
	d.Settle(queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM9"}}})
	d.Want(http.StatusOK, d.Ask(http.MethodGet, link, ""), "retried", "by local", "SM9")
	d.Want(http.StatusNotFound, d.Ask(http.MethodGet, "/admin/nothing", ""), "there is nothing here")
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodGet, "/admin/job?id=nobody:sms:1", ""), "nothing is known of job")
}

func TestReveal(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Reveal: true})
	d.Failed("a", "TXN_1", "x")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/job?id=a:sms:1", ""), "Show the whole address")
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/job/reveal", "id=a:sms:1"), "+15550104242")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/audit", ""), "reveal", "a:sms:1")
	if log := d.Log.String(); !strings.Contains(log, "action=reveal") || strings.Contains(log, "0104242") {
		t.Errorf("the log: %s", log)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{ReadOnly: true})
	d.Failed("a", "TXN_1", "x")
	w := d.Ask(http.MethodGet, "/admin/queues", "")
	d.Want(http.StatusOK, w, "read only")
	if strings.Contains(w.Body.String(), "Pause") {
		t.Error("an action is offered")
	}
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/do", "action=delete&id=a:sms:1"), "ADMIN_READ_ONLY")
}

// TestScheduled: jobs that quiet hours or a cap stop can be seen, and checked again.
func TestScheduled(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	d.Settled("a", "TXN_1", queue.Settlement{Outcome: queue.Hold{Delay: time.Hour, Error: "quiet hours where the customer is, until tomorrow"}})
	d.Settled("b", "TXN_1", queue.Settlement{Outcome: queue.Hold{Delay: time.Hour, Error: "the daily cap of sms is reached, until tomorrow"}})
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues", ""), `<a href="/admin/queues/sms/held">2</a>`)
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues/sms/held", ""), "sms: scheduled", "2 jobs", "quiet hours where the customer is", "Try all now", "in 59 min")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/job?id=a:sms:1", ""), `<p class="note waits">quiet hours`, ">Try now</a>", ">Delete</a>")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/confirm?action=retry&id=a:sms:1", ""), "Retry 1 job of sms? Quiet hours, limits, caps", "is scheduled again, or ends unsent.")
	d.Want(http.StatusSeeOther, d.Ask(http.MethodPost, "/admin/do", "action=retry&id=a:sms:1"))
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/api/queues/sms/held", "", "Accept", "application/json"), `"total":1`, `"id":"b:sms:1"`)
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/api/queues/sms/waiting", "", "Accept", "application/json"), `"id":"a:sms:1"`)
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/api/actions", `{"action":"delete","channel":"sms","place":"held","filter":"daily cap"}`, "Accept", "application/json"), `"jobs":1`)
	if s, err := d.Store.State(t.Context(), message.SMS); err != nil || s.Held != 0 || s.Totals.Held != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestDelivery: a job's page shows the delivery reports.
func TestDelivery(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	d.Settled("silent", "TXN_1", queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "aws", MessageID: "1"}, NoReports: true}})
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/job?id=silent:sms:1", ""), "aws does not report deliveries")
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/search", "q=silent"), "deliveries are not reported")
	d.Settled("told", "TXN_1", queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM1"}}})
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/job?id=told:sms:1", ""), "twilio reports deliveries, and no report has come yet")
	d.Settled("suppressed", "TXN_1", queue.Settlement{Outcome: queue.Suppress{Error: "the recipient is suppressed on this channel: stop"}})
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/job?id=suppressed:sms:1", ""), ">suppressed</span>", "the recipient is suppressed on this channel: stop")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues", ""), "<dd>1<small>")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	deliveries := d.Store.Deliveries(prometheus.NewRegistry())
	ended := make(chan struct{})
	go func() { deliveries.Run(ctx); close(ended) }()
	at := time.Now().Add(-time.Minute)
	d.Must(deliveries.Accept(t.Context(), report.Update{Reports: []report.Report{
		{EventID: "1", Provider: "twilio", Channel: message.SMS, JobID: "told:sms:1", State: report.Sent, At: at},
		{EventID: "2", Provider: "twilio", Channel: message.SMS, JobID: "told:sms:1", State: report.Delivered, At: at.Add(time.Second)},
	}}))
	redistest.Eventually(t, "the reports are applied", func() bool {
		n, err := d.Store.Notifications(t.Context(), "told")
		return err == nil && n.Notifications[0].Status == queue.StatusDelivered
	})
	cancel()
	<-ended
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/job?id=told:sms:1", ""), "<b>handed on</b>, reported by twilio", "<b>delivered</b>, reported by twilio")
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/search", "q=told"), `<span class="tag good">delivered</span>`)
}

// TestFallback: a message that fell back to another channel is found from either side.
func TestFallback(t *testing.T) {
	t.Parallel()
	d := admintest.OpenWith(t, admintest.Options{Fallback: map[string]string{"whatsapp": "sms"}})
	_, err := d.Producer.Enqueue(t.Context(), &queue.Submission{Priority: 1, AcceptedAt: time.Now(),
		Event:    &event.Event{ID: "a", Store: event.DefaultStore, Sender: event.SenderPOS, Type: event.PaymentComplete},
		Channels: []queue.ChannelSubmission{{Channel: message.WhatsApp, Recipients: []message.Recipient{{Address: admintest.Customer, Audience: message.Customer}}}}})
	d.Must(err)
	consumer := d.Consumer(message.WhatsApp, "business")
	_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	d.Must(err)
	failure := &failure.Error{Class: failure.Permanent}
	_, _, err = consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Fail{Error: failure.Error(), FallBack: true}}}, nil, nil)
	d.Must(err)
	const link = `<a href="/admin/job?id=a%3Awhatsapp%3A1%3Asms%3A1">`
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/job?id=a:whatsapp:1", ""), "Fell back to "+link)
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/search", "q=a:whatsapp:1"), link+"fell back to a:whatsapp:1:sms:1</a>")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/job?id=a:whatsapp:1:sms:1", ""), `Fallback from <a href="/admin/job?id=a%3Awhatsapp%3A1">`)
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/api/job?id=a:whatsapp:1:sms:1", "", "Accept", "application/json"), `"moved_from":"a:whatsapp:1"`)
}

// waitingQueue has waiting jobs to purge.
type waitingQueue struct {
	admin.Queues // nil: a purge does not call the rest

	waiting int
}

func (q *waitingQueue) Purge(context.Context, message.Channel, int, string) (int, error) {
	n := min(q.waiting, 1000)
	q.waiting -= n
	return n, nil
}

func (q *waitingQueue) Record(context.Context, queue.AuditEntry) error { return nil }

// TestMore: a page asks to repeat a purge where it stopped at its limit, and only there.
func TestMore(t *testing.T) {
	t.Parallel()
	for waiting, more := range map[int]bool{9_999: false, 10_000: false, 15_000: false, 99_999: false, 250_000: true} {
		a := admin.New(admin.Options{Queues: &waitingQueue{waiting: waiting}, Log: slog.New(slog.DiscardHandler)})
		r := httptest.NewRequest(http.MethodPost, "http://localhost:8080/admin/do", strings.NewReader("action=purge&channel=sms"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		pages.Handler(a, hostileOutbox{}, api.Path, api.Handler(a)).ServeHTTP(w, r)
		to, err := w.Result().Location()
		if err != nil {
			t.Fatalf("HTTP %d: %v", w.Code, err)
		}
		if done := to.Query().Get("done"); !strings.HasPrefix(done, "purge.sms.") || strings.HasSuffix(done, ".1") != more {
			t.Errorf("%d waiting jobs: %q", waiting, done)
		}
	}
}

func TestSpending(t *testing.T) {
	t.Parallel()
	d := admintest.OpenWith(t, admintest.Options{Caps: []string{"sms=0.02", "sms/kiosk-7=1"}})
	for i, source := range []string{"kiosk-7", "till", "kiosk-7"} {
		d.Settled(fmt.Sprint("w", i), "TXN_1", queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio"},
			Cost: queue.Cost{Event: "payment_complete", Source: source, Micros: 7900}}})
	}
	page := d.Ask(http.MethodGet, "/admin/spending", "")
	d.Want(http.StatusOK, page, "0.0237", "EUR", ">118%</span>", ">1%</span>", "kiosk-7", "payment_complete", "0.0158")
	if n := strings.Count(page.Body.String(), `<tr><td class="day">20`); n != 7 {
		t.Errorf("%d days are listed", n)
	}
	json := []string{"Accept", "application/json"}
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/api/spending?days=1", "", json...), `"total":"0.0237"`, `"by":[{"channel":"sms","event":"payment_complete","source":"kiosk-7","amount":"0.0158"},`,
		`{"name":"sms","most":"0.02","spent":"0.0237","percent":118}`)
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues", ""), "Spent today", "0.0237")
	for _, days := range []string{"0", "41", "x"} {
		d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodGet, "/admin/api/spending?days="+days, "", json...), "1 to 40")
	}
	// Without prices the overview shows no costs.
	free := admintest.Open(t, admin.Config{})
	if w := free.Ask(http.MethodGet, "/admin/queues", ""); strings.Contains(w.Body.String(), "Spent today") {
		t.Error("costs are shown")
	}
	free.Want(http.StatusOK, free.Ask(http.MethodGet, "/admin/spending?days=30", ""), "No costs")
	free.Redis.Kill()
	w := httptest.NewRecorder()
	free.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/admin/spending", nil))
	free.Want(http.StatusServiceUnavailable, w)
}

// TestBackToASearch: a search for an id has an address to come back to; one for a name or an address has none, and is not made for a link.
func TestBackToASearch(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	d.Failed("hook_7", "TXN_42", "x")
	for text, has := range map[string]bool{"TXN_42": true, "hook_7:sms:1": true, "John": false, "John Doe": false, "+15550104242": false, "5550104242": false, "jo3@example.com": false} {
		found, at := d.Ask(http.MethodPost, "/admin/search", url.Values{"q": {text}}.Encode()), "/admin/search?"+url.Values{"q": {text}}.Encode()
		d.Want(http.StatusOK, found)
		if got := strings.Contains(found.Body.String(), ` data-address="`+at+`"`) && strings.Contains(found.Body.String(), "address.js"); got != has {
			t.Errorf("%q has an address: %t", text, got)
		}
		w := d.Ask(http.MethodGet, at, "")
		d.Want(http.StatusOK, w)
		if got := strings.Contains(w.Body.String(), "hook_7:sms:1"); got != has || strings.Contains(w.Body.String(), "data-address") {
			t.Errorf("%s finds the job: %t", at, got)
		}
	}
}
