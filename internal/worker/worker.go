// Package worker is the loop of one channel: claim ▸ render ▸ send ▸ settle. It has the policy; the queue, the templates and the
// providers are behind interfaces.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/quiet"
	"ringup.dev/ringup/internal/telemetry/tracing"
)

// Queue is what a worker needs of the queue.
type Queue interface {
	Exchange(context.Context, []queue.Settlement, []queue.ProviderHealth, *queue.ClaimRequest) (*queue.Settled, *queue.Claim, error)
	Renew(context.Context, []*queue.Claimed) (lost []int, err error)
	Wait(ctx context.Context, atMost time.Duration) error
	Heartbeat(ctx context.Context, id string, sending, concurrency int) error
	Deregister(ctx context.Context, id string) error
	Spent(ctx context.Context) (map[string]int64, error)
}

// Renderer makes the message of a job. An error means that nobody can.
type Renderer interface {
	Render(*job.Job) (message.Message, error)
}

// Sender is a provider and its name.
type Sender struct {
	Name string
	provider.Provider
}

// Options are what a worker is made of. All are required but what may be nil.
type Options struct {
	ID              string // names this worker among those of its channel
	Channel         message.Channel
	Config          Config
	Lease           time.Duration
	ResendUncertain bool
	Queue           Queue
	Renderer        Renderer
	Providers       []Sender // in the order they are preferred
	Metrics         *Metrics
	Log             *slog.Logger
	Tracer          trace.Tracer   // nil: no tracing
	Quiet           *quiet.Hours   // nil: none
	Prices          *pricing.Table // nil: nothing costs anything
	Caps            *pricing.Caps  // nil: none
	// Moves says that another channel takes over what cannot be delivered, while it is younger than MoveWithin.
	Moves      bool
	MoveWithin time.Duration
}

const (
	// idleEvery is how often an idle worker looks by itself, besides being woken and when a retry or a lease is due.
	idleEvery = 15 * time.Second
	// lookEvery is how often a worker looks that may not claim now, or whose queue does not answer.
	lookEvery = 2 * time.Second
	// gatherFor is the least time between two round trips to the queue, so that under load many jobs share one; a worker with nothing
	// to do goes at once, and so does one that has half of its places to fill. Far less than any provider takes to answer.
	gatherFor = 4 * time.Millisecond
	// beatEvery is how often a worker says that it is alive, for people to see.
	beatEvery = 10 * time.Second
	// callTimeout bounds one round trip to the queue.
	callTimeout = 4 * time.Second
	// reapGrace: see redisqueue; a worker that has just found the queue again lets others settle before it takes leases back.
	reapGrace = 2 * time.Second
	// settleTimeout is how long a worker that stops tries to settle what it sent.
	settleTimeout = 10 * time.Second
)

// Worker claims, sends and settles one channel's jobs.
type Worker struct {
	Options
	policy  Policy
	traits  map[string]provider.Traits // by provider
	sources *pricing.Sources
	budget  *budget

	turned atomic.Int64 // Unix ns of the loop's last sign of life

	// Of the loop alone.
	held     map[*queue.Claimed]struct{} // claimed and not yet settled
	ended    []settlement
	reports  map[string]*queue.ProviderHealth
	down     map[string]bool // providers whose breaker was open when last heard of
	begin    chan begun      // to the goroutines that send
	results  chan result
	enough   chan struct{} // results of half of the places are there
	last     time.Time     // when the latest round trip ended
	since    time.Time     // since when the queue has answered without fail
	nextLook time.Time
	woken    chan struct{}
	waiting  bool
	failures int
	sent     map[string]prometheus.Counter  // by provider: messages that it took
	seconds  map[string]prometheus.Observer // by provider: how long it took to answer
}

// begun is a job to be sent.
type begun struct {
	*queue.Claimed
	*batch
}

// batch is the jobs of one claim: all of them begin at once, so one timer bounds their sends. It has ended when they have.
type batch struct {
	ctx    context.Context
	cancel context.CancelFunc
	left   atomic.Int32
}

func (w *Worker) newBatch(ctx context.Context, jobs int) *batch {
	b := &batch{}
	// A send that has begun ends by itself, whether or not the worker is stopping.
	b.ctx, b.cancel = context.WithTimeout(context.WithoutCancel(ctx), w.Config.SendTimeout)
	b.left.Store(int32(jobs))
	return b
}

