package redisstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

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

// TestMetricsAfterTheSend: scheduled jobs, suppressed addresses, waiting reports, and a provider that recovers, are reported.
func TestMetricsAfterTheSend(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.enqueue("a", 2)
	s.settle(queue.Settlement{Outcome: queue.Hold{Delay: time.Hour, Error: "quiet hours"}})
	s.settle(queue.Settlement{Outcome: queue.Suppress{Error: "stop"}})
	_, err := s.store.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: "+15550104242", Why: suppress.StopWord}})
	s.must(err)
	s.must(s.store.Deliveries(prometheus.NewRegistry()).Accept(t.Context(), report.Update{Reports: []report.Report{{EventID: "1", Provider: "first", Channel: message.SMS, State: report.Delivered}}}))
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
