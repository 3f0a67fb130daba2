package worker

import (
	"errors"
	"fmt"
	"time"

	"ringup.dev/ringup/internal/event"
)

// Config is how one worker sends.
type Config struct {
	// Concurrency is how many messages a worker sends at a time.
	Concurrency int `env:"CONCURRENCY, default=50"`
	// SendTimeout bounds one send; shorter than LEASE.
	SendTimeout time.Duration `env:"SEND_TIMEOUT, default=10s"`
	// RetryBackoff is the pause before each retry; how many there are is how many retries a job gets.
	RetryBackoff []time.Duration `env:"RETRY_BACKOFF, default=2s,4s,8s"`
	// MessageTTL is how old a message of an event may be and still be sent, as order_update:30m,pos_save:2h; an event that is not
	// named has no limit.
	MessageTTL map[string]time.Duration `env:"MESSAGE_TTL"`
	// SlowSend is how long a provider may take to answer before that counts as a failure of the provider, for its breaker; 0 for no limit.
	SlowSend time.Duration `env:"SLOW_SEND, default=0s"`
	// RecipientLimitAction says what happens to messages over RECIPIENT_LIMIT: hold (until the customer may be written to again), join (the
	// same, and what goes out then to one customer goes as one message; SMS and WhatsApp), drop.
	RecipientLimitAction string `env:"RECIPIENT_LIMIT_ACTION, default=hold"`
	// RetryUndelivered is how long after a message was taken a provider's report that it did not arrive leads to another attempt, by
	// RETRY_BACKOFF, through another provider where there is one; 0 for never.
	RetryUndelivered time.Duration `env:"RETRY_UNDELIVERED, default=0s"`
	// SuppressionExempt are events whose messages go out even to who is on the list of those who get nothing. Ask a lawyer first.
	SuppressionExempt []string `env:"SUPPRESSION_EXEMPT_EVENTS"`
	// OptOutScope says what a STOP to one of our senders holds for: channel (all senders of it), or sender (that one alone).
	OptOutScope string `env:"OPT_OUT_SCOPE, default=channel"`
	// OptOutSync is how often a provider's own list of those who get nothing (Amazon SNS) is read; 0 for never.
	OptOutSync time.Duration `env:"OPT_OUT_SYNC, default=1h"`
}

// The values of RECIPIENT_LIMIT_ACTION and OPT_OUT_SCOPE.
const (
	LimitHold = "hold"
	LimitJoin = "join"
	LimitDrop = "drop"

	ScopeChannel = "channel"
	ScopeSender  = "sender"
)

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	var errs []error
	if c.Concurrency < 1 || c.Concurrency > 1000 {
		errs = append(errs, fmt.Errorf("CONCURRENCY is %d: set 1 to 1000, and more replicas beyond", c.Concurrency))
	}
	if c.SendTimeout <= 0 {
		errs = append(errs, fmt.Errorf("SEND_TIMEOUT is %s: set a time above 0, as 10s", c.SendTimeout))
	}
	if len(c.RetryBackoff) > 100 {
		errs = append(errs, fmt.Errorf("RETRY_BACKOFF has %d pauses: set 100 at most", len(c.RetryBackoff)))
	}
	for _, pause := range c.RetryBackoff {
		if pause <= 0 {
			errs = append(errs, fmt.Errorf("RETRY_BACKOFF has %s: set times above 0, as 2s,4s,8s", pause))
		}
	}
	known := func(variable, name string) {
		if !event.Type(name).Known() {
			errs = append(errs, fmt.Errorf("%s names the event %q: there are %s", variable, name, event.Names()))
		}
	}
	for _, name := range c.SuppressionExempt {
		known("SUPPRESSION_EXEMPT_EVENTS", name)
	}
	if a := c.RecipientLimitAction; a != LimitHold && a != LimitJoin && a != LimitDrop {
		errs = append(errs, fmt.Errorf("RECIPIENT_LIMIT_ACTION is %q: set hold, join or drop", a))
	}
	if s := c.OptOutScope; s != ScopeChannel && s != ScopeSender {
		errs = append(errs, fmt.Errorf("OPT_OUT_SCOPE is %q: set channel or sender", s))
	}
	if c.SlowSend < 0 || c.RetryUndelivered < 0 || c.OptOutSync < 0 || c.OptOutSync > 0 && c.OptOutSync < time.Minute {
		errs = append(errs, fmt.Errorf("SLOW_SEND is %s, RETRY_UNDELIVERED %s, OPT_OUT_SYNC %s: set 0s or more, the last at least 1m", c.SlowSend,
			c.RetryUndelivered, c.OptOutSync))
	}
	for name, ttl := range c.MessageTTL {
		known("MESSAGE_TTL", name)
		if ttl <= 0 {
			errs = append(errs, fmt.Errorf("MESSAGE_TTL of %s is %s: set a time above 0, as 30m", name, ttl))
		}
	}
	return errors.Join(errs...)
}

// DrainTime is the longest that a worker takes to stop: its sends end, and are settled.
func (c *Config) DrainTime() time.Duration { return c.SendTimeout + settleTimeout }
