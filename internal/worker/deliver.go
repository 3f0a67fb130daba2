package worker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/gate"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
)

// Renderer makes the message of a job. An error means that the job can never be rendered.
type Renderer interface {
	Render(*job.Job) (message.Message, error)
}

// Sender is a provider and its name.
type Sender struct {
	Name string
	provider.Provider
}

// DeliverOptions are what delivery is made of. All are required but those that may be nil.
type DeliverOptions struct {
	Config          Config
	ResendUncertain bool // ON_UNCERTAIN=resend
	// FallBack says that another channel takes over what cannot be delivered, while it is younger than FallBackWithin.
	FallBack       bool
	FallBackWithin time.Duration

	Renderer Renderer
	Gate     *gate.Gate
	Senders  []Sender // in the order of the Breakers' providers
	Breakers *Breakers
	Prices   *pricing.Table   // nil: nothing costs anything
	Sources  *pricing.Sources // labels of the events' sources
	Budget   *pricing.Budget  // the gate's; nil: no caps
	Metrics  *Metrics
	Log      *slog.Logger
	Tracer   trace.Tracer // nil: no tracing
}

// Deliver is the handler that sends messages: it renders the job's message, asks the gate, and hands the message to the provider.
type Deliver struct {
	DeliverOptions
	policy  policy
	traits  []provider.Traits // by the provider's index
	words   []word            // likewise: what it said last
	pacer   pacer
	seconds []func() prometheus.Observer // likewise: how long it took to answer. To find a metric by its labels costs as much as to count.
}

// word is what a provider last said to this worker: when it last took a message, and when it last failed by itself; in Unix nanoseconds, 0 for
// never.
type word struct{ took, failed atomic.Int64 }

// failing reports whether a failure is the provider's latest word.
func (w *word) failing() bool { return w.failed.Load() > w.took.Load() }

// failedAfter reports whether a provider fails, and did so later than another one.
func (w *word) failedAfter(other *word) bool {
	return w.failing() && w.failed.Load() > other.failed.Load()
}

// NewDeliver returns the handler.
func NewDeliver(o DeliverOptions) *Deliver {
	d := &Deliver{DeliverOptions: o, policy: policy{
		backoff: o.Config.RetryBackoff, patience: o.Config.OutagePatience, resendUncertain: o.ResendUncertain, slowSend: o.Config.SlowSend,
		redeliverWithin: o.Config.RetryUndelivered, fallBack: o.FallBack, fallBackWithin: o.FallBackWithin,
	}}
	d.words = make([]word, len(o.Senders))
	for _, s := range o.Senders {
		d.traits = append(d.traits, s.Traits())
		d.seconds = append(d.seconds, sync.OnceValue(func() prometheus.Observer { return o.Metrics.sendSeconds.WithLabelValues(s.Name) }))
	}
	return d
}

// Handle implements Handler.
func (d *Deliver) Handle(ctx context.Context, c *queue.Claimed) Result {
	i := d.choose(c)
	a := attempt{job: c.Job, provider: d.Senders[i].Name, traits: d.traits[i], probe: c.Probe}
	if d.Tracer == nil {
		return d.deliver(ctx, c, i, &a)
	}
	ctx, span := traceJob(ctx, d.Tracer, c.Job)
	r := d.deliver(ctx, c, i, &a)
	a.endJob(span)
	return r
}

// deliver makes an attempt through the i-th provider.
func (d *Deliver) deliver(ctx context.Context, c *queue.Claimed, i int, a *attempt) Result {
	if d.prepare(c, i, a) {
		d.send(ctx, i, a)
	}
	r := d.policy.result(a)
	d.record(i, a, &r)
	return r
}

// choose returns which provider takes a job: the one that the claim chose; or the next one, if that can be used, for a message that it took and did
// not deliver, and for one that comes back while a failure is that provider's latest word. Where messages are few, its breaker does not open. While
// both fail, they take turns: the first one may be well again.
func (d *Deliver) choose(c *queue.Claimed) int {
	if c.Probe {
		return c.Provider
	}
	next := (c.Provider + 1) % len(d.Senders)
	leaves := c.Job.Returns > 0 && d.words[c.Provider].failing() && !d.words[next].failedAfter(&d.words[c.Provider])
	if (c.Job.Alternate || leaves) && !d.Breakers.Open(next) {
		return next
	}
	return c.Provider
}

