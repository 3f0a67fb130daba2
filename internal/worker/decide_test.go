package worker

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/failure"
)

// TestDecide mirrors the diagram in docs/message-lifecycle.md.
func TestDecide(t *testing.T) {
	t.Parallel()
	backoff := []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}
	of := func(class failure.Class, after time.Duration) *failure.Error {
		return &failure.Error{Class: class, Reason: failure.ReasonOutage, RetryAfter: after}
	}
	tests := []struct {
		name   string
		s      Situation
		resend bool
		want   Verdict
	}{
		{"taken", Situation{}, true, Verdict{Action: complete}},
		{"permanent fails at once", Situation{Err: of(failure.Permanent, 0)}, true, Verdict{Action: fail}},
		{"permanent fails, breaker or not", Situation{Err: of(failure.Permanent, 0), ProviderDown: true}, true, Verdict{Action: fail}},
		{"first retry", Situation{Err: of(failure.Transient, 0)}, true, Verdict{Action: retry, Delay: 2 * time.Second}},
		{"second retry", Situation{Err: of(failure.Transient, 0), Attempts: 1}, true, Verdict{Action: retry, Delay: 4 * time.Second}},
		{"third retry", Situation{Err: of(failure.Transient, 0), Attempts: 2}, true, Verdict{Action: retry, Delay: 8 * time.Second}},
		{"out of retries", Situation{Err: of(failure.Transient, 0), Attempts: 3}, true, Verdict{Action: fail}},
		{"Retry-After is a floor", Situation{Err: of(failure.Transient, 30*time.Second)}, true,
			Verdict{Action: retry, Delay: 30 * time.Second}},
		{"jitter adds a tenth", Situation{Err: of(failure.Transient, 0), Jitter: 1}, true,
			Verdict{Action: retry, Delay: 2200 * time.Millisecond}},
		{"provider down spends no attempt", Situation{Err: of(failure.Transient, 0), Attempts: 3, ProviderDown: true}, true,
			Verdict{Action: deferral, Delay: 2 * time.Second}},
		{"throttled waits", Situation{Err: of(failure.Throttled, 5*time.Second), Attempts: 3}, true,
			Verdict{Action: deferral, Delay: 5 * time.Second}},
		{"account waits", Situation{Err: of(failure.Account, 0), Attempts: 3}, true, Verdict{Action: deferral, Delay: 2 * time.Second}},
		{"ambiguous, resend", Situation{Err: of(failure.Ambiguous, 0)}, true,
			Verdict{Action: retry, Delay: 2 * time.Second, Uncertain: true}},
		{"ambiguous, resend, out of retries", Situation{Err: of(failure.Ambiguous, 0), Attempts: 3}, true,
			Verdict{Action: fail, Uncertain: true}},
		{"ambiguous, provider down", Situation{Err: of(failure.Ambiguous, 0), ProviderDown: true}, true,
			Verdict{Action: deferral, Delay: 2 * time.Second, Uncertain: true}},
		{"ambiguous, set aside", Situation{Err: of(failure.Ambiguous, 0)}, false, Verdict{Action: fail, Uncertain: true}},
		{"ambiguous, set aside though the provider is down", Situation{Err: of(failure.Ambiguous, 0), ProviderDown: true}, false,
			Verdict{Action: fail, Uncertain: true}},
		{"an invalid class counts as ambiguous", Situation{Err: &failure.Error{}}, false, Verdict{Action: fail, Uncertain: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (Policy{Backoff: backoff, ResendUncertain: tt.resend}).Decide(tt.s); got != tt.want {
				t.Errorf("Decide(%+v) = %+v, want %+v", tt.s, got, tt.want)
			}
		})
	}
}
