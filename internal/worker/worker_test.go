package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/gate"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/worker"
)

// memory is a queue that hands out what waits, and remembers what came of it.
type memory struct {
	mu      sync.Mutex
	waiting []*queue.Claimed
	settled map[*queue.Claimed][]queue.Settlement
	reports []queue.ProviderHealth
	lose    bool  // every settlement finds its lease gone
	away    error // the queue does not answer
	hang    bool  // nor does a call end
	spent   map[string]int64
	restore func(context.Context) error // nil: nothing was set aside
	// spentTakes is how long the queue takes to say what was spent, as of when it was asked.
	spentTakes time.Duration
	// breakers come back with settlements and reports, and not with a claim alone.
	breakers map[string]queue.BreakerState
	// wait is what a worker's Wait returns at once; nil where it waits. waits counts them.
	wait  error
	waits int
	// answers changes an answer before it is returned; the claim is nil where none was asked for.
	answers func(*queue.Settled, *queue.Claim)
}

func (m *memory) Exchange(ctx context.Context, settlements []queue.Settlement, reports []queue.ProviderHealth, request *queue.ClaimRequest) (*queue.Settled, *queue.Claim, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hang {
		m.mu.Unlock()
		select {} // it never ends, whatever the context says
	}
	if m.away != nil {
		return nil, nil, m.away
	}
	m.reports = append(m.reports, reports...)
	settled := &queue.Settled{}
	if len(settlements)+len(reports) > 0 {
		settled.Breakers = m.breakers
	}
	for i, s := range settlements {
		if m.lose {
			settled.Lost = append(settled.Lost, i)
		}
		m.settled[s.Claimed] = append(m.settled[s.Claimed], s)
	}
	var claim *queue.Claim
	if request != nil {
		n := min(request.Max, len(m.waiting))
		claim = &queue.Claim{Jobs: m.waiting[:n], Wait: -1}
		m.waiting = m.waiting[n:]
		if len(m.waiting) > 0 {
			claim.Wait = 0
		}
	}
	if m.answers != nil {
		m.answers(settled, claim)
	}
	return settled, claim, nil
}

func (m *memory) Renew(context.Context, []*queue.Claimed) ([]int, error) { return nil, nil }

// Heartbeat and Deregister are for people: no test of the loop looks at them.
func (m *memory) Heartbeat(context.Context, string, int, int) error { return nil }
func (m *memory) Deregister(context.Context, string) error          { return nil }

func (m *memory) Restore(ctx context.Context) error {
	if m.restore == nil {
		return nil
	}
	return m.restore(ctx)
}

func (m *memory) Spent(context.Context) (map[string]int64, error) {
	time.Sleep(m.spentTakes) //nolint:forbidigo // the bubble's clock
	return m.spent, nil
}

func (m *memory) Wait(ctx context.Context, atMost time.Duration) error {
	m.mu.Lock()
	m.waits++
	err := m.wait
	m.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(atMost):
	}
	return nil
}

// outcomes counts what became of the jobs; it fails when one was settled twice.
func (m *memory) outcomes(t *testing.T) map[string]int {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]int{}
	for c, all := range m.settled {
		if len(all) != 1 {
			t.Errorf("%s was settled %d times", c.Raw, len(all))
		}
		out[all[0].Outcome.Name()]++
	}
	return out
}

// sender sends as a test tells it.
type sender struct {
	mu            sync.Mutex
	sent          map[string]int
	sending, most int
	latency       time.Duration
	err, ill      error
	reports       bool   // deliveries
	padding       string // in front of each message id
	before        func() // nil, or called before each send
}

func (s *sender) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	s.mu.Lock()
	s.sent[m.JobID]++
	s.sending++
	s.most = max(s.most, s.sending)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.sending--; s.mu.Unlock() }()
	if s.before != nil {
		s.before()
	}
	if s.latency > 0 {
		select {
		case <-time.After(s.latency):
		case <-ctx.Done():
			return provider.Receipt{}, &failure.Error{Class: failure.Ambiguous, Reason: failure.ReasonTimeout}
		}
	}
	if s.err != nil {
		return provider.Receipt{}, s.err
	}
	return provider.Receipt{MessageID: s.padding + "m-" + m.JobID}, nil
}

func (s *sender) Probe(context.Context) error { return s.ill }

func (s *sender) Traits() provider.Traits {
	return provider.Traits{Sender: "+15005550006", Reports: s.reports}
}

func (s *sender) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.sent {
		n += times
	}
	return n
}

// renderer makes a message of a job, or cannot.
type renderer struct{ err, panics bool }

