package redisstore

import (
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
