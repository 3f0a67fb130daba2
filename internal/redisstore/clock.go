package redisstore

import (
	"context"
	"time"

	"ringup.dev/ringup/internal/message"
)

// clockArgs are the arguments of clock.lua.
type clockArgs struct {
	Retry     string        `key:"retry"`
	Inflight  string        `key:"inflight"`
	State     string        `key:"state"`
	Held      string        `key:"held"`
	Taken     string        `key:"taken"`
	MarkEvery time.Duration `lua:"mark_every"`
	Most      int           `lua:"most"`
}

// clockAnswer is the answer of clock.lua.
type clockAnswer struct {
	Back time.Duration `lua:"back"`
	Left bool          `lua:"left"`
}

// clockMark is how old the mark may be that shows when Redis's clock has gone back: jobs wait for at most so much longer then. A command
// every five seconds per channel is next to nothing.
const clockMark = 5 * time.Second

const (
	// clockMost is how many times of a set one script moves, in some milliseconds.
	clockMost = 5000
	// clockCalls bounds how many such scripts one look at the clock runs; the next one goes on.
	clockCalls = 100
	// clockSuffix names the key from which the members of a large set come back, for some seconds (clock.lua).
	clockSuffix = ":clock"
)

// followClock moves a channel's times when Redis's clock has gone back since it was last called: it was set, or another server was
// promoted whose clock is behind. It returns by how much. A clock that goes forward needs no help: leases end, and retries are due, early.
func (s *Store) followClock(ctx context.Context, channel message.Channel) (time.Duration, error) {
	k := s.keys[channel]
	args := clockArgs{Retry: k.Retry, Inflight: k.Inflight, State: k.State, Held: k.Held, Taken: k.Taken, MarkEvery: clockMark, Most: clockMost}
	var back time.Duration
	for range clockCalls {
		var answer clockAnswer
		err := s.ask(ctx, &s.scripts.clock, &args, &answer)
		if back += answer.Back; err != nil || !answer.Left {
			return back, err
		}
	}
	return back, nil
}
