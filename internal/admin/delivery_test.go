package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/store/envstore"
)

// settled puts an SMS into the queue, and settles it.
func (d *desk) settled(id string, s queue.Settlement) {
	d.Helper()
	e := event.Sample(event.PaymentComplete)
	e.ID, e.Sale.TransactionID = id, "TXN_1"
	_, err := d.producer.Enqueue(d.Context(), &queue.Submission{Event: e, Priority: 1, AcceptedAt: time.Now(), Channels: []queue.ChannelSubmission{
		{Channel: message.SMS, Recipients: []message.Recipient{{Address: "+15550104242", Audience: message.Customer}}}}})
	d.must(err)
	_, claim, err := d.consumer.Exchange(d.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	d.must(err)
	s.Claimed = claim.Jobs[0]
	_, _, err = d.consumer.Exchange(d.Context(), []queue.Settlement{s}, nil, nil)
	d.must(err)
}

// TestHeld: what quiet hours hold back can be seen, and looked at again.
func TestHeld(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{})
	d.settled("a", queue.Settlement{Action: queue.Hold, Delay: time.Hour, Error: "quiet hours where the customer is, until tomorrow"})
	d.settled("b", queue.Settlement{Action: queue.Hold, Delay: time.Hour, Error: "the daily cap of sms is reached, until tomorrow"})
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/queues", ""), `<a href="/admin/queues/sms/held">2</a>`)
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/queues/sms/held", ""), "2 jobs", "quiet hours where the customer is", "Try all now", "in 59 min")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/job?id=a:sms:1", ""), `<p class="note waits">quiet hours`, ">Try now</a>", ">Delete</a>")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/confirm?action=retry&id=a:sms:1", ""), "Retry 1 job of sms? Quiet hours, limits, caps")
	d.want(http.StatusSeeOther, d.ask(http.MethodPost, "/admin/do", "action=retry&id=a:sms:1"))
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/queues/sms/held", "", "Accept", "application/json"), `"total":1`, `"id":"b:sms:1"`)
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/queues/sms/waiting", "", "Accept", "application/json"), `"id":"a:sms:1"`)
	d.want(http.StatusOK, d.ask(http.MethodPost, "/admin/api/actions", `{"action":"delete","channel":"sms","place":"held","filter":"daily cap"}`, "Accept", "application/json"), `"jobs":1`)
	if s, err := d.store.State(t.Context(), message.SMS); err != nil || s.Held != 0 || s.Totals.Held != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestDelivery: a job's page says what became of its message, as far as the provider tells.
func TestDelivery(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{})
	d.settled("silent", queue.Settlement{Action: queue.Complete, Provider: "aws", MessageID: "1", Unreported: true})
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/job?id=silent:sms:1", ""), "aws does not report deliveries")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/search?q=silent", ""), "deliveries are not reported")
	d.settled("told", queue.Settlement{Action: queue.Complete, Provider: "twilio", MessageID: "SM1"})
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/job?id=told:sms:1", ""), "twilio reports deliveries, and has said nothing yet")
	d.settled("unwanted", queue.Settlement{Action: queue.Suppress, Error: "the recipient gets nothing on this channel: stop"})
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/job?id=unwanted:sms:1", ""), ">suppressed</span>", "the recipient gets nothing on this channel: stop")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/queues", ""), "<dd>1<small>")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	deliveries := d.store.Deliveries(prometheus.NewRegistry())
	ended := make(chan struct{})
	go func() { deliveries.Run(ctx); close(ended) }()
	at := time.Now().Add(-time.Minute)
	d.must(deliveries.Take(t.Context(), report.Update{Reports: []report.Report{
		{EventID: "1", Provider: "twilio", Channel: message.SMS, JobID: "told:sms:1", State: report.Sent, At: at},
		{EventID: "2", Provider: "twilio", Channel: message.SMS, JobID: "told:sms:1", State: report.Delivered, At: at.Add(time.Second)},
	}}))
	redistest.Eventually(t, "the reports are applied", func() bool {
		n, err := d.store.Notifications(t.Context(), "told")
		return err == nil && n.Notifications[0].Status == queue.StatusDelivered
	})
	cancel()
	<-ended
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/job?id=told:sms:1", ""), "<b>handed on</b>, says twilio", "<b>delivered</b>, says twilio")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/search?q=told", ""), `<span class="tag good">delivered</span>`)
}

