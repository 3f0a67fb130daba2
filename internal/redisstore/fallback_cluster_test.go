package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
)

// TestFallBackToAMasterThatHangs: in a cluster the master of the other channel does not answer. The worker's own channel is settled in the time
// of one exchange all the same, and so are its reports.
func TestFallBackToAMasterThatHangs(t *testing.T) {
	t.Parallel()
	addrs := redistest.StartCluster(t)
	masterOf := func(store *Store, channel message.Channel) *redis.Client {
		master, err := store.client.(*redis.ClusterClient).MasterForKey(t.Context(), store.keys[channel].Base)
		if err != nil {
			t.Fatal(err)
		}
		return master
	}
	store := open(t, Config{Addrs: addrs}, fallsBackToSMS)
	for masterOf(store, message.SMS).Options().Addr == masterOf(store, message.WhatsApp).Options().Addr {
		store = open(t, Config{Addrs: addrs}, fallsBackToSMS) // with another prefix
	}
	a := openAfter(t, store)
	_, reported := a.sent()
	_, delivered := a.sent()
	failed, other := a.enqueue("+15550100001"), a.enqueue("+15550100002")
	jobs := a.claim(a.consumer)
	a.want([]any{len(jobs), len(a.sms())}, []any{2, 0})
	// The others go on without it.
	a.must(masterOf(store, message.WhatsApp).ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err())
	pid := 0
	for line := range strings.Lines(masterOf(store, message.SMS).Info(t.Context(), "server").Val()) {
		_, _ = fmt.Sscanf(line, "process_id:%d", &pid)
	}
	a.must(syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })

	call, cancel := context.WithTimeout(t.Context(), 4*time.Second) // as a worker does
	defer cancel()
	settled, claim, err := a.consumer.Exchange(call, []queue.Settlement{{Claimed: jobs[0], Outcome: fallsBack}, {Claimed: jobs[1], Outcome: queue.Done{}}}, nil,
		&queue.ClaimRequest{Max: 1})
	if err != nil || settled == nil || len(settled.Lost) != 0 || claim == nil {
		t.Fatalf("%+v, %+v, %v", settled, claim, err)
	}
	k := store.keys[message.WhatsApp]
	a.want([]any{store.client.ZCard(t.Context(), k.Retry).Val(), store.client.ZCard(t.Context(), k.Completed).Val()}, []any{1, 3})

	a.must(a.deliveries.Accept(t.Context(), report.Update{Reports: []report.Report{unreachable(reported, "1"),
		{EventID: "2", Provider: "business", Channel: message.WhatsApp, JobID: delivered.Job.ID(), MessageID: "m1", State: report.Delivered}}}))
	pass, stop := context.WithTimeout(t.Context(), flushTimeout)
	defer stop()
	if err := a.deliveries.applyAll(pass, message.WhatsApp); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("a message fell back to a master that hangs: %v", err)
	}
	a.want(a.counted("ringup_deliveries_total", "whatsapp", "business", "delivered"), 1)
	a.must(syscall.Kill(pid, syscall.SIGCONT))
	redistest.Eventually(t, "the message of the report has fallen back", func() bool {
		a.due(message.WhatsApp)
		return a.deliveries.applyAll(t.Context(), message.WhatsApp) == nil && a.waiting(message.WhatsApp) == 0
	})
	a.want([]any{len(a.state(failed)), len(a.state(other))}, []any{1, 1})
	over := a.sms()
	a.want(len(over), 1)
	a.want(over[0].Job.WebhookID, reported.Job.ID())
}
