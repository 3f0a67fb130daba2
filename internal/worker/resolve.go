package worker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
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

// ResolveOptions are what resolving is made of. All are required but Tracer.
type ResolveOptions struct {
	Config    Config
	Within    time.Duration // RESOLVE_WITHIN
	Coalesce  time.Duration // COALESCE
	Senders   []string      // by their names, in the order of the Breakers' providers
	Resolvers []Resolver    // likewise
	// Plan returns the messages of an event, as plan.Plan: that knows the numbering plans, which the other workers do without.
	Plan       func(*event.Event) *queue.Submission
	Enqueuer   Enqueuer
	Breakers   *Breakers // of ResolveProviders
	Metrics    *Metrics
	Registerer prometheus.Registerer
	Log        *slog.Logger
	Tracer     trace.Tracer // nil: no tracing
}

// knownPart stands among the providers of the queue message.Resolve for events that are sent without their sender.
const knownPart = "known part"

// ResolveProviders returns the providers of the queue message.Resolve, for its consumer and its breakers: the senders, and one more, which never fails. So the queue is never
// halted because no sender can be asked: its jobs have to be looked at all the same, since their known part may have to go out.
func ResolveProviders(senders []string) []string { return append(slices.Clip(senders), knownPart) }

// enqueueTimeout bounds how long the queues may take the messages of an event.
const enqueueTimeout = 5 * time.Second

// Resolve is the handler of the queue message.Resolve: it asks the sender of an event for what the event lacks, and enqueues its messages as ingest does. A
// sender is to it what a provider is to Deliver, with a breaker of its own. A claim chooses a provider for all of its jobs, but an event has one sender; so
// the handler asks the breakers itself.
type Resolve struct {
	ResolveOptions
	policy  policy
	words   []word        // by the sender's place: what it said last
	probing []atomic.Bool // likewise: a job of this worker is its probe
	skipped *prometheus.CounterVec
}

// NewResolve returns the handler.
func NewResolve(o ResolveOptions) *Resolve {
	r := &Resolve{
		ResolveOptions: o, words: make([]word, len(o.Senders)), probing: make([]atomic.Bool, len(o.Senders)),
		policy: policy{backoff: o.Config.RetryBackoff, patience: o.Config.OutagePatience, slowSend: o.Config.SlowSend, resendUncertain: true},
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_skipped_total", Help: "Messages not sent because the customer's address cannot be used: it is invalid, a placeholder, or of a country that is not allowed.",
		}, []string{"channel"}),
	}
	o.Registerer.MustRegister(r.skipped)
	return r
}

