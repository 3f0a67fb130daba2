package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
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

// TestHosts: an address that can never be connected to ends the start. The error shows no part of it, since it may have a password.
func TestHosts(t *testing.T) {
	t.Parallel()
	hosts := map[string]bool{
		"redis": true, "redis.default.svc.cluster.local": true, "redis_1": true, "REDIS-0.example.": true, "10.0.0.7": true, "::1": true, "fe80::1%eth0": true,
		"": false, "redis:6379": false, "redis://redis": false, "user:hunter2@redis": false, "http://redis/": false, "[::1]": false, "/run/hunter2.sock": false, "re dis": false,
		"redis..local": false, "redis\n": false, "hunter2?": false, strings.Repeat("a", 254): false,
	}
	for host, valid := range hosts {
		well := url("redis")
		well.Prefix, well.DedupeTTL, well.StatusTTL, well.KeepFailed, well.MaxCrashes, well.OnUncertain, well.URL = "p", time.Hour, time.Hour, 1, 1, Resend, ""
		alone, some := well, well
		alone.Host, alone.Port = host, 6379
		some.Addrs = []string{"redis-0:6379", net.JoinHostPort(host, "6379")}
		for name, c := range map[string]Config{"REDIS_HOST": alone, "REDIS_ADDRS": some} {
			if host == "[::1]" && name == "REDIS_ADDRS" {
				continue // two pairs of brackets are of this test
			}
			err := c.Validate()
			if (err == nil) != valid || err != nil && (!strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("%s=%q: %v", name, host, err)
			}
		}
	}
	for _, port := range []string{"", "0", "65536", "redis", "-1", "hunter2"} {
		c := Config{Addrs: []string{"redis-0:" + port}}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "REDIS_ADDRS: number 1") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("port %q: %v", port, err)
		}
	}
}

// TestRateLimitIsANumber: what envconfig reads as a float is not always a rate.
func TestRateLimitIsANumber(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1} {
		c := ConsumerConfig{Lease: time.Minute, PriorityAging: time.Minute, RateLimit: rate}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "RATE_LIMIT") {
			t.Errorf("%g: %v", rate, err)
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
