package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// The model: what the queue's contract says of one channel, in memory, beside the real queue. Each operation is done to both, the answer
// of the queue is compared with the model, and then everything that the queue has. Where the contract leaves something open (the order of
// jobs that are due in the same millisecond), the model takes over what the queue did. docs/protocol.md has it in words.

// reporter is what the model needs of *testing.T and *rapid.T.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// rules are the settings of a queue and of its consumers.
type rules struct {
	maxDepth, maxCrashes, keepFailed, keepCompleted int
	failUncertain                                   bool
	dedupe, lease, aging                            time.Duration
	rate, burst                                     int // tokens a second; 0: no limit
	failures                                        int
	window, openMin, openMax                        time.Duration
	providers                                       []string
	workers                                         int
}

// model is both: the queue under test, and what it has to be like.
type model struct {
	reporter
	rules

	store    *Store
	producer *Producer
	workers  []*modelWorker
	client   *redis.Client // for what the queue's own functions do not show: which keys there are

	now      int64 // Unix ms: what the scripts take for the time
	webhooks map[string]*modelWebhook
	jobs     []*modelJob // that are in some state
	lists    [4][]*modelJob
	paused   bool
	tokens   int64 // thousandths
	refilled int64
	breakers []modelBreaker
	flushed  bool   // Redis has forgotten its scripts
	turn     string // who had the latest turn that an aged job and a higher priority both wanted; "": not known
	totals   queue.Totals

	// What an operation changed, for check.
	returned [4]map[string][]*modelJob // back to the head of a list: by how, in order
	began    [4][]*modelJob            // claimed, in order
	sequence []*modelJob               // claimed, over all lists
	fellOff  []string                  // ids of the failed jobs that the queue said fell off
	wake     bool                      // an idle worker has to be woken
	settled  bool                      // the breakers were looked at
}

type modelWebhook struct {
	submission *queue.Submission
	acceptance *queue.Acceptance
	times      int            // accepted
	status     map[int]string // of each job, by its index: what a till is told
}

// modelJob is a job as it should be.
type modelJob struct {
	job   job.Job
	state queue.State // "": it is gone
	at    int64       // when it is due, its lease ends, or it ended
	lease *modelLease
	// adopt is a part of the last error that the queue words by itself.
	adopt string
}

// modelLease is what a worker believes to have.
type modelLease struct {
	claimed *queue.Claimed
	job     *modelJob
	settled *queue.Settlement // what its holder did last
}

// holds says whether it is more than a belief.
func (l *modelLease) holds() bool { return l.job.state == queue.InFlight && l.job.lease == l }

type modelWorker struct {
	consumer *Consumer
	believes []*modelLease
}

type modelBreaker struct {
	state          string // "", open, throttled
	until, probe   int64
	opens, ok, bad int
	window         int64
	counting       bool // it has something to remember
}

func (j *modelJob) id() string { return fmt.Sprintf("%s@%d", j.job.ID(), j.job.AcceptedAt.UnixMilli()) }

// epoch is when a model's time begins: an hour ahead of the real one, so that a script that looks at another clock is found out.
func epoch() int64 { return time.Now().Add(time.Hour).UnixMilli() }

// newModel empties the Redis that base names. damage, when set, is Lua that stands where scripts call Redis: see protocol_test.go.
func newModel(t reporter, base Config, client *redis.Client, r rules, damage string) (m *model, closeModel func()) {
	ctx := context.Background()
	m = &model{reporter: t, rules: r, client: client, now: epoch(), webhooks: map[string]*modelWebhook{}, breakers: make([]modelBreaker, len(r.providers))}
	m.flushed = true // or they were never there
	m.tokens, m.refilled = int64(r.burst)*1000, m.now
	if err := client.FlushAll(ctx).Err(); err != nil {
		t.Fatalf("%v", err)
	}
	base.Prefix, base.DedupeTTL, base.StatusTTL, base.OnUncertain = "m", r.dedupe, 24*time.Hour, Resend
	base.MaxQueueDepth, base.MaxCrashes, base.KeepFailed, base.KeepCompleted = r.maxDepth, r.maxCrashes, r.keepFailed, r.keepCompleted
	if r.failUncertain {
		base.OnUncertain = FailUncertain
	}
	var err error
	if m.store, err = Open(base, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatalf("%v", err)
	}
	moveClock(m.store, damage)
	m.producer = m.store.Producer(prometheus.NewRegistry())
	config := ConsumerConfig{
		Lease: r.lease, PriorityAging: r.aging, RateLimit: float64(r.rate), RateBurst: r.burst,
		Breaker: BreakerConfig{Failures: r.failures, Window: r.window, OpenMin: r.openMin, OpenMax: r.openMax},
	}
	if err := config.Validate(); err != nil {
		t.Fatalf("%v", err)
	}
	for range r.workers {
		m.workers = append(m.workers, &modelWorker{consumer: m.store.Consumer(message.SMS, config, r.providers)})
	}
	m.pass(0)
	return m, func() {
		m.producer.Close()
		_ = m.store.Close()
	}
}

func (m *model) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatalf("%v", err)
	}
}

