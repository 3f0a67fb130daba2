package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// scanBatch is how many jobs are read at a time where many are looked through.
const scanBatch = 500

// List returns jobs of a state, at most limit of them after the first offset: waiting ones of the priority given (0: all, by priority), the
// oldest first; failed and completed ones, the latest first; the others by when they are due, or their leases end. Shared bodies, which may be large,
// are left out: see Matching. Errors: queue.ErrUnavailable, and unknown states.
func (s *Store) List(ctx context.Context, channel message.Channel, state queue.State, priority, offset, limit int) ([]queue.Stored, error) {
	k := s.keys[channel]
	from, to := int64(offset), int64(offset+limit-1)
	var out []queue.Stored
	var err error
	switch state {
	case queue.Waiting:
		out, err = s.waiting(ctx, channel, priority, offset, limit)
	case queue.Retrying, queue.Scheduled, queue.InFlight:
		key := map[queue.State]string{queue.Retrying: k.Retry, queue.Scheduled: k.Held, queue.InFlight: k.Inflight}[state]
		var z []redis.Z
		z, err = s.client.ZRangeWithScores(ctx, key, from, to).Result()
		out = scored(channel, state, z)
	case queue.Failed, queue.Completed:
		key := k.Failed
		if state == queue.Completed {
			key = k.Completed
		}
		var z []redis.Z
		z, err = s.client.ZRevRangeWithScores(ctx, key, from, to).Result()
		out = scored(channel, state, z)
	default:
		return nil, fmt.Errorf("there is no state %q", state)
	}
	return out, unavailable(err)
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
		if _, err := exec(ctx, pipe); err != nil {
			return nil, err
		}
		for _, raw := range raws.Val() {
			out = append(out, stored(channel, queue.Waiting, time.Time{}, raw))
		}
		if len(out) >= limit {
			break
		}
		offset = max(0, offset-int(length.Val()))
	}
	return out, nil
}

func scored(channel message.Channel, state queue.State, z []redis.Z) []queue.Stored {
	out := make([]queue.Stored, 0, len(z))
	for _, one := range z {
		raw, _ := one.Member.(string)
		out = append(out, stored(channel, state, time.UnixMilli(int64(one.Score)), raw))
	}
	return out
}

// unreadable (ms) is added to the score of a failed job whose bytes the scripts do not know: see ended_at in prelude.lua.
const unreadable = 1_000_000_000_000_000

// stored decodes a job as it lies in its list or set.
func stored(channel message.Channel, state queue.State, at time.Time, raw string) queue.Stored {
	if ms := at.UnixMilli(); ms > unreadable {
		at = time.UnixMilli(ms - unreadable)
	}
	one := queue.Stored{Channel: channel, State: state, At: at, Raw: []byte(raw)}
	one.Job, one.Err = job.Decode(channel, one.Raw)
	return one
}

// bodyBytes bounds the shared bodies that are read at a time where many jobs are looked through.
const bodyBytes = 4 << 20

// bodiesArgs are the arguments of bodies.lua.
type bodiesArgs struct {
	Bodies []string `key:"bodies"`
	Max    int      `lua:"max"`
}

// bodiesAnswer is the answer of bodies.lua.
type bodiesAnswer struct {
	Bodies []string `lua:"bodies"`
}

