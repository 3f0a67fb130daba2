package ingest_test

import (
	"bytes"
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

// TestPreferencesWithoutANumber: they are counted, and the log names their messages, so that an operator can look them up; of very many only some.
func TestPreferencesWithoutANumber(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 30} {
		b := &bench{registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
		var update report.Update
		for i := range n {
			update.Unread = append(update.Unread, fmt.Sprintf("SM%d:opt_out", i+1))
		}
		router := chi.NewRouter()
		ingest.NewCallbacks(ingest.CallbackOptions{Callbacks: []provider.Callback{{
			Provider: "p", Path: "/callbacks/p", Body: inbound.Body{MediaTypes: []string{inbound.JSON}, Limit: 10},
			Read: func(*http.Request, []byte) (report.Update, inbound.Reply, error) { return update, inbound.OK, nil },
		}}, Sink: b, Registerer: b.registry, Log: slog.New(slog.NewTextHandler(&syncWriter{w: b.log}, nil))}).Routes(router)
		r := httptest.NewRequest(http.MethodPost, "/callbacks/p", strings.NewReader("{}"))
		r.Header.Set("Content-Type", inbound.JSON)
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		text := b.log.String()
		if w.Code != http.StatusOK || !strings.Contains(text, fmt.Sprintf("count=%d", n)) || strings.Count(text, ":opt_out") != min(n, 20) {
			t.Errorf("%d: %s", w.Code, text)
		}
		if got := b.counted(t, "ringup_preferences_unread_total")["p"]; got != float64(n) {
			t.Errorf("%g are counted of %d", got, n)
		}
	}
}
