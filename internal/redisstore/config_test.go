package redisstore

import (
	"bytes"
	"context"
	"fmt"
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
