package redisstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// TestRedisClockGoesBack: what waits for a time does not wait until the clock has caught up.
func TestRedisClockGoesBack(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	began := time.UnixMilli(1_800_000_000_000)
	server.SetTime(began)
	store := open(t, url(server.Addr()), nil)
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	consumer := store.Consumer(message.SMS, ConsumerConfig{
		Lease: 30 * time.Second, PriorityAging: time.Minute,
		Breaker: BreakerConfig{Failures: 1, Window: 10 * time.Second, OpenMin: 20 * time.Second, OpenMax: time.Minute},
	}, []string{"p"})
	for _, id := range []string{"retried", "orphaned"} {
		if _, err := producer.Enqueue(t.Context(), webhook(id)); err != nil {
			t.Fatal(err)
		}
	}
	follow := func(want time.Duration) {
		t.Helper()
		if back, err := store.followClock(t.Context(), message.SMS); err != nil || back != want {
			t.Fatalf("the clock went back by %s, %v; want %s", back, err, want)
		}
	}
	follow(0)
	_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 2})
	if err != nil || len(claim.Jobs) != 2 {
		t.Fatalf("claim: %+v, %v; want 2 jobs", claim, err)
	}
	if _, _, err := consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Retry{Delay: 10 * time.Second}}},
		[]queue.ProviderHealth{{Provider: "p", Failed: 1, Reason: "down"}}, nil); err != nil {
		t.Fatal(err)
	}
	server.SetTime(began.Add(-2 * time.Hour))
	follow(2 * time.Hour)
	follow(0)
	depth := func() queue.Depth {
		t.Helper()
		if _, err := store.Sweep(t.Context(), message.SMS, true); err != nil {
			t.Fatal(err)
		}
		d, err := store.Depth(t.Context(), message.SMS)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := depth(); d.Retry != 1 || d.Inflight != 1 {
		t.Errorf("at once: %+v; want the retry and the lease still to wait", d)
	}
	server.SetTime(began.Add(-2*time.Hour + 11*time.Second))
	if d := depth(); d.Waiting[0] != 1 || d.Inflight != 1 {
		t.Errorf("after 11 s: %+v; want the retry due, the lease not ended", d)
	}
	if _, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1}); err != nil || len(claim.Jobs) != 0 || claim.Wait != 9*time.Second {
		t.Errorf("the breaker: %+v, %v; want nothing claimed for 9 s more", claim, err)
	}
	server.SetTime(began.Add(-2*time.Hour + 31*time.Second))
	if d := depth(); d.Waiting[0] != 2 {
		t.Errorf("after 31 s: %+v; want the lease ended", d)
	}
	if _, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1}); err != nil || len(claim.Jobs) != 1 || !claim.Jobs[0].Probe {
		t.Errorf("the breaker: %+v, %v; want a probe", claim, err)
	}
}

// TestNewestStay: Redis's clock has gone back since jobs ended. Of the failed and the completed ones the newest stay all the same.
func TestNewestStay(t *testing.T) {
	t.Parallel()
	for state, outcome := range map[queue.State]queue.Outcome{queue.Failed: queue.Fail{Error: "permanent"}, queue.Completed: queue.Done{}} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			s.store.config.KeepFailed, s.store.config.KeepCompleted = 3, 3
			k := s.store.keys[message.SMS]
			set := map[queue.State]string{queue.Failed: k.Failed, queue.Completed: k.Completed}[state]
			for i := range 8 {
				s.enqueue(fmt.Sprint("w", i), 1+i%2) // of two messages with a shared body, one stays
				s.settle(queue.Settlement{Outcome: outcome})
				if i%2 == 1 {
					s.settle(queue.Settlement{Outcome: queue.Drop{}})
				}
				if i < 3 { // as if the clock had been an hour ahead
					for _, z := range s.store.client.ZRangeWithScores(t.Context(), set, 0, -1).Val() {
						if z.Score < float64(time.Now().Add(time.Minute).UnixMilli()) {
							s.must(s.store.client.ZIncrBy(t.Context(), set, 3_600_000+float64(i), z.Member.(string)).Err())
						}
					}
				}
			}
			ended, err := s.store.List(t.Context(), message.SMS, state, 0, 0, 10)
			s.must(err)
			var left []string
			for _, one := range ended {
				left = append(left, one.Job.WebhookID)
			}
			if slices.Sort(left); !slices.Equal(left, []string{"w5", "w6", "w7"}) {
				t.Errorf("%v are left", left)
			}
			if bodies := s.store.client.Keys(t.Context(), k.Base+":body:*").Val(); len(bodies) != 2 {
				t.Errorf("bodies %v; want those of w5 and w7", bodies)
			}
		})
	}
}

// TestDuplicatesWhenRedisClockGoesBack: a webhook is taken once, also where Redis's clock goes back to the day before, and when the day begins again.
func TestDuplicatesWhenRedisClockGoesBack(t *testing.T) {
	t.Parallel()
	midnight := time.UnixMilli(20_000 * generationPeriod.Milliseconds())
	for _, ttl := range []time.Duration{time.Hour, 24 * time.Hour, 72 * time.Hour} {
		for _, back := range []time.Duration{time.Second, 5 * time.Minute, 3 * time.Hour} {
			t.Run(fmt.Sprint(ttl, back), func(t *testing.T) {
				t.Parallel()
				server := miniredis.RunT(t)
				store := open(t, url(server.Addr()), func(c *Config) { c.DedupeTTL = ttl })
				producer := store.Producer(prometheus.NewRegistry())
				t.Cleanup(producer.Close)
				at := midnight
				enqueue := func(kind event.Type, duplicate bool) {
					t.Helper()
					server.SetTime(at)
					a, err := producer.Enqueue(t.Context(), sale("w", kind, at))
					if err != nil || a.Duplicate != duplicate {
						t.Errorf("%s at midnight%+v: %+v, %v", kind, at.Sub(midnight), a, err)
					}
				}
				enqueue(event.OrderCreate, false)
				at = midnight.Add(-back)
				enqueue(event.OrderCreate, true)
				enqueue(event.PaymentComplete, false)
				enqueue(event.PaymentComplete, true)
				at = midnight.Add(time.Minute)
				enqueue(event.OrderCreate, true)
				enqueue(event.PaymentComplete, true) // its time of acceptance is behind that of the first
			})
		}
	}
}
