package redisstore

import (
	"context"
	_ "embed"
	"time"

	"ringup.dev/ringup/internal/message"
)

//go:embed lua/retain.lua
var retainSource string

const (
	// retainEvery is how often what is older than RETENTION is looked for: nobody's day depends on a minute.
	retainEvery = time.Minute
	// retainBatch bounds what one script deletes of each kind, so that it holds Redis for a millisecond or two.
	retainBatch = 200
)

// Retain deletes up to some hundred of a channel's failed and completed jobs and records (audit, outbox) that are older than RETENTION. It
// returns how many; none when nothing is left, or without a RETENTION. Errors: queue.ErrUnavailable.
func (s *Store) Retain(ctx context.Context, channel message.Channel) (jobs, records int, err error) {
	if s.config.Retention == 0 {
		return 0, 0, nil
	}
	k := s.keys[channel]
	// Records have the time of who wrote them, and not of Redis.
	til := time.Now().Add(-s.config.Retention).UTC().Format("2006-01-02T15:04:05")
	answers, err := s.run(ctx, []call{{&s.retain, []string{k.Failed, k.Completed, k.Audit, k.Outbox},
		[]any{k.Base, s.config.Retention.Milliseconds(), retainBatch, til}}})
	if err != nil {
		return 0, 0, err
	}
	counts, _ := answers[0].Slice()
	if len(counts) < 2 {
		return 0, 0, nil
	}
	return number(counts[0]), number(counts[1]), nil
}

// retainAll deletes all that is older than RETENTION on a channel.
func (s *Store) retainAll(ctx context.Context, channel message.Channel) (deleted int, err error) {
	for {
		jobs, records, err := s.Retain(ctx, channel)
		deleted += jobs + records
		if err != nil || jobs+records == 0 {
			return deleted, err
		}
	}
}
