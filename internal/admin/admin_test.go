package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// queues is a queue in memory.
type queues struct {
	paused map[message.Channel]string
	err    error
}

func (q *queues) Depth(_ context.Context, c message.Channel) (queue.Depth, error) {
	return queue.Depth{Waiting: [4]int64{1, 2, 3, 4}, Halted: q.paused[c]}, q.err
}

func (q *queues) Pause(_ context.Context, c message.Channel, by, why string) error {
	q.paused[c] = by + ": " + why
	return q.err
}

func (q *queues) Resume(_ context.Context, c message.Channel) error {
	delete(q.paused, c)
	return q.err
}

func (q *queues) List(context.Context) ([]queue.OutboxEntry, error) { return nil, q.err }

func ask(q *queues, token, method, path, body string, header ...string) *httptest.ResponseRecorder {
	h := admin.Handler(admin.Options{Config: admin.Config{Token: "right"}, Queues: q, Outbox: q, Log: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))})
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/outbox", "/admin/api/queues"} {
		for _, token := range []string{"", "wrong", "righ", "rightt"} {
			if w := ask(&queues{}, token, http.MethodGet, path, ""); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: %d", path, token, w.Code)
			}
		}
		if w := ask(&queues{}, "right", http.MethodGet, path, ""); w.Code >= 400 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	basic := httptest.NewRequest(http.MethodGet, "/", nil)
	basic.SetBasicAuth("anna", "right")
	if w := ask(&queues{}, "", http.MethodGet, "/outbox", "", "Authorization", basic.Header.Get("Authorization")); w.Code != http.StatusOK {
		t.Errorf("by password: %d", w.Code)
	}
}

func TestWithoutATokenOnlyThisMachine(t *testing.T) {
	t.Parallel()
	if at := (&admin.Config{Port: 8080}).Address(); at != "127.0.0.1:8080" {
		t.Errorf("listens on %s", at)
	}
	if at := (&admin.Config{Port: 8080, Token: "x"}).Address(); at != ":8080" {
		t.Errorf("listens on %s", at)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	q := &queues{paused: map[message.Channel]string{}}
	if w := ask(q, "right", http.MethodPost, "/admin/api/queues/sms/pause", `{"by":"anna","why":"wrong text"}`); w.Code != http.StatusOK || q.paused[message.SMS] != "anna: wrong text" {
		t.Errorf("%d %s %v", w.Code, w.Body, q.paused)
	}
	var depths map[string]queue.Depth
	if err := json.Unmarshal(ask(q, "right", http.MethodGet, "/admin/api/queues", "").Body.Bytes(), &depths); err != nil || depths["sms"].Halted == "" || depths["email"].Waiting[3] != 4 {
		t.Errorf("%v %v", depths, err)
	}
	if w := ask(q, "right", http.MethodPost, "/admin/api/queues/sms/resume", ""); w.Code != http.StatusOK || len(q.paused) != 0 {
		t.Errorf("%d %v", w.Code, q.paused)
	}
	for path, want := range map[string]int{"/admin/api/queues/fax/resume": http.StatusNotFound, "/admin/api/queues/sms/pause": http.StatusBadRequest} {
		if w := ask(q, "right", http.MethodPost, path, "{}"); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	// Another site's page cannot use an operator's browser.
	if w := ask(q, "right", http.MethodPost, "/admin/api/queues/sms/resume", "", "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", w.Code)
	}
	q.err = errors.New("away")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		path := map[string]string{http.MethodGet: "/admin/api/queues", http.MethodPost: "/admin/api/queues/sms/resume"}[method]
		if w := ask(q, "right", method, path, ""); w.Code != http.StatusServiceUnavailable {
			t.Errorf("without Redis: %d", w.Code)
		}
	}
}
