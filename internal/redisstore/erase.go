package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
)

const (
	// forgetSlack is by how much a list may have grown between a look at a part of it and the deletion of the jobs found there; jobs that
	// are further away by then are met again, further on.
	forgetSlack = 500
	// maxSending is how many of a person's jobs in flight are named.
	maxSending = 100
	// maxRounds is how many looks at a part one call takes, also where it meets no job.
	maxRounds = 1000
)

// The places beside the states of jobs that may hold a person. TestNobodyIsLeft plants a person in all of them.
const (
	inOutbox     queue.State = "outbox"     // the messages that the sandbox took
	inCopies     queue.State = "copies"     // the redelivery copies of sent jobs
	inBodies     queue.State = "bodies"     // the shared bodies that are kept for redelivery copies
	inMoves      queue.State = "moves"      // the jobs that 0.1.0 let fall back
	inAside      queue.State = "aside"      // the webhooks that are set aside; of no channel
	onSuppressed queue.State = "suppressed" // the suppression list; it keeps the person, by name, and no link to their other names
)

// forgetArgs are the arguments of forget.lua.
type forgetArgs struct {
	From  string      `key:"jobs"` // a priority list, or a sorted set
	Base  string      `lua:"base"`
	First int64       `lua:"first"` // of a list: the part that the jobs are in, counted from its end
	Last  int64       `lua:"last"`
	Rows  []forgetRow `lua:"job"`
}

// forgetRow is a job to delete, and the name of its recipient.
type forgetRow struct {
	Raw  []byte `lua:"raw"`
	Name string `lua:"name"`
}

// forgetAnswer is the answer of forget.lua.
type forgetAnswer struct {
	Deleted int `lua:"deleted"`
}

// forgetStep is one list or set that is walked.
type forgetStep struct {
	channel message.Channel
	state   queue.State
	list    int  // of waiting jobs: the priority
	again   bool // walked before; nothing is counted twice
}

// forgetSteps are the places that may hold a person. What has no place here holds names (base:suppressed, base:recent, base:reports), masked addresses
// (base:seen, base:audit) or nothing of a person; of a sender's deliveries, ids and headers are kept. They are in the order of a job's life, so that one that moves on meanwhile is met in its next state. Jobs also come back from
// retry to their lists, so retry is walked on either side of them; and jobs in flight are named before and after.
var forgetSteps = func() []forgetStep {
	var steps []forgetStep
	for _, c := range message.Queues {
		steps = append(steps, forgetStep{channel: c, state: queue.InFlight}, forgetStep{channel: c, state: queue.Retrying})
		for p := 1; p <= 4; p++ {
			steps = append(steps, forgetStep{channel: c, state: queue.Waiting, list: p})
		}
		steps = append(steps, forgetStep{channel: c, state: queue.Scheduled}, forgetStep{channel: c, state: queue.Retrying, again: true}, forgetStep{channel: c, state: queue.InFlight, again: true},
			forgetStep{channel: c, state: queue.Failed}, forgetStep{channel: c, state: queue.Completed}, forgetStep{channel: c, state: inMoves},
			forgetStep{channel: c, state: inCopies}, forgetStep{channel: c, state: inBodies}, forgetStep{channel: c, state: inOutbox}, forgetStep{channel: c, state: onSuppressed})
	}
	return append(steps, forgetStep{state: inAside})
}()

// Forget looks through a part of everything for a person's data, and deletes it: jobs, with their bodies, logs and redelivery copies, and the messages
// in the outbox. Call it with the Next of its answer until that is empty; after a cancelled ctx it may be called with the same From. No script holds
// Redis for longer than one pass over a priority list takes: some 20 ms where a million jobs wait. A webhook's deduplication record stays:
// it has masked addresses alone, and makes a repetition by the POS a duplicate. Errors: queue.ErrUnavailable, and a From that
// is no Next.
func (s *Store) Forget(ctx context.Context, r queue.ForgetRequest) (queue.Forgotten, error) {
	found := queue.Forgotten{Sending: []string{}}
	step, at, err := readNext(r.From)
	if err != nil {
		return found, err
	}
	for round := 0; step < len(forgetSteps); round++ {
		if found.Seen >= r.AtMost || round >= maxRounds {
			found.Next = strconv.Itoa(step) + " " + strconv.FormatUint(at, 10)
			return found, nil
		}
		through := true
		if of := forgetSteps[step]; !of.again || !r.DryRun {
			if at, through, err = s.forget(ctx, &r, of, at, &found); err != nil {
				return found, err
			}
		}
		if through {
			step, at = step+1, 0
		}
	}
	return found, nil
}

