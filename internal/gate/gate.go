// Package gate says whether a message may go out now. It is a list of stages in one order: expiry, suppression, quiet hours, the recipient's
// limit, the daily cap. The first stage that objects gives the reason. All but the last are pure; the daily cap reserves the cost of a message
// that it lets pass.
package gate

import (
	"slices"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/suppress"
)

// Input is everything that the stages go by.
type Input struct {
	Now        time.Time
	AcceptedAt time.Time // of the event
	Event      event.Type
	Audience   message.Audience
	Recipient  message.Address
	Timezone   string // the recipient's, as the event has it: an IANA name, anything else, or ""
	Source     string // of the event, for the caps by source
	Sender     string // from which the message would come: a number, an e-mail address
	Cost       pricing.Micros
	// Suppressions are the recipient's entries on the channel's suppression list.
	Suppressions []suppress.Entry
	// LimitedUntil is when the recipient's limit allows another message; zero for at once.
	LimitedUntil time.Time
}

// Action is what a stage wants to be done with a message.
type Action uint8

// The actions.
const (
	Pass     Action = iota // the message may go out
	Hold                   // later, when it may go out
	Drop                   // never: it is too late to be useful, or too much
	Suppress               // never: the recipient is on the suppression list
)

// Reason is the stage that objected. It is a metric label.
type Reason string

// The reasons, in the order of the stages.
const (
	Expired        Reason = "expired"
	Suppressed     Reason = "suppressed"
	QuietHours     Reason = "quiet_hours"
	RecipientLimit Reason = "recipient_limit"
	DailyCap       Reason = "daily_cap"
)

// Holds lists the reasons for which a message is scheduled for later.
var Holds = []Reason{QuietHours, RecipientLimit, DailyCap}

// Verdict is what a stage, or the gate as a whole, says. The zero value lets the message pass.
type Verdict struct {
	Action Action
	Until  time.Time // with Hold: when the message may go out
	Reason Reason
	Text   string // why, for people; no personal data
	Cap    string // the daily cap that is reached, by its name in DAILY_CAP; "" for none
}

// Delay is how long a scheduled message waits from now on: a second at least, so that it is not claimed over and over.
func (v Verdict) Delay(now time.Time) time.Duration { return max(v.Until.Sub(now), time.Second) }

// Stage looks at a message. It goes by nothing but its configuration and the input, and changes nothing; the daily cap's alone goes by its budget,
// too, and reserves there. The nil stage has nothing to look for.
type Stage func(Input) Verdict

// Gate is the stages of one channel. It is safe for concurrent use.
type Gate struct {
	config Config
	stages []Stage
}

// New returns the gate of a valid configuration (Config.Validate). The budget is what the daily caps leave; nil for no caps. An error says
// that QUIET_HOURS, QUIET_HOURS_EVENTS or DEFAULT_TIMEZONE cannot work.
func New(c Config, budget *pricing.Budget) (*Gate, error) {
	hours, err := newSchedule(c.Quiet)
	if err != nil {
		return nil, err
	}
	stages := []Stage{
		expiry(c.MessageTTL),
		suppression(c.SuppressionExempt, c.OptOutScope),
		quietHours(hours),
		recipientLimit(c.RecipientLimitAction),
		dailyCap(budget), // the last, since what it lets pass is reserved
	}
	return &Gate{config: c, stages: slices.DeleteFunc(stages, func(s Stage) bool { return s == nil })}, nil
}

// Check asks one stage after the other, and returns the first objection; the zero Verdict lets the message pass, and then its cost is
// reserved within the budget. A message that would be older than MESSAGE_TTL by the time it may go out is dropped rather than scheduled.
func (g *Gate) Check(in Input) Verdict {
	for _, stage := range g.stages {
		v := stage(in)
		switch {
		case v.Action == Pass:
			continue
		case v.Action != Hold:
			return v
		}
		age := in.Now.Sub(in.AcceptedAt) + v.Delay(in.Now)
		if ttl := g.config.MessageTTL[in.Event]; ttl > 0 && age > ttl {
			return Verdict{Action: Drop, Reason: Expired, Text: "it would be older than MESSAGE_TTL when it may go out: " + v.Text, Cap: v.Cap}
		}
		v.Text += ", until " + v.Until.UTC().Format(time.RFC3339)
		return v
	}
	return Verdict{}
}
