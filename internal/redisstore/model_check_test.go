package redisstore

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

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
	for state, key := range map[queue.State]string{queue.Retrying: k.Retry, queue.Scheduled: k.Held, queue.InFlight: k.Inflight, queue.Failed: k.Failed,
		queue.Completed: k.Completed} {
		sets[state] = pipe.ZRangeWithScores(ctx, key, 0, -1)
	}
	bodies, wake := pipe.Keys(ctx, "*:body:*"), pipe.LLen(ctx, k.Wake)
	_, err := pipe.Exec(ctx)
	m.must(err)

	found := map[*modelJob]queue.State{}
	shared := map[string]bool{}
	see := func(state queue.State, raw string) *modelJob {
		m.Helper()
		got, err := job.Decode(message.SMS, []byte(raw))
		m.must(err)
		j := m.find(got)
		if j == nil {
			m.Fatalf("%s is %s, but should be nowhere", got.ID(), state)
		}
		if other, twice := found[j]; twice {
			m.Fatalf("%s is in two states: %s and %s", j.id(), other, state)
		}
		if found[j] = state; state != j.state {
			m.Fatalf("%s is %s, but should be %s", j.id(), state, j.state)
		}
		if got.SharedBody {
			shared[fmt.Sprint(got.WebhookID, got.AcceptedAt.UnixMilli())] = true
			got.Body = j.job.Body // looked at where it is claimed
		}
		m.same(string(state), j, got)
		return j
	}
	var lists [4][]*modelJob
	for p := range waiting {
		for _, raw := range waiting[p].Val() {
			lists[p] = append(lists[p], see(queue.Waiting, raw))
		}
	}
	for _, state := range queue.States[1:] {
		for _, z := range sets[state].Val() {
			raw, _ := z.Member.(string)
			if j := see(state, raw); int64(z.Score) != j.at {
				m.Fatalf("%s is %s since or until %.0f, but should be %d", j.id(), state, z.Score, j.at)
			}
		}
	}
	m.trim(queue.Failed, m.keepFailed, found)
	m.trim(queue.Completed, m.keepCompleted, found)
	for _, j := range m.jobs {
		if _, ok := found[j]; !ok {
			m.Fatalf("%s is nowhere, but should be %s: it is lost", j.id(), j.state)
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
	if reflect.DeepEqual(a, b) { // cmp.Diff compares the bodies byte by byte, each some hundred times as slowly
		return
	}
	if diff := cmp.Diff(a, b); diff != "" {
		m.Fatalf("%s, %s: it should be (-), but is (+):\n%s", want.id(), where, diff)
	}
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
func (m *model) trim(state queue.State, keep int, found map[*modelJob]queue.State) {
	m.Helper()
	jobs := m.in(state)
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
		m.Fatalf("%d %s jobs are not there, of which the latest ended at %d; want %d, none later than %d", len(fell), state, newest, over, oldest)
	}
	var ids []string
	for _, j := range fell {
		ids = append(ids, j.job.ID())
		m.forget(j)
	}
	slices.Sort(ids)
	slices.Sort(m.fellOff)
	if state == queue.Failed && !slices.Equal(ids, m.fellOff) {
		m.Fatalf("it was said that %q fell off; %q did", m.fellOff, ids)
	}
}

// order holds the order of the lists, and of what was claimed from them, against the model, and takes it over.
func (m *model) order(now [4][]*modelJob) {
	m.Helper()
	var before [4][]*modelJob
	for p := range now {
		whole := append(slices.Clone(m.began[p]), now[p]...)
		var returned []*modelJob
		for _, jobs := range m.returned[p] {
			returned = append(returned, jobs...)
		}
		if stayed := without(whole, returned); !slices.Equal(stayed, m.lists[p]) {
			m.Fatalf("the jobs of priority %d have another order: %s, before %s", p+1, names(stayed), names(m.lists[p]))
		}
		for how, jobs := range m.returned[p] {
			in := without(whole, without(whole, jobs))
			exact := how == "released"
			if exact && len(in) > 0 && len(m.lists[p]) > 0 && slices.Index(whole, in[len(in)-1]) > slices.Index(whole, m.lists[p][0]) {
				m.Fatalf("what came back (%s) stands behind what waits: %s", how, names(whole))
			}
			if len(in) != len(jobs) || exact && !slices.Equal(in, jobs) || !exact && !slices.IsSortedFunc(in, byAge) {
				m.Fatalf("what came back (%s) stands as %s in priority %d, want %s", how, names(in), p+1, names(jobs))
			}
		}
		before[p], m.lists[p] = whole, now[p]
	}
	m.byPriority(before)
}

// without returns jobs in their order, but for some.
func without(jobs, some []*modelJob) []*modelJob {
	return slices.DeleteFunc(slices.Clone(jobs), func(j *modelJob) bool { return slices.Contains(some, j) })
}

func byAge(a, b *modelJob) int { return a.job.AcceptedAt.Compare(b.job.AcceptedAt) }

// byPriority goes through a claim turn by turn: each goes to the highest priority, or to the job that has aged most; and where both
// want it, they take turns.
func (m *model) byPriority(lists [4][]*modelJob) {
	m.Helper()
	for i, j := range m.sequence {
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
			m.Fatalf("turn %d of the claim went to %s: priority %d waits, and the most aged is of priority %d (0: none)", i+1, j.id(), first+1, aged+1)
		case contested:
			turn := "priority"
			if p == aged {
				turn = "aged"
			}
			if turn == m.turn {
				m.Fatalf("turn %d of the claim went to %s: %s twice in a row", i+1, j.id(), turn)
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
	count := func(state queue.State) int64 { return int64(len(m.in(state))) }
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
	case m.paused != (halted.Kind == queue.HaltedPause):
		m.Fatalf("halted %q, paused %t", halted, m.paused)
	case m.paused:
	case halted.Kind != queue.NotHalted && !all:
		m.Fatalf("halted %q: %d of %d breakers are open", halted, open, len(m.breakers))
	case halted.Kind == queue.NotHalted && all && m.settled:
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
			settlements = append(settlements, queue.Settlement{Claimed: l.claimed, Outcome: queue.Done{}})
		}
		if len(ends) > 0 {
			m.exchange(w, ends, settlements, nil, nil, false)
		}
		m.pass(1000)
	}
	for _, state := range []queue.State{queue.Failed, queue.Completed} {
		if seen := m.listed(state); len(seen) > 0 {
			m.operate(false, seen)
		}
	}
	keys, err := m.client.Keys(context.Background(), "*").Result()
	m.must(err)
	for _, key := range keys {
		_, name, _ := strings.Cut(key, "}:")
		name, _, _ = strings.Cut(name, ":")
		switch {
		case slices.Contains([]string{"state", "totals", "wake", "audit", "privacy"}, name) || key == clockKey:
			// One of a channel, of a bounded size.
		case m.client.PTTL(context.Background(), key).Val() > 0:
			// It goes by itself.
		default:
			m.Fatalf("%s is left without an owner, for ever", key)
		}
	}
}
