package queuetest

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/queue"
)

func retries(_ *testing.T, f *fixture) {
	id := f.enqueue(3)
	c := f.claimOne()
	f.settle(nil, queue.Settlement{Claimed: c, Outcome: queue.Retry{Delay: time.Second, Error: "transient: outage", Uncertain: true}})
	claim := f.claim(1)
	if len(claim.Jobs) != 0 || claim.Wait <= 0 || claim.Wait > time.Second {
		f.Fatalf("claimed %d jobs, wait %s: want none, and a wait until the retry", len(claim.Jobs), claim.Wait)
	}
	f.want(f.depth().Retry, 1)
	again := f.claimOne().Job
	f.want([]any{again.WebhookID, again.Attempts, again.Priority, again.LastError, again.Uncertain, *f.about(again)},
		[]any{id, 1, 3, "transient: outage", true, *Event(id)})
}

func defers(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.settle(nil, queue.Settlement{Claimed: f.claimOne(), Outcome: queue.Defer{Delay: time.Millisecond, Error: "throttled"}})
	f.want(f.claimOne().Job.Attempts, 0)
}

func holds(_ *testing.T, f *fixture) {
	id := f.enqueue(2)
	status := func() queue.Notification {
		n, err := f.Notifications(f.Context(), id)
		f.must(err)
		return n.Notifications[0]
	}
	f.settle(nil, queue.Settlement{Claimed: f.claimOne(), Outcome: queue.Hold{Delay: time.Second, Error: "quiet hours"}})
	claim := f.claim(1)
	if len(claim.Jobs) != 0 || claim.Wait <= 0 || claim.Wait > time.Second {
		f.Fatalf("claimed %d jobs, wait %s: want none, and a wait until it is due", len(claim.Jobs), claim.Wait)
	}
	d := f.depth()
	f.want([]int64{d.Held, d.Retry, d.Inflight}, []int64{1, 0, 0})
	f.want([]any{status().Status, status().Error}, []any{queue.StatusScheduled, "quiet hours"})
	again := f.claimOne().Job
	f.want([]any{again.WebhookID, again.Attempts, again.LastError, again.Uncertain, *f.about(again)}, []any{id, 0, "quiet hours", false, *Event(id)})
	f.want([]any{f.depth().Held, status().Status}, []any{0, queue.StatusSending})
}

func ends(_ *testing.T, f *fixture) {
	for outcome, want := range map[queue.Outcome]queue.Status{queue.Drop{Error: "older than MESSAGE_TTL"}: queue.StatusFailed, queue.Suppress{Error: "stop"}: queue.StatusSuppressed} {
		s := f.submission(1, 2) // two, so that their body is shared
		_, err := f.Producer.Enqueue(f.Context(), s)
		f.must(err)
		claim := f.claim(2)
		f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Outcome: outcome})
		f.want(len(f.Leftovers(f.Context())), 1) // of the other job
		settled := f.settle(nil, queue.Settlement{Claimed: claim.Jobs[1], Outcome: outcome}, queue.Settlement{Claimed: claim.Jobs[0], Outcome: outcome})
		f.want(settled.Lost, []int{1}) // the second time its lease has ended
		f.want(f.Leftovers(f.Context()), []string{})
		f.want(f.depth(), queue.Depth{})
		n, err := f.Notifications(f.Context(), s.Event.ID)
		f.must(err)
		for _, one := range n.Notifications {
			f.want([]any{one.Status, one.History[1].What}, []any{want, outcome.Name()})
		}
	}
}

func releases(_ *testing.T, f *fixture) {
	a, b, c := f.enqueue(1), f.enqueue(1), f.enqueue(1)
	claim := f.claim(2)
	f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Outcome: queue.Release{}}, queue.Settlement{Claimed: claim.Jobs[1], Outcome: queue.Release{}})
	f.want(f.webhookIDs(f.claim(3)), []string{a, b, c})
}

func evicts(_ *testing.T, f *fixture) {
	var evicted []string
	for range 5 {
		f.enqueue(1)
		s := f.settle(nil, queue.Settlement{Claimed: f.claimOne(), Outcome: queue.Fail{Error: "permanent"}})
		for _, j := range s.Evicted {
			evicted = append(evicted, j.WebhookID+" "+j.LastError)
		}
		// Newest by the millisecond: the next one has to be later.
		for now := time.Now(); time.Since(now) < 2*time.Millisecond; {
		}
	}
	f.want(evicted, []string{"webhook_1 permanent", "webhook_2 permanent"})
	f.want(f.depth().Failed, 3)
}

func keepsCompleted(_ *testing.T, f *fixture) {
	for range 5 {
		f.enqueue(1)
		f.settle(nil, queue.Settlement{Claimed: f.claimOne(), Outcome: queue.Done{}})
	}
	f.want(f.depth().Completed, 3)
}

func bodies(_ *testing.T, f *fixture) {
	s := f.submission(1, 3)
	_, err := f.Producer.Enqueue(f.Context(), s)
	f.must(err)
	f.want(len(f.Leftovers(f.Context())), 1)
	claim := f.claim(3)
	for _, c := range claim.Jobs {
		f.want(f.about(c.Job), s.Event)
	}
	f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Outcome: queue.Done{}}, queue.Settlement{Claimed: claim.Jobs[1], Outcome: queue.Fail{}},
		queue.Settlement{Claimed: claim.Jobs[2], Outcome: queue.Drop{}})
	settled := time.Now()
	f.want(len(f.Leftovers(f.Context())), 1) // the completed and the failed one still refer to it
	f.enqueue(1)
	f.enqueue(1)
	claim = f.claim(2)
	f.eventually("the next ones end later by the millisecond", func() bool { return time.Since(settled) > 10*time.Millisecond })
	f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Outcome: queue.Done{}}, queue.Settlement{Claimed: claim.Jobs[1], Outcome: queue.Fail{}})
	f.want(f.Leftovers(f.Context()), []string{})
}
