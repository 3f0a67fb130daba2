package redisstore

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

func TestSweepMovesDueRetriesWithoutAWorker(t *testing.T) {
	t.Parallel()
	_, store, producer, consumer := fixture(t)
	if _, err := producer.Enqueue(t.Context(), webhook("w")); err != nil {
		t.Fatal(err)
	}
	_, claim, _ := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	if _, _, err := consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Retry{Delay: time.Millisecond}}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, "the retry waits in its list", func() bool {
		if _, err := store.Sweep(t.Context(), message.SMS, true); err != nil {
			t.Fatal(err)
		}
		d, _ := store.Depth(t.Context(), message.SMS)
		return d.Waiting[0] == 1 && d.Retry == 0
	})
}

// TestSweepsGoOnWithoutRestore: what was set aside cannot be restored, on any channel. Due jobs and ended leases are looked for all the same.
func TestSweepsGoOnWithoutRestore(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.store.scripts.restore.source = "return redis.error_reply('ERR no')"
	s.store.scripts.restore = s.store.scripts.restore.named()
	if err := s.store.restoreAll(t.Context(), message.SMS); err == nil {
		t.Fatal("the premise is wrong")
	}
	for _, channel := range message.Channels {
		w := webhook("w " + string(channel))
		w.Channels[0].Channel = channel
		_, err := s.producer.Enqueue(t.Context(), w)
		s.must(err)
		consumer := s.store.Consumer(channel, ConsumerConfig{Lease: time.Second, PriorityAging: time.Minute}, []string{"p"})
		_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
		s.must(err)
		_, _, err = consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Retry{}}}, nil, nil)
		s.must(err)
	}
	since := time.Now().Add(-time.Minute)
	sweeper := s.store.Sweeper(prometheus.NewRegistry())
	for _, seen := range sweeper.seen {
		seen.since = since
	}
	sweeper.sweepAll(t.Context(), true)
	for _, channel := range message.Channels {
		if d, err := s.store.Depth(t.Context(), channel); err != nil || d.Retry != 0 || d.Waiting[0] != 1 {
			t.Errorf("%s: %+v, %v", channel, d, err)
		}
	}
	for channel, seen := range sweeper.seen {
		if seen.since != since {
			t.Errorf("%s: Redis is said not to have answered", channel)
		}
	}
}
