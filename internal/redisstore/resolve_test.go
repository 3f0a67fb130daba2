package redisstore

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

// TestResolveIsAQueueOfItsOwn: an event that waits for its sender's answer has the id of the one that comes of it, and neither is the other's duplicate. Its job is
// found, and erased with its customer.
func TestResolveIsAQueueOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{"one": url(redistest.Start(t).Addr()), "a cluster": {Addrs: redistest.StartCluster(t)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := openArchive(t, c)
			const jane, janesMail = "+12025550142", "jane@example.com"
			event := webhook("w")
			event.Event.Customer.Phone, event.Event.Customer.Email = jane, janesMail
			event.Channels = []queue.ChannelSubmission{{Channel: message.Resolve, Recipients: []message.Recipient{{Address: "square", Audience: message.Customer}}}}
			for i, duplicate := range []bool{false, true} {
				got, err := a.producer.Enqueue(t.Context(), event)
				a.must(err)
				if got.Duplicate != duplicate || len(got.Jobs) != 1 || got.Jobs[0].ID != "w:resolve:1" {
					t.Fatalf("time %d: %+v", i, got)
				}
			}
			of := webhook("w") // on SMS
			if got, err := a.producer.Enqueue(t.Context(), of); err != nil || got.Duplicate || len(got.Jobs) != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			consumer := a.store.Consumer(message.Resolve, ConsumerConfig{Lease: time.Minute, PriorityAging: time.Minute}, []string{"square"})
			_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 2})
			a.must(err)
			if len(claim.Jobs) != 1 || claim.Jobs[0].Job.Recipient != "square" {
				t.Fatalf("%+v", claim)
			}
			_, _, err = consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Retry{Delay: time.Hour}}}, nil, nil)
			a.must(err)
			a.store.Sweeper(prometheus.NewRegistry()).sweepAll(t.Context(), true)
			status, err := a.store.Notifications(t.Context(), "w")
			if err != nil || len(status.Notifications) != 2 || len(status.Unavailable) != 0 {
				t.Errorf("%+v, %v", status, err)
			}
			if got := a.forget(janesMail, false); got.Retry != 1 || got.Found() != 1 {
				t.Errorf("forgotten: %+v", got)
			}
		})
	}
}

// TestResolveAfterACrash: to ask a sender once more does no harm, so the job of a worker that died goes back to its list under ON_UNCERTAIN=fail, too.
func TestResolveAfterACrash(t *testing.T) {
	t.Parallel()
	store := open(t, url(redistest.Start(t).Addr()), func(c *Config) { c.OnUncertain = FailUncertain })
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	for channel, failed := range map[message.Channel]int64{message.SMS: 1, message.Resolve: 0} {
		of := webhook("w")
		of.Channels[0].Channel = channel
		if _, err := producer.Enqueue(t.Context(), of); err != nil {
			t.Fatal(err)
		}
		consumer := store.Consumer(channel, ConsumerConfig{Lease: time.Millisecond, PriorityAging: time.Minute}, []string{"p"})
		if _, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1}); err != nil || len(claim.Jobs) != 1 {
			t.Fatalf("%+v, %v", claim, err)
		}
		redistest.Eventually(t, "the lease of "+string(channel)+" has ended", func() bool {
			_, err := store.Sweep(t.Context(), channel, true)
			d, depthErr := store.Depth(t.Context(), channel)
			return err == nil && depthErr == nil && d.Inflight == 0 && d.Failed == failed && d.Waiting[0] == 1-failed
		})
	}
}

// TestEventsThatWaitedAreNotRepeated: an event that was accepted long ago, and waited for its sender's answer for longer than DEDUPE_TTL, meets the one that was accepted beside it; one that was accepted
// later by more than that is another one.
func TestEventsThatWaitedAreNotRepeated(t *testing.T) {
	t.Parallel()
	store := open(t, url(redistest.Start(t).Addr()), func(c *Config) { c.DedupeTTL = time.Hour })
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	first := time.Now().Add(-20 * time.Hour)
	for _, one := range []struct {
		accepted  time.Time
		duplicate bool
	}{{first, false}, {first, true}, {first.Add(59 * time.Minute), true}, {first.Add(-time.Minute), true}, {first.Add(61 * time.Minute), false}, {first.Add(62 * time.Minute), true}, {time.Now(), false}} {
		of := webhook("w")
		of.AcceptedAt = one.accepted
		if got, err := producer.Enqueue(t.Context(), of); err != nil || got.Duplicate != one.duplicate {
			t.Errorf("accepted %s after the first: %+v, %v", one.accepted.Sub(first), got, err)
		}
	}
}
