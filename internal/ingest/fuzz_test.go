package ingest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/sender/generic"
)

// FuzzHandler asks the public endpoints for anything, with a good token: there is always an answer in JSON, never a 5xx, one log line is
// one line in either format, and what is accepted is a webhook.
func FuzzHandler(f *testing.F) {
	f.Add("POST", "/webhooks/pos", "application/json", "", generic.Sample(event.POSSave))
	f.Add("POST", "/test/simulate-webhook", "application/json; charset=utf-8", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", []byte(`{"event_type":"order_create"}`))
	f.Add("POST", "/webhooks/test", "application/json", "x", []byte(`{"id":{}}`))
	f.Add("GET", "/v1/notifications/%00%2f..", "", "", []byte{})
	f.Add("POST", "/webhooks/pos", "application/json", "", []byte(`{"id":"a\nlevel=ERROR","source":"\u2028","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`))
	verifier, err := generic.New(generic.Config{Tokens: secret.Keys{"token"}}, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, contentType, traceparent string, body []byte) {
		target, err := url.Parse(path)
		if err != nil || !strings.HasPrefix(target.EscapedPath(), "/") || strings.HasPrefix(path, "//") || len(path) > 2000 {
			t.Skip("no request of it reaches a handler")
		}
		var text, lines bytes.Buffer
		for log, handler := range map[*bytes.Buffer]slog.Handler{&text: slog.NewTextHandler(&text, nil), &lines: slog.NewJSONHandler(&lines, nil)} {
			b := &fakeQueue{}
			h, err := NewHandler(Options{
				Config: Config{MaxBodyBytes: 1 << 16, TestEndpoints: true, SourceRateLimit: 1000}, Store: shop(message.SMS, message.Email), Verifier: verifier,
				Enqueuer: b, Notifier: b, Registerer: prometheus.NewRegistry(), Log: slog.New(handler),
			})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			r.Method, r.URL = method, target
			r.Header = http.Header{"Content-Type": {contentType}, "Authorization": {"Bearer token"}, "Traceparent": {traceparent}}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 || w.Code < 200 {
				t.Errorf("HTTP %d: %s", w.Code, w.Body)
			}
			if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "application/") || !json.Valid(w.Body.Bytes()) {
				t.Errorf("HTTP %d in %s: %s", w.Code, kind, w.Body)
			}
			if (w.Code == http.StatusAccepted) != (len(b.took) == 1) {
				t.Errorf("HTTP %d, and %d webhooks in the queue", w.Code, len(b.took))
			}
			for line := range strings.Lines(log.String()) {
				if log == &text && !strings.HasPrefix(line, "time=") || log == &lines && !json.Valid([]byte(line)) {
					t.Errorf("the log has a line of its own: %q", line)
				}
			}
			if n := strings.Count(log.String(), "\n"); n > 2 {
				t.Errorf("one request made %d lines of log: %q", n, log)
			}
		}
	})
}
