package redisqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// maxInflight bounds how many of the jobs being sent are looked through for those of one webhook.
const maxInflight = 1000

// Notifications returns the state of a webhook's notifications: what was accepted, and what happened since. Errors:
// *queue.NotFoundError, queue.ErrUnavailable.
func (s *Store) Notifications(ctx context.Context, webhookID string) (*queue.Notifications, error) {
	out := &queue.Notifications{WebhookID: webhookID, Notifications: []queue.Notification{}, Skipped: []queue.Skipped{}}
	field, bucket := place(webhookID)
	period := max(s.config.DedupeTTL, s.config.StatusTTL).Milliseconds()
	// Redis's clock names the generations, and ours may be off by some: look at the one after, too.
	generation := time.Now().UnixMilli() / period
	pipe := s.client.Pipeline()
	var records []*redis.StringCmd
	inflight := map[message.Channel]*redis.StringSliceCmd{}
	for _, channel := range message.Channels {
		k := s.keys[channel]
		inflight[channel] = pipe.ZRange(ctx, k.Inflight, 0, maxInflight-1)
		for g := generation + 1; g >= generation-1; g-- {
			records = append(records, pipe.HGet(ctx, fmt.Sprintf("%s:seen:%d:%s", k.Base, g, bucket), string(field)))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	var logs []*redis.StringCmd
	pipe = s.client.Pipeline()
	for _, record := range records {
		text := record.Val()
		if len(text) < recordHeader {
			continue
		}
		out.AcceptedAt = millis(text[:6])
		jobs, skipped := decodeRecord(webhookID, text)
		out.Skipped = append(out.Skipped, skipped...)
		for _, j := range jobs {
			if slices.ContainsFunc(out.Notifications, func(n queue.Notification) bool { return n.ID == j.ID }) {
				continue // of an older generation
			}
			out.Notifications = append(out.Notifications, queue.Notification{ID: j.ID, Channel: j.Channel, Recipient: j.Recipient,
				Status: queue.StatusQueued, UpdatedAt: out.AcceptedAt, History: []queue.Event{{At: out.AcceptedAt, What: "accepted"}}})
			_, _, index, err := job.ParseID(j.ID)
			if err != nil {
				return nil, err
			}
			k := s.keys[j.Channel]
			key, name := k.log(webhookID, index, out.AcceptedAt)
			logs = append(logs, pipe.HGet(ctx, key, name))
		}
	}
	if out.AcceptedAt.IsZero() {
		return nil, &queue.NotFoundError{WebhookID: webhookID}
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	sending := map[string]bool{}
	for channel, raws := range inflight {
		for _, raw := range raws.Val() {
			if j, err := job.Decode(channel, []byte(raw)); err == nil {
				sending[j.ID()] = true
			}
		}
	}
	for i := range out.Notifications {
		n := &out.Notifications[i]
		play(n, logs[i].Val())
		if sending[n.ID] {
			n.Status = queue.StatusSending
		}
	}
	return out, nil
}

// play plays a job's log over what was accepted.
func play(n *queue.Notification, log string) {
	for line := range strings.Lines(log) {
		var e logEntry
		if json.Unmarshal([]byte(line), &e) != nil {
			continue // of another version
		}
		at := time.UnixMilli(e.At)
		n.UpdatedAt, n.Error = at, e.Error
		n.Attempts = max(n.Attempts, e.Attempt)
		n.History = append(n.History, queue.Event{
			At: at, What: e.State, Attempt: e.Attempt, TookMs: e.TookMs, Provider: e.Provider, MessageID: e.MessageID, Worker: e.Worker, Error: e.Error,
		})
		if e.Provider != "" {
			n.Provider = e.Provider
		}
		if e.MessageID != "" {
			n.MessageID = e.MessageID
		}
		switch e.State {
		case "sent":
			n.Status = queue.StatusSent
		case "failed", "dropped", "deleted":
			n.Status = queue.StatusFailed
		default:
			n.Status = queue.StatusQueued
		}
	}
}
