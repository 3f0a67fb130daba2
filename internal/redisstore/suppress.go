package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// suppression is an entry of the suppression list, as it is stored: a line of the value under the person's name. Sender has a name of its own: an
// older release stored s, of the first account alone that the person said STOP to, so an entry with s holds for all accounts.
type suppression struct {
	At      int64        `json:"t"` // Unix ms
	Why     suppress.Why `json:"w"`
	By      string       `json:"b,omitempty"`
	Sender  string       `json:"f,omitempty"`
	Also    []string     `json:"g,omitempty"`
	Masked  string       `json:"a,omitempty"`
	OptedIn int64        `json:"l,omitempty"` // Unix ms
}

func encodeSuppression(s *suppress.Entry) (string, error) {
	stored := suppression{At: s.At.UnixMilli(), Why: s.Why, By: s.By, Sender: s.Sender, Also: s.Also, Masked: s.Masked}
	if s.Address != "" {
		stored.Masked = s.Address.Key().String()
	}
	if !s.OptedIn.IsZero() {
		stored.OptedIn = s.OptedIn.UnixMilli()
	}
	entry, err := json.Marshal(stored)
	return string(entry), err
}

// decodeSuppressions reads the entries under a name. One that cannot be read counts all the same, with the reason "unknown".
func decodeSuppressions(channel message.Channel, name, lines string) []suppress.Entry {
	var out []suppress.Entry
	for line := range strings.SplitSeq(lines, "\n") {
		e := suppress.Entry{Channel: channel, Name: name, Why: "unknown"}
		var s suppression
		if json.Unmarshal([]byte(line), &s) == nil {
			e.Masked, e.Why, e.By, e.Sender, e.Also, e.At = s.Masked, s.Why, s.By, s.Sender, s.Also, time.UnixMilli(s.At)
			if s.OptedIn > 0 {
				e.OptedIn = time.UnixMilli(s.OptedIn)
			}
		}
		out = append(out, e)
	}
	return out
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

// suppressArgs are the arguments of suppress.lua.
type suppressArgs struct {
	Suppressed string        `key:"suppressed"`
	Change     string        `lua:"change"`
	Rows       []suppressRow `lua:"row"`
}

type suppressRow struct {
	Names string `lua:"names"`
	Entry string `lua:"entry"`
}

type suppressAnswer struct {
	Changed int `lua:"changed"`
}

// The changes of suppress.lua.
const (
	addEntries    = "add"
	syncEntries   = "sync"
	removeEntries = "remove"
)

// Suppress puts entries on the suppression lists of their channels, by address or by name, and returns how many were not there yet. An
// entry that is there stays as it is. No entries are no error. Errors: queue.ErrUnavailable, when a part may be on the
// lists; suppress.ErrOtherKey, when nothing is.
func (s *Store) Suppress(ctx context.Context, entries []suppress.Entry) (added int, err error) {
	return s.putEntries(ctx, addEntries, entries)
}

// suppressBatch bounds how many entries one script changes.
const suppressBatch = 200

func (s *Store) putEntries(ctx context.Context, change string, entries []suppress.Entry) (added int, err error) {
	if len(entries) == 0 {
		return 0, nil
	}
	namer, err := s.namer(ctx)
	if err != nil {
		return 0, err
	}
	rows := map[message.Channel][]suppressRow{}
	for i := range entries {
		e := &entries[i]
		fields, err := entryFields(namer, e)
		if err != nil {
			return 0, err
		}
		line, err := encodeSuppression(e)
		if err != nil {
			return 0, err
		}
		rows[e.Channel] = append(rows[e.Channel], suppressRow{strings.Join(fields, " "), line})
	}
	for channel, all := range rows {
		n, err := s.changeList(ctx, channel, change, all)
		if added += n; err != nil {
			return added, err
		}
	}
	return added, nil
}

// changeList runs suppress.lua for some rows, and returns how many entries were changed.
func (s *Store) changeList(ctx context.Context, channel message.Channel, change string, rows []suppressRow) (changed int, err error) {
	for batch := range slices.Chunk(rows, suppressBatch) {
		var answer suppressAnswer
		if err := s.ask(ctx, &s.scripts.suppress, &suppressArgs{Suppressed: s.keys[channel].Suppressed, Change: change, Rows: batch}, &answer); err != nil {
			return changed, err
		}
		changed += answer.Changed
	}
	return changed, nil
}

// Unsuppress takes those entries of an address's person off a channel's list that are selected, with an empty selection all, and returns how many
// they were. Errors: queue.ErrUnavailable.
func (s *Store) Unsuppress(ctx context.Context, channel message.Channel, address message.Address, selected suppress.Selection) (removed int, err error) {
	namer, err := s.namer(ctx)
	if err != nil {
		return 0, err
	}
	line, err := json.Marshal(suppression{Why: selected.Why, By: selected.By, Sender: selected.Sender})
	if err != nil {
		return 0, err
	}
	fields := append(namer.names(address), oldFields(address)...)
	return s.changeList(ctx, channel, removeEntries, []suppressRow{{strings.Join(fields, " "), string(line)}})
}

// Suppressed returns the entries of an address's person on a channel's list; none when they are not on it. Errors: queue.ErrUnavailable.
func (s *Store) Suppressed(ctx context.Context, channel message.Channel, address message.Address) ([]suppress.Entry, error) {
	namer, err := s.namer(ctx)
	if err != nil {
		return nil, err
	}
	fields := append(namer.names(address), oldFields(address)...)
	found, err := s.client.HMGet(ctx, s.keys[channel].Suppressed, fields...).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	var out []suppress.Entry
	for _, lines := range found {
		if text, is := lines.(string); is {
			out = append(out, decodeSuppressions(channel, fields[0], text)...)
		}
	}
	for i := range out {
		out[i].Masked = address.Key().String()
	}
	return out, nil
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
	seen := map[string]bool{} // a scan may return a name twice
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
			for _, e := range decodeSuppressions(channel, page[i], page[i+1]) {
				if old := message.Address(page[i]); isAddress(page[i]) {
					e.Name, e.Masked = namer.names(old)[0], old.Key().String()
				}
				if visit(e) {
					return nil
				}
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// SyncOptOuts makes the channel's entries that came from a provider's own list (Why is suppress.OptOutList) equal to that list, and touches no
// others; they hold for a sender account. Of all programs one does so each interval; false says that it was not this one's turn. list hands over every address.
func (s *Store) SyncOptOuts(ctx context.Context, channel message.Channel, provider, sender string, interval time.Duration,
	list func(ctx context.Context, each func(message.Address) error) error,
) (bool, error) {
	turn := s.keys[channel].Base + ":optouts:" + provider
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
		_, err := s.putEntries(ctx, syncEntries, batch)
		batch = batch[:0]
		return err
	}
	err = list(ctx, func(address message.Address) error {
		for _, name := range namer.names(address) {
			listed[name] = true
		}
		batch = append(batch, suppress.Entry{Channel: channel, Address: address, Why: suppress.OptOutList, Sender: sender, By: provider, At: time.Now()})
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
	return true, s.delist(ctx, channel, provider, listed)
}

// delist removes the entries of a provider's own list whose persons are not on it any more.
func (s *Store) delist(ctx context.Context, channel message.Channel, provider string, listed map[string]bool) error {
	line, err := json.Marshal(suppression{Why: suppress.OptOutList, By: provider})
	if err != nil {
		return err
	}
	var gone []suppressRow
	err = s.Suppressions(ctx, channel, func(e suppress.Entry) bool {
		if e.Why == suppress.OptOutList && e.By == provider && !listed[e.Name] {
			gone = append(gone, suppressRow{e.Name, string(line)})
		}
		return false
	})
	_, removeErr := s.changeList(ctx, channel, removeEntries, gone)
	return errors.Join(err, removeErr)
}
