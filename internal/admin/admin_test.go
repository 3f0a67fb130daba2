package admin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/render"
)

// output collects a log.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// desk is the operators' pages over a real queue.
type desk struct {
	*testing.T
	redis    *redistest.Server
	store    *redisstore.Store
	producer *redisstore.Producer
	consumer *redisstore.Consumer
	admin    *admin.Admin
	pages    http.Handler
	log      *output
	cookies  []*http.Cookie
}

func open(t *testing.T, config admin.Config) *desk {
	d := &desk{T: t, redis: redistest.Start(t), log: &output{}}
	var err error
	d.store, err = redisstore.Open(redisstore.Config{
		URL: secret.String("redis://" + d.redis.Addr()), Prefix: "ringup", DedupeTTL: time.Hour, StatusTTL: time.Hour, KeepCompleted: 100, KeepFailed: 100,
		MaxCrashes: 5, OnUncertain: redisstore.Resend,
	}, slog.New(slog.DiscardHandler))
	d.must(err)
	t.Cleanup(func() { _ = d.store.Close() })
	d.producer = d.store.Producer(prometheus.NewRegistry())
	t.Cleanup(d.producer.Close)
	d.consumer = d.store.Consumer(message.SMS, redisstore.ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"twilio", "aws"})
	renderer, err := render.New(render.Config{DefaultLocale: "en", BusinessName: "Luna Coffee"})
	d.must(err)
	d.admin = admin.New(admin.Options{Config: config, Region: "US", Currency: "USD", Queues: d.store, Outbox: d.store.Outbox(0), Renderer: renderer, Log: slog.New(slog.NewTextHandler(d.log, nil))})
	d.pages = d.admin.Handler()
	return d
}

func (d *desk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// failed puts a failed SMS into the queue.
func (d *desk) failed(id, transaction, reason string) {
	d.Helper()
	body := fmt.Sprintf(`{"id":%q,"event_type":"payment_complete","timestamp":"2024-01-01T12:00:00Z","data":{"transactionId":%q,"amount":12.50,"currency":"USD","customerName":"John Doe"}}`, id, transaction)
	_, err := d.producer.Enqueue(d.Context(), &queue.Submission{WebhookID: id, Priority: 1, AcceptedAt: time.Now(), Body: []byte(body), Channels: []queue.ChannelSubmission{
		{Channel: message.SMS, Recipients: []message.Recipient{{Address: "+15550104242", Audience: message.Customer}}}}})
	d.must(err)
	_, claim, err := d.consumer.Exchange(d.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	d.must(err)
	_, _, err = d.consumer.Exchange(d.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Fail{Attempt: queue.Attempt{Provider: "twilio"}, Error: reason}, Worker: "pod-1/7"}}, nil, nil)
	d.must(err)
}

// ask sends a request, as a browser does unless headers say otherwise.
func (d *desk) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	d.Helper()
	r := httptest.NewRequest(method, "http://localhost:8080"+path, strings.NewReader(body))
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, c := range d.cookies {
		r.AddCookie(c)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.pages.ServeHTTP(w, r)
	return w
}

// want asks, and expects a status and texts.
func (d *desk) want(status int, w *httptest.ResponseRecorder, texts ...string) {
	d.Helper()
	if w.Code != status {
		d.Fatalf("HTTP %d, want %d: %s", w.Code, status, w.Body)
	}
	for _, text := range texts {
		if body := w.Body.String(); !strings.Contains(body, text) && !strings.Contains(html.UnescapeString(body), text) {
			d.Errorf("there is no %q in:\n%s", text, w.Body)
		}
	}
}

var bearer = []string{"Authorization", "Bearer right", "Accept", "application/json", "X-Operator", "ann"}

