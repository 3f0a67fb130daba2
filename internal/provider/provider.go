// Package provider is the contract between the worker and whoever carries a message away. An adapter knows one provider's
// dialect: it sends once, never waits, and says what kind of failure it saw; the worker decides what follows.
package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ringup.dev/ringup/internal/message"
)

// Provider sends messages of one channel.
//
// Send hands the message to the provider once: no retry, no waiting, no longer than ctx allows. It is safe for concurrent
// use. A nil error means that the provider accepted the message (delivery is known later, if ever). Every other error is a
// *Error; its text holds no secret and no recipient.
//
// Probe asks, as cheaply as the provider's API allows, whether a send could work: credentials, account state. Errors are as
// of Send.
//
// Traits says what follows from the configuration, and never changes.
type Provider interface {
	Send(ctx context.Context, m message.Message) (Receipt, error)
	Probe(ctx context.Context) error
	Traits() Traits
}

// Traits are what a provider is, as it is configured.
type Traits struct {
	// Sender is from whom its messages come: a number, a messaging service, an e-mail address, the Cloud API's phone number id. A
	// delivery.Preference names the same one; never empty.
	Sender string
	// Reports says that the provider reports deliveries, later and by callback; otherwise an accepted message is the last that is heard of it.
	Reports bool
	// NamesMessage says that its reports name the message by the provider's id alone, since it takes no value of ours along.
	NamesMessage bool
}

// OptOutLister is a Provider with a list of its own of people who want no more messages, to whom it drops messages without a word.
//
// OptedOut hands every person on the list to each, in no order, and perhaps somebody twice when the list changes meanwhile. It asks page
// by page, and no further once ctx or each says so. Errors are those of each, or as of Send; what was handed over until then is true.
type OptOutLister interface {
	OptedOut(ctx context.Context, each func(message.Recipient) error) error
}

// Receipt is what an accepted message got.
type Receipt struct {
	MessageID string // the provider's id, by which delivery reports name the message
}

// Class says what kind of failure an Error is, and so what the worker does. The zero value is invalid: every path of an
// adapter sets one, and the conformance suite looks.
type Class uint8

const (
	_ Class = iota
	// Permanent means: this message can never succeed. It fails at once.
	Permanent
	// Transient means: the provider had a passing fault and certainly did not take the message. Retried with backoff; spends an
	// attempt; counts towards the provider's breaker.
	Transient
	// Throttled means: too many requests; certainly not taken. Waits, spends no attempt. With RecipientOnly it is this recipient's
	// limit and no other message waits.
	Throttled
	// Account means: credentials, balance, suspension, a sender that may not send: nothing will work until a person acts. Opens the
	// provider's breaker; the message waits and spends no attempt.
	Account
	// Ambiguous means: no clear answer after the request was written (timeout, reset, a 5xx or 2xx that cannot be read). The
	// message may have gone out. ON_UNCERTAIN decides; counts towards the breaker.
	Ambiguous
)

func (c Class) String() string {
	switch c {
	case Permanent:
		return "permanent"
	case Transient:
		return "transient"
	case Throttled:
		return "throttled"
	case Account:
		return "account"
	case Ambiguous:
		return "ambiguous"
	}
	return "invalid"
}

// Reason is why, from a closed list: it becomes a metric label and a filter.
type Reason string

// The reasons.
const (
	ReasonRecipient   Reason = "invalid_recipient" // no such number or address, not reachable on this channel
	ReasonOptedOut    Reason = "opted_out"         // the recipient does not want messages
	ReasonContent     Reason = "content"           // the provider refuses the text
	ReasonTemplate    Reason = "template"          // an approved template is missing, paused or needed (24-hour window)
	ReasonRegion      Reason = "region"            // sending to that country is not enabled
	ReasonSender      Reason = "sender"            // the From number, address or identity may not send
	ReasonCredentials Reason = "credentials"       // key, token or signature refused, or lacking a permission
	ReasonBalance     Reason = "balance"           // no funds or credits
	ReasonSuspended   Reason = "suspended"         // the account is closed, suspended, restricted or paused
	ReasonQuota       Reason = "quota"             // a daily or monthly quota is used up
	ReasonRateLimit   Reason = "rate_limit"        // too many requests now
	ReasonOutage      Reason = "outage"            // the provider's own fault (5xx, internal error)
	ReasonTimeout     Reason = "timeout"           // no answer in time
	ReasonNetwork     Reason = "network"           // no connection, or a broken one
	ReasonUnreadable  Reason = "unreadable"        // an answer that cannot be understood
	ReasonRequest     Reason = "request"           // the provider calls the request itself wrong
)

// Reasons lists every Reason, for metrics and documentation.
var Reasons = []Reason{ReasonRecipient, ReasonOptedOut, ReasonContent, ReasonTemplate, ReasonRegion, ReasonSender,
	ReasonCredentials, ReasonBalance, ReasonSuspended, ReasonQuota, ReasonRateLimit, ReasonOutage, ReasonTimeout,
	ReasonNetwork, ReasonUnreadable, ReasonRequest}

// Error is a send or a probe that did not succeed.
type Error struct {
	Class         Class
	Reason        Reason
	Code          string        // the provider's own code ("21610", "131026", "ThrottlingException"), "" if it gave none
	Status        int           // HTTP status, 0 if there was no answer
	RetryAfter    time.Duration // the earliest next try the provider asked for; 0 if it did not say
	RecipientOnly bool          // with Throttled: the limit of this recipient, not of the sender
	Suppress      bool          // with Permanent: this recipient must not be written to again on this channel
	Detail        string        // a short explanation of our own; never the provider's text, which may quote the recipient
}

func (e *Error) Error() string {
	text := e.Class.String() + ": " + string(e.Reason)
	if e.Code != "" {
		text += " (code " + e.Code + ")"
	}
	if e.Status != 0 {
		text += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// OfProvider reports whether the failure says something about the provider or the account as a whole, and so counts towards
// its breaker, or only about one message.
func (e *Error) OfProvider() bool {
	return e.Class == Transient || e.Class == Account || e.Class == Ambiguous
}

// AsError returns err as an *Error. An error that is none, which no adapter should return, counts as Ambiguous, the one class
// that assumes nothing.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) && e.Class != 0 {
		return e
	}
	return &Error{Class: Ambiguous, Reason: ReasonUnreadable, Detail: "unclassified error"}
}
