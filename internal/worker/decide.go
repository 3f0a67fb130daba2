package worker

import (
	"time"

	"ringup.dev/ringup/internal/failure"
)

// Policy is what the operator has decided about failures.
type Policy struct {
	// Backoff is the pause before each retry; its length is how many retries a job gets.
	Backoff []time.Duration
	// ResendUncertain sends a message again that may have gone out; otherwise it is set aside for a person.
	ResendUncertain bool
}

// Situation is all that the decision about a send depends on.
type Situation struct {
	Err *failure.Error // nil when the provider took the message
	// Attempts were spent before this one.
	Attempts int
	// ProviderDown is set when the provider's breaker is open, or half open and this send its probe: then it is the provider
	// that is tried, not the message.
	ProviderDown bool
	// Jitter, from 0 to 1, spreads retries: a tenth of the pause at most is added.
	Jitter float64
}

// Verdict is what follows.
type Verdict struct {
	Action action
	Delay  time.Duration // Retry, Defer: never less than the provider asked for
	// Uncertain is set when the message may have gone out although nobody said so.
	Uncertain bool
}

// Decide says what happens to a job after a send. It is a pure function; docs/message-lifecycle.md draws it.
func (p Policy) Decide(s Situation) Verdict {
	if s.Err == nil {
		return Verdict{Action: complete}
	}
	switch s.Err.Class {
	case failure.Permanent:
		return Verdict{Action: fail}
	case failure.Throttled, failure.Account:
		return Verdict{Action: deferral, Delay: p.pause(0, s)}
	case failure.Transient:
		return p.again(s, false)
	}
	// Ambiguous, and whatever a faulty adapter may have returned.
	if !p.ResendUncertain {
		return Verdict{Action: fail, Uncertain: true}
	}
	return p.again(s, true)
}

// again is the verdict on an error that may pass.
func (p Policy) again(s Situation, uncertain bool) Verdict {
	switch {
	case s.ProviderDown:
		return Verdict{Action: deferral, Delay: p.pause(0, s), Uncertain: uncertain}
	case s.Attempts >= len(p.Backoff):
		return Verdict{Action: fail, Uncertain: uncertain}
	}
	return Verdict{Action: retry, Delay: p.pause(s.Attempts, s), Uncertain: uncertain}
}

// pause returns the backoff before a retry, spread a little, and no shorter than what the provider asked for.
func (p Policy) pause(nth int, s Situation) time.Duration {
	delay := 2 * time.Second
	if len(p.Backoff) > 0 {
		delay = p.Backoff[min(nth, len(p.Backoff)-1)]
	}
	delay = max(delay, s.Err.RetryAfter)
	return delay + time.Duration(s.Jitter*float64(delay)/10)
}
