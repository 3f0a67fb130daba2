package pages_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/api"
	"ringup.dev/ringup/internal/admin/pages"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
	"ringup.dev/ringup/internal/suppress"
)

// hostileQueue has one job in every state, whose texts are what an attacker sent.
type hostileQueue struct {
	admin.Queues // nil: pages that read do not call the rest

	text string
}

func (q *hostileQueue) job() queue.Stored {
	return queue.Stored{Channel: message.SMS, State: queue.Failed, At: time.Unix(0, 0), Raw: []byte(q.text), Job: &job.Job{
		WebhookID: q.text + "x", Channel: message.SMS, Index: 1, Priority: 1, Recipient: message.Address(q.text), LastError: q.text, Store: q.text, Type: event.Type(q.text), Body: q.body()}}
}

// body is an event with the texts, or for texts that no event can have, the text itself.
func (q *hostileQueue) body() []byte {
	e := &event.Event{Sale: event.Sale{OrderName: q.text, Total: q.text, Currency: q.text, TransactionID: q.text}, Customer: event.Customer{Name: q.text, Phone: q.text, Email: q.text}, Source: q.text,
		Items: []event.Item{{Name: q.text}}}
	body, err := job.Body(e)
	if err != nil {
		return []byte(q.text)
	}
	return body
}

func (q *hostileQueue) State(context.Context, message.Channel) (*queue.ChannelState, error) {
	return &queue.ChannelState{Depth: queue.Depth{Halted: queue.Halt{Kind: queue.HaltedPause, Why: q.text}}, Breakers: map[string]queue.BreakerState{q.text: {State: "open", Reason: q.text}},
		Workers: []queue.WorkerState{{ID: q.text, Providers: []string{q.text}}}}, nil
}

func (q *hostileQueue) List(context.Context, message.Channel, queue.State, int, int, int) ([]queue.Stored, error) {
	return []queue.Stored{q.job(), {Channel: message.SMS, State: queue.Failed, Raw: []byte(q.text), Err: job.ErrCorrupt}}, nil
}

func (q *hostileQueue) Matching(_ context.Context, jobs []queue.Stored, _ func(*queue.Stored) bool) ([]queue.Stored, error) {
	return jobs, nil
}

func (q *hostileQueue) Providers(_ context.Context, jobs []queue.Stored) error {
	for i := range jobs {
		jobs[i].Provider = q.text
	}
	return nil
}

func (q *hostileQueue) Locate(context.Context, string, time.Time) (*queue.Stored, error) {
	k := q.job()
	return &k, nil
}

func (q *hostileQueue) Search(context.Context, func(*queue.Stored) bool, string, int) ([]queue.Stored, error) {
	return []queue.Stored{q.job()}, nil
}

func (q *hostileQueue) Notifications(_ context.Context, id string) (*queue.Notifications, error) {
	return &queue.Notifications{WebhookID: id, Notifications: []queue.Notification{{ID: id + ":sms:1", Channel: message.SMS, Recipient: q.text, Provider: q.text, MessageID: q.text,
		Error: q.text, History: []queue.Event{{What: q.text, Provider: q.text, Worker: q.text, Error: q.text}}}}}, nil
}

func (q *hostileQueue) Find(context.Context, queue.FindRequest) (*queue.Found, error) {
	return &queue.Found{Webhooks: []queue.FoundWebhook{{ID: q.text}}, End: true}, nil
}

func (q *hostileQueue) Audit(context.Context, int) ([]queue.AuditEntry, error) {
	now := time.Now()
	return []queue.AuditEntry{{By: q.text, Action: q.text, Target: q.text, Why: q.text}, {At: now, By: q.text, Action: admin.ActionPause, Channel: message.SMS, Why: q.text},
		{At: now.Add(-time.Hour), By: q.text, Action: admin.ActionOpenBreaker, Channel: message.Email, Target: q.text}}, nil
}

func (q *hostileQueue) Forget(context.Context, queue.ForgetRequest) (queue.Forgotten, error) {
	return queue.Forgotten{}, nil
}

func (q *hostileQueue) Spending(context.Context, message.Channel, time.Time) (map[string]int64, error) {
	return map[string]int64{queue.CostTotal: 1, queue.CostSource + q.text: 1, queue.CostEvent + q.text: 1, q.text: -1}, nil
}

func (q *hostileQueue) Suppressed(_ context.Context, channel message.Channel, address message.Address) ([]suppress.Entry, error) {
	e := suppress.Entry{Channel: channel, Address: address, Why: suppress.Why(q.text), By: q.text, Sender: q.text}
	return []suppress.Entry{e, e}, nil
}

func (q *hostileQueue) CountSuppressed(context.Context, message.Channel) (int64, error) {
	return 1, nil
}