func TestSignIn(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{Token: "right"})
	for _, path := range []string{"/outbox", "/admin/queues", "/admin/queues/sms/failed", "/admin/job?id=a:sms:1", "/admin/search?q=abc", "/admin/audit", "/admin/confirm?action=pause&channel=sms", "/admin/api/queues"} {
		if w := d.ask(http.MethodGet, path, ""); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/admin/login?next=%2F") {
			t.Errorf("%s for a stranger: %d", path, w.Code)
		}
		for _, token := range []string{"wrong", "righ", "rightt"} {
			if w := d.ask(http.MethodGet, path, "", "Authorization", "Bearer "+token); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: %d", path, token, w.Code)
			}
		}
	}
	for _, path := range []string{"/admin/do", "/admin/job/reveal", "/admin/api/actions"} {
		d.want(http.StatusUnauthorized, d.ask(http.MethodPost, path, ""))
	}
	basic := httptest.NewRequest(http.MethodGet, "/", nil)
	basic.SetBasicAuth("ann", "right")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/queues", "", "Authorization", basic.Header.Get("Authorization")))
	d.want(http.StatusUnauthorized, d.ask(http.MethodPost, "/admin/login", "name=ann&token=wrong"), "That is not the token")
	w := d.ask(http.MethodPost, "/admin/login", "name=ann&token=right&next=%2Fadmin%2Faudit")
	d.want(http.StatusSeeOther, w)
	session := w.Result().Cookies()[0]
	if w.Header().Get("Location") != "/admin/audit" || !session.HttpOnly || session.SameSite != http.SameSiteStrictMode || session.Secure {
		t.Errorf("to %s with %+v", w.Header().Get("Location"), session)
	}
	if w := d.ask(http.MethodPost, "/admin/login", "name=ann&token=right&next=https%3A%2F%2Fevil.example%2F", "X-Forwarded-Proto", "https"); w.Header().Get("Location") != "/admin/queues" || !w.Result().Cookies()[0].Secure {
		t.Errorf("sent elsewhere: %s", w.Header().Get("Location"))
	}
	d.cookies = []*http.Cookie{session}
	w = d.ask(http.MethodGet, "/admin/queues", "")
	d.want(http.StatusOK, w, "ann", "Sign out")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	for _, forged := range []string{session.Value[:len(session.Value)-2] + "AA", "YW5u.9999999999.", "x", ""} {
		d.cookies = []*http.Cookie{{Name: session.Name, Value: forged}}
		d.want(http.StatusSeeOther, d.ask(http.MethodGet, "/admin/queues", ""))
	}
	if strings.Contains(d.log.String(), "right") {
		t.Error("the token is in the log")
	}
}

func TestWithoutATokenOnlyThisMachine(t *testing.T) {
	t.Parallel()
	for token, want := range map[secret.String]string{"": "127.0.0.1:8080", "x": ":8080"} {
		if at := (&admin.Config{Port: 8080, Token: token}).Address(); at != want {
			t.Errorf("listens on %s", at)
		}
	}
	d := open(t, admin.Config{})
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/queues", ""))
	r := httptest.NewRequest(http.MethodGet, "http://rebound.example:8080/admin/queues", nil)
	w := httptest.NewRecorder()
	d.pages.ServeHTTP(w, r)
	d.want(http.StatusForbidden, w)
}

// TestAnotherSite has a page of another site use an operator's browser.
func TestAnotherSite(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{})
	d.want(http.StatusForbidden, d.ask(http.MethodPost, "/admin/do", "action=pause&channel=sms", "Sec-Fetch-Site", "cross-site"))
	if s, err := d.store.State(t.Context(), message.SMS); err != nil || s.Halted != "" {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestMend is the operator's night: a customer asks for a receipt.
func TestMend(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{})
	d.failed("hook<script>1", "TXN_42", "permanent: invalid_recipient")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/queues", ""), "payment_complete", ">1</a>")
	found := d.ask(http.MethodGet, "/admin/search?q=TXN_42", "")
	d.want(http.StatusOK, found, "+•••4242", "invalid_recipient", "hook&lt;script&gt;1")
	if strings.Contains(found.Body.String(), "<script>1") {
		t.Error("what a POS sends is run")
	}
	link := regexp.MustCompile(`href="(/admin/job\?id=[^"]+)"`).FindStringSubmatch(found.Body.String())[1]
	job := d.ask(http.MethodGet, link, "")
	d.want(http.StatusOK, job, "accepted", "attempt 1", "through twilio", "pod-1/7", "Hi John Doe", "$12.50", ">Retry</a>")
	if strings.Contains(job.Body.String(), "5550104242") || strings.Contains(job.Body.String(), "Show the whole") {
		t.Error("the address is shown, or offered")
	}
	id := url.QueryEscape("hook<script>1:sms:1")
	d.want(http.StatusForbidden, d.ask(http.MethodPost, "/admin/job/reveal", "id="+id))
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/confirm?action=retry&id="+id, ""), "Retry 1 job of sms?")
	d.want(http.StatusSeeOther, d.ask(http.MethodPost, "/admin/do", "action=retry&why=asked&id="+id))
	d.want(http.StatusUnprocessableEntity, d.ask(http.MethodPost, "/admin/do", "action=retry&id="+id), "is waiting: that cannot be changed")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/audit", ""), "local", "retry", "asked", "hook&lt;script&gt;1:sms:1")
	_, claim, err := d.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	d.must(err)
	_, _, err = d.consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM9"}}}}, nil, nil)
	d.must(err)
	d.want(http.StatusOK, d.ask(http.MethodGet, link, ""), "retried", "by local", "SM9")
	d.want(http.StatusNotFound, d.ask(http.MethodGet, "/admin/nothing", ""), "there is nothing here")
	d.want(http.StatusUnprocessableEntity, d.ask(http.MethodGet, "/admin/job?id=nobody:sms:1", ""), "nothing is known of job")
}

