// Package failure says why a message was not sent, in terms that no provider's format is part of: the class decides what the worker does, the
// reason is a metric label. Adapters and callbacks make these errors; the worker and the stores read them.
package failure

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Class says what kind of failure an Error is, and so what the worker does. The zero value is invalid: every path of an
// adapter sets one, and the conformance suite looks.
type Class uint8

const (
	_ Class = iota
	// Permanent means: this message can never succeed. It fails at once.
	Permanent
	// Transient means: the provider had a passing fault and certainly did not take the message. Retried with backoff; spends an
	// attempt, unless it is an outage; counts towards the provider's breaker.
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

// maxCode is longer than any code that a provider documents.
const maxCode = 64

// Code returns text where it looks like a code: letters, digits, points, hyphens and underscores, at most 64 of them. Otherwise it is "", since a
// provider's words may quote the recipient.
func Code(text string) string {
	if len(text) > maxCode || strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '.' && r != '-' && r != '_'
	}) {
		return ""
	}
	return text
}

// Number is a provider's code in JSON, where it is a number; by then a gateway or a library may have made a text or a float of it: 131026, "131026" and
// 131026.0 are one code. Given is false where it is missing, null or something else, so that such a code does not take the rest of an answer along.
type Number struct {
	Value int
	Given bool
}

// UnmarshalJSON reads a code. It returns no error.
func (n *Number) UnmarshalJSON(text []byte) error {
	n.Value, n.Given = ParseNumber(strings.Trim(string(text), `"`))
	return nil
}

// ParseNumber reads the text of a numeric code, as Number does; false where it is something else.
func ParseNumber(text string) (int, bool) {
	value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || value != math.Trunc(value) || math.Abs(value) > math.MaxInt32 {
		return 0, false
	}
	return int(value), true
}

// OfProvider reports whether the failure says something about the provider or the account as a whole, and so counts towards
// its breaker, or only about one message.
func (e *Error) OfProvider() bool {
	return e.Class == Transient || e.Class == Account || e.Class == Ambiguous
}

// Outage reports whether the failure is the provider's own, or of the way to it, and certainly not the message's: no connection, a 5xx, an answer
// that is not even the provider's. An ambiguous failure does not count, since each further try may be a further message.
func (e *Error) Outage() bool {
	return e.Class == Transient && (e.Reason == ReasonOutage || e.Reason == ReasonTimeout || e.Reason == ReasonNetwork || e.Reason == ReasonUnreadable)
}

// AsError returns err as an *Error. Another error, which no adapter should return, counts as Ambiguous, the one class
// that assumes nothing.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) && e.Class != 0 {
		return e
	}
	return &Error{Class: Ambiguous, Reason: ReasonUnreadable, Detail: "unclassified error"}
}
