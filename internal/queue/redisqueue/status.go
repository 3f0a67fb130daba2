package redisqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	type answers struct {
		records  []*redis.StringCmd
		log      *redis.StringCmd
		inflight *redis.StringSliceCmd
	}
	pipe := s.client.Pipeline()
	asked := map[message.Channel]answers{}
	for _, channel := range message.Channels {
		k := s.keys[channel]
		a := answers{log: pipe.Get(ctx, k.Base+":status:"+webhookID), inflight: pipe.ZRange(ctx, k.Inflight, 0, maxInflight-1)}
		for g := generation + 1; g >= generation-1; g-- {
			a.records = append(a.records, pipe.HGet(ctx, fmt.Sprintf("%s:seen:%d:%s", k.Base, g, bucket), string(field)))
		}
		asked[channel] = a
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	found := false
	for _, channel := range message.Channels {
		a := asked[channel]
		for _, record := range a.records {
			text := record.Val()
			if len(text) < recordHeader {
				continue
			}
			found = true
			out.AcceptedAt = millis(text[:6])
			jobs, skipped := decodeRecord(webhookID, channel, text)
			out.Skipped = append(out.Skipped, skipped...)
			out.Notifications = append(out.Notifications, notifications(jobs, out.AcceptedAt, a.log.Val(), s.sending(channel, webhookID, a.inflight.Val()))...)
			break
		}
	}
	if !found {
		return nil, &queue.NotFoundError{WebhookID: webhookID}
	}
	return out, nil
}

// sending finds a webhook's jobs among those that are under a lease, by index.
func (s *Store) sending(channel message.Channel, webhookID string, inflight []string) map[int]bool {
	out := map[int]bool{}
	for _, raw := range inflight {
		if j, err := job.Decode(channel, []byte(raw)); err == nil && j.WebhookID == webhookID {
			out[j.Index] = true
		}
	}
	return out
}

// notifications plays the log of a channel over what was accepted there.
func notifications(jobs []queue.Accepted, acceptedAt time.Time, log string, sending map[int]bool) []queue.Notification {
	out := make([]queue.Notification, len(jobs))
	for i, j := range jobs {
		out[i] = queue.Notification{ID: j.ID, Channel: j.Channel, Recipient: j.Recipient, Status: queue.StatusQueued, UpdatedAt: acceptedAt,
			History: []queue.Event{{At: acceptedAt, What: "accepted"}}}
	}
	for line := range strings.Lines(log) {
		var e logEntry
		if json.Unmarshal([]byte(line), &e) != nil || e.Job < 1 || e.Job > len(out) {
			continue // of another version
		}
		n := &out[e.Job-1]
		at := time.UnixMilli(e.At)
		n.UpdatedAt, n.Error = at, e.Error
		n.Attempts = max(n.Attempts, e.Attempt)
		n.History = append(n.History, queue.Event{
			At: at, What: e.State, Attempt: e.Attempt, TookMs: e.TookMs, Provider: e.Provider, MessageID: e.MessageID, Error: e.Error,
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
		case "failed", "dropped":
			n.Status = queue.StatusFailed
		default:
			n.Status = queue.StatusQueued
		}
	}
	for i := range out {
		if sending[i+1] {
			out[i].Status = queue.StatusSending
		}
	}
	return out
}
