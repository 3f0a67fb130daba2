package redisstore

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// TestRedisFull: where Redis has no memory left, nothing is accepted, and everything that was accepted gets on: it is claimed, renewed,
// reaped, settled with the providers' health and without, retried and deleted, and it falls back.
func TestRedisFull(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	limited := s.store.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute, RateLimit: 0.001, RateBurst: 2,
		Breaker: BreakerConfig{Failures: 2, Window: 10 * time.Second, OpenMin: time.Second, OpenMax: time.Second}}, []string{"first"})
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		s.enqueue(id, 2)
	}
	s.store.config.FallbackChannel, s.store.config.FallbackWithin = map[string]string{"whatsapp": "sms"}, time.Minute
	chat := openAfter(t, s.store)
	small, large := chat.enqueue("+15550100001"), chat.enqueue("+15550100002", "+15550100003") // the body of the second is shared
	falling := chat.claim(chat.consumer)
	_, err := s.store.namer(t.Context())
	s.must(err)
	_, claim, err := limited.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 2})
	s.must(err)
	s.must(s.store.client.ConfigSet(t.Context(), "maxmemory", "100kb").Err())

	producer := s.store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	if _, err := producer.Enqueue(t.Context(), webhook("more")); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("a webhook for a full Redis: %v", err)
	}
	// A STOP needs next to nothing, and is heeded.
	if err := chat.deliveries.Accept(t.Context(), report.Update{Preferences: []suppress.Preference{
		{EventID: "stop", Provider: "business", Channel: message.WhatsApp, Address: "+15550100009", Kind: suppress.OptOut, Why: suppress.StopWord}}}); err != nil {
		t.Errorf("STOP: %v", err)
	}
	if entry, err := s.store.Suppressed(t.Context(), message.WhatsApp, "+15550100009"); err != nil || entry == nil {
		t.Errorf("STOP was not heeded: %+v, %v", entry, err)
	}
	lost, err := limited.Renew(t.Context(), claim.Jobs)
	if err != nil || len(lost) != 0 {
		t.Errorf("renewed, but for %v, %v", lost, err)
	}
	settled, _, err := limited.Exchange(t.Context(), []queue.Settlement{
		{Claimed: claim.Jobs[0], Outcome: queue.Fail{Attempt: queue.Attempt{ExtraTokens: 2}, Error: "permanent"}}, {Claimed: claim.Jobs[1], Outcome: queue.Retry{Error: "outage", Delay: time.Hour}},
	}, []queue.ProviderHealth{{Provider: "first", Failed: 2, Reason: "outage"}}, nil)
	if err != nil || len(settled.Lost) != 0 || settled.Breakers["first"].State != "open" {
		t.Errorf("settled %+v, %v", settled, err)
	}
	// Another settlement says nothing of the provider, and finds every breaker open; the first note of that was lost.
	_, one, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	s.must(err)
	s.must(s.store.client.Del(t.Context(), s.store.keys[message.SMS].Halted).Err())
	if settled, _, err := limited.Exchange(t.Context(), []queue.Settlement{{Claimed: one.Jobs[0], Outcome: queue.Release{}}}, nil, nil); err != nil || len(settled.Lost) != 0 {
		t.Errorf("settled without health %+v, %v", settled, err)
	}
	if halted := s.state().Halted; halted.Kind != queue.HaltedBreaker {
		t.Errorf("halted %q", halted)
	}
	s.must(s.store.CloseBreaker(t.Context(), message.SMS, "first"))
	before := s.state().Waiting[2]
	for _, job := range falling {
		chat.settle(queue.Settlement{Claimed: job, Outcome: fallsBack})
	}
	if n := s.state().Waiting[2] - before; n != 3 || len(chat.state(small)) != 2 || len(chat.state(large)) != 4 {
		t.Errorf("%d fell back", n)
	}
	// No token is left: nothing is claimed, and that is no error.
	if _, claim, err := limited.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 2, Reap: true}); err != nil || len(claim.Jobs) != 0 || !claim.Throttled {
		t.Errorf("claim %+v, %v", claim, err)
	}
	for range 4 {
		s.settle(queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "first", MessageID: "SM1"}}})
	}
	_, claim, err = s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 2})
	s.must(err)
	s.must(s.store.client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	for _, one := range claim.Jobs { // their leases end
		s.must(s.store.client.ZAdd(t.Context(), s.store.keys[message.SMS].Inflight, redis.Z{Score: 0, Member: one.Raw}).Err())
	}
	s.must(s.store.client.ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	if swept, err := s.store.Sweep(t.Context(), message.SMS, true); err != nil || swept.Reaped != 2 {
		t.Errorf("swept %+v, %v", swept, err)
	}
	for _, place := range []queue.State{queue.Failed, queue.Retrying} {
		jobs, err := s.store.List(t.Context(), message.SMS, place, 0, 0, 10)
		s.must(err)
		if n, err := s.store.Retry(t.Context(), jobs, "ann"); err != nil || n != 1 {
			t.Errorf("%d %s retried, %v", n, place, err)
		}
	}
	before = s.state().Waiting[0]
	if n, err := s.store.Purge(t.Context(), message.SMS, 1, "ann"); err != nil || int64(n) != before || n != 8 {
		t.Errorf("purged %d of %d, %v", n, before, err)
	}
	s.must(s.store.client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	if _, err := producer.Enqueue(t.Context(), webhook("more")); err != nil {
		t.Errorf("with memory again: %v", err)
	}
}

// TestRedisFullOfPeople: where Redis has no memory left, the recipients of accepted jobs are looked up and counted all the same, also by a worker that starts
// then.
func TestRedisFullOfPeople(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]secret.Key{"key in Redis": nil, "PRIVACY_KEY": {keyA}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := url(redistest.Start(t).Addr())
			first := withKeys(t, c, "full", keys...)
			s := &shop{T: t, store: first, producer: first.Producer(prometheus.NewRegistry())}
			t.Cleanup(s.producer.Close)
			for _, id := range []string{"a", "b", "c"} {
				s.enqueue(id, 2)
			}
			_, err := first.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: "+15550100001", Why: suppress.StopWord}})
			s.must(err)
			s.must(first.client.ConfigSet(t.Context(), "maxmemory", "100kb").Err())
			late := withKeys(t, c, "full", keys...)
			consumer := late.Consumer(message.SMS, ConsumerConfig{Lease: time.Minute, PriorityAging: time.Hour, RecipientLimit: 2}, []string{"p"})
			_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 10})
			s.must(err)
			suppressed, limited := 0, 0
			for _, one := range claim.Jobs {
				if one.Suppressed != nil {
					suppressed++
				}
				if !one.LimitedUntil.IsZero() {
					limited++
				}
			}
			if len(claim.Jobs) != 6 || suppressed != 3 || limited != 1 {
				t.Errorf("%d jobs, %d suppressed, %d over the limit", len(claim.Jobs), suppressed, limited)
			}
		})
	}
}

