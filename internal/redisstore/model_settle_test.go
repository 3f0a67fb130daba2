package redisstore

import (
	"slices"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
)

// settle does to the model what a batch of settlements should have done.
func (m *model) settle(ends []*modelLease, settlements []queue.Settlement, health []queue.ProviderHealth, got *queue.Settled) {
	m.Helper()
	for _, r := range health {
		m.Logf("… and reports %+v", r)
		m.heed(r)
	}
	m.settled = true
	if m.rate > 0 {
		for _, s := range settlements {
			m.tokens -= int64(attemptOf(s.Outcome).ExtraTokens) * 1000
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

// attemptOf is the call of a provider that an outcome tells of.
func attemptOf(o queue.Outcome) queue.Attempt {
	switch o := o.(type) {
	case queue.Done:
		return o.Attempt
	case queue.Retry:
		return o.Attempt
	case queue.Defer:
		return o.Attempt
	case queue.Fail:
		return o.Attempt
	}
	return queue.Attempt{}
}

// end does what one settlement says.
func (m *model) end(j *modelJob, s *queue.Settlement) {
	j.lease = nil
	waits := func(state queue.State, delay time.Duration, err string, uncertain bool) {
		j.state, j.at = state, m.now+delay.Milliseconds()
		j.job.LastError, j.job.Uncertain = err, j.job.Uncertain || uncertain
	}
	switch o := s.Outcome.(type) {
	case queue.Done:
		m.totals.Sent++
		m.record(j, queue.StatusSent)
		if j.state, j.at = queue.Completed, m.now; m.keepCompleted == 0 {
			m.forget(j)
		}
	case queue.Drop:
		m.totals.Dropped++
		m.record(j, queue.StatusFailed)
		m.forget(j)
	case queue.Suppress:
		m.totals.Suppressed++
		m.record(j, queue.StatusSuppressed)
		m.forget(j)
	case queue.Release:
		m.comesBack("released", j)
		m.wake = true
	case queue.Fail:
		m.totals.Failed++
		m.record(j, queue.StatusFailed)
		waits(queue.Failed, 0, o.Error, o.Uncertain)
		j.job.Attempts++
	case queue.Hold:
		m.totals.Held++
		m.record(j, queue.StatusScheduled)
		waits(queue.Scheduled, o.Delay, o.Error, false)
	case queue.Retry:
		m.totals.Retried++
		m.record(j, queue.StatusQueued)
		waits(queue.Retrying, o.Delay, o.Error, o.Uncertain)
		j.job.Attempts++
	case queue.Defer:
		m.totals.Retried++
		m.record(j, queue.StatusQueued)
		waits(queue.Retrying, o.Delay, o.Error, o.Uncertain)
	}
}

func (m *model) forget(j *modelJob) {
	j.state, j.lease = "", nil
	m.jobs = slices.DeleteFunc(m.jobs, func(other *modelJob) bool { return other == j })
}

func (m *model) noteFallen(jobs []*job.Job) {
	for _, j := range jobs {
		m.fellOff = append(m.fellOff, j.ID())
	}
}

// heed lets a provider's health change its breaker.
func (m *model) heed(r queue.ProviderHealth) {
	b := &m.breakers[slices.Index(m.providers, r.Provider)]
	if b.state == "" && !b.counting && r.Failed == 0 && !r.Account && r.ThrottleFor == 0 {
		return
	}
	trips := r.Account
	if b.state == "open" {
		// What was sent before it opened says nothing new.
		trips = r.Probed && (r.Failed > 0 || r.Account)
		if r.Probed {
			b.probe = 0
			if r.Healthy > 0 && !trips {
				*b = modelBreaker{}
				return
			}
			if r.ThrottleFor > 0 && !trips {
				b.until = max(b.until, m.now+r.ThrottleFor.Milliseconds())
			}
		}
	} else {
		if b.state == queue.BreakerThrottled && m.now >= b.until {
			b.state = ""
		}
		if m.now-b.window > m.window.Milliseconds() {
			b.window, b.ok, b.bad = m.now, 0, 0
		}
		b.ok, b.bad = b.ok+r.Healthy, b.bad+r.Failed
		trips = trips || b.bad >= m.failures && b.bad >= b.ok
	}
	switch {
	case trips:
		pause := m.openMax.Milliseconds()
		if b.opens < 20 {
			pause = min(pause, m.openMin.Milliseconds()<<b.opens)
		}
		b.state, b.until, b.probe, b.opens = "open", m.now+max(pause, r.ThrottleFor.Milliseconds()), 0, b.opens+1
	case r.ThrottleFor > 0 && b.state != "open":
		b.state, b.until = queue.BreakerThrottled, max(b.until, m.now+r.ThrottleFor.Milliseconds())
	}
	b.counting = b.state != "" || b.bad > 0
	if !b.counting {
		*b = modelBreaker{}
	}
}
