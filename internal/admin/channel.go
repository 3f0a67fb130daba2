package admin

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

// Channel is the state of a channel. The API's answer has one under the name of each.
type Channel struct {
	Name message.Channel `json:"-"`
	*queue.ChannelState
	SentPerSecond   float64 `json:"sent_per_second"` // over the last ten seconds
	ErrorsPerSecond float64 `json:"errors_per_second"`
	SpentToday      string  `json:"spent_today"` // in Currency; 0 where PRICES has no price
	Currency        string  `json:"currency"`
	Suppressed      int64   `json:"suppressed_addresses"`
}

// Channels returns the state of every channel, and that of the queue message.Resolve where it is in use. One that does not answer says so (queue.HaltedUnknown) where
// others do. Errors: queue.ErrUnavailable.
func (a *Admin) Channels(ctx context.Context) ([]Channel, error) {
	out, errs := make([]Channel, len(message.Queues)), make([]error, len(message.Queues))
	var all sync.WaitGroup
	for i, name := range message.Queues {
		all.Go(func() {
			call, cancel := context.WithTimeout(ctx, channelTimeout)
			defer cancel()
			out[i], errs[i] = a.channel(call, name)
		})
	}
	all.Wait()
	if !slices.Contains(errs, nil) {
		return nil, errors.Join(errs...)
	}
	for i, err := range errs {
		if err != nil {
			a.Log.Error("channel not read", "channel", message.Queues[i], "error", err) // which names the address of Redis
			out[i] = Channel{Name: message.Queues[i], Currency: a.Currency, ChannelState: &queue.ChannelState{
				Depth:    queue.Depth{Halted: queue.Halt{Kind: queue.HaltedUnknown, Why: "Redis does not answer"}},
				Breakers: map[string]queue.BreakerState{}, Workers: []queue.WorkerState{},
			}}
		}
	}
	if last := len(out) - 1; unused(out[last].ChannelState, errs[last]) {
		out = out[:last]
	}
	return out, nil
}

// unused says that nobody works on a queue, and that it has had no job of late, as that of message.Resolve in a shop without it. Of one that does not answer it is
// not known: then it is not shown either.
func unused(s *queue.ChannelState, err error) bool {
	jobs := s.Retry + s.Held + s.Inflight + s.Failed + s.Completed
	for _, waiting := range s.Waiting {
		jobs += waiting
	}
	return err != nil || jobs == 0 && len(s.Workers) == 0 && s.Halted.Kind == ""
}

// channelTimeout is how long a channel may take to say how it is.
const channelTimeout = 3 * time.Second

func (a *Admin) channel(ctx context.Context, name message.Channel) (Channel, error) {
	state, err := a.Queues.State(ctx, name)
	if err != nil {
		return Channel{}, err
	}
	spent, err := a.Queues.Spending(ctx, name, time.Now())
	if err != nil {
		return Channel{}, err
	}
	suppressed, err := a.Queues.CountSuppressed(ctx, name)
	now := a.samples.rate(name)
	return Channel{
		Name: name, ChannelState: state, SentPerSecond: now.Sent, ErrorsPerSecond: now.Errors,
		SpentToday: pricing.Micros(spent[queue.CostTotal]).String(), Currency: a.Currency, Suppressed: suppressed,
	}, err
}

// Providers lists the providers that a channel's workers use, and any whose breaker is known, by name.
func Providers(state *queue.ChannelState) []string {
	names := inUse(state)
	for name := range state.Breakers {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// total is how many jobs of a channel are in a state; of the waiting ones, those of a priority, or of all with 0.
func total(state *queue.ChannelState, of queue.State, priority int) (n int64) {
	switch of {
	case queue.Retrying:
		return state.Retry
	case queue.Scheduled:
		return state.Held
	case queue.InFlight:
		return state.Inflight
	case queue.Failed:
		return state.Failed
	case queue.Completed:
		return state.Completed
	}
	for i, waiting := range state.Waiting {
		if priority == 0 || priority == i+1 {
			n += waiting
		}
	}
	return n
}
