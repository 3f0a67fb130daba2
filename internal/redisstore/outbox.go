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

// Outbox returns an outbox of the newest messages of each channel, at most keep; with 0 it only lists, and lists all.
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

// List returns the newest messages of all channels, the newest first, at most keep. Errors: queue.ErrUnavailable, *queue.PartialError.
func (o *Outbox) List(ctx context.Context) ([]sandbox.Entry, error) {
	ctx, cancel := halfOf(ctx)
	defer cancel()
	lists, err := fromEach(func(channel message.Channel) ([]string, error) {
		texts, err := o.store.client.LRange(ctx, o.store.keys[channel].Outbox, 0, int64(o.keep)-1).Result()
		return texts, unavailable(err)
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
