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
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// shop is a queue with jobs in every place.
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

func (s *shop) state() *queue.ChannelState {
	s.Helper()
	state, err := s.store.State(s.Context(), message.SMS)
	s.must(err)
	return state
}

func (s *shop) search(text string) []string {
	s.Helper()
	found, err := s.store.Search(s.Context(), text, 100)
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
	s.settle(queue.Settlement{Action: queue.Fail, Error: "permanent: invalid_recipient", Provider: "first"})
	s.settle(queue.Settlement{Action: queue.Complete, Provider: "first", MessageID: "SM42"})
	s.enqueue("b", 1)
	s.settle(queue.Settlement{Action: queue.Retry, Delay: time.Hour, Error: "transient: outage"})
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
	if len(failed) != 1 || string(failed[0].Job.Body) == "" || failed[0].At.IsZero() {
		t.Fatalf("failed: %+v", failed)
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
	_, _, err = s.consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Action: queue.Complete, MessageID: "SM43"}}, nil, nil)
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
		t.Errorf("bodies of nobody: %q", left)
	}
	if _, err := s.store.Retry(t.Context(), []queue.Stored{{Channel: message.SMS, State: queue.InFlight}}, "ann"); err == nil {
		t.Error("a job that is being sent was taken from its worker")
	}
	if n, err := s.store.Purge(t.Context(), message.SMS, 1, "ann"); err != nil || n != 1 {
		t.Errorf("purged %d, %v", n, err)
	}
}

func TestLocateAmongMany(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	at := map[string]time.Time{}
	for i := range 3000 {
		id := fmt.Sprint("w", i)
		w := webhook(id)
		w.AcceptedAt = time.UnixMilli(1_700_000_000_000 + int64(i))
		at[id] = w.AcceptedAt
		_, err := s.producer.Enqueue(t.Context(), w)
		s.must(err)
	}
	for _, id := range []string{"w0", "w1500", "w2999"} {
		k, err := s.store.Locate(t.Context(), id+":sms:1", at[id])
		s.must(err)
		if k == nil || k.State != queue.Waiting {
			t.Errorf("%s: %+v", id, k)
		}
	}
	if k, err := s.store.Locate(t.Context(), "nobody:sms:1", time.Now()); err != nil || k != nil {
		t.Errorf("found what is not there: %+v, %v", k, err)
	}
}

func TestBreakersByHand(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("a", 1)
	s.must(s.store.OpenBreaker(t.Context(), message.SMS, "first", "ann", false))
	if b := s.state().Breakers["first"]; b.State != "open" || b.Reason != "opened by ann" {
		t.Errorf("%+v", b)
	}
	_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	s.must(err)
	if len(claim.Jobs) != 1 || claim.Provider != 1 || claim.Jobs[0].Probe {
		t.Errorf("claim %+v: want it for the second provider", claim)
	}
	s.must(s.store.CloseBreaker(t.Context(), message.SMS, "first"))
	if b := s.state().Breakers; len(b) != 0 {
		t.Errorf("%+v", b)
	}
}

func TestWorkersAndAudit(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.must(s.store.client.HSet(t.Context(), s.store.keys[message.SMS].Workers, "pod-0/7", "1700000000000 {}").Err()) // died long ago
	s.must(s.consumer.Beat(t.Context(), "pod-1/7", 3, 50))
	if n := s.store.client.HLen(t.Context(), s.store.keys[message.SMS].Workers).Val(); n != 1 {
		t.Errorf("%d workers are remembered", n)
	}
	s.must(s.consumer.Beat(t.Context(), "pod-2/7", 0, 50))
	s.must(s.consumer.Gone(t.Context(), "pod-2/7"))
	if w := s.state().Workers; len(w) != 1 || w[0].ID != "pod-1/7" || w[0].Sending != 3 || w[0].Concurrency != 50 || !slices.Equal(w[0].Providers, []string{"first", "second"}) {
		t.Errorf("workers %+v", w)
	}
	entry := queue.AuditEntry{At: time.Now().UTC().Truncate(time.Millisecond), By: "ann", Action: "retry", Channel: message.SMS, Count: 3}
	s.must(s.store.Record(t.Context(), entry))
	if got, err := s.store.Audit(t.Context(), 10); err != nil || !slices.Equal(got, []queue.AuditEntry{entry}) {
		t.Errorf("audit %+v, %v", got, err)
	}
}

// TestQueueMetricsOnce has two replicas asked: one of them reports, and the other when that one is asked no more.
func TestQueueMetricsOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("a", 3)
	replicas := []*prometheus.Registry{prometheus.NewRegistry(), prometheus.NewRegistry()}
	for i, r := range replicas {
		r.MustRegister(s.store.QueueCollector(fmt.Sprint("replica-", i)))
	}
	waiting := func(r *prometheus.Registry) (n float64, families int) {
		t.Helper()
		all, err := r.Gather()
		s.must(err)
		for _, family := range all {
			if family.GetName() == "ringup_queue_waiting" {
				for _, m := range family.GetMetric() {
					n += m.GetGauge().GetValue()
				}
			}
		}
		return n, len(all)
	}
	for range 3 {
		if n, _ := waiting(replicas[1]); n != 3 {
			t.Errorf("%v jobs wait", n)
		}
		if _, families := waiting(replicas[0]); families != 0 {
			t.Errorf("both report: %d families", families)
		}
	}
	s.must(s.store.client.Del(t.Context(), s.store.keys[message.SMS].Base+":reporter").Err()) // its term is over
	if n, _ := waiting(replicas[0]); n != 3 {
		t.Errorf("%v jobs wait", n)
	}
}

// TestMetricsAfterTheSend: what is held, who gets nothing, what waits to be applied, and a provider that recovers, are reported.
func TestMetricsAfterTheSend(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("a", 2)
	s.settle(queue.Settlement{Action: queue.Hold, Delay: time.Hour, Error: "quiet hours"})
	s.settle(queue.Settlement{Action: queue.Suppress, Error: "stop"})
	_, err := s.store.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: "+15550104242", Why: suppress.StopWord}})
	s.must(err)
	s.must(s.store.Deliveries(prometheus.NewRegistry()).Take(t.Context(), report.Update{Reports: []report.Report{{EventID: "1", Provider: "first", Channel: message.SMS, State: report.Delivered}}}))
	k := s.store.keys[message.SMS]
	til := time.Now().Add(time.Hour).UnixMilli()
	s.must(s.store.client.HSet(t.Context(), k.State, "b:first", fmt.Sprintf("R %d 1 0 0 0 0 recovered", til), "b:second", fmt.Sprintf("O %d 1 0 0 0 0 out", til)).Err())
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.store.QueueCollector("a"))
	all, err := registry.Gather()
	s.must(err)
	got := map[string]float64{}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"ringup_queue_jobs sms held": 1, "ringup_queue_settled_total sms held": 1, "ringup_queue_settled_total sms suppressed": 1, "ringup_queue_suppressed_addresses sms": 1,
		"ringup_queue_suppressed_addresses email": 0, "ringup_queue_reports_waiting sms": 1, "ringup_queue_breaker_recovering sms first": 1, "ringup_queue_breaker_open sms second": 1,
	} {
		if value, found := got[name]; !found || value != want {
			t.Errorf("%s is %v (%t), want %v", name, value, found, want)
		}
	}
	if _, found := got["ringup_queue_breaker_open sms first"]; found {
		t.Error("a breaker that lets messages through is reported as open")
	}
}
