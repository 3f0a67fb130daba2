package redisstore

import (
	"context"
	_ "embed"
	"time"

	"ringup.dev/ringup/internal/message"
)

//go:embed lua/clock.lua
var clockSource string

var clockScript = newScript("clock", clockSource)

// clockMark is how old the mark may be by which it is seen that Redis's clock has gone back: what waits for a time waits for at most so
// much longer then. A command every five seconds and channel is next to nothing.
const clockMark = 5 * time.Second

// followClock moves a channel's times when Redis's clock has gone back since it was last called: it was set, or another server was
// promoted whose clock is behind. It returns by how much. A clock that goes forward needs no help: leases end, and retries are due, early.
func (s *Store) followClock(ctx context.Context, channel message.Channel) (time.Duration, error) {
	k := s.keys[channel]
	answers, err := s.run(ctx, []call{{&clockScript, []string{k.Retry, k.Inflight, k.State, k.Held}, []any{clockMark.Milliseconds()}}})
	if err != nil {
		return 0, err
	}
	return time.Duration(number(answers[0].Val())) * time.Millisecond, nil
}
