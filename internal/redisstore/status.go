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

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// maxInflight bounds how many jobs in flight are searched for those of one webhook.
const maxInflight = 1000

// Notifications returns the state of a webhook's notifications: the accepted jobs, and their history, with the messages that fell back to
// another channel. Where some channels cannot be asked, the answer is that of the others. Errors: *queue.NotFoundError, queue.ErrUnavailable.
func (s *Store) Notifications(ctx context.Context, webhookID string) (*queue.Notifications, error) {
	out := &queue.Notifications{WebhookID: webhookID, Notifications: []queue.Notification{}, Skipped: []queue.Skipped{}}
	records, inflight, err := s.recordsOf(ctx, webhookID)
	var missing *queue.PartialError
	if errors.As(err, &missing) {
		out.Unavailable = missing.Channels
	} else if err != nil {
		return nil, err
	}
	for _, record := range records {
		s.addRecord(out, record.Val())
	}
	if out.AcceptedAt.IsZero() && missing != nil {
		return nil, err
	}
	if out.AcceptedAt.IsZero() {
		return nil, &queue.NotFoundError{WebhookID: webhookID}
	}
	sending := map[string]bool{}
	for channel, raws := range inflight {
		for _, raw := range raws {
			if j, err := job.Decode(channel, []byte(raw)); err == nil {
				sending[j.ID()] = true
			}
		}
	}
	// A message that fell back is known from the log of the job that gave it up, its parent.
	for from := 0; from < len(out.Notifications); {
		moved, err := s.loadLogs(ctx, out.Notifications[from:])
		if err == nil {
			moved, err = s.fallBacks(ctx, moved, out.Unavailable)
		}
		if err != nil {
			return nil, err
		}
		from = len(out.Notifications)
		for _, n := range moved {
			if !has(out, n.ID) {
				out.Notifications = append(out.Notifications, n)
			}
		}
	}
	for i := range out.Notifications {
		if n := &out.Notifications[i]; sending[n.ID] {
			n.Status = queue.StatusSending
		}
	}
	return out, nil
}

// addRecord adds the accepted jobs and the skipped addresses of a webhook's record.
func (s *Store) addRecord(out *queue.Notifications, record string) {
	for _, part := range splitRecord(record) {
		at := part.acceptedAt()
		if time.Since(at) > 2*s.config.longestTTL() {
			continue // a generation lasts for a day at least; the logs of its messages may be gone
		}
		if out.AcceptedAt.IsZero() || at.Before(out.AcceptedAt) {
			out.AcceptedAt = at
		}
		jobs, skipped := part.decode(out.WebhookID)
		out.Skipped = append(out.Skipped, skipped...)
		for _, j := range jobs {
			if !has(out, j.ID) { // otherwise it is of an older generation
				out.Notifications = append(out.Notifications, accepted(j.ID, j.Channel, j.Recipient, at))
			}
		}
	}
}

func has(out *queue.Notifications, id string) bool {
	return slices.ContainsFunc(out.Notifications, func(n queue.Notification) bool { return n.ID == id })
}

// recordsOf asks every channel for a webhook's records, the latest first, and for what is in flight. Errors: queue.ErrUnavailable, *queue.PartialError.
func (s *Store) recordsOf(ctx context.Context, webhookID string) ([]*redis.StringCmd, map[message.Channel][]string, error) {
	ctx, cancel := halfOf(ctx)
	defer cancel()
	type answer struct {
		channel  message.Channel
		records  []*redis.StringCmd
		inflight *redis.StringSliceCmd
	}
	answers, err := fromEach(func(channel message.Channel) (answer, error) {
		pipe, k := s.client.Pipeline(), s.keys[channel]
		a := answer{channel, s.records(ctx, pipe, k, webhookID), pipe.ZRange(ctx, k.Inflight, 0, maxInflight-1)}
		_, err := exec(ctx, pipe)
		return a, unavailable(err)
	})
	var records []*redis.StringCmd
	inflight := map[message.Channel][]string{}
	for _, a := range answers {
		records, inflight[a.channel] = append(records, a.records...), a.inflight.Val()
	}
	return records, inflight, err
}

// whatAccepted is the first event of every notification.
const whatAccepted = "accepted"