// pass lets time go by.
func (m *model) pass(ms int64) {
	m.Helper()
	if ms > 0 {
		m.Logf("%d ms pass", ms)
	}
	m.now += ms
	m.must(m.client.Set(context.Background(), clockKey, m.now, 0).Err())
}

// in returns the jobs of a state.
func (m *model) in(state queue.State) []*modelJob {
	var out []*modelJob
	for _, j := range m.jobs {
		if j.state == state {
			out = append(out, j)
		}
	}
	return out
}

// comesBack puts a job at the head of its list.
func (m *model) comesBack(how string, j *modelJob) {
	j.state, j.lease = queue.Waiting, nil
	p := j.job.Priority - 1
	if m.returned[p] == nil {
		m.returned[p] = map[string][]*modelJob{}
	}
	m.returned[p][how] = append(m.returned[p][how], j)
	m.record(j, queue.StatusQueued)
}

func (m *model) record(j *modelJob, status queue.Status) {
	m.webhooks[j.job.WebhookID].status[j.job.Index] = string(status)
}

// enqueue adds a webhook.
func (m *model) enqueue(s *queue.Submission) {
	m.Helper()
	recipients := s.Channels[0].Recipients
	body, err := job.Body(s.Event)
	m.must(err)
	a, err := m.producer.Enqueue(context.Background(), s)
	m.Logf("%s is posted: priority %d, %d recipients, %d bytes → %+v, %v", s.Event.ID, s.Priority, len(recipients), len(body), a, err)
	var full *queue.FullError
	waiting := len(m.in(queue.Waiting))
	known := m.webhooks[s.Event.ID]
	switch {
	case known != nil && m.now-known.submission.AcceptedAt.UnixMilli() < m.dedupe.Milliseconds():
		m.must(err)
		if !a.Duplicate || !cmp.Equal(a.Jobs, known.acceptance.Jobs) {
			m.Fatalf("a repetition was answered %+v, the first time %+v", a, known.acceptance)
		}
	case m.maxDepth > 0 && waiting >= m.maxDepth && len(recipients) > 0:
		if !errors.As(err, &full) || full.Depth != waiting {
			m.Fatalf("%v: want a FullError, %d jobs wait", err, waiting)
		}
	default:
		m.must(err)
		if a.Duplicate || len(a.Jobs) != len(recipients) {
			m.Fatalf("answered %+v, want %d new jobs", a, len(recipients))
		}
		times := 1
		if known != nil {
			times += known.times
		}
		m.webhooks[s.Event.ID] = &modelWebhook{submission: s, acceptance: a, times: times, status: map[int]string{}}
		for i, r := range recipients {
			j := &modelJob{state: queue.Waiting, job: job.Job{
				WebhookID: s.Event.ID, Channel: message.SMS, Index: i + 1, Priority: s.Priority, AcceptedAt: s.AcceptedAt, Audience: r.Audience,
				Recipient: r.Address, Trace: s.Trace, Body: body, Type: s.Event.Type, Store: s.Event.Store,
			}}
			m.jobs = append(m.jobs, j)
			m.lists[s.Priority-1] = append(m.lists[s.Priority-1], j)
			m.record(j, queue.StatusQueued)
		}
		m.wake = len(recipients) > 0
	}
	m.check()
}

// exchange lets a worker settle and claim, in one round trip. With deaf it never hears the answer: its claim belongs to no worker, and it
// believes to have the jobs that it settled.
func (m *model) exchange(w *modelWorker, ends []*modelLease, settlements []queue.Settlement, health []queue.ProviderHealth, r *queue.ClaimRequest, deaf bool) {
	m.Helper()
	var settled *queue.Settled
	var claim *queue.Claim
	var err error
	if m.flushed && len(ends) > 0 && r != nil {
		// Where Redis knows only one of the two scripts, the other is sent again and runs last. Only their order is lost.
		settled, _, err = w.consumer.Exchange(context.Background(), settlements, health, nil)
		m.must(err)
		_, claim, err = w.consumer.Exchange(context.Background(), nil, nil, r)
		m.flushed = false
	} else {
		settled, claim, err = w.consumer.Exchange(context.Background(), settlements, health, r)
	}
	m.must(err)
	for i, l := range ends {
		m.Logf("worker %d settles %s: %T%+v; it holds it: %t", slices.Index(m.workers, w), l.job.id(), settlements[i].Outcome, settlements[i].Outcome, l.holds())
	}
	if len(ends)+len(health) > 0 {
		m.settle(ends, settlements, health, settled)
	}
	for i, l := range ends {
		l.settled = &settlements[i]
		if !deaf {
			w.believes = slices.DeleteFunc(w.believes, func(other *modelLease) bool { return other == l })
		}
	}
	if r != nil {
		m.Logf("worker %d claims %d (reap %t) → %d jobs, provider %d, wait %s, halted %q", slices.Index(m.workers, w), r.Max, r.Reap, len(claim.Jobs),
			claim.Provider, claim.Wait, claim.Halted)
		leases := m.claim(r, claim)
		if !deaf {
			w.believes = append(w.believes, leases...)
		}
	}
	m.check()
}
