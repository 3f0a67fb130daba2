package ingest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/store"
)

// fakeQueue takes what it is given, or answers with err.
type fakeQueue struct {
	mu   sync.Mutex
	err  error
	took []*queue.Submission
	// known is the webhook that something is known of; "" for "w/1 ü".
	known string
}

func (f *fakeQueue) Enqueue(_ context.Context, s *queue.Submission) (*queue.Acceptance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	f.took = append(f.took, s)
	a := &queue.Acceptance{}
	for _, c := range s.Channels {
		for range c.Recipients {
			a.Jobs = append(a.Jobs, queue.Accepted{Channel: c.Channel})
		}
		a.Skipped = append(a.Skipped, c.Skipped...)
	}
	return a, nil
}

func (f *fakeQueue) Notifications(_ context.Context, id string) (*queue.Notifications, error) {
	switch {
	case f.err != nil:
		return nil, f.err
	case id != cmp.Or(f.known, "w/1 ü"):
		return nil, &queue.NotFoundError{WebhookID: id}
	}
	return &queue.Notifications{WebhookID: id, Notifications: []queue.Notification{{ID: id + ":sms:1", Status: queue.StatusSent}}}, nil
}

type bundle struct {
	url   string
	queue *fakeQueue
	log   *bytes.Buffer
}

// shop is a store in the US that messages of some channels go out for, to nobody but the customer.
func shop(channels ...message.Channel) *store.Store {
	s := &store.Store{ID: event.DefaultStore, Region: "US", Priorities: store.DefaultPriorities}
	for _, c := range channels {
		s.Channels = append(s.Channels, store.Channel{Name: c})
	}
	return s
}

func setup(t *testing.T, change func(*Config)) *bundle {
	t.Helper()
	return setupFor(t, shop(message.Channels...), change)
}

func setupFor(t *testing.T, of *store.Store, change func(*Config)) *bundle {
	t.Helper()
	return setupIn(t, prometheus.NewRegistry(), of, change)
}