func (r renderer) Render(j *job.Job) (message.Message, error) {
	switch {
	case r.panics:
		panic("a template on odd data")
	case r.err:
		return message.Message{}, errors.New("template pos_save.sms.customer: no such field")
	}
	return message.Message{JobID: j.ID(), Channel: message.SMS, To: "+12025550143", Text: "Thank you, Zoë", EventType: "pos_save", Segments: 1}, nil
}

type bench struct {
	queue    *memory
	sender   *sender
	worker   *worker.Worker
	registry *prometheus.Registry
	log      *bytes.Buffer
}

// setup is what a test may change of a worker before it is made.
type setup struct {
	config    worker.Config
	gate      gate.Config
	fallBack  bool
	dailyCap  string // of DAILY_CAP
	providers []worker.Sender
}

type locked struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func open(render renderer, jobs int, change ...func(*setup)) *bench {
	b := &bench{queue: &memory{settled: map[*queue.Claimed][]queue.Settlement{}}, sender: &sender{sent: map[string]int{}},
		registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	for i := range jobs {
		j := &job.Job{WebhookID: fmt.Sprintf("w%d", i), AcceptedAt: time.Now().Add(-time.Minute)}
		b.queue.waiting = append(b.queue.waiting, &queue.Claimed{Job: j, Raw: []byte(j.WebhookID)})
	}
	s := setup{config: worker.Config{Concurrency: 5, SendTimeout: 10 * time.Second, RetryBackoff: []time.Duration{2 * time.Second}},
		providers: []worker.Sender{{Name: "twilio", Provider: b.sender}}}
	for _, c := range change {
		c(&s)
	}
	b.worker = build(s, b.queue, render, b.registry, slog.New(slog.NewJSONHandler(&locked{w: b.log}, nil)))
	return b
}

// build puts a worker together as the program does.
func build(s setup, q worker.Queue, render worker.Renderer, registry *prometheus.Registry, log *slog.Logger) *worker.Worker {
	var names []string
	for _, one := range s.providers {
		names = append(names, one.Name)
	}
	caps, capErr := pricing.NewCaps(pricing.Config{DailyCap: strings.Fields(s.dailyCap)})
	prices, priceErr := pricing.NewTable(pricing.Config{Prices: []string{"sms=0.01"}})
	sources := pricing.NewSources(caps)
	budget := pricing.NewBudget(message.SMS, caps, sources)
	checks, gateErr := gate.New(s.gate, budget)
	if err := errors.Join(capErr, priceErr, gateErr); err != nil {
		panic(err) // a mistake in the test
	}
	metrics := worker.NewMetrics(registry, message.SMS)
	breakers := worker.NewBreakers(names, metrics, log)
	deliver := worker.NewDeliver(worker.DeliverOptions{
		Config: s.config, ResendUncertain: true, FallBack: s.fallBack, FallBackWithin: 15 * time.Minute, Renderer: render, Gate: checks, Senders: s.providers,
		Breakers: breakers, Prices: prices, Sources: sources, Budget: budget, Metrics: metrics, Log: log,
	})
	return worker.New(worker.Options{
		Config: s.config, Lease: 30 * time.Second, Queue: q, Handler: deliver, Breakers: breakers, Metrics: metrics, Log: log, Budget: budget,
	})
}

// run lets the worker work for a while, and then stop; what it says is checked for people's data.
func (b *bench) run(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.worker.Run(ctx) }()
	time.Sleep(d) //nolint:forbidigo // the bubble's clock
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	synctest.Wait()
	for _, private := range []string{"2025550143", "Zoë"} {
		if strings.Contains(b.log.String(), private) {
			t.Errorf("the log has %q", private)
		}
	}
}

func TestEveryJobIsSentAndSettledOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 100)
		b.sender.latency = 100 * time.Millisecond
		b.run(t, time.Minute)
		if got := b.queue.outcomes(t); got["completed"] != 100 || b.sender.total() != 100 {
			t.Errorf("%v, %d sent", got, b.sender.total())
		}
		if b.sender.most != 5 {
			t.Errorf("%d at a time, want 5", b.sender.most)
		}
	})
}

// TestTheLoopDoesNotWaitForRestore: jobs that an older program set aside are put back for as long as the worker runs. That may take long, and
// fail: jobs are sent meanwhile, and the failure is logged.
func TestTheLoopDoesNotWaitForRestore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 20)
		begun, sent := 0, 0
		b.queue.restore = func(ctx context.Context) error {
			begun++
			<-ctx.Done()
			sent = b.sender.total()
			return ctx.Err()
		}
		b.run(t, 25*time.Second)
		if begun != 3 || sent != 20 || strings.Count(b.log.String(), "restore failed") != 3 {
			t.Errorf("begun %d times, with %d sent: %s", begun, sent, b.log)
		}
	})
}

func TestWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		render renderer
		change func(*bench)
		config func(*setup)
		want   queue.Outcome
	}{
		"a template's error":     {render: renderer{err: true}, want: queue.Fail{}},
		"a template that panics": {render: renderer{panics: true}, want: queue.Fail{}},
		"bytes that cannot be read": {change: func(b *bench) {
			for _, w := range b.queue.waiting {
				w.Job, w.Err = nil, job.ErrCorrupt
			}
		}, want: queue.Fail{}},
		"too late": {config: func(s *setup) { s.gate.MessageTTL = map[event.Type]time.Duration{event.POSSave: 30 * time.Second} }, want: queue.Drop{}},
		"its provider is still down, by its own probe": {change: func(b *bench) {
			b.sender.ill = &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
			for _, w := range b.queue.waiting {
				w.Probe = true
			}
		}, want: queue.Release{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var change []func(*setup)
				if c.config != nil {
					change = append(change, c.config)
				}
				b := open(c.render, 3, change...)
				if c.change != nil {
					c.change(b)
				}
				b.run(t, 5*time.Second)
				if got := b.queue.outcomes(t); got[c.want.Name()] != 3 || len(got) != 1 {
					t.Errorf("%v, want all %s", got, c.want.Name())
				}
				if n := b.sender.total(); n != 0 {
					t.Errorf("%d were sent", n)
				}
			})
		})
	}
}

func TestAProbeThatIsWellSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 1)
		b.queue.waiting[0].Probe = true
		b.run(t, 5*time.Second)
		if got := b.queue.outcomes(t); got["completed"] != 1 {
			t.Errorf("%v", got)
		}
		if len(b.queue.reports) == 0 || !b.queue.reports[0].Probed || b.queue.reports[0].Healthy != 1 {
			t.Errorf("%+v", b.queue.reports)
		}
	})
}

func TestTheQueueIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 5)
		b.sender.latency = time.Second
		go func() {
			time.Sleep(500 * time.Millisecond) //nolint:forbidigo // the bubble's clock
			b.queue.mu.Lock()
			b.queue.away = queue.ErrUnavailable
			b.queue.mu.Unlock()
			time.Sleep(5 * time.Minute) //nolint:forbidigo // as above
			if err := b.worker.Live(); err != nil {
				t.Errorf("a restart would not bring the queue back: %v", err)
			}
			b.queue.mu.Lock()
			b.queue.away = nil
			b.queue.mu.Unlock()
		}()
		b.run(t, 10*time.Minute)
		if got := b.queue.outcomes(t); got["completed"] != 5 || b.sender.total() != 5 {
			t.Errorf("%v, %d sent", got, b.sender.total())
		}
	})
}

func TestALostLeaseIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 1)
		b.queue.lose = true
		b.run(t, 5*time.Second)
		if !strings.Contains(b.log.String(), "lease lost before its settlement") {
			t.Error(b.log.String())
		}
	})
}

func TestStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 100)
		b.sender.latency = 4 * time.Second
		start := time.Now()
		b.run(t, time.Second) // five are being sent; they end, and nothing more begins
		if took := time.Since(start); took < 4*time.Second {
			t.Errorf("it ended after %s, in the middle of its sends", took)
		}
		if got := b.queue.outcomes(t); got["completed"] != 5 || b.sender.total() != 5 {
			t.Errorf("%v, %d sent", got, b.sender.total())
		}
	})
}

// uneven takes two messages at once, and the others as slowly as its sender.
type uneven struct {
	*sender
	taken atomic.Int32
}

func (u *uneven) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	if u.taken.Add(1) <= 2 {
		return provider.Receipt{MessageID: "m-" + m.JobID}, nil
	}
	return u.sender.Send(ctx, m)
}

// TestAFewResultsAreSettled: not even with every place taken does the loop wait for half of them.
func TestAFewResultsAreSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 5, func(s *setup) {
			s.providers[0].Provider = &uneven{sender: s.providers[0].Provider.(*sender)} //nolint:forcetypeassert // as open has it
		})
		b.sender.latency = 5 * time.Second
		go func() {
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
			if got := b.queue.outcomes(t); got["completed"] != 2 {
				t.Errorf("%v, want the two that have ended", got)
			}
		}()
		b.run(t, time.Minute)
		if got := b.queue.outcomes(t); got["completed"] != 5 {
			t.Errorf("%v", got)
		}
	})
}

func TestAProviderThatNeverAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 5)
		b.sender.latency = time.Hour
		b.run(t, time.Minute)
		if got := b.queue.outcomes(t); got["retry"] != 5 {
			t.Errorf("%v: SEND_TIMEOUT bounds a send", got)
		}
	})
}
