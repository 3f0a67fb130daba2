package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// BreakerConfig is when a provider's breaker opens, and for how long.
type BreakerConfig struct {
	// Failures of the provider within the window open its breaker, if they are at least half of the answers.
	Failures int `env:"BREAKER_FAILURES, default=5" lua:"breaker_failures"`
	// Window in which failures are counted.
	Window time.Duration `env:"BREAKER_WINDOW, default=10s" lua:"breaker_window"`
	// OpenMin is how long a breaker stays open the first time, doubled each time in a row. The first message that is due then is the probe; those that failed are due by RETRY_BACKOFF.
	OpenMin time.Duration `env:"BREAKER_OPEN_MIN, default=2s" lua:"breaker_open_min"`
	// OpenMax is the longest a breaker stays open before the next probe.
	OpenMax time.Duration `env:"BREAKER_OPEN_MAX, default=1m" lua:"breaker_open_max"`
	// Ramp is how long a provider that has recovered takes to get all messages again, where another one can take the rest; 0 for at once.
	Ramp time.Duration `env:"BREAKER_RAMP, default=30s" lua:"breaker_ramp"`
}

// validate reports every setting that cannot work.
func (c *BreakerConfig) validate() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Failures < 1 {
		bad("BREAKER_FAILURES is %d: set 1 or more", c.Failures)
	}
	if c.Ramp < 0 {
		bad("BREAKER_RAMP is %s: set 0s or more", c.Ramp)
	}
	if c.Window <= 0 || c.OpenMin <= 0 || c.OpenMax < c.OpenMin {
		bad("BREAKER_WINDOW is %s, BREAKER_OPEN_MIN %s, BREAKER_OPEN_MAX %s: set times above 0, the maximum not below the minimum",
			c.Window, c.OpenMin, c.OpenMax)
	}
	return errs
}

// healthArgs is queue.ProviderHealth for settle.lua.
type healthArgs struct {
	Provider    string        `lua:"provider"`
	Healthy     int           `lua:"healthy"`
	Failed      int           `lua:"failed"`
	Account     bool          `lua:"account"`
	Reason      string        `lua:"reason"`
	ThrottleFor time.Duration `lua:"throttle"`
	Probed      bool          `lua:"probed"`
}

// breakerAnswer is a breaker that is not closed, as settle.lua answers it.
type breakerAnswer struct {
	Provider string `lua:"provider"`
	State    string `lua:"state"` // O, H, R: see breaker.lua
	Until    int64  `lua:"til"`   // Unix ms
	Reason   string `lua:"reason"`
}

// state is the breaker as the script left it, whatever the time is by now.
func (b *breakerAnswer) state() queue.BreakerState {
	name := map[string]string{"O": queue.BreakerOpen, "H": queue.BreakerThrottled, "R": queue.BreakerRecovering}[b.State]
	return queue.BreakerState{State: name, Until: time.UnixMilli(b.Until), Reason: b.Reason}
}

// parseBreaker reads a breaker's text, which breaker.lua describes, as it is now; false for one that is closed, or that cannot be read.
func parseBreaker(text string) (queue.BreakerState, bool) {
	f := strings.SplitN(text, " ", 8)
	if len(f) < 8 {
		return queue.BreakerState{}, false
	}
	til, _ := strconv.ParseInt(f[1], 10, 64)
	b := queue.BreakerState{Until: time.UnixMilli(til), Reason: f[7]}
	over := !time.Now().Before(b.Until)
	switch {
	case f[0] == "O" && over:
		b.State = queue.BreakerHalfOpen
	case f[0] == "O":
		b.State = queue.BreakerOpen
	case f[0] == "R" && !over:
		b.State = queue.BreakerRecovering
	case f[0] == "H" && !over:
		b.State = queue.BreakerThrottled
	default:
		return b, false
	}
	return b, true
}

// byHand is how long a breaker stays open that an operator opened: until an operator closes it.
const byHand = 10 * 365 * 24 * time.Hour

// OpenBreaker keeps a provider from being used until CloseBreaker. only says that the channel has no other provider. by is for people. A second
// call replaces by. Errors: queue.ErrUnavailable.
func (s *Store) OpenBreaker(ctx context.Context, channel message.Channel, provider, by string, only bool) error {
	k := s.keys[channel]
	reason := "opened by " + by
	pipe := s.client.Pipeline()
	pipe.HSet(ctx, k.State, "b:"+provider, fmt.Sprintf("O %d 1 0 0 0 0 %s", time.Now().Add(byHand).UnixMilli(), reason))
	if only {
		pipe.HSet(ctx, k.Halted, "breaker", provider+": "+reason)
	}
	_, err := exec(ctx, pipe)
	return unavailable(err)
}

// CloseBreaker lets a provider be used at once, without a probe. It is harmless when the breaker is closed. Errors: queue.ErrUnavailable.
func (s *Store) CloseBreaker(ctx context.Context, channel message.Channel, provider string) error {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	closed, resumed := pipe.HDel(ctx, k.State, "b:"+provider), pipe.HDel(ctx, k.Halted, "breaker")
	pipe.RPush(ctx, k.Wake, "1")
	_, _ = exec(ctx, pipe) // as in Resume
	return unavailable(errors.Join(closed.Err(), resumed.Err()))
}
