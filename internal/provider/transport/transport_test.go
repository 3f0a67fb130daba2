package transport_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/provider/transport"
)

// exchange makes one call to a server that answers as it is told.
func exchange(t *testing.T, answer http.HandlerFunc) *transport.Call {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	call := transport.New(1).Call(t.Context(), nil)
	_ = get(t, call, server.URL) // the call has it
	return call
}

func get(t *testing.T, call *transport.Call, url string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := call.HTTPClient().Do(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

func TestOneCallIsOneRequest(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		http.Redirect(w, &http.Request{URL: &url.URL{Path: "/"}, Method: http.MethodGet}, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	call := transport.New(1).Call(t.Context(), nil)
	if call.Sent() {
		t.Error("sent before anything was")
	}
	if e := call.Unclear(); e.Class != failure.Permanent || e.Reason != failure.ReasonRequest {
		t.Errorf("a request that was not made: %v", e)
	}
	if err := get(t, call, server.URL); err != nil || call.Status != http.StatusFound {
		t.Errorf("%v, HTTP %d: a redirect is an answer", err, call.Status)
	}
	if err := get(t, call, server.URL); err == nil {
		t.Error("a second request was made")
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests reached the server", n)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	call := exchange(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, io.LimitReader(zeros{}, 8<<20)) })
	if len(call.Body) != 0 {
		t.Errorf("%d bytes were kept", len(call.Body))
	}
	if e := call.Unclear(); e.Class != failure.Ambiguous || e.Reason != failure.ReasonUnreadable {
		t.Errorf("%v", e)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestPauses(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][2]time.Duration{
		"7":       {7 * time.Second, 7 * time.Second},
		"0":       {0, 0},
		"-5":      {0, 0},
		"9999999": {time.Hour, time.Hour},
		// More seconds than a Duration has nanoseconds.
		"99999999999999":                {time.Hour, time.Hour},
		strings.Repeat("9", 400):        {time.Hour, time.Hour},
		"1.5":                           {1500 * time.Millisecond, 1500 * time.Millisecond},
		"7.0":                           {7 * time.Second, 7 * time.Second},
		"NaN":                           {0, 0},
		"-Inf":                          {0, 0},
		"soon":                          {0, 0},
		"":                              {0, 0},
		"Wed, 21 Oct 2015 07:28:00 GMT": {0, 0},
		time.Now().Add(time.Minute).UTC().Format(http.TimeFormat): {50 * time.Second, time.Minute},
	} {
		call := exchange(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		e := call.Foreign()
		if e.Class != failure.Throttled || e.RetryAfter < want[0] || e.RetryAfter > want[1] {
			t.Errorf("Retry-After %q: %v, %s, want %s to %s", value, e, e.RetryAfter, want[0], want[1])
		}
	}
	call := exchange(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Reset", strconv.FormatInt(time.Now().Add(30*time.Second).Unix(), 10))
		w.Header().Set("Past", "1")
		w.Header().Set("Garbage", "x")
	})
	if d := call.Until("Reset"); d < 25*time.Second || d > 30*time.Second {
		t.Errorf("until the reset: %s", d)
	}
	if call.Until("Past") != 0 || call.Until("Garbage") != 0 || call.Until("None") != 0 {
		t.Error("a pause was made of nothing")
	}
}

// TestStatuses: what each status means in the provider's own form, and in another program's. Only the former can be permanent, or the account's.
func TestStatuses(t *testing.T) {
	t.Parallel()
	// What another program answers.
	foreign := func(status int) failure.Class {
		switch {
		case status == http.StatusTooManyRequests:
			return failure.Throttled
		case status == http.StatusServiceUnavailable, status >= 300 && status < 500 && status != http.StatusSeeOther:
			return failure.Transient
		}
		return failure.Ambiguous
	}
	for status := 200; status < 600; status++ {
		own := failure.Permanent
		switch {
		case status == 401, status == 403:
			own = failure.Account
		case status == 408, status == 421, status == 425, status >= 500:
			own = failure.Transient
		case status == 429, status < 400:
			own = foreign(status)
		}
		call := exchange(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if e := call.Foreign(); e.Class != foreign(status) || e.Status != status || e.Outage() != (e.Class == failure.Transient) {
			t.Errorf("HTTP %d of another program: %v, want %s", status, e, foreign(status))
		}
		if e := call.Refused("X"); e.Class != own || e.Status != status || own == failure.Permanent && e.Code != "X" {
			t.Errorf("HTTP %d of the provider: %v, want %s", status, e, own)
		}
	}
}

// TestTheProvidersClock: a pause until a date is as long as the provider means it, also where its clock is not this machine's.
func TestTheProvidersClock(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, -3 * time.Hour, 20 * time.Minute} {
		now := time.Now().Add(ahead).UTC().Truncate(time.Second)
		call := exchange(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", now.Format(http.TimeFormat))
			w.Header().Set("Retry-After", now.Add(2*time.Minute).Format(http.TimeFormat))
			w.Header().Set("Reset", strconv.FormatInt(now.Add(3*time.Minute).Unix(), 10))
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		if after, until := call.RetryAfter(), call.Until("Reset"); after != 2*time.Minute || until != 3*time.Minute {
			t.Errorf("%s ahead: %s and %s", ahead, after, until)
		}
	}
}

// TestCutOff: where the body of an answer is cut off, the status that has come still counts. Only of a 2xx is it unclear what became of the message.
func TestCutOff(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]failure.Class{
		200: failure.Ambiguous, 202: failure.Ambiguous, 302: failure.Transient, 400: failure.Transient, 404: failure.Transient, 429: failure.Throttled,
		500: failure.Ambiguous, 502: failure.Ambiguous, 503: failure.Transient,
	} {
		for _, encoding := range []string{"", "gzip"} {
			call := exchange(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Content-Length", "100")
				w.Header().Set("Content-Encoding", encoding)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"code":`)
			})
			if e := call.Foreign(); e.Class != want || status >= 400 && (e.Status != status || e.RetryAfter != 7*time.Second) {
				t.Errorf("HTTP %d %s: %v after %s, want %s", status, encoding, e, e.RetryAfter, want)
			}
		}
	}
}

// TestUserAgent: the version is that of the newest release.
func TestUserAgent(t *testing.T) {
	t.Parallel()
	changes, err := os.ReadFile("../../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## ([0-9]+\.[0-9]+\.[0-9]+) `).FindStringSubmatch(string(changes))
	if newest == nil {
		t.Fatal("CHANGELOG.md has no release")
	}
	var agent string
	exchange(t, func(_ http.ResponseWriter, r *http.Request) { agent = r.UserAgent() })
	if want := "ringup/" + newest[1]; agent != want {
		t.Errorf("%q, want %q", agent, want)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	call := transport.New(1).Call(ctx, nil)
	if err := get(t, call, "http://127.0.0.1:9"); err == nil {
		t.Error("sent")
	}
	if call.Failure == nil || call.Failure.Class != failure.Transient || call.Failure.Reason != failure.ReasonTimeout {
		t.Errorf("%v", call.Failure)
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"proxy", "proxy:8080", "ftp://proxy", "http://", "http://user:secret@proxy", "http://proxy?x=1", "http://pro xy", "https://:8080", "https://proxy#x"} {
		if _, err := transport.New(1).BaseURL("TWILIO_BASE_URL", value, ""); err == nil || !strings.Contains(err.Error(), "TWILIO_BASE_URL") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", value, err)
		}
	}
	if u, err := transport.New(1).BaseURL("X", "", ""); u != nil || err != nil {
		t.Errorf("nothing: %v %v", u, err)
	}
	if u, err := transport.New(1).BaseURL("X", "", "https://api.example"); err != nil || u.Host != "api.example" {
		t.Errorf("the standard: %v %v", u, err)
	}
}

// TestPlainHTTP: http:// is for this machine, unless it is allowed.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	for value, isLocal := range map[string]bool{
		"http://localhost:8088": true, "http://LocalHost": true, "http://127.0.0.1:1": true, "http://127.8.8.8": true, "http://[::1]:1": true, "http://[::ffff:127.0.0.1]": true,
		"http://emulator": false, "HTTP://proxy.example/x": false, "http://10.0.0.1": false, "http://localhost.example": false, "http://127.0.0.1.example": false, "http://[fe80::1]": false, "http://0.0.0.0": false, "http://2130706433": false,
	} {
		client := transport.New(1)
		if _, err := client.BaseURL("TWILIO_BASE_URL", value, ""); (err == nil) != isLocal || err != nil && (!strings.Contains(err.Error(), "TWILIO_BASE_URL") || !strings.Contains(err.Error(), "PROVIDERS_ALLOW_HTTP")) {
			t.Errorf("%s: %v", value, err)
		}
		client.AllowHTTP = true
		if _, err := client.BaseURL("TWILIO_BASE_URL", value, ""); err != nil {
			t.Errorf("%s, allowed: %v", value, err)
		}
		if _, err := transport.New(1).BaseURL("TWILIO_BASE_URL", "https"+value[4:], ""); err != nil {
			t.Errorf("%s, by https: %v", value, err)
		}
	}
}

func TestAnotherHost(t *testing.T) {
	t.Parallel()
	var path, host string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { path, host = r.URL.RequestURI(), r.Host }))
	defer server.Close()
	base, err := transport.New(1).BaseURL("X", server.URL+"/proxy/", "")
	if err != nil {
		t.Fatal(err)
	}
	call := transport.New(1).Call(t.Context(), base)
	if err := get(t, call, "https://api.twilio.com/2010-04-01/Accounts.json?a=b"); err != nil {
		t.Fatal(err)
	}
	if path != "/proxy/2010-04-01/Accounts.json?a=b" || host != base.Host {
		t.Errorf("%s %s", host, path)
	}
}
