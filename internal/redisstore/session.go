package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// sessionKey is where an operator's session is. Its hash tag is of no channel, so that of the programs only admin needs rights to it.
func (s *Store) sessionKey(id string) string { return "{" + s.config.Prefix + ":admin}:session:" + id }

// SaveSession stores the operator's name under a session's id, for so long. Errors: queue.ErrUnavailable.
func (s *Store) SaveSession(ctx context.Context, id, name string, ttl time.Duration) error {
	return unavailable(s.client.Set(ctx, s.sessionKey(id), name, ttl).Err())
}

// Session returns the operator's name; "" when there is no session with that id. Errors: queue.ErrUnavailable.
func (s *Store) Session(ctx context.Context, id string) (string, error) {
	name, err := s.client.Get(ctx, s.sessionKey(id)).Result()
	if errors.Is(err, redis.Nil) || refused(err) {
		return "", nil
	}
	return name, unavailable(err)
}

// EndSession deletes a session; it is harmless when there is none. Errors: queue.ErrUnavailable.
func (s *Store) EndSession(ctx context.Context, id string) error {
	return unavailable(s.client.Del(ctx, s.sessionKey(id)).Err())
}
