package redisstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

// moment is one job and two workers at some moment: what is so, and what each worker believes.
type moment struct {
	path     []string // how it came to this
	now      int64
	state    queue.State
	crashes  int
	leaseEnd int64
	holder   *queue.Claimed    // whose lease it is
	believes [2]*queue.Claimed // what each worker believes to hold
	keys     map[string]string // all that Redis has
}

// crossroads takes a queue to a moment and tries what can happen next.
type crossroads struct {
	*testing.T
	store     *Store
	client    *redis.Client
	consumers [2]*Consumer
	lease     int64
}

const interleavingCrashes = 3 // MAX_CRASHES

// step is something that can happen at some moments: it returns the moment after it.
type step struct {
	name string
	can  func(*moment) bool
	do   func(*crossroads, moment) *moment
}

func always(*moment) bool { return true }

func stepsOf(worker int) []step {
	believes := func(m *moment) bool { return m.believes[worker] != nil }
	settle := func(outcome queue.Outcome, deaf bool) func(*crossroads, moment) *moment {
		return func(c *crossroads, m moment) *moment {
			held := m.believes[worker]
			s := queue.Settlement{Claimed: held, Outcome: outcome}
			settled, _, err := c.consumers[worker].Exchange(context.Background(), []queue.Settlement{s}, nil, nil)
			if err != nil {
				c.Fatal(err)
			}
			if lost := len(settled.Lost) == 1; lost == (held == m.holder) {
				c.Fatalf("%q: worker %d settles; refused: %t", m.path, worker, lost)
			}
			if !deaf {
				m.believes[worker] = nil
			}
			if held == m.holder {
				m.holder = nil
				m.state = map[string]queue.State{"completed": queue.Completed, "deferred": queue.Retrying, "released": queue.Waiting,
					"failed": queue.Failed}[outcome.Name()]
			}
			return &m
		}
	}
	return []step{
		{"claims", always, func(c *crossroads, m moment) *moment {
			_, claim, err := c.consumers[worker].Exchange(context.Background(), nil, nil, &queue.ClaimRequest{Max: 1, Reap: true})
			if err != nil {
				c.Fatal(err)
			}
			m.housekeep()
			switch {
			case (m.state == queue.Waiting) != (len(claim.Jobs) == 1):
				c.Fatalf("%q: worker %d claims a job that is %s, and gets %d", m.path, worker, m.state, len(claim.Jobs))
			case m.state == queue.Waiting:
				m.state, m.holder, m.leaseEnd = queue.InFlight, claim.Jobs[0], m.now+c.lease
				// A worker that already believes to hold it goes on believing that, beside the new one; the older belief is the interesting one.
				if m.believes[worker] == nil {
					m.believes[worker] = m.holder
				}
			}
			return &m
		}},
		{"completes", believes, settle(queue.Done{}, false)},
		{"defers", believes, settle(queue.Defer{Error: "outage"}, false)},
		{"defers, and does not hear", believes, settle(queue.Defer{Error: "outage"}, true)},
		{"releases", believes, settle(queue.Release{}, false)},
		{"releases, and does not hear", believes, settle(queue.Release{}, true)},
		{"fails it", believes, settle(queue.Fail{Error: "outage"}, false)},
		{"renews", believes, func(c *crossroads, m moment) *moment {
			held := m.believes[worker]
			lost, err := c.consumers[worker].Renew(context.Background(), []*queue.Claimed{held})
			if err != nil {
				c.Fatal(err)
			}
			if refused := len(lost) == 1; refused == (held == m.holder) {
				c.Fatalf("%q: worker %d renews; refused: %t", m.path, worker, refused)
			}
			if held == m.holder {
				m.leaseEnd = m.now + c.lease
			}
			return &m
		}},
		{"dies", believes, func(_ *crossroads, m moment) *moment {
			m.believes[worker] = nil
			return &m
		}},
	}
}

var stepsOfOthers = []step{
	{"a lease's time passes", always, func(c *crossroads, m moment) *moment {
		m.now += c.lease
		return &m
	}},
	{"ingest sweeps", always, func(c *crossroads, m moment) *moment {
		if _, err := c.store.Sweep(context.Background(), message.SMS, true); err != nil {
			c.Fatal(err)
		}
		m.housekeep()
		return &m
	}},
	{"an operator retries", func(m *moment) bool { return m.state == queue.Failed }, func(c *crossroads, m moment) *moment {
		failed, err := c.store.List(context.Background(), message.SMS, queue.Failed, 0, 0, 10)
		if err != nil {
			c.Fatal(err)
		}
		if n, err := c.store.Retry(context.Background(), failed, "ann"); err != nil || n != 1 {
			c.Fatalf("%q: %d retried, %v", m.path, n, err)
		}
		m.state, m.crashes = queue.Waiting, 0
		return &m
	}},
}

