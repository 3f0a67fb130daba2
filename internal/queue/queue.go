// Package queue is the contract between ingest, the workers and the store that holds the jobs in between. Its one
// implementation is redisqueue; queuetest says in code what any implementation owes.
//
// Delivery is at least once. An accepted job is in exactly one of: a priority list, the retry set, the inflight set (with a
// lease), the failed set, the completed set; every move between them is atomic. A worker that holds a job past its lease has
// lost it: what it settles afterwards is refused (Settled.Lost), and another worker may send it again.
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

// ErrUnavailable means that the store could not be asked, or did not answer: nothing is known about what was asked. Enqueue may
// be repeated safely.
var ErrUnavailable = errors.New("the queue is unavailable")

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
	Event      *event.Event // not changed, and not kept after Enqueue returns
	Priority   int          // 1 to 4
	AcceptedAt time.Time
	Trace      string // W3C traceparent or ""
	Channels   []ChannelSubmission
}

// ChannelSubmission is an event's part on one channel.
type ChannelSubmission struct {
	Channel    message.Channel
	Recipients []message.Recipient
	Skipped    []Skipped
}

// Skipped is a message that is not sent, and why. Kept in the webhook's record.
type Skipped struct {
	Channel message.Channel `json:"channel"`
	Address string          `json:"recipient"` // masked
	Reason  string          `json:"reason"`
}

// Acceptance is what became of a Submission.
type Acceptance struct {
	// Duplicate is set when every channel already had the webhook, and nothing was added. Jobs and Skipped are then those of
	// the first time.
	Duplicate bool
	Jobs      []Accepted
	Skipped   []Skipped
}

// Accepted is a job that is in the queue, or was put there by the same webhook earlier.
type Accepted struct {
	ID        string          `json:"id"`
	Channel   message.Channel `json:"channel"`
	Recipient string          `json:"recipient"` // masked
}

// ClaimRequest is what a worker asks for.
type ClaimRequest struct {
	Max int // at most so many jobs; 0 asks only for the housekeeping
	// Reap allows to take back expired leases. A worker that has just found the store again waits a moment, so that the others
	// can settle what they hold.
	Reap bool
}

// Claim is what a worker got.
type Claim struct {
	Jobs []*Claimed
	// Provider is the index, in the configured order, of the provider that takes the jobs; -1 when none may be used now.
	Provider int
	// Wait is how long there is nothing to claim for, unless something is enqueued: until the next retry is due, the rate limit
	// gives a token, a breaker lets a probe through. 0 means that more can be claimed at once.
	Wait time.Duration
	// Halted says why nothing may be claimed; "" when it may.
	Halted string
	// Throttled is set when the rate limit kept jobs waiting.
	Throttled bool
	// Promoted and Reaped count the due retries and the expired leases that went back to the lists. SetAside are jobs that
	// went to the failed set because their lease expired too often, or once under ON_UNCERTAIN=fail.
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
	// Probe is set when the job tries out a provider whose breaker is half open, and Provider names which.
	Probe    bool
	Provider int
	// Suppressed is the recipient's entry on the list of those who get nothing on this channel; nil for everybody else.
	Suppressed *suppress.Entry
	// LimitedUntil is when the recipient, who got RECIPIENT_LIMIT messages within an hour, may be written to again; zero for everybody else.
	LimitedUntil time.Time
}

// Action is what a settlement does with a job.
type Action uint8

// The actions.
const (
	_        Action = iota
	Complete        // sent: to the completed set
	Retry           // to the retry set, due after Delay; spends an attempt
	Defer           // to the retry set, due after Delay; spends none
	Release         // back to the head of its list, as it was; it was never begun
	Fail            // to the failed set
	Drop            // expired: gone, but for its record
	Hold            // to the held set, due after Delay; spends none, and no worker waits for it
	Suppress        // gone, but for its record: its recipient gets nothing
)

func (a Action) String() string {
	switch a {
	case Complete:
		return "completed"
	case Retry:
		return "retry"
	case Defer:
		return "deferred"
	case Release:
		return "released"
	case Fail:
		return "failed"
	case Drop:
		return "dropped"
	case Hold:
		return "held"
	case Suppress:
		return "suppressed"
	}
	return "invalid"
}

// Settlement ends a claim.
type Settlement struct {
	Claimed *Claimed
	Action  Action
	Delay   time.Duration // Retry, Defer, Hold
	// Error is kept with the job (Retry, Defer, Fail). Masked, no secrets.
	Error string
	// Uncertain marks the job as one that may have gone out already.
	Uncertain bool
	// What the record of the webhook shows.
	Provider  string
	MessageID string
	Took      time.Duration
	Worker    string // which worker had the job
	// Segments that the message took beyond the one that the claim paid for.
	ExtraTokens int
	// Unreported says, with Complete, that the provider never tells what became of the message.
	Unreported bool
	// Named makes the provider's message id lead to the job, for providers whose reports know nothing else.
	Named bool
	// Unwelcome puts the recipient on the list of those who get nothing.
	Unwelcome *suppress.Entry
	// Spent is what the message cost.
	Spent []Spend
	// Again, with Complete, is what follows when the provider reports that the message did not arrive; nil: nothing.
	Again *Again
	// Move, with Fail, hands the job to another channel.
	Move bool
}