// Handle implements Handler.
func (r *Resolve) Handle(ctx context.Context, c *queue.Claimed) Result {
	e, err := c.Job.Event()
	if err != nil {
		return Result{Outcome: queue.Fail{Error: err.Error()}, Reason: "unreadable"}
	}
	i := slices.Index(r.Senders, e.Sender)
	a := attempt{job: c.Job, provider: e.Sender, probe: c.Probe && c.Provider == i, started: time.Now(), jitter: rand.Float64()} //nolint:gosec // no secret
	if r.Tracer != nil {
		var span trace.Span
		ctx, span = traceJob(ctx, r.Tracer, c.Job)
		defer func() { a.endJob(span) }()
	}
	// As in ingest, an event without a time is taken to have happened as it came.
	timeless := e.At.IsZero()
	if timeless {
		e.At = c.Job.AcceptedAt
	}
	events, asked := r.ask(ctx, i, e, &a)
	result := r.result(&a, asked)
	if a.err != nil {
		// The known part: an outage ends long after a receipt is of use.
		if events = r.known(e, &a, result.Outcome); events == nil {
			r.unresolved(ctx, &a, result.Outcome, asked)
			return result
		}
		r.Log.Warn("sent unresolved", "job", c.Job.ID(), "sender", e.Sender, "error", a.err)
		result.Outcome = queue.Done{Attempt: a.call(), NoReports: true}
	}
	var standIn time.Time
	if timeless {
		standIn = e.At
	}
	if err := r.enqueue(ctx, c, events, standIn); err != nil {
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

// errNoResolver means that no token is set for a sender.
var errNoResolver = &failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials, Detail: "no token is set for the sender: set it, or take the sender out of RESOLVE_SENDERS"}

// ask asks the i-th sender, and notes in the attempt what it said; false says that it was not asked: there is no resolver for it, its breaker is open, or it has asked to wait.
func (r *Resolve) ask(ctx context.Context, i int, e *event.Event, a *attempt) (events []*event.Event, asked bool) {
	a.ended = a.started
	if i < 0 {
		a.err = errNoResolver
		return nil, false
	}
	if !a.probe {
		rest := r.Breakers.Rest(i, a.started)
		switch open := r.Breakers.Open(i); {
		case open && rest == 0 && r.probing[i].CompareAndSwap(false, true):
			defer r.probing[i].Store(false)
			a.probe = true
		case open:
			a.err = &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage, RetryAfter: rest, Detail: "the sender's breaker is open"}
			return nil, false
		case rest > 0:
			a.err = &failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit, RetryAfter: rest, Detail: "the sender has asked to wait"}
			return nil, false
		}
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

// result says what the sender's answer means. Where it was not asked, or refuses the token, the job waits: other jobs than its sender's are claimed meanwhile, and
// a breaker keeps none from it. It does so for OUTAGE_PATIENCE.
func (r *Resolve) result(a *attempt, asked bool) Result {
	result := r.policy.result(a)
	if asked && (a.err == nil || a.err.Class != failure.Account) {
		return result
	}
	var tried queue.Attempt
	if asked {
		tried = a.call()
	} else {
		result.Health = queue.ProviderHealth{}
	}
	if late := a.ended.Sub(a.job.AcceptedAt); r.policy.patience > 0 && late >= r.policy.patience {
		result.Outcome = queue.Fail{Attempt: tried, Error: a.err.Error()}
		return result
	}
	delay := r.policy.growing(a.job.Returns)
	if a.err.Class == failure.Throttled {
		delay = r.policy.pause(0)
	}
	result.Outcome = queue.Defer{Attempt: tried, Delay: a.pause(delay), Error: a.err.Error()}
	return result
}

// unresolved logs that an event waits on, or fails; jobs whose sender was not asked come back often.
func (r *Resolve) unresolved(ctx context.Context, a *attempt, o queue.Outcome, asked bool) {
	level := slog.LevelWarn
	if _, waits := o.(queue.Defer); waits && !asked {
		level = slog.LevelDebug
	}
	r.Log.Log(ctx, level, "resolve failed", "job", a.job.ID(), "sender", a.provider, "outcome", o.Name(), "error", a.err)
}

// known returns the known part of an event that could not be completed, where it is time to send it: the job is at its end, or the sender did not complete it within RESOLVE_WITHIN.
// nil says that it waits, or fails: a customer is only written to by an address that is known, and the staff, at the end, about a sale of which the total is.
func (r *Resolve) known(e *event.Event, a *attempt, o queue.Outcome) []*event.Event {
	_, final := o.(queue.Fail)
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

// enqueue puts the messages of the events into the queues, as ingest does. A repetition finds them there. standIn is the time that stands in the events for one that is not known;
// zero for none. It takes its own time: that of the sender's answer may be over. Errors: those of the Enqueuer.
func (r *Resolve) enqueue(ctx context.Context, c *queue.Claimed, events []*event.Event, standIn time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enqueueTimeout)
	defer cancel()
	for _, e := range events {
		submission := r.Plan(e)
		submission.AcceptedAt, submission.Trace, submission.Coalesce = c.Job.AcceptedAt, c.Job.Trace, r.Coalesce
		if !e.At.Equal(standIn) {
			submission.HappenedAt = e.At
		}
		acceptance, err := r.Enqueuer.Enqueue(ctx, submission)
		if err != nil {
			return err
		}
		if !acceptance.Duplicate {
			for _, one := range acceptance.Skipped {
				r.skipped.WithLabelValues(string(one.Channel)).Inc()
			}
		}
	}
	return nil
}
