package inbound_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/inbound"
)

func TestProblem(t *testing.T) {
	t.Parallel()
	invalid := inbound.New(http.StatusUnprocessableEntity, "invalid", "errors names each wrong field")
	invalid.Errors = []inbound.FieldError{{Path: "id", Message: "must be text"}}
	slow := inbound.New(http.StatusServiceUnavailable, "full", "send it again")
	slow.RetryAfter = 90e9
	for name, tt := range map[string]struct {
		problem *inbound.Problem
		body    string
		pause   string
	}{
		"a detail":           {inbound.New(404, "", "there is nothing here"), `{"type":"about:blank","title":"Not Found","status":404,"detail":"there is nothing here"}`, ""},
		"no detail":          {inbound.New(500, "error", ""), `{"type":"about:blank","title":"Internal Server Error","status":500}`, ""},
		"wrong fields":       {invalid, `{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"errors names each wrong field","errors":[{"path":"id","message":"must be text"}]}`, ""},
		"too many":           {inbound.New(429, "rate_limited", "x"), `{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"x"}`, "5"},
		"unavailable":        {inbound.Unavailable("x"), `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"x"}`, "5"},
		"a pause of its own": {slow, `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"send it again"}`, "90"},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("WWW-Authenticate", "Bearer")
		tt.problem.Write(w)
		want := http.Header{"Content-Type": {"application/problem+json"}, "X-Content-Type-Options": {"nosniff"}, "Www-Authenticate": {"Bearer"}}
		if tt.pause != "" {
			want.Set("Retry-After", tt.pause)
		}
		if diff := cmp.Diff(want, w.Header()); diff != "" {
			t.Errorf("%s: headers (-want +got):\n%s", name, diff)
		}
		if got := strings.TrimSpace(w.Body.String()); got != tt.body || w.Code != tt.problem.Status {
			t.Errorf("%s: HTTP %d %s, want %s", name, w.Code, got, tt.body)
		}
	}
}

// TestAsProblem: an inner error reaches the log, never the client.
func TestAsProblem(t *testing.T) {
	t.Parallel()
	refused := inbound.Malformed("the body is not JSON")
	if got := inbound.AsProblem(fmt.Errorf("wrapped: %w", refused)); got != refused {
		t.Errorf("%v", got)
	}
	got := inbound.AsProblem(errors.New("dial tcp 10.0.0.1: refused"))
	text, err := json.Marshal(got)
	if err != nil || got.Status != 500 || got.Outcome != inbound.OutcomeError || strings.Contains(string(text)+got.Error(), "10.0.0.1") {
		t.Errorf("%s, %v", text, err)
	}
	if inbound.AsProblem(nil) != nil {
		t.Error("no error is no problem")
	}
}

func TestReply(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	inbound.Reply{Status: 200, MediaType: "text/xml", Body: "<Response/>"}.Write(w)
	if w.Code != 200 || w.Body.String() != "<Response/>" || w.Header().Get("Content-Type") != "text/xml" {
		t.Errorf("HTTP %d %v %s", w.Code, w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	inbound.Reply{Status: 204}.Write(w)
	if w.Code != 204 || w.Body.Len() != 0 || len(w.Header()) != 0 {
		t.Errorf("HTTP %d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	const limit = 16
	at, above := strings.Repeat("x", limit), strings.Repeat("x", limit+1)
	for name, tt := range map[string]struct {
		contentType, encoding string
		body                  io.Reader
		length                int64 // as announced; -1 for a chunked body
		status                int
		outcome               string
		want                  string
	}{
		"JSON":                     {contentType: "application/json", body: strings.NewReader(at), length: limit, want: at},
		"a form":                   {contentType: "application/x-www-form-urlencoded; charset=UTF-8", body: strings.NewReader("a=b"), length: 3, want: "a=b"},
		"in capitals":              {contentType: "Application/JSON; Charset=utf-8", body: strings.NewReader("{}"), length: 2, want: "{}"},
		"empty":                    {contentType: "application/json", body: http.NoBody},
		"chunked":                  {contentType: "application/json", body: strings.NewReader(at), length: -1, want: at},
		"identity":                 {contentType: "application/json", encoding: "identity", body: strings.NewReader("{}"), length: 2, want: "{}"},
		"Identity":                 {contentType: "application/json", encoding: "Identity", body: strings.NewReader("{}"), length: 2, want: "{}"},
		"no type":                  {body: strings.NewReader("{}"), length: 2, status: 415, outcome: "media_type"},
		"another type":             {contentType: "text/plain", body: strings.NewReader("{}"), length: 2, status: 415, outcome: "media_type"},
		"a type that is invalid":   {contentType: "application/json; ;", body: strings.NewReader("{}"), length: 2, status: 415, outcome: "media_type"},
		"another charset":          {contentType: "application/json; charset=iso-8859-1", body: strings.NewReader("{}"), length: 2, status: 415, outcome: "media_type"},
		"compressed":               {contentType: "application/json", encoding: "gzip", body: strings.NewReader("{}"), length: 2, status: 415, outcome: "media_type"},
		"announced too large":      {contentType: "application/json", body: iotest.ErrReader(errors.New("it was read")), length: limit + 1, status: 413, outcome: "too_large"},
		"too large without a word": {contentType: "application/json", body: strings.NewReader(above), length: -1, status: 413, outcome: "too_large"},
		"cut off": {contentType: "application/json", body: io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)), length: 2, status: 400,
			outcome: "malformed"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", tt.body)
		r.ContentLength = tt.length
		r.Header.Set("Content-Type", tt.contentType)
		r.Header.Set("Content-Encoding", tt.encoding)
		body := inbound.Body{MediaTypes: []string{"application/json", "application/x-www-form-urlencoded"}, Limit: limit, Setting: "MAX_BODY_BYTES"}
		got, err := body.Read(r)
		if tt.status == 0 {
			if err != nil || string(got) != tt.want {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			continue
		}
		if p := inbound.AsProblem(err); p == nil || p.Status != tt.status || p.Outcome != tt.outcome || p.Detail == "" {
			t.Errorf("%s: %q, %+v; want %d", name, got, p, tt.status)
		}
		if tt.status == 413 && !strings.Contains(err.Error(), "16 bytes (MAX_BODY_BYTES)") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnnouncedLength: a client that announces much and sends little does not get the memory.
func TestAnnouncedLength(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader([]byte("{}")))
	r.ContentLength = 1 << 30
	r.Header.Set("Content-Type", "application/json")
	got, err := (&inbound.Body{MediaTypes: []string{"application/json"}, Limit: 1 << 30}).Read(r)
	if err != nil || cap(got) > 64<<10 {
		t.Errorf("%d bytes for a body of %d, %v", cap(got), len(got), err)
	}
}