// prepare renders the message and asks the gate; false says that there is nothing to send now.
func (d *Deliver) prepare(c *queue.Claimed, i int, a *attempt) bool {
	if a.message, a.renderErr = d.render(c.Job); a.renderErr != nil {
		return false
	}
	m := &a.message
	a.started = time.Now()
	if turn := d.pacer.turn(i, c.Job.Recipient, c.Job.Returns > 0, a.started); !turn.IsZero() {
		a.verdict = gate.Verdict{Action: gate.Hold, Until: turn, Reason: gate.RecipientLimit, Text: "the provider takes no more messages to this recipient for now"}
		return false
	}
	a.cost = d.Prices.Cost(m.Channel, m.To, m.Segments)
	a.verdict = d.Gate.Check(gate.Input{
		Now: a.started, AcceptedAt: c.Job.AcceptedAt, Event: event.Type(m.EventType), Audience: c.Job.Audience, Recipient: c.Job.Recipient,
		Timezone: m.Timezone, Source: m.Source, Sender: a.traits.Sender, Cost: a.cost, Suppressions: c.Suppressed, LimitedUntil: c.LimitedUntil,
	})
	return a.verdict.Action == gate.Pass
}

// render makes a job's message. A template that panics on odd data counts as one that cannot be rendered.
func (d *Deliver) render(j *job.Job) (m message.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("template panicked")
		}
	}()
	return d.Renderer.Render(j)
}

// send hands the message to the provider; ctx bounds it. When the job is the probe of a half-open breaker, the provider is asked first how it
// is, which risks no message; only when it is well is this one sent. So it is for a message that may have gone out, while failures are the provider's
// latest word: each further try may be a further message.
func (d *Deliver) send(ctx context.Context, i int, a *attempt) {
	var err error
	if a.probe || a.job.Uncertain && d.words[i].failing() && a.started.Sub(a.job.AcceptedAt) < d.policy.patience {
		err = d.Senders[i].Probe(ctx)
		a.probeFailed = err != nil
	}
	if err == nil {
		a.receipt, err = d.call(ctx, i, a.message)
	}
	a.ended = a.started.Add(time.Since(a.started)) // half the price of time.Now
	if err != nil {
		a.err, a.jitter = failure.AsError(err), rand.Float64() //nolint:gosec // no secret
		if at := d.words[i].took.Load(); at > 0 {
			a.lastTook = time.Unix(0, at)
		}
		if a.err.OfProvider() {
			d.words[i].failed.Store(a.ended.UnixNano())
		}
		if a.err.RecipientOnly {
			a.turn = d.pacer.refused(i, a.job.Recipient, a.err.RetryAfter, a.ended)
		}
	} else {
		d.words[i].took.Store(a.ended.UnixNano())
	}
	a.breakerOpen = d.Breakers.Open(i)
	if err == nil && a.cost > 0 {
		a.source = d.Sources.Label(a.message.Source)
	}
}

// call sends the message, in a span of its own. Nobody but the provider bounds its ids, so here they are.
func (d *Deliver) call(ctx context.Context, i int, m message.Message) (receipt provider.Receipt, err error) {
	if d.Tracer != nil {
		var span trace.Span
		ctx, span = traceCall(ctx, d.Tracer, d.Senders[i].Name)
		defer func() { endCall(span, receipt, err) }()
	}
	receipt, err = d.Senders[i].Send(ctx, m)
	receipt.MessageID = message.ProviderID(receipt.MessageID)
	return receipt, err
}

// record counts and logs the result of an attempt, and gives back what was reserved for a message that did not go out.
func (d *Deliver) record(i int, a *attempt, r *Result) {
	j := a.job
	switch {
	case a.renderErr != nil:
		d.Log.Warn("rendering failed", "job", j.ID(), "webhook", j.WebhookID, "error", a.renderErr)
		return
	case a.verdict.Action != gate.Pass:
		if a.verdict.Cap != "" {
			d.Metrics.capped.WithLabelValues(a.verdict.Cap).Set(1)
		}
		d.Log.Info("not sent", "job", j.ID(), "webhook", j.WebhookID, "outcome", r.Outcome.Name(), "why", a.verdict.Text)
		return
	}
	d.seconds[i]().Observe(a.took().Seconds())
	if a.err == nil {
		d.recordSent(a)
		return
	}
	d.Budget.Release(a.message.Source, a.cost)
	if a.probeFailed {
		d.Log.Warn("probe failed", "provider", a.provider, "error", a.err)
		return
	}
	delay, uncertain := details(r.Outcome)
	d.Log.Warn("send failed", "job", j.ID(), "webhook", j.WebhookID, "attempt", j.Attempts+1, "provider", a.provider, "outcome", r.Outcome.Name(),
		"error", a.err, "delay", delay, "uncertain", uncertain)
}

// recordSent counts and logs a message that the provider accepted. Its cost stays reserved until the settlement is stored.
func (d *Deliver) recordSent(a *attempt) {
	j := a.job
	d.Metrics.age.Observe(a.ended.Sub(j.AcceptedAt).Seconds())
	if a.cost > 0 {
		d.Metrics.cost.WithLabelValues(a.message.EventType, a.source).Add(a.cost.Units())
	}
	if d.Log.Enabled(context.Background(), slog.LevelInfo) {
		d.Log.Info("sent", "job", j.ID(), "webhook", j.WebhookID, "attempt", j.Attempts+1, "provider", a.provider, "message_id", a.receipt.MessageID,
			"took", a.took())
	}
}
