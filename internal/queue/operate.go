package queue

import (
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// Place is where a job is.
type Place string

// The places.
const (
	Waiting   Place = "waiting"   // in a priority list
	Retrying  Place = "retry"     // for its next attempt
	Sending   Place = "sending"   // under a lease
	Held      Place = "held"      // until quiet hours end, a recipient may be written to again, or a new day begins
	Failed    Place = "failed"    // given up
	Completed Place = "completed" // sent
)

// Places lists every place, in the order of a job's life.
var Places = []Place{Waiting, Retrying, Held, Sending, Failed, Completed}

// Kept is a job as it lies in its place.
type Kept struct {
	Channel message.Channel
	Place   Place
	// At is when the next attempt is due, the lease ends, or the job ended; zero for one that waits.
	At  time.Time
	Raw []byte
	Job *job.Job // nil when the bytes cannot be read: see Err
	Err error
}

// ChannelState is how a channel is doing just now.
type ChannelState struct {
	Depth
	// RetryDue counts those of Retry whose next attempt is due; the next look at the queue moves them to their lists.
	RetryDue int64 `json:"retry_due"`
	// NextRetry is when the next attempt is due; zero when none waits.
	NextRetry time.Time `json:"next_retry,omitzero"`
	Totals    Totals    `json:"totals"`
	// Breakers of the providers whose breaker is not closed.
	Breakers map[string]BreakerState `json:"breakers"`
	Workers  []WorkerState           `json:"workers"`
}

// Totals count what was settled since the channel was first used.
type Totals struct {
	Sent    int64 `json:"sent"`
	Failed  int64 `json:"failed"`
	Retried int64 `json:"retried"` // attempts that did not succeed and are made again
	Dropped int64 `json:"dropped"`
	// Suppressed were not sent since their recipient gets nothing.
	Suppressed int64 `json:"suppressed"`
	// Held counts each time that a message was held.
	Held int64 `json:"held"`
}

// WorkerState is what a worker says of itself every few seconds.
type WorkerState struct {
	ID          string    `json:"id"` // host and process
	SeenAt      time.Time `json:"seen_at"`
	Sending     int       `json:"sending"`
	Concurrency int       `json:"concurrency"`
	Providers   []string  `json:"providers"`
	RateLimit   float64   `json:"rate_limit"` // messages a second, of all workers together; 0 for none
}

// AuditEntry is something that a person did.
type AuditEntry struct {
	At      time.Time       `json:"at"`
	By      string          `json:"by"`
	Action  string          `json:"action"`
	Channel message.Channel `json:"channel"`
	Target  string          `json:"target,omitempty"`
	Count   int             `json:"count,omitempty"` // jobs
	Why     string          `json:"why,omitempty"`
}