// housekeep moves a due retry and an ended lease.
func (m *moment) housekeep() {
	switch {
	case m.state == queue.Retrying:
		m.state = queue.Waiting
	case m.state == queue.InFlight && m.leaseEnd <= m.now:
		m.holder = nil
		m.crashes++
		if m.state = queue.Waiting; m.crashes >= interleavingCrashes {
			m.state = queue.Failed
		}
	}
}

// enter makes Redis what it was at a moment.
func (c *crossroads) enter(m *moment) {
	c.Helper()
	pipe := c.client.Pipeline()
	pipe.FlushAll(context.Background())
	for key, value := range m.keys {
		pipe.Restore(context.Background(), key, 0, value)
	}
	pipe.Set(context.Background(), clockKey, m.now, 0)
	if _, err := pipe.Exec(context.Background()); err != nil {
		c.Fatal(err)
	}
}

// dumpAll is a script that returns each key, and what RESTORE takes.
const dumpAll = `
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  all[#all + 1] = key
  all[#all + 1] = redis.call('DUMP', key)
end
return all`

// leave takes note of what Redis is like, holds it against the moment, and returns what tells it from other moments.
func (c *crossroads) leave(m *moment) string {
	c.Helper()
	ctx := context.Background()
	k := c.store.keys[message.SMS]
	pipe := c.client.Pipeline()
	keys := pipe.Eval(ctx, dumpAll, nil)
	states := map[queue.State]*redis.StringSliceCmd{
		queue.Waiting: pipe.LRange(ctx, k.Queue[0], 0, -1), queue.Retrying: pipe.ZRange(ctx, k.Retry, 0, -1), queue.InFlight: pipe.ZRange(ctx, k.Inflight, 0, -1),
		queue.Failed: pipe.ZRange(ctx, k.Failed, 0, -1), queue.Completed: pipe.ZRange(ctx, k.Completed, 0, -1),
	}
	if _, err := pipe.Exec(ctx); err != nil {
		c.Fatal(err)
	}
	m.keys = map[string]string{}
	dumps, err := keys.StringSlice()
	if err != nil {
		c.Fatal(err)
	}
	for i := 0; i < len(dumps); i += 2 {
		m.keys[dumps[i]] = dumps[i+1]
	}
	is := []string{}
	for _, state := range slices.Sorted(maps.Keys(states)) {
		for _, raw := range states[state].Val() {
			is = append(is, string(state)+" "+fmt.Sprintf("%q", raw))
		}
	}
	if len(is) != 1 || !strings.HasPrefix(is[0], string(m.state)+" ") {
		c.Fatalf("%q: the job should be %s, but is %q", m.path, m.state, is)
	}
	key := fmt.Sprint(is[0], " ", m.crashes)
	if m.state == queue.InFlight {
		key += fmt.Sprint(" ", max(0, m.leaseEnd-m.now))
	}
	for _, held := range m.believes {
		if held != nil {
			key += fmt.Sprintf(" %q %t", held.Raw, held == m.holder)
		} else {
			key += " -"
		}
	}
	return key
}

// TestInterleavings goes through every order in which two workers, time, ingest and an operator can act on one job, to a depth. Moments that
// are alike are gone on from once.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	depth := 8
	if testing.Short() {
		depth = 4
	}
	server := redistest.Start(t)
	store := open(t, url(server.Addr()), func(c *Config) { c.MaxCrashes = interleavingCrashes })
	moveClock(store, "")
	c := &crossroads{T: t, store: store, client: server.Client(), lease: 1000}
	for i := range c.consumers {
		c.consumers[i] = store.Consumer(message.SMS, ConsumerConfig{Lease: time.Second, PriorityAging: time.Hour}, []string{"p"})
	}
	first := &moment{now: epoch(), state: queue.Waiting}
	c.enter(first)
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	if _, err := producer.Enqueue(t.Context(), webhook("w")); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{c.leave(first): true}
	front := []*moment{first}
	tried := 0
	all := []step{}
	for worker := range c.consumers {
		for _, s := range stepsOf(worker) {
			all = append(all, step{fmt.Sprintf("worker %d %s", worker, s.name), s.can, s.do})
		}
	}
	all = append(all, stepsOfOthers...)
	for range depth {
		var next []*moment
		for _, from := range front {
			for _, s := range all {
				if !s.can(from) {
					continue
				}
				at := *from
				at.path = append(slices.Clone(from.path), s.name)
				c.enter(&at)
				after := s.do(c, at)
				tried++
				if key := c.leave(after); !known[key] {
					known[key] = true
					next = append(next, after)
				}
			}
		}
		front = next
	}
	t.Logf("%d steps from %d moments", tried, len(known))
	if tried < 1000 {
		t.Errorf("only %d steps were tried: this test looks at nothing", tried)
	}
}
