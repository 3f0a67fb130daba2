// Package delivery has the nouns of what providers say after the send: that a message arrived or did not, and that a person wants no
// more of them. It knows nothing of HTTP, of Redis or of any provider's format; internal/callback makes these of callbacks, the queue
// applies them.
package delivery

import (
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
)

// JobField is the name under which a job's id goes along with a message, where a provider has named fields that it returns with its reports.
const JobField = "ringup_job"

// State is how far a message has come, as its provider reports it.
type State string

// The states, in the order of a message's life.
const (
	Sent      State = "sent"      // handed on to the network or the mail server
	Delivered State = "delivered" // it arrived
	Read      State = "read"      // it was opened or read
	Failed    State = "failed"    // it will not arrive
)

// Report is what a provider says about one message. Providers repeat reports, and send them out of order.
type Report struct {
	// EventID tells a repetition from news; unique within the provider.
	EventID string
	// Provider is the catalogue's name: twilio, sendgrid, aws, business.
	Provider string
	Channel  message.Channel
	// JobID is the correlation value that was sent along; "" where the provider returns none (the Cloud API): then MessageID has to do.
	JobID string
	// MessageID is the provider's.
	MessageID string
	State     State
	At        time.Time // when it happened; zero when the provider does not say
	// Err says why, for Failed: Permanent, Transient (another try may succeed), Throttled, Account. Suppress as at a send.
	Err *provider.Error
}

// Kind of a preference.
type Kind string

// The kinds.
const (
	OptOut Kind = "opt_out" // no more messages
	OptIn  Kind = "opt_in"  // messages are welcome again
)

// Why a person, or their address, is on the list of those who get nothing.
type Why string

// The reasons for a suppression.
const (
	StopWord    Why = "stop"         // they answered STOP, or a word like it
	Unsubscribe Why = "unsubscribe"  // they used the link or the header of an e-mail, or a provider's own list
	Complaint   Why = "complaint"    // they reported an e-mail as spam
	HardBounce  Why = "hard_bounce"  // the address does not exist or refuses for good
	Refused     Why = "refused"      // the provider refuses to send to them (Twilio 21610, a block on WhatsApp)
	OptOutList  Why = "opt_out_list" // they are on the provider's own list (Amazon SNS; the account's suppression list of SES)
	Operator    Why = "operator"     // somebody of the shop put them there
	Import      Why = "import"       // from a file
)

// Preference is that somebody wants no more messages, or wants them again.
type Preference struct {
	EventID  string
	Provider string
	Channel  message.Channel
	// Address is theirs: E.164, or an e-mail address.
	Address message.Recipient
	// Sender is ours, which they answered: the number, the messaging service, the Cloud API's phone number id; "" for all.
	Sender string
	Kind   Kind
	Why    Why       // of an opt-out
	At     time.Time // when they said it; where the provider does not say, when it was received
}

// Suppression is an entry of the list of those who get nothing on a channel.
type Suppression struct {
	Channel message.Channel
	Address message.Recipient
	Why     Why
	Sender  string // ours, to which they said so; "" for all
	By      string // the provider that told us, or the person who made the entry
	At      time.Time
}

// News is all that one callback says. A callback may say nothing that matters: both lists are empty then.
type News struct {
	Reports     []Report
	Preferences []Preference
}
