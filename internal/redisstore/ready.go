package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Program is one of the programs that use the queue, each as a Redis user of its own; Resolve as that of Worker.
type Program string

// The programs.
const (
	Ingest  Program = "ingest"
	Worker  Program = "worker"
	Resolve Program = "resolve"
	Admin   Program = "admin"
)

// of returns the scripts that a program runs.
func (s *scripts) of(p Program) []script {
	switch p {
	case Ingest:
		return []script{s.enqueue, s.claim, s.clock, s.restore, s.take, s.report, s.retain, s.rekey, s.aside, s.noted, s.sample}
	case Worker:
		return []script{s.claim, s.settle, s.renew, s.heartbeat, s.recipients, s.restore, s.enqueue, s.suppress}
	case Resolve:
		return []script{s.claim, s.settle, s.renew, s.heartbeat, s.recipients, s.restore, s.enqueue}
	}
	return []script{s.operate, s.purge, s.forget, s.rekey, s.bodies, s.suppress, s.find}
}

// firstArgument finds the commands in a script: the names with which call, pcall and the functions around them are called.
var firstArgument = regexp.MustCompile(`\w\('([A-Z]{3,})'`)

// beside are the commands that a program sends itself and none of its scripts uses. BLPOP, of idle workers, is tried by Consumer.Blocks.
var beside = map[Program][]string{
	Ingest:  {"HSCAN", "LREM"},
	Worker:  {"EXPIRE", "HSCAN"},
	Resolve: {"EXPIRE", "HSCAN"},
	Admin:   {"APPEND", "EXISTS", "GET", "HGETALL", "HLEN", "HSCAN", "HSETNX", "SCAN", "SET", "ZCARD", "ZCOUNT", "ZRANGE", "ZREVRANGE", "ZSCAN"},
}

// rights are the Redis commands that each program uses, in the order of their names.
var rights = sync.OnceValue(func() map[Program][]string {
	all, out := compile(), map[Program][]string{}
	for p, more := range beside {
		found := map[string]bool{}
		for _, command := range more {
			found[command] = true
		}
		for _, one := range all.of(p) {
			for line := range strings.Lines(one.source) {
				code, _, _ := strings.Cut(line, "--")
				for _, match := range firstArgument.FindAllStringSubmatch(code, -1) {
					found[match[1]] = true
				}
			}
		}
		out[p] = slices.Sorted(maps.Keys(found))
	}
	return out
})

// readyArgs are the arguments of ready.lua.
type readyArgs struct {
	Key      string   `key:"one"`
	Commands []string `lua:"command"`
}

// readyAnswer is the answer of ready.lua.
type readyAnswer struct {
	Denied []string `lua:"denied"`
}

// Ready returns a check for readiness: whether Redis takes writes of a program on its channels, and lets the program's user run its scripts on its keys, also on those that
// are of no channel. Nothing is changed. Redis 6.2 does not tell which commands a user may run; there the scripts, the keys and one write are tried.
//
// Errors: queue.ErrUnavailable, with what to do where Redis refuses the user. In a cluster, where channels are on several shards, a shard that is away is an
// error only when all are.
func (s *Store) Ready(p Program, channels ...message.Channel) func(context.Context) error {
	commands := rights()[p]
	var keys []string
	for _, channel := range channels {
		keys = append(keys, s.keys[channel].Inflight)
	}
	if p == Ingest || p == Admin {
		keys = append(keys, s.senderKeys().index)
	}
	if p == Admin {
		keys = append(keys, s.sessionKey("-"))
	}
	return func(ctx context.Context) error {
		var calls []call
		for _, key := range keys {
			calls = append(calls, call{&s.scripts.ready, &readyArgs{Key: key, Commands: commands}})
		}
		answers, _ := s.run(ctx, calls...) // each answer has its own error
		var away, refused []error
		for _, answer := range answers {
			switch err := readyError(answer); {
			case errors.Is(err, errRights):
				refused = append(refused, err)
			case err != nil:
				away = append(away, err)
			}
		}
		if len(refused) > 0 {
			return refused[0]
		}
		if len(away) >= len(channels) { // the keys of no channel are on a shard of theirs
			return away[0]
		}
		return nil
	}
}

// errRights means that the program's user lacks rights, which only an operator can give.
var errRights = errors.New("the program's Redis user lacks rights: give it the rights in docs/operations/users.acl, for the keys of RINGUP_PREFIX")

// readyError returns the error of one key's answer, nil where it is ready. A key of another type is another program's, and no matter of readiness.
func readyError(answer *redis.Cmd) error {
	err := answer.Err()
	switch {
	case err != nil && denied(err):
		return fmt.Errorf("%w: %w: %w", queue.ErrUnavailable, errRights, err)
	case err != nil && !refused(err):
		return unavailable(err)
	case err != nil:
		return nil //nolint:nilerr // a key of another type
	}
	var said readyAnswer
	if err := decode(answer.Val(), &said); err != nil {
		return err
	}
	if len(said.Denied) > 0 {
		return fmt.Errorf("%w: %w: NOPERM %s", queue.ErrUnavailable, errRights, strings.Join(said.Denied, " "))
	}
	return nil
}

// denied says that Redis answered, and that its user lacks rights: for a command, for a key, or, in the words of Redis 6.2, in a script.
func denied(err error) bool {
	return strings.Contains(err.Error(), "NOPERM") || strings.Contains(err.Error(), "The user executing the script can't")
}
