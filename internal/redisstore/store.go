package redisstore

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts by SHA-1
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

//go:embed lua/prelude.lua
var prelude string

//go:embed lua/enqueue.lua
var enqueueSource string

//go:embed lua/claim.lua
var claimSource string

//go:embed lua/settle.lua
var settleSource string

//go:embed lua/renew.lua
var renewSource string

//go:embed lua/operate.lua
var operateSource string

//go:embed lua/purge.lua
var purgeSource string

//go:embed lua/beat.lua
var beatSource string

//go:embed lua/report.lua
var reportSource string

//go:embed lua/arrive.lua
var arriveSource string

//go:embed lua/depart.lua
var departSource string

// script is a Lua program and the name Redis knows it by.
type script struct{ name, source, sha string }

func newScript(name, source string) script {
	source = prelude + source
	sum := sha1.Sum([]byte(source)) //nolint:gosec // as above
	return script{name: name, source: source, sha: hex.EncodeToString(sum[:])}
}

// Store is a connection to Redis, shared by whatever a program does with the queue.
type Store struct {
	config  Config
	client  redis.UniversalClient
	log     *slog.Logger
	keys    map[message.Channel]Keys
	slots   [][]message.Channel // the channels that one call of enqueue may serve together
	enqueue script
	claim   script
	settle  script
	renew   script
	purge   script
	metrics *metrics // nil: nobody looks
	operate script
	beat    script
	report  script
	arrive  script
	depart  script

	forgetting script
	retain     script
}

// quiet keeps go-redis from printing past the program's logger: what matters comes back as an error.
type quiet struct{}

// Printf prints nothing.
func (quiet) Printf(context.Context, string, ...any) {}

var silence = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

// Open prepares the connection. It does not wait for Redis: a program starts, and recovers, without it. Errors are of the
// configuration.
func Open(config Config, log *slog.Logger) (*Store, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	options, err := config.options()
	if err != nil {
		return nil, err
	}
	silence()
	s := &Store{
		config: config, client: redis.NewUniversalClient(options), log: log, keys: map[message.Channel]Keys{},
		enqueue: newScript("enqueue", enqueueSource), claim: newScript("claim", claimSource), settle: newScript("settle", settleSource),
		renew: newScript("renew", renewSource), purge: newScript("purge", purgeSource), operate: newScript("operate", operateSource), beat: newScript("beat", beatSource),
		report: newScript("report", reportSource), arrive: newScript("arrive", arriveSource), depart: newScript("depart", departSource),
		forgetting: newScript("forget", forgetSource), retain: newScript("retain", retainSource),
	}
	for _, channel := range message.Channels {
		s.keys[channel] = NewKeys(config.Prefix, channel)
		s.slots = append(s.slots, []message.Channel{channel})
	}
	if _, cluster := s.client.(*redis.ClusterClient); !cluster {
		s.slots = [][]message.Channel{message.Channels}
	}
	return s, nil
}

// Close ends the connection.
func (s *Store) Close() error { return s.client.Close() }

// Ping asks whether Redis answers. Errors: queue.ErrUnavailable.
func (s *Store) Ping(ctx context.Context) error { return unavailable(s.client.Ping(ctx).Err()) }

// Health is what a Redis is like.
type Health struct {
	Version  string
	Skew     time.Duration // how far its clock is ahead of ours
	Warnings []string      // what about it may lose, evict or refuse jobs, and what to do
}

// memoryWarning is how much of maxmemory may be used before it is time to do something.
const memoryWarning = 0.8

// Examine looks for what about this Redis may lose, evict or refuse jobs. A setting that may not be read (managed services hide CONFIG,
// and users may have no right to INFO) is passed over. Errors: queue.ErrUnavailable.
func (s *Store) Examine(ctx context.Context) (*Health, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	h := &Health{Version: "unknown", Skew: time.Until(now)}
	info, err := s.client.Info(ctx, "server", "persistence", "memory").Result()
	if err != nil {
		return h, nil //nolint:nilerr // INFO may be forbidden; Redis itself answers
	}
	field := func(name string) string {
		for line := range strings.Lines(info) {
			if value, found := strings.CutPrefix(strings.TrimSpace(line), name+":"); found {
				return value
			}
		}
		return ""
	}
	number := func(name string) float64 { n, _ := strconv.ParseFloat(field(name), 64); return n }
	warn := func(format string, args ...any) { h.Warnings = append(h.Warnings, fmt.Sprintf(format, args...)) }
	if version := field("redis_version"); version != "" {
		h.Version = version
	}
	var major, minor int
	if _, err := fmt.Sscanf(h.Version, "%d.%d", &major, &minor); err == nil && (major < 6 || major == 6 && minor < 2) {
		warn("Redis is older than 6.2: ringup needs 6.2 or newer")
	}
	if policy := field("maxmemory_policy"); policy != "" && policy != "noeviction" {
		warn("Redis may evict jobs when it is full: set maxmemory-policy noeviction (it is %s)", policy)
	}
	if field("aof_enabled") == "0" {
		warn("Redis keeps no append-only file: a restart may lose accepted jobs; set appendonly yes")
	}
	if field("aof_enabled") == "1" && field("aof_last_write_status") == "err" {
		warn("Redis cannot write its append-only file: look at its disk, and at its log")
	}
	if used, limit := number("used_memory"), number("maxmemory"); limit > 0 && used > memoryWarning*limit {
		warn("Redis uses %.0f%% of maxmemory: raise it, or ingest will have to answer 503", 100*used/limit)
	}
	if field("aof_enabled") == "1" && s.defaultUserIsPowerless(ctx) {
		warn("Redis's default user has no rights: the transactions in the append-only file are replayed as that user, and would be dropped at the next " +
			"start; set `user default off resetpass ~* &* +@all`")
	}
	return h, nil
}

