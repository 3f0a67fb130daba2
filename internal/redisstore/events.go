package redisstore

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// logEntry is one line of a job's log. The keys are short because there are many of them.
type logEntry struct {
	At        int64  `json:"t"`
	State     string `json:"s"`
	Attempt   int    `json:"n,omitempty"`
	TookMs    int64  `json:"ms,omitempty"`
	Provider  string `json:"p,omitempty"`
	MessageID string `json:"m,omitempty"`
	Worker    string `json:"w,omitempty"`
	Error     string `json:"e,omitempty"`
	// Unreported: nobody will say what became of the message.
	Unreported bool `json:"x,omitempty"`
	// Until is when a job that is held may go out, Unix ms.
	Until int64 `json:"u,omitempty"`
	// EventID is the provider's report's.
	EventID string `json:"i,omitempty"`
}

// event is the line that a settlement adds to the job's log; "" for one that changes nothing a person would ask for.
func event(now time.Time, s *queue.Settlement) string {
	if s.Action == queue.Release || s.Claimed.Job == nil {
		return ""
	}
	state := s.Action.String()
	if s.Action == queue.Complete {
		state = "sent"
	}
	attempt, until := s.Claimed.Job.Attempts+1, int64(0)
	switch s.Action {
	case queue.Hold:
		attempt, until = 0, now.Add(s.Delay).UnixMilli() // nothing was tried
	case queue.Suppress:
		attempt = 0
	}
	line, err := json.Marshal(logEntry{
		At: now.UnixMilli(), State: state, Attempt: attempt, Until: until, TookMs: s.Took.Milliseconds(),
		Provider: s.Provider, MessageID: s.MessageID, Worker: s.Worker, Error: s.Error, Unreported: s.Unreported,
	})
	if err != nil {
		return ""
	}
	return string(line) + "\n"
}

// next returns what the settle script needs to know of a settlement that completes nothing: its action, and the job's bytes as they are kept from now on.
func next(s *queue.Settlement) (action string, raw []byte, err error) {
	switch s.Action {
	case queue.Release:
		return "b", job.Returned(s.Claimed.Raw), nil
	case queue.Drop:
		return "d", nil, nil
	case queue.Suppress:
		return "s", nil, nil
	case queue.Hold:
		action = "h"
	case queue.Retry, queue.Defer:
		action = "r"
	case queue.Fail:
		action = "f"
	default:
		return "", nil, fmt.Errorf("settlement of %q without an action", s.Claimed.Raw)
	}
	if s.Claimed.Job == nil {
		// Bytes that are no job are kept as they are, for a person to look at.
		return action, s.Claimed.Raw, nil
	}
	changed := *s.Claimed.Job
	changed.LastError = s.Error
	changed.Returns++
	if s.Action != queue.Defer && s.Action != queue.Hold {
		changed.Attempts++
	}
	if s.Uncertain {
		changed.Uncertain = true
	}
	raw, err = changed.AppendBinary(make([]byte, 0, len(s.Claimed.Raw)+job.MaxError))
	return action, raw, err
}

// LogEvicted logs jobs that fell off the end of the failed set: the last that is known of them.
func LogEvicted(log *slog.Logger, channel message.Channel, jobs []*job.Job) {
	for _, j := range jobs {
		log.Warn("failed job dropped: the failed set is full (KEEP_FAILED)", "channel", channel, "job", j.ID(), "webhook", j.WebhookID,
			"error", j.LastError)
	}
}
