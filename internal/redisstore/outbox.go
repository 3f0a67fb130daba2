package redisstore

import (
	"context"
	"encoding/json"
	"slices"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
)

// Outbox has the messages that the sandbox provider took, where any process can show them.
type Outbox struct {
	store *Store
	keep  int
}

// The outbox may keep any number of messages (SANDBOX_OUTBOX_SIZE), of any size. A list of them is in memory whole, so of each channel it has at most so many, and of
// so many bytes and a read's more.
const (
	outboxListed = 1000
	outboxBytes  = 8 << 20
	outboxRead   = 20
)

// Outbox returns an outbox of the newest messages of each channel, at most keep; with 0 it only lists.
func (s *Store) Outbox(keep int) *Outbox { return &Outbox{store: s, keep: keep} }

// Put adds a message. Errors: queue.ErrUnavailable.
func (o *Outbox) Put(ctx context.Context, entry sandbox.Entry) error {
	text, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	key := o.store.keys[entry.Channel].Outbox
	pipe := o.store.client.Pipeline()
	pipe.LPush(ctx, key, text)
	pipe.LTrim(ctx, key, 0, int64(o.keep)-1)
	_, err = exec(ctx, pipe)
	return unavailable(err)
}

// List returns the newest messages of all channels, the newest first, at most keep, and no more than fit in memory. Errors: queue.ErrUnavailable,
// *queue.PartialError.
func (o *Outbox) List(ctx context.Context) ([]sandbox.Entry, error) {
	ctx, cancel := halfOf(ctx)
	defer cancel()
	lists, err := fromEach(func(channel message.Channel) ([]string, error) {
		return o.newest(ctx, o.store.keys[channel].Outbox)
	})
	entries := []sandbox.Entry{}
	for _, texts := range lists {
		for _, text := range texts {
			var e sandbox.Entry
			if json.Unmarshal([]byte(text), &e) == nil {
				entries = append(entries, e)
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b sandbox.Entry) int { return b.SentAt.Compare(a.SentAt) })
	if o.keep > 0 {
		entries = entries[:min(len(entries), o.keep)]
	}
	return entries, err
}

// newest reads the newest messages of a channel, some at a time, since they may be large.
func (o *Outbox) newest(ctx context.Context, key string) (all []string, err error) {
	most, size := outboxListed, 0
	if o.keep > 0 {
		most = min(most, o.keep)
	}
	for len(all) < most && size < outboxBytes {
		some, err := o.store.client.LRange(ctx, key, int64(len(all)), int64(min(most, len(all)+outboxRead))-1).Result()
		if err != nil || len(some) == 0 {
			return all, unavailable(err)
		}
		for _, text := range some {
			size += len(text)
		}
		all = append(all, some...)
	}
	return all, nil
}
