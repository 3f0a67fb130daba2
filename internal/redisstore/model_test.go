package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// The model: what the queue's contract says of one channel, in memory, beside the real queue. Each operation is done to both, what the queue
// answered is held against the model, and then everything that the queue has is. Where the contract leaves something open (the order of
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
	jobs     []*modelJob // that are in some place
	lists    [4][]*modelJob
	paused   bool
	tokens   int64 // thousandths
	refilled int64
	breakers []modelBreaker
	flushed  bool   // Redis has forgotten its scripts
	turn     string // who had the latest place that an aged job and a higher priority both wanted; "": not known
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
	place queue.State // "": it is gone
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
func (l *modelLease) holds() bool { return l.job.place == queue.InFlight && l.job.lease == l }

type modelWorker struct {
	consumer *Consumer
	believes []*modelLease
}

type modelBreaker struct {
	state          string // "", open, held
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
		base.OnUncertain = SetOut
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

// in returns the jobs of a place.
func (m *model) in(place queue.State) []*modelJob {
	var out []*modelJob
	for _, j := range m.jobs {
		if j.place == place {
			out = append(out, j)
		}
	}
	return out
}

// comesBack puts a job at the head of its list.
func (m *model) comesBack(how string, j *modelJob) {
	j.place, j.lease = queue.Waiting, nil
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
			j := &modelJob{place: queue.Waiting, job: job.Job{
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

// exchange lets a worker settle and claim, in one round trip. With deaf it never hears the answer: what it claimed is nobody's, and what it
// settled it believes to hold.
func (m *model) exchange(w *modelWorker, ends []*modelLease, settlements []queue.Settlement, reports []queue.ProviderHealth, r *queue.ClaimRequest, deaf bool) {
	m.Helper()
	var settled *queue.Settled
	var claim *queue.Claim
	var err error
	if m.flushed && len(ends) > 0 && r != nil {
		// Where Redis knows only one of the two scripts, the other is sent again and runs last. Only their order is lost.
		settled, _, err = w.consumer.Exchange(context.Background(), settlements, reports, nil)
		m.must(err)
		_, claim, err = w.consumer.Exchange(context.Background(), nil, nil, r)
		m.flushed = false
	} else {
		settled, claim, err = w.consumer.Exchange(context.Background(), settlements, reports, r)
	}
	m.must(err)
	for i, l := range ends {
		m.Logf("worker %d settles %s as %s (delay %s, uncertain %t); it holds it: %t", slices.Index(m.workers, w), l.job.id(), settlements[i].Action,
			settlements[i].Delay, settlements[i].Uncertain, l.holds())
	}
	if len(ends)+len(reports) > 0 {
		m.settle(ends, settlements, reports, settled)
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

// settle does to the model what a batch of settlements should have done.
func (m *model) settle(ends []*modelLease, settlements []queue.Settlement, reports []queue.ProviderHealth, got *queue.Settled) {
	m.Helper()
	for _, r := range reports {
		m.Logf("… and reports %+v", r)
		m.report(r)
	}
	m.settled = true
	if m.rate > 0 {
		for _, s := range settlements {
			m.tokens -= int64(s.ExtraTokens) * 1000
		}
	}
	var lost []int
	for i, l := range ends {
		if !l.holds() {
			lost = append(lost, i)
			continue
		}
		m.end(l.job, &settlements[i])
	}
	slices.Sort(got.Lost) // in no order
	if !slices.Equal(got.Lost, lost) {
		m.Fatalf("settlements %v were refused, want %v: a lease is there or it is not", got.Lost, lost)
	}
	m.noteFallen(got.Evicted)
	for i, name := range m.providers {
		if state := got.Breakers[name].State; (state == "open") != (m.breakers[i].state == "open") || m.breakers[i].state == "" && state != "" {
			m.Fatalf("the breaker of %s is said to be %q, want %q", name, state, m.breakers[i].state)
		}
	}
}

// end does what one settlement says.
func (m *model) end(j *modelJob, s *queue.Settlement) {
	j.lease = nil
	switch s.Action {
	case queue.Complete:
		m.totals.Sent++
		m.record(j, queue.StatusSent)
		if j.place, j.at = queue.Completed, m.now; m.keepCompleted == 0 {
			m.forget(j)
		}
		return
	case queue.Drop:
		m.totals.Dropped++
		m.record(j, queue.StatusFailed)
		m.forget(j)
		return
	case queue.Suppress:
		m.totals.Suppressed++
		m.record(j, queue.StatusSuppressed)
		m.forget(j)
		return
	case queue.Release:
		m.comesBack("released", j)
		m.wake = true
		return
	}
	j.job.LastError = s.Error
	j.job.Uncertain = j.job.Uncertain || s.Uncertain
	if s.Action != queue.Defer && s.Action != queue.Hold {
		j.job.Attempts++
	}
	if s.Action == queue.Fail {
		m.totals.Failed++
		m.record(j, queue.StatusFailed)
		j.place, j.at = queue.Failed, m.now
		return
	}
	if s.Action == queue.Hold {
		m.totals.Held++
		m.record(j, queue.StatusScheduled)
		j.place, j.at = queue.Scheduled, m.now+s.Delay.Milliseconds()
		return
	}
	m.totals.Retried++
	m.record(j, queue.StatusQueued)
	j.place, j.at = queue.Retrying, m.now+s.Delay.Milliseconds()
}

func (m *model) forget(j *modelJob) {
	j.place, j.lease = "", nil
	m.jobs = slices.DeleteFunc(m.jobs, func(other *modelJob) bool { return other == j })
}

func (m *model) noteFallen(jobs []*job.Job) {
	for _, j := range jobs {
		m.fellOff = append(m.fellOff, j.ID())
	}
}

// report does what one report about a provider says.
func (m *model) report(r queue.ProviderHealth) {
	b := &m.breakers[slices.Index(m.providers, r.Provider)]
	if b.state == "" && !b.counting && r.Failed == 0 && !r.Account && r.HoldFor == 0 {
		return
	}
	trips := r.Account
	if b.state == "open" {
		// What was sent before it opened says nothing new.
		trips = r.Probed && (r.Failed > 0 || r.Account)
		if r.Probed {
			b.probe = 0
			if r.Sent > 0 && !trips {
				*b = modelBreaker{}
				return
			}
			if r.HoldFor > 0 && !trips {
				b.until = max(b.until, m.now+r.HoldFor.Milliseconds())
			}
		}
	} else {
		if b.state == "held" && m.now >= b.until {
			b.state = ""
		}
		if m.now-b.window > m.window.Milliseconds() {
			b.window, b.ok, b.bad = m.now, 0, 0
		}
		b.ok, b.bad = b.ok+r.Sent, b.bad+r.Failed
		trips = trips || b.bad >= m.failures && b.bad >= b.ok
	}
	switch {
	case trips:
		pause := m.openMax.Milliseconds()
		if b.opens < 20 {
			pause = min(pause, m.openMin.Milliseconds()<<b.opens)
		}
		b.state, b.until, b.probe, b.opens = "open", m.now+pause, 0, b.opens+1
	case r.HoldFor > 0 && b.state != "open":
		b.state, b.until = "held", max(b.until, m.now+r.HoldFor.Milliseconds())
	}
	b.counting = b.state != "" || b.bad > 0
	if !b.counting {
		*b = modelBreaker{}
	}
}

// usable says which provider takes jobs, which one is to be probed (-1: none), and when that changes for the better.
func (m *model) usable() (provider, probe int, next int64) {
	provider, probe = -1, -1
	for i := range m.breakers {
		b := &m.breakers[i]
		switch free := m.now >= b.until; {
		case b.state == "" || b.state == "held" && free:
			return i, probe, 0
		case b.state == "open" && free && m.now >= b.probe:
			if probe < 0 {
				probe = i
			}
		default:
			if at := max(b.until, b.probe); next == 0 || at < next {
				next = at
			}
		}
	}
	return provider, probe, next
}

// claim holds a claim against the model.
func (m *model) claim(r *queue.ClaimRequest, c *queue.Claim) []*modelLease {
	m.Helper()
	m.housekeep(r.Reap, c)
	if c.Reaped > c.SetAside || c.Promoted > 0 {
		m.wake = m.wake || r.Max == 0
	}
	waiting := len(m.in(queue.Waiting))
	provider, probe, next := m.usable()
	switch {
	case r.Max == 0:
		m.empty(c, "a claim of nothing")
		return nil
	case m.paused:
		m.empty(c, "a paused channel")
		if !strings.HasPrefix(c.Halted, "paused") {
			m.Fatalf("halted %q: the channel is paused", c.Halted)
		}
		m.waits(r, c, 0)
		return nil
	case provider < 0 && probe < 0:
		m.empty(c, "a channel without a provider")
		if c.Halted == "" {
			m.Fatalf("it does not say that no provider can be used")
		}
		if waiting == 0 {
			next = 0
		}
		m.waits(r, c, next)
		return nil
	}
	want := r.Max
	if provider < 0 {
		want = 1
	}
	limited := false
	if m.rate > 0 {
		m.tokens = min(int64(m.burst)*1000, m.tokens+(m.now-m.refilled)*int64(m.rate))
		m.refilled = m.now
		if limited = m.tokens < int64(want)*1000; limited {
			want = int(max(0, m.tokens/1000))
		}
	}
	want = min(want, waiting)
	if len(c.Jobs) != want {
		m.Fatalf("%d jobs were claimed, want %d: %d wait, asked for %d", len(c.Jobs), want, waiting, r.Max)
	}
	m.tokens -= int64(want) * 1000
	if c.Provider != provider {
		m.Fatalf("for provider %d, want %d", c.Provider, provider)
	}
	var leases []*modelLease
	for i, one := range c.Jobs {
		leases = append(leases, m.begin(one))
		if isProbe := i == 0 && probe >= 0; one.Probe != isProbe || isProbe && one.Provider != probe || !isProbe && one.Provider != provider {
			m.Fatalf("job %d of the claim: probe %t, provider %d; want provider %d, the first job to probe %d", i, one.Probe, one.Provider, provider, probe)
		}
	}
	if probe >= 0 && want > 0 {
		m.breakers[probe].probe = m.now + m.lease.Milliseconds()
	}
	left := waiting - want
	if c.Throttled != (limited && left > 0) {
		m.Fatalf("throttled %t: %d thousandths of a token, %d jobs are left", c.Throttled, m.tokens, left)
	}
	switch provider, probe, next = m.usable(); {
	case left == 0:
		next = 0
	case limited:
		next = m.now + (1000-m.tokens+int64(m.rate)-1)/int64(m.rate)
	case provider >= 0 || probe >= 0:
		next = m.now
		m.wake = true
	}
	m.waits(r, c, next)
	return leases
}

// housekeep moves due retries and, with reap, ended leases back.
func (m *model) housekeep(reap bool, c *queue.Claim) {
	m.Helper()
	promoted, reaped, aside := 0, 0, 0
	for _, j := range slices.SortedStableFunc(slices.Values(m.in(queue.Retrying)), byAt) {
		if j.at <= m.now {
			promoted++
			m.comesBack("due", j)
		}
	}
	for _, j := range slices.SortedStableFunc(slices.Values(m.in(queue.Scheduled)), byAt) {
		if j.at <= m.now {
			promoted++
			m.comesBack("held until now", j)
		}
	}
	ended := slices.SortedStableFunc(slices.Values(m.in(queue.InFlight)), byAt)
	for _, j := range ended {
		if !reap || j.at > m.now {
			continue
		}
		reaped++
		j.job.Crashes++
		j.job.Uncertain = true
		switch {
		case j.job.Crashes >= m.maxCrashes:
			j.adopt = "MAX_CRASHES"
		case m.failUncertain:
			j.adopt = "ON_UNCERTAIN=fail"
		default:
			m.comesBack("reaped", j)
			continue
		}
		aside++
		j.place, j.at, j.lease = queue.Failed, m.now, nil
		m.record(j, queue.StatusFailed)
	}
	if c.Promoted != promoted || c.Reaped != reaped || c.SetAside != aside {
		m.Fatalf("%d promoted, %d reaped, %d set aside; want %d, %d, %d", c.Promoted, c.Reaped, c.SetAside, promoted, reaped, aside)
	}
	m.noteFallen(c.Evicted)
}

func byAt(a, b *modelJob) int { return int(a.at - b.at) }

// begin takes note of a claimed job.
func (m *model) begin(one *queue.Claimed) *modelLease {
	m.Helper()
	m.must(one.Err)
	j := m.find(one.Job)
	if j == nil {
		m.Fatalf("%s was claimed, which is nowhere", one.Job.ID())
	}
	if j.place != queue.Waiting {
		m.Fatalf("%s was claimed, which is %s", j.id(), j.place)
	}
	m.same("claimed", j, one.Job)
	j.place, j.at = queue.InFlight, m.now+m.lease.Milliseconds()
	j.lease = &modelLease{claimed: one, job: j}
	m.record(j, queue.StatusSending)
	m.began[j.job.Priority-1] = append(m.began[j.job.Priority-1], j)
	m.sequence = append(m.sequence, j)
	return j.lease
}

func (m *model) empty(c *queue.Claim, of string) {
	m.Helper()
	if len(c.Jobs) != 0 {
		m.Fatalf("%d jobs were claimed of %s", len(c.Jobs), of)
	}
}

// waits holds how long there is said to be nothing to do against when there will be: next, for jobs that wait (0: none does), the next
// retry, or the end of a lease. Who waits too long leaves a job lying.
func (m *model) waits(r *queue.ClaimRequest, c *queue.Claim, next int64) {
	m.Helper()
	for _, j := range m.jobs {
		if (j.place == queue.Retrying || j.place == queue.Scheduled || j.place == queue.InFlight && r.Reap) && (next == 0 || j.at < next) {
			next = j.at
		}
	}
	wait := c.Wait.Milliseconds()
	if c.Wait < 0 {
		wait = -1
	}
	switch {
	case next == 0 && wait != 0:
	case next > 0 && next <= m.now && wait <= 1 && wait >= 0:
	case next > m.now && wait > 0 && m.now+wait <= next:
	default:
		m.Fatalf("it is said that there is nothing to do for %d ms (-1: for ever); want %d at most", wait, next-m.now)
	}
}

// renew prolongs leases, held or believed in.
func (m *model) renew(w *modelWorker, leases []*modelLease) {
	m.Helper()
	claimed := make([]*queue.Claimed, len(leases))
	var want []int
	for i, l := range leases {
		claimed[i] = l.claimed
		m.Logf("worker %d renews %s; it holds it: %t", slices.Index(m.workers, w), l.job.id(), l.holds())
		if l.holds() {
			l.job.at = m.now + m.lease.Milliseconds()
		} else {
			want = append(want, i)
		}
	}
	lost, err := w.consumer.Renew(context.Background(), claimed)
	m.must(err)
	if !slices.Equal(lost, want) {
		m.Fatalf("leases %v are said to be lost, want %v", lost, want)
	}
	m.check()
}

// sweep is ingest's.
func (m *model) sweep(reap bool) {
	m.Helper()
	c, err := m.store.Sweep(context.Background(), message.SMS, reap)
	m.must(err)
	m.Logf("a sweep (reap %t): %d promoted, %d reaped", reap, c.Promoted, c.Reaped)
	m.claim(&queue.ClaimRequest{Reap: reap}, c)
	m.check()
}

// kept reads a place, as an operator's page does.
func (m *model) kept(place queue.State) []queue.Stored {
	m.Helper()
	kept, err := m.store.List(context.Background(), message.SMS, place, 0, 0, 1000)
	m.must(err)
	if want := len(m.in(place)); len(kept) != want {
		m.Fatalf("%d jobs are shown as %s, want %d", len(kept), place, want)
	}
	for _, k := range kept {
		m.must(k.Err)
		m.same("shown", m.find(k.Job), k.Job)
	}
	return kept
}

// operate retries or deletes jobs that somebody saw a while ago.
func (m *model) operate(retry bool, seen []queue.Stored) {
	m.Helper()
	do, what := m.store.Delete, "deletes"
	if retry {
		do, what = m.store.Retry, "retries"
	}
	want := 0
	for _, k := range seen {
		i := slices.IndexFunc(m.jobs, func(j *modelJob) bool { return j.place == k.State && sameBytes(j, k.Job) })
		m.Logf("a person %s %s, seen in %s; it is there: %t", what, k.Job.ID(), k.State, i >= 0)
		if i < 0 {
			continue
		}
		want++
		j := m.jobs[i]
		if !retry {
			m.record(j, queue.StatusFailed)
			m.forget(j)
			continue
		}
		j.job.Attempts, j.job.Crashes = 0, 0
		j.adopt = "retried by"
		m.comesBack("retried", j)
	}
	m.wake = retry && want > 0
	n, err := do(context.Background(), seen, "ann")
	m.must(err)
	if n != want {
		m.Fatalf("%d jobs were there still, want %d", n, want)
	}
	m.check()
}

// sameBytes says whether a job is still as somebody saw it.
func sameBytes(j *modelJob, seen *job.Job) bool {
	return j.job.ID() == seen.ID() && j.job.AcceptedAt.Equal(seen.AcceptedAt) && j.job.Attempts == seen.Attempts && j.job.Crashes == seen.Crashes &&
		j.job.LastError == seen.LastError && j.job.Uncertain == seen.Uncertain && j.job.Returns == seen.Returns
}

func (m *model) purge(priority int) {
	m.Helper()
	n, err := m.store.Purge(context.Background(), message.SMS, priority, "ann")
	m.must(err)
	m.Logf("a person purges priority %d: %d jobs", priority, n)
	if n != len(m.lists[priority-1]) {
		m.Fatalf("%d jobs were purged, %d waited", n, len(m.lists[priority-1]))
	}
	for _, j := range m.lists[priority-1] {
		m.record(j, queue.StatusFailed)
		m.forget(j)
	}
	m.lists[priority-1] = nil
	m.check()
}

func (m *model) pause(paused bool) {
	m.Helper()
	m.Logf("a person pauses the channel: %t", paused)
	if paused {
		m.must(m.store.Pause(context.Background(), message.SMS, "ann", ""))
	} else {
		m.must(m.store.Resume(context.Background(), message.SMS))
		m.wake = true
	}
	m.paused = paused
	m.check()
}

func (m *model) breakerByHand(i int, open bool) {
	m.Helper()
	m.Logf("a person opens the breaker of %s: %t", m.providers[i], open)
	if open {
		m.must(m.store.OpenBreaker(context.Background(), message.SMS, m.providers[i], "ann", len(m.providers) == 1))
		m.breakers[i] = modelBreaker{state: "open", until: m.now + byHand.Milliseconds(), opens: 1, counting: true}
	} else {
		m.must(m.store.CloseBreaker(context.Background(), message.SMS, m.providers[i]))
		m.breakers[i] = modelBreaker{}
		m.wake = true
	}
	m.check()
}

// same compares a job with what it should be.
func (m *model) same(where string, want *modelJob, got *job.Job) {
	m.Helper()
	if want.adopt != "" && strings.Contains(got.LastError, want.adopt) {
		want.job.LastError, want.adopt = got.LastError, ""
	}
	a, b := want.job, *got
	a.AcceptedAt, b.AcceptedAt = time.UnixMilli(a.AcceptedAt.UnixMilli()), time.UnixMilli(b.AcceptedAt.UnixMilli())
	// The queue's own affair, as long as the body is there and leases hold.
	a.SharedBody, a.Returns, want.job.Returns = b.SharedBody, b.Returns, b.Returns
	if diff := cmp.Diff(a, b); diff != "" {
		m.Fatalf("%s, %s: it should be (-), but is (+):\n%s", want.id(), where, diff)
	}
}

// check holds everything that the queue has against the model, in one round trip: by the keys that are a contract.
func (m *model) check() {
	m.Helper()
	ctx := context.Background()
	k := m.store.keys[message.SMS]
	pipe := m.client.Pipeline()
	var waiting [4]*redis.StringSliceCmd
	for p, key := range k.Queue {
		waiting[p] = pipe.LRange(ctx, key, 0, -1)
	}
	sets := map[queue.State]*redis.ZSliceCmd{}
	for place, key := range map[queue.State]string{queue.Retrying: k.Retry, queue.Scheduled: k.Held, queue.InFlight: k.Inflight, queue.Failed: k.Failed,
		queue.Completed: k.Completed} {
		sets[place] = pipe.ZRangeWithScores(ctx, key, 0, -1)
	}
	bodies, wake := pipe.Keys(ctx, "*:body:*"), pipe.LLen(ctx, k.Wake)
	_, err := pipe.Exec(ctx)
	m.must(err)

	found := map[*modelJob]queue.State{}
	shared := map[string]bool{}
	see := func(place queue.State, raw string) *modelJob {
		m.Helper()
		got, err := job.Decode(message.SMS, []byte(raw))
		m.must(err)
		j := m.find(got)
		if j == nil {
			m.Fatalf("%s is %s, but should be nowhere", got.ID(), place)
		}
		if other, twice := found[j]; twice {
			m.Fatalf("%s is in two places: %s and %s", j.id(), other, place)
		}
		if found[j] = place; place != j.place {
			m.Fatalf("%s is %s, but should be %s", j.id(), place, j.place)
		}
		if got.SharedBody {
			shared[fmt.Sprint(got.WebhookID, got.AcceptedAt.UnixMilli())] = true
			got.Body = j.job.Body // looked at where it is claimed
		}
		m.same(string(place), j, got)
		return j
	}
	var lists [4][]*modelJob
	for p := range waiting {
		for _, raw := range waiting[p].Val() {
			lists[p] = append(lists[p], see(queue.Waiting, raw))
		}
	}
	for _, place := range queue.States[1:] {
		for _, z := range sets[place].Val() {
			raw, _ := z.Member.(string)
			if j := see(place, raw); int64(z.Score) != j.at {
				m.Fatalf("%s is %s since or until %.0f, but should be %d", j.id(), place, z.Score, j.at)
			}
		}
	}
	m.trim(queue.Failed, m.keepFailed, found)
	m.trim(queue.Completed, m.keepCompleted, found)
	for _, j := range m.jobs {
		if _, ok := found[j]; !ok {
			m.Fatalf("%s is nowhere, but should be %s: it is lost", j.id(), j.place)
		}
	}
	m.order(lists)
	if len(bodies.Val()) != len(shared) {
		m.Fatalf("%d bodies are stored apart, jobs refer to %d: %q", len(bodies.Val()), len(shared), bodies.Val())
	}
	m.counts()
	if m.wake && wake.Val() == 0 {
		m.Fatalf("no idle worker would be woken")
	}
	m.returned, m.began, m.sequence, m.fellOff, m.wake, m.settled = [4]map[string][]*modelJob{}, [4][]*modelJob{}, nil, nil, false, false
}

// find returns the model's job for one that the queue has; nil when there should be none.
func (m *model) find(got *job.Job) *modelJob {
	for _, j := range m.jobs {
		if j.job.ID() == got.ID() && j.job.AcceptedAt.UnixMilli() == got.AcceptedAt.UnixMilli() {
			return j
		}
	}
	return nil
}

// trim lets the oldest of a bounded set go.
func (m *model) trim(place queue.State, keep int, found map[*modelJob]queue.State) {
	m.Helper()
	jobs := m.in(place)
	var fell []*modelJob
	newest, oldest := int64(0), int64(1<<62)
	for _, j := range jobs {
		if _, ok := found[j]; ok {
			oldest = min(oldest, j.at)
			continue
		}
		fell = append(fell, j)
		newest = max(newest, j.at)
	}
	if over := max(0, len(jobs)-keep); len(fell) != over || newest > oldest {
		m.Fatalf("%d %s jobs are not there, of which the latest ended at %d; want %d, none later than %d", len(fell), place, newest, over, oldest)
	}
	var ids []string
	for _, j := range fell {
		ids = append(ids, j.job.ID())
		m.forget(j)
	}
	slices.Sort(ids)
	slices.Sort(m.fellOff)
	if place == queue.Failed && !slices.Equal(ids, m.fellOff) {
		m.Fatalf("it was said that %q fell off; %q did", m.fellOff, ids)
	}
}

// order holds the order of the lists, and of what was claimed from them, against the model, and takes it over.
func (m *model) order(now [4][]*modelJob) {
	m.Helper()
	var before [4][]*modelJob
	for p := range now {
		whole := append(slices.Clone(m.began[p]), now[p]...)
		head := len(whole) - len(m.lists[p])
		if head < 0 || !slices.Equal(whole[head:], m.lists[p]) {
			m.Fatalf("the jobs of priority %d have another order: %s, before %s", p+1, names(whole), names(m.lists[p]))
		}
		back := 0
		for how, jobs := range m.returned[p] {
			back += len(jobs)
			var in []*modelJob
			for _, j := range whole[:head] {
				if slices.Contains(jobs, j) {
					in = append(in, j)
				}
			}
			exact := how == "released" || how == "retried"
			if len(in) != len(jobs) || exact && !slices.Equal(in, jobs) || !exact && !slices.IsSortedFunc(in, byReturn(jobs)) {
				m.Fatalf("what came back (%s) stands as %s at the head of priority %d, want %s", how, names(in), p+1, names(jobs))
			}
		}
		if back != head {
			m.Fatalf("%d jobs came back to priority %d, %d stand at its head", back, p+1, head)
		}
		before[p], m.lists[p] = whole, now[p]
	}
	m.byPriority(before)
}

// byReturn orders jobs as they came back. Those of the same moment may stand either way, and the model does not ask.
func byReturn(jobs []*modelJob) func(a, b *modelJob) int {
	return func(a, b *modelJob) int {
		if a.at == b.at || a.place == queue.InFlight || b.place == queue.InFlight {
			return 0
		}
		return slices.Index(jobs, a) - slices.Index(jobs, b)
	}
}

// byPriority goes through a claim place by place: each goes to the highest priority, or to the job that has aged most; and where both
// want it, they take turns.
func (m *model) byPriority(lists [4][]*modelJob) {
	m.Helper()
	for place, j := range m.sequence {
		first, aged, several := -1, -1, 0
		for p := range lists {
			if len(lists[p]) == 0 {
				continue
			}
			several++
			if first < 0 {
				first = p
			}
			if since := lists[p][0].job.AcceptedAt; m.now-since.UnixMilli() > m.aging.Milliseconds() &&
				(aged < 0 || since.Before(lists[aged][0].job.AcceptedAt)) {
				aged = p
			}
		}
		p := j.job.Priority - 1
		switch contested := aged >= 0 && aged != first; {
		case p != first && p != aged:
			m.Fatalf("place %d of the claim went to %s: priority %d waits, and the most aged is of priority %d (0: none)", place+1, j.id(), first+1, aged+1)
		case contested:
			turn := "priority"
			if p == aged {
				turn = "aged"
			}
			if turn == m.turn {
				m.Fatalf("place %d of the claim went to %s: %s twice in a row", place+1, j.id(), turn)
			}
			m.turn = turn
		case several > 1:
			m.turn = ""
		}
		lists[p] = lists[p][1:]
	}
}

func names(jobs []*modelJob) string {
	var out []string
	for _, j := range jobs {
		out = append(out, j.job.ID())
	}
	return fmt.Sprint(out)
}

// counts holds what the queue says about itself against the model.
func (m *model) counts() {
	m.Helper()
	state, err := m.store.State(context.Background(), message.SMS)
	m.must(err)
	var waiting [4]int64
	for p := range m.lists {
		waiting[p] = int64(len(m.lists[p]))
	}
	count := func(place queue.State) int64 { return int64(len(m.in(place))) }
	got := []any{state.Waiting, state.Retry, state.Held, state.Inflight, state.Failed, state.Completed, state.Totals}
	want := []any{waiting, count(queue.Retrying), count(queue.Scheduled), count(queue.InFlight), count(queue.Failed), count(queue.Completed), m.totals}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		m.Fatalf("counted %v, want %v", got, want)
	}
	open := 0
	for i := range m.breakers {
		if m.breakers[i].state == "open" {
			open++
		}
	}
	all := open == len(m.breakers)
	switch halted := state.Halted; {
	case m.paused != strings.HasPrefix(halted, "paused"):
		m.Fatalf("halted %q, paused %t", halted, m.paused)
	case m.paused:
	case halted != "" && !all:
		m.Fatalf("halted %q: %d of %d breakers are open", halted, open, len(m.breakers))
	case halted == "" && all && m.settled:
		m.Fatalf("not halted, though every breaker is open")
	}
}

// statuses holds what a till is told of its webhooks against the model.
func (m *model) statuses() {
	m.Helper()
	for _, id := range slices.Sorted(maps.Keys(m.webhooks)) {
		hook := m.webhooks[id]
		if hook.times > 1 {
			continue // its log is of both times
		}
		got, err := m.store.Notifications(context.Background(), id)
		m.must(err)
		if len(got.Notifications) != len(hook.status) {
			m.Fatalf("%s has %d notifications, want %d", id, len(got.Notifications), len(hook.status))
		}
		for i, n := range got.Notifications {
			// A hold ends by the clock, which is not the model's.
			ends := []string{string(queue.StatusScheduled), string(queue.StatusQueued)}
			waits := slices.Contains(ends, string(n.Status)) && slices.Contains(ends, hook.status[i+1])
			if string(n.Status) != hook.status[i+1] && !waits {
				m.Fatalf("%s is said to be %s, want %s: %+v", n.ID, n.Status, hook.status[i+1], n.History)
			}
		}
	}
}

// finish sends and deletes everything, and looks at what is left.
func (m *model) finish() {
	m.Helper()
	m.statuses()
	m.Logf("the end: everything is sent, and deleted")
	m.pause(false)
	for i := range m.providers {
		m.breakerByHand(i, false)
	}
	m.pass(m.lease.Milliseconds() + time.Hour.Milliseconds())
	w := m.workers[0]
	for rounds := 0; len(m.jobs) > len(m.in(queue.Failed))+len(m.in(queue.Completed)); rounds++ {
		if rounds > 1000 {
			m.Fatalf("after 1,000 claims %d jobs have not been sent", len(m.jobs))
		}
		w.believes = nil
		m.exchange(w, nil, nil, nil, &queue.ClaimRequest{Max: 100, Reap: true}, false)
		var ends []*modelLease
		var settlements []queue.Settlement
		for _, l := range w.believes {
			ends = append(ends, l)
			settlements = append(settlements, queue.Settlement{Claimed: l.claimed, Action: queue.Complete})
		}
		if len(ends) > 0 {
			m.exchange(w, ends, settlements, nil, nil, false)
		}
		m.pass(1000)
	}
	for _, place := range []queue.State{queue.Failed, queue.Completed} {
		if seen := m.kept(place); len(seen) > 0 {
			m.operate(false, seen)
		}
	}
	keys, err := m.client.Keys(context.Background(), "*").Result()
	m.must(err)
	for _, key := range keys {
		_, name, _ := strings.Cut(key, "}:")
		name, _, _ = strings.Cut(name, ":")
		switch {
		case slices.Contains([]string{"state", "totals", "wake", "audit"}, name) || key == clockKey:
			// One of a channel, of a bounded size.
		case m.client.PTTL(context.Background(), key).Val() > 0:
			// It goes by itself.
		default:
			m.Fatalf("%s is left of nobody, for ever", key)
		}
	}
}