func TestReveal(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{Reveal: true})
	d.failed("a", "TXN_1", "x")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/job?id=a:sms:1", ""), "Show the whole address")
	d.want(http.StatusOK, d.ask(http.MethodPost, "/admin/job/reveal", "id=a:sms:1"), "+15550104242")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/audit", ""), "reveal", "a:sms:1")
	if log := d.log.String(); !strings.Contains(log, "action=reveal") || strings.Contains(log, "0104242") {
		t.Errorf("the log: %s", log)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{ReadOnly: true})
	d.failed("a", "TXN_1", "x")
	w := d.ask(http.MethodGet, "/admin/queues", "")
	d.want(http.StatusOK, w, "read only")
	if strings.Contains(w.Body.String(), "Pause") {
		t.Error("offers what it does not do")
	}
	d.want(http.StatusUnprocessableEntity, d.ask(http.MethodPost, "/admin/do", "action=delete&id=a:sms:1"), "ADMIN_READ_ONLY")
}

func TestAPI(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{Token: "right"})
	for i := range 7 {
		d.failed(fmt.Sprint("w", i), fmt.Sprint("TXN_", i), map[bool]string{true: "transient: outage", false: "permanent: invalid_recipient"}[i < 4])
	}
	act := func(status int, body string) (jobs float64) {
		t.Helper()
		w := d.ask(http.MethodPost, "/admin/api/actions", body, bearer...)
		d.want(status, w)
		var answer map[string]any
		d.must(json.Unmarshal(w.Body.Bytes(), &answer))
		jobs, _ = answer["jobs"].(float64)
		return jobs
	}
	for _, tt := range []struct {
		body string
		want float64
	}{
		{`{"action":"retry","channel":"sms","place":"failed","filter":"transient","dry_run":true}`, 4},
		{`{"action":"retry","channel":"sms","place":"failed","filter":"transient"}`, 4},
		{`{"action":"retry","channel":"sms","place":"failed","filter":"transient"}`, 0},
		{`{"action":"delete","channel":"sms","ids":["w4:sms:1"],"why":"a test"}`, 1},
		{`{"action":"purge","channel":"sms","priority":2}`, 0}, {`{"action":"purge","channel":"sms","dry_run":true}`, 4}, {`{"action":"purge","channel":"sms"}`, 4},
	} {
		if got := act(http.StatusOK, tt.body); got != tt.want {
			t.Errorf("%s: %v jobs, want %v", tt.body, got, tt.want)
		}
	}
	for body, status := range map[string]int{
		`{"action":"fly","channel":"sms"}`: 422, `{"action":"pause","channel":"fax"}`: 422, `{"action":"retry","channel":"sms"}`: 422,
		`{"action":"retry","channel":"email","ids":["w5:sms:1"]}`: 422, `{"action":"retry","channel":"sms","ids":["nobody:sms:1"]}`: 422,
		`{"action":"retry","channel":"sms","place":"sending"}`: 422, `{"action":"open-breaker","channel":"sms","provider":"nobody"}`: 422, `{"what":1}`: 400, `{`: 400,
	} {
		act(status, body)
	}
	d.must(d.consumer.Heartbeat(t.Context(), "pod-1/7", 0, 50))
	act(http.StatusOK, `{"action":"pause","channel":"sms","why":"wrong text"}`)
	act(http.StatusOK, `{"action":"open-breaker","channel":"sms","provider":"aws"}`)
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/queues", "", bearer...), `"halted":"paused by ann`, "wrong text", `"aws":{"state":"open"`, `"sent":0`, "pod-1/7")
	act(http.StatusOK, `{"action":"resume","channel":"sms"}`)
	act(http.StatusOK, `{"action":"close-breaker","channel":"sms","provider":"aws"}`)
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/queues/sms/failed", "", bearer...), `"total":2`, `"id":"w6:sms:1"`, `"recipient":"+•••4242"`)
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/job?id=w6:sms:1", "", bearer...), `"place":"failed"`, `"text":"`)
	d.want(http.StatusNotFound, d.ask(http.MethodGet, "/admin/api/job?id=w9:sms:1", "", bearer...))
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/search?q=TXN_6", "", bearer...), `"id":"w6:sms:1"`)
	d.want(http.StatusUnprocessableEntity, d.ask(http.MethodGet, "/admin/api/search?q=T", "", bearer...), "at least 3")
	d.want(http.StatusUnprocessableEntity, d.ask(http.MethodGet, "/admin/api/queues/sms/limbo", "", bearer...), "there is no place")
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/audit", "", bearer...), `"by":"ann"`, `"why":"a test"`, `"action":"close-breaker"`)
	d.redis.Kill()
	d.want(http.StatusServiceUnavailable, d.ask(http.MethodGet, "/admin/api/queues", "", bearer...), "Redis does not answer")
	d.want(http.StatusServiceUnavailable, d.ask(http.MethodPost, "/admin/api/actions", `{"action":"pause","channel":"sms"}`, bearer...))
}

