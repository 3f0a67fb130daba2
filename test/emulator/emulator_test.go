package emulator_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ringup.dev/ringup/test/emulator"
)

// TestDialectWithoutChecks: a dialect has no Check, IsList or List where its provider checks and lists nothing.
func TestDialectWithoutChecks(t *testing.T) {
	t.Parallel()
	s := emulator.New(emulator.Dialect{
		Name: "acme", Routes: []string{"POST /messages", "GET /account"},
		IsProbe: func(r *http.Request, _ []byte) bool { return r.Method == http.MethodGet },
		Read: func(_ *http.Request, body []byte) (emulator.Message, *emulator.Refusal) {
			return emulator.Message{To: string(body)}, nil
		},
		Accept:  func(w http.ResponseWriter, _ emulator.Message) { w.WriteHeader(http.StatusAccepted) },
		Healthy: func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
	})
	for path, want := range map[string]int{"POST /messages": http.StatusAccepted, "GET /account": http.StatusOK} {
		method, target, _ := strings.Cut(path, " ")
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, target, strings.NewReader("+12025550143"))
		r.Header.Set("User-Agent", "ringup/1.2.3")
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	if m := s.Messages(); len(m) != 1 || m[0].To != "+12025550143" || m[0].Provider != "acme" {
		t.Errorf("%+v", m)
	}
}
