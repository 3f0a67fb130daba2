package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// BreakerConfig is when a provider's breaker opens, and for how long.
type BreakerConfig struct {
	// Failures of the provider within the window open its breaker, if they are at least half of the answers.
	Failures int `env:"BREAKER_FAILURES, default=5"`
	// Window in which failures are counted.
	Window time.Duration `env:"BREAKER_WINDOW, default=10s"`
	// OpenMin is how long a breaker stays open the first time, before a probe; doubled each time in a row.
	OpenMin time.Duration `env:"BREAKER_OPEN_MIN, default=2s"`
	// OpenMax is the longest a breaker stays open before the next probe.
	OpenMax time.Duration `env:"BREAKER_OPEN_MAX, default=1m"`
	// Ramp is how long a provider that has recovered takes to get all messages again, where another one can take the rest; 0 for at once.
	Ramp time.Duration `env:"BREAKER_RAMP, default=30s"`
}

// ConsumerConfig is how one channel's workers take jobs. All replicas of a channel have to have the same.
type ConsumerConfig struct {
	// Lease is how long a job belongs to a worker that does not renew.
	Lease time.Duration `env:"LEASE, default=30s"`
	// PriorityAging is how long a job waits before it goes ahead of higher priorities, on every second place.
	PriorityAging time.Duration `env:"PRIORITY_AGING, default=1m"`
	// RateLimit is how many messages (segments, for SMS) a second all replicas may send together; 0 for no limit.
	RateLimit float64 `env:"RATE_LIMIT, default=0"`
	// RateBurst is how many may go out at once after a pause; 0 for one second's worth.
	RateBurst int `env:"RATE_BURST, default=0"`
	// RecipientLimit is how many messages a customer may get on the channel within an hour; 0 for no limit.
	RecipientLimit int `env:"RECIPIENT_LIMIT, default=0"`
	// Breaker of each provider.
	Breaker BreakerConfig
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
	if c.RateLimit < 0 || c.RateBurst < 0 {
		bad("RATE_LIMIT is %g and RATE_BURST %d: set 0 or more", c.RateLimit, c.RateBurst)
	}
	if c.Breaker.Failures < 1 {
		bad("BREAKER_FAILURES is %d: set 1 or more", c.Breaker.Failures)
	}
	if c.RecipientLimit < 0 || c.RecipientLimit > maxRecipientLimit {
		bad("RECIPIENT_LIMIT is %d: set 0 (none) to %d", c.RecipientLimit, maxRecipientLimit)
	}
	if c.Breaker.Ramp < 0 {
		bad("BREAKER_RAMP is %s: set 0s or more", c.Breaker.Ramp)
	}
	if c.Breaker.Window <= 0 || c.Breaker.OpenMin <= 0 || c.Breaker.OpenMax < c.Breaker.OpenMin {
		bad("BREAKER_WINDOW is %s, BREAKER_OPEN_MIN %s, BREAKER_OPEN_MAX %s: set times above 0, the maximum not below the minimum",
			c.Breaker.Window, c.Breaker.OpenMin, c.Breaker.OpenMax)
	}
	return errors.Join(errs...)
}

// burst returns the depth of the token bucket: at least one token, or nothing could ever be sent.
func (c *ConsumerConfig) burst() float64 {
	if c.RateBurst > 0 {
		return float64(c.RateBurst)
	}
	return max(1, c.RateLimit)
}

// maxRecipientLimit bounds what is kept of a recipient, and looked through with each of their messages.
const maxRecipientLimit = 1000

// costTTL is how long a day's spending is kept.
const costTTL = 40 * 24 * time.Hour

// maxBatch bounds what one script takes or settles: Lua's stack ends at 8,000 values.
const maxBatch = 1000

// Consumer takes one channel's jobs and settles them.
type Consumer struct {
	store     *Store
	channel   message.Channel
	keys      Keys
	config    ConsumerConfig
	providers []string
}

// Consumer returns a consumer of a channel whose jobs go to the providers named, the first that can be used.
func (s *Store) Consumer(channel message.Channel, config ConsumerConfig, providers []string) *Consumer {
	return &Consumer{store: s, channel: channel, keys: s.keys[channel], config: config, providers: providers}
}

