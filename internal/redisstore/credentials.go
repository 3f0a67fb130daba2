package redisstore

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/config/secret"
)

// credentials sign new connections in. Those that there are stay as Redis let them in.
type credentials struct{ current atomic.Pointer[signIn] }

// signIn is a user and a password of Redis, and of the sentinels.
type signIn struct {
	user, sentinelUser         string
	password, sentinelPassword secret.String
}

// use replaces the credentials by those of options and the sentinels' of a configuration.
func (c *credentials) use(config *Config, o *redis.UniversalOptions) {
	c.current.Store(&signIn{o.Username, config.SentinelUsername, secret.String(o.Password), config.SentinelPassword})
}

// apply makes connections with some options sign in with the credentials of the moment. go-redis takes the sentinels' once and for all, so a
// connection to one signs in after go-redis has opened it.
func (c *credentials) apply(o *redis.UniversalOptions) {
	o.CredentialsProvider = func() (string, string) {
		now := c.current.Load()
		return now.user, now.password.Reveal()
	}
	if o.MasterName != "" {
		o.OnConnect = c.signInToSentinel
	}
}

// signInToSentinel signs a new connection in that Redis did not let in, as nobody else's can be but a sentinel's: those to Redis itself have their own
// credentials.
func (c *credentials) signInToSentinel(ctx context.Context, conn *redis.Conn) error {
	now := c.current.Load()
	if now.sentinelPassword == "" || !redis.HasErrorPrefix(conn.Ping(ctx).Err(), "NOAUTH") {
		return nil
	}
	if now.sentinelUser == "" {
		return conn.Auth(ctx, now.sentinelPassword.Reveal()).Err()
	}
	return conn.AuthACL(ctx, now.sentinelUser, now.sentinelPassword.Reveal()).Err()
}

// errElsewhere means that a changed REDIS_URL leads somewhere else.
var errElsewhere = errors.New("REDIS_URL names another host, port or database than at start: restart the programs, one after the other, to use it")

// Use replaces the credentials, for connections from now on, and the privacy key by those of a configuration, and nothing else. With one that is invalid,
// or of another Redis, it returns the problem, and changes nothing.
func (s *Store) Use(config Config) error {
	if err := config.Validate(); err != nil {
		return err
	}
	before, err := s.config.options()
	if err != nil {
		return err
	}
	after, err := config.options()
	if err != nil {
		return err
	}
	if !slices.Equal(before.Addrs, after.Addrs) || before.DB != after.DB || (before.TLSConfig == nil) != (after.TLSConfig == nil) {
		return errElsewhere
	}
	if err := s.privacy.use(config.PrivacyKey); err != nil {
		return err
	}
	s.credentials.use(&config, after)
	return nil
}
