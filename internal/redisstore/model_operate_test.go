package redisstore

import (
	"context"
	"slices"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// renew prolongs leases, real or believed in.
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

// listed reads a state, as an operator's page does.
func (m *model) listed(state queue.State) []queue.Stored {
	m.Helper()
	kept, err := m.store.List(context.Background(), message.SMS, state, 0, 0, 1000)
	m.must(err)
	if want := len(m.in(state)); len(kept) != want {
		m.Fatalf("%d jobs are shown as %s, want %d", len(kept), state, want)
	}
	_, err = m.store.Matching(context.Background(), kept, func(k *queue.Stored) bool {
		m.must(k.Err)
		m.same("shown", m.find(k.Job), k.Job)
		return false
	})
	m.must(err)
	return kept
}

// operate retries or deletes jobs that an operator saw a while ago.
func (m *model) operate(retry bool, seen []queue.Stored) {
	m.Helper()
	do, what := m.store.Delete, "deletes"
	if retry {
		do, what = m.store.Retry, "retries"
	}
	want := 0
	for _, k := range seen {
		i := slices.IndexFunc(m.jobs, func(j *modelJob) bool { return j.state == k.State && sameBytes(j, k.Job) })
		m.Logf("an operator %s %s, seen in %s; it is there: %t", what, k.Job.ID(), k.State, i >= 0)
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

// sameBytes says whether a job is still as an operator saw it.
func sameBytes(j *modelJob, seen *job.Job) bool {
	return j.job.ID() == seen.ID() && j.job.AcceptedAt.Equal(seen.AcceptedAt) && j.job.Attempts == seen.Attempts && j.job.Crashes == seen.Crashes &&
		j.job.LastError == seen.LastError && j.job.Uncertain == seen.Uncertain && j.job.Returns == seen.Returns
}

func (m *model) purge(priority int) {
	m.Helper()
	n, err := m.store.Purge(context.Background(), message.SMS, priority, "ann")
	m.must(err)
	m.Logf("an operator purges priority %d: %d jobs", priority, n)
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
	m.Logf("an operator pauses the channel: %t", paused)
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
	m.Logf("an operator opens the breaker of %s: %t", m.providers[i], open)
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