// TestForget has a person's data deleted, on record without their address.
func TestForget(t *testing.T) {
	t.Parallel()
	d := open(t, admin.Config{Token: "right"})
	for i := range 3 {
		d.failed(fmt.Sprint("w", i), "TXN_1", "permanent: invalid_recipient")
	}
	ask := func(status int, body string, texts ...string) map[string]any {
		t.Helper()
		w := d.ask(http.MethodPost, "/admin/api/forget", body, bearer...)
		d.want(status, w, texts...)
		var answer map[string]any
		d.must(json.Unmarshal(w.Body.Bytes(), &answer))
		return answer
	}
	if a := ask(200, `{"who":"(555) 010-4242","dry_run":true}`); a["failed"] != 3.0 || a["next"] != "" || a["dry_run"] != true {
		t.Errorf("%v", a)
	}
	ask(400, `{"what":"+15550104242"}`)
	ask(422, `{"who":"John"}`, "not a phone number")
	ask(422, `{"who":"+15550104242","next":"e30.forged"}`, "not what the answer before said")
	// In parts: what one answers is good for the same request alone.
	d.admin.LookAt(1)
	next := ""
	for parts := 1; ; parts++ {
		a := ask(200, fmt.Sprintf(`{"who":"+15550104242","why":"asked","next":%q}`, next))
		if next, _ = a["next"].(string); next == "" {
			if a["failed"] != 3.0 || parts < 2 {
				t.Errorf("in %d parts: %v", parts, a)
			}
			break
		}
		ask(422, fmt.Sprintf(`{"who":"+15550109999","next":%q}`, next))
		ask(422, fmt.Sprintf(`{"who":"+15550104242","dry_run":true,"next":%q}`, next))
	}
	d.want(http.StatusOK, d.ask(http.MethodGet, "/admin/api/audit", "", bearer...), `"action":"forget"`, `"target":"+•••4242"`, `"count":3`, `"by":"ann"`, `"why":"asked"`)
	if log := d.log.String(); !strings.Contains(log, "action=forget") || strings.Contains(log, "0104242") {
		t.Errorf("the log: %s", log)
	}
	only := open(t, admin.Config{ReadOnly: true})
	only.failed("a", "TXN_1", "x")
	only.want(http.StatusOK, only.ask(http.MethodPost, "/admin/api/forget", `{"who":"+15550104242","dry_run":true}`), `"failed":1`)
	only.want(http.StatusUnprocessableEntity, only.ask(http.MethodPost, "/admin/api/forget", `{"who":"+15550104242"}`), "ADMIN_READ_ONLY")
}