// withBodies hands the jobs of a channel to visit, each with its body, until that says that it is done. A job has its shared body only during the
// call: some megabytes of them are read at a time, and all together may be more than the memory. Errors: queue.ErrUnavailable.
func (s *Store) withBodies(ctx context.Context, jobs []queue.Stored, visit func(*queue.Stored) (done bool)) error {
	var keys, read []string
	shared := func(one *queue.Stored) bool { return one.Job != nil && one.Job.SharedBody }
	for i := range jobs {
		if k := s.keys[jobs[i].Channel]; shared(&jobs[i]) {
			keys = append(keys, k.body(jobs[i].Job))
		}
	}
	for i := range jobs {
		one := &jobs[i]
		if !shared(one) {
			if visit(one) {
				return nil
			}
			continue
		}
		if len(read) == 0 {
			var answer bodiesAnswer
			if err := s.ask(ctx, &s.scripts.bodies, &bodiesArgs{Bodies: keys, Max: bodyBytes}, &answer); err != nil {
				return err
			}
			if len(answer.Bodies) == 0 || len(answer.Bodies) > len(keys) {
				return fmt.Errorf("%w: Redis answered %d bodies of %d", queue.ErrUnavailable, len(answer.Bodies), len(keys))
			}
			read, keys = answer.Bodies, keys[len(answer.Bodies):]
		}
		one.Job.Body, read[0] = []byte(read[0]), ""
		done := visit(one)
		one.Job.Body, read = nil, read[1:]
		if done {
			return nil
		}
	}
	return nil
}

// Matching returns those of the jobs, all of one channel, that match, without shared bodies. matches sees the bodies. Errors: queue.ErrUnavailable.
func (s *Store) Matching(ctx context.Context, jobs []queue.Stored, matches func(*queue.Stored) bool) ([]queue.Stored, error) {
	var matching []queue.Stored
	err := s.withBodies(ctx, jobs, func(one *queue.Stored) bool {
		if matches(one) {
			matching = append(matching, *one)
		}
		return false
	})
	return matching, err
}