// defaultUserIsPowerless says that the user as which Redis replays its own append-only file may not run every command.
func (s *Store) defaultUserIsPowerless(ctx context.Context) bool {
	users, err := s.client.Do(ctx, "ACL", "LIST").StringSlice()
	if err != nil {
		return false // not ours to see
	}
	for _, rules := range users {
		if strings.HasPrefix(rules, "user default ") {
			return !strings.Contains(rules, "+@all") || !strings.Contains(rules, "~*")
		}
	}
	return false
}

// Warnings tells what about this Redis may lose, evict or refuse jobs.
func (s *Store) Warnings(ctx context.Context) ([]string, error) {
	h, err := s.Examine(ctx)
	if err != nil {
		return nil, err
	}
	return h.Warnings, nil
}

// call is one run of a script on one channel's keys.
type call struct {
	script *script
	keys   []string
	args   []any
}

// run sends the calls in one round trip (one a node, in a cluster) and returns their answers. A script that Redis does not know
// (a restart, SCRIPT FLUSH, another master) is sent whole, for the calls that need it and were therefore not run.
func (s *Store) run(ctx context.Context, calls []call) (answers []*redis.Cmd, first error) {
	defer func(start time.Time) { s.metrics.observe(calls[0].script.name, time.Since(start), first) }(time.Now())
	pipe := s.client.Pipeline()
	answers = make([]*redis.Cmd, len(calls))
	for i, c := range calls {
		answers[i] = pipe.EvalSha(ctx, c.script.sha, c.keys, c.args...)
	}
	// The error of a pipeline is the first of its commands' errors, which are looked at one by one.
	_, _ = pipe.Exec(ctx)
	for i, c := range calls {
		if redis.HasErrorPrefix(answers[i].Err(), "NOSCRIPT") {
			answers[i] = s.client.Eval(ctx, c.script.source, c.keys, c.args...)
		}
		if err := answers[i].Err(); err != nil && first == nil {
			first = unavailable(err)
		}
	}
	return answers, first
}

// unavailable marks an error of Redis as queue.ErrUnavailable; nil stays nil.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: Redis did not answer in time", queue.ErrUnavailable)
	}
	return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
}

// Depth counts a channel's jobs.
func (s *Store) Depth(ctx context.Context, channel message.Channel) (queue.Depth, error) {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	depth := k.depth(ctx, pipe)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return queue.Depth{}, unavailable(err)
	}
	return depth(), nil
}

// depth asks for a channel's counts; what it returns reads the answers.
func (k *Keys) depth(ctx context.Context, pipe redis.Pipeliner) func() queue.Depth {
	var waiting [4]*redis.IntCmd
	var heads [4]*redis.StringCmd
	for i, name := range k.Queue {
		waiting[i] = pipe.LLen(ctx, name)
		heads[i] = pipe.LIndex(ctx, name, 0)
	}
	retry, held, inflight := pipe.ZCard(ctx, k.Retry), pipe.ZCard(ctx, k.Held), pipe.ZCard(ctx, k.Inflight)
	failed, completed := pipe.ZCard(ctx, k.Failed), pipe.ZCard(ctx, k.Completed)
	halted := pipe.HGetAll(ctx, k.Halted)
	return func() queue.Depth {
		var d queue.Depth
		for i := range waiting {
			d.Waiting[i] = waiting[i].Val()
			if at, ok := acceptedAt(heads[i].Val()); ok {
				d.Oldest[i] = max(0, time.Since(at))
			}
		}
		d.Held = held.Val()
		d.Retry, d.Inflight, d.Failed, d.Completed = retry.Val(), inflight.Val(), failed.Val(), completed.Val()
		if why := halted.Val(); why["paused"] != "" {
			d.Halted = queue.Halt{Kind: queue.HaltedPause, Why: why["paused"]}
		} else if why["breaker"] != "" {
			d.Halted = queue.Halt{Kind: queue.HaltedBreaker, Why: why["breaker"]}
		}
		return d
	}
}

// acceptedAt reads when a job was accepted out of its first bytes.
func acceptedAt(raw string) (time.Time, bool) {
	if len(raw) < 12 {
		return time.Time{}, false
	}
	return millis(raw[5:11]), true
}

// Pause keeps a channel from being claimed from, until Resume. by and why are for people.
func (s *Store) Pause(ctx context.Context, channel message.Channel, by, why string) error {
	text := "by " + by + " at " + time.Now().UTC().Format(time.RFC3339)
	if why != "" {
		text += ": " + why
	}
	return unavailable(s.client.HSet(ctx, s.keys[channel].Halted, "paused", text).Err())
}

// Resume ends a pause.
func (s *Store) Resume(ctx context.Context, channel message.Channel) error {
	k := s.keys[channel]
	pipe := s.client.Pipeline()
	resumed := pipe.HDel(ctx, k.Halted, "paused")
	pipe.RPush(ctx, k.Wake, "1")
	_, _ = pipe.Exec(ctx) // a Redis that is full wakes nobody; workers also look by themselves
	return unavailable(resumed.Err())
}

// LogWarnings logs, once Redis can be reached, what about it may lose jobs; of an embedded Redis only that it cannot be reached. It returns
// then, or when ctx ends.
func (s *Store) LogWarnings(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	said := false
	for {
		warnings, err := s.Warnings(ctx)
		if err == nil && s.config.Embedded {
			return
		}
		if err == nil {
			for _, w := range warnings {
				s.log.Warn(w)
			}
			return
		}
		if !said && ctx.Err() == nil {
			said = true
			s.log.Error("Redis cannot be reached; trying again until it can (REDIS_URL, REDIS_HOST, REDIS_PORT, REDIS_PASSWORD)", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
