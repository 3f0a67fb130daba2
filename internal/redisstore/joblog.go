package redisstore

import (
	"encoding/json"
	"log/slog"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// logEntry is one line of a job's log. Its keys are short, because there are many lines.
type logEntry struct {
	At        int64  `json:"t"`
	State     string `json:"s"`
	Attempt   int    `json:"n,omitempty"`
	TookMs    int64  `json:"ms,omitempty"`
	Provider  string `json:"p,omitempty"`
	MessageID string `json:"m,omitempty"`
	Worker    string `json:"w,omitempty"`
	Error     string `json:"e,omitempty"`
	// Unreported says that the provider sends no delivery reports.
	Unreported bool `json:"x,omitempty"`
	// Until is when a scheduled job is due, Unix ms.
	Until int64 `json:"u,omitempty"`
	// EventID is that of a delivery report.
	EventID string `json:"i,omitempty"`
	// Channel is the one that the message has fallen back to.
	Channel message.Channel `json:"c,omitempty"`
}

// stateMoved is the state of a job whose message has fallen back to another channel.
const stateMoved = "moved"

// String is the entry as a line.
func (e logEntry) String() string {
	line, err := json.Marshal(e)
	if err != nil {
		return "" // texts and numbers: it cannot be
	}
	return string(line) + "\n"
}

// LogEvicted logs jobs that fell off the end of the failed set, with their last error.
func LogEvicted(log *slog.Logger, channel message.Channel, jobs []*job.Job) {
	for _, j := range jobs {
		log.Warn("failed job dropped: the failed set is full (KEEP_FAILED)", "channel", channel, "job", j.ID(), "webhook", j.WebhookID,
			"error", j.LastError)
	}
}