// Exchange settles what was sent and claims what is next, in one round trip. Either part may be empty. With an error, a part that
// is not nil did happen. Settling the same again is harmless; a claim whose answer was lost is taken back when its leases end.
func (c *Consumer) Exchange(
	ctx context.Context, settlements []queue.Settlement, reports []queue.ProviderHealth, request *queue.ClaimRequest,
) (*queue.Settled, *queue.Claim, error) {
	var calls []call
	settling := len(settlements) > 0 || len(reports) > 0
	if len(settlements) > maxBatch {
		return nil, nil, fmt.Errorf("%d settlements in a batch: %d are possible", len(settlements), maxBatch)
	}
	if settling {
		args, err := c.settleArgs(settlements, reports)
		if err != nil {
			return nil, nil, err
		}
		calls = append(calls, call{&c.store.settle, append(c.keys.claim(), c.keys.Completed), args})
	}
	if request != nil {
		calls = append(calls, call{&c.store.claim, c.keys.claim(), c.claimArgs(request)})
	}
	if len(calls) == 0 {
		return &queue.Settled{}, nil, nil
	}
	answers, err := c.store.run(ctx, calls)
	settled := &queue.Settled{}
	if settling {
		if settled = nil; answers[0].Err() == nil {
			settled = c.readSettled(answers[0], settlements)
		}
		answers = answers[1:]
	}
	var claim *queue.Claim
	if request != nil && answers[0].Err() == nil {
		var readErr error
		if claim, readErr = c.readClaim(answers[0]); readErr != nil {
			err = errors.Join(err, readErr)
		}
	}
	return settled, claim, err
}

// Renew prolongs the leases of claimed jobs, and returns the indices of those that had ended.
func (c *Consumer) Renew(ctx context.Context, claimed []*queue.Claimed) ([]int, error) {
	var lost []int
	for from := 0; from < len(claimed); from += maxBatch {
		args := []any{c.config.Lease.Milliseconds()}
		for _, one := range claimed[from:min(from+maxBatch, len(claimed))] {
			args = append(args, one.Raw)
		}
		answers, err := c.store.run(ctx, []call{{&c.store.renew, []string{c.keys.Inflight}, args}})
		if err != nil {
			return lost, err
		}
		for _, i := range indices(answers[0].Val()) {
			lost = append(lost, from+i)
		}
	}
	return lost, nil
}

