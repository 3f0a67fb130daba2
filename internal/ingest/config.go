package ingest

import (
	"errors"
	"fmt"

	"ringup.dev/ringup/internal/plan"
)

// Config is what ingest does with a webhook.
type Config struct {
	// MaxBodyBytes is the largest payload that is read; a larger one is answered 413.
	MaxBodyBytes int64 `env:"MAX_BODY_BYTES, default=1048576"`
	// MaxInflightBytes is how much of all requests one replica has at a time: the bytes that have arrived, those of headers five times, 4 KiB at least; more is answered 503 at once. 0 derives it from the memory limit (docs/operations/sizing.md).
	MaxInflightBytes int64 `env:"MAX_INFLIGHT_BYTES, default=0"`
	// MaxConnections is how many connections one replica has at a time; more are answered 503 and closed. 0 derives it from the memory limit (docs/operations/sizing.md).
	MaxConnections int64 `env:"MAX_CONNECTIONS, default=0"`
	// TrustedProxies are the addresses and networks of your ingress, as 10.0.0.0/8, whose X-Forwarded-For names the client. Without them, the client is the address that connects.
	TrustedProxies []string `env:"TRUSTED_PROXIES"`
	// RequireTLS refuses requests that came to a trusted proxy over plain HTTP, by its X-Forwarded-Proto: 403, since a redirect would be too late for the token. Needs TRUSTED_PROXIES. Unsubscribe links, and requests that come directly, are taken.
	RequireTLS bool `env:"REQUIRE_TLS, default=false"`
	// TestEndpoints serves /webhooks/test, /test/webhook-sample and /test/simulate-webhook. Not for production: they take no token, and the last one sends messages.
	TestEndpoints bool `env:"TEST_ENDPOINTS, default=false"`
	// SourceRateLimit is how many webhooks a second one source may send to one replica; 0 for no limit.
	SourceRateLimit float64 `env:"SOURCE_RATE_LIMIT, default=0"`
	// SourceRateBurst is how many webhooks a source may send at once; 0 for one second's worth.
	SourceRateBurst int `env:"SOURCE_RATE_BURST, default=0"`
	Coalesce        plan.Coalesce
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
	if c.MaxInflightBytes != 0 && c.MaxInflightBytes < c.minInflight() {
		bad("MAX_INFLIGHT_BYTES is %d: set 0, or twice MAX_BODY_BYTES (%d) at least, or a large webhook is never taken", c.MaxInflightBytes, c.minInflight())
	}
	if c.MaxConnections != 0 && c.MaxConnections < minShared {
		bad("MAX_CONNECTIONS is %d: set 0, or %d or more", c.MaxConnections, minShared)
	}
	proxies, err := parseProxies(c.TrustedProxies)
	errs = append(errs, err, c.Coalesce.Validate())
	if c.RequireTLS && err == nil && len(proxies) == 0 {
		bad("REQUIRE_TLS is true, and TRUSTED_PROXIES empty: set the addresses of your ingress, whose X-Forwarded-Proto is believed")
	}
	if !(c.SourceRateLimit >= 0 && c.SourceRateLimit <= maxRate) || c.SourceRateBurst < 0 { // NaN is neither
		bad("SOURCE_RATE_LIMIT is %g and SOURCE_RATE_BURST %d: set 0 to %d, and 0 or more", c.SourceRateLimit, c.SourceRateBurst, int(maxRate))
	}
	return errors.Join(errs...)
}

// maxRate is the largest SOURCE_RATE_LIMIT: no limit, in effect.
const maxRate = 1e6

// minInflight is the smallest MAX_INFLIGHT_BYTES of which one client's share holds the largest webhook.
func (c *Config) minInflight() int64 { return 2 * max(c.MaxBodyBytes, 2*minInflightCost) }
