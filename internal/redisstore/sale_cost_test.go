package redisstore

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

// TestSalesCostNothingElse: an event without an order, or without a time, costs Redis not a command more than before; one with an order a GET and a SET, and a
// waiting one a ZADD in place of its part of the list.
func TestSalesCostNothingElse(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	calls := func() map[string]int {
		text, err := s.store.client.Info(t.Context(), "commandstats").Result()
		s.must(err)
		out := map[string]int{}
		for line := range strings.Lines(text) {
			var n int
			name, rest, found := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
			if _, err := fmt.Sscanf(rest, "%d", &n); found && err == nil {
				out[name] = n
			}
		}
		return out
	}
	n := 0
	cost := func(change func(*queue.Submission)) map[string]int {
		n++
		w := following(fmt.Sprint("w", n), event.OrderUpdate, time.Now().Add(-time.Second), 0)
		w.Event.Sale.OrderID = fmt.Sprint("order ", n)
		change(w)
		before := calls()
		_, err := s.producer.Enqueue(t.Context(), w)
		s.must(err)
		spent := map[string]int{}
		for name, after := range calls() {
			if more := after - before[name]; more > 0 && name != "info" {
				spent[name] = more
			}
		}
		return spent
	}
	cost(func(*queue.Submission) {}) // loads the script
	plain := cost(func(w *queue.Submission) { w.Event.Type = event.POSSave })
	for name, change := range map[string]func(*queue.Submission){
		"no order":                  func(w *queue.Submission) { w.Event.Sale.OrderID = "" },
		"no order, that would wait": func(w *queue.Submission) { w.Event.Sale.OrderID, w.Coalesce = "", time.Second },
		"no time":                   func(w *queue.Submission) { w.HappenedAt = time.Time{} },
	} {
		if diff := cmp.Diff(plain, cost(change)); diff != "" {
			t.Errorf("%s costs (-pos_save +it):\n%s", name, diff)
		}
	}
	want := maps.Clone(plain)
	want["get"]++
	want["set"]++
	if diff := cmp.Diff(want, cost(func(*queue.Submission) {})); diff != "" {
		t.Errorf("an order costs (-want +got):\n%s", diff)
	}
	want["zadd"]++
	want["zcard"] += len(message.Channels) // the scheduled sets are sets
	delete(want, "rpush")
	if want["llen"]--; want["llen"] == 0 { // no worker is woken
		delete(want, "llen")
	}
	if diff := cmp.Diff(want, cost(func(w *queue.Submission) { w.Coalesce = time.Second })); diff != "" {
		t.Errorf("an order that waits costs (-want +got):\n%s", diff)
	}
}

// BenchmarkSaleCPU says what an event costs Redis itself, in CPU-µs of the script, 25 webhooks in a call: without an order, the first and the second of an order, and
// those that wait, of which the second takes the first's place. And what a sale takes in memory.
func BenchmarkSaleCPU(b *testing.B) {
	const batch = 25
	for _, one := range []struct {
		name   string
		events int
		change func(w *queue.Submission, sale int)
	}{
		{"without an order", 1, func(w *queue.Submission, _ int) { w.Event.Sale.OrderID = "" }},
		{"first of an order", 1, func(w *queue.Submission, sale int) { w.Event.Sale.OrderID = fmt.Sprint("order ", sale) }},
		{"two of an order", 2, func(w *queue.Submission, sale int) { w.Event.Sale.OrderID = fmt.Sprint("order ", sale) }},
		{"first of an order, waiting", 1, func(w *queue.Submission, sale int) {
			w.Event.Sale.OrderID, w.Coalesce = fmt.Sprint("order ", sale), 20*time.Second
		}},
		{"two of an order, superseding", 2, func(w *queue.Submission, sale int) {
			w.Event.Sale.OrderID, w.Coalesce = fmt.Sprint("order ", sale), 20*time.Second
		}},
	} {
		b.Run(one.name, func(b *testing.B) {
			server := redistest.Start(b)
			store, err := Open(Config{URL: url(server.Addr()).URL, Prefix: "bench", DedupeTTL: 24 * time.Hour, StatusTTL: 24 * time.Hour, KeepFailed: 50, MaxCrashes: 5, OnUncertain: Resend}, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = store.Close() })
			producer := store.Producer(prometheus.NewRegistry())
			n, calls := 0, 0
			for b.Loop() {
				for part := range one.events {
					group := make([]*pending, batch)
					for i := range group {
						calls++
						w := following("webhook_"+fmt.Sprint(calls), event.OrderUpdate, time.Now(), 0)
						one.change(w, n*batch+i)
						w.HappenedAt = time.UnixMilli(time.Now().UnixMilli() - int64(one.events-part))
						group[i] = &pending{submission: w, shares: make([][]any, len(store.slots)), done: make(chan struct{})}
						body, err := job.Body(w.Event)
						if err != nil {
							b.Fatal(err)
						}
						if err := store.encodeWebhook(group[i], body, 0); err != nil {
							b.Fatal(err)
						}
					}
					producer.flush(group)
					if group[0].err != nil {
						b.Fatal(group[0].err)
					}
				}
				n++
			}
			text, err := store.client.InfoMap(context.Background(), "commandstats").Result()
			if err != nil {
				b.Fatal(err)
			}
			var us, times float64
			for _, name := range []string{"cmdstat_evalsha", "cmdstat_eval"} {
				for _, field := range strings.Split(text["Commandstats"][name], ",") {
					var more float64
					if _, err := fmt.Sscanf(field, "usec=%g", &more); err == nil {
						us += more
					}
					if _, err := fmt.Sscanf(field, "calls=%g", &more); err == nil {
						times += more
					}
				}
			}
			b.ReportMetric(us/times/batch, "redis-µs/webhook")
			keys, _ := store.client.Keys(context.Background(), "*:sale:*").Result()
			if len(keys) > 0 {
				b.ReportMetric(float64(store.client.MemoryUsage(context.Background(), keys[0]).Val()), "B/sale")
			}
		})
	}
}