// Providers sets the provider of each job's latest attempt, as its log has it. Errors: queue.ErrUnavailable.
func (s *Store) Providers(ctx context.Context, jobs []queue.Stored) error {
	pipe := s.client.Pipeline()
	logs := make([]*redis.StringCmd, len(jobs))
	for i := range jobs {
		if j := jobs[i].Job; j != nil {
			k := s.keys[jobs[i].Channel]
			key, field := k.log(j.WebhookID, j.Index, j.AcceptedAt)
			logs[i] = pipe.HGet(ctx, key, field)
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	if _, err := exec(ctx, pipe); err != nil {
		return unavailable(err)
	}
	for i, log := range logs {
		if log != nil {
			jobs[i].Provider = providerOf(log.Val()) //nolint:gosec // one log for each job
		}
	}
	return nil
}

// providerOf returns the last provider that a job's log names; "" for none.
func providerOf(log string) string {
	lines := strings.Split(log, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		var e logEntry
		if json.Unmarshal([]byte(lines[i]), &e) == nil && e.Provider != "" {
			return e.Provider
		}
	}
	return ""
}

// scan hands the jobs of a state to visit, some hundred at a time, until that says that it is done, or scanAtMost were seen.
func (s *Store) scan(ctx context.Context, channel message.Channel, state queue.State, visit func([]queue.Stored) (done bool, err error)) error {
	for offset := 0; offset < scanAtMost; offset += scanBatch {
		jobs, err := s.List(ctx, channel, state, 0, offset, scanBatch)
		if err != nil {
			return err
		}
		if done, err := visit(jobs); done || err != nil || len(jobs) < scanBatch {
			return err
		}
	}
	return nil
}

// Locate finds a job by its id, wherever it is, with its body; nil when it is nowhere. acceptedAt, when known, finds it among any number that wait;
// without it, the first 10,000 are looked through. Errors: queue.ErrUnavailable, and invalid ids.
func (s *Store) Locate(ctx context.Context, id string, acceptedAt time.Time) (*queue.Stored, error) {
	found, err := s.locate(ctx, id, acceptedAt)
	if err != nil || found == nil || !found.Job.SharedBody {
		return found, err
	}
	if err := s.fetchBodies(ctx, []*job.Job{found.Job}); err != nil {
		return nil, err
	}
	return found, nil
}

func (s *Store) locate(ctx context.Context, id string, acceptedAt time.Time) (found *queue.Stored, err error) {
	_, channel, _, err := job.ParseID(id)
	if err != nil {
		return nil, err
	}
	among := func(jobs []queue.Stored) (done bool, err error) {
		for i := range jobs {
			if jobs[i].Job != nil && jobs[i].Job.ID() == id {
				found = &jobs[i]
			}
		}
		return found != nil, nil
	}
	states := []queue.State{queue.InFlight, queue.Retrying, queue.Scheduled, queue.Failed, queue.Completed}
	if acceptedAt.IsZero() {
		states = append(states, queue.Waiting)
	}
	for _, state := range states {
		if err := s.scan(ctx, channel, state, among); err != nil || found != nil {
			return found, err
		}
	}
	if acceptedAt.IsZero() {
		return nil, nil
	}
	for p := range s.keys[channel].Queue {
		if err := s.findByAcceptTime(ctx, channel, p, acceptedAt, among); err != nil || found != nil {
			return found, err
		}
	}
	return nil, nil
}

// scanAtMost is how many jobs of a set are looked through: as many as KEEP_FAILED is in production.
const scanAtMost = 10_000

// findByAcceptTime looks through the part of a priority list where jobs of that time are: a list is in the order of acceptance, but for
// retries at its head and for jobs that several replicas of ingest accepted in the same moment.
func (s *Store) findByAcceptTime(ctx context.Context, channel message.Channel, list int, at time.Time, visit func([]queue.Stored) (done bool, err error)) error {
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
		if done, err := visit(jobs); done || err != nil {
			return err
		}
	}
	return nil
}

// Search finds jobs that match, or whose provider's message id is id: among the first 10,000 of each state. At most limit are returned, without shared
// bodies; matches sees these, and is called for one job at a time. Errors: queue.ErrUnavailable, *queue.PartialError.
func (s *Store) Search(ctx context.Context, matches func(*queue.Stored) bool, id string, limit int) ([]queue.Stored, error) {
	var one sync.Mutex
	lists, err := fromEach(func(channel message.Channel) ([]queue.Stored, error) {
		if err := s.reach(ctx, channel); err != nil {
			return nil, err
		}
		return s.searchChannel(ctx, channel, func(k *queue.Stored) bool {
			one.Lock()
			defer one.Unlock()
			return matches(k)
		}, id, limit)
	})
	found := slices.Concat(lists...)
	return found[:min(len(found), limit)], err
}

// reach asks whether a channel's keys can be read, for half of ctx's time at most.
func (s *Store) reach(ctx context.Context, channel message.Channel) error {
	ctx, cancel := halfOf(ctx)
	defer cancel()
	return unavailable(s.client.Exists(ctx, s.keys[channel].Halted).Err())
}

func (s *Store) searchChannel(ctx context.Context, channel message.Channel, matches func(*queue.Stored) bool, id string, limit int) (found []queue.Stored, err error) {
	for _, state := range []queue.State{queue.Failed, queue.Retrying, queue.Scheduled, queue.InFlight, queue.Completed, queue.Waiting} {
		err := s.scan(ctx, channel, state, func(jobs []queue.Stored) (done bool, err error) {
			err = s.withBodies(ctx, jobs, func(k *queue.Stored) bool {
				if matches(k) {
					found = append(found, *k)
				}
				return len(found) >= limit
			})
			return len(found) >= limit, err
		})
		if err != nil || len(found) >= limit {
			return found, err
		}
	}
	more, err := s.byMessageID(ctx, channel, id)
	return append(found, more...), err
}

// byMessageID finds completed jobs by the provider's message id, which only their logs have.
func (s *Store) byMessageID(ctx context.Context, channel message.Channel, id string) ([]queue.Stored, error) {
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
	if _, err := exec(ctx, pipe); err != nil {
		return nil, unavailable(err)
	}
	var found []queue.Stored
	for i, log := range logs {
		if log != nil && strings.Contains(log.Val(), strconv.Quote(message.ProviderID(id))) {
			found = append(found, jobs[i])
		}
	}
	return found, nil
}