// TestMoved: what another channel took over is found from either side.
func TestMoved(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store, err := redisstore.Open(redisstore.Config{
		URL: secret.String("redis://" + server.Addr()), Prefix: "ringup", DedupeTTL: time.Hour, StatusTTL: time.Hour, KeepCompleted: 100, KeepFailed: 100, MaxCrashes: 5,
		OnUncertain: redisstore.Resend, FallbackChannel: map[string]string{"whatsapp": "sms"}, FallbackWithin: time.Hour,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	d := &desk{T: t, redis: server, store: store, producer: producer, log: &output{}}
	renderer, err := render.New(render.Config{}, envstore.Brand{DefaultLocale: "en", BusinessName: "Luna Coffee"}.Directory())
	d.must(err)
	d.pages = admin.New(admin.Options{Region: "US", Queues: store, Outbox: store.Outbox(0), Renderer: renderer, Log: slog.New(slog.NewTextHandler(d.log, nil))}).Handler()
	_, err = producer.Enqueue(t.Context(), &queue.Submission{Event: &event.Event{ID: "a", Store: event.DefaultStore, Sender: event.SenderPOS, Type: event.PaymentComplete}, Priority: 1, AcceptedAt: time.Now(),
		Channels: []queue.ChannelSubmission{{Channel: message.WhatsApp, Recipients: []message.Recipient{{Address: "+15550104242", Audience: message.Customer}}}}})
	d.must(err)
	consumer := store.Consumer(message.WhatsApp, redisstore.ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"business"})
	_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	d.must(err)
	failure := &failure.Error{Class: failure.Permanent}
	_, _, err = consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Action: queue.Fail, Error: failure.Error(), Move: true}}, nil, nil)
	d.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() { store.Deliveries(prometheus.NewRegistry()).Run(ctx); close(ended) }()
	redistest.Eventually(t, "the job is moved", func() bool {
		n, err := store.Notifications(t.Context(), "a")
		return err == nil && len(n.Notifications) == 2
	})
	cancel()
	<-ended
	const link = `<a href="/admin/job?id=a%3Asms%3A10001">`
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/job?id=a:whatsapp:1", ""), "Another channel took over: "+link)
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/search?q=a:whatsapp:1", ""), link+"moved to a:sms:10001</a>")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/job?id=a:sms:10001", ""), `It takes over from <a href="/admin/job?id=a%3Awhatsapp%3A1">`)
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/job?id=a:sms:10001", "", "Accept", "application/json"), `"moved_from":"a:whatsapp:1"`)
}

func TestSpending(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{})
	caps, err := pricing.NewCaps(pricing.Config{DailyCap: []string{"sms=0.02", "sms/kiosk-7=1"}})
	d.must(err)
	renderer, err := render.New(render.Config{}, envstore.Brand{DefaultLocale: "en"}.Directory())
	d.must(err)
	d.pages = admin.New(admin.Options{Region: "US", Currency: "EUR", Caps: caps, Queues: d.store, Outbox: d.store.Outbox(0), Renderer: renderer, Log: slog.New(slog.DiscardHandler)}).Handler()
	for i, source := range []string{"kiosk-7", "till", "kiosk-7"} {
		d.settled(fmt.Sprint("w", i), queue.Settlement{Action: queue.Complete, Provider: "twilio", Spent: []queue.Spend{
			{Field: queue.SpendTotal, Micros: 7900}, {Field: queue.SpendSource + source, Micros: 7900}, {Field: queue.SpendEvent + "payment_complete|" + source, Micros: 7900}}})
	}
	page := d.ask(http.MethodGet, "/admin/spending", "")
	d.want(http.StatusOK, page, "0.0237", "EUR", ">118%</span>", ">1%</span>", "kiosk-7", "payment_complete", "0.0158")
	if n := strings.Count(page.Body.String(), `<tr><td class="day">20`); n != 7 {
		t.Errorf("%d days are listed", n)
	}
	json := []string{"Accept", "application/json"}
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/spending?days=1", "", json...), `"total":"0.0237"`, `"by":[{"channel":"sms","event":"payment_complete","source":"kiosk-7","amount":"0.0158"},`,
		`{"name":"sms","most":"0.02","spent":"0.0237","percent":118}`)
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/queues", ""), "Spent today", "0.0237")
	for _, days := range []string{"0", "41", "x"} {
		d.want(http.StatusUnprocessableEntity, d.ask(http.MethodGet, "/admin/api/spending?days="+days, "", json...), "1 to 40")
	}
	// Where nothing costs anything, nothing is said of it.
	free := open(t, admin.Config{})
	if w := free.ask(http.MethodGet, "/admin/queues", ""); strings.Contains(w.Body.String(), "Spent today") {
		t.Error("a price of nothing is shown")
	}
	free.want(http.StatusOK, free.ask(http.MethodGet, "/admin/spending?days=30", ""), "Nothing was spent")
	free.redis.Kill()
	w := httptest.NewRecorder()
	free.pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/admin/spending", nil))
	free.want(http.StatusServiceUnavailable, w)
}