func (q *hostileQueue) Suppressions(_ context.Context, channel message.Channel, visit func(suppress.Entry) bool) error {
	visit(suppress.Entry{Channel: channel, Address: message.Address(q.text), Why: suppress.Why(q.text), By: q.text, Sender: q.text})
	return nil
}

func (q *hostileQueue) Minutes(_ context.Context, _ message.Channel, _, to time.Time) ([]queue.Minute, error) {
	at := to.Add(-2 * time.Minute).Truncate(time.Minute)
	return []queue.Minute{{At: at.Add(-time.Hour), Failed: math.MaxInt64, Micros: math.MinInt64, Waiting: math.MaxInt64, Oldest: math.MaxInt64, Delays: [8]int64{1, 7: math.MaxInt64}},
		{At: at, Accepted: math.MaxInt64, Delivered: 1, Micros: 1}, {At: to, Failed: 1, Delays: [8]int64{-1}, Sent: -1}}, nil
}

func (q *hostileQueue) Marks(context.Context, message.Channel) ([]queue.Mark, error) {
	return []queue.Mark{{Kind: queue.MarkOpened, What: q.text}, {At: time.Now(), Kind: queue.MarkKind(q.text), What: q.text, By: q.text}}, nil
}

func (q *hostileQueue) Senders(context.Context) ([]queue.SenderState, error) {
	now := time.Now()
	return []queue.SenderState{{Sender: q.text, Outcomes: map[string]queue.OutcomeCount{q.text: {Count: 1, Last: now.Add(-time.Hour)}, "unauthorized": {Count: 1, Last: now}},
		Latest: []queue.Delivery{{Topic: q.text, Outcome: q.text, Why: q.text, Events: []string{q.text}, Header: map[string][]string{q.text: {q.text}}}}}}, nil
}

func (q *hostileQueue) Aside(context.Context) ([]queue.SetAside, error) {
	return []queue.SetAside{{ID: q.text, Sender: q.text, Why: q.text, Header: map[string][]string{q.text: {q.text}}}}, nil
}

func (q *hostileQueue) Memory(context.Context) (used, limit int64, err error) { return -1, 1, nil }

// serve answers a request as a server does: an export that breaks off ends its connection.
func serve(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	defer func() {
		p := recover()
		if err, is := p.(error); p != nil && (!is || !errors.Is(err, http.ErrAbortHandler)) {
			panic(p)
		}
	}()
	handler.ServeHTTP(w, r)
}

// scripts are the elements of a page that run or load something, and are not ringup's own.
func scripts(page string) (found []string) {
	for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
		token := z.Token()
		if token.Type == html.TextToken || token.Type == html.EndTagToken {
			continue
		}
		own := token.Data == "script" && len(token.Attr) > 0 && token.Attr[0].Key == "src" && strings.HasPrefix(token.Attr[0].Val, "/admin/static/")
		bad := token.Data == "script" && !own || token.Data == "img" || token.Data == "iframe" && !inert(token) || token.Data == "object" ||
			token.Data == "svg" && !strings.HasPrefix(token.String(), `<svg class="chart" `)
		for _, a := range token.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			bad = bad || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "//") ||
				(a.Key == "href" || a.Key == "action") && strings.Contains(value, "://") && value != "https://app.sendgrid.com/email_activity"
		}
		if bad {
			found = append(found, token.String())
		}
	}
	return found
}

// inert says that a frame has its document with it, and runs no script of it.
func inert(frame html.Token) bool {
	names := map[string]string{}
	for _, a := range frame.Attr {
		names[a.Key] = a.Val
	}
	sandbox, found := names["sandbox"]
	_, titled := names["title"]
	return found && sandbox == "" && names["srcdoc"] != "" && len(names) == 3 && titled
}

