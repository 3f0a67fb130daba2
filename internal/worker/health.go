package worker

import (
	"log/slog"
	"sync/atomic"
	"time"

	"ringup.dev/ringup/internal/queue"
)

// Breakers is what this worker last heard of its providers' breakers; the queue keeps them, for all workers. It is safe for concurrent use:
// the loop updates it, and handlers ask.
type Breakers struct {
	providers []string
	open      []atomic.Bool  // by the provider's index
	rests     []atomic.Int64 // likewise: until when it is not to be used, as Unix ms; 0 where it may be
	metrics   *Metrics
	log       *slog.Logger
}

// NewBreakers returns the view of the providers' breakers, all of them closed. The order of the providers is that of queue.Claimed.Provider.
func NewBreakers(providers []string, m *Metrics, log *slog.Logger) *Breakers {
	return &Breakers{providers: providers, open: make([]atomic.Bool, len(providers)), rests: make([]atomic.Int64, len(providers)), metrics: m, log: log}
}

// Open says whether a provider's breaker was open when last heard of.
func (b *Breakers) Open(provider int) bool { return b.open[provider].Load() }

// Rest returns for how long a provider is not to be used, by what was last heard of it: its breaker is open, or it has asked to wait. Where it is 0 and the breaker is open all the
// same, what is asked next is its probe.
func (b *Breakers) Rest(provider int, now time.Time) time.Duration {
	return max(0, time.UnixMilli(b.rests[provider].Load()).Sub(now))
}

// update takes the states that came back with a settlement; a provider that is not named has a closed breaker.
func (b *Breakers) update(states map[string]queue.BreakerState) {
	for i, name := range b.providers {
		state := states[name]
		b.set(i, state.State == queue.BreakerOpen, state.Reason)
		var until int64
		if state.State == queue.BreakerOpen || state.State == queue.BreakerThrottled {
			until = state.Until.UnixMilli()
		}
		b.rests[i].Store(until)
	}
}

// claimed notes that a claim gave jobs to a provider. Unless the first of them is a probe, the breaker is closed.
func (b *Breakers) claimed(c *queue.Claim) {
	if c.Provider >= 0 && len(c.Jobs) > 0 && !c.Jobs[0].Probe {
		b.set(c.Provider, false, "")
		b.rests[c.Provider].Store(0)
	}
}

func (b *Breakers) set(provider int, open bool, reason string) {
	if b.open[provider].Swap(open) == open {
		return
	}
	name := b.providers[provider]
	if open {
		b.metrics.breaker.WithLabelValues(name).Set(1)
		b.log.Error("breaker open", "provider", name, "reason", reason)
		return
	}
	b.metrics.breaker.WithLabelValues(name).Set(0)
	b.log.Info("breaker closed", "provider", name)
}

// unusedProbe is the health of a provider whose half-open breaker gave a job as its probe, when the job was not sent: another job may be the
// probe. Any other job that was not sent says nothing about its provider.
func unusedProbe(provider string, probe bool) queue.ProviderHealth {
	if !probe {
		return queue.ProviderHealth{}
	}
	return queue.ProviderHealth{Provider: provider, Probed: true}
}

// health sums up what a batch of jobs said about each provider. There are one or two, so that it is searched from its beginning.
type health []queue.ProviderHealth

// add adds what one job said; nothing, without a provider.
func (h *health) add(one *queue.ProviderHealth) {
	if one.Provider == "" {
		return
	}
	for i := range *h {
		if known := &(*h)[i]; known.Provider == one.Provider {
			known.Healthy += one.Healthy
			known.Failed += one.Failed
			known.Account = known.Account || one.Account
			known.ThrottleFor = max(known.ThrottleFor, one.ThrottleFor)
			known.Probed = known.Probed || one.Probed
			if one.Reason != "" {
				known.Reason = one.Reason
			}
			return
		}
	}
	*h = append(*h, *one)
}
