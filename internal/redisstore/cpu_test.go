package redisstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
)

// cpuOf is the CPU time that a server has used.
func cpuOf(server *redistest.Server) time.Duration {
	var total int64
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", server.PID()))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		ns, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		total += n
	}
	return time.Duration(total)
}

// BenchmarkRedisCPU says what each transition of a job costs Redis itself, in CPU-µs: enqueue by the webhook (three jobs), claim and
// settle by the job, 25 in a batch, with an append-only file.
func BenchmarkRedisCPU(b *testing.B) {
	const batch = 25
	server := redistest.Start(b, "--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
	store, err := Open(Config{URL: secret.String("redis://" + server.Addr()), Prefix: "bench", DedupeTTL: 24 * time.Hour, StatusTTL: 24 * time.Hour,
		KeepCompleted: 100, KeepFailed: 50, MaxCrashes: 5, OnUncertain: Resend}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	producer := store.Producer(prometheus.NewRegistry())
	consumer := store.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute,
		Breaker: BreakerConfig{Failures: 5, Window: 10 * time.Second, OpenMin: time.Second, OpenMax: time.Second}}, []string{"sandbox"})
	ctx := context.Background()
	cpu := func() time.Duration { return cpuOf(server) }
	var enqueue, claim, settle time.Duration
	n := 0
	for b.Loop() {
		group := make([]*pending, batch)
		for i := range group {
			n++
			s := &queue.Submission{Event: queuetest.Event("webhook_" + strconv.Itoa(n)), Priority: 1 + n%4, AcceptedAt: time.Now()}
			for _, c := range message.Channels {
				s.Channels = append(s.Channels, queue.ChannelSubmission{Channel: c, Recipients: []message.Recipient{{Address: "+12025550143", Audience: message.Customer}}})
			}
			group[i] = &pending{submission: s, shares: make([][]any, len(store.slots)), done: make(chan struct{})}
			body, err := job.Body(s.Event)
			if err != nil {
				b.Fatal(err)
			}
			if err := store.encodeWebhook(group[i], body, 0); err != nil {
				b.Fatal(err)
			}
		}
		t0 := cpu()
		producer.flush(group)
		t1 := cpu()
		_, got, err := consumer.Exchange(ctx, nil, nil, &queue.ClaimRequest{Max: batch, Reap: true})
		t2 := cpu()
		if err != nil || len(got.Jobs) != batch || group[0].err != nil {
			b.Fatal(err, group[0].err, got)
		}
		settlements := make([]queue.Settlement, batch)
		for i, one := range got.Jobs {
			settlements[i] = queue.Settlement{Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "sandbox", MessageID: "sandbox-" + strconv.Itoa(n+i), Took: time.Millisecond}}, Worker: "worker-1/77"}
		}
		if _, _, err := consumer.Exchange(ctx, settlements, []queue.ProviderHealth{{Provider: "sandbox", Healthy: batch}}, nil); err != nil {
			b.Fatal(err)
		}
		t3 := cpu()
		enqueue, claim, settle = enqueue+t1-t0, claim+t2-t1, settle+t3-t2
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(b.N*batch) }
	b.ReportMetric(each(enqueue), "enqueue-µs/webhook")
	b.ReportMetric(each(claim), "claim-µs/job")
	b.ReportMetric(each(settle), "settle-µs/job")
	b.ReportMetric(each(enqueue+3*claim+3*settle), "whole-µs/webhook")
}
