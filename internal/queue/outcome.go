package queue

import (
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// Outcome is the result of a claimed job. The set is closed: Done, Retry, Defer, Hold, Fail, Drop, Suppress and Release. Each has just what
// the store needs to carry it out; the worker makes all of them in one place (worker/outcome.go), and the store encodes them in one function.
type Outcome interface {
	// Name is the outcome in metrics, logs and histories: completed, retry, deferred, `held`, failed, dropped, suppressed, released.
	Name() string
	outcome()
}

// Attempt is a call of a provider, as the job's history shows it.
type Attempt struct {
	Provider  string
	MessageID string // the provider's; "" when it did not take the message
	Took      time.Duration
	// ExtraTokens are the segments of the message beyond the one that the claim paid for; they are debited from the channel's rate limit.
	ExtraTokens int
}

// Done ends a job whose message was accepted by a provider: it goes to the completed set.
type Done struct {
	Attempt
	// NoReports says that the provider sends no delivery reports for the message.
	NoReports bool
	// KnownAs is the recipient as the provider's callbacks name it; "" where that is not known. What is said there holds for the recipient, too.
	KnownAs message.Address
	// FindByMessageID makes the provider's message id lead to the job, for providers whose reports name nothing else.
	FindByMessageID bool
	// Cost is added to what was spent today.
	Cost Cost
	// Redelivery says how to go on when the provider reports that the message did not arrive; nil: the report is only logged.
	Redelivery *Redelivery
}

// Retry puts a job into the retry set, due after Delay, and spends an attempt.
type Retry struct {
	Attempt
	Delay     time.Duration
	Error     string // kept with the job; masked, without secrets
	Uncertain bool   // the message may have gone out
}

// Defer puts a job into the retry set, due after Delay, and spends no attempt: the provider or the account was at fault, not the message.
type Defer struct {
	Attempt
	Delay     time.Duration
	Error     string
	Uncertain bool
}

// Hold schedules a job for after Delay without an attempt: quiet hours, a recipient's limit (ours or the provider's), a daily cap. No worker is kept alive for it.
type Hold struct {
	Delay time.Duration
	Error string // why, for people
}

// Fail puts a job into the failed set, and spends an attempt.
type Fail struct {
	Attempt
	Error     string
	Uncertain bool
	// Suppress adds the recipient to the suppression list; nil: no.
	Suppress *suppress.Entry
	// FallBack enqueues the message on the channel that takes over (FALLBACK_CHANNEL), before the job is settled. Where that does not work just
	// now, the job is deferred instead.
	FallBack bool
}

// Drop ends a job that is too late to be useful. Its record stays.
type Drop struct{ Error string }

// Suppress ends a job whose recipient is on the suppression list. Its record stays.
type Suppress struct{ Error string }

// Release puts a job back to the head of its list, as it was: its send was not started.
type Release struct{}

// Name implements Outcome.
func (Done) Name() string { return "completed" }

// Name implements Outcome.
func (Retry) Name() string { return "retry" }

// Name implements Outcome.
func (Defer) Name() string { return "deferred" }

// Name implements Outcome.
func (Hold) Name() string { return "held" }

// Name implements Outcome.
func (Fail) Name() string { return "failed" }

// Name implements Outcome.
func (Drop) Name() string { return "dropped" }

// Name implements Outcome.
func (Suppress) Name() string { return "suppressed" }

// Name implements Outcome.
func (Release) Name() string { return "released" }

func (Done) outcome()     {}
func (Retry) outcome()    {}
func (Defer) outcome()    {}
func (Hold) outcome()     {}
func (Fail) outcome()     {}
func (Drop) outcome()     {}
func (Suppress) outcome() {}
func (Release) outcome()  {}

// Settlement ends a claim.
type Settlement struct {
	Claimed *Claimed
	Outcome Outcome
	Worker  string // which worker had the job, for its history
}

// Redelivery is another try after a provider had taken the message and reported that it did not arrive.
type Redelivery struct {
	Retry    bool          // attempts are left; otherwise the job fails
	Delay    time.Duration // before the next attempt
	FallBack bool          // when the job fails, the channel that takes over may try
	Within   time.Duration // how long after the send a report still leads to it
}

// Cost is the cost of one message. The zero value costs nothing.
type Cost struct {
	Event  string // the event's type
	Source string // the label of the event's source
	Micros int64  // millionths of PRICE_CURRENCY
}

// The fields of a day's costs (UTC) on a channel: in all, CostSource+source, and CostEvent+event+"|"+source.
const (
	CostTotal  = "total"
	CostSource = "source:"
	CostEvent  = "event:"
)

// ProviderHealth sums up what a batch of sends said about one provider, for its breaker.
type ProviderHealth struct {
	Provider string
	// Healthy counts messages that the provider took, and answers that prove it well (a permanent error is one).
	Healthy int
	// Failed counts errors of the provider itself.
	Failed int
	// Account is set when the account is refused: the breaker opens at once. Reason is why, for people.
	Account bool
	Reason  string
	// ThrottleFor keeps the provider from being used for so long (a 429, or another Retry-After): by itself it is no failure, and no probe is needed
	// afterwards.
	ThrottleFor time.Duration
	// Probed is set when one of the sends was the half-open breaker's probe.
	Probed bool
}
