package redisstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
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

// TestLargeSetsWhenRedisClockGoesBack: however many times there are to move, no script moves more than it may; each is moved once, what comes meanwhile is not,
// and a second jump counts, too.
func TestLargeSetsWhenRedisClockGoesBack(t *testing.T) {
	t.Parallel()
	for name, addr := range map[string]string{"Redis": redistest.Start(t).Addr(), "embedded": miniredis.RunT(t).Addr()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t, url(addr), nil)
			moveClock(store, "")
			k, now := store.keys[message.SMS], int64(1_800_000_000_000)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			at := func(ms int64) {
				now = ms
				must(store.client.Set(t.Context(), clockKey, now, 0).Err())
			}
			follow := func() (a clockAnswer) {
				t.Helper()
				args := clockArgs{Retry: k.Retry, Inflight: k.Inflight, State: k.State, Held: k.Held, Taken: k.Taken, MarkEvery: clockMark, Most: 10}
				must(store.ask(t.Context(), &store.scripts.clock, &args, &a))
				return a
			}
			want := map[string]map[string]int64{}
			add := func(key, member string, score int64) {
				if want[key] == nil {
					want[key] = map[string]int64{}
				}
				want[key][member] = score
				must(store.client.ZAdd(t.Context(), key, redis.Z{Score: float64(score), Member: member}).Err())
			}
			at(now)
			follow()
			for i := range int64(25) {
				for _, key := range []string{k.Retry, k.Inflight, k.Taken} {
					add(key, fmt.Sprint("m", i), now+i*7%25*1000)
				}
			}
			add(k.Held, "one", now+5000)
			const jump = 7_200_000
			at(now - jump)
			shift := func(by int64) {
				for _, members := range want {
					for member := range members {
						members[member] -= by
					}
				}
			}
			shift(jump)
			a := follow()
			if a.Back != jump*time.Millisecond || !a.Left {
				t.Errorf("%+v", a)
			}
			if first := store.client.ZRangeWithScores(t.Context(), k.Retry, 0, -1).Val(); len(first) != 10 || first[0].Score != float64(now) || first[9].Score != float64(now+9000) {
				t.Errorf("%v came back first", first)
			}
			add(k.Retry, "meanwhile", now+1000)
			calls := 1
			for follow().Left {
				calls++
			}
			if calls != 2 {
				t.Errorf("%d calls left something", calls)
			}
			at(now - 1000) // less than the age of the mark
			shift(1000)
			if a := follow(); a.Back != time.Second {
				t.Errorf("the second time %+v", a)
			}
			for follow().Left {
				calls++
			}
			for key, members := range want {
				got := map[string]int64{}
				for _, z := range store.client.ZRangeWithScores(t.Context(), key, 0, -1).Val() {
					got[z.Member.(string)] = int64(z.Score)
				}
				if diff := cmp.Diff(members, got); diff != "" {
					t.Errorf("%s should be (-), but is (+):\n%s", key, diff)
				}
			}
			if left := store.client.Keys(t.Context(), "*"+clockSuffix).Val(); len(left) != 1 { // clockKey
				t.Errorf("%q are left", left)
			}
			if state := store.client.HGetAll(t.Context(), k.State).Val(); state["moving"] != "" {
				t.Errorf("%v", state)
			}
		})
	}
}
