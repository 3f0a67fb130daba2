package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Depth counts a channel's jobs. Errors: queue.ErrUnavailable.
func (s *Store) Depth(ctx context.Context, channel message.Channel) (queue.Depth, error) {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	depth := k.depth(ctx, pipe)
	if _, err := exec(ctx, pipe); err != nil {
		return queue.Depth{}, unavailable(err)
	}
	return depth(), nil
}

// depth asks for a channel's counts; the function that it returns reads the answers.
func (k *Keys) depth(ctx context.Context, pipe redis.Pipeliner) func() queue.Depth {
	var waiting [4]*redis.IntCmd
	var heads [4]*redis.StringCmd
	for i, name := range k.Queue {
		waiting[i] = pipe.LLen(ctx, name)
		heads[i] = pipe.LIndex(ctx, name, 0)
	}
	retry, held, inflight := pipe.ZCard(ctx, k.Retry), pipe.ZCard(ctx, k.Held), pipe.ZCard(ctx, k.Inflight)
	failed, completed := pipe.ZCard(ctx, k.Failed), pipe.ZCard(ctx, k.Completed)
	halted := pipe.HGetAll(ctx, k.Halted)
	return func() queue.Depth {
		var d queue.Depth
		for i := range waiting {
			d.Waiting[i] = waiting[i].Val()
			if at, ok := acceptedAt(heads[i].Val()); ok {
				d.Oldest[i] = max(0, time.Since(at))
			}
		}
		d.Held = held.Val()
		d.Retry, d.Inflight, d.Failed, d.Completed = retry.Val(), inflight.Val(), failed.Val(), completed.Val()
		if why := halted.Val(); why["paused"] != "" {
			d.Halted = queue.Halt{Kind: queue.HaltedPause, Why: why["paused"]}
		} else if why["breaker"] != "" {
			d.Halted = queue.Halt{Kind: queue.HaltedBreaker, Why: why["breaker"]}
		}
		return d
	}
}

// acceptedAt reads when a job was accepted out of its first bytes.
func acceptedAt(raw string) (time.Time, bool) {
	if len(raw) < 12 {
		return time.Time{}, false
	}
	return millis(raw[5:11]), true
}

// Pause stops claims on a channel until Resume. A second call replaces by and why, which are for people. Errors: queue.ErrUnavailable.
func (s *Store) Pause(ctx context.Context, channel message.Channel, by, why string) error {
	text := "by " + by + " at " + time.Now().UTC().Format(time.RFC3339)
	if why != "" {
		text += ": " + why
	}
	return unavailable(s.client.HSet(ctx, s.keys[channel].Halted, "paused", text).Err())
}

// Resume ends a pause; it is harmless without one. Errors: queue.ErrUnavailable.
func (s *Store) Resume(ctx context.Context, channel message.Channel) error {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	resumed := pipe.HDel(ctx, k.Halted, "paused")
	pipe.RPush(ctx, k.Wake, "1")
	_, _ = exec(ctx, pipe) // a full Redis wakes no worker; they also look by themselves
	return unavailable(resumed.Err())
}

// now is the time of the clock that a channel's scripts go by: of Redis, in a cluster of the shard that has the channel's keys. Ours, where it does not say.
func (s *Store) now(ctx context.Context, k Keys) time.Time {
	node, err := s.node(ctx, k.Base)
	if err == nil {
		if now, err := node.Time(ctx).Result(); err == nil {
			return now
		}
	}
	return time.Now()
}

// State is the state of a channel, in two round trips. A key of another type than ringup's counts as missing, and Halted names it. Errors:
// queue.ErrUnavailable.
func (s *Store) State(ctx context.Context, channel message.Channel) (*queue.ChannelState, error) {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	depth := k.depth(ctx, pipe)
	next := pipe.ZRangeWithScores(ctx, k.Retry, 0, 0)
	due := pipe.ZCount(ctx, k.Retry, "-inf", strconv.FormatInt(time.Now().UnixMilli(), 10))
	totals, state, workers := pipe.HGetAll(ctx, k.Totals), pipe.HGetAll(ctx, k.State), pipe.HGetAll(ctx, k.Workers)
	programs := pipe.HGetAll(ctx, k.programs())
	hours := pipe.HGetAll(ctx, k.hours())
	// A key of another type belongs to another program: the others are shown all the same, and which one it is.
	foreign, err := foreignKeys(exec(ctx, pipe))
	if err != nil {
		return nil, unavailable(err)
	}
	now := s.now(ctx, k)
	out := &queue.ChannelState{Depth: depth(), Breakers: map[string]queue.BreakerState{}, Workers: []queue.WorkerState{}, Now: now.UTC()}
	out.Halted = out.Halted.ForeignKeys(foreign)
	out.RetryDue = due.Val()
	out.Hours = map[int64]int64{}
	for _, text := range hours.Val() {
		var hour, accepted int64
		if _, err := fmt.Sscan(text, &hour, &accepted); err == nil {
			out.Hours[hour] = accepted
		}
	}
	if z := next.Val(); len(z) > 0 {
		out.NextRetry = time.UnixMilli(int64(z[0].Score))
	}
	count := func(name string) int64 { n, _ := strconv.ParseInt(totals.Val()[name], 10, 64); return n }
	out.Totals = queue.Totals{Sent: count("c"), Failed: count("f"), Retried: count("r"), Dropped: count("d"), Suppressed: count("s"), Held: count("h")}
	for field, text := range state.Val() {
		if name, found := strings.CutPrefix(field, "b:"); found {
			if b, ok := parseBreaker(text); ok {
				out.Breakers[name] = b
			}
		}
	}
	for id, text := range workers.Val() {
		// By Redis's clock, so that a worker whose own is wrong is shown, too.
		at, said, alive := heartbeat(text, now)
		w := queue.WorkerState{ID: id}
		if alive && json.Unmarshal(said, &w) == nil {
			w.SeenAt = at
			out.Workers = append(out.Workers, w)
		}
	}
	slices.SortFunc(out.Workers, func(a, b queue.WorkerState) int { return strings.Compare(a.ID, b.ID) })
	out.SettingsDiffer = differing(out.Workers, programs, now)
	return out, nil
}
