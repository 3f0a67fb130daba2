package sandbox_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
)

// outbox keeps what it is given, or refuses it.
type outbox struct {
	mu      sync.Mutex
	entries []sandbox.Entry
	err     error
}

func (o *outbox) Put(_ context.Context, e sandbox.Entry) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.entries = append(o.entries, e)
	}
	return o.err
}

func (o *outbox) taken() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.entries)
}

var receipt = message.Message{
	JobID: "wh_1:email:1", WebhookID: "wh_1", Channel: message.Email, To: "jo@example.com",
	Subject: "Your receipt", Text: "Thank you", HTML: "<p>Thank you</p>",
}

func open(t *testing.T, c sandbox.Config) (*sandbox.Provider, *outbox) {
	t.Helper()
	box := &outbox{}
	p, err := sandbox.New(c, box)
	if err != nil {
		t.Fatal(err)
	}
	return p, box
}

func TestSendPutsTheMessageIntoTheOutbox(t *testing.T) {
	t.Parallel()
	p, box := open(t, sandbox.Config{OutboxSize: 1})
	got, err := p.Send(t.Context(), receipt)
	if err != nil {
		t.Fatal(err)
	}
	if want := "sandbox-wh_1:email:1"; got.MessageID != want {
		t.Errorf("message id %q, want %q", got.MessageID, want)
	}
	want := []sandbox.Entry{{
		Channel: message.Email, To: "jo@example.com", Subject: "Your receipt", Text: "Thank you", HTML: "<p>Thank you</p>",
		Headers: []string{"Auto-Submitted: auto-generated"}, EventID: "wh_1", JobID: "wh_1:email:1", Provider: "sandbox",
	}}
	if diff := cmp.Diff(want, box.entries, cmpopts.IgnoreFields(sandbox.Entry{}, "SentAt")); diff != "" {
		t.Errorf("outbox (-want +got):\n%s", diff)
	}
	if box.entries[0].SentAt.IsZero() {
		t.Error("the entry has no time")
	}
}

func TestSizeZeroKeepsNothing(t *testing.T) {
	t.Parallel()
	p, box := open(t, sandbox.Config{})
	if _, err := p.Send(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	if n := box.taken(); n != 0 {
		t.Errorf("the outbox was given %d messages, want none", n)
	}
}

func TestFail(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fail  []string
		want  *failure.Error // nil: accepted
		taken int
	}{
		"permanent": {[]string{"permanent"}, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}, 0},
		"transient": {[]string{"transient:1"}, &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}, 0},
		"throttled": {
			[]string{"throttled"}, &failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit, RetryAfter: time.Second}, 0,
		},
		"account": {[]string{"account"}, &failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}, 0},
		// The answer is lost, the message is not: what ON_UNCERTAIN is there for.
		"ambiguous takes it":      {[]string{"ambiguous"}, &failure.Error{Class: failure.Ambiguous, Reason: failure.ReasonTimeout}, 1},
		"share of none":           {[]string{"transient:0"}, nil, 1},
		"no faults":               {nil, nil, 1},
		"the second of two":       {[]string{"permanent:0", " transient:1 "}, &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}, 0},
		"shares that make just 1": {[]string{"account:0.7", "account:0.2", "account:0.1"}, &failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, box := open(t, sandbox.Config{OutboxSize: 1, Fail: test.fail})
			_, err := p.Send(t.Context(), receipt)
			var got *failure.Error
			if err != nil && !errors.As(err, &got) {
				t.Fatalf("error is a %T, want *failure.Error", err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(failure.Error{}, "Detail")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if n := box.taken(); n != test.taken {
				t.Errorf("the outbox took %d messages, want %d", n, test.taken)
			}
		})
	}
}

func TestErrorsAreNotShared(t *testing.T) {
	t.Parallel()
	p, _ := open(t, sandbox.Config{Fail: []string{"throttled"}})
	_, first := p.Send(t.Context(), receipt)
	failure.AsError(first).RetryAfter = time.Hour
	_, second := p.Send(t.Context(), receipt)
	if got := failure.AsError(second).RetryAfter; got != time.Second {
		t.Errorf("what was done to one error shows in the next: retry after %s", got)
	}
}

func TestOutboxThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	box := &outbox{err: errors.New("redis://user:hunter2@db refused jo@example.com")}
	p, err := sandbox.New(sandbox.Config{OutboxSize: 1}, box)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Send(t.Context(), receipt)
	if got := failure.AsError(err); got.Class != failure.Transient || got.Reason != failure.ReasonOutage {
		t.Errorf("class %s, reason %s; want transient, outage", got.Class, got.Reason)
	}
	if text := err.Error(); strings.Contains(text, "hunter2") || strings.Contains(text, "jo@example.com") {
		t.Errorf("the error repeats what the outbox said: %s", text)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, box := open(t, sandbox.Config{OutboxSize: 10, RateLimit: 2})
		for range 2 {
			if _, err := p.Send(t.Context(), receipt); err != nil {
				t.Fatalf("within the limit: %v", err)
			}
		}
		_, err := p.Send(t.Context(), receipt)
		if got := failure.AsError(err); got.Class != failure.Throttled || got.RetryAfter != time.Second {
			t.Errorf("beyond the limit: %v, retry after %s; want throttled, 1s", got, got.RetryAfter)
		}
		<-time.After(time.Second)
		if _, err := p.Send(t.Context(), receipt); err != nil {
			t.Errorf("a second later: %v", err)
		}
		if n := box.taken(); n != 3 {
			t.Errorf("the outbox took %d messages, want 3", n)
		}
	})
}

func TestLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, box := open(t, sandbox.Config{OutboxSize: 1, Latency: time.Minute})
		start := time.Now()
		if _, err := p.Send(t.Context(), receipt); err != nil {
			t.Fatal(err)
		}
		// The clock is the test's own: nothing but the latency moves it.
		if took := time.Since(start); took != time.Minute {
			t.Errorf("took %s, want 1m", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for what, call := range map[string]func() error{
			"send":  func() error { _, err := p.Send(ctx, receipt); return err },
			"probe": func() error { return p.Probe(ctx) },
		} {
			got := failure.AsError(call())
			if got.Class != failure.Transient || got.Reason != failure.ReasonTimeout {
				t.Errorf("%s that ended before the latency did: %v, want transient, timeout", what, got)
			}
		}
		if n := box.taken(); n != 1 {
			t.Errorf("the outbox took %d messages, want 1: the send that was ended is not one", n)
		}
	})
}

func TestSendAfterItsContextEnded(t *testing.T) {
	t.Parallel()
	p, box := open(t, sandbox.Config{OutboxSize: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Send(ctx, receipt); failure.AsError(err).Reason != failure.ReasonTimeout {
		t.Errorf("error %v, want a timeout", err)
	}
	if n := box.taken(); n != 0 {
		t.Errorf("the outbox took %d messages, want none", n)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for fail, healthy := range map[string]bool{"account": false, "account:0.01": false, "account:0": true, "transient": true} {
		p, _ := open(t, sandbox.Config{Fail: []string{fail}})
		err := p.Probe(t.Context())
		if (err == nil) != healthy {
			t.Errorf("SANDBOX_FAIL=%s: probe says %v, want healthy: %t", fail, err, healthy)
		}
		if err != nil && failure.AsError(err).Class != failure.Account {
			t.Errorf("SANDBOX_FAIL=%s: probe says %v, want an account error", fail, err)
		}
	}
}

func TestValidateNamesEveryProblem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config sandbox.Config
		want   []string
	}{
		"defaults":          {sandbox.Config{OutboxSize: 200}, nil},
		"all that can work": {sandbox.Config{Latency: time.Second, RateLimit: 0.5, Fail: []string{"transient:0.5", "permanent:0.5"}}, nil},
		"negative": {
			sandbox.Config{OutboxSize: -1, Latency: -1, RateLimit: -1}, []string{"SANDBOX_OUTBOX_SIZE", "SANDBOX_LATENCY", "SANDBOX_RATE_LIMIT"},
		},
		"no number":      {sandbox.Config{RateLimit: math.NaN(), Fail: []string{"account:NaN"}}, []string{"SANDBOX_RATE_LIMIT", `"account:NaN"`}},
		"unknown class":  {sandbox.Config{Fail: []string{"sometimes", "transient:x"}}, []string{`"sometimes"`, `"transient:x"`}},
		"share above 1":  {sandbox.Config{Fail: []string{"transient:1.5"}}, []string{`"transient:1.5"`}},
		"more than all":  {sandbox.Config{Fail: []string{"transient", "permanent:0.5"}}, []string{"SANDBOX_FAIL adds up to 1.5"}},
		"infinite limit": {sandbox.Config{RateLimit: math.Inf(1)}, []string{"SANDBOX_RATE_LIMIT"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.config.Validate()
			if (err == nil) != (len(test.want) == 0) {
				t.Fatalf("error %v, want one that names %v", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not name %s", err, want)
				}
			}
			if _, newErr := sandbox.New(test.config, nil); (newErr == nil) != (err == nil) {
				t.Errorf("New says %v where Validate says %v", newErr, err)
			}
		})
	}
}
