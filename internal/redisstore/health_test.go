package redisstore

import (
	"errors"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redistest"
)

// TestRefusals: a Redis that refuses scripts, blocking or the password is named as one, by readiness and by the doctor.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		refuses, warns string
		ready, blocks  bool
	}{{"", "", true, true}, {"eval", "refuses scripts", false, true}, {"blpop", "refuses BLPOP", true, false}} {
		args := []string{"--appendonly", "yes"}
		if tt.refuses != "" {
			args = append(args, "--rename-command", tt.refuses, "") // as managed services do
		}
		store := open(t, url(redistest.Start(t, args...).Addr()), nil)
		if err := store.Ping(t.Context()); (err == nil) != tt.ready {
			t.Errorf("without %q: %v", tt.refuses, err)
		}
		consumer := store.Consumer(message.SMS, ConsumerConfig{}, nil)
		if err := consumer.Blocks(t.Context()); (err == nil) != tt.blocks {
			t.Errorf("without %q: %v", tt.refuses, err)
		}
		warnings, err := store.warnings(t.Context())
		if blocking := store.Blocking(t.Context()); blocking != "" {
			warnings = append(warnings, blocking)
		}
		if text := strings.Join(warnings, "\n"); err != nil || !strings.Contains(text, tt.warns) || (text != "") != (tt.warns != "") {
			t.Errorf("without %q: %q, %v", tt.refuses, text, err)
		}
	}
	for name, wrong := range map[string]func(*Config){
		"another password": func(c *Config) { c.URL = secret.String(strings.Replace(c.URL.Reveal(), "right", "wrong", 1)) },
		"no password":      func(c *Config) { c.URL = secret.String(strings.Replace(c.URL.Reveal(), ":right@", "", 1)) },
		"another user":     func(c *Config) { c.URL = secret.String(strings.Replace(c.URL.Reveal(), ":right", "ann:right", 1)) },
	} {
		server := redistest.StartAs(t, "", "right", "--requirepass", "right")
		_, err := open(t, Config{URL: secret.String("redis://:right@" + server.Addr())}, wrong).Examine(t.Context())
		if err == nil || !strings.Contains(Advice(err), "password") || !strings.Contains(Advice(err), "refuses") {
			t.Errorf("%s: %v", name, err)
		}
	}
	store := open(t, url("127.0.0.1:1"), nil)
	if _, err := store.Examine(t.Context()); err == nil || strings.Contains(Advice(err), "refuses") {
		t.Errorf("no Redis: %v", err)
	}
}

// TestReadiness: a healthy Redis of each kind is ready, and does not block a worker for longer than it takes to ask.
func TestReadiness(t *testing.T) {
	t.Parallel()
	tls, ca := redistest.StartTLS(t)
	for name, c := range map[string]Config{
		"standalone": url(redistest.Start(t).Addr()), "embedded": url(miniredis.RunT(t).Addr()), "cluster": {Addrs: redistest.StartCluster(t)},
		"sentinel": {Addrs: []string{redistest.StartSentinel(t)}, SentinelMaster: "ringup"}, "TLS": {URL: secret.String("rediss://" + tls.Addr()), CAFile: ca},
	} {
		store := open(t, c, nil)
		for _, channel := range message.Channels {
			if err := errors.Join(store.Ping(t.Context()), store.Consumer(channel, ConsumerConfig{}, nil).Blocks(t.Context())); err != nil {
				t.Errorf("%s, %s: %v", name, channel, err)
			}
		}
		warnings, err := store.warnings(t.Context())
		if text := strings.Join(warnings, "\n"); err != nil || strings.Contains(text, "refuses") {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru")
	warnings, err := open(t, url(server.Addr()), nil).warnings(t.Context())
	if err != nil || len(warnings) != 2 || !strings.Contains(warnings[0], "noeviction") || !strings.Contains(warnings[1], "appendonly") {
		t.Errorf("warnings: %q, %v", warnings, err)
	}
}
