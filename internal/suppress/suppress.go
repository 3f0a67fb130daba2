// Package suppress is the contract of the suppression list: which addresses get no messages on a channel, and why. It knows the words by which
// people ask to be on it.
package suppress

import (
	"errors"
	"slices"
	"time"

	"ringup.dev/ringup/internal/message"
)

// Kind of a preference.
type Kind string

// The kinds.
const (
	OptOut Kind = "opt_out" // no more messages
	OptIn  Kind = "opt_in"  // messages are welcome again
)

// Why an address is on the suppression list.
type Why string

// The reasons for a suppression.
const (
	StopWord    Why = "stop"         // they answered STOP, or a word like it
	Unsubscribe Why = "unsubscribe"  // they used the link or the header of an e-mail, or a provider's own list
	Complaint   Why = "complaint"    // they reported an e-mail as spam
	HardBounce  Why = "hard_bounce"  // the address does not exist or refuses for good
	Refused     Why = "refused"      // the provider refuses to send to them (Twilio 21610, a block on WhatsApp)
	OptOutList  Why = "opt_out_list" // they are on the provider's own list (Amazon SNS; the account's suppression list of SES)
	Operator    Why = "operator"     // an operator of the shop added them
	Import      Why = "import"       // from a file
)

// ErrOtherKey is the error of an entry that has a name which no PRIVACY_KEY in use has made: it would stand for nobody.
var ErrOtherKey = errors.New("an entry was exported with another PRIVACY_KEY: add that one behind a comma, or import addresses")

// Lifts returns the kinds of the entries that an opt-in lifts: what its own kind put on the list. Why is StopWord where a person answered START,
// and Unsubscribe where they subscribed again. START also lifts the refusals of a provider, who heeds it as well. What complaints, bounces,
// providers' lists and operators put on the list no opt-in lifts.
func Lifts(why Why) []Why {
	switch why {
	case StopWord:
		return []Why{StopWord, Refused}
	case Unsubscribe:
		return []Why{Unsubscribe}
	}
	return nil
}

// Preference is a person's wish to get no more messages, or to get them again.
type Preference struct {
	EventID  string
	Provider string
	Channel  message.Channel
	// Address is theirs: E.164, or an e-mail address.
	Address message.Address
	// Sender is our account, which they answered: the messaging service or the number, the Cloud API's phone number id; "" for all.
	Sender string
	// Also are other names of the account, any of which may be configured: the number that belongs to the messaging service.
	Also []string
	Kind Kind
	Why  Why       // of an opt-out; of an opt-in it says which entries it lifts (Lifts)
	At   time.Time // when they said it; where the provider does not say, when it was received
}

// Entry is an entry of the suppression list of a channel. A person has one per kind (Why), sender account and source (By; operators are one
// source), and each source lifts its own: an opt-in at an account what was said to that account, a provider's list what is on it, operators any.
type Entry struct {
	Channel message.Channel
	// Address is the person's, of an entry that is put on the list. The list does not keep it: an entry that is read has Name and Masked.
	Address message.Address
	Name    string // a keyed hash of the person (PRIVACY_KEY); an import may put it on the list in place of the address
	Masked  string // the address, masked; "" where it is not known
	Why     Why
	Sender  string    // our account that it holds for; "" for all
	Also    []string  // other names of the account
	By      string    // its source: the provider that told us, or the operator who made the entry
	At      time.Time // when the source last said so
	// OptedIn is when the person has opted in at another account since; zero for never. Where OPT_OUT_SCOPE is channel, the entry holds no more.
	OptedIn time.Time
}

// Of says whether an entry is one for an account, by any of its names. One without an account is for all.
func (e *Entry) Of(sender string) bool {
	return e.Sender == "" || e.Sender == sender || slices.Contains(e.Also, sender)
}

// EveryAccount is the Sender of a Selection of the entries that hold for all accounts.
const EveryAccount = "*"

// Selection names some of a person's entries: those that have the fields which are not empty.
type Selection struct {
	Why    Why    `json:"why,omitempty"`
	Sender string `json:"sender,omitempty"` // by any of the account's names; EveryAccount for those without one
	By     string `json:"by,omitempty"`
}