// setupIn is setupFor with metrics in a registry.
func setupIn(t *testing.T, registry *prometheus.Registry, of *store.Store, change func(*Config)) *bundle {
	t.Helper()
	config := Config{MaxBodyBytes: 1 << 20, TestEndpoints: true}
	if change != nil {
		change(&config)
	}
	verifier, err := generic.New(generic.Config{Tokens: secret.Keys{"token"}, Secrets: secret.Keys{"secret"}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{queue: &fakeQueue{}, log: &bytes.Buffer{}}
	h, err := NewHandler(Options{
		Config: config, Store: of, Verifier: verifier, Enqueuer: b.queue, Notifier: b.queue, Registerer: registry,
		Log: slog.New(slog.NewJSONHandler(&lockedWriter{w: b.log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// post sends a body with a good token, headers changed as given ("" removes one), and returns the status and the answer.
func (b *bundle) post(t *testing.T, path, body string, headers map[string]string) (*http.Response, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer token")
	for name, value := range headers {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("HTTP %d is not answered in JSON: %v", resp.StatusCode, err)
	}
	return resp, answer
}

func sampleWith(data string) string {
	return `{"id":"w1","event_type":"payment_complete","timestamp":"2024-01-01T12:00:00Z","source":"till","data":` + data + `}`
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	good := string(generic.Sample(event.POSSave))
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write([]byte(good))
	signature := hex.EncodeToString(mac.Sum(nil))
	tests := []struct {
		name, body string
		headers    map[string]string
		status     int
		detail     string
	}{
		{"the design's sample", good, nil, 202, ""},
		{"with a charset", good, map[string]string{"Content-Type": "application/json; charset=utf-8"}, 202, ""},
		{"with a charset in capitals", good, map[string]string{"Content-Type": "application/json;charset=\"Utf-8\""}, 202, ""},
		{"with a charset without its hyphen", good, map[string]string{"Content-Type": "application/json; charset=UTF8"}, 202, ""},
		{"with another charset", good, map[string]string{"Content-Type": "application/json; charset=latin1"}, 415, "in UTF-8"},
		{"signed", good, map[string]string{"X-Webhook-Signature": "sha256=" + signature}, 202, ""},
		{"signed wrongly", good + " ", map[string]string{"X-Webhook-Signature": signature}, 401, "X-Webhook-Signature does not fit"},
		{"no token", good, map[string]string{"Authorization": ""}, 401, "Authorization header is missing"},
		{"a wrong token", good, map[string]string{"Authorization": "Bearer nope"}, 401, "not valid"},
		{"not JSON", "hello", nil, 400, "not valid JSON"},
		{"half of it", good[:100], nil, 400, "ends too early"},
		{"empty", "", nil, 400, "empty"},
		{"a form", good, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, "application/json"},
		{"no type", good, map[string]string{"Content-Type": ""}, 415, "application/json"},
		{"gzip", good, map[string]string{"Content-Encoding": "gzip"}, 415, "Content-Encoding"},
		{"10 MB", strings.Repeat(" ", 10<<20), nil, 413, "MAX_BODY_BYTES"},
		{"wrong fields", `{"id":{},"event_type":"x","data":{"amount":[]}}`, nil, 422, "errors names each"},
		{"hostile text", sampleWith(`{"customerName":"<script>\u0000\u202e😀مرحبا` + strings.Repeat("x", 10000) + `"}`), nil, 202, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			resp, answer := b.post(t, "/webhooks/pos", tt.body, tt.headers)
			detail, _ := answer["detail"].(string)
			if resp.StatusCode != tt.status || !strings.Contains(detail, tt.detail) {
				t.Fatalf("HTTP %d %v, want %d with %q", resp.StatusCode, answer, tt.status, tt.detail)
			}
			if want := map[bool]string{true: "application/json", false: "application/problem+json"}[tt.status == 202]; resp.Header.Get("Content-Type") != want {
				t.Errorf("content type %q, want %q", resp.Header.Get("Content-Type"), want)
			}
			if taken := len(b.queue.took); (taken == 1) != (tt.status == 202) {
				t.Errorf("%d webhooks reached the queue", taken)
			}
			for _, secret := range []string{"John", "1234567890", "john.doe", "Bearer", "nope", signature} {
				if strings.Contains(b.log.String(), secret) {
					t.Errorf("the log has %q: %s", secret, b.log)
				}
			}
		})
	}
}

// TestEveryEventType is taken, and planned with its priority.
func TestEveryEventType(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for i, kind := range event.Types {
		resp, answer := b.post(t, "/webhooks/pos", string(generic.Sample(kind)), nil)
		if resp.StatusCode != 202 || len(answer["jobs"].([]any)) != 3 {
			t.Fatalf("%s: HTTP %d %v", kind, resp.StatusCode, answer)
		}
		if s := b.queue.took[i]; s.Event.Type != kind || s.Priority != store.DefaultPriorities[kind] || s.AcceptedAt.IsZero() {
			t.Errorf("%s became %+v", kind, s)
		}
	}
}

func TestEveryWrongFieldIsNamed(t *testing.T) {
	t.Parallel()
	_, answer := setup(t, nil).post(t, "/webhooks/pos", `{"id":{},"event_type":"x","data":{"amount":[],"items":[{"price":{}}]}}`, nil)
	var paths []string
	for _, e := range answer["errors"].([]any) {
		paths = append(paths, e.(map[string]any)["path"].(string))
	}
	if got := strings.Join(paths, " "); got != "id event_type data.amount data.items[0].price timestamp" {
		t.Errorf("errors of %s", got)
	}
}

// TestQueueTrouble: the sender is asked to send it again where that may help, and only there. The log has the error, and the sender does not.
func TestQueueTrouble(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		detail string // "" for no detail
		log    string // "" where the answer says it all
	}{
		{errors.Join(queue.ErrUnavailable, errors.New("dial tcp 10.0.0.1")), 503, "send it again", "10.0.0.1"},
		{fmt.Errorf("%w: %w", queue.ErrUnavailable, context.DeadlineExceeded), 503, "send it again", "deadline exceeded"},
		{&queue.FullError{Channel: message.SMS, Depth: 7}, 503, "the sms queue is full", ""},
		{fmt.Errorf("webhook cannot become a job: %w", errors.New("too long by 10.0.0.1 bytes")), 500, "", `"webhook failed","event":"payment_complete","error":"webhook \"w1\": webhook cannot`},
	} {
		b := setup(t, nil)
		b.queue.err = tt.err
		resp, answer := b.post(t, "/webhooks/pos", sampleWith(`{}`), nil)
		detail, _ := answer["detail"].(string)
		if resp.StatusCode != tt.status || (resp.Header.Get("Retry-After") != "") != (tt.status == 503) || !strings.Contains(detail, tt.detail) ||
			(detail == "") != (tt.detail == "") || strings.Contains(detail, "10.0.0.1") {
			t.Errorf("%v: HTTP %d %v", tt.err, resp.StatusCode, answer)
		}
		if !strings.Contains(b.log.String(), tt.log) {
			t.Errorf("%v: %q is not in the log: %s", tt.err, tt.log, b.log)
		}
	}
}

func TestSourceRate(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.SourceRateLimit, c.SourceRateBurst = 0.001, 1 })
	first, _ := b.post(t, "/webhooks/pos", sampleWith(`{}`), nil)
	second, _ := b.post(t, "/webhooks/pos", sampleWith(`{}`), nil)
	other, _ := b.post(t, "/webhooks/pos", strings.Replace(sampleWith(`{}`), "till", "other", 1), nil)
	if first.StatusCode != 202 || second.StatusCode != 429 || second.Header.Get("Retry-After") == "" || other.StatusCode != 202 {
		t.Errorf("HTTP %d, %d, %d; want 202, 429 with Retry-After, 202", first.StatusCode, second.StatusCode, other.StatusCode)
	}
}

func TestFanOut(t *testing.T) {
	t.Parallel()
	of := shop(message.Channels...)
	of.Channels[0].Recipients = []message.Recipient{{Address: "+15550100001", Audience: message.Staff}, {Address: "+15550100002", Audience: message.Staff}}
	of.Channels[1].Recipients = []message.Recipient{{Address: "staff@example.com", Audience: message.Staff}}
	b := setupFor(t, of, nil)
	_, answer := b.post(t, "/webhooks/pos", sampleWith(`{"customerPhone":"+1 555 010 0001","customerEmail":"no address"}`), nil)
	s := b.queue.took[0]
	var got []string
	for _, c := range s.Channels {
		for _, r := range c.Recipients {
			got = append(got, string(c.Channel)+" "+r.Address.Reveal()+" "+r.Audience.String())
		}
	}
	want := "sms +15550100001 customer, sms +15550100002 staff, email staff@example.com staff, whatsapp +15550100001 customer"
	if strings.Join(got, ", ") != want {
		t.Errorf("fan-out %q, want %q", got, want)
	}
	skipped := answer["skipped"].([]any)
	if len(skipped) != 1 || skipped[0].(map[string]any)["reason"] != "not an e-mail address" || skipped[0].(map[string]any)["channel"] != "email" {
		t.Errorf("skipped %v", skipped)
	}
	// Nobody to write to: the webhook is recorded all the same.
	b = setup(t, nil)
	if _, answer = b.post(t, "/webhooks/pos", sampleWith(`{}`), nil); len(answer["jobs"].([]any)) != 0 || len(b.queue.took[0].Channels) != 1 {
		t.Errorf("%v, %+v", answer, b.queue.took[0])
	}
}

func TestTestEndpoints(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	noToken := map[string]string{"Authorization": ""}
	resp, answer := b.post(t, "/test/simulate-webhook", `{"event_type":"order_create"}`, noToken)
	if resp.StatusCode != 202 || len(answer["jobs"].([]any)) != 3 {
		t.Errorf("simulate: HTTP %d %v", resp.StatusCode, answer)
	}
	resp, answer = b.post(t, "/webhooks/test", `{"id":"x","foo":1}`, noToken)
	if resp.StatusCode != 200 || answer["valid"] != false || len(b.queue.took) != 1 {
		t.Errorf("test: HTTP %d %v", resp.StatusCode, answer)
	}
	for _, path := range []string{"/webhooks/test", "/test/simulate-webhook", "/nothing"} {
		off := setup(t, func(c *Config) { c.TestEndpoints = false })
		if resp, _ := off.post(t, path, `{}`, nil); resp.StatusCode != 404 {
			t.Errorf("%s is served without TEST_ENDPOINTS: HTTP %d", path, resp.StatusCode)
		}
	}
}

type discard struct{}

func (discard) Enqueue(context.Context, *queue.Submission) (*queue.Acceptance, error) {
	return &queue.Acceptance{}, nil
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	get := func(path, token string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, body := get("/v1/notifications/w%2F1%20%C3%BC", "Bearer token"); status != 200 || !strings.Contains(body, `"status":"sent"`) {
		t.Errorf("HTTP %d %s", status, body)
	}
	if status, _ := get("/v1/notifications/w2", "Bearer token"); status != 404 {
		t.Errorf("an unknown one: HTTP %d", status)
	}
	for _, token := range []string{"", "Bearer nope"} {
		if status, _ := get("/v1/notifications/w2", token); status != 401 {
			t.Errorf("with %q: HTTP %d", token, status)
		}
	}
	if status, body := get("/webhooks/pos", ""); status != 405 || !strings.Contains(body, "takes POST") {
		t.Errorf("GET where POST belongs: HTTP %d %s", status, body)
	}
	b.queue.err = queue.ErrUnavailable
	if status, _ := get("/v1/notifications/w2", "Bearer token"); status != 503 {
		t.Errorf("without Redis: HTTP %d", status)
	}
}

// slowQueue answers when it is told to.
type slowQueue struct {
	fakeQueue
	entered, leave chan struct{}
}

func (s *slowQueue) Enqueue(ctx context.Context, submission *queue.Submission) (*queue.Acceptance, error) {
	s.entered <- struct{}{}
	<-s.leave
	return s.fakeQueue.Enqueue(ctx, submission)
}
