package redisstore

import (
	"context"
	"time"

	"ringup.dev/ringup/internal/message"
)

const (
	// retainEvery is how often old jobs and records are deleted (RETENTION).
	retainEvery = time.Minute
	// retainBatch bounds what one script deletes of each kind, so that it holds Redis for a millisecond or two.
	retainBatch = 200
	// recordTime is the form of a time that scripts compare with a record's: RFC 3339, UTC, to the second.
	recordTime = "2006-01-02T15:04:05"
)

// retainArgs are the arguments of retain.lua.
type retainArgs struct {
	Failed    string        `key:"failed"`
	Completed string        `key:"completed"`
	Audit     string        `key:"audit"`
	Outbox    string        `key:"outbox"`
	Base      string        `lua:"base"`
	Retention time.Duration `lua:"retention"`
	Max       int           `lua:"max"`
	Before    string        `lua:"before"` // RFC 3339, UTC, to the second
}

// retainAnswer is the answer of retain.lua.
type retainAnswer struct {
	Jobs    int `lua:"jobs"`
	Records int `lua:"records"`
}

// retain deletes up to some hundred of a channel's failed and completed jobs and records (audit log, outbox) that are older than RETENTION.
// It returns how many; none when nothing is left, or without a RETENTION. Errors: queue.ErrUnavailable.
func (s *Store) retain(ctx context.Context, channel message.Channel) (jobs, records int, err error) {
	if s.config.Retention == 0 {
		return 0, 0, nil
	}
	k := s.keys[channel]
	// Records have the time of the program that wrote them, and not of Redis.
	before := time.Now().Add(-s.config.Retention).UTC().Format(recordTime)
	var answer retainAnswer
	err = s.ask(ctx, &s.scripts.retain, &retainArgs{Failed: k.Failed, Completed: k.Completed, Audit: k.Audit, Outbox: k.Outbox,
		Base: k.Base, Retention: s.config.Retention, Max: retainBatch, Before: before}, &answer)
	return answer.Jobs, answer.Records, err
}

// retainAll deletes everything that is older than RETENTION on a channel.
func (s *Store) retainAll(ctx context.Context, channel message.Channel) (deleted int, err error) {
	for {
		jobs, records, err := s.retain(ctx, channel)
		deleted += jobs + records
		if err != nil || jobs+records == 0 {
			return deleted, err
		}
	}
}
