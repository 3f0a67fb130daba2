package redisstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// A message that cannot be delivered falls back to another channel (FALLBACK_CHANNEL) as an enqueue there: a webhook of its own whose id is
// the id of the job that gives it up, its parent. The deduplication makes that happen once, however often it is tried. So a caller enqueues
// first and then ends the parent, with a line in its log; a process that dies in between leaves a parent that does the same again.

// fallBackAgain is how long a failed job waits when its message could not be enqueued on the other channel: each time it is sent on its own
// channel once more, which a provider may charge for.
const fallBackAgain = time.Minute

// fallenBack has the channels that the messages of claimed jobs have fallen back to.
type fallenBack map[*queue.Claimed]message.Channel

// fallsBack returns the channel that takes a job's message over; false when none does, or it is too late for one. Only one direction can be
// configured, so a message that has fallen back does not do so again.
func (s *Store) fallsBack(j *job.Job) (message.Channel, bool) {
	to, configured := s.config.fallback(j.Channel)
	// Within DEDUPE_TTL, since longer ago than that a repetition is not recognized.
	if !configured || time.Since(j.AcceptedAt) >= min(s.config.FallbackWithin, s.config.DedupeTTL) {
		return "", false
	}
	e, err := j.Event()
	if err == nil {
		// An event of version 1 may have more items than one that is encoded.
		_, err = job.Body(e)
	}
	return to, err == nil // an event that cannot be read makes no message on any channel
}

// halfOf returns a context with half of the time that ctx has left, so that a caller can still act when the channel that takes over does not
// answer.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	left := 2 * flushTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return context.WithTimeout(ctx, left/2)
}

// enqueueFallBacks enqueues the messages of jobs, all of one channel, on the channel that takes over. Neither MAX_QUEUE_DEPTH nor a full Redis keeps
// them out: they were accepted. It takes half of ctx's time at most. Errors: queue.ErrUnavailable; then it is not known which are there, and it may
// be called again.
func (s *Store) enqueueFallBacks(ctx context.Context, to message.Channel, jobs []*job.Job) error {
	ctx, cancel := halfOf(ctx)
	defer cancel()
	slot := s.slotOf(to)
	for {
		args := s.enqueueArgs(s.slots[slot])
		args.MaxDepth, args.WasAccepted = 0, true
		n := 0
		for bytes := 0; n < len(jobs) && bytes < groupBytes; n++ {
			item, err := s.falling(to, jobs[n], slot)
			if err != nil {
				return err
			}
			args.Parts = append(args.Parts, item.shares[slot]...)
			bytes += item.bytes
		}
		args.Webhooks = n
		err := s.ask(ctx, &s.scripts.enqueue, args, nil)
		if err != nil && !refused(err) && ctx.Err() == nil {
			err = s.ask(ctx, &s.scripts.enqueue, args, nil) // an answer that was lost
		}
		if err != nil {
			return err
		}
		for _, j := range jobs[:n] {
			s.log.Info("fell back to another channel", "job", j.ID(), "webhook", j.WebhookID, "channel", to)
		}
		if jobs = jobs[n:]; len(jobs) == 0 {
			return nil
		}
	}
}

// falling makes the webhook by which a job's message falls back.
func (s *Store) falling(to message.Channel, j *job.Job, slot int) (*pending, error) {
	e, err := j.Event()
	if err != nil {
		return nil, err // fallsBack has looked
	}
	e.ID = j.ID() // its parent
	body, err := job.Body(e)
	if err != nil {
		return nil, err
	}
	item := &pending{parent: j, shares: make([][]any, len(s.slots)), submission: &queue.Submission{
		Event: e, Priority: j.Priority, AcceptedAt: j.AcceptedAt, Trace: j.Trace,
		Channels: []queue.ChannelSubmission{{Channel: to, Recipients: []message.Recipient{{Address: j.Recipient, Audience: j.Audience}}}},
	}}
	return item, s.encodeWebhook(item, body, slot)
}

