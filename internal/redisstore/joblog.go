package redisstore

import (
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

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
	// Unreported says that the provider sends no delivery reports for the message.
	Unreported bool `json:"x,omitempty"`
	// Until is when a scheduled job is due, Unix ms.
	Until int64 `json:"u,omitempty"`
	// EventID is that of a delivery report.
	EventID string `json:"i,omitempty"`
	// By is the webhook of the later event, of a message that was superseded or is stale.
	By string `json:"by,omitempty"`
	// Channel is the one that the message has fallen back to. 0.1.0 wrote the id of the job there, as Error.
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

// evictions logs and counts failed jobs that newer ones push out of the failed set.
type evictions struct {
	log   *slog.Logger
	total *prometheus.CounterVec
}

// evictions returns one whose counter is registered with reg. A second call with the same reg has the counter of the first: in ingest, sweeps and
// reports push jobs out.
func (s *Store) evictions(reg prometheus.Registerer) evictions {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ringup_failed_evicted_total", Help: "Failed jobs that fell off the end of the failed set (KEEP_FAILED).",
	}, []string{"channel"})
	var before prometheus.AlreadyRegisteredError
	if err := reg.Register(total); errors.As(err, &before) {
		total = before.ExistingCollector.(*prometheus.CounterVec)
	} else if err != nil {
		panic(err) // as MustRegister does
	}
	for _, channel := range message.Queues {
		total.WithLabelValues(string(channel)) // 0 from the start
	}
	return evictions{log: s.log, total: total}
}

// note logs jobs with their last error, and counts them.
func (e *evictions) note(channel message.Channel, jobs []*job.Job) {
	e.total.WithLabelValues(string(channel)).Add(float64(len(jobs)))
	for _, j := range jobs {
		e.log.Warn("failed job evicted (KEEP_FAILED)", "channel", channel, "job", j.ID(), "webhook", j.WebhookID, "error", j.LastError)
	}
}
