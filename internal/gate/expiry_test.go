package gate

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
)

func TestExpiry(t *testing.T) {
	t.Parallel()
	stage := expiry(settings(t, map[string]string{"MESSAGE_TTL": "order_update:30m,pos_save:2h"}).MessageTTL)
	for _, tt := range []struct {
		name    string
		event   event.Type
		age     time.Duration
		expired bool
	}{
		{"younger", event.OrderUpdate, 29 * time.Minute, false},
		{"exactly as old as it may be", event.OrderUpdate, 30 * time.Minute, false},
		{"older", event.OrderUpdate, 30*time.Minute + time.Nanosecond, true},
		{"by its own event", event.POSSave, time.Hour, false},
		{"an event without a limit", event.PaymentComplete, 24 * 365 * time.Hour, false},
		{"accepted by a clock that is ahead", event.OrderUpdate, -time.Hour, false},
	} {
		in := order()
		in.Event, in.AcceptedAt = tt.event, in.Now.Add(-tt.age)
		want := Verdict{}
		if tt.expired {
			want = Verdict{Action: Drop, Reason: Expired, Text: "older than MESSAGE_TTL"}
		}
		if got := stage(in); got != want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
	}
}
