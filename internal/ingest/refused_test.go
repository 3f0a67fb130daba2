package ingest_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/ingest"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/report"
)

// TestRefused: the provider gets what a Problem says, and of any other error nothing; the log says why of both.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		status int
		log    string
	}{
		"forged":          {provider.Forged("the signature is missing"), 403, `"callback refused","provider":"acme","status":403,"reason":"the signature is missing"`},
		"wrapped":         {fmt.Errorf("reading: %w", inbound.Malformed("it is no JSON")), 400, `"callback refused","provider":"acme","status":400,"reason":"it is no JSON"`},
		"a fault of ours": {errors.New("dial tcp 10.0.0.1"), 500, `"callback failed","provider":"acme","error":"dial tcp 10.0.0.1"`},
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			var log bytes.Buffer
			router := chi.NewRouter()
			ingest.NewCallbacks(ingest.CallbackOptions{Registerer: prometheus.NewRegistry(), Log: slog.New(slog.NewJSONHandler(&log, nil)), Callbacks: []provider.Callback{{
				Provider: "acme", Path: "/callbacks/acme", Body: inbound.Body{MediaTypes: []string{inbound.JSON}, Limit: 1 << 10},
				Read: func(*http.Request, []byte) (report.Update, inbound.Reply, error) {
					return report.Update{}, inbound.Reply{}, tt.err
				},
				Challenge: &provider.Challenge{Answer: func(*http.Request) (inbound.Reply, error) { return inbound.Reply{}, tt.err }},
			}}}).Routes(router)
			r := httptest.NewRequest(method, "/callbacks/acme", strings.NewReader("{}"))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			router.ServeHTTP(w, r)
			if w.Code != tt.status || strings.Contains(w.Body.String(), "10.0.0.1") {
				t.Errorf("%s, %s: HTTP %d %s", name, method, w.Code, w.Body)
			}
			if !strings.Contains(log.String(), tt.log) || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("%s, %s: %q is not all of the log: %s", name, method, tt.log, log.String())
			}
		}
	}
}