// readNext takes a Next apart.
func readNext(from string) (step int, at uint64, err error) {
	if from == "" {
		return 0, 0, nil
	}
	first, second, _ := strings.Cut(from, " ")
	if step, err = strconv.Atoi(first); err == nil {
		at, err = strconv.ParseUint(second, 10, 62)
	}
	if err != nil || step < 0 || step >= len(forgetSteps) {
		return 0, 0, fmt.Errorf("%q is nowhere to go on from", from)
	}
	return step, at, nil
}

// forget looks at some hundred jobs of a step from a position, deletes those of the person, and returns the next position, or that the step
// is through.
func (s *Store) forget(ctx context.Context, r *queue.ForgetRequest, step forgetStep, at uint64, found *queue.Forgotten) (next uint64, through bool, err error) {
	k := s.keys[step.channel]
	switch step.state {
	case queue.Waiting:
		return s.forgetWaiting(ctx, r, step, int64(at), found)
	case inAside:
		return s.forgetAside(ctx, r, int64(at), found)
	case inOutbox:
		return s.forgetOutbox(ctx, r, k.Outbox, int64(at), found)
	case inMoves:
		return s.forgetMoves(ctx, r, step.channel, found)
	case inCopies:
		return s.forgetCopies(ctx, r, step.channel, at, found)
	case inBodies:
		return s.forgetBodies(ctx, r, step.channel, at, found)
	case onSuppressed:
		if r.DryRun {
			return 0, true, nil
		}
		return 0, true, errors.Join(s.rekeyAll(ctx, step.channel), s.forgetAliases(ctx, step.channel, r.Person.Address()))
	}
	key := map[queue.State]string{queue.InFlight: k.Inflight, queue.Retrying: k.Retry, queue.Scheduled: k.Held, queue.Failed: k.Failed, queue.Completed: k.Completed}[step.state]
	pairs, next, err := s.client.ZScan(ctx, key, at, "", scanBatch).Result()
	if err != nil {
		return 0, false, unavailable(err)
	}
	var jobs []queue.Stored
	for i := 0; i < len(pairs); i += 2 {
		jobs = append(jobs, stored(step.channel, step.state, time.Time{}, pairs[i]))
	}
	owned, err := s.owned(ctx, r, jobs, found)
	if err != nil {
		return 0, false, err
	}
	if step.state == queue.InFlight {
		for _, one := range owned {
			if one.Job != nil && len(found.Sending) < maxSending {
				found.Add(queue.Forgotten{Sending: []string{one.Job.ID()}})
			}
		}
		return next, next == 0, nil
	}
	deleted, err := s.forgetJobs(ctx, r, k, key, owned, 0, 0)
	count := map[queue.State]*int{queue.Retrying: &found.Retry, queue.Scheduled: &found.Held, queue.Failed: &found.Failed, queue.Completed: &found.Completed}[step.state]
	*count += deleted
	return next, next == 0, err
}

// forgetWaiting looks at a part of a priority list, by its distance from the end: jobs leave at the head, so the rest stays where it is;
// those that come meanwhile only make some be looked at twice.
func (s *Store) forgetWaiting(ctx context.Context, r *queue.ForgetRequest, step forgetStep, at int64, found *queue.Forgotten) (uint64, bool, error) {
	k := s.keys[step.channel]
	key := k.Queue[step.list-1]
	from, til := -at-scanBatch, -at-1
	raws, err := s.client.LRange(ctx, key, from, til).Result()
	if err != nil || len(raws) == 0 {
		return 0, true, unavailable(err)
	}
	jobs := make([]queue.Stored, 0, len(raws))
	for _, raw := range raws {
		jobs = append(jobs, stored(step.channel, queue.Waiting, time.Time{}, raw))
	}
	owned, err := s.owned(ctx, r, jobs, found)
	if err != nil {
		return 0, false, err
	}
	deleted, err := s.forgetJobs(ctx, r, k, key, owned, from-forgetSlack, til)
	found.Waiting += deleted
	if r.DryRun {
		deleted = 0 // all of them are where they were
	}
	// A part that is not full began at the head.
	return uint64(at + int64(len(raws)-deleted)), len(raws) < scanBatch, err
}

