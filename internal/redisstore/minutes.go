package redisstore

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// The counts by minute of a channel are in hashes of ten minutes, base:minutes:<Unix minutes / 10>. A field is the last digit of the minute and the name of a
// count: a accepted, f failed, r retried, x dropped or suppressed, e evicted, d delivered, u undelivered, m costs (millionths of PRICE_CURRENCY), l how often the waiting jobs were looked at, w
// and o the most that waited and the oldest (ms), and 0 to 7 sent, by queue.DelayBounds. The scripts write them (tally in prelude.lua), and this file reads them.
const (
	minutesShared = 10
	// minutesAtOnce is how many hashes are read in one round trip: some 50 µs of Redis's time.
	minutesAtOnce = 32
)

func (k *Keys) minutes(tens int64) string { return k.Base + ":minutes:" + strconv.FormatInt(tens, 10) }

// hours is a hash of how many were accepted in each of the last 216 hours, "<Unix hours> <accepted>" by the hours modulo 216.
func (k *Keys) hours() string { return k.Base + ":hours" }

// marks is the list of the moments at which a breaker changed by itself, or a worker of another version came, the latest first.
func (k *Keys) marks() string { return k.Base + ":marks" }

// Minutes returns what happened on a channel from a time up to another one, minute by minute, the oldest first; minutes in which nothing did are left out. Errors:
// queue.ErrUnavailable.
func (s *Store) Minutes(ctx context.Context, channel message.Channel, from, to time.Time) ([]queue.Minute, error) {
	k := s.keys[channel]
	var out []queue.Minute
	first, last := from.Unix()/60/minutesShared, to.Unix()/60/minutesShared
	for at := first; at <= last; at += minutesAtOnce {
		pipe := s.client.Pipeline()
		var hashes []*redis.MapStringStringCmd
		for tens := at; tens <= min(last, at+minutesAtOnce-1); tens++ {
			hashes = append(hashes, pipe.HGetAll(ctx, k.minutes(tens)))
		}
		if _, err := foreignKeys(exec(ctx, pipe)); err != nil {
			return nil, unavailable(err)
		}
		for i, hash := range hashes {
			for _, m := range readMinutes(at+int64(i), hash.Val()) {
				if !m.At.Before(from.Truncate(time.Minute)) && !m.At.After(to) {
					out = append(out, m)
				}
			}
		}
	}
	return out, nil
}

// readMinutes reads a hash of ten minutes. What it does not know is left out.
func readMinutes(tens int64, hash map[string]string) (out []queue.Minute) {
	var all [minutesShared]queue.Minute
	for field, text := range hash {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || len(field) != 2 || field[0] < '0' || field[0] > '9' {
			continue
		}
		m := &all[field[0]-'0']
		m.At = time.Unix((tens*minutesShared+int64(field[0]-'0'))*60, 0).UTC()
		if is := field[1]; is >= '0' && is <= '7' {
			m.Delays[is-'0'] = n
			m.Sent += n
		} else if count := countOf(m, is); count != nil {
			*count = n
		} else if is == 'o' {
			m.Oldest = time.Duration(n) * time.Millisecond
		}
	}
	for _, m := range all {
		if !m.At.IsZero() {
			out = append(out, m)
		}
	}
	return out
}

// countOf returns a count by its name in Redis; nil for none.
func countOf(m *queue.Minute, name byte) *int64 {
	switch name {
	case 'a':
		return &m.Accepted
	case 'f':
		return &m.Failed
	case 'r':
		return &m.Retried
	case 'x':
		return &m.Dropped
	case 'e':
		return &m.Evicted
	case 'd':
		return &m.Delivered
	case 'u':
		return &m.Undelivered
	case 'm':
		return &m.Micros
	case 'l':
		return &m.Looks
	case 'w':
		return &m.Waiting
	}
	return nil
}

// Marks returns when breakers of a channel opened and closed by themselves, and when workers of another version came, the oldest first. Errors: queue.ErrUnavailable.
func (s *Store) Marks(ctx context.Context, channel message.Channel) ([]queue.Mark, error) {
	k := s.keys[channel]
	texts, err := s.client.LRange(ctx, k.marks(), 0, -1).Result()
	if err != nil && !refused(err) {
		return nil, unavailable(err)
	}
	var out []queue.Mark
	for _, text := range slices.Backward(texts) {
		var one struct {
			At   int64  `json:"t"`
			Kind string `json:"k"`
			What string `json:"w"`
		}
		if json.Unmarshal([]byte(text), &one) == nil {
			out = append(out, queue.Mark{At: time.UnixMilli(one.At).UTC(), Kind: queue.MarkKind(one.Kind), What: one.What})
		}
	}
	return out, nil
}

// sampleArgs are the arguments of sample.lua.
type sampleArgs struct {
	Queue [4]string `key:"queue"`
	Base  string    `lua:"base"`
}

// sample notes how much waits on a channel in this minute. Errors: queue.ErrUnavailable.
func (s *Store) sample(ctx context.Context, channel message.Channel) error {
	k := s.keys[channel]
	answers, err := s.run(ctx, call{&s.scripts.sample, &sampleArgs{Queue: k.Queue, Base: k.Base}})
	if err == nil {
		err = answers[0].Err()
	}
	return unavailable(err)
}

// Memory returns what Redis uses, and its maxmemory, in bytes: of the fullest master. The limit is 0 where there is none, and both are where Redis does not say.
// Errors: queue.ErrUnavailable.
func (s *Store) Memory(ctx context.Context) (used, limit int64, err error) {
	seen := map[redis.Cmdable]bool{}
	for _, channel := range message.Channels {
		node, err := s.node(ctx, s.keys[channel].Base)
		if err != nil {
			return 0, 0, unavailable(err)
		}
		if seen[node] {
			continue
		}
		seen[node] = true
		info, err := infoOf(ctx, node)
		if err != nil && denied(err) {
			continue
		}
		if err != nil {
			return 0, 0, unavailable(err)
		}
		u, l := info["used_memory"], info["maxmemory"]
		if l > 0 && (limit == 0 || float64(u)/float64(l) > float64(used)/float64(limit)) {
			used, limit = u, l
		}
	}
	return used, limit, nil
}

// infoOf returns the numbers that a server tells of itself, by name.
func infoOf(ctx context.Context, node redis.Cmdable) (map[string]int64, error) {
	// Redis 6.2 takes one section at most; the default has all that matter.
	info, err := node.Info(ctx).Result()
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for line := range strings.Lines(info) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), ":")
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			out[name] = n
		}
	}
	return out, nil
}
