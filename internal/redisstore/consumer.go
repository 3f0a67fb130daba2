package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// ConsumerConfig is how one channel's workers take jobs. All replicas of a channel have to have the same.
type ConsumerConfig struct {
	// Lease is how long a job belongs to a worker that does not renew.
	Lease time.Duration `env:"LEASE, default=30s"`
	// PriorityAging is how long a job waits before it goes ahead of higher priorities, on every second turn.
	PriorityAging time.Duration `env:"PRIORITY_AGING, default=1m"`
	// RateLimit is how many messages (segments, for SMS) per second all replicas may send together; 0 for no limit.
	RateLimit float64 `env:"RATE_LIMIT, default=0"`
	// RateBurst is how many may go out at once after a pause; 0 for one second's worth.
	RateBurst int `env:"RATE_BURST, default=0"`
	// RecipientLimit is how many messages a customer may get on the channel within an hour; 0 for no limit.
	RecipientLimit int `env:"RECIPIENT_LIMIT, default=0"`
	// Breaker of each provider.
	Breaker BreakerConfig

	// Settings is the fingerprint of all settings that the channel's workers share (Fingerprint), for their heartbeats.
	Settings string
}

// Validate reports every setting that cannot work, each with its variable.
func (c *ConsumerConfig) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Lease < time.Second {
		bad("LEASE is %s: set at least 1s", c.Lease)
	}
	if c.PriorityAging <= 0 {
		bad("PRIORITY_AGING is %s: set a time above 0, as 1m", c.PriorityAging)
	}
	// NaN is neither in the range nor out of it, hence the negation.
	if !(c.RateLimit >= 0 && c.RateLimit <= maxRate) || c.RateBurst < 0 {
		bad("RATE_LIMIT is %g and RATE_BURST %d: set 0 or more, and a rate up to %g", c.RateLimit, c.RateBurst, float64(maxRate))
	}
	if c.RecipientLimit < 0 || c.RecipientLimit > maxRecipientLimit {
		bad("RECIPIENT_LIMIT is %d: set 0 (none) to %d", c.RecipientLimit, maxRecipientLimit)
	}
	return errors.Join(append(errs, c.Breaker.validate()...)...)
}

// burst returns the depth of the token bucket: at least one token, or nothing could ever be sent.
func (c *ConsumerConfig) burst() float64 {
	if c.RateBurst > 0 {
		return float64(c.RateBurst)
	}
	return max(1, c.RateLimit)
}

const (
	// maxRate is beyond all rates of providers, and short of infinity.
	maxRate = 1e6
	// maxRecipientLimit bounds the list of a recipient's latest messages, which is read before each of them.
	maxRecipientLimit = 1000
	// maxBatch bounds what one script claims or settles: Lua's stack ends at 8,000 values.
	maxBatch = 1000
)

// Consumer claims and settles the jobs of one channel.
type Consumer struct {
	store     *Store
	channel   message.Channel
	keys      Keys
	config    ConsumerConfig
	providers []string
}

// Consumer returns a consumer of a channel whose jobs go to the providers named: each to the first that can be used.
func (s *Store) Consumer(channel message.Channel, config ConsumerConfig, providers []string) *Consumer {
	return &Consumer{store: s, channel: channel, keys: s.keys[channel], config: config, providers: providers}
}

// Exchange settles jobs and claims others, in one round trip; without settlements and health it only claims, and without a request it only
// settles. Failed jobs that fall back are on the other channel before they are settled, which takes a round trip or two more; the recipients of
// claimed jobs are looked up in one more, where the suppression list has an entry or RECIPIENT_LIMIT is set.
//
// With an error, a part of the answer that is not nil did happen. Settling again is harmless; a claim whose answer was lost is reaped when
// its leases end. A cancelled ctx counts as a lost answer. Errors: queue.ErrUnavailable, and settlements that cannot be encoded.
func (c *Consumer) Exchange(
	ctx context.Context, settlements []queue.Settlement, health []queue.ProviderHealth, request *queue.ClaimRequest,
) (*queue.Settled, *queue.Claim, error) {
	if len(settlements) > maxBatch {
		return nil, nil, fmt.Errorf("%d settlements in a batch: %d are possible", len(settlements), maxBatch)
	}
	var calls []call
	var batch *settleBatch
	if len(settlements) > 0 || len(health) > 0 {
		settlements, moved, err := c.fallBack(ctx, settlements)
		if err == nil {
			batch, err = c.settleBatch(ctx, settlements, health, moved)
		}
		if err != nil {
			return nil, nil, err
		}
		calls = append(calls, call{&c.store.scripts.settle, &batch.args})
	}
	if request != nil {
		calls = append(calls, call{&c.store.scripts.claim, c.claimArgs(request)})
	}
	if len(calls) == 0 {
		return &queue.Settled{}, nil, nil
	}
	answers, err := c.store.run(ctx, calls...)
	var settled *queue.Settled
	var claim *queue.Claim
	if batch == nil {
		settled = &queue.Settled{}
	} else {
		var readErr error
		if answers[0].Err() == nil {
			settled, readErr = batch.read(answers[0].Val())
		}
		answers, err = answers[1:], errors.Join(err, readErr)
	}
	if request != nil && answers[0].Err() == nil {
		var readErr error
		claim, readErr = c.looked(ctx, answers[0].Val())
		err = errors.Join(err, readErr)
	}
	return settled, claim, err
}

// Wait returns when something was enqueued, or after the time given (fifteen seconds at most), or with ctx. Redis sees one blocked command meanwhile.
func (c *Consumer) Wait(ctx context.Context, atMost time.Duration) error {
	atMost = min(atMost, longestWait)
	result := make(chan error, 1)
	// go-redis does not interrupt a read when ctx ends, so the wait is left behind; a token that it takes then is put back.
	go func() {
		// Redis 6.2 rounds a millisecond down to zero, which means for ever.
		seconds := strconv.FormatFloat(max(atMost, 2*time.Millisecond).Seconds(), 'f', 3, 64)
		blocked, cancel := context.WithTimeout(context.WithoutCancel(ctx), atMost+2*time.Second)
		defer cancel()
		err := c.store.client.Do(blocked, "BLPOP", c.keys.Wake, seconds).Err()
		if err == nil && ctx.Err() != nil {
			_ = c.store.client.RPush(blocked, c.keys.Wake, "1").Err()
		}
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		result <- unavailable(err)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Blocks asks whether Redis lets this worker block until something is enqueued. It takes no token. Errors: queue.ErrUnavailable.
func (c *Consumer) Blocks(ctx context.Context) error {
	err := c.store.client.Do(ctx, "BLPOP", c.keys.Base+":none", "0.002").Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return unavailable(err)
}

// decodeJobs decodes evicted jobs; bytes that cannot be read are passed over.
func decodeJobs(channel message.Channel, raws []string) []*job.Job {
	var jobs []*job.Job
	for _, raw := range raws {
		if j, err := job.Decode(channel, []byte(raw)); err == nil {
			jobs = append(jobs, j)
		}
	}
	return jobs
}
