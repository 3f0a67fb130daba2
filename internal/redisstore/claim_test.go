package redisstore

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

func afterRecipientLimit(a *after) {
	limited := a.consumes(message.WhatsApp, ConsumerConfig{RecipientLimit: 2})
	for range 3 {
		a.enqueue("+15550100001", "+15550100002")
	}
	a.enqueue("+15550100003")
	over := 0
	for _, one := range a.claim(limited) {
		if one.LimitedUntil.IsZero() {
			// Another attempt does not count again.
			a.settle(queue.Settlement{Claimed: one, Outcome: queue.Defer{Delay: time.Millisecond, Error: "again"}})
			continue
		}
		over++
		a.want(one.Job.Recipient, message.Address("+15550100001"))
		if in := time.Until(one.LimitedUntil); in < 59*time.Minute || in > time.Hour {
			a.Errorf("they may be written to again in %s", in)
		}
		a.settle(queue.Settlement{Claimed: one, Outcome: queue.Hold{Delay: time.Hour, Error: "limit"}})
	}
	a.want(over, 1)
	seen := 0
	redistest.Eventually(a.T, "the others are claimed again, and none of them is over the limit", func() bool {
		for _, one := range a.claim(limited) {
			seen++
			if !one.LimitedUntil.IsZero() {
				a.Fatalf("%s counts twice", one.Job.ID())
			}
		}
		return seen == 6
	})
}

func afterScheduled(a *after) {
	id := a.enqueue("+15550100001")
	a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: queue.Hold{Delay: time.Hour, Error: "quiet hours"}})
	d, err := a.store.Depth(a.Context(), message.WhatsApp)
	a.must(err)
	a.want([]any{d.Held, d.Retry, d.Inflight, d.Waiting}, []any{1, 0, 0, [4]int64{}})
	n := a.state(id)[id+":whatsapp:1"]
	a.want([]any{n.Status, n.Error}, []any{queue.StatusScheduled, "quiet hours"})
	a.want(len(a.claim(a.consumer)), 0)
	scheduled, err := a.store.List(a.Context(), message.WhatsApp, queue.Scheduled, 0, 0, 10)
	a.must(err)
	done, err := a.store.Retry(a.Context(), scheduled, "a test")
	a.must(err)
	a.want(done, 1)
	one := a.claim(a.consumer)[0]
	a.want(one.Job.Attempts, 0)
	// Due jobs come by themselves, also when the sweeper alone looks.
	a.settle(queue.Settlement{Claimed: one, Outcome: queue.Hold{Delay: time.Millisecond, Error: "quiet hours"}})
	redistest.Eventually(a.T, "the sweeper has put it back", func() bool {
		_, err := a.store.Sweep(a.Context(), message.WhatsApp, false)
		a.must(err)
		d, err := a.store.Depth(a.Context(), message.WhatsApp)
		a.must(err)
		return d.Waiting[2] == 1 && d.Held == 0
	})
}

// TestJobsComeBackByAge: jobs that are due, or whose worker died, are claimed by their age, however many they are, in how many blocks they come back, and whether
// younger ones wait.
func TestJobsComeBackByAge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		jobs    int
		younger bool
		by      string
	}{{1, true, "retry"}, {501, false, "retry"}, {1800, false, "retry"}, {1800, true, "retry"}, {1800, true, "hold"}, {1800, true, "both"}, {1800, true, "reap"},
		{7200, true, "retry"}} {
		t.Run(fmt.Sprintf("%d by %s, younger %t", c.jobs, c.by, c.younger), func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			start := time.Now().Add(-time.Hour)
			add := func(from, n int) {
				var all sync.WaitGroup
				for i := from; i < from+n; i++ {
					w := webhook(fmt.Sprintf("w%05d", i))
					w.AcceptedAt = start.Add(time.Duration(i) * time.Millisecond)
					all.Go(func() {
						if _, err := s.producer.Enqueue(t.Context(), w); err != nil {
							t.Error(err)
						}
					})
					if i%200 == 199 { // those before stand before
						all.Wait()
					}
				}
				all.Wait()
			}
			add(0, c.jobs)
			s.consumer.config.PriorityAging, s.consumer.config.Lease = 24*time.Hour, time.Hour
			claim := func(n int) (jobs []*queue.Claimed) {
				for len(jobs) < n {
					_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 300, Reap: true})
					s.must(err)
					if len(claim.Jobs) == 0 {
						t.Fatalf("%d of %d jobs", len(jobs), n)
					}
					jobs = append(jobs, claim.Jobs...)
				}
				return jobs
			}
			if c.by == "reap" {
				s.consumer.config.Lease = time.Millisecond
				// Nothing is reaped meanwhile.
				for n := 0; n < c.jobs; {
					_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1000})
					s.must(err)
					n += len(claim.Jobs)
				}
				s.consumer.config.Lease = time.Hour
			} else {
				for batch := range slices.Chunk(claim(c.jobs), 300) {
					var settlements []queue.Settlement
					for i, one := range batch {
						var o queue.Outcome = queue.Retry{}
						if c.by == "hold" || c.by == "both" && i%2 == 0 {
							o = queue.Hold{}
						}
						settlements = append(settlements, queue.Settlement{Claimed: one, Outcome: o})
					}
					_, _, err := s.consumer.Exchange(t.Context(), settlements, nil, nil)
					s.must(err)
				}
			}
			all := c.jobs
			if c.younger {
				add(c.jobs, 700)
				all += 700
			}
			for range 6 + c.jobs/500 { // sweeps before any worker comes
				_, err := s.store.Sweep(t.Context(), message.SMS, true)
				s.must(err)
			}
			last := time.Time{}
			for i, one := range claim(all)[:c.jobs] { // the others came side by side
				if one.Job.AcceptedAt.Before(last) {
					t.Fatalf("the job at place %d is older than the one before", i)
				}
				last = one.Job.AcceptedAt
			}
		})
	}
}

