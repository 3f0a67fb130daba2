package worker

import (
	"errors"
	"fmt"
	"time"
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
}

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
	for event, ttl := range c.MessageTTL {
		switch event {
		case "payment_complete", "order_create", "pos_save", "order_update":
		default:
			errs = append(errs, fmt.Errorf("MESSAGE_TTL names the event %q: there are payment_complete, order_create, pos_save, order_update", event))
		}
		if ttl <= 0 {
			errs = append(errs, fmt.Errorf("MESSAGE_TTL of %s is %s: set a time above 0, as 30m", event, ttl))
		}
	}
	return errors.Join(errs...)
}

// DrainTime is the longest that a worker takes to stop: its sends end, and are settled.
func (c *Config) DrainTime() time.Duration { return c.SendTimeout + settleTimeout }
