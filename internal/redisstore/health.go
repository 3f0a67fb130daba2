package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
)

// Health is the state of a Redis.
type Health struct {
	Version  string
	Skew     time.Duration // how far its clock is ahead of ours
	Warnings []string      // settings and facts that may lose, evict or refuse jobs, each with its remedy
}

// memoryWarning is how much of maxmemory may be used before it is time to do something.
const memoryWarning = 0.8

// Examine looks for settings and facts of this Redis that may lose, evict or refuse jobs. A setting that may not be read (managed services hide CONFIG,
// and users may have no right to INFO) is passed over. Errors: queue.ErrUnavailable.
func (s *Store) Examine(ctx context.Context) (*Health, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	h := &Health{Version: "unknown", Skew: time.Until(now)}
	warn := func(format string, args ...any) { h.Warnings = append(h.Warnings, fmt.Sprintf(format, args...)) }
	if err := s.Ping(ctx); answered(err) {
		warn("Redis refuses scripts, without which nothing works: allow EVAL and EVALSHA (%v)", err)
	}
	// Redis 6.2 takes one section at most; the default has all of them.
	info, err := s.client.Info(ctx).Result()
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

// Blocking says what to do where Redis refuses a worker's user BLPOP, by which idle workers wait; "" where it does not, or cannot be asked. Only workers have the right to it.
func (s *Store) Blocking(ctx context.Context) string {
	if err := s.Consumer(message.Channels[0], ConsumerConfig{}, nil).Blocks(ctx); answered(err) {
		return fmt.Sprintf("Redis refuses BLPOP, by which idle workers wait: allow it (%v)", err)
	}
	return ""
}

// answered says that an error is one that Redis answered with.
func answered(err error) bool {
	var says redis.Error
	return errors.As(err, &says)
}

// Advice says what to set where Redis cannot be asked, by the error of a call.
func Advice(err error) string {
	for _, words := range []string{"WRONGPASS", "NOAUTH", "invalid password", "without any password"} {
		if strings.Contains(err.Error(), words) {
			return "Redis refuses the user or the password: set REDIS_USERNAME and REDIS_PASSWORD, or those in REDIS_URL; REDIS_SENTINEL_… for the sentinels"
		}
	}
	return "set REDIS_URL, or REDIS_HOST, REDIS_PORT and REDIS_PASSWORD"
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

// warnings lists the warnings of Examine.
func (s *Store) warnings(ctx context.Context) ([]string, error) {
	h, err := s.Examine(ctx)
	if err != nil {
		return nil, err
	}
	return h.Warnings, nil
}

// LogWarnings logs the warnings of Examine once Redis can be reached, and returns then, or with ctx.
func (s *Store) LogWarnings(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	said := false
	for {
		warnings, err := s.warnings(ctx)
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
			s.log.Error("Redis cannot be reached; trying again until it can", "error", err, "set", Advice(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