// TestRetriedJobsComeBackByAge: jobs that an operator retries are claimed by their age, however many they are and in whatever order they were listed.
func TestRetriedJobsComeBackByAge(t *testing.T) {
	t.Parallel()
	for _, jobs := range []int{2, operateBatch + 1, 3*operateBatch + 7} {
		t.Run(fmt.Sprint(jobs), func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			s.store.config.KeepFailed = 2 * jobs
			start := time.Now().Add(-time.Hour)
			add := func(i int) {
				w := webhook(fmt.Sprint("w", i))
				w.AcceptedAt = start.Add(time.Duration(i) * time.Millisecond)
				_, err := s.producer.Enqueue(t.Context(), w)
				s.must(err)
			}
			for i := range jobs {
				add(2*i + 1)
				s.settle(queue.Settlement{Outcome: queue.Fail{Error: "outage"}})
			}
			for i := range jobs {
				add(2 * i) // each is older than one that is retried
			}
			failed, err := s.store.List(t.Context(), message.SMS, queue.Failed, 0, 0, jobs)
			s.must(err)
			if n, err := s.store.Retry(t.Context(), failed, "ann"); err != nil || n != jobs {
				t.Fatalf("%d of %d retried, %v", n, jobs, err)
			}
			_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: maxBatch})
			s.must(err)
			for i, one := range claim.Jobs {
				if want := fmt.Sprint("w", i); one.Job.WebhookID != want {
					t.Fatalf("%s was claimed at place %d", one.Job.WebhookID, i)
				}
			}
		})
	}
}

// TestClaimsAreBoundedByBytes: what the bodies of a claim add up to stays within its budget, in the order of the jobs; a single job that is larger is claimed alone,
// unless nothing more may be held. The others stay where they were.
func TestClaimsAreBoundedByBytes(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	for i := range 10 {
		w := webhook(fmt.Sprint("w", i))
		w.Event.Extra = `{"x":"` + strings.Repeat("x", 50_000) + `"}`
		_, err := s.producer.Enqueue(t.Context(), w)
		s.must(err)
	}
	next := 0
	for _, c := range []struct {
		bytes int64
		want  int
		full  bool
	}{{-1, 0, true}, {1, 1, true}, {120_000, 2, true}, {170_000, 3, true}, {0, 1, false}, {1 << 20, 3, false}} {
		_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: c.want + 1 - next/6, Bytes: c.bytes})
		s.must(err)
		if len(claim.Jobs) != c.want || claim.Full != c.full || int(s.state().Inflight) != next+c.want {
			t.Fatalf("%d bytes: %d jobs, full %t; want %+v", c.bytes, len(claim.Jobs), claim.Full, c)
		}
		for _, one := range claim.Jobs {
			if one.Job.WebhookID != fmt.Sprint("w", next) {
				t.Errorf("%s was claimed, want w%d", one.Job.WebhookID, next)
			}
			next++
		}
	}
}

// TestClaimedJobsShareABody: the jobs of a claim that share a body have one copy of it.
func TestClaimedJobsShareABody(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("a", 3)
	s.enqueue("b", 2)
	_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 10})
	s.must(err)
	copies := map[*byte]string{}
	for _, one := range claim.Jobs {
		copies[&one.Job.Body[0]] += one.Job.WebhookID
	}
	if len(copies) != 2 {
		t.Errorf("%d copies of two bodies", len(copies))
	}
}
