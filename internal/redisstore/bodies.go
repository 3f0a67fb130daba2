package redisstore

import (
	"context"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/job"
)

// fetchBodies gives jobs their shared bodies, each read once. The body of a job whose body is gone is empty. Errors: queue.ErrUnavailable.
func (s *Store) fetchBodies(ctx context.Context, jobs []*job.Job) error {
	keys := make([]string, len(jobs)) // "" where the job has its body in it
	for i, j := range jobs {
		if k := s.keys[j.Channel]; j.SharedBody {
			keys[i] = k.body(j)
		}
	}
	bodies := map[string][]byte{}
	if err := s.readBodies(ctx, keys, bodies); err != nil {
		return err
	}
	for i, j := range jobs {
		if keys[i] != "" {
			j.Body = bodies[keys[i]]
		}
	}
	return nil
}

// readBodies reads shared bodies, also those whose bytes are under another key (of, see prelude.lua), into a map.
func (s *Store) readBodies(ctx context.Context, keys []string, into map[string][]byte) error {
	pipe := s.client.Pipeline()
	asked := map[string]*redis.SliceCmd{}
	for _, key := range keys {
		if key != "" && asked[key] == nil && into[key] == nil {
			asked[key] = pipe.HMGet(ctx, key, "b", "of")
		}
	}
	if len(asked) == 0 {
		return nil
	}
	if _, err := foreignKeys(exec(ctx, pipe)); err != nil {
		return unavailable(err)
	}
	of := map[string]string{}
	for key, answer := range asked {
		into[key] = []byte{}
		if fields := answer.Val(); len(fields) == 2 {
			if body, is := fields[0].(string); is {
				into[key] = []byte(body)
			} else if other, is := fields[1].(string); is {
				of[key] = other
			}
		}
	}
	err := s.readBodies(ctx, slices.Collect(maps.Values(of)), into)
	for key, other := range of {
		into[key] = into[other]
	}
	return err
}