// done says that nothing more happens to one of the jobs.
func (b *batch) done() {
	if b.left.Add(-1) == 0 {
		b.cancel()
	}
}

// result is what came of a send.
type result struct {
	claimed  *queue.Claimed
	provider string // "" when nothing was sent
	receipt  provider.Receipt
	message  message.Message
	err      *failure.Error
	unfit    string // why there was nothing to send: the template's error
	refused  *refusal
	cost     pricing.Micros
	unbegun  bool // the provider's own probe failed: the message was not handed over
	took     time.Duration
	ended    time.Time // when the provider had answered
}

// New returns a worker; Run starts it.
func New(o Options) *Worker {
	w := &Worker{
		Options: o, policy: Policy{Backoff: o.Config.RetryBackoff, ResendUncertain: o.ResendUncertain},
		held: map[*queue.Claimed]struct{}{}, reports: map[string]*queue.ProviderHealth{}, down: map[string]bool{},
		begin: make(chan begun, o.Config.Concurrency), results: make(chan result, o.Config.Concurrency), enough: make(chan struct{}, 1),
		woken: make(chan struct{}, 1), sent: map[string]prometheus.Counter{}, seconds: map[string]prometheus.Observer{},
		traits: map[string]provider.Traits{}, sources: pricing.NewSources(o.Caps),
	}
	w.budget = newBudget(o.Caps, w.sources)
	for _, p := range o.Providers {
		w.traits[p.Name] = p.Traits()
	}
	w.turned.Store(time.Now().UnixNano())
	return w
}

// Live reports whether the loop gets on: it claims, or has proved the queue empty, or waits for sends that are bounded. A queue
// that cannot be reached is no reason to restart a worker, and does not count against it.
func (w *Worker) Live() error {
	still := time.Since(time.Unix(0, w.turned.Load()))
	if limit := w.Config.SendTimeout + w.Lease; still > limit {
		return fmt.Errorf("the loop has not turned for %s", still.Round(time.Second))
	}
	return nil
}

// Run works until ctx ends; then it claims nothing more, lets the sends end, settles, puts back what was not begun, and returns. The
// error says what could not be settled: those jobs are sent again when their leases end.
func (w *Worker) Run(ctx context.Context) error {
	renew := time.NewTicker(w.Lease / 3)
	defer renew.Stop()
	look := time.NewTimer(0)
	defer look.Stop()
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	w.beat(ctx)
	defer w.gone(ctx)
	w.learn(ctx)
	// They stay, since a new goroutine's stack would have to grow anew for every message.
	for range w.Config.Concurrency {
		go func() {
			for one := range w.begin {
				r := w.process(one.ctx, one)
				one.done()
				w.results <- r
				if len(w.results)*2 >= w.Config.Concurrency {
					select {
					case w.enough <- struct{}{}:
					default:
					}
				}
			}
		}()
	}
	defer close(w.begin)
	stop := ctx.Done()
	var giveUp <-chan time.Time
	for {
		w.turned.Store(time.Now().UnixNano())
		draining := ctx.Err() != nil
		if draining && len(w.held) == 0 {
			return nil
		}
		w.takeMore()
		w.exchange(ctx, draining)
		if draining && len(w.held) == 0 {
			return nil
		}
		results := w.results
		if !draining {
			if w.idle(look) {
				results = nil
			}
		} else if len(w.ended) > 0 {
			look.Reset(w.backoff())
		}
		select {
		case r := <-results:
			w.take(r)
		case <-w.enough:
		case <-w.woken:
			w.waiting = false
			w.nextLook = time.Time{}
		case <-look.C:
		case <-renew.C:
			w.renew(ctx)
		case <-beat.C:
			w.beat(ctx)
			w.learn(ctx)
		case <-stop:
			stop = nil
			giveUp = time.After(w.Config.DrainTime())
			w.Log.Info("stopping: claims nothing more, lets the sends end", "sending", len(w.held))
		case <-giveUp:
			return fmt.Errorf("%d jobs could not be settled in time; they are sent again when their leases end", len(w.held))
		}
	}
}