// fallBack enqueues the messages of failed jobs that fall back, before the jobs are settled. It returns the settlements, in which a job whose
// message could not be enqueued is deferred instead. The leases are renewed first, so that a worker that has lost one enqueues nothing for
// it, and the others hold until the jobs are settled. Errors: queue.ErrUnavailable, when the leases could not be renewed.
func (c *Consumer) fallBack(ctx context.Context, settlements []queue.Settlement) ([]queue.Settlement, fallenBack, error) {
	var to message.Channel
	var claimed []*queue.Claimed
	for _, s := range settlements {
		if failed, ok := s.Outcome.(queue.Fail); ok && failed.FallBack && s.Claimed.Job != nil {
			if channel, falls := c.store.fallsBack(s.Claimed.Job); falls {
				to, claimed = channel, append(claimed, s.Claimed)
			}
		}
	}
	if len(claimed) == 0 {
		return settlements, nil, nil
	}
	lost, err := c.Renew(ctx, claimed)
	if err != nil {
		return nil, nil, err
	}
	moved, jobs := fallenBack{}, []*job.Job{}
	for i, one := range claimed {
		if !slices.Contains(lost, i) {
			moved[one] = to
			jobs = append(jobs, one.Job)
		}
	}
	if len(jobs) == 0 {
		return settlements, nil, nil
	}
	if err := c.store.enqueueFallBacks(ctx, to, jobs); err != nil {
		c.store.log.Warn("fall-back failed: trying again", "channel", c.channel, "to", to, "jobs", len(jobs), "error", err)
		return c.deferred(settlements, moved), nil, nil
	}
	return settlements, moved, nil
}

// deferred returns the settlements with those of some jobs turned into deferrals.
func (c *Consumer) deferred(settlements []queue.Settlement, jobs fallenBack) []queue.Settlement {
	settlements = slices.Clone(settlements)
	for i := range settlements {
		if to := jobs[settlements[i].Claimed]; to != "" {
			failed, _ := settlements[i].Outcome.(queue.Fail)
			settlements[i].Outcome = queue.Defer{Attempt: failed.Attempt, Delay: fallBackAgain, Error: failed.Error + "; " + string(to) + " could not take it over yet"}
		}
	}
	return settlements
}

// drainMoves carries over the jobs that programs of 0.1 left in base:moves, the way in which they handed messages to another channel. It can
// go with release 0.3, since releases are upgraded one by one.
func (s *Store) drainMoves(ctx context.Context, channel message.Channel) error {
	k := s.keys[channel]
	raws, err := s.client.LRange(ctx, k.Moves, 0, reportBatch-1).Result()
	if err != nil {
		return unavailable(err)
	}
	for _, raw := range raws {
		j, err := job.Decode(channel, []byte(raw))
		if err == nil {
			if err := s.carryOver(ctx, j); err != nil {
				return err
			}
		}
		if err := s.client.LRem(ctx, k.Moves, 1, raw).Err(); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// carryOver lets the message of one job of base:moves fall back, unless the program that left it there had done so already: jobs that came
// over had an index of 10,000 more than before.
func (s *Store) carryOver(ctx context.Context, j *job.Job) error {
	const movedIndex = 10_000
	to, falls := s.fallsBack(j)
	if !falls || j.Index > movedIndex {
		return nil
	}
	over := job.Job{WebhookID: j.WebhookID, Index: j.Index + movedIndex}
	there := s.keys[to]
	arrived, err := s.client.Exists(ctx, there.Base+":moved:"+logName(&over)).Result()
	if err != nil || arrived > 0 {
		return unavailable(err)
	}
	if err := s.enqueueFallBacks(ctx, to, []*job.Job{j}); err != nil {
		return err
	}
	k := s.keys[j.Channel]
	key, field := k.log(j.WebhookID, j.Index, j.AcceptedAt)
	log, err := s.client.HGet(ctx, key, field).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return unavailable(err)
	}
	if line := (logEntry{State: stateMoved, Channel: to}); !strings.Contains(log, `"s":"moved"`) {
		line.At = time.Now().UnixMilli()
		pipe := s.client.Pipeline()
		pipe.HSet(ctx, key, field, log+line.String())
		pipe.PExpire(ctx, key, s.config.StatusTTL)
		_, err = exec(ctx, pipe)
		return unavailable(err)
	}
	return nil
}
