package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
)

// scripts are all there are: a line each here, a line in compile, and a file lua/<name>.lua. The structs of their arguments and answers are in
// the files that call them.
type scripts struct {
	enqueue, claim, settle, renew, heartbeat, clock, restore, take, report, operate, purge, forget, retain, recipients, rekey, bodies, ready, suppress, aside, noted script
}

// compile puts the scripts together, once per program.
var compile = sync.OnceValue(func() scripts {
	return scripts{
		enqueue:    newScript[enqueueArgs, enqueueAnswer]("enqueue"),
		claim:      newScript[claimArgs, claimAnswer]("claim"),
		settle:     newScript[settleArgs, settleAnswer]("settle"),
		renew:      newScript[renewArgs, renewAnswer]("renew"),
		heartbeat:  newScript[heartbeatArgs, struct{}]("beat"),
		clock:      newScript[clockArgs, clockAnswer]("clock"),
		restore:    newScript[restoreArgs, restoreAnswer]("restore"),
		take:       newScript[takeArgs, takeAnswer]("take"),
		report:     newScript[reportArgs, reportAnswer]("report"),
		operate:    newScript[operateArgs, operateAnswer]("operate"),
		purge:      newScript[purgeArgs, purgeAnswer]("purge"),
		forget:     newScript[forgetArgs, forgetAnswer]("forget"),
		retain:     newScript[retainArgs, retainAnswer]("retain"),
		recipients: newScript[recipientsArgs, recipientsAnswer]("recipients"),
		rekey:      newScript[rekeyArgs, struct{}]("rekey"),
		bodies:     newScript[bodiesArgs, bodiesAnswer]("bodies"),
		ready:      newScript[readyArgs, readyAnswer]("ready"),
		suppress:   newScript[suppressArgs, suppressAnswer]("suppress"),
		aside:      newScript[asideArgs, asideAnswer]("aside"),
		noted:      newScript[notedArgs, struct{}]("noted"),
	}
})

// Store is a connection to Redis, shared by everything that a program does with the queue.
type Store struct {
	config  Config
	client  redis.UniversalClient
	log     *slog.Logger
	keys    map[message.Channel]Keys
	slots   [][]message.Channel // the channels that one call of enqueue may serve together
	scripts scripts
	metrics *metrics // nil: not instrumented
	privacy privacy
	looked  map[message.Channel]*atomic.Int64 // the score of failed jobs up to which restoreAll has looked
}

// quiet keeps go-redis from printing past the program's logger: what matters comes back as an error.
type quiet struct{}

// Printf prints nothing.
func (quiet) Printf(context.Context, string, ...any) {}

var silence = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

// Open prepares the connection. It does not wait for Redis: a program starts, and recovers, without it. Errors are of the
// configuration.
func Open(config Config, log *slog.Logger) (*Store, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	options, err := config.options()
	if err != nil {
		return nil, err
	}
	silence()
	var l links
	options.Dialer = l.dialer(&config, options)
	s := &Store{config: config, client: redis.NewUniversalClient(options), log: log, keys: map[message.Channel]Keys{}, scripts: compile(), looked: map[message.Channel]*atomic.Int64{},
		privacy: privacy{turn: make(chan struct{}, 1)}}
	s.client.AddHook(&l)
	for _, channel := range message.Queues {
		s.keys[channel], s.looked[channel] = NewKeys(config.Prefix, channel), &atomic.Int64{}
		s.slots = append(s.slots, []message.Channel{channel})
	}
	if _, cluster := s.client.(*redis.ClusterClient); !cluster {
		// An event in the queue of Resolve and its messages have one id: their records are apart, as they are in a cluster.
		s.slots = [][]message.Channel{message.Channels, {message.Resolve}}
	}
	return s, nil
}

// Close ends the connection; calls that are under way fail.
func (s *Store) Close() error { return s.client.Close() }

// Ping asks whether Redis answers and runs scripts, without which nothing works. Errors: queue.ErrUnavailable.
func (s *Store) Ping(ctx context.Context) error {
	return unavailable(s.client.Eval(ctx, "return 1", nil).Err())
}

// call is one run of a script: args is a pointer to the struct of its arguments.
type call struct {
	script *script
	args   any
}

// run sends the calls in one round trip (one per node, in a cluster) and returns their answers, in order. The error is that of the first
// call that failed; the others may have succeeded. A script that Redis does not know (a restart, SCRIPT FLUSH, another master) is sent
// whole, for the calls that need it and were therefore not run.
func (s *Store) run(ctx context.Context, calls ...call) (answers []*redis.Cmd, first error) {
	defer func(start time.Time) { s.metrics.observe(calls[0].script.name, time.Since(start), first) }(time.Now())
	pipe := s.client.Pipeline()
	answers = make([]*redis.Cmd, len(calls))
	for i, c := range calls {
		keys, args := c.script.args.encode(c.args)
		answers[i] = pipe.EvalSha(ctx, c.script.sha, keys, args...)
	}
	// The errors of the commands are looked at one by one.
	_, _ = exec(ctx, pipe)
	for i, c := range calls {
		if redis.HasErrorPrefix(answers[i].Err(), "NOSCRIPT") {
			keys, args := c.script.args.encode(c.args)
			answers[i] = s.client.Eval(ctx, c.script.source, keys, args...)
		}
		if err := answers[i].Err(); err != nil && first == nil {
			first = unavailable(err)
		}
	}
	return answers, first
}

// ask runs one script and reads its answer, a pointer to a struct; nil where nothing in it matters. Errors: queue.ErrUnavailable.
func (s *Store) ask(ctx context.Context, script *script, args, answer any) error {
	answers, err := s.run(ctx, call{script, args})
	if err != nil || answer == nil {
		return err
	}
	return decode(answers[0].Val(), answer)
}

// refused says that Redis answered, and that a key of the channel is of another type than ringup's: another program uses it.
func refused(err error) bool { return err != nil && strings.Contains(err.Error(), "WRONGTYPE") }

// foreignKeys names the keys that a pipeline found to be of another type than ringup's: another program uses them, and they are as good as
// missing. The error is any other.
func foreignKeys(commands []redis.Cmder, _ error) ([]string, error) {
	var names []string
	for _, c := range commands {
		switch err := c.Err(); {
		case err == nil || errors.Is(err, redis.Nil):
		case !refused(err):
			return nil, err
		default:
			if name := fmt.Sprint(c.Args()[1]); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}
