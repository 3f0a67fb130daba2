package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
)

// OptOutStore has the suppression list.
type OptOutStore interface {
	// SyncOptOuts makes the channel's entries that came from a provider's own list, and hold for our account there, equal to that list. Of all workers
	// one does so within each interval; false says that it was not this one's turn.
	SyncOptOuts(ctx context.Context, channel message.Channel, provider, sender string, interval time.Duration,
		list func(ctx context.Context, each func(message.Address) error) error) (bool, error)
}

// OptOuts keeps a channel's suppression list in step with the lists of opt-outs that providers keep themselves.
type OptOuts struct {
	Channel message.Channel
	Every   time.Duration // OPT_OUT_SYNC; 0 for never
	Store   OptOutStore
	Log     *slog.Logger
}

// optOutPoll is how often a worker asks whether it is its turn to read a provider's list.
const optOutPoll = time.Minute

// Run reads the lists of the senders that have one, each for the first time at once, until ctx ends. It returns at once when no sender has
// one, or with OPT_OUT_SYNC=0s. A list that cannot be read is tried again.
func (o OptOuts) Run(ctx context.Context, senders []Sender) {
	if o.Every == 0 {
		return
	}
	var all sync.WaitGroup
	for _, s := range senders {
		if lister, has := s.Provider.(provider.OptOutLister); has {
			all.Go(func() { o.follow(ctx, s.Name, s.Provider.Traits().Sender, lister) })
		}
	}
	all.Wait()
}

// follow reads one provider's list whenever it is this worker's turn.
func (o OptOuts) follow(ctx context.Context, name, sender string, lister provider.OptOutLister) {
	ticker := time.NewTicker(optOutPoll)
	defer ticker.Stop()
	for ctx.Err() == nil {
		mine, err := o.Store.SyncOptOuts(ctx, o.Channel, name, sender, o.Every, lister.OptedOut)
		switch {
		case err != nil && ctx.Err() == nil:
			o.Log.Warn("opt-out sync failed (OPT_OUT_SYNC)", "provider", name, "error", err)
		case mine && err == nil:
			o.Log.Info("opt-outs synced", "provider", name)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
