package ingest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/sender/sample"
)

// TestPathKeys: a sender that signs nothing has its key at the end of the path; without one, or with another, it is refused, also with a good signature.
func TestPathKeys(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	for name, topic := range map[string]string{"loyverse": "receipts.update", "lightspeed": "sale.update"} {
		for path, tt := range map[string]struct {
			signedWith string
			status     int
		}{
			"/" + shopKey:              {"", http.StatusOK},
			"":                         {"", http.StatusUnauthorized},
			"/":                        {"", http.StatusNotFound},
			"/" + shopKey + "/":        {"", http.StatusNotFound},
			"/" + shopKey[1:]:          {"", http.StatusUnauthorized},
			"/" + shopKey + "%20":      {"", http.StatusUnauthorized},
			"/another-key-of-the-shop": {shopKey, http.StatusUnauthorized},
		} {
			w, err := sample.New(name, topic, tt.signedWith, "", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if resp := request(t, r.url+"/webhooks/"+name+"/default"+path, string(w.Body), w.Header); resp.StatusCode != tt.status {
				t.Errorf("%s%s: HTTP %d, want %d", name, path, resp.StatusCode, tt.status)
			}
		}
	}
}

// TestKeysAreNotShown: nothing that an operator or a stranger gets to see has a key of a path, of a header or of a signature: neither the log, nor the latest webhooks, nor the answer, nor
// a body that is set aside.
func TestKeysAreNotShown(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	var log bytes.Buffer
	o := r.handler.inner.Options
	o.Log, o.Registerer = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), prometheus.NewRegistry()
	handler, err := NewHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	var shown strings.Builder
	const wrong = "a-wrong-key-that-is-perhaps-a-mistyped-one"
	for _, path := range []string{"loyverse/default/" + shopKey, "loyverse/default/" + wrong, "lightspeed/default/" + shopKey, "lightspeed/default/" + wrong, "clover/default", "nobody/default/" + wrong, "clover/default/" + wrong} {
		for _, code := range []string{shopKey, wrong} {
			for _, body := range []string{`{"type":"receipts.update","receipts":[]}`, `{"merchants":{"m":[{"objectId":"O:1"}]}}`, "payload=%7B%7D", "payload=", ""} {
				resp := request(t, server.URL+"/webhooks/"+path, body, http.Header{"X-Clover-Auth": {code}})
				answer := new(bytes.Buffer)
				_, _ = answer.ReadFrom(resp.Body)
				shown.Write(answer.Bytes())
			}
		}
	}
	handler.inner.note(t.Context())
	for _, name := range []string{"loyverse", "lightspeed", "clover"} {
		state := r.state(name)
		if len(state.Latest) == 0 {
			t.Errorf("nothing of %s", name)
		}
		text, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(text)
	}
	aside, err := r.store.Aside(t.Context())
	if err != nil || len(aside) == 0 {
		t.Errorf("%d set aside, %v", len(aside), err)
	}
	text, err := json.Marshal(aside)
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(text)
	shown.Write(log.Bytes())
	for _, key := range []string{shopKey, wrong, shopKey[3:], wrong[3:]} {
		if at := strings.Index(shown.String(), key); at >= 0 {
			t.Errorf("a key is shown: …%s", shown.String()[max(0, at-200):at])
		}
	}
}

// TestVerificationCode: the code that Clover posts is in the log and among the latest webhooks, and strangers who post others do not push the shop's webhooks out.
func TestVerificationCode(t *testing.T) {
	t.Parallel()
	r := openReal(t)
	w, err := sample.New("clover", "orders", shopKey, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if resp := request(t, r.url+"/webhooks/clover/default", string(w.Body), w.Header); resp.StatusCode != http.StatusOK {
		t.Errorf("HTTP %d", resp.StatusCode)
	}
	const code = "ce7643c1-83ea-4218-abe6-da876c9c7a0a"
	for range maxNoted + 1 {
		if resp := request(t, r.url+"/webhooks/clover/default", `{"verificationCode":"`+code+`"}`, http.Header{}); resp.StatusCode != http.StatusOK {
			t.Fatalf("HTTP %d", resp.StatusCode)
		}
	}
	r.handler.inner.note(t.Context())
	state := r.state("clover")
	var pings, others int
	for _, d := range state.Latest {
		switch {
		case d.Outcome == "ping" && d.Why == "verification code: "+code && d.Topic == "verification":
			pings++
		case d.Outcome == "ids_only" && d.Why != "":
			others++
		default:
			t.Errorf("%+v", d)
		}
	}
	if pings == 0 || others != 1 || state.Outcomes["ping"].Count != maxNoted+1 {
		t.Errorf("%d and %d, %+v", pings, others, state.Outcomes)
	}
}
