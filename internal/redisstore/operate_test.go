package redisstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

// shop is a queue with jobs in every state.
type shop struct {
	*testing.T
	store    *Store
	producer *Producer
	consumer *Consumer
}

func openShop(t *testing.T) *shop {
	server := redistest.Start(t)
	store := open(t, url(server.Addr()), nil)
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	return &shop{t, store, producer, store.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"first", "second"})}
}

func (s *shop) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// enqueue adds a webhook of n recipients; the payload names a transaction.
func (s *shop) enqueue(id string, n int) {
	s.Helper()
	w := webhook(id)
	w.Event.Sale.TransactionID = "TXN_" + id
	for i := 1; i < n; i++ {
		w.Channels[0].Recipients = append(w.Channels[0].Recipients, message.Recipient{Address: message.Address(fmt.Sprintf("+1555010%04d", i)), Audience: message.Staff})
	}
	_, err := s.producer.Enqueue(s.Context(), w)
	s.must(err)
}

// settle claims a job and settles it.
func (s *shop) settle(settlement queue.Settlement) {
	s.Helper()
	_, claim, err := s.consumer.Exchange(s.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	s.must(err)
	if len(claim.Jobs) != 1 {
		s.Fatalf("claimed %d jobs", len(claim.Jobs))
	}
	settlement.Claimed = claim.Jobs[0]
	_, _, err = s.consumer.Exchange(s.Context(), []queue.Settlement{settlement}, nil, nil)
	s.must(err)
}

// settleOne accepts a webhook and settles its job.
func (s *shop) settleOne(id string, outcome queue.Outcome) {
	s.Helper()
	s.enqueue(id, 1)
	s.settle(queue.Settlement{Outcome: outcome})
}

func (s *shop) state() *queue.ChannelState {
	s.Helper()
	state, err := s.store.State(s.Context(), message.SMS)
	s.must(err)
	return state
}

func (s *shop) search(text string) []string {
	s.Helper()
	found, err := s.store.Search(s.Context(), holds(text), text, 100)
	s.must(err)
	ids := []string{}
	for _, k := range found {
		ids = append(ids, k.Job.ID()+" "+string(k.State))
	}
	return ids
}

func TestOperate(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("a", 2)
	s.settle(queue.Settlement{Outcome: queue.Fail{Attempt: queue.Attempt{Provider: "first"}, Error: "permanent: invalid_recipient"}})
	s.settle(queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "first", MessageID: "SM42"}}})
	s.enqueue("b", 1)
	s.settle(queue.Settlement{Outcome: queue.Retry{Delay: time.Hour, Error: "transient: outage"}})
	s.enqueue("c", 1)
	state := s.state()
	if want := (queue.Totals{Sent: 1, Failed: 1, Retried: 1}); state.Totals != want || state.NextRetry.IsZero() || state.Waiting[0] != 1 {
		t.Errorf("state %+v", state)
	}
	for text, want := range map[string][]string{
		"TXN_a": {"a:sms:1 failed", "a:sms:2 completed"}, "TXN_b": {"b:sms:1 retry"}, "TXN_c": {"c:sms:1 waiting"}, "+15550100001": {"a:sms:2 completed"},
		"SM42": {"a:sms:2 completed"}, "invalid_recipient": {"a:sms:1 failed"}, "TXN_d": {},
	} {
		if got := s.search(text); !slices.Equal(got, want) {
			t.Errorf("search %s: %q, want %q", text, got, want)
		}
	}
	failed, err := s.store.List(t.Context(), message.SMS, queue.Failed, 0, 0, 10)
	s.must(err)
	if len(failed) != 1 || failed[0].At.IsZero() {
		t.Fatalf("failed: %+v", failed)
	}
	if k, err := s.store.Locate(t.Context(), "a:sms:1", time.Time{}); err != nil || k == nil || k.State != queue.Failed || len(k.Job.Body) == 0 {
		t.Errorf("located: %+v, %v; want it with its body", k, err)
	}
	// Twice: the second time it is not there any more.
	for _, want := range []int{1, 0} {
		if n, err := s.store.Retry(t.Context(), failed, "ann"); err != nil || n != want {
			t.Fatalf("retried %d, %v; want %d", n, err, want)
		}
	}
	_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	s.must(err)
	if j := claim.Jobs[0].Job; j.ID() != "a:sms:1" || j.Attempts != 0 || j.LastError != "retried by ann" || len(j.Body) == 0 {
		t.Errorf("claimed %+v: want the retried job first, as new, with its body", j)
	}
	_, _, err = s.consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Done{Attempt: queue.Attempt{MessageID: "SM43"}}}}, nil, nil)
	s.must(err)
	n, err := s.store.Notifications(t.Context(), "a")
	s.must(err)
	var life []string
	for _, e := range n.Notifications[0].History {
		life = append(life, e.What)
	}
	if want := []string{"accepted", "failed", "retried", "sent"}; !slices.Equal(life, want) {
		t.Errorf("life %q, want %q", life, want)
	}
	for _, place := range []queue.State{queue.Completed, queue.Retrying} {
		jobs, err := s.store.List(t.Context(), message.SMS, place, 0, 0, 10)
		s.must(err)
		if n, err := s.store.Delete(t.Context(), jobs, "ann"); err != nil || n != len(jobs) {
			t.Errorf("deleted %d of %d, %v", n, len(jobs), err)
		}
	}
	if left, _ := s.store.client.Keys(t.Context(), s.store.keys[message.SMS].Base+":body:*").Result(); len(left) != 0 {
		t.Errorf("bodies without a job: %q", left)
	}
	if _, err := s.store.Retry(t.Context(), []queue.Stored{{Channel: message.SMS, State: queue.InFlight}}, "ann"); err == nil {
		t.Error("a job that is being sent was taken from its worker")
	}
	if n, err := s.store.Purge(t.Context(), message.SMS, 1, "ann"); err != nil || n != 1 {
		t.Errorf("purged %d, %v", n, err)
	}
}

func TestWorkersAndAudit(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.must(s.store.client.HSet(t.Context(), s.store.keys[message.SMS].Workers, "pod-0/7", "1700000000000 {}", // died long ago
		"pod-9/7", fmt.Sprintf("%d {}", time.Now().Add(time.Hour).UnixMilli())).Err()) // before the clock went back
	if w := s.state().Workers; len(w) != 0 {
		t.Errorf("workers %+v", w)
	}
	s.must(s.consumer.Heartbeat(t.Context(), "pod-1/7", 3, 50))
	if n := s.store.client.HLen(t.Context(), s.store.keys[message.SMS].Workers).Val(); n != 1 {
		t.Errorf("%d workers are remembered", n)
	}
	s.must(s.consumer.Heartbeat(t.Context(), "pod-2/7", 0, 50))
	s.must(s.consumer.Deregister(t.Context(), "pod-2/7"))
	if w := s.state().Workers; len(w) != 1 || w[0].ID != "pod-1/7" || w[0].Sending != 3 || w[0].Concurrency != 50 || !slices.Equal(w[0].Providers, []string{"first", "second"}) {
		t.Errorf("workers %+v", w)
	}
	entry := queue.AuditEntry{At: time.Now().UTC().Truncate(time.Millisecond), By: "ann", Action: "retry", Channel: message.SMS, Count: 3}
	s.must(s.store.Record(t.Context(), entry))
	if got, err := s.store.Audit(t.Context(), 10); err != nil || !slices.Equal(got, []queue.AuditEntry{entry}) {
		t.Errorf("audit %+v, %v", got, err)
	}
}
