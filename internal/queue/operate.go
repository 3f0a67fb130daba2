package queue

import (
	"slices"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// State is where a job is: each is one list or sorted set. Its text is part of the admin API.
type State string

// The states.
const (
	Waiting   State = "waiting"   // in a priority list
	Retrying  State = "retry"     // until its next attempt
	Scheduled State = "held"      // until quiet hours end, the recipient's limit allows it, or a new day begins
	InFlight  State = "sending"   // under a lease
	Failed    State = "failed"    // given up
	Completed State = "completed" // sent
)

// States lists every state, in the order of a job's life.
var States = []State{Waiting, Retrying, Scheduled, InFlight, Failed, Completed}

// Stored is a job as it lies in its list or set.
type Stored struct {
	Channel message.Channel
	State   State
	// At is when the next attempt is due, the lease ends, or the job ended; zero for one that waits.
	At  time.Time
	Raw []byte
	Job *job.Job // nil when the bytes cannot be read: see Err
	Err error
	// Provider is that of the latest attempt, where it was asked for and the job's log is stored; "" otherwise.
	Provider string
}

// ChannelState is the state of a channel.
type ChannelState struct {
	Depth
	// RetryDue counts those of Retry whose next attempt is due; the next claim or sweep moves them to their lists.
	RetryDue int64 `json:"retry_due"`
	// NextRetry is when the next attempt is due; zero when none waits.
	NextRetry time.Time `json:"next_retry,omitzero"`
	Totals    Totals    `json:"totals"`
	// Breakers of the providers whose breaker is not closed.
	Breakers map[string]BreakerState `json:"breakers"`
	Workers  []WorkerState           `json:"workers"`
	// SettingsDiffer are the workers of the channel, replicas of ingest and of admin, by host and process, that run with other settings than most of them (Differing).
	SettingsDiffer []string `json:"settings_differ,omitempty"`
	// Hours has how many were accepted in each hour of nine days, by Unix hours, the last one left out; hours that nobody counted are missing.
	Hours map[int64]int64 `json:"-"`
	// Now is the time of the state, by the clock of the minutes and the breakers.
	Now time.Time `json:"-"`
}

// Totals count settlements since the channel was first used.
type Totals struct {
	Sent    int64 `json:"sent"`
	Failed  int64 `json:"failed"`
	Retried int64 `json:"retried"` // attempts that did not succeed and are made again
	Dropped int64 `json:"dropped"`
	// Suppressed counts messages to recipients on the suppression list.
	Suppressed int64 `json:"suppressed"`
	// How often messages were scheduled.
	Held int64 `json:"held"`
}

// WorkerState is a worker's latest heartbeat.
type WorkerState struct {
	ID          string    `json:"id"`      // host and process
	Version     string    `json:"version"` // of its program; "" of 0.1
	SeenAt      time.Time `json:"seen_at"`
	Sending     int       `json:"sending"`
	Concurrency int       `json:"concurrency"`
	Providers   []string  `json:"providers"`
	RateLimit   float64   `json:"rate_limit"` // messages per second, of all workers together; 0 for none
	Settings    Settings  `json:"settings"`
}

// AuditEntry is an action of an operator.
type AuditEntry struct {
	At      time.Time       `json:"at"`
	By      string          `json:"by"`
	Action  string          `json:"action"`
	Channel message.Channel `json:"channel"`
	Target  string          `json:"target,omitempty"`
	Count   int             `json:"count,omitempty"` // jobs
	Why     string          `json:"why,omitempty"`
}

// Person is the person whose data is looked for.
type Person interface {
	// Address is the person's own, in one of its spellings.
	Address() message.Address
	// Owns says that a message to this recipient, about this event (nil: unknown), has the person's data.
	Owns(to message.Address, e *event.Event) bool
}

// ForgetRequest asks for a part of the search for a person's data, which may take many.
type ForgetRequest struct {
	Person Person
	DryRun bool   // count, and delete nothing
	From   string // "" at first, and then the Next of the part before
	AtMost int    // jobs to look at, about
}

// Forgotten counts what a part of the search found and deleted, by state.
type Forgotten struct {
	Seen      int `json:"seen"` // jobs that were looked at
	Waiting   int `json:"waiting"`
	Retry     int `json:"retry"`
	Held      int `json:"held"`
	Failed    int `json:"failed"`
	Completed int `json:"completed"`
	Outbox    int `json:"outbox"` // messages in the outbox of the sandbox
	Aside     int `json:"aside"`  // webhooks that are set aside, or noted with a header that names the person
	// Sending are the ids of the person's jobs in flight, a hundred at most. They are left to their workers: the search has to be made again
	// when they have ended.
	Sending []string `json:"sending"`
	Next    string   `json:"next"` // where to go on; "" when everything was looked at
}

// Found counts what was found, without the jobs in flight.
func (f *Forgotten) Found() int {
	return f.Waiting + f.Retry + f.Held + f.Failed + f.Completed + f.Outbox + f.Aside
}

// Add adds the findings of an earlier part.
func (f *Forgotten) Add(earlier Forgotten) {
	f.Seen += earlier.Seen
	f.Waiting += earlier.Waiting
	f.Retry += earlier.Retry
	f.Held += earlier.Held
	f.Failed += earlier.Failed
	f.Completed += earlier.Completed
	f.Outbox += earlier.Outbox
	f.Aside += earlier.Aside
	for _, id := range earlier.Sending {
		if !slices.Contains(f.Sending, id) {
			f.Sending = append(f.Sending, id)
		}
	}
}

// FindRequest asks for the webhooks with a text or an address among those that were accepted.
type FindRequest struct {
	// Text is an order's id or name, a transaction's id, or a customer's name, as a whole; case, accents and a # in front do not matter.
	Text string
	// Any asks for all webhooks, whatever they have.
	Any bool
	// Addresses are the person's, in any spelling that leads to the same key.
	Addresses []message.Address
	// From and To bound when the webhooks were accepted; zero for no bound. To is where a search that has not come to the end goes on.
	From, To time.Time
	// Limit is how many webhooks are enough; there are more where they were accepted within the same seconds. For is how long it may take; 0 for any time.
	Limit int
	For   time.Duration
}

// Found is what a search found, the latest first.
type Found struct {
	Webhooks []FoundWebhook
	Left     int       // how many more were accepted within the same seconds as those that are given
	Back     time.Time // up to when it has looked back
	End      bool      // nothing is older
	Bytes    int64     // that it looked through
}

// FoundWebhook is a webhook that a search found.
type FoundWebhook struct {
	ID         string
	AcceptedAt time.Time
}
