// Package queue is the contract between ingest, the workers and the store of the jobs in between. Its one implementation is
// redisstore; queuetest is the contract as tests.
//
// Delivery is at least once. An accepted job is in exactly one of: a priority list, the retry set, the scheduled set, the inflight set (with
// a lease), the failed set, the completed set; every move between them is atomic. The exception is a sent job of which the provider reports
// later that the message did not arrive: it may stay in the completed set, while a copy of it is in one of the others. A worker that has a job
// for longer than its lease has lost it: its settlement is refused (Settled.Lost), and another worker may send the message again.
package queue

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// ErrUnavailable means that the store could not be reached, or did not answer: the call may have had its effect, or not. Enqueue may
// be repeated safely.
var ErrUnavailable = errors.New("the queue is unavailable")

// ErrReadOnly means that the store answers and takes no writes: it is a replica by now. It is an ErrUnavailable.
var ErrReadOnly = fmt.Errorf("%w: Redis takes no writes", ErrUnavailable)

// PartialError means that some channels could not be asked, as where one shard of a cluster is down. The answer beside it is that of the others.
// It is the channels' error, too: who does not look for it takes the whole as unavailable.
type PartialError struct {
	Channels []message.Channel
	Err      error
}

func (e *PartialError) Error() string {
	return fmt.Sprintf("of %v nothing is known: %v", e.Channels, e.Err)
}

func (e *PartialError) Unwrap() error { return e.Err }

// FullError means that a channel's queue is at its maximum depth and took nothing.
type FullError struct {
	Channel message.Channel
	Depth   int
}

func (e *FullError) Error() string {
	return fmt.Sprintf("the %s queue is full: %d jobs are waiting", e.Channel, e.Depth)
}

// Submission is all the jobs of one event.
type Submission struct {
	Event      *event.Event // not changed by Enqueue, which may still read it after it returned an error. Its id has 1 to event.MaxID bytes; more only where a message falls back: then it is a job's
	Priority   int          // 1 to 4
	AcceptedAt time.Time
	Trace      string // W3C traceparent or ""
	// HappenedAt is when the event happened, by its sender; zero where it gave no time that can be read. It decides, of two events of a sale (store, sender and
	// order id), which is the older one.
	HappenedAt time.Time
	// Coalesce is how long the messages of an OrderCreate or OrderUpdate wait for a later event of the sale, which takes their place; 0: not at all.
	Coalesce time.Duration
	Channels []ChannelSubmission
}

// ChannelSubmission is an event's part on one channel.
type ChannelSubmission struct {
	Channel    message.Channel
	Recipients []message.Recipient
	Skipped    []Skipped
}

// Skipped is a message that is not sent, and why. It is stored in the webhook's deduplication record.
type Skipped struct {
	Channel message.Channel `json:"channel"`
	Address string          `json:"recipient"` // masked
	Reason  string          `json:"reason"`
}

// Acceptance is the answer to a Submission.
type Acceptance struct {
	// Duplicate is set when every channel already had the webhook, and nothing was added. Jobs and Skipped are then those of
	// the first time.
	Duplicate bool
	Jobs      []Accepted
	Skipped   []Skipped
	// Stale are the messages that were not added, because a later event of the sale was accepted before. They are among no Jobs.
	Stale []Stale
}

// Stale is a message that is not sent, because its event is older than another one of the sale.
type Stale struct {
	Accepted
	By string `json:"by"` // the webhook of the other one
}

// Accepted is a job that is in the queue, or was put there by the same webhook earlier.
type Accepted struct {
	ID        string          `json:"id"`
	Channel   message.Channel `json:"channel"`
	Recipient string          `json:"recipient"` // masked
}

// ReapGrace is how long the store has to have answered before a program lets leases be reaped: while it was away, leases ended that their
// holders can still renew or settle, and do at once.
const ReapGrace = 2 * time.Second

// ClaimRequest asks for jobs.
type ClaimRequest struct {
	Max int // at most so many jobs; 0 asks only for the housekeeping
	// Bytes is how much the shared bodies of the jobs may add up to, each counted with every job; the first job is claimed however large it is, unless Bytes is
	// below 0. 0 for no bound.
	Bytes int64
	// Reap allows to reap ended leases: see ReapGrace.
	Reap bool
}

// Claim is the answer to a ClaimRequest.
type Claim struct {
	Jobs []*Claimed
	// Provider is the index, in the configured order, of the provider that takes the jobs; -1 when none may be used now.
	Provider int
	// Wait is for how long there will be nothing to claim, unless something is enqueued: until the next job is due, the rate limit
	// gives a token, a breaker lets a probe through. 0 means that more can be claimed at once; below 0, that no such time is known.
	Wait time.Duration
	// Halted says why nothing may be claimed; "" when it may.
	Halted string
	// Full is set when jobs wait because of ClaimRequest.Bytes.
	Full bool
	// Throttled is set when jobs wait because of the rate limit.
	Throttled bool
	// Promoted and Reaped count the due jobs and the ended leases that were moved. SetAside are those of the latter that went to the
	// failed set, because their lease ended too often, or once under ON_UNCERTAIN=fail; the others went back to the lists.
	Promoted, Reaped, SetAside int
	// Evicted are failed jobs that fell off the end of the failed set.
	Evicted []*job.Job
}

