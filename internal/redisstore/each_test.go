package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
)

// TestOneShardIsDown: in a cluster the shard of one channel has crashed, or hangs. The other channels are swept, their reports applied, and their state shown;
// and whatever is missing says so.
func TestOneShardIsDown(t *testing.T) {
	t.Parallel()
	for _, down := range message.Channels {
		t.Run("crashed "+string(down), func(t *testing.T) {
			t.Parallel()
			oneShardIsDown(t, syscall.SIGKILL, down)
		})
	}
	t.Run("hangs", func(t *testing.T) {
		t.Parallel()
		oneShardIsDown(t, syscall.SIGSTOP, message.SMS)
	})
}

// requested is the context of a request.
func requested(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func oneShardIsDown(t *testing.T, signal syscall.Signal, down message.Channel) {
	addrs := redistest.StartCluster(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	masterOf := func(store *Store, channel message.Channel) *redis.Client {
		master, err := store.client.(*redis.ClusterClient).MasterForKey(t.Context(), store.keys[channel].Base)
		must(err)
		return master
	}
	store := open(t, Config{Addrs: addrs}, nil)
	others := slices.DeleteFunc(slices.Clone(message.Channels), func(c message.Channel) bool { return c == down })
	apart := append(slices.Clone(others), message.Resolve)
	for slices.ContainsFunc(apart, func(c message.Channel) bool {
		return masterOf(store, c).Options().Addr == masterOf(store, down).Options().Addr
	}) {
		store = open(t, Config{Addrs: addrs}, nil) // with another prefix
	}
	producer, deliveries := store.Producer(prometheus.NewRegistry()), store.Deliveries(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	w := webhook("w")
	w.Channels = nil
	for _, channel := range message.Channels {
		w.Channels = append(w.Channels, queue.ChannelSubmission{Channel: channel, Recipients: []message.Recipient{{Address: "+15550100000", Audience: message.Customer}}})
		must(store.Record(t.Context(), queue.AuditEntry{Channel: channel, Action: "a"}))
		must(store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: channel}))
	}
	_, err := producer.Enqueue(t.Context(), w)
	must(err)
	for _, channel := range message.Channels { // a retry that is due, and a report
		consumer := store.Consumer(channel, ConsumerConfig{Lease: time.Minute, PriorityAging: time.Minute}, []string{"p"})
		_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
		must(err)
		_, _, err = consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Retry{}}}, nil, nil)
		must(err)
		must(deliveries.Accept(t.Context(), report.Update{Reports: []report.Report{{Channel: channel, EventID: "e", Provider: "p", JobID: "w:" + string(channel) + ":1", State: report.Delivered}}}))
	}
	for _, channel := range apart {
		must(masterOf(store, channel).ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err())
	}
	pid := 0
	for line := range strings.Lines(masterOf(store, down).Info(t.Context(), "server").Val()) {
		_, _ = fmt.Sscanf(line, "process_id:%d", &pid)
	}
	_, err = store.namer(t.Context())
	must(err)
	must(syscall.Kill(pid, signal))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })

	store.privacy.read = time.Time{}
	began := open(t, Config{Addrs: addrs}, func(c *Config) { c.Prefix = store.config.Prefix }) // a program that starts now
	for _, channel := range others {
		if _, err := store.Suppressed(t.Context(), channel, "+15550100000"); err != nil {
			t.Errorf("the suppression list of %s: %v", channel, err)
		}
		// It may ask the node that hangs for the slots first.
		redistest.Eventually(t, "a program that starts reads the suppression list of "+string(channel), func() bool {
			_, err := began.Suppressed(requested(t), channel, "+15550100000")
			return err == nil
		})
	}
	store.Sweeper(prometheus.NewRegistry()).sweepAll(t.Context(), true)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { deliveries.Run(ctx); close(ended) }()
	redistest.Eventually(t, "the reports of the other channels are applied", func() bool {
		return !slices.ContainsFunc(others, func(c message.Channel) bool {
			k := store.keys[c]
			return store.client.LLen(t.Context(), k.Reports).Val()+store.client.ZCard(t.Context(), k.Taken).Val() > 0
		})
	})
	stop()
	<-ended
	for _, channel := range others {
		if d, err := store.Depth(t.Context(), channel); err != nil || d.Retry != 0 || d.Waiting[0] != 1 {
			t.Errorf("%s was not swept: %+v, %v", channel, d, err)
		}
	}
	status, err := store.Notifications(requested(t), "w")
	if err != nil || len(status.Notifications) != 2 || !slices.Equal(status.Unavailable, []message.Channel{down}) {
		t.Errorf("status: %+v, %v", status, err)
	}
	if _, err := store.Notifications(requested(t), "another"); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("the status of a webhook that may be on the missing channel: %v", err)
	}
	partial := func(what string, n, want int, err error) {
		t.Helper()
		var p *queue.PartialError
		if !errors.As(err, &p) || !slices.Equal(p.Channels, []message.Channel{down}) || !errors.Is(err, queue.ErrUnavailable) || n != want {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	entries, err := store.Audit(requested(t), 10)
	partial("audit", len(entries), 2, err)
	messages, err := store.Outbox(10).List(requested(t))
	partial("outbox", len(messages), 2, err)
	found, err := store.Search(requested(t), func(*queue.Stored) bool { return true }, "w", 10)
	partial("search", len(found), 2, err)

	registry := prometheus.NewRegistry()
	registry.MustRegister(store.QueueCollector("a"))
	families, err := registry.Gather()
	must(err)
	known, unknown := map[string]bool{}, map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "ringup_queue_paused":
				known[m.GetLabel()[0].GetValue()] = true
			case "ringup_queue_unknown":
				unknown[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	for _, channel := range message.Channels {
		if c := string(channel); known[c] != (channel != down) || (unknown[c] == 1) != (channel == down) || len(unknown) != len(message.Queues) {
			t.Errorf("metrics of %s: %v, %v", c, known, unknown)
		}
	}
}
