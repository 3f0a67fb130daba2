package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redistest"
)

func TestConfigNamesEveryProblem(t *testing.T) {
	t.Parallel()
	c := Config{URL: "redis://:hunter2@host:port", KeepCompleted: -1, OnUncertain: "maybe"}
	text := fmt.Sprint(c.Validate())
	for _, want := range []string{"REDIS_URL", "RINGUP_PREFIX", "DEDUPE_TTL", "STATUS_TTL", "KEEP_COMPLETED", "KEEP_FAILED", "MAX_CRASHES", "ON_UNCERTAIN"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not named in: %s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("the password is in: %s", text)
	}
}

// TestHostsThatCannotWork end the start, and what was set is not printed: it may have a password.
func TestHostsThatCannotWork(t *testing.T) {
	t.Parallel()
	for host, works := range map[string]bool{
		"localhost": true, "redis": true, "redis_1": true, "redis-0.redis.shop.svc.cluster.local.": true, "10.0.0.7": true, "::1": true, "fe80::1%eth0": true, "1.example.com": true,
		"redis://hunter2@redis": false, "hunter2@redis": false, "redis:6379": false, "redis:hunter2": false, "http://redis": false, " redis": false, "redis ": false, "re dis": false,
		"[::1]": false, "/run/redis.sock": false, "redis,hunter2": false, "-": false, ".": false, "redis\n": false, "redis..local": false, strings.Repeat("a", 254): false,
	} {
		c := Config{Host: host, Port: 6379}
		_, err := c.options()
		if (err == nil) != works || err != nil && (!strings.Contains(err.Error(), "REDIS_HOST") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("REDIS_HOST=%q: %v", host, err)
		}
		if strings.Contains(host, ":") {
			continue
		}
		for _, addr := range []string{host + ":6379", host + ":0", host + ":port"} {
			c := Config{Addrs: []string{"redis-0:6379", addr}}
			_, err := c.options()
			if want := works && strings.HasSuffix(addr, ":6379"); (err == nil) != want || err != nil && (!strings.Contains(err.Error(), "REDIS_ADDRS: number 2") || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("REDIS_ADDRS with %q: %v", addr, err)
			}
		}
	}
	c := Config{Addrs: []string{"redis://:hunter2@redis:6379"}}
	if _, err := c.options(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a URL in REDIS_ADDRS: %v", err)
	}
}

// TestRates: a rate that is no number stops no worker after its start.
func TestRates(t *testing.T) {
	t.Parallel()
	for rate, works := range map[float64]bool{0: true, 0.1: true, 1000: true, -1: false, math.NaN(): false, math.Inf(1): false, math.Inf(-1): false, 1e300: false} {
		c := ConsumerConfig{Lease: time.Second, PriorityAging: time.Second, RateLimit: rate, Breaker: BreakerConfig{Failures: 1, Window: 1, OpenMin: 1, OpenMax: 1}}
		if err := c.Validate(); (err == nil) != works || err != nil && !strings.Contains(err.Error(), "RATE_LIMIT") {
			t.Errorf("RATE_LIMIT=%g: %v", rate, err)
		}
	}
}

// TestKEDAKeys: a program whose keys KEDA does not look at does not start, and the error says what to do.
func TestKEDAKeys(t *testing.T) {
	t.Parallel()
	for keys, prefixes := range map[string][]string{
		"": {"ringup", "shop", "ringup:staging"}, "{ringup": {"ringup"}, "{shop": {"shop"}, "{ringup:staging": {"ringup:staging"},
	} {
		for _, prefix := range []string{"ringup", "shop", "ringup:staging", "ringup2"} {
			text := fmt.Sprint((&Config{Host: "h", Port: 1, Prefix: prefix, KEDAKeys: keys}).Validate())
			fits := keys == "" || slices.Contains(prefixes, prefix)
			if said := strings.Contains(text, "KEDA_KEYS"); said == fits || said && !strings.Contains(text, "components/keda/prefix") {
				t.Errorf("KEDA_KEYS=%s, RINGUP_PREFIX=%s: %s", keys, prefix, text)
			}
		}
	}
}

// TestIdleWorkersKeepTheirConnections: a blocked command is answered before its connection counts as dead, whatever the deployment and however long
// the worker would wait.
func TestIdleWorkersKeepTheirConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"standalone": {Host: "h", Port: 1},
		"URL":        {URL: "redis://h?read_timeout=1s"},
		"sentinel":   {Addrs: []string{"h:1"}, SentinelMaster: "m"},
		"cluster":    {Addrs: []string{"h:1", "h:2"}},
	} {
		o, err := c.options()
		if err != nil || o.ReadTimeout < longestWait+5*time.Second {
			t.Errorf("%s: the read time-out is %s, and a worker waits for %s; %v", name, o.ReadTimeout, longestWait, err)
		}
	}
	var blocked atomic.Value
	board := &switchboard{reword: func(b []byte) []byte { return b }}
	board.heard = func(b []byte) {
		if bytes.Contains(b, []byte("BLPOP")) {
			lines := strings.Split(strings.TrimSpace(string(b)), "\r\n")
			blocked.Store(lines[len(lines)-1])
		}
	}
	board.to.Store(redistest.Start(t).Addr())
	store := open(t, url(board.listen(t)), nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _ = store.Consumer(message.SMS, ConsumerConfig{}, nil).Wait(ctx, time.Hour) }()
	redistest.Eventually(t, "the worker blocks", func() bool { return blocked.Load() != nil })
	cancel()
	if seconds, err := strconv.ParseFloat(blocked.Load().(string), 64); err != nil || seconds > longestWait.Seconds() {
		t.Errorf("it blocks for %v: %v", blocked.Load(), err)
	}
}