// forgetOutbox looks at a part of the messages that the sandbox took, the latest first.
func (s *Store) forgetOutbox(ctx context.Context, r *queue.ForgetRequest, key string, at int64, found *queue.Forgotten) (uint64, bool, error) {
	texts, err := s.client.LRange(ctx, key, at, at+scanBatch-1).Result()
	if err != nil || len(texts) == 0 {
		return 0, true, unavailable(err)
	}
	for _, text := range texts {
		var e sandbox.Entry
		if json.Unmarshal([]byte(text), &e) != nil || !r.Person.Owns(message.Address(e.To), nil) {
			at++
			continue
		}
		found.Outbox++
		if r.DryRun {
			at++
		} else if err := s.client.LRem(ctx, key, 1, text).Err(); err != nil {
			return 0, false, unavailable(err)
		}
	}
	return uint64(at), len(texts) < scanBatch, nil
}

// forgetMoves deletes the person's jobs among those that 0.1.0 let fall back. Ingest carries the others over within a second.
func (s *Store) forgetMoves(ctx context.Context, r *queue.ForgetRequest, channel message.Channel, found *queue.Forgotten) (uint64, bool, error) {
	k := s.keys[channel]
	raws, err := s.client.LRange(ctx, k.Moves, 0, -1).Result()
	if err != nil || len(raws) == 0 {
		return 0, true, unavailable(err)
	}
	jobs := make([]queue.Stored, 0, len(raws))
	for _, raw := range raws {
		jobs = append(jobs, stored(channel, inMoves, time.Time{}, raw))
	}
	owned, err := s.owned(ctx, r, jobs, found)
	if err != nil || r.DryRun {
		found.Failed += len(owned)
		return 0, err == nil, err
	}
	for _, one := range owned {
		n, err := s.client.LRem(ctx, k.Moves, 1, one.Raw).Result()
		if found.Failed += int(n); err != nil {
			return 0, false, unavailable(err)
		}
	}
	return 0, true, nil
}

// forgetCopies looks at some of the redelivery copies, and deletes the person's: a report would have them sent again. They count as completed jobs,
// unless the job itself was one: then they went with it.
func (s *Store) forgetCopies(ctx context.Context, r *queue.ForgetRequest, channel message.Channel, at uint64, found *queue.Forgotten) (uint64, bool, error) {
	names, next, err := s.scanKeys(ctx, s.keys[channel].Base, ":kept:*", at)
	if err != nil || len(names) == 0 {
		return next, next == 0, unavailable(err)
	}
	pipe := s.client.Pipeline()
	texts := make([]*redis.StringCmd, len(names))
	for i, name := range names {
		texts[i] = pipe.Get(ctx, name)
	}
	if _, err := foreignKeys(exec(ctx, pipe)); err != nil {
		return 0, false, unavailable(err)
	}
	for i, text := range texts {
		raw, is := copyOf(text.Val())
		if !is {
			continue
		}
		owned, err := s.owned(ctx, r, []queue.Stored{stored(channel, inCopies, time.Time{}, raw)}, found)
		if err != nil {
			return 0, false, err
		}
		if len(owned) == 0 {
			continue
		}
		found.Completed++
		if r.DryRun {
			continue
		}
		if err := s.client.Del(ctx, names[i]).Err(); err != nil {
			return 0, false, unavailable(err)
		}
	}
	return next, next == 0, nil
}