// TestSweepsOfAFullRedis: where Redis has no memory left, ingest's sweep goes on, whatever it finds to do: it moves what is due, follows the clock, and wakes an idle
// worker. A worker's heartbeat is stored, and entries of 0.1.0 are put under names.
func TestSweepsOfAFullRedis(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*shop, Keys) error{
		"nothing to do": func(*shop, Keys) error { return nil },
		"no token":      func(s *shop, k Keys) error { return s.store.client.Del(s.Context(), k.Wake).Err() },
		"an old mark":   func(s *shop, k Keys) error { return s.store.client.HSet(s.Context(), k.State, "clock", 1).Err() },
		"a clock gone back": func(s *shop, k Keys) error {
			return s.store.client.HSet(s.Context(), k.State, "clock", time.Now().Add(time.Hour).UnixMilli()).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			k := s.store.keys[message.SMS]
			s.enqueue("a", 1)
			s.settle(queue.Settlement{Outcome: queue.Retry{Delay: 2 * time.Hour}})
			s.enqueue("b", 2)
			s.must(s.store.client.HSet(t.Context(), k.Suppressed, "+15550100001", `{"t":1,"w":"complaint"}`).Err())
			_, err := s.store.namer(t.Context())
			s.must(err)
			s.must(prepare(s, k))
			s.must(s.store.client.ConfigSet(t.Context(), "maxmemory", "100kb").Err())
			sweeper := s.store.Sweeper(prometheus.NewRegistry())
			s.must(sweeper.sweep(t.Context(), message.SMS, true))
			if n := s.store.client.LLen(t.Context(), k.Wake).Val(); n != 1 {
				t.Errorf("%d tokens for idle workers", n)
			}
			s.must(s.consumer.Heartbeat(t.Context(), "pod", 0, 1))
			s.must(s.store.rekeyAll(t.Context(), message.SMS))
			if entries, err := s.store.Suppressed(t.Context(), message.SMS, "+15550100001"); err != nil || len(entries) != 1 || entries[0].Why != suppress.Complaint {
				t.Errorf("%+v, %v", entries, err)
			}
		})
	}
}
