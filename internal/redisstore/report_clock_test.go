package redisstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
)

// TestReportsWaitByRedisClock: whatever the replicas' own clocks say, a report that came before the settlement waits for it for a minute by Redis's clock, and no
// longer, also where that has gone back.
func TestReportsWaitByRedisClock(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-time.Hour, -2 * time.Minute, 0, 2 * time.Minute, time.Hour} {
		for _, back := range []time.Duration{0, 3 * time.Hour} {
			t.Run(fmt.Sprint(skew, " ", back), func(t *testing.T) {
				t.Parallel()
				server := miniredis.RunT(t)
				store := open(t, url(server.Addr()), nil)
				a := openAfter(t, store)
				now := time.Now().Add(skew)
				pass := func(by time.Duration) {
					now = now.Add(by)
					server.SetTime(now)
					_, err := store.followClock(t.Context(), message.WhatsApp)
					a.must(err)
				}
				pass(0)
				other := store.Deliveries(prometheus.NewRegistry())
				early := report.Report{EventID: "1", Provider: "business", Channel: message.WhatsApp, MessageID: "wamid.1", State: report.Failed,
					Err: &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}}
				a.apply()
				a.must(other.applyAll(t.Context(), message.WhatsApp))
				a.must(a.deliveries.Accept(t.Context(), report.Update{Reports: []report.Report{early}}))
				a.must(other.applyAll(t.Context(), message.WhatsApp))
				if n := a.waiting(message.WhatsApp); n != 1 {
					t.Fatalf("at once %d reports wait", n)
				}
				pass(reportPatience / 2)
				a.must(other.applyAll(t.Context(), message.WhatsApp))
				if n := a.waiting(message.WhatsApp); n != 1 {
					t.Fatalf("after half a minute %d reports wait", n)
				}
				pass(reportPatience/2 + time.Second)
				pass(-back)
				a.must(other.applyAll(t.Context(), message.WhatsApp))
				if n := a.waiting(message.WhatsApp); n != 0 {
					t.Errorf("after a minute %d reports wait", n)
				}
			})
		}
	}
}