// forgetBodies looks at some of the shared bodies, and deletes those about the person that no job refers to: they were kept for redelivery copies, which are
// deleted by now. They count as nothing, since their jobs or copies did.
func (s *Store) forgetBodies(ctx context.Context, r *queue.ForgetRequest, channel message.Channel, at uint64, found *queue.Forgotten) (uint64, bool, error) {
	if r.DryRun {
		return 0, true, nil
	}
	names, next, err := s.scanKeys(ctx, s.keys[channel].Base, ":body:*", at)
	if err != nil || len(names) == 0 {
		return next, next == 0, unavailable(err)
	}
	found.Seen += len(names)
	pipe := s.client.Pipeline()
	counts := make([]*redis.StringCmd, len(names))
	for i, name := range names {
		counts[i] = pipe.HGet(ctx, name, "n")
	}
	if _, err := foreignKeys(exec(ctx, pipe)); err != nil {
		return 0, false, unavailable(err)
	}
	for i, name := range names {
		if n, err := counts[i].Int(); err != nil || n > 0 {
			continue
		}
		// One at a time, since they are large.
		body, err := s.client.HGet(ctx, name, "b").Bytes()
		if err != nil && !errors.Is(err, redis.Nil) {
			return 0, false, unavailable(err)
		}
		if about, err := event.Decode(body); err != nil || !r.Person.Owns("", about) {
			continue
		}
		if err := s.client.Del(ctx, name).Err(); err != nil {
			return 0, false, unavailable(err)
		}
	}
	return next, next == 0, nil
}

// copyOf returns the job of a redelivery copy: behind the delay, whether it may fall back, and the provider's message id (see redeliveryCopy).
func copyOf(text string) (raw string, is bool) {
	parts := strings.SplitN(text, " ", 4)
	if len(parts) < 4 {
		return "", false
	}
	return parts[3], true
}

// node returns the Redis that has the keys of a base, for commands that name no key: in a cluster those go to any shard.
func (s *Store) node(ctx context.Context, base string) (redis.Cmdable, error) {
	if cluster, is := s.client.(*redis.ClusterClient); is {
		return cluster.MasterForKey(ctx, base)
	}
	return s.client, nil
}

// scanKeys returns some of the keys with a base and a pattern behind it, from a cursor on, and the next cursor, 0 at the end.
func (s *Store) scanKeys(ctx context.Context, base, pattern string, cursor uint64) ([]string, uint64, error) {
	node, err := s.node(ctx, base)
	if err != nil {
		return nil, 0, err
	}
	return node.Scan(ctx, cursor, base+pattern, scanBatch).Result()
}

// owned picks the person's jobs. Of a job whose event cannot be read the recipient alone decides.
func (s *Store) owned(ctx context.Context, r *queue.ForgetRequest, jobs []queue.Stored, found *queue.Forgotten) ([]queue.Stored, error) {
	found.Seen += len(jobs)
	return s.Matching(ctx, jobs, func(one *queue.Stored) bool {
		if one.Job == nil {
			return false
		}
		about, err := one.Job.Event()
		if err != nil {
			about = nil // its body is gone, or is no event; the recipient is all there is
		}
		return r.Person.Owns(one.Job.Recipient, about)
	})
}

// forgetJobs deletes jobs of a list, between two positions, or of a set, and returns how many were still there. A dry run counts them.
func (s *Store) forgetJobs(ctx context.Context, r *queue.ForgetRequest, k Keys, key string, jobs []queue.Stored, from, til int64) (int, error) {
	if r.DryRun {
		return len(jobs), nil
	}
	deleted := 0
	namer, err := s.namer(ctx)
	if err != nil {
		return 0, err
	}
	for len(jobs) > 0 {
		n := min(len(jobs), operateBatch)
		args := forgetArgs{From: key, Base: k.Base, First: from, Last: til}
		for _, one := range jobs[:n] {
			args.Rows = append(args.Rows, forgetRow{one.Raw, namer.names(one.Job.Recipient)[0]})
		}
		var answer forgetAnswer
		if err := s.ask(ctx, &s.scripts.forget, &args, &answer); err != nil {
			return deleted, err
		}
		deleted += answer.Deleted
		jobs = jobs[n:]
	}
	return deleted, nil
}
