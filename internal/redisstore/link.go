package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/queue"
)

// errNoAnswer is the error of a script's call that came back with neither an answer nor an error.
var errNoAnswer = errors.New("no answer")

// exec runs a pipeline, and is the only place that does so: afterwards each command has an answer or an error. go-redis leaves the commands
// as they were where a new connection was refused by an error of Redis (WRONGPASS, a sentinel without a master), and returns the error alone. A
// script always answers with a list, so a call without one has no answer either.
//
// The error is that of the first command that has one. A missing key (redis.Nil) is an answer, and hides no error behind it.
func exec(ctx context.Context, pipe redis.Pipeliner) ([]redis.Cmder, error) {
	commands, err := pipe.Exec(ctx)
	told := err == nil
	for _, c := range commands {
		told = told || c.Err() != nil
	}
	var first error
	for _, c := range commands {
		if script, is := c.(*redis.Cmd); !told {
			c.SetErr(err)
		} else if is && c.Err() == nil && script.Val() == nil {
			c.SetErr(errNoAnswer)
		}
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) && first == nil {
			first = err
		}
	}
	return commands, first
}

// readOnly says that a Redis takes no writes: it is a replica, or was a master until another one was promoted. Proxies and scripts put the words
// that Redis has for it into words of their own.
func readOnly(err error) bool {
	var says redis.Error
	return errors.As(err, &says) && !errors.Is(err, redis.Nil) && (strings.Contains(says.Error(), "READONLY") || strings.Contains(says.Error(), "MASTERDOWN"))
}

// links are the connections of a store. go-redis keeps one that answered READONLY, unless it is said in Redis's own words, and each one to a
// former master that did not happen to be used; a name or a proxy may lead to the new master by now, for a new connection.
type links struct{ age atomic.Int64 }

// retire makes the pool drop every connection that there is: before it is used again, or when its call is over.
func (l *links) retire() { l.age.Add(1) }

// dialer returns a dialer whose connections can be retired. Each new one trusts the authorities that REDIS_CA_FILE has then; a file that cannot be
// read, as in the middle of a change, leaves those of before.
func (l *links) dialer(config *Config, o *redis.UniversalOptions) func(ctx context.Context, network, addr string) (net.Conn, error) {
	var mu sync.Mutex
	dialer := func() func(context.Context, string, string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if config.CAFile != "" {
			if authorities, err := config.authorities(); err == nil {
				o.TLSConfig = o.TLSConfig.Clone()
				o.TLSConfig.RootCAs = authorities
			}
		}
		return redis.NewDialer(&redis.Options{DialTimeout: o.DialTimeout, TLSConfig: o.TLSConfig})
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		age := l.age.Load()
		conn, err := dialer()(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &link{Conn: conn, links: l, age: age}, nil
	}
}

// link is a connection that can be retired.
type link struct {
	net.Conn
	links *links
	age   int64
}

// SyscallConn is what go-redis's pool asks for to see whether an idle connection still holds. Its error says that it does not.
func (l *link) SyscallConn() (syscall.RawConn, error) {
	if l.age != l.links.age.Load() {
		return nil, net.ErrClosed
	}
	if plain, is := l.Conn.(syscall.Conn); is {
		return plain.SyscallConn()
	}
	return unseen{}, nil
}

// unseen is the socket below TLS: a look at it says nothing of what Redis sent.
type unseen struct{}

func (unseen) Control(func(fd uintptr)) error    { return nil }
func (unseen) Read(func(fd uintptr) bool) error  { return nil }
func (unseen) Write(func(fd uintptr) bool) error { return nil }

// DialHook implements redis.Hook.
func (l *links) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (l *links) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		err := next(ctx, c)
		if readOnly(err) {
			l.retire()
		}
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (l *links) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		retire := readOnly(err)
		for _, c := range commands {
			retire = retire || readOnly(c.Err())
		}
		if retire {
			l.retire()
		}
		return err
	}
}

// unavailable marks an error of Redis as queue.ErrUnavailable, and as queue.ErrReadOnly where it takes no writes; nil stays nil.
func unavailable(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: Redis did not answer in time", queue.ErrUnavailable)
	case readOnly(err):
		return fmt.Errorf("%w: %w", queue.ErrReadOnly, err)
	}
	return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
}