// Claimed is a job under a lease.
type Claimed struct {
	Job *job.Job // nil when the bytes could not be read: see Err
	Err error    // job.ErrVersion or job.ErrCorrupt
	// Raw are the bytes as stored: the name of the lease.
	Raw []byte
	// Probe is set when the job tries out a provider whose breaker is half-open, and Provider is its index.
	Probe    bool
	Provider int
	// Suppressed are the recipient's entries on the channel's suppression list.
	Suppressed []suppress.Entry
	// LimitedUntil is when a recipient who got RECIPIENT_LIMIT messages within an hour may be written to again; zero for all others.
	LimitedUntil time.Time
}

// Settled is the answer to a batch of settlements.
type Settled struct {
	// Lost are the settlements, by index, whose lease had ended: nothing was changed for them.
	Lost []int
	// Evicted are failed jobs that fell off the end of the failed set.
	Evicted []*job.Job
	// Breakers are the states after the batch, by provider name; a closed breaker is left out.
	Breakers map[string]BreakerState
}

// The states of a breaker, as the admin API has them. A closed one is left out.
const (
	BreakerOpen       = "open"
	BreakerHalfOpen   = "half-open"  // its pause is over: one probe at a time
	BreakerRecovering = "recovering" // it has closed, and gets its messages back by degrees
	BreakerThrottled  = "held"       // the provider answered 429, and is not used until the time it named
)

// BreakerState is the state of a provider's circuit breaker, shared by all replicas.
type BreakerState struct {
	State  string    `json:"state"`
	Until  time.Time `json:"until"` // open: when a probe may go out
	Reason string    `json:"reason,omitempty"`
}

// Depth is how many jobs are where.
type Depth struct {
	Waiting   [4]int64 `json:"waiting"` // by priority, 1 first
	Retry     int64    `json:"retry"`
	Held      int64    `json:"held"` // scheduled: until quiet hours end, a recipient may be written to again, or a new day begins
	Inflight  int64    `json:"inflight"`
	Failed    int64    `json:"failed"`
	Completed int64    `json:"completed"`
	// Oldest is the age of the job at the head of each list; 0 when the list is empty.
	Oldest [4]time.Duration `json:"oldest"`
	Halted Halt             `json:"halted,omitzero"`
}

// NotFoundError means that a webhook is unknown: it was never accepted, or longer ago than STATUS_TTL.
type NotFoundError struct{ WebhookID string }

func (e *NotFoundError) Error() string {
	return "nothing is known of webhook " + strconv.Quote(e.WebhookID)
}

// Status of a notification.
type Status string

// The statuses that the queue knows of.
const (
	StatusQueued    Status = "queued"  // it waits, perhaps for its next attempt
	StatusSending   Status = "sending" // a worker has it
	StatusSent      Status = "sent"    // a provider took it
	StatusFailed    Status = "failed"  // given up, dropped as too old, or reported as not delivered
	StatusScheduled Status = "held"    // it waits for the end of quiet hours, of the recipient's limit, or of the day; while it coalesces it is queued

	StatusDelivered  Status = "delivered"  // its provider reported that it arrived
	StatusRead       Status = "read"       // it was opened
	StatusSuppressed Status = "suppressed" // its recipient is on the suppression list
	StatusSuperseded Status = "superseded" // it waited, and a later event of its sale took its place
	StatusStale      Status = "stale"      // a later event of its sale was there before
)

// Notifications is the state of everything that a webhook was to send.
type Notifications struct {
	WebhookID     string         `json:"id"`
	AcceptedAt    time.Time      `json:"accepted_at"`
	Notifications []Notification `json:"notifications"`
	Skipped       []Skipped      `json:"skipped"`
	// Unavailable are the channels that could not be asked: there may be more notifications on them.
	Unavailable []message.Channel `json:"unavailable,omitempty"`
}

// Notification is one job's state.
type Notification struct {
	ID        string          `json:"id"`
	Channel   message.Channel `json:"channel"`
	Recipient string          `json:"recipient"` // masked
	Status    Status          `json:"status"`
	Attempts  int             `json:"attempts"`
	Provider  string          `json:"provider,omitempty"`
	MessageID string          `json:"message_id,omitempty"` // the provider's
	Error     string          `json:"error,omitempty"`      // of the latest attempt, when it failed
	// Reports says of a sent message whether its provider sends delivery reports: yes, or no, and then it stays sent.
	Reports   string    `json:"delivery_reports,omitempty"`
	UpdatedAt time.Time `json:"updated_at"`
	History   []Event   `json:"history"`
	// Parent is the job, on another channel, whose message fell back to this one; "" for every other job.
	Parent string `json:"parent,omitempty"`
	// By is the webhook of the later event, of a superseded or stale notification.
	By string `json:"by,omitempty"`
}

// Event is something that happened to a job.
type Event struct {
	At time.Time `json:"at"`
	// What: accepted, sent, retry, deferred, `held`, failed, dropped, suppressed, superseded, stale, lost, moved (to another channel), retried or deleted (by
	// an operator); and as the provider reports it: handed_on, delivered, read, undelivered.
	What      string `json:"what"`
	Attempt   int    `json:"attempt,omitempty"`
	TookMs    int64  `json:"took_ms,omitempty"`
	Provider  string `json:"provider,omitempty"`
	MessageID string `json:"message_id,omitempty"`
	Worker    string `json:"worker,omitempty"`
	Error     string `json:"error,omitempty"`
	// Channel is the one that the message moved to, and MovedTo the job there.
	Channel message.Channel `json:"channel,omitempty"`
	MovedTo string          `json:"moved_to,omitempty"`
	By      string          `json:"by,omitempty"` // of superseded and stale: the later webhook
}
