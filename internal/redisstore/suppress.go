package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// suppression is an entry of the suppression list, as it is stored under the person's name.
type suppression struct {
	At     int64        `json:"t"` // Unix ms
	Why    suppress.Why `json:"w"`
	By     string       `json:"b,omitempty"`
	Sender string       `json:"s,omitempty"`
	Masked string       `json:"a,omitempty"`
}

func encodeSuppression(s *suppress.Entry) (string, error) {
	masked := s.Masked
	if s.Address != "" {
		masked = s.Address.Key().String()
	}
	entry, err := json.Marshal(suppression{At: s.At.UnixMilli(), Why: s.Why, By: s.By, Sender: s.Sender, Masked: masked})
	return string(entry), err
}

// decodeSuppression reads an entry. One that cannot be read counts all the same, with the reason "unknown".
func decodeSuppression(channel message.Channel, name, entry string) *suppress.Entry {
	var s suppression
	if json.Unmarshal([]byte(entry), &s) != nil {
		return &suppress.Entry{Channel: channel, Name: name, Why: "unknown"}
	}
	return &suppress.Entry{Channel: channel, Name: name, Masked: s.Masked, Why: s.Why, By: s.By, Sender: s.Sender, At: time.UnixMilli(s.At)}
}

// entryFields returns the fields that an entry's person may be under, first the one of a new entry. Errors: suppress.ErrOtherKey.
func entryFields(namer personNamer, e *suppress.Entry) ([]string, error) {
	switch {
	case e.Address != "":
		return append(namer.names(e.Address), oldFields(e.Address)...), nil
	case namer.knows(e.Name):
		return []string{e.Name}, nil
	}
	return nil, suppress.ErrOtherKey
}

// Suppress puts persons on the suppression lists of their channels, by address or by name, and returns how many were not there yet. An
// entry that is there stays as it is: the first reason counts. No entries are no error. Errors: queue.ErrUnavailable, when a part may be on the
// lists; suppress.ErrOtherKey, when nothing is.
func (s *Store) Suppress(ctx context.Context, entries []suppress.Entry) (added int, err error) {
	if len(entries) == 0 {
		return 0, nil
	}
	namer, err := s.namer(ctx)
	if err != nil {
		return 0, err
	}
	look, put := s.client.Pipeline(), s.client.Pipeline()
	names, found := make([]string, len(entries)), make([]*redis.SliceCmd, len(entries))
	for i := range entries {
		fields, err := entryFields(namer, &entries[i])
		if err != nil {
			return 0, err
		}
		names[i], found[i] = fields[0], look.HMGet(ctx, s.keys[entries[i].Channel].Suppressed, fields...)
	}
	if _, err := exec(ctx, look); err != nil {
		return 0, unavailable(err)
	}
	var answers []*redis.BoolCmd
	for i := range entries {
		if slices.ContainsFunc(found[i].Val(), func(entry any) bool { return entry != nil }) {
			continue
		}
		entry, err := encodeSuppression(&entries[i])
		if err != nil {
			return 0, err
		}
		answers = append(answers, put.HSetNX(ctx, s.keys[entries[i].Channel].Suppressed, names[i], entry))
	}
	if len(answers) == 0 {
		return 0, nil
	}
	_, err = exec(ctx, put)
	for _, a := range answers {
		if a.Val() {
			added++
		}
	}
	return added, unavailable(err)
}

// Unsuppress takes an address's person off a channel's list; false says that they were not on it. Errors: queue.ErrUnavailable.
func (s *Store) Unsuppress(ctx context.Context, channel message.Channel, address message.Address) (bool, error) {
	namer, err := s.namer(ctx)
	if err != nil {
		return false, err
	}
	n, err := s.client.HDel(ctx, s.keys[channel].Suppressed, append(namer.names(address), oldFields(address)...)...).Result()
	return n > 0, unavailable(err)
}

// Suppressed returns the entry of an address's person on a channel's list; nil when they are not on it. Errors: queue.ErrUnavailable.
func (s *Store) Suppressed(ctx context.Context, channel message.Channel, address message.Address) (*suppress.Entry, error) {
	namer, err := s.namer(ctx)
	if err != nil {
		return nil, err
	}
	fields := append(namer.names(address), oldFields(address)...)
	entries, err := s.client.HMGet(ctx, s.keys[channel].Suppressed, fields...).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	for _, entry := range entries {
		if text, found := entry.(string); found {
			e := decodeSuppression(channel, fields[0], text)
			e.Masked = address.Key().String()
			return e, nil
		}
	}
	return nil, nil
}

// CountSuppressed returns how many addresses are on a channel's list. Errors: queue.ErrUnavailable.
func (s *Store) CountSuppressed(ctx context.Context, channel message.Channel) (int64, error) {
	n, err := s.client.HLen(ctx, s.keys[channel].Suppressed).Result()
	return n, unavailable(err)
}

// Suppressions hands a channel's list to visit, in no order, until that says that it is done. An entry that comes or goes meanwhile may be missed.
// Errors: queue.ErrUnavailable.
func (s *Store) Suppressions(ctx context.Context, channel message.Channel, visit func(suppress.Entry) (done bool)) error {
	namer, err := s.namer(ctx)
	if err != nil {
		return err
	}
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
			e := decodeSuppression(channel, page[i], page[i+1])
			if old := message.Address(page[i]); isAddress(page[i]) {
				e.Name, e.Masked = namer.names(old)[0], old.Key().String()
			}
			if visit(*e) {
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
	namer, err := s.namer(ctx)
	if err != nil {
		return true, err
	}
	listed := map[string]bool{}
	var batch []suppress.Entry
	put := func() error {
		_, err := s.Suppress(ctx, batch)
		batch = batch[:0]
		return err
	}
	err = list(ctx, func(address message.Address) error {
		for _, name := range namer.names(address) {
			listed[name] = true
		}
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
	var delisted []string
	err = s.Suppressions(ctx, channel, func(e suppress.Entry) bool {
		if e.Why == suppress.OptOutList && e.By == provider && !listed[e.Name] {
			delisted = append(delisted, e.Name)
		}
		return false
	})
	for batch := range slices.Chunk(delisted, scanBatch) {
		if delErr := s.client.HDel(ctx, k.Suppressed, batch...).Err(); delErr != nil {
			return true, errors.Join(err, unavailable(delErr))
		}
	}
	return true, err
}
