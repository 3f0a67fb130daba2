package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// suppression is an entry of the suppression list, as it is stored under the address.
type suppression struct {
	At     int64        `json:"t"` // Unix ms
	Why    suppress.Why `json:"w"`
	By     string       `json:"b,omitempty"`
	Sender string       `json:"s,omitempty"`
}

// foldAddress spells an address as the list does: in small letters, since every large provider ignores capitals in e-mail addresses.
func foldAddress(r message.Address) string { return strings.ToLower(r.Reveal()) }

func encodeSuppression(s *suppress.Entry) (string, error) {
	entry, err := json.Marshal(suppression{At: s.At.UnixMilli(), Why: s.Why, By: s.By, Sender: s.Sender})
	return string(entry), err
}

// decodeSuppression reads an entry. One that cannot be read counts all the same, with the reason "unknown".
func decodeSuppression(channel message.Channel, address message.Address, entry string) *suppress.Entry {
	var s suppression
	if json.Unmarshal([]byte(entry), &s) != nil {
		return &suppress.Entry{Channel: channel, Address: address, Why: "unknown"}
	}
	return &suppress.Entry{Channel: channel, Address: address, Why: s.Why, By: s.By, Sender: s.Sender, At: time.UnixMilli(s.At)}
}

// Suppress puts addresses on the suppression lists of their channels, all or none of a channel's, and returns how many were not there yet. An
// entry that is there stays as it is: the first reason counts. No entries are no error. Errors: queue.ErrUnavailable; some channels may have
// their entries then.
func (s *Store) Suppress(ctx context.Context, entries []suppress.Entry) (added int, err error) {
	pipe := s.client.Pipeline()
	var answers []*redis.BoolCmd
	for i := range entries {
		entry, err := encodeSuppression(&entries[i])
		if err != nil {
			return 0, err
		}
		answers = append(answers, pipe.HSetNX(ctx, s.keys[entries[i].Channel].Suppressed, foldAddress(entries[i].Address), entry))
	}
	_, err = pipe.Exec(ctx)
	for _, a := range answers {
		if a.Val() {
			added++
		}
	}
	return added, unavailable(err)
}

// Unsuppress takes an address off a channel's list; false says that it was not on it. Errors: queue.ErrUnavailable.
func (s *Store) Unsuppress(ctx context.Context, channel message.Channel, address message.Address) (bool, error) {
	n, err := s.client.HDel(ctx, s.keys[channel].Suppressed, foldAddress(address)).Result()
	return n > 0, unavailable(err)
}

// Suppressed returns an address's entry on a channel's list; nil when it is not on it. Errors: queue.ErrUnavailable.
func (s *Store) Suppressed(ctx context.Context, channel message.Channel, address message.Address) (*suppress.Entry, error) {
	entry, err := s.client.HGet(ctx, s.keys[channel].Suppressed, foldAddress(address)).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return decodeSuppression(channel, address, entry), nil
}

// CountSuppressed returns how many addresses are on a channel's list. Errors: queue.ErrUnavailable.
func (s *Store) CountSuppressed(ctx context.Context, channel message.Channel) (int64, error) {
	n, err := s.client.HLen(ctx, s.keys[channel].Suppressed).Result()
	return n, unavailable(err)
}

// Suppressions hands a channel's list to visit, in no order, until that says that it is done. An entry that comes or goes meanwhile may be missed.
// Errors: queue.ErrUnavailable.
func (s *Store) Suppressions(ctx context.Context, channel message.Channel, visit func(suppress.Entry) (done bool)) error {
	seen := map[string]bool{} // a scan may return an entry twice
	cursor := uint64(0)
	for {
		page, next, err := s.client.HScan(ctx, s.keys[channel].Suppressed, cursor, "", scanBatch).Result()
		if err != nil {
			return unavailable(err)
		}
		for i := 0; i+1 < len(page); i += 2 {
			if seen[page[i]] {
				continue
			}
			seen[page[i]] = true
			if visit(*decodeSuppression(channel, message.Address(page[i]), page[i+1])) {
				return nil
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// SyncOptOuts makes the channel's entries that came from a provider's own list (Why is suppress.OptOutList) equal to that list. Of all
// programs one does so each interval; false says that it was not this one's turn. list hands over every address.
func (s *Store) SyncOptOuts(ctx context.Context, channel message.Channel, provider string, interval time.Duration,
	list func(ctx context.Context, each func(message.Address) error) error,
) (bool, error) {
	k := s.keys[channel]
	turn := k.Base + ":optouts:" + provider
	if mine, err := s.client.SetNX(ctx, turn, "1", interval).Result(); err != nil || !mine {
		return false, unavailable(err)
	}
	listed := map[string]bool{}
	var batch []suppress.Entry
	put := func() error {
		_, err := s.Suppress(ctx, batch)
		batch = batch[:0]
		return err
	}
	err := list(ctx, func(address message.Address) error {
		listed[foldAddress(address)] = true
		batch = append(batch, suppress.Entry{Channel: channel, Address: address, Why: suppress.OptOutList, By: provider, At: time.Now()})
		if len(batch) < scanBatch {
			return nil
		}
		return put()
	})
	if err == nil {
		err = put()
	}
	if err != nil {
		// Another program may try again soon.
		return true, errors.Join(err, s.client.Expire(ctx, turn, time.Minute).Err())
	}
	var delisted []message.Address
	err = s.Suppressions(ctx, channel, func(e suppress.Entry) bool {
		if e.Why == suppress.OptOutList && e.By == provider && !listed[e.Address.Reveal()] {
			delisted = append(delisted, e.Address)
		}
		return false
	})
	for _, address := range delisted {
		if _, offErr := s.Unsuppress(ctx, channel, address); offErr != nil {
			return true, errors.Join(err, offErr)
		}
	}
	return true, err
}
