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
	// OutagePatience is how old a message may become before an outage of its provider (no connection, a 5xx) spends its attempts; until then it is
	// tried again after pauses that grow to five minutes. MESSAGE_TTL ends that earlier. 0 for never: an outage spends attempts from the start.
	OutagePatience time.Duration `env:"OUTAGE_PATIENCE, default=24h"`
	// SlowSend is how long a provider may take to answer before that counts as a failure of the provider, for its breaker; 0 for no limit.
	SlowSend time.Duration `env:"SLOW_SEND, default=0s"`
	// RetryUndelivered is how long after a message was taken a provider's report that it did not arrive leads to another attempt, by
	// RETRY_BACKOFF, through another provider where there is one; 0 for never. Where FALLBACK_CHANNEL is set, another
	// time below FALLBACK_WITHIN counts as FALLBACK_WITHIN.
	RetryUndelivered time.Duration `env:"RETRY_UNDELIVERED, default=0s"`
	// OptOutSync is how often a provider's own list of opt-outs (Amazon SNS) is read into the suppression list; 0 for never.
	OptOutSync time.Duration `env:"OPT_OUT_SYNC, default=1h"`
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
	if c.OutagePatience < 0 {
		errs = append(errs, fmt.Errorf("OUTAGE_PATIENCE is %s: set a time above 0, as 24h, or 0s for never", c.OutagePatience))
	}
	if c.SlowSend < 0 {
		errs = append(errs, fmt.Errorf("SLOW_SEND is %s: set a time above 0, as 5s, or 0s for no limit", c.SlowSend))
	}
	if c.RetryUndelivered < 0 {
		errs = append(errs, fmt.Errorf("RETRY_UNDELIVERED is %s: set a time above 0, as 30m, or 0s for never", c.RetryUndelivered))
	}
	if c.OptOutSync != 0 && c.OptOutSync < time.Minute {
		errs = append(errs, fmt.Errorf("OPT_OUT_SYNC is %s: set at least 1m, or 0s for never", c.OptOutSync))
	}
	return errors.Join(errs...)
}

// DrainTime is the longest that a worker takes to stop: its sends end, and are settled.
func (c *Config) DrainTime() time.Duration { return c.SendTimeout + settleTimeout }
