package redisstore

import (
	"slices"
	"strings"

	"ringup.dev/ringup/internal/queue"
)

// usable says which provider takes jobs, which one is to be probed (-1: none), and when that changes for the better.
func (m *model) usable() (provider, probe int, next int64) {
	provider, probe = -1, -1
	for i := range m.breakers {
		b := &m.breakers[i]
		switch free := m.now >= b.until; {
		case b.state == "" || b.state == queue.BreakerThrottled && free:
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
		j.state, j.at, j.lease = queue.Failed, m.now, nil
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
	if j.state != queue.Waiting {
		m.Fatalf("%s was claimed, which is %s", j.id(), j.state)
	}
	m.same("claimed", j, one.Job)
	j.state, j.at = queue.InFlight, m.now+m.lease.Milliseconds()
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
		if (j.state == queue.Retrying || j.state == queue.Scheduled || j.state == queue.InFlight && r.Reap) && (next == 0 || j.at < next) {
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