// beat says that the worker is alive. Nothing depends on it, so it is not tried again.
func (w *Worker) beat(ctx context.Context) {
	if w.failures > 0 {
		return
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := w.Queue.Heartbeat(call, w.ID, len(w.held), w.Config.Concurrency); err != nil {
		w.Log.Debug("the queue was not told that this worker lives", "error", err)
	}
}

// learn asks what has been spent today, where there is a cap on it.
func (w *Worker) learn(ctx context.Context) {
	if !w.Caps.Limits(w.Channel) || w.failures > 0 {
		return
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	spent, err := w.Queue.Spent(call)
	if err != nil {
		w.Log.Warn("what has been spent today is not known just now; the daily caps go by what was", "error", err)
		return
	}
	w.budget.learn(spent, time.Now())
	w.Metrics.capped.Reset()
	for _, one := range w.budget.reached(w.Channel) {
		w.Metrics.capped.WithLabelValues(one.Name()).Set(1)
	}
}

func (w *Worker) gone(ctx context.Context) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := w.Queue.Deregister(call, w.ID); err != nil {
		w.Log.Debug("the queue was not told that this worker has stopped", "error", err)
	}
}

// takeMore takes the results that are there already, so that they are settled together.
func (w *Worker) takeMore() {
	for {
		select {
		case r := <-w.results:
			w.take(r)
		default:
			return
		}
	}
}

// idle arranges for the next look at the queue: for jobs when there are free places, and to settle what has ended. It reports whether the
// loop may sleep through results until then: they would only be gathered.
func (w *Worker) idle(look *time.Timer) (gathers bool) {
	now := time.Now()
	soonest := w.last.Add(gatherFor)
	gathers = len(w.held) > len(w.ended) && now.Before(soonest)
	free := len(w.held) < w.Config.Concurrency && !w.waiting
	if !free && len(w.ended) == 0 && !gathers {
		return false
	}
	next := w.nextLook
	if next.Before(soonest) || w.failures == 0 && len(w.ended) > 0 || gathers {
		next = soonest
	}
	look.Reset(max(0, next.Sub(now)))
	return gathers
}

// gathering says that a round trip now would be made for too little.
func (w *Worker) gathering(now time.Time) bool {
	return len(w.ended)*2 < w.Config.Concurrency && now.Sub(w.last) < gatherFor
}

// exchange settles what has ended and claims for the free places, in one round trip.
func (w *Worker) exchange(ctx context.Context, draining bool) {
	now := time.Now()
	if !draining && w.gathering(now) {
		return
	}
	var request *queue.ClaimRequest
	if free := w.Config.Concurrency - len(w.held) + len(w.ended); !draining && free > 0 && !w.waiting && !now.Before(w.nextLook) {
		request = &queue.ClaimRequest{Max: free, Reap: !w.since.IsZero() && now.Sub(w.since) >= reapGrace}
	}
	if request == nil && len(w.ended) == 0 && len(w.reports) == 0 {
		return
	}
	if w.failures > 0 && now.Before(w.nextLook) && !draining {
		return
	}
	reports := make([]queue.ProviderHealth, 0, len(w.reports))
	for _, r := range w.reports {
		reports = append(reports, *r)
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	settlements := make([]queue.Settlement, len(w.ended))
	for i := range w.ended {
		settlements[i] = w.ended[i].settle()
	}
	settled, claim, err := w.Queue.Exchange(call, settlements, reports, request)
	cancel()
	if w.Tracer != nil && claim != nil && len(claim.Jobs) > 0 {
		w.traceClaim(ctx, now, claim)
	}
	w.last = time.Now()
	if settled != nil {
		w.settled(settled)
	}
	if claim != nil {
		w.claimed(ctx, claim)
	}
	if err != nil {
		w.failures++
		w.since = time.Time{}
		w.nextLook = time.Now().Add(w.backoff())
		w.Log.Warn("the queue does not answer; trying again", "error", err, "unsettled", len(w.ended))
		return
	}
	w.failures = 0
	if w.since.IsZero() {
		w.since = time.Now()
	}
}

// backoff is the pause after the queue did not answer: 50 ms, doubled up to 2 s.
func (w *Worker) backoff() time.Duration {
	return min(50*time.Millisecond<<min(w.failures, 10), lookEvery)
}

// settled takes note of what became of the batch.
func (w *Worker) settled(s *queue.Settled) {
	for _, i := range s.Lost {
		w.Metrics.lost.Inc()
		w.Log.Warn("lease lost before the result was settled: the message may be sent again", "job", name(w.ended[i].claimed),
			"outcome", string(w.ended[i].action))
	}
	for i := range w.ended {
		delete(w.held, w.ended[i].claimed)
		w.budget.settled(w.ended[i].costs)
	}
	w.ended = w.ended[:0]
	clear(w.reports)
	w.evicted(s.Evicted)
	for _, p := range w.Providers {
		state, known := s.Breakers[p.Name]
		open := known && state.State == "open"
		if open != w.down[p.Name] {
			w.breaker(p.Name, open, state.Reason)
		}
	}
	w.Metrics.sending.Set(float64(len(w.held)))
}

func (w *Worker) breaker(name string, open bool, reason string) {
	w.down[name] = open
	if open {
		w.Metrics.breaker.WithLabelValues(name).Set(1)
		w.Log.Error("breaker open: jobs wait, or go to the next provider", "provider", name, "reason", reason)
		return
	}
	w.Metrics.breaker.WithLabelValues(name).Set(0)
	w.Log.Info("breaker closed", "provider", name)
}

func (w *Worker) evicted(jobs []*job.Job) {
	for _, j := range jobs {
		w.Metrics.evicted.Inc()
		w.Log.Warn("failed job dropped: the failed set is full (KEEP_FAILED)", "job", j.ID(), "webhook", j.WebhookID, "error", j.LastError)
	}
}

// claimed starts the sends of a claim, or puts the jobs back when the worker is stopping.
func (w *Worker) claimed(ctx context.Context, c *queue.Claim) {
	w.Metrics.claimed.Add(float64(len(c.Jobs)))
	if c.Reaped > 0 {
		w.Metrics.reaped.Add(float64(c.Reaped))
		w.Log.Warn("leases of dead or stalled workers ended; their jobs wait again", "jobs", c.Reaped, "set_aside", c.SetAside)
	}
	if c.Throttled {
		w.Metrics.throttled.Inc()
	}
	w.evicted(c.Evicted)
	if c.Provider >= 0 && len(c.Jobs) > 0 && !c.Jobs[0].Probe && w.down[w.Providers[c.Provider].Name] {
		w.breaker(w.Providers[c.Provider].Name, false, "")
	}
	var b *batch
	if len(c.Jobs) > 0 {
		b = w.newBatch(ctx, len(c.Jobs))
	}
	for _, one := range c.Jobs {
		w.held[one] = struct{}{}
		if one.Job != nil && one.Job.Alternate && !one.Probe {
			w.alternate(one)
		}
		switch {
		case ctx.Err() != nil:
			w.ended = append(w.ended, settlement{claimed: one, action: release})
			w.freeProbe(one)
			b.done()
		case one.Err != nil:
			w.Log.Error("job set aside: it cannot be read", "error", one.Err, "bytes", len(one.Raw))
			w.Metrics.sends.WithLabelValues("", string(fail), "unreadable").Inc()
			w.ended = append(w.ended, settlement{claimed: one, action: fail, err: one.Err.Error()})
			w.freeProbe(one)
			b.done()
		default:
			w.begin <- begun{one, b}
		}
	}
	w.Metrics.sending.Set(float64(len(w.held)))
	w.schedule(ctx, c)
}

// alternate gives a job that did not arrive to the provider after the one that the claim chose, if that can be used.
func (w *Worker) alternate(one *queue.Claimed) {
	if next := (one.Provider + 1) % len(w.Providers); !w.down[w.Providers[next].Name] {
		one.Provider = next
	}
}

// schedule says when to look next: at once while there is more, when a token or a probe is due, or when somebody enqueues.
func (w *Worker) schedule(ctx context.Context, c *queue.Claim) {
	barred := c.Throttled || c.Halted != ""
	pause := idleEvery
	if barred || w.since.IsZero() || time.Since(w.since) < reapGrace {
		pause = lookEvery
	}
	if c.Wait >= 0 {
		pause = min(pause, c.Wait)
	}
	if pause > gatherFor && !barred && len(c.Jobs) > 0 {
		// Where one job came from there may be more: only then is it worth to wait for being woken.
		w.nextLook = w.last.Add(gatherFor)
		return
	}
	w.nextLook = w.last.Add(pause)
	if pause == 0 || barred || ctx.Err() != nil {
		return
	}
	w.waiting = true
	go func() {
		if err := w.Queue.Wait(ctx, pause); err != nil && ctx.Err() == nil {
			// The next exchange meets the same trouble, and reports it.
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
		w.woken <- struct{}{}
	}()
}

// freeProbe lets another job be the probe when this one, which was to be it, said nothing about the provider.
func (w *Worker) freeProbe(one *queue.Claimed) {
	if one.Probe {
		w.report(w.Providers[one.Provider].Name).Probed = true
	}
}

// traceClaim records a claim, which is of many webhooks: it is linked with the trace of each.
func (w *Worker) traceClaim(ctx context.Context, began time.Time, claim *queue.Claim) {
	var links []trace.Link
	for _, one := range claim.Jobs {
		if one.Job != nil && one.Job.Trace != "" {
			links = append(links, trace.LinkFromContext(tracing.Extract(context.Background(), one.Job.Trace)))
		}
	}
	_, span := w.Tracer.Start(ctx, "claim", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(began), trace.WithLinks(links...),
		trace.WithAttributes(attribute.Int("ringup.jobs", len(claim.Jobs))))
	span.End()
}

// process renders and sends one job, in the trace of its webhook. It runs beside the loop.
func (w *Worker) process(ctx context.Context, one begun) result {
	if w.Tracer == nil {
		return w.attempt(ctx, one)
	}
	j := one.Job
	ctx, span := w.Tracer.Start(tracing.Extract(ctx, j.Trace), "send "+string(j.Channel), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("ringup.job", j.ID()), attribute.String("ringup.webhook", j.WebhookID), attribute.Int("ringup.attempt", j.Attempts+1)))
	defer span.End()
	r := w.attempt(ctx, one)
	switch {
	case r.unfit != "":
		span.SetStatus(codes.Error, r.unfit)
	case r.err != nil:
		span.SetStatus(codes.Error, r.err.Error())
	}
	return r
}

// call hands a message to a provider.
func (w *Worker) call(ctx context.Context, p Sender, m message.Message) (provider.Receipt, error) {
	if w.Tracer == nil {
		return p.Send(ctx, m)
	}
	ctx, span := w.Tracer.Start(ctx, p.Name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("ringup.provider", p.Name)))
	defer span.End()
	receipt, err := p.Send(ctx, m)
	if err != nil {
		e := failure.AsError(err)
		span.SetAttributes(attribute.String("ringup.error.class", e.Class.String()), attribute.String("ringup.error.reason", string(e.Reason)))
		span.SetStatus(codes.Error, e.Error())
	} else {
		span.SetAttributes(attribute.String("ringup.message_id", receipt.MessageID))
	}
	return receipt, err
}

// attempt renders and sends one job; ctx bounds the send.
func (w *Worker) attempt(ctx context.Context, one begun) result {
	r := result{claimed: one.Claimed}
	var err error
	if r.message, err = w.render(one.Job); err != nil {
		r.unfit = err.Error()
		return r
	}
	p := w.Providers[one.Provider]
	r.provider = p.Name
	start := time.Now()
	r.cost = w.Prices.Cost(r.message.Channel, r.message.To, r.message.Segments)
	if r.refused = w.permit(one.Claimed, &r.message, w.traits[p.Name].Sender, r.cost, start); r.refused != nil {
		return r
	}
	if one.Probe {
		// What the provider says of itself risks no message; only when it is well does this one try the way.
		if err := p.Probe(ctx); err != nil {
			r.err, r.unbegun, r.took = failure.AsError(err), true, time.Since(start)
			return r
		}
	}
	r.receipt, err = w.call(ctx, p, r.message)
	r.ended = time.Now()
	r.took = r.ended.Sub(start)
	if err != nil {
		r.err = failure.AsError(err)
	}
	return r
}

// render makes a job's message; a template that panics on odd data counts as one that cannot be rendered.
func (w *Worker) render(j *job.Job) (m message.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("template panicked")
		}
	}()
	return w.Renderer.Render(j)
}

