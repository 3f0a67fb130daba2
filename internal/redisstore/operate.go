package redisstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

const (
	// workerGone is how long after its last sign of life a worker is no longer shown: two of its beats and a half.
	workerGone = 25 * time.Second
	// operateBatch bounds how many jobs one script changes, so that none holds Redis for more than some milliseconds.
	operateBatch = 200
	// scanBatch is how many jobs are read at a time where many are looked through.
	scanBatch = 500
	// maxAudit is how many audit records a channel keeps.
	maxAudit = 1000
	// unreadable (ms) is added to the score of a failed job whose bytes the scripts do not know: see ended_at in prelude.lua.
	unreadable = 1_000_000_000_000_000
)

// State is how a channel is doing just now, in one round trip.
func (s *Store) State(ctx context.Context, channel message.Channel) (*queue.ChannelState, error) {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	depth := k.depth(ctx, pipe)
	next := pipe.ZRangeWithScores(ctx, k.Retry, 0, 0)
	now := pipe.Time(ctx)
	due := pipe.ZCount(ctx, k.Retry, "-inf", strconv.FormatInt(time.Now().UnixMilli(), 10))
	totals, state, workers := pipe.HGetAll(ctx, k.Totals), pipe.HGetAll(ctx, k.State), pipe.HGetAll(ctx, k.Workers)
	// A key of another type is somebody else's: the others are shown all the same, and which one it is.
	foreign, err := foreignKeys(pipe.Exec(ctx))
	if err != nil {
		return nil, unavailable(err)
	}
	out := &queue.ChannelState{Depth: depth(), Breakers: map[string]queue.BreakerState{}, Workers: []queue.WorkerState{}}
	out.Halted = out.Halted.ForeignKeys(foreign)
	out.RetryDue = due.Val()
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
		// By Redis's clock, so that a worker whose own is wrong is not taken for gone.
		seen, said, _ := strings.Cut(text, " ")
		ms, err := strconv.ParseInt(seen, 10, 64)
		w := queue.WorkerState{ID: id}
		if at := time.UnixMilli(ms); err == nil && json.Unmarshal([]byte(said), &w) == nil && now.Val().Sub(at) < workerGone {
			w.SeenAt = at.UTC()
			out.Workers = append(out.Workers, w)
		}
	}
	slices.SortFunc(out.Workers, func(a, b queue.WorkerState) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// foreignKeys names the keys that a pipeline found to be of another type than ringup's: somebody else's, and as good as not there. The error is
// any other.
func foreignKeys(commands []redis.Cmder, _ error) ([]string, error) {
	var names []string
	for _, c := range commands {
		switch err := c.Err(); {
		case err == nil || errors.Is(err, redis.Nil):
		case !refused(err):
			return nil, err
		default:
			if name := fmt.Sprint(c.Args()[1]); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// parseBreaker reads a breaker as the scripts keep it; false for one that is closed.
func parseBreaker(text string) (queue.BreakerState, bool) {
	f := strings.SplitN(text, " ", 8)
	if len(f) < 8 {
		return queue.BreakerState{}, false
	}
	til, _ := strconv.ParseInt(f[1], 10, 64)
	b := queue.BreakerState{Until: time.UnixMilli(til), Reason: f[7]}
	switch {
	case f[0] == "O" && time.Now().Before(b.Until):
		b.State = "open"
	case f[0] == "O":
		b.State = "half-open"
	case f[0] == "R" && time.Now().Before(b.Until):
		b.State = "recovering"
	case f[0] == "H" && time.Now().Before(b.Until):
		b.State = "held"
	default:
		return b, false
	}
	return b, true
}

// Beat says that a worker is alive. A worker that says nothing for a while is taken for gone.
func (c *Consumer) Beat(ctx context.Context, id string, sending, concurrency int) error {
	text, err := json.Marshal(queue.WorkerState{
		ID: id, Sending: sending, Concurrency: concurrency, Providers: c.providers, RateLimit: c.config.RateLimit,
	})
	if err != nil {
		return err
	}
	_, err = c.store.run(ctx, []call{{&c.store.beat, []string{c.keys.Workers}, []any{id, text, workerGone.Milliseconds()}}})
	return err
}

// Gone says that a worker has stopped.
func (c *Consumer) Gone(ctx context.Context, id string) error {
	return unavailable(c.store.client.HDel(ctx, c.keys.Workers, id).Err())
}

// List returns jobs of a place: of the priority given when they wait (0: all, by priority), the oldest first; those that ended, the
// latest first. Errors: queue.ErrUnavailable.
func (s *Store) List(ctx context.Context, channel message.Channel, place queue.State, priority, offset, limit int) ([]queue.Stored, error) {
	k := s.keys[channel]
	from, to := int64(offset), int64(offset+limit-1)
	var out []queue.Stored
	var err error
	switch place {
	case queue.Waiting:
		out, err = s.waiting(ctx, channel, priority, offset, limit)
	case queue.Retrying, queue.Scheduled, queue.InFlight:
		key := map[queue.State]string{queue.Retrying: k.Retry, queue.Scheduled: k.Held, queue.InFlight: k.Inflight}[place]
		var z []redis.Z
		z, err = s.client.ZRangeWithScores(ctx, key, from, to).Result()
		out = scored(channel, place, z)
	case queue.Failed, queue.Completed:
		key := k.Failed
		if place == queue.Completed {
			key = k.Completed
		}
		var z []redis.Z
		z, err = s.client.ZRevRangeWithScores(ctx, key, from, to).Result()
		out = scored(channel, place, z)
	default:
		return nil, fmt.Errorf("there is no place %q", place)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return out, s.addBodies(ctx, out)
}

// waiting returns jobs of the priority lists, as if they were one.
func (s *Store) waiting(ctx context.Context, channel message.Channel, priority, offset, limit int) ([]queue.Stored, error) {
	var out []queue.Stored
	for p, key := range s.keys[channel].Queue {
		if priority != 0 && priority != p+1 {
			continue
		}
		pipe := s.client.Pipeline()
		length := pipe.LLen(ctx, key)
		raws := pipe.LRange(ctx, key, int64(offset), int64(offset+limit-len(out)-1))
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, err
		}
		for _, raw := range raws.Val() {
			out = append(out, kept(channel, queue.Waiting, time.Time{}, raw))
		}
		if len(out) >= limit {
			break
		}
		offset = max(0, offset-int(length.Val()))
	}
	return out, nil
}

func scored(channel message.Channel, place queue.State, z []redis.Z) []queue.Stored {
	out := make([]queue.Stored, 0, len(z))
	for _, one := range z {
		raw, _ := one.Member.(string)
		out = append(out, kept(channel, place, time.UnixMilli(int64(one.Score)), raw))
	}
	return out
}

func kept(channel message.Channel, place queue.State, at time.Time, raw string) queue.Stored {
	if ms := at.UnixMilli(); ms > unreadable {
		at = time.UnixMilli(ms - unreadable)
	}
	k := queue.Stored{Channel: channel, State: place, At: at, Raw: []byte(raw)}
	k.Job, k.Err = job.Decode(channel, k.Raw)
	return k
}

// addBodies fetches the bodies that are stored apart from their jobs.
func (s *Store) addBodies(ctx context.Context, jobs []queue.Stored) error {
	pipe := s.client.Pipeline()
	asked := map[int]*redis.StringCmd{}
	for i, one := range jobs {
		if one.Job != nil && one.Job.SharedBody {
			k := s.keys[one.Channel]
			asked[i] = pipe.HGet(ctx, k.body(one.Job), "b")
		}
	}
	if len(asked) == 0 {
		return nil
	}
	if _, err := foreignKeys(pipe.Exec(ctx)); err != nil {
		return unavailable(err)
	}
	for i, body := range asked {
		jobs[i].Job.Body = []byte(body.Val())
	}
	return nil
}

// scan hands the jobs of a place to visit, some hundred at a time, until it has had enough or atMost were seen.
func (s *Store) scan(ctx context.Context, channel message.Channel, place queue.State, atMost int, visit func(queue.Stored) (enough bool)) error {
	for offset := 0; offset < atMost; offset += scanBatch {
		jobs, err := s.List(ctx, channel, place, 0, offset, min(scanBatch, atMost-offset))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(jobs, visit) {
			return nil
		}
		if len(jobs) < scanBatch {
			return nil
		}
	}
	return nil
}

// Locate finds a job by its id, wherever it is; nil when it is nowhere. acceptedAt, when known, finds it among any number that wait.
func (s *Store) Locate(ctx context.Context, id string, acceptedAt time.Time) (*queue.Stored, error) {
	_, channel, _, err := job.ParseID(id)
	if err != nil {
		return nil, err
	}
	var found *queue.Stored
	is := func(k queue.Stored) bool {
		if k.Job != nil && k.Job.ID() == id {
			found = &k
		}
		return found != nil
	}
	for _, place := range []queue.State{queue.InFlight, queue.Retrying, queue.Scheduled, queue.Failed, queue.Completed} {
		if err := s.scan(ctx, channel, place, maxKept, is); err != nil || found != nil {
			return found, err
		}
	}
	if acceptedAt.IsZero() {
		return nil, s.scan(ctx, channel, queue.Waiting, maxKept, is)
	}
	for p := range s.keys[channel].Queue {
		if err := s.near(ctx, channel, p, acceptedAt, is); err != nil || found != nil {
			return found, err
		}
	}
	return nil, nil
}

// maxKept is how many jobs of a set are looked through: as many as KEEP_FAILED is in production.
const maxKept = 10_000

// near looks through the part of a priority list where jobs of that time are: a list is in the order of acceptance, but for retries at
// its head and for what several replicas of ingest accepted in the same moment.
func (s *Store) near(ctx context.Context, channel message.Channel, list int, at time.Time, visit func(queue.Stored) bool) error {
	key := s.keys[channel].Queue[list]
	length, err := s.client.LLen(ctx, key).Result()
	if err != nil {
		return unavailable(err)
	}
	low, high := int64(0), length
	for low < high {
		middle := (low + high) / 2
		raw, err := s.client.LIndex(ctx, key, middle).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return unavailable(err)
		}
		if accepted, ok := acceptedAt(raw); ok && accepted.Before(at) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for _, offset := range []int{int(max(0, low-scanBatch/2)), 0} {
		jobs, err := s.List(ctx, channel, queue.Waiting, list+1, offset, scanBatch)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(jobs, visit) {
			return nil
		}
	}
	return nil
}

// Search finds jobs whose payload, recipient, last error or provider's message id holds a text: everywhere among those that ended, that
// are being sent or that wait for their next attempt, and among the oldest of those that wait. At most limit are returned.
func (s *Store) Search(ctx context.Context, text string, limit int) ([]queue.Stored, error) {
	var found []queue.Stored
	needle := []byte(text)
	for _, channel := range message.Channels {
		for _, place := range []queue.State{queue.Failed, queue.Retrying, queue.Scheduled, queue.InFlight, queue.Completed, queue.Waiting} {
			err := s.scan(ctx, channel, place, maxKept, func(k queue.Stored) bool {
				if k.Job != nil && (bytes.Contains(k.Job.Body, needle) || bytes.Contains(k.Raw, needle)) {
					found = append(found, k)
				}
				return len(found) >= limit
			})
			if err != nil || len(found) >= limit {
				return found, err
			}
		}
		more, err := s.byMessageID(ctx, channel, text)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// byMessageID finds completed jobs by what the provider called their message, which only their logs have.
func (s *Store) byMessageID(ctx context.Context, channel message.Channel, text string) ([]queue.Stored, error) {
	jobs, err := s.List(ctx, channel, queue.Completed, 0, 0, scanBatch)
	if err != nil || len(jobs) == 0 {
		return nil, err
	}
	pipe := s.client.Pipeline()
	logs := make([]*redis.StringCmd, len(jobs))
	k := s.keys[channel]
	for i, one := range jobs {
		if one.Job != nil {
			key, field := k.log(one.Job.WebhookID, one.Job.Index, one.Job.AcceptedAt)
			logs[i] = pipe.HGet(ctx, key, field)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	var found []queue.Stored
	for i, log := range logs {
		if log != nil && strings.Contains(log.Val(), strconv.Quote(text)) {
			found = append(found, jobs[i])
		}
	}
	return found, nil
}

// Retry puts jobs that failed, are held, or wait for their next attempt, back to the head of their lists, as if they were new. It returns how many
// were still there.
func (s *Store) Retry(ctx context.Context, jobs []queue.Stored, by string) (int, error) {
	return s.change(ctx, "retry", "retried", by, jobs)
}

// Delete removes jobs that failed, completed, are held, or wait for their next attempt. It returns how many were still there.
func (s *Store) Delete(ctx context.Context, jobs []queue.Stored, by string) (int, error) {
	return s.change(ctx, "delete", "deleted", by, jobs)
}

func (s *Store) change(ctx context.Context, action, state, by string, jobs []queue.Stored) (int, error) {
	event, err := eventBy(state, by)
	if err != nil {
		return 0, err
	}
	done := 0
	for len(jobs) > 0 {
		// The first jobs of one channel and place.
		n := 1
		for n < len(jobs) && n < operateBatch && jobs[n].Channel == jobs[0].Channel && jobs[n].State == jobs[0].State {
			n++
		}
		k := s.keys[jobs[0].Channel]
		set := map[queue.State]string{queue.Failed: k.Failed, queue.Retrying: k.Retry, queue.Scheduled: k.Held, queue.Completed: k.Completed}[jobs[0].State]
		if set == "" || action == "retry" && jobs[0].State == queue.Completed {
			return done, fmt.Errorf("a job that is %s cannot be %s", jobs[0].State, state)
		}
		args := []any{k.Base, action, s.config.StatusTTL.Milliseconds(), event, state + " by " + by}
		for _, one := range jobs[:n] {
			args = append(args, one.Raw)
		}
		answers, err := s.run(ctx, []call{{&s.operate, append(append([]string{}, k.Queue[:]...), set, k.Wake), args}})
		if err != nil {
			return done, err
		}
		done += number(answers[0].Val())
		jobs = jobs[n:]
	}
	return done, nil
}

// Purge deletes up to operateBatch waiting jobs of a priority, the oldest first, and returns how many; 0 says that none is left.
func (s *Store) Purge(ctx context.Context, channel message.Channel, priority int, by string) (int, error) {
	event, err := eventBy("deleted", by)
	if err != nil {
		return 0, err
	}
	k := s.keys[channel]
	answers, err := s.run(ctx, []call{{&s.purge, []string{k.Queue[priority-1]}, []any{k.Base, s.config.StatusTTL.Milliseconds(), event, operateBatch}}})
	if err != nil {
		return 0, err
	}
	return number(answers[0].Val()), nil
}

// eventBy is a line for a job's log about what a person did.
func eventBy(state, by string) (string, error) {
	line, err := json.Marshal(logEntry{At: time.Now().UnixMilli(), State: state, Error: "by " + by})
	return string(line) + "\n", err
}

// byHand is how long a breaker stays open that a person opened: until a person closes it.
const byHand = 10 * 365 * 24 * time.Hour

// OpenBreaker keeps a provider from being used until CloseBreaker. only says that the channel has no other provider.
func (s *Store) OpenBreaker(ctx context.Context, channel message.Channel, provider, by string, only bool) error {
	k := s.keys[channel]
	reason := "opened by " + by
	pipe := s.client.Pipeline()
	pipe.HSet(ctx, k.State, "b:"+provider, fmt.Sprintf("O %d 1 0 0 0 0 %s", time.Now().Add(byHand).UnixMilli(), reason))
	if only {
		pipe.HSet(ctx, k.Halted, "breaker", provider+": "+reason)
	}
	_, err := pipe.Exec(ctx)
	return unavailable(err)
}

// CloseBreaker lets a provider be used at once, without a probe.
func (s *Store) CloseBreaker(ctx context.Context, channel message.Channel, provider string) error {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	closed, resumed := pipe.HDel(ctx, k.State, "b:"+provider), pipe.HDel(ctx, k.Halted, "breaker")
	pipe.RPush(ctx, k.Wake, "1")
	_, _ = pipe.Exec(ctx) // as in Resume
	return unavailable(errors.Join(closed.Err(), resumed.Err()))
}

// Record keeps what a person did.
func (s *Store) Record(ctx context.Context, e queue.AuditEntry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	key := s.keys[e.Channel].Audit
	pipe := s.client.Pipeline()
	pipe.LPush(ctx, key, text)
	pipe.LTrim(ctx, key, 0, maxAudit-1)
	_, err = pipe.Exec(ctx)
	return unavailable(err)
}

// Audit returns what people did lately, the latest first.
func (s *Store) Audit(ctx context.Context, limit int) ([]queue.AuditEntry, error) {
	var out []queue.AuditEntry
	for _, channel := range message.Channels {
		texts, err := s.client.LRange(ctx, s.keys[channel].Audit, 0, int64(limit-1)).Result()
		if err != nil {
			return nil, unavailable(err)
		}
		for _, text := range texts {
			var e queue.AuditEntry
			if json.Unmarshal([]byte(text), &e) == nil {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b queue.AuditEntry) int { return b.At.Compare(a.At) })
	return out[:min(len(out), limit)], nil
}
