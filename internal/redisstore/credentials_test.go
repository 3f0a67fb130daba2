package redisstore

import (
	"errors"
	"net"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redistest"
)

// TestCredentialsAreReplaced: new connections sign in with the credentials of the moment, at Redis and at its sentinels, by each setting that has a password.
func TestCredentialsAreReplaced(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		start func(t *testing.T) (addr string)
		with  func(c *Config, addr, password string)
	}{
		"REDIS_PASSWORD": {func(t *testing.T) string { return redistest.Start(t).Addr() }, func(c *Config, addr, password string) {
			host, port, _ := net.SplitHostPort(addr)
			c.Host, c.Password = host, secret.String(password)
			c.Port, _ = strconv.Atoi(port)
		}},
		"REDIS_URL": {func(t *testing.T) string { return redistest.Start(t).Addr() }, func(c *Config, addr, password string) {
			c.URL = secret.String("redis://:" + password + "@" + addr)
		}},
		"REDIS_SENTINEL_PASSWORD": {func(t *testing.T) string { return redistest.StartSentinel(t) }, func(c *Config, addr, password string) {
			c.Addrs, c.SentinelMaster, c.SentinelPassword = []string{addr}, "ringup", secret.String(password)
		}},
		"REDIS_SENTINEL_PASSWORD of a user": {func(t *testing.T) string { return redistest.StartSentinel(t) }, func(c *Config, addr, password string) {
			c.Addrs, c.SentinelMaster, c.SentinelUsername, c.SentinelPassword = []string{addr}, "ringup", "default", secret.String(password)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := tt.start(t)
			client := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})
			t.Cleanup(func() { _ = client.Close() })
			if err := client.Do(t.Context(), "ACL", "SETUSER", "default", "resetpass", ">the-new-one").Err(); err != nil {
				t.Fatal(err)
			}
			s := open(t, Config{}, func(c *Config) { tt.with(c, addr, "the-old-one") })
			if err := s.Ping(t.Context()); err == nil {
				t.Error("signed in with the old password")
			}
			next := s.config
			tt.with(&next, addr, "the-new-one")
			if err := s.Use(next); err != nil {
				t.Fatal(err)
			}
			if err := s.Ping(t.Context()); err != nil {
				t.Errorf("with the new password: %v", err)
			}
		})
	}
}

// TestPrivacyKeyIsReplaced: new names are made with the new key, and what the former one made is found. A file without the key in use is refused.
func TestPrivacyKeyIsReplaced(t *testing.T) {
	t.Parallel()
	s := withKeys(t, url(redistest.Start(t).Addr()), "replaced", keyA)
	const to = message.Address("+12025550143")
	names := func() []string {
		t.Helper()
		namer, err := s.namer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return namer.names(to)
	}
	old := names()
	use := func(keys ...secret.Key) error {
		next := s.config
		next.PrivacyKey = keys
		return s.Use(next)
	}
	if err := use(keyB); !errors.Is(err, errOtherKey) {
		t.Errorf("without the key in use: %v", err)
	}
	if got := names(); got[0] != old[0] {
		t.Error("the refused key is used")
	}
	if err := use(keyB, keyA); err != nil {
		t.Fatal(err)
	}
	if got := names(); got[0] == old[0] || got[1] != old[0] {
		t.Errorf("names %q; before %q", got, old)
	}
	if err := use(keyB); err != nil {
		t.Errorf("the former key is removed: %v", err)
	}
}

// TestAnotherRedis: a REDIS_URL that leads somewhere else is not followed by half.
func TestAnotherRedis(t *testing.T) {
	t.Parallel()
	s := open(t, url(redistest.Start(t).Addr()), nil)
	for _, to := range []string{"127.0.0.1:1", "127.0.0.2" + s.config.URL.Reveal()[len("redis://127.0.0.1"):], s.config.URL.Reveal()[len("redis://"):] + "/1"} {
		next := s.config
		next.URL = secret.String("redis://" + to)
		if err := s.Use(next); !errors.Is(err, errElsewhere) {
			t.Errorf("%s: %v", to, err)
		}
	}
	next := s.config
	next.URL = "rediss" + next.URL[len("redis"):]
	if err := s.Use(next); !errors.Is(err, errElsewhere) {
		t.Errorf("with TLS: %v", err)
	}
}
