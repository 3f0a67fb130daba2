package queue

import "time"

// Minute has what happened on a channel within one minute, by Redis's clock.
type Minute struct {
	At          time.Time `json:"at"` // when it began
	Accepted    int64     `json:"accepted"`
	Sent        int64     `json:"sent"`
	Failed      int64     `json:"failed"`      // given up
	Retried     int64     `json:"retried"`     // attempts that did not succeed and are made again
	Dropped     int64     `json:"dropped"`     // not sent by the shop's own rules, suppressed ones among them
	Evicted     int64     `json:"evicted"`     // fell off the end of the failed set (KEEP_FAILED)
	Delivered   int64     `json:"delivered"`   // as providers report, read ones among them
	Undelivered int64     `json:"undelivered"` // as providers report
	Micros      int64     `json:"micros"`      // what the messages cost, in millionths of PRICE_CURRENCY
	// Delays count sent messages by the time from accepted to sent: up to DelayBounds of the same place, the last one any longer time.
	Delays [len(DelayBounds) + 1]int64 `json:"delays"`
	// Looks is how often the waiting jobs were looked at; 0 where nobody did.
	Looks int64 `json:"looks"`
	// Waiting and Oldest are the most jobs that waited, and the longest time that one had, of the moments within the minute that were looked at.
	Waiting int64         `json:"waiting"`
	Oldest  time.Duration `json:"oldest"`
}

// DelayBounds are the bounds of Minute.Delays.
var DelayBounds = [...]time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute}

// MinutesKept is for how long a Minute is kept.
const MinutesKept = 48 * time.Hour

// Add adds what happened in another minute; At stays. Of Waiting and Oldest the larger one counts.
func (m *Minute) Add(other *Minute) {
	m.Accepted += other.Accepted
	m.Sent += other.Sent
	m.Failed += other.Failed
	m.Retried += other.Retried
	m.Dropped += other.Dropped
	m.Evicted += other.Evicted
	m.Delivered += other.Delivered
	m.Undelivered += other.Undelivered
	m.Micros += other.Micros
	m.Looks += other.Looks
	for i, n := range other.Delays {
		m.Delays[i] += n
	}
	m.Waiting, m.Oldest = max(m.Waiting, other.Waiting), max(m.Oldest, other.Oldest)
}

// MarkKind is what happened at a Mark.
type MarkKind string

// The kinds of Mark.
const (
	MarkPaused  MarkKind = "paused"
	MarkResumed MarkKind = "resumed"
	MarkOpened  MarkKind = "breaker opened"
	MarkClosed  MarkKind = "breaker closed"
	MarkVersion MarkKind = "new version" // a program of a version that was not there before
)

// Mark is a moment at which something changed that explains a graph.
type Mark struct {
	At   time.Time `json:"at"`
	Kind MarkKind  `json:"kind"`
	What string    `json:"what,omitempty"` // the provider; the program and its version; or why an operator paused
	By   string    `json:"by,omitempty"`   // the operator; "" where it happened by itself
}