func (w *Worker) report(name string) *queue.ProviderHealth {
	r := w.reports[name]
	if r == nil {
		r = &queue.ProviderHealth{Provider: name}
		w.reports[name] = r
	}
	return r
}

// take turns a result into a settlement and into what it says about the provider.
func (w *Worker) take(r result) {
	j := r.claimed.Job
	s := settlement{claimed: r.claimed, worker: w.ID, attempt: queue.Attempt{Provider: r.provider, MessageID: r.receipt.MessageID, Took: r.took}}
	reason := ""
	switch {
	case r.unfit != "":
		s.action, s.err, reason = fail, r.unfit, "template"
		w.freeProbe(r.claimed)
	case r.refused != nil:
		reason = r.refused.reason
		w.refuse(&s, r.refused)
		w.freeProbe(r.claimed)
	case r.unbegun:
		s.action, reason = release, string(r.err.Reason)
		w.note(r)
		w.budget.giveBack(r.message.Channel, r.message.Source, r.cost)
	default:
		v := w.policy.Decide(Situation{
			Err: r.err, Attempts: j.Attempts, ProviderDown: r.claimed.Probe || w.down[r.provider], Jitter: rand.Float64(), //nolint:gosec // no secret
		})
		s.action, s.delay, s.uncertain = v.Action, v.Delay, v.Uncertain
		s.attempt.ExtraTokens = max(0, r.message.Segments-1)
		if r.err != nil {
			s.err, reason = r.err.Error(), string(r.err.Reason)
		}
		w.note(r)
		w.after(&s, &r)
	}
	if s.uncertain {
		w.Metrics.uncertain.Inc()
	}
	w.ended = append(w.ended, s)
	if s.action == complete {
		once(w.sent, r.provider, func() prometheus.Counter {
			return w.Metrics.sends.WithLabelValues(r.provider, string(s.action), reason)
		}).Inc()
		w.Metrics.age.Observe(r.ended.Sub(j.AcceptedAt).Seconds())
		if w.Log.Enabled(context.Background(), slog.LevelInfo) {
			w.Log.Info("sent", "job", j.ID(), "webhook", j.WebhookID, "attempt", j.Attempts+1, "provider", r.provider,
				"message_id", r.receipt.MessageID, "took", r.took)
		}
		return
	}
	w.Metrics.sends.WithLabelValues(r.provider, string(s.action), reason).Inc()
	if r.unbegun {
		w.Log.Warn("the provider is not well yet; its breaker stays open", "provider", r.provider, "error", r.err)
		return
	}
	if r.refused != nil {
		w.Log.Info("not sent now", "job", j.ID(), "webhook", j.WebhookID, "outcome", string(s.action), "why", s.err)
		return
	}
	w.Log.Warn("not sent", "job", j.ID(), "webhook", j.WebhookID, "attempt", j.Attempts+1, "provider", r.provider, "outcome", string(s.action), "error", s.err, "delay", s.delay, "uncertain", s.uncertain)
}

