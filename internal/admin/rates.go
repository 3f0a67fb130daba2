package admin

import (
	"context"
	"sync"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/limits"
	"ringup.dev/ringup/internal/queue"
)

const (
	// sampleEvery is the time between two readings of the totals: some thirty commands for all channels, far below 1% of a Redis core.
	sampleEvery = 2 * time.Second
	// maxSamples are the last ten seconds, and the sample before.
	maxSamples = 6
)

// Rate is how many messages were sent, and how many attempts failed, per second.
type Rate struct{ Sent, Errors float64 }

// sample is the totals of a channel at a time.
type sample struct {
	at     time.Time
	totals queue.Totals
}

// between is the rate between two samples; 0 where totals went back, as after a restore.
func between(from, to sample) Rate {
	seconds := max(to.at.Sub(from.at).Seconds(), 0.001)
	failed := to.totals.Failed + to.totals.Retried - from.totals.Failed - from.totals.Retried
	return Rate{max(0, float64(to.totals.Sent-from.totals.Sent)/seconds), max(0, float64(failed)/seconds)}
}

// samples are the latest, by channel.
type samples struct {
	mu   sync.Mutex
	list map[message.Channel][]sample
	uses map[message.Channel][]string // the providers of the workers that live
}

func (s *samples) use(channel message.Channel, providers []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uses == nil {
		s.uses = map[message.Channel][]string{}
	}
	s.uses[channel] = providers
}

// inUse lists the providers of the workers that live.
func inUse(state *queue.ChannelState) (providers []string) {
	for _, w := range state.Workers {
		providers = append(providers, w.Providers...)
	}
	return providers
}

// MaxText returns how long a text may be on a channel, by the providers of its workers, which Run looks for; of any length where they are not known.
func (a *Admin) MaxText(channel message.Channel) message.Limit {
	a.samples.mu.Lock()
	defer a.samples.mu.Unlock()
	return limits.MaxText(channel, a.samples.uses[channel])
}

func (s *samples) add(channel message.Channel, one sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = map[message.Channel][]sample{}
	}
	list := append(s.list[channel], one)
	if len(list) > maxSamples {
		list = append(list[:0:0], list[len(list)-maxSamples:]...)
	}
	s.list[channel] = list
}

// rate returns a channel's rate over the last ten seconds; it is zero until there are two samples.
func (s *samples) rate(channel message.Channel) Rate {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list[channel]
	if len(list) < 2 {
		return Rate{}
	}
	return between(list[0], list[len(list)-1])
}

// Run reads the totals until ctx ends, for the rates, and the providers of the workers. A reading that fails leaves a gap.
func (a *Admin) Run(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		for _, channel := range message.Queues {
			call, cancel := context.WithTimeout(ctx, sampleEvery)
			state, err := a.Queues.State(call, channel)
			cancel()
			if err == nil {
				a.samples.add(channel, sample{time.Now(), state.Totals})
				a.samples.use(channel, inUse(state))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
