package redisstore

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

// afterRecoversByDegrees: the provider that was down gets some of the claims while it recovers, and all of them afterwards.
func afterRecoversByDegrees(a *after) {
	c := a.consumes(message.WhatsApp, ConsumerConfig{Breaker: BreakerConfig{Ramp: 400 * time.Millisecond}})
	report := func(r queue.ProviderHealth) {
		_, _, err := c.Exchange(a.Context(), nil, []queue.ProviderHealth{r}, nil)
		a.must(err)
	}
	report(queue.ProviderHealth{Provider: "business", Failed: 1, Reason: "down"})
	a.enqueue("+15550100001")
	var probe *queue.Claimed
	redistest.Eventually(a.T, "a probe goes out", func() bool {
		for _, one := range a.claim(c) {
			if one.Probe {
				probe = one
			} else {
				a.settle(queue.Settlement{Claimed: one, Outcome: queue.Release{}})
			}
		}
		return probe != nil
	})
	a.settle(queue.Settlement{Claimed: probe, Outcome: queue.Done{}})
	report(queue.ProviderHealth{Provider: "business", Healthy: 1, Probed: true})
	state, err := a.store.State(a.Context(), message.WhatsApp)
	a.must(err)
	a.want(state.Breakers["business"].State, "recovering")
	var by [2]int
	redistest.Eventually(a.T, "it is back, after some claims of either", func() bool {
		a.enqueue("+15550100001")
		for _, one := range a.claim(c) {
			by[one.Provider]++
			a.settle(queue.Settlement{Claimed: one, Outcome: queue.Done{}})
		}
		report(queue.ProviderHealth{Provider: "business", Healthy: 1})
		state, err := a.store.State(a.Context(), message.WhatsApp)
		a.must(err)
		return len(state.Breakers) == 0
	})
	if by[0] == 0 || by[1] == 0 {
		a.Errorf("claims by provider while it recovered: %v", by)
	}
}

func TestBreakersByHand(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("a", 1)
	s.must(s.store.OpenBreaker(t.Context(), message.SMS, "first", "ann", false))
	if b := s.state().Breakers["first"]; b.State != "open" || b.Reason != "opened by ann" {
		t.Errorf("%+v", b)
	}
	_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	s.must(err)
	if len(claim.Jobs) != 1 || claim.Provider != 1 || claim.Jobs[0].Probe {
		t.Errorf("claim %+v: want it for the second provider", claim)
	}
	s.must(s.store.CloseBreaker(t.Context(), message.SMS, "first"))
	if b := s.state().Breakers; len(b) != 0 {
		t.Errorf("%+v", b)
	}
}
