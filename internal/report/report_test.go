package report

import (
	"testing"

	"ringup.dev/ringup/internal/failure"
)

// TestRemedy mirrors the table of reports in docs/message-lifecycle.md.
func TestRemedy(t *testing.T) {
	t.Parallel()
	of := func(class failure.Class, reason failure.Reason) *failure.Error {
		return &failure.Error{Class: class, Reason: reason}
	}
	for _, c := range []struct {
		name  string
		state State
		err   *failure.Error
		want  Remedy
	}{
		{"handed on", Sent, nil, ""},
		{"delivered", Delivered, nil, ""},
		{"read", Read, nil, ""},
		{"read, with an error that belongs to no failure", Read, of(failure.Transient, failure.ReasonOutage), ""},
		{"failed, and nobody says why", Failed, nil, ""},
		{"an outage", Failed, of(failure.Transient, failure.ReasonOutage), SendAgain},
		{"throttled", Failed, of(failure.Throttled, failure.ReasonRateLimit), SendAgain},
		{"the account", Failed, of(failure.Account, failure.ReasonCredentials), SendAgain},
		{"ambiguous", Failed, of(failure.Ambiguous, failure.ReasonTimeout), SendAgain},
		{"the recipient cannot get it here", Failed, of(failure.Permanent, failure.ReasonRecipient), FallBack},
		{"the recipient opted out", Failed, of(failure.Permanent, failure.ReasonOptedOut), GiveUp},
		{"opted out, says a class that may pass", Failed, of(failure.Transient, failure.ReasonOptedOut), SendAgain},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := (&Report{State: c.state, Err: c.err}).Remedy(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
