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

// BenchmarkSaleCPU says what an event of a sale costs Redis itself, in CPU-µs of the script, 25 webhooks in a call, and how many times as much that is as the same
// event without an order, which takes turns with it: the first of an order, the second, and those that wait, of which the second takes the first's place.
// And what a sale takes in memory.
func BenchmarkSaleCPU(b *testing.B) {
	for _, one := range []struct {
		name   string
		events int // the last one is measured
		wait   time.Duration
	}{
		{"first of an order", 1, 0},
		{"second of an order", 2, 0},
		{"first of an order, waiting", 1, 20 * time.Second},
		{"second of an order, superseding", 2, 20 * time.Second},
	} {
		b.Run(one.name, func(b *testing.B) {
			server := redistest.Start(b)
			store, err := Open(Config{URL: url(server.Addr()).URL, Prefix: "bench", DedupeTTL: 24 * time.Hour, StatusTTL: 24 * time.Hour, KeepFailed: 50, MaxCrashes: 5, OnUncertain: Resend}, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = store.Close() })
			c := &saleCost{B: b, store: store, producer: store.Producer(prometheus.NewRegistry())}
			c.batch("", 0, 0) // loads the script
			var plain, sale float64
			for b.Loop() {
				plain += c.batch("", 0, 0)
				for part := range one.events {
					cost := c.batch("order", one.wait, one.events-part)
					if part == one.events-1 {
						sale += cost
					}
				}
				c.round++
			}
			b.ReportMetric(sale/float64(c.round)/saleBatch, "redis-µs/webhook")
			b.ReportMetric(sale/plain, "x-without-order")
			keys, _ := store.client.Keys(context.Background(), "*:sale:*").Result()
			b.ReportMetric(float64(store.client.MemoryUsage(context.Background(), keys[0]).Val()), "B/sale")
		})
	}
}

// saleBatch is how many webhooks share a call.
const saleBatch = 25

type saleCost struct {
	*testing.B
	store        *Store
	producer     *Producer
	round, posts int
}

// batch enqueues events that happened some ms ago, each of an order of its own, or without one, and returns how long Redis was at it (µs).
func (c *saleCost) batch(order string, wait time.Duration, ago int) float64 {
	group := make([]*pending, saleBatch)
	for i := range group {
		c.posts++
		w := following("webhook_"+fmt.Sprint(c.posts), event.OrderUpdate, time.UnixMilli(time.Now().UnixMilli()-int64(ago)), wait)
		if w.Event.Sale.OrderID = ""; order != "" {
			w.Event.Sale.OrderID = fmt.Sprint(order, " ", c.round*saleBatch+i)
		}
		group[i] = &pending{submission: w, shares: make([][]any, len(c.store.slots)), done: make(chan struct{})}
		body, err := job.Body(w.Event)
		if err == nil {
			err = c.store.encodeWebhook(group[i], body, 0)
		}
		if err != nil {
			c.Fatal(err)
		}
	}
	if err := c.store.client.ConfigResetStat(context.Background()).Err(); err != nil {
		c.Fatal(err)
	}
	c.producer.flush(group)
	if group[0].err != nil {
		c.Fatal(group[0].err)
	}
	text, err := c.store.client.InfoMap(context.Background(), "commandstats").Result()
	if err != nil {
		c.Fatal(err)
	}
	us := 0.0
	for _, name := range []string{"cmdstat_evalsha", "cmdstat_eval"} {
		for field := range strings.SplitSeq(text["Commandstats"][name], ",") {
			var more float64
			if _, err := fmt.Sscanf(field, "usec=%g", &more); err == nil {
				us += more
			}
		}
	}
	return us
}