// Again is another try after the provider had taken a message.
type Again struct {
	Retry  bool          // there are attempts left; otherwise the job fails
	Delay  time.Duration // before the next attempt
	Move   bool          // if it fails, another channel may try
	Within time.Duration // how long after the send a report still leads to it
}

// Spend adds to what was spent today (UTC) on a channel: in all, by source, or by event and source.
type Spend struct {
	Field  string // SpendTotal, SpendSource+source, SpendEvent+event+"|"+source
	Micros int64  // millionths of PRICE_CURRENCY
}

// The fields of a day's spending.
const (
	SpendTotal  = "total"
	SpendSource = "source:"
	SpendEvent  = "event:"
)

// ProviderHealth sums up what a batch of sends said about one provider.
type ProviderHealth struct {
	Provider string
	// Sent counts accepted messages and answers that prove the provider healthy (a permanent error is one).
	Sent int
	// Failed counts errors of the provider.
	Failed int
	// Account is set when the account is refused: the breaker opens at once. Reason is why, for people.
	Account bool
	Reason  string
	// HoldFor keeps the provider from being used for so long (a 429): no failure, and no probe is needed after.
	HoldFor time.Duration
	// Probed is set when one of the sends was the half-open breaker's probe.
	Probed bool
}

// Settled is what became of a batch of settlements.
type Settled struct {
	// Lost are the settlements, by index, whose lease had ended: nothing was changed for them.
	Lost []int
	// Evicted are failed jobs that fell off the end of the failed set.
	Evicted []*job.Job
	// Breakers are the states after the batch, by provider name; a closed breaker is left out.
	Breakers map[string]BreakerState
}

// BreakerState is the state of a provider's circuit breaker, shared by all replicas.
type BreakerState struct {
	State  string    `json:"state"` // open, half-open, closed
	Until  time.Time `json:"until"` // open: when a probe may go out
	Reason string    `json:"reason,omitempty"`
}

// Depth is how many jobs are where.
type Depth struct {
	Waiting   [4]int64 `json:"waiting"` // by priority, 1 first
	Retry     int64    `json:"retry"`
	Held      int64    `json:"held"` // until quiet hours end, a recipient may be written to again, or a new day begins
	Inflight  int64    `json:"inflight"`
	Failed    int64    `json:"failed"`
	Completed int64    `json:"completed"`
	// Oldest is the age of the job at the head of each list; 0 when the list is empty.
	Oldest [4]time.Duration `json:"oldest"`
	Halted string           `json:"halted,omitempty"`
}

// OutboxEntry is a message that the sandbox provider took.
type OutboxEntry struct {
	Channel  message.Channel `json:"channel"`
	To       string          `json:"to"`
	Subject  string          `json:"subject"`
	Text     string          `json:"text"`
	HTML     string          `json:"html"`
	EventID  string          `json:"event_id"`
	JobID    string          `json:"job_id"`
	Provider string          `json:"provider"`
	SentAt   time.Time       `json:"sent_at"`
}

// NotFoundError means that the store knows nothing of a webhook: it was never accepted, or longer ago than STATUS_TTL.
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
	StatusScheduled Status = "held"    // it waits for the end of quiet hours, or of a limit

	StatusDelivered  Status = "delivered"  // its provider says that it arrived
	StatusRead       Status = "read"       // it was opened
	StatusSuppressed Status = "suppressed" // its recipient gets nothing
)

// Notifications is the state of everything that a webhook was to send.
type Notifications struct {
	WebhookID     string         `json:"id"`
	AcceptedAt    time.Time      `json:"accepted_at"`
	Notifications []Notification `json:"notifications"`
	Skipped       []Skipped      `json:"skipped"`
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
	// Reports says of a sent message whether its provider tells what becomes of it: yes, or no, and then it stays sent.
	Reports   string    `json:"delivery_reports,omitempty"`
	UpdatedAt time.Time `json:"updated_at"`
	History   []Event   `json:"history"`
}

// Event is something that happened to a job.
type Event struct {
	At time.Time `json:"at"`
	// What: accepted, sent, retry, deferred, held, failed, dropped, suppressed, lost, moved (to another channel), retried or deleted (by a
	// person); and as the provider reports it: handed_on, delivered, read, undelivered.
	What      string `json:"what"`
	Attempt   int    `json:"attempt,omitempty"`
	TookMs    int64  `json:"took_ms,omitempty"`
	Provider  string `json:"provider,omitempty"`
	MessageID string `json:"message_id,omitempty"`
	Worker    string `json:"worker,omitempty"`
	Error     string `json:"error,omitempty"`
}