// note adds a send to what is reported about its provider. Errors about one message say that the provider is well.
func (w *Worker) note(r result) {
	once(w.seconds, r.provider, func() prometheus.Observer { return w.Metrics.sendSeconds.WithLabelValues(r.provider) }).Observe(r.took.Seconds())
	report := w.report(r.provider)
	report.Probed = report.Probed || r.claimed.Probe
	switch {
	case r.err == nil && w.Config.SlowSend > 0 && r.took > w.Config.SlowSend:
		report.Failed++
		report.Reason = "it took " + r.took.Round(time.Millisecond).String() + " to answer (SLOW_SEND)"
	case r.err == nil:
		report.Healthy++
	case r.err.Class == failure.Throttled && !r.err.RecipientOnly:
		report.ThrottleFor = max(report.ThrottleFor, r.err.RetryAfter, time.Second)
		report.Reason = r.err.Error()
	case r.err.OfProvider(), r.unbegun:
		report.Failed++
		report.Account = report.Account || r.err.Class == failure.Account
		report.Reason = r.err.Error()
	default:
		report.Healthy++
	}
}

// renew prolongs the leases of the jobs being sent.
func (w *Worker) renew(ctx context.Context) {
	if len(w.held) == 0 {
		return
	}
	all := make([]*queue.Claimed, 0, len(w.held))
	for one := range w.held {
		all = append(all, one)
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	lost, err := w.Queue.Renew(call, all)
	if err != nil {
		w.Log.Warn("leases not renewed", "error", err, "jobs", len(all))
		return
	}
	for _, i := range lost {
		w.Log.Warn("lease lost while sending: the message may be sent again", "job", name(all[i]))
	}
}

// name is a claimed job's id, for logs.
func name(c *queue.Claimed) string {
	if c.Job == nil {
		return "unreadable"
	}
	return c.Job.ID()
}
