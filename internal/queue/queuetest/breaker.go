package queuetest

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/queue"
)

// health claims a job and defers it, and reports the provider's health with it.
func (f *fixture) health(h queue.ProviderHealth) *queue.Settled {
	f.Helper()
	c := f.claimOne()
	h.Probed = c.Probe
	return f.settle([]queue.ProviderHealth{h}, queue.Settlement{Claimed: c, Outcome: queue.Defer{Delay: time.Millisecond}})
}

func breaks(_ *testing.T, f *fixture) {
	for range 5 {
		f.enqueue(1)
	}
	bad := queue.ProviderHealth{Provider: "only", Failed: 1, Reason: "transient: outage"}
	f.want(len(f.health(bad).Breakers), 0)
	f.want(len(f.health(bad).Breakers), 0)
	f.want(f.health(bad).Breakers["only"].State, queue.BreakerOpen)
	f.want(f.depth().Halted.String(), "only: transient: outage")
	f.want(len(f.claim(5).Jobs), 0)
	probe := f.claimOne()
	f.want(probe.Probe, true)
	f.want(len(f.claim(5).Jobs), 0) // one at a time
	f.settle([]queue.ProviderHealth{{Provider: "only", Healthy: 1, Probed: true}}, queue.Settlement{Claimed: probe, Outcome: queue.Done{}})
	f.want(f.depth().Halted.String(), "")
	f.eventually("the others follow", func() bool { f.claim(5); return f.depth().Inflight == 4 })
}

func reopens(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.enqueue(1)
	f.health(queue.ProviderHealth{Provider: "only", Account: true, Failed: 1, Reason: "account: credentials"})
	first := f.claimOne()
	s := f.settle([]queue.ProviderHealth{{Provider: "only", Failed: 1, Probed: true, Reason: "still"}},
		queue.Settlement{Claimed: first, Outcome: queue.Defer{Delay: time.Millisecond}})
	f.want([]any{first.Probe, s.Breakers["only"].State, s.Breakers["only"].Reason}, []any{true, queue.BreakerOpen, "still"})
	// A probe that said nothing about the provider makes room for another.
	probe := f.claimOne()
	f.settle([]queue.ProviderHealth{{Provider: "only", Probed: true}}, queue.Settlement{Claimed: probe, Outcome: queue.Fail{}})
	f.want(f.claimOne().Probe, true)
}

func account(_ *testing.T, f *fixture) {
	f.enqueue(1)
	s := f.health(queue.ProviderHealth{Provider: "only", Account: true, Failed: 1, Reason: "account: credentials"})
	f.want([]any{s.Breakers["only"].State, f.depth().Halted.String()}, []any{queue.BreakerOpen, "only: account: credentials"})
}

func mostlyWell(_ *testing.T, f *fixture) {
	f.enqueue(1)
	for range 5 {
		f.want(len(f.health(queue.ProviderHealth{Provider: "only", Failed: 1, Healthy: 2, Reason: "x"}).Breakers), 0)
	}
}

func failsOver(_ *testing.T, f *fixture) {
	for range 3 {
		f.enqueue(1)
	}
	c := f.claimOne()
	f.want(c.Provider, 0)
	f.settle([]queue.ProviderHealth{{Provider: "first", Account: true, Failed: 1, Reason: "x"}},
		queue.Settlement{Claimed: c, Outcome: queue.Defer{Delay: time.Millisecond}})
	f.want(f.claimOne().Provider, 1)
	f.want(f.depth().Halted.String(), "")
	f.eventually("the first is tried again", func() bool {
		claim := f.claim(1)
		return len(claim.Jobs) == 1 && claim.Jobs[0].Probe && claim.Jobs[0].Provider == 0 ||
			len(claim.Jobs) == 1 && len(f.settle(nil, queue.Settlement{Claimed: claim.Jobs[0], Outcome: queue.Release{}}).Lost) > 0
	})
}

func throttles(_ *testing.T, f *fixture) {
	f.enqueue(1)
	f.health(queue.ProviderHealth{Provider: "only", ThrottleFor: time.Second, Reason: "throttled"})
	claim := f.claim(1)
	if len(claim.Jobs) != 0 || claim.Wait <= 0 || claim.Wait > time.Second {
		f.Fatalf("claimed %d, wait %s: want none, and a wait until it may be used again", len(claim.Jobs), claim.Wait)
	}
	f.want(f.claimOne().Probe, false)
}
