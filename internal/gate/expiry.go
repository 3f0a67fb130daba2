package gate

import (
	"time"

	"ringup.dev/ringup/internal/event"
)

// expiry drops a message that is older than MESSAGE_TTL allows for its event; an event without an entry never expires.
func expiry(ttl map[event.Type]time.Duration) Stage {
	if len(ttl) == 0 {
		return nil
	}
	return func(in Input) Verdict {
		if limit := ttl[in.Event]; limit > 0 && in.Now.Sub(in.AcceptedAt) > limit {
			return Verdict{Action: Drop, Reason: Expired, Text: "older than MESSAGE_TTL"}
		}
		return Verdict{}
	}
}
