package redisstore

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

// maxInflight bounds how many jobs in flight are searched for those of one webhook.
const maxInflight = 1000

// Notifications returns the state of a webhook's notifications: the accepted jobs, and their history, with the messages that fell back to
// another channel. Errors: *queue.NotFoundError, queue.ErrUnavailable.
func (s *Store) Notifications(ctx context.Context, webhookID string) (*queue.Notifications, error) {
	out := &queue.Notifications{WebhookID: webhookID, Notifications: []queue.Notification{}, Skipped: []queue.Skipped{}}
	pipe := s.client.Pipeline()
	var records []*redis.StringCmd
	inflight := map[message.Channel]*redis.StringSliceCmd{}
	for _, channel := range message.Channels {
		k := s.keys[channel]
		inflight[channel] = pipe.ZRange(ctx, k.Inflight, 0, maxInflight-1)
		records = append(records, s.records(ctx, pipe, k, webhookID)...)
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	for _, record := range records {
		for _, part := range splitRecord(record.Val()) {
			at := part.acceptedAt()
			if out.AcceptedAt.IsZero() || at.Before(out.AcceptedAt) {
				out.AcceptedAt = at
			}
			jobs, skipped := part.decode(webhookID)
			out.Skipped = append(out.Skipped, skipped...)
			for _, j := range jobs {
				if slices.ContainsFunc(out.Notifications, func(n queue.Notification) bool { return n.ID == j.ID }) {
					continue // of an older generation
				}
				out.Notifications = append(out.Notifications, accepted(j.ID, j.Channel, j.Recipient, at))
			}
		}
	}
	if out.AcceptedAt.IsZero() {
		return nil, &queue.NotFoundError{WebhookID: webhookID}
	}
	sending := map[string]bool{}
	for channel, raws := range inflight {
		for _, raw := range raws.Val() {
			if j, err := job.Decode(channel, []byte(raw)); err == nil {
				sending[j.ID()] = true
			}
		}
	}
	// A message that fell back is known from the log of the job that gave it up, its parent.
	for from := 0; from < len(out.Notifications); {
		moved, err := s.loadLogs(ctx, out.Notifications[from:])
		if err == nil {
			moved, err = s.fallBacks(ctx, moved)
		}
		if err != nil {
			return nil, err
		}
		from = len(out.Notifications)
		out.Notifications = append(out.Notifications, moved...)
	}
	for i := range out.Notifications {
		if n := &out.Notifications[i]; sending[n.ID] {
			n.Status = queue.StatusSending
		}
	}
	return out, nil
}

// accepted is a notification of which nothing is known yet but that it was accepted.
func accepted(id string, channel message.Channel, recipient string, at time.Time) queue.Notification {
	n := queue.Notification{ID: id, Channel: channel, Recipient: recipient, Status: queue.StatusQueued, UpdatedAt: at,
		History: []queue.Event{{At: at, What: "accepted"}}}
	n.Parent, _ = job.Parent(id)
	return n
}

// recordKeys are those under which the record of a channel's webhooks is: on one Redis the first channel's.
func (s *Store) recordKeys(channel message.Channel) Keys {
	for _, channels := range s.slots {
		if slices.Contains(channels, channel) {
			return s.keys[channels[0]]
		}
	}
	return s.keys[channel]
}

// records asks for a webhook's records, the latest first. Redis's clock names the generations, and ours may be off by some: the one after
// is looked at, too.
func (s *Store) records(ctx context.Context, pipe redis.Pipeliner, k Keys, webhookID string) []*redis.StringCmd {
	field, bucket := recordPath(webhookID)
	generation := time.Now().UnixMilli() / max(s.config.DedupeTTL, s.config.StatusTTL).Milliseconds()
	var out []*redis.StringCmd
	for g := generation + 1; g >= generation-1; g-- {
		out = append(out, pipe.HGet(ctx, fmt.Sprintf("%s:seen:%d:%s", k.Base, g, bucket), string(field)))
	}
	return out
}

// loadLogs applies their logs to notifications, and returns those whose message fell back.
func (s *Store) loadLogs(ctx context.Context, notifications []queue.Notification) (moved []queue.Notification, err error) {
	pipe := s.client.Pipeline()
	logs := make([]*redis.SliceCmd, len(notifications))
	for i := range notifications {
		n := &notifications[i]
		webhookID, _, index, err := job.ParseID(n.ID)
		if err != nil {
			return nil, err
		}
		k := s.keys[n.Channel]
		key, name := k.log(webhookID, index, n.History[0].At)
		logs[i] = pipe.HMGet(ctx, key, name, name+":r")
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	for i := range notifications {
		n := &notifications[i]
		both := logs[i].Val()
		if len(both) < 2 {
			continue
		}
		applyLog(n, text(both[0]), text(both[1]))
		if slices.ContainsFunc(n.History, func(e queue.Event) bool { return e.What == stateMoved && e.Channel != "" }) {
			moved = append(moved, *n)
		}
	}
	return moved, nil
}

// fallBacks returns the notifications that came of those whose message fell back: their parents.
func (s *Store) fallBacks(ctx context.Context, parents []queue.Notification) (out []queue.Notification, err error) {
	pipe := s.client.Pipeline()
	records := make([][]*redis.StringCmd, len(parents))
	for i := range parents {
		for _, e := range parents[i].History {
			if _, known := s.keys[e.Channel]; e.What == stateMoved && known {
				records[i] = append(records[i], s.records(ctx, pipe, s.recordKeys(e.Channel), parents[i].ID)...)
			}
		}
	}
	if pipe.Len() == 0 {
		return nil, nil
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable(err)
	}
	for i := range parents {
		for _, record := range records[i] {
			known := splitRecord(record.Val())
			for _, part := range known {
				jobs, _ := part.decode(parents[i].ID)
				for _, j := range jobs {
					out = append(out, accepted(j.ID, j.Channel, j.Recipient, part.acceptedAt()))
				}
			}
			if len(known) > 0 {
				break
			}
		}
	}
	return out, nil
}

// text is a value of an answer as a text; "" for none.
func text(v any) string {
	s, _ := v.(string)
	return s
}

// applyLog applies a job's log, and its delivery reports, to a notification of which only the acceptance is known.
func applyLog(n *queue.Notification, log, reports string) {
	for line := range strings.Lines(log + reports) {
		var e logEntry
		if json.Unmarshal([]byte(line), &e) != nil {
			continue // of another version
		}
		n.Attempts = max(n.Attempts, e.Attempt)
		n.History = append(n.History, queue.Event{
			At: time.UnixMilli(e.At), What: e.State, Attempt: e.Attempt, TookMs: e.TookMs, Provider: e.Provider, MessageID: e.MessageID, Worker: e.Worker, Error: e.Error, Channel: e.Channel,
		})
		if e.EventID != "" {
			continue
		}
		n.Error = e.Error
		if e.Provider != "" {
			n.Provider = e.Provider
		}
		if e.MessageID != "" {
			n.MessageID = e.MessageID
		}
		switch e.State {
		case "sent":
			n.Status, n.Reports = queue.StatusSent, "yes"
			if e.Unreported {
				n.Reports = "no"
			}
		case "failed", "dropped", "deleted":
			n.Status = queue.StatusFailed
		case "suppressed":
			n.Status = queue.StatusSuppressed
		case "held":
			// Until it is due; then it waits like any other.
			if n.Status = queue.StatusQueued; time.Now().UnixMilli() < e.Until {
				n.Status = queue.StatusScheduled
			}
		case stateMoved:
			n.Error = ""
		default:
			n.Status = queue.StatusQueued
		}
	}
	// Delivery reports come late, twice and out of order: the furthest state counts, and a failure only where nothing better is known,
	// and only of the latest send.
	for _, e := range n.History {
		switch e.What {
		case "read":
			n.Status, n.Error = queue.StatusRead, ""
		case "delivered":
			if n.Status != queue.StatusRead {
				n.Status, n.Error = queue.StatusDelivered, ""
			}
		case "undelivered":
			if n.Status == queue.StatusSent && (e.MessageID == "" || strings.HasPrefix(e.MessageID, n.MessageID)) {
				n.Status, n.Error = queue.StatusFailed, e.Error
			}
		}
	}
	slices.SortStableFunc(n.History, func(a, b queue.Event) int { return a.At.Compare(b.At) })
	if last := len(n.History) - 1; last >= 0 {
		n.UpdatedAt = n.History[last].At
	}
}
