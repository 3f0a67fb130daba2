package ingest

import (
	"errors"
	"fmt"
)

// Config is what ingest does with a webhook.
type Config struct {
	// MaxBodyBytes is the largest payload that is read; a larger one is answered 413.
	MaxBodyBytes int64 `env:"MAX_BODY_BYTES, default=1048576"`
	// MaxInflightBytes is how much one replica works on at a time, each webhook counted with its size, 16 KiB at least; more is answered 503 at once.
	MaxInflightBytes int64 `env:"MAX_INFLIGHT_BYTES, default=33554432"`
	// MaxConnections is how many clients may be connected; more wait to be accepted.
	MaxConnections int `env:"MAX_CONNECTIONS, default=10000"`
	// TestEndpoints serves /webhooks/test, /test/webhook-sample and /test/simulate-webhook. Not for production: the last takes no token.
	TestEndpoints bool `env:"TEST_ENDPOINTS, default=false"`
	// SourceRateLimit is how many webhooks a second one source may send to one replica; 0 for no limit.
	SourceRateLimit float64 `env:"SOURCE_RATE_LIMIT, default=0"`
	// SourceRateBurst is how many webhooks a source may send at once; 0 for one second's worth.
	SourceRateBurst int `env:"SOURCE_RATE_BURST, default=0"`
	// SendTestOrders sends the messages of test orders, too: webhooks whose data has "test": true. Otherwise they are answered 200 and nothing is sent.
	SendTestOrders bool `env:"SEND_TEST_ORDERS, default=false"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.MaxBodyBytes < 1024 || c.MaxBodyBytes > 64<<20 {
		bad("MAX_BODY_BYTES is %d: set 1024 to 67108864", c.MaxBodyBytes)
	}
	if c.MaxInflightBytes < c.MaxBodyBytes {
		bad("MAX_INFLIGHT_BYTES is %d: set MAX_BODY_BYTES (%d) at least, or a large webhook is never taken", c.MaxInflightBytes, c.MaxBodyBytes)
	}
	if c.MaxConnections < 1 {
		bad("MAX_CONNECTIONS is %d: set 1 or more", c.MaxConnections)
	}
	if c.SourceRateLimit < 0 || c.SourceRateBurst < 0 {
		bad("SOURCE_RATE_LIMIT is %g and SOURCE_RATE_BURST %d: set 0 or more", c.SourceRateLimit, c.SourceRateBurst)
	}
	return errors.Join(errs...)
}
