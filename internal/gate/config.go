package gate

import (
	"errors"
	"fmt"
	"time"

	"ringup.dev/ringup/internal/event"
)

// Config says which messages do not go out, or not yet.
type Config struct {
	// MessageTTL is how old a message of an event may be and still be sent, as order_update:30m,pos_save:2h; an event that is not
	// named has no limit.
	MessageTTL map[event.Type]time.Duration `env:"MESSAGE_TTL"`
	// SuppressionExempt are events whose messages go out even to recipients on the suppression list. Ask a lawyer first.
	SuppressionExempt []event.Type `env:"SUPPRESSION_EXEMPT_EVENTS"`
	// OptOutScope says what a STOP to one of our senders holds for: channel (all senders of the channel, until START to any of them), or sender (that
	// one alone, until START to it).
	OptOutScope string `env:"OPT_OUT_SCOPE, default=channel"`
	// RecipientLimitAction says what happens to messages over RECIPIENT_LIMIT: hold (until the limit allows them), or drop.
	RecipientLimitAction string `env:"RECIPIENT_LIMIT_ACTION, default=hold"`
	// Quiet hours.
	Quiet QuietConfig
}

// The values of OPT_OUT_SCOPE and RECIPIENT_LIMIT_ACTION.
const (
	ScopeChannel = "channel"
	ScopeSender  = "sender"

	LimitHold = "hold"
	LimitDrop = "drop"
)

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	var errs []error
	for name, ttl := range c.MessageTTL {
		errs = append(errs, known("MESSAGE_TTL", name))
		if ttl <= 0 {
			errs = append(errs, fmt.Errorf("MESSAGE_TTL of %s is %s: set a time above 0, as 30m", name, ttl))
		}
	}
	for _, name := range c.SuppressionExempt {
		errs = append(errs, known("SUPPRESSION_EXEMPT_EVENTS", name))
	}
	if s := c.OptOutScope; s != ScopeChannel && s != ScopeSender {
		errs = append(errs, fmt.Errorf("OPT_OUT_SCOPE is %q: set channel or sender", s))
	}
	switch c.RecipientLimitAction {
	case LimitHold, LimitDrop:
	case "join":
		errs = append(errs, errors.New("RECIPIENT_LIMIT_ACTION is join, which is no longer there: set hold (messages wait until RECIPIENT_LIMIT allows them) or drop"))
	default:
		errs = append(errs, fmt.Errorf("RECIPIENT_LIMIT_ACTION is %q: set hold or drop", c.RecipientLimitAction))
	}
	return errors.Join(append(errs, c.Quiet.Validate())...)
}

// known returns an error when a variable names an event that does not exist.
func known(variable string, name event.Type) error {
	if name.Known() {
		return nil
	}
	return fmt.Errorf("%s names the event %q: there are %s", variable, name, event.Names())
}
