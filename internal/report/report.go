// Package report has the delivery reports and preferences that providers pass on after the send. It knows nothing of HTTP, of Redis or of any provider's format: the
// providers' callbacks make these, the store applies them.
package report

import (
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/suppress"
)

// JobField is the name under which a job's id goes along with a message, where a provider has named fields that it returns with its reports.
const JobField = "ringup_job"

// Own is the provider of what people say on ringup's own pages. Nobody repeats that, so no key remembers it: strangers may say it over and over.
const Own = "ringup"

// State is how far a message has come, as its provider reports it.
type State string

// The states, in the order of a message's life.
const (
	Sent      State = "sent"      // handed on to the network or the mail server
	Delivered State = "delivered" // it arrived
	Read      State = "read"      // it was opened or read
	Failed    State = "failed"    // it will not arrive
)

// Report is a provider's delivery report on one message. Providers repeat reports, and send them out of order.
type Report struct {
	// EventID tells a repetition from a new event; unique within the provider.
	EventID string
	// Provider is the catalog's name: twilio, sendgrid, aws, business.
	Provider string
	Channel  message.Channel
	// JobID is the correlation value that was sent along; "" where the provider returns none (the Cloud API), and MessageID names the message. A provider
	// that returns one reports on our messages with it alone: see Update.Foreign.
	JobID string
	// MessageID is the provider's.
	MessageID string
	State     State
	At        time.Time // when it happened; zero when the provider does not say
	// Err says why, for Failed: Permanent, Transient (another try may succeed), Throttled, Account. Suppress as at a send.
	Err *failure.Error
}

// Remedy says how to go on with a message that did not arrive. Its text is stored with the report until that is applied, also by other releases.
type Remedy string

// The remedies. A job without attempts left, and one whose channel none takes over from, fails.
const (
	SendAgain Remedy = "again" // another attempt, through another provider where there is one
	FallBack  Remedy = "move"  // the job fails, and another channel may take the message over
	GiveUp    Remedy = "fail"  // the job fails
)

// Remedy says what a report calls for: "" for one that reports no failure, or does not say why.
func (r *Report) Remedy() Remedy {
	switch {
	case r.State != Failed || r.Err == nil:
		return ""
	case r.Err.Class != failure.Permanent:
		return SendAgain
	case r.Err.Reason == failure.ReasonOptedOut:
		return GiveUp // a recipient who opted out gets the message on no channel
	}
	return FallBack
}

// Update has all that one callback says. It is empty where it says nothing that matters.
type Update struct {
	Reports     []Report
	Preferences []suppress.Preference
	// Foreign counts reports on messages of other programs, which use the same account: they lack the value that goes along with every message of ours.
	Foreign int
	// Unread are the event ids of wishes (STOP, START) of persons whose number cannot be read: an operator has to look them up at the provider.
	Unread []string
}

// Empty says that there is nothing to apply.
func (u *Update) Empty() bool { return len(u.Reports) == 0 && len(u.Preferences) == 0 }
