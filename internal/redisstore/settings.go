package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Fingerprint returns eight hexadecimal digits that differ where settings do; "" for settings that have no JSON. Secrets, which print masked, count nothing: programs read them
// again at different times, and a short hash of a weak one would give it away. So callers leave out addresses of people, too.
func Fingerprint(settings ...any) string {
	text, err := json.Marshal(settings)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

// shared is the fingerprint of the settings that all programs have to agree on: how long and how many records and jobs are kept, and the outcome of a failure. Where
// Redis is, is not among them: programs may reach the same one by different addresses.
func (c *Config) shared() string {
	return Fingerprint(c.DedupeTTL, c.StatusTTL, c.MaxQueueDepth, c.KeepCompleted, c.KeepFailed, c.Retention, c.MaxCrashes, c.OnUncertain, c.FallbackChannel, c.FallbackWithin)
}

// programs is the hash of the heartbeats of ingest and admin: the time (ms), a space, and a queue.ProgramState as JSON, by host and process.
func (k *Keys) programs() string { return k.Base + ":programs" }

// aliveEvery is how often ingest and admin note that they are alive: as often as workers.
const aliveEvery = 10 * time.Second

// Alive notes, until ctx ends, that a program other than a worker is alive, and with which settings: own is the fingerprint of those that its replicas share. When that fails, nothing
// depends on it.
func (s *Store) Alive(ctx context.Context, program Program, id, own string) {
	ticker := time.NewTicker(aliveEvery)
	defer ticker.Stop()
	for {
		each(func(channel message.Channel) {
			call, cancel := context.WithTimeout(ctx, flushTimeout)
			defer cancel()
			if err := s.noteAlive(call, channel, program, id, own); err != nil {
				s.log.Debug("heartbeat failed", "channel", channel, "error", err)
			}
		})
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// noteAlive notes it on one channel, and forgets those that have been silent for longer than workerTimeout.
func (s *Store) noteAlive(ctx context.Context, channel message.Channel, program Program, id, own string) error {
	k := s.keys[channel]
	says, err := json.Marshal(queue.ProgramState{ID: id, Program: string(program), Settings: queue.Settings{Shared: s.config.shared(), Own: own}})
	if err != nil {
		return err
	}
	now := s.now(ctx, k)
	pipe := s.client.Pipeline()
	pipe.HSet(ctx, k.programs(), id, strconv.FormatInt(now.UnixMilli(), 10)+" "+string(says))
	pipe.PExpire(ctx, k.programs(), workerTimeout)
	all := pipe.HGetAll(ctx, k.programs())
	if _, err := exec(ctx, pipe); err != nil {
		return unavailable(err)
	}
	for other, text := range all.Val() {
		if _, _, alive := heartbeat(text, now); !alive {
			if err := s.client.HDel(ctx, k.programs(), other).Err(); err != nil {
				return unavailable(err)
			}
		}
	}
	return nil
}

// heartbeat reads one: when it was, and what it says. It is alive where that was lately, by Redis's clock, which may have gone back.
func heartbeat(text string, now time.Time) (at time.Time, said []byte, alive bool) {
	seen, rest, _ := strings.Cut(text, " ")
	ms, err := strconv.ParseInt(seen, 10, 64)
	at = time.UnixMilli(ms)
	return at.UTC(), []byte(rest), err == nil && now.Sub(at).Abs() < workerTimeout
}

// differing returns the programs of a channel whose settings are not those of most of them.
func differing(workers []queue.WorkerState, others *redis.MapStringStringCmd, now time.Time) []string {
	var all []queue.ProgramState
	for _, w := range workers {
		all = append(all, queue.ProgramState{ID: w.ID, Program: string(Worker), Settings: w.Settings})
	}
	for id, text := range others.Val() {
		p := queue.ProgramState{ID: id}
		if _, said, alive := heartbeat(text, now); alive && json.Unmarshal(said, &p) == nil {
			all = append(all, p)
		}
	}
	return queue.Differing(all)
}
