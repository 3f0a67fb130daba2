package worker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
)

// Resolver asks a sender for what an event lacks: sender.Resolver is the contract.
type Resolver interface {
	Resolve(context.Context, *event.Event) ([]*event.Event, error)
}

// Enqueuer puts an event's messages into the queues, once: redisstore.Producer.
type Enqueuer interface {
	Enqueue(context.Context, *queue.Submission) (*queue.Acceptance, error)
}

// ResolveOptions are what resolving is made of. All are required.
type ResolveOptions struct {
	Config    Config
	Within    time.Duration // RESOLVE_WITHIN
	Senders   []string      // by their names, in the order of the Breakers' providers
	Resolvers []Resolver    // likewise
	// Plan returns the messages of an event, as plan.Plan: that knows the numbering plans, which the other workers do without.
	Plan     func(*event.Event) *queue.Submission
	Enqueuer Enqueuer
	Breakers *Breakers
	Metrics  *Metrics
	Log      *slog.Logger
}

// Resolve is the handler of the queue message.Resolve: it asks the sender of an event for what the event lacks, and enqueues its messages as ingest does. A
// sender is to it what a provider is to Deliver, with a breaker of its own.
type Resolve struct {
	ResolveOptions
	policy policy
	words  []word // by the sender's place: what it said last
}

// NewResolve returns the handler.
func NewResolve(o ResolveOptions) *Resolve {
	return &Resolve{
		ResolveOptions: o, words: make([]word, len(o.Senders)),
		policy: policy{backoff: o.Config.RetryBackoff, patience: o.Config.OutagePatience, slowSend: o.Config.SlowSend, resendUncertain: true},
	}
}

// errNoResolver means that no token is set for a sender.
var errNoResolver = &failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials, Detail: "no token is set for the sender: set it, or take the sender out of RESOLVE_SENDERS"}

// Handle implements Handler.
func (r *Resolve) Handle(ctx context.Context, c *queue.Claimed) Result {
	e, err := c.Job.Event()
	if err != nil {
		return Result{Outcome: queue.Fail{Error: err.Error()}, Reason: "unreadable", Health: r.unused(c)}
	}
	i := slices.Index(r.Senders, e.Sender)
	a := attempt{job: c.Job, provider: e.Sender, traits: provider.Traits{}, probe: c.Probe && c.Provider == i, started: time.Now(), jitter: rand.Float64()} //nolint:gosec // no secret
	events, asked := r.ask(ctx, i, e, &a)
	result := r.policy.result(&a)
	if c.Probe && !a.probe || !asked {
		result.Health = r.unused(c)
	}
	if a.err != nil && (!asked || a.err.Class == failure.Account) { // the breaker keeps no job of one sender from being claimed while another can be used
		result.Outcome = queue.Defer{Attempt: a.call(), Delay: a.pause(r.policy.growing(c.Job.Returns)), Error: a.err.Error()}
	}
	if a.err != nil {
		// The known part: an outage ends long after a receipt is of use.
		if events = r.known(e, &a); events == nil {
			r.Log.Warn("resolve failed", "job", c.Job.ID(), "sender", e.Sender, "outcome", result.Outcome.Name(), "error", a.err)
			return result
		}
		r.Log.Warn("sent unresolved", "job", c.Job.ID(), "sender", e.Sender, "error", a.err)
		result.Outcome = queue.Done{Attempt: a.call(), NoReports: true}
	}
	if err := r.enqueue(ctx, c, events); err != nil {
		r.Log.Error("enqueue failed", "job", c.Job.ID(), "error", err)
		result.Outcome, result.Reason = queue.Fail{Error: err.Error()}, "enqueue"
		if full := (*queue.FullError)(nil); errors.Is(err, queue.ErrUnavailable) || errors.As(err, &full) {
			result.Outcome = queue.Defer{Delay: r.policy.growing(c.Job.Returns), Error: "the queue could not take the messages"}
		}
		return result
	}
	if a.err == nil {
		r.Log.Info("resolved", "job", c.Job.ID(), "sender", e.Sender, "events", len(events), "took", a.took())
	}
	return result
}

// unused is the health of a sender that has given a job as its probe, and was not asked.
func (r *Resolve) unused(c *queue.Claimed) queue.ProviderHealth {
	if !c.Probe {
		return queue.ProviderHealth{}
	}
	return unusedProbe(r.Senders[c.Provider], true)
}

// ask asks the i-th sender, and notes in the attempt what it said; false says that it was not asked, since there is no resolver for it, or its breaker is open: a claim knows of the queue only
// that one of the senders can be used.
func (r *Resolve) ask(ctx context.Context, i int, e *event.Event, a *attempt) (events []*event.Event, asked bool) {
	a.ended = a.started
	if i < 0 {
		a.err = errNoResolver
		return nil, false
	}
	if r.Breakers.Open(i) && !a.probe {
		a.breakerOpen = true
		a.err = &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage, Detail: "the sender's breaker is open"}
		return nil, false
	}
	events, err := r.Resolvers[i].Resolve(ctx, e)
	a.ended = time.Now()
	r.Metrics.sendSeconds.WithLabelValues(a.provider).Observe(a.took().Seconds())
	a.breakerOpen = r.Breakers.Open(i)
	if err == nil {
		r.words[i].took.Store(a.ended.UnixNano())
		return events, true
	}
	a.err = failure.AsError(err)
	if at := r.words[i].took.Load(); at > 0 {
		a.lastTook = time.Unix(0, at)
	}
	return nil, true
}

// known returns the known part of an event that could not be completed, where it is time to send it: the sender will never complete it, or did not within RESOLVE_WITHIN. nil says that it waits, or
// fails: a customer is only written to by an address that is known, and the staff about a sale of which the total is.
func (r *Resolve) known(e *event.Event, a *attempt) []*event.Event {
	final := a.err.Class == failure.Permanent
	if !final && a.ended.Sub(a.job.AcceptedAt) < r.Within {
		return nil
	}
	rest := *e
	rest.Lookup = ""
	reaches := slices.ContainsFunc(r.Plan(&rest).Channels, func(c queue.ChannelSubmission) bool {
		return slices.ContainsFunc(c.Recipients, func(to message.Recipient) bool {
			return to.Audience == message.Customer || final && e.Sale.Total != ""
		})
	})
	if !reaches {
		return nil
	}
	return []*event.Event{&rest}
}

// enqueue puts the messages of the events into the queues. A repetition finds them there. Errors: those of the Enqueuer.
func (r *Resolve) enqueue(ctx context.Context, c *queue.Claimed, events []*event.Event) error {
	for _, e := range events {
		submission := r.Plan(e)
		submission.AcceptedAt, submission.Trace = c.Job.AcceptedAt, c.Job.Trace
		if _, err := r.Enqueuer.Enqueue(ctx, submission); err != nil {
			return err
		}
	}
	return nil
}