// Wait returns when something was enqueued, or after the time given, or with ctx. Redis sees one blocked command meanwhile.
func (c *Consumer) Wait(ctx context.Context, atMost time.Duration) error {
	result := make(chan error, 1)
	// go-redis does not interrupt a read when ctx ends, so the wait is left behind; a token that it takes then is put back.
	go func() {
		seconds := strconv.FormatFloat(max(atMost, time.Millisecond).Seconds(), 'f', 3, 64)
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

func (c *Consumer) claimArgs(r *queue.ClaimRequest) []any {
	args := []any{
		c.keys.Base, min(r.Max, maxBatch), c.config.Lease.Milliseconds(), c.config.PriorityAging.Milliseconds(), c.config.RateLimit,
		c.config.burst(), flag(r.Reap), c.store.config.MaxCrashes, flag(c.store.config.OnUncertain == SetOut), c.store.config.KeepFailed,
		c.store.config.StatusTTL.Milliseconds(), c.config.RecipientLimit,
	}
	for _, name := range c.providers {
		args = append(args, name)
	}
	return args
}

func (c *Consumer) settleArgs(settlements []queue.Settlement, reports []queue.ProviderHealth) ([]any, error) {
	tokens := 0
	for i := range settlements {
		if c, err := changeOf(time.Time{}, nil, settlements[i].Outcome); err == nil {
			tokens += c.attempt.ExtraTokens
		}
	}
	if c.config.RateLimit == 0 {
		tokens = 0
	}
	b := c.config.Breaker
	complete, all := order(settlements)
	args := append(make([]any, 0, 16+7*len(reports)+5*len(settlements)),
		c.keys.Base, c.store.config.KeepCompleted, c.store.config.KeepFailed, c.store.config.StatusTTL.Milliseconds(),
		b.Failures, b.Window.Milliseconds(), b.OpenMin.Milliseconds(), b.OpenMax.Milliseconds(), tokens,
		len(c.providers), len(reports), complete, len(settlements)-complete, b.Ramp.Milliseconds(), 0)
	for _, name := range c.providers {
		args = append(args, name)
	}
	for _, r := range reports {
		args = append(args, r.Provider, r.Healthy, r.Failed, flag(r.Account), r.ThrottleFor.Milliseconds(), flag(r.Probed), r.Reason)
	}
	now := time.Now()
	for _, i := range all[:complete] {
		j := settlements[i].Claimed.Job
		key, field := "", ""
		if j.Attempts == 0 && j.Crashes == 0 && j.LastError == "" {
			key, field = c.keys.log(j.WebhookID, j.Index, j.AcceptedAt) // the first that is said of it
		}
		args = append(args, settlements[i].Claimed.Raw, key, field, event(now, &settlements[i]))
	}
	for _, i := range all[complete:] {
		s := &settlements[i]
		action, raw, delay, err := next(now, s)
		if err != nil {
			return nil, err
		}
		args = append(args, action, s.Claimed.Raw, raw, delay.Milliseconds(), event(now, s))
	}
	fixed := len(args)
	for at, i := range all {
		var err error
		if args, err = c.changes(args, at+1, &settlements[i]); err != nil {
			return nil, err
		}
	}
	args[changeCount] = (len(args) - fixed) / 5
	return args, nil
}

// changeCount is where among the settle script's arguments the number of changes stands.
const changeCount = 14

// changes adds what goes with a settlement, the at-th (from 1) in the script's order.
func (c *Consumer) changes(args []any, at int, s *queue.Settlement) ([]any, error) {
	done, isDone := s.Outcome.(queue.Done)
	failed, _ := s.Outcome.(queue.Fail)
	if u := failed.Suppress; u != nil {
		entry, err := suppressionEntry(u)
		if err != nil {
			return nil, err
		}
		args = append(args, at, "suppress", foldAddress(u.Address), entry, 0)
	}
	for _, spend := range done.Costs {
		args = append(args, at, "spend", spend.Field, spend.Micros, costTTL.Milliseconds())
	}
	j := s.Claimed.Job
	if done.FindByMessageID && done.MessageID != "" {
		args = append(args, at, "name", done.MessageID, logName(j)+" "+strconv.FormatInt(j.AcceptedAt.UnixMilli(), 10), c.store.config.StatusTTL.Milliseconds())
	}
	if done.Redelivery == nil && !failed.FallBack {
		return args, nil
	}
	// The body goes along, since the one that jobs share is let go with this one.
	again := *j
	again.SharedBody, again.LastError, again.Returns = false, failed.Error, j.Returns+1
	again.Attempts++
	again.Alternate = again.Alternate || isDone && len(c.providers) > 1
	raw, err := again.AppendBinary(make([]byte, 0, len(s.Claimed.Raw)+len(j.Body)))
	if err != nil {
		return nil, err
	}
	if failed.FallBack {
		return append(args, at, "move", logName(j), raw, 0), nil
	}
	delay := int64(-1)
	if done.Redelivery.Retry {
		delay = done.Redelivery.Delay.Milliseconds()
	}
	id := done.MessageID
	if id == "" || strings.ContainsAny(id, " \t\r\n") {
		id = "-"
	}
	return append(args, at, "keep", logName(j), append(fmt.Appendf(nil, "%d %s %s ", delay, flag(done.Redelivery.FallBack), id), raw...), done.Redelivery.Within.Milliseconds()), nil
}

// order is that in which the settle script takes settlements, and how many come first that are complete.
func order(settlements []queue.Settlement) (complete int, all []int) {
	all = make([]int, 0, len(settlements))
	for i := range settlements {
		if isDone(&settlements[i]) {
			all = append(all, i)
		}
	}
	complete = len(all)
	for i := range settlements {
		if !isDone(&settlements[i]) {
			all = append(all, i)
		}
	}
	return complete, all
}

func isDone(s *queue.Settlement) bool {
	_, done := s.Outcome.(queue.Done)
	return done
}

func flag(set bool) string {
	if set {
		return "1"
	}
	return "0"
}

// readSettled reads the settle script's answer.
func (c *Consumer) readSettled(answer *redis.Cmd, settlements []queue.Settlement) *queue.Settled {
	fields, _ := answer.Slice()
	settled := &queue.Settled{}
	if len(fields) < 3 {
		return settled
	}
	if lost := indices(fields[0]); len(lost) > 0 {
		_, all := order(settlements)
		for _, i := range lost {
			settled.Lost = append(settled.Lost, all[i])
		}
	}
	settled.Evicted = c.decodeAll(fields[1])
	states, _ := fields[2].([]any)
	for i := 0; i+3 < len(states); i += 4 {
		if settled.Breakers == nil {
			settled.Breakers = map[string]queue.BreakerState{}
		}
		until, _ := strconv.ParseInt(text(states[i+2]), 10, 64)
		name := map[string]string{"O": "open", "H": "held", "R": "recovering"}[text(states[i+1])]
		settled.Breakers[text(states[i])] = queue.BreakerState{State: name, Until: time.UnixMilli(until), Reason: text(states[i+3])}
	}
	return settled
}

// readClaim reads the claim script's answer.
func (c *Consumer) readClaim(answer *redis.Cmd) (*queue.Claim, error) {
	f, _ := answer.Slice()
	if len(f) < 12 {
		return nil, fmt.Errorf("%w: the claim script answered %d fields", queue.ErrUnavailable, len(f))
	}
	claim := &queue.Claim{
		Provider: number(f[2]), Wait: time.Duration(number(f[4])) * time.Millisecond, Halted: text(f[5]), Throttled: number(f[6]) == 1,
		Promoted: number(f[7]), Reaped: number(f[8]), SetAside: number(f[9]), Evicted: c.decodeAll(f[10]),
	}
	if claim.Wait < 0 {
		claim.Wait = -1
	}
	bodies := map[string][]byte{}
	stored, _ := f[1].([]any)
	for i := 0; i+1 < len(stored); i += 2 {
		bodies[text(stored[i])] = []byte(text(stored[i+1]))
	}
	probe := number(f[3])
	raws, _ := f[0].([]any)
	for i, raw := range raws {
		one := &queue.Claimed{Raw: []byte(text(raw)), Provider: claim.Provider}
		if i == 0 && probe >= 0 {
			one.Probe, one.Provider = true, probe
		}
		one.Job, one.Err = job.Decode(c.channel, one.Raw)
		if one.Err == nil && one.Job.SharedBody {
			one.Job.Body = bodies[c.keys.body(one.Job)]
		}
		claim.Jobs = append(claim.Jobs, one)
	}
	remarks, _ := f[11].([]any)
	for i := 0; i+2 < len(remarks); i += 3 {
		of := number(remarks[i]) - 1
		if of < 0 || of >= len(claim.Jobs) || claim.Jobs[of].Job == nil {
			continue
		}
		if value := text(remarks[i+2]); text(remarks[i+1]) == "s" {
			claim.Jobs[of].Suppressed = readSuppression(c.channel, claim.Jobs[of].Job.Recipient, value)
		} else if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
			claim.Jobs[of].LimitedUntil = time.UnixMilli(ms)
		}
	}
	return claim, nil
}

// decodeAll reads jobs that fell off a set; what cannot be read is passed over.
func (c *Consumer) decodeAll(list any) []*job.Job {
	values, _ := list.([]any)
	var jobs []*job.Job
	for _, v := range values {
		if j, err := job.Decode(c.channel, []byte(text(v))); err == nil {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// indices turns a script's indices, from 1, into Go's.
func indices(list any) []int {
	values, _ := list.([]any)
	var out []int
	for _, v := range values {
		out = append(out, number(v)-1)
	}
	return out
}

func number(v any) int {
	n, _ := v.(int64)
	return int(n)
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
