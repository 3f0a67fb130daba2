package redisstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"

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

// TestNewestFailuresStay: Redis's clock has gone back since jobs failed. Of the failed jobs the newest stay all the same.
func TestNewestFailuresStay(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.store.config.KeepFailed = 3
	k := s.store.keys[message.SMS]
	for i := range 8 {
		s.enqueue(fmt.Sprint("w", i), 1)
		s.settle(queue.Settlement{Outcome: queue.Fail{Error: fmt.Sprint(i)}})
		if i < 3 { // as if the clock had been an hour ahead
			for _, z := range s.store.client.ZRangeWithScores(t.Context(), k.Failed, 0, -1).Val() {
				if z.Score < float64(time.Now().Add(time.Minute).UnixMilli()) {
					s.must(s.store.client.ZIncrBy(t.Context(), k.Failed, 3_600_000, z.Member.(string)).Err())
				}
			}
		}
	}
	failed, err := s.store.List(t.Context(), message.SMS, queue.Failed, 0, 0, 10)
	s.must(err)
	var left []string
	for _, one := range failed {
		left = append(left, one.Job.WebhookID)
	}
	if slices.Sort(left); !slices.Equal(left, []string{"w5", "w6", "w7"}) {
		t.Errorf("%v are left", left)
	}
}
