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

// change is what a settlement does to its job, as the settle script takes it.
type change struct {
	action    string // c complete, r retry or defer, h hold, b back to the list, f fail, d drop, s drop since its recipient is suppressed
	attempt   queue.Attempt
	delay     time.Duration
	error     string
	spends    bool // an attempt
	uncertain bool
	line      logEntry // of the job's log; none for one that is released
	logged    bool
}

// changeOf takes an outcome apart.
func changeOf(now time.Time, j *job.Job, outcome queue.Outcome) (change, error) {
	nth := 0
	if j != nil {
		nth = j.Attempts + 1
	}
	tried := func(action string, a queue.Attempt) change {
		return change{action: action, attempt: a, line: logEntry{State: outcome.Name(), Attempt: nth, TookMs: a.Took.Milliseconds(), Provider: a.Provider, MessageID: a.MessageID}}
	}
	var c change
	switch o := outcome.(type) {
	case queue.Done:
		c = tried("c", o.Attempt)
		c.line.State, c.line.Unreported = "sent", o.NoReports
	case queue.Retry:
		c = tried("r", o.Attempt)
		c.delay, c.error, c.uncertain, c.spends = o.Delay, o.Error, o.Uncertain, true
	case queue.Defer:
		c = tried("r", o.Attempt)
		c.delay, c.error, c.uncertain = o.Delay, o.Error, o.Uncertain
	case queue.Hold:
		c = change{action: "h", delay: o.Delay, error: o.Error, line: logEntry{State: o.Name(), Until: now.Add(o.Delay).UnixMilli()}}
	case queue.Fail:
		c = tried("f", o.Attempt)
		c.error, c.uncertain, c.spends = o.Error, o.Uncertain, true
	case queue.Drop:
		c = change{action: "d", error: o.Error, line: logEntry{State: o.Name(), Attempt: nth}}
	case queue.Suppress:
		c = change{action: "s", error: o.Error, line: logEntry{State: o.Name()}}
	case queue.Release:
		return change{action: "b"}, nil
	default:
		return change{}, fmt.Errorf("settlement with outcome %T", outcome)
	}
	c.line.At, c.line.Error, c.logged = now.UnixMilli(), c.error, j != nil
	return c, nil
}

// event is the line that a settlement adds to the job's log; "" for one that changes nothing a person would ask for.
func event(now time.Time, s *queue.Settlement) string {
	c, err := changeOf(now, s.Claimed.Job, s.Outcome)
	if err != nil || !c.logged {
		return ""
	}
	c.line.Worker = s.Worker
	line, err := json.Marshal(c.line)
	if err != nil {
		return ""
	}
	return string(line) + "\n"
}

// next returns what the settle script needs to know of a settlement that completes nothing: its action, the job's bytes as they are kept from now on, and the delay.
func next(now time.Time, s *queue.Settlement) (action string, raw []byte, delay time.Duration, err error) {
	c, err := changeOf(now, s.Claimed.Job, s.Outcome)
	if err != nil {
		return "", nil, 0, err
	}
	switch {
	case c.action == "b":
		return c.action, job.Returned(s.Claimed.Raw), 0, nil
	case c.action == "d" || c.action == "s":
		return c.action, nil, 0, nil
	case s.Claimed.Job == nil:
		// Bytes that are no job are kept as they are, for a person to look at.
		return c.action, s.Claimed.Raw, c.delay, nil
	}
	changed := *s.Claimed.Job
	changed.LastError = c.error
	changed.Returns++
	if c.spends {
		changed.Attempts++
	}
	changed.Uncertain = changed.Uncertain || c.uncertain
	raw, err = changed.AppendBinary(make([]byte, 0, len(s.Claimed.Raw)+job.MaxError))
	return c.action, raw, c.delay, err
}

// LogEvicted logs jobs that fell off the end of the failed set: the last that is known of them.
func LogEvicted(log *slog.Logger, channel message.Channel, jobs []*job.Job) {
	for _, j := range jobs {
		log.Warn("failed job dropped: the failed set is full (KEEP_FAILED)", "channel", channel, "job", j.ID(), "webhook", j.WebhookID,
			"error", j.LastError)
	}
}
