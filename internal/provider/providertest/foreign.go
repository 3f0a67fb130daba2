package providertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/test/emulator"
)

// foreignBodies are answers that no provider gives: those of proxies, firewalls, load balancers, gateways and captive portals on the way, and those of
// a provider that was cut off in the middle.
var foreignBodies = []string{
	"",
	" \n",
	"<html><body><h1>404 Not Found</h1></body></html>",
	`<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body/></html>`,
	`<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`,
	"upstream connect error or disconnect/reset before headers",
	"no healthy upstream",
	"\x00\xff\xfe",
	"null", "{}", "[]", "7", `"no"`, `{"error":null}`, `{"errors":[]}`, `{"errors":[{}]}`, `{"code":null}`,
	`{"message":"no Route matched with those values"}`,
	`{"error":"Not Found"}`,
	`{"error":{"message":"Not Found"}}`,
	`{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}`,
	`{"errors":["Not Found"]}`,
	`{"errors":[{"status":"404","title":"Not Found"}]}`,
	`{"errors":[{"message":"Not Found"}]}`,
	`{"statusCode":404,"message":"Resource not found"}`,
	`{"code":404,"message":"Not Found","status":404}`,
	`{"type":"about:blank","title":"Not Found","status":404}`,
}

// cutOff returns the beginnings of an answer in the provider's own form.
func (a *Adapter) cutOff() []string {
	var out []string
	for _, d := range append(emulator.Dialects(), a.Dialects...) {
		if d.Name != a.Dialect {
			continue
		}
		w := httptest.NewRecorder()
		d.Refuse(w, a.Failures[0].Answer)
		whole := strings.TrimSpace(w.Body.String())
		for _, n := range []int{1, len(whole) / 2, len(whole) - 1} {
			out = append(out, whole[:n])
		}
	}
	return out
}

// foreign looks whether an answer that is not in the provider's own form, whatever its status, says nothing about the message and nothing about the
// account: it is tried again, and counts towards the breaker.
func (a *Adapter) foreign(t *testing.T) {
	t.Parallel()
	for status := 300; status < 600; status++ {
		if status > 308 && status < 400 {
			continue // there are none
		}
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			want := failure.Transient
			switch {
			case status == http.StatusTooManyRequests:
				want = failure.Throttled
			case status >= 500 && status != http.StatusServiceUnavailable, status == http.StatusSeeOther:
				want = failure.Ambiguous // the provider may have taken it, and what it answered was lost
			}
			b := a.open(t, a.Secret)
			for _, body := range append(a.cutOff(), foreignBodies...) {
				b.emulator.Fail(emulator.Fault{Kind: emulator.Foreign, Probes: true, Refusal: emulator.Refusal{Status: status, Text: body}})
				_, err := b.provider.Send(within(t, 10*time.Second), a.message())
				if e := failure.AsError(err); e.Class != want || e.Status != status {
					t.Errorf("%q: %v, want %s", body, err, want)
				}
				if status%50 != 0 {
					continue // a probe reads answers as a send does
				}
				if e := failure.AsError(b.provider.Probe(within(t, 10*time.Second))); e.Class != want {
					t.Errorf("probe: %q: %v, want %s", body, e, want)
				}
			}
		})
	}
}

// foreignSuccess looks whether an answer of another program is taken for the provider's because its status is one of success: a message would be lost, or
// a provider called healthy, or an account blamed.
func (a *Adapter) foreignSuccess(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 203, 206, 226} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			b := a.open(t, a.Secret)
			for _, body := range append(a.cutOff(), foreignBodies...) {
				b.emulator.Fail(emulator.Fault{Kind: emulator.Foreign, Probes: true, Refusal: emulator.Refusal{Status: status, Text: body}})
				// SendGrid's own 202 has no body.
				if status != http.StatusAccepted || strings.TrimSpace(body) != "" {
					if _, err := b.provider.Send(within(t, 10*time.Second), a.message()); failure.AsError(err).Class != failure.Ambiguous || err == nil {
						t.Errorf("%q: %v", body, err)
					}
				}
				if err := b.provider.Probe(within(t, 10*time.Second)); err == nil || failure.AsError(err).Class != failure.Ambiguous {
					t.Errorf("probe: %q: %v", body, err)
				}
			}
		})
	}
}

// pauses looks whether the adapter hears what pause an answer asks for, the provider's and another program's, in both forms (RFC 9110, section 10.2.3), within
// the transport's bound.
func (a *Adapter) pauses(t *testing.T) {
	t.Parallel()
	date := time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		value       string
		least, most time.Duration
	}{{"7", 7 * time.Second, 7 * time.Second}, {date, 5 * time.Minute, 10 * time.Minute}, {"86400", time.Hour, time.Hour}, {"soon", 0, 0}} {
		for _, kind := range []emulator.Kind{"", emulator.Page, emulator.Empty} {
			for _, status := range []int{408, 425, 429, 500, 502, 503, 504} {
				t.Run(fmt.Sprintf("%s %s %d", c.value, kind, status), func(t *testing.T) {
					t.Parallel()
					b := a.open(t, a.Secret)
					b.emulator.Fail(emulator.Fault{Kind: kind, Refusal: emulator.Refusal{Status: status, Text: "later", Header: http.Header{"Retry-After": {c.value}}}})
					_, err := b.provider.Send(within(t, 10*time.Second), a.message())
					e := failure.AsError(err)
					if e.RetryAfter < c.least || e.RetryAfter > c.most {
						t.Errorf("%v: a pause of %s, want %s to %s", e, e.RetryAfter, c.least, c.most)
					}
					if kind != "" && e.Class == failure.Permanent {
						t.Errorf("%v: it never gets its pause", e)
					}
				})
			}
		}
	}
}