// FuzzPages asks every page and the API with any parameters, over a queue full of hostile texts: never a 5xx, never a script, and no redirect to
// another site.
func FuzzPages(f *testing.F) {
	f.Add("/admin/queues/sms/failed", "offset=-1&priority=9", `<script>alert(1)</script>`)
	f.Add("/admin/confirm", "action=retry&channel=sms&place=failed&back=//evil.example", `" onmouseover="x`)
	f.Add("/admin/confirm", "action=open-breaker&channel=sms&provider=%00&back=/\\evil.example", `javascript:alert(1)`)
	f.Add("/admin/job", "id=a:sms:1", "</textarea><svg/onload=x>")
	f.Add("/admin/job", "id=a:sms:1", `</pre></iframe><script>alert(1)</script>`)
	f.Add("/admin/job", "id=a:email:1", "sendgrid")
	f.Add("/admin/search", "q=%ff%fe", "\x00\u202e")
	f.Add("/admin/login", "next=https://evil.example", "x")
	f.Add("/admin/api/queues/sms/waiting", "offset=99999999999999999999", "x")
	f.Add("/admin/api/job", "id=::::", "x")
	f.Add("/admin/queues", "done=<b>", "{{.}}")
	f.Add("/admin/queues", "done=purge.sms.1.1", "x")
	f.Add("/admin/confirm", "action=retry&channel=sms&place=failed&filter=%3Cb%3E", "x")
	f.Add("/admin/../x", "a;b", "x")
	f.Add("/admin/suppressed", "channel=sms&address=%2B15550104242", `<img src=x>`)
	f.Add("/outbox", "q=%40&channel=%3Cb%3E", `<img src=x onerror=alert(1)>@`)
	f.Add("/outbox", "q=a;b%zz", "@")
	f.Add("/admin/confirm", "action=purge&channel=sms&priority=4x&back=/.//evil.example", "x")
	f.Add("/admin/suppressed/sms", "offset=-1", `=HYPERLINK("https://evil.example")`)
	f.Add("/admin/history", "", `</text><script>alert(1)</script>`)
	f.Add("/admin/history", "range=24h&channel=sms", `"/><svg onload=alert(1)>`)
	f.Add("/admin/api/history", "range=48h&channel=email", "\xff")
	f.Add("/admin/search", "channel=<b>&from=2026-01-01T00:00:00Z&to=9999-12-31T23:59:59%2B23:59", "x")
	f.Add("/admin/spending", "days=-1", `"><script>`)
	f.Add("/admin/preview", "event=pos_save&channel=email&locale=%3Cb%3E", "x")
	f.Add("/admin/preview", `payload={"id":"</iframe><script>","event_type":"pos_save","timestamp":"x","source":"\u0022 onload=x","data":{"customerName":"<script>"}}`, "x")
	f.Add("/admin/queues/sms/failed", "why=%3Cb%3E&provider=x&sort=oldest&from=2026-01-31T12:00", `" onmouseover="x`)
	f.Add("/admin/queues/sms/waiting", "sort=latest&event=order_create&to=x", "x")
	f.Add("/admin/list", "channel=sms&place=failed&why=%0d%0aLocation:%20//evil.example&sort=latest", "x")
	f.Add("/admin/confirm", "action=delete&channel=sms&place=failed&pick=page&page=a:sms:1&where=%25zz", "<b>")
	f.Add("/admin/api/queues/sms/failed/export", "format=csv&why=x", `=cmd|' /C calc'!A0`)
	f.Add("/admin/api/queues/sms/failed/export", "format=json", "\u2028</script>")
	directory := envstore.Brand{DefaultLocale: "en"}.Directory()
	renderer, err := render.New(render.Config{}, directory)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, query, text string) {
		target, err := url.Parse("http://localhost:8080")
		if err != nil {
			t.Fatal(err)
		}
		target.Path, target.RawQuery = path, query
		if !strings.HasPrefix(path, "/") {
			t.Skip("no request")
		}
		a := admin.New(admin.Options{Region: "US", Store: directory.All()[0], Queues: &hostileQueue{text: text}, Renderer: renderer, Log: slog.New(slog.DiscardHandler)})
		handler := pages.Handler(a, hostileOutbox{text}, api.Path, api.Handler(a))
		for _, tt := range []struct{ method, accept string }{{http.MethodGet, "text/html"}, {http.MethodGet, "application/json"}, {http.MethodPost, "text/html"}} {
			if tt.method == http.MethodPost && path != "/admin/search" && path != "/admin/confirm" && path != "/admin/preview" && path != "/outbox" && path != "/admin/list" {
				continue // it may change things
			}
			r := httptest.NewRequest(tt.method, "http://localhost:8080/", strings.NewReader(query))
			r.URL = target
			r.Header.Set("Accept", tt.accept)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			serve(handler, w, r)
			if w.Code >= 500 {
				t.Errorf("%s?%s: HTTP %d %s", path, query, w.Code, w.Body)
			}
			if to, err := url.Parse(w.Header().Get("Location")); err != nil || to.Host != "" {
				t.Errorf("%s?%s leads to %s", path, query, w.Header().Get("Location"))
			}
			if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
				if found := scripts(w.Body.String()); len(found) != 0 {
					t.Errorf("%s?%s with %q has %q", path, query, text, found)
				}
			}
		}
	})
}

// hostileOutbox has a message whose texts are what an attacker sent.
type hostileOutbox struct{ text string }

func (o hostileOutbox) List(context.Context) ([]sandbox.Entry, error) {
	return []sandbox.Entry{{Channel: message.WhatsApp, To: o.text, Text: o.text, JobID: o.text, EventType: o.text},
		{Channel: message.Email, To: o.text, Subject: o.text, Text: o.text, HTML: o.text + "x", JobID: o.text, Headers: []string{o.text}}}, nil
}