// accepted is a notification of which nothing is known yet but that it was accepted.
func accepted(id string, channel message.Channel, recipient string, at time.Time) queue.Notification {
	n := queue.Notification{ID: id, Channel: channel, Recipient: recipient, Status: queue.StatusQueued, UpdatedAt: at,
		History: []queue.Event{{At: at, What: whatAccepted}}}
	n.Parent, _ = job.Parent(id)
	return n
}

// slotOf returns the index in slots of the channels that one call of enqueue may serve together with this one.
func (s *Store) slotOf(channel message.Channel) int {
	return slices.IndexFunc(s.slots, func(channels []message.Channel) bool { return slices.Contains(channels, channel) })
}

// recordKeys are those under which the record of a channel's webhooks is: on one Redis the first channel's.
func (s *Store) recordKeys(channel message.Channel) Keys {
	return s.keys[s.slots[s.slotOf(channel)][0]]
}

// records asks for a webhook's records, the latest first.
func (s *Store) records(ctx context.Context, pipe redis.Pipeliner, k Keys, webhookID string) []*redis.StringCmd {
	var out []*redis.StringCmd
	for _, key := range event.KeysOf(webhookID) {
		field, bucket := recordPath(key)
		for _, g := range s.config.generations(time.Now()) {
			out = append(out, pipe.HGet(ctx, fmt.Sprintf("%s:seen:%d:%s", k.Base, g, bucket), string(field)))
		}
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
	if _, err := exec(ctx, pipe); err != nil {
		return nil, unavailable(err)
	}
	for i := range notifications {
		n := &notifications[i]
		both := logs[i].Val()
		if len(both) < 2 {
			continue
		}
		applyLog(n, text(both[0]), text(both[1]))
		if slices.ContainsFunc(n.History, func(e queue.Event) bool { return e.MovedTo != "" }) {
			moved = append(moved, *n)
		}
	}
	return moved, nil
}

// fallBacks returns the notifications that came of those whose message fell back: their parents. Channels that are missing are not asked.
func (s *Store) fallBacks(ctx context.Context, parents []queue.Notification, missing []message.Channel) (out []queue.Notification, err error) {
	pipe := s.client.Pipeline()
	records := make([][]*redis.StringCmd, len(parents))
	for i := range parents {
		for _, e := range parents[i].History {
			webhookID, channel, _, err := job.ParseID(e.MovedTo)
			switch {
			case err != nil: // another event, or a channel that this program does not know
			case slices.Contains(missing, channel):
			case webhookID == parents[i].ID:
				records[i] = append(records[i], s.records(ctx, pipe, s.recordKeys(channel), webhookID)...)
			default:
				out = append(out, movedByVersion1(&parents[i], e.MovedTo, channel))
			}
		}
	}
	if pipe.Len() == 0 {
		return out, nil
	}
	if _, err := exec(ctx, pipe); err != nil {
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

// movedByVersion1 returns the notification that came of one whose message 0.1.0 had moved: of a job of the same webhook, without a record of
// its own.
func movedByVersion1(parent *queue.Notification, id string, channel message.Channel) queue.Notification {
	at := parent.UpdatedAt
	for _, e := range parent.History {
		if e.What == whatAccepted {
			at = e.At // the job's log is under this time
		}
	}
	n := accepted(id, channel, parent.Recipient, at)
	n.Parent = parent.ID
	return n
}

// movedTo completes the event of a message that fell back. 0.1.0 wrote the id of the job on the other channel as the error, and no channel.
func movedTo(parent string, e *queue.Event) {
	if e.Channel != "" {
		e.MovedTo = job.ID(parent, e.Channel, 1)
	} else if _, channel, _, err := job.ParseID(e.Error); err == nil {
		e.Channel, e.MovedTo, e.Error = channel, e.Error, ""
	}
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
			At: time.UnixMilli(e.At), What: e.State, Attempt: e.Attempt, TookMs: e.TookMs, Provider: e.Provider, MessageID: e.MessageID, Worker: e.Worker, Error: e.Error, Channel: e.Channel, By: e.By,
		})
		if e.State == stateMoved {
			movedTo(n.ID, &n.History[len(n.History)-1])
		}
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
		case "superseded", "stale":
			n.Status, n.By = queue.Status(e.State), e.By
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
