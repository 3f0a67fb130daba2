package redisstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// TestUsersInACluster gives the documented users what docs/security.md adds for a cluster: as them, webhooks go in and messages come out.
func TestUsersInACluster(t *testing.T) {
	t.Parallel()
	const more = "+cluster|slots +cluster|shards +readonly +command"
	root := filepath.Join("..", "..", "docs")
	page, err := os.ReadFile(filepath.Join(root, "security.md"))
	if err != nil || !strings.Contains(string(page), "`"+more+"`") {
		t.Fatalf("docs/security.md does not say what a cluster needs: %v", err)
	}
	users, err := os.ReadFile(filepath.Join(root, "operations", "users.acl"))
	if err != nil {
		t.Fatal(err)
	}
	addrs := redistest.StartCluster(t)
	for _, addr := range addrs {
		client := redis.NewClient(&redis.Options{Addr: addr})
		for line := range strings.Lines(string(users)) {
			words := strings.Fields(line + " " + more)
			if words[1] == "default" || words[1] == "keda" {
				continue
			}
			args := []any{"ACL", "SETUSER"}
			for _, word := range words[1:] {
				args = append(args, strings.ReplaceAll(word, "~{ringup:", "~{any:"))
			}
			if err := client.Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		_ = client.Close()
	}
	as := func(name string) *Store {
		return open(t, Config{Addrs: addrs, Username: name}, func(c *Config) { c.Prefix, c.Password = "any", secret.String("change-me-"+name) })
	}
	producer := as("ingest").Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	if _, err := producer.Enqueue(t.Context(), webhook("a")); err != nil {
		t.Fatal(err)
	}
	worker := as("worker")
	consumer := worker.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"p"})
	_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	if err != nil || len(claim.Jobs) != 1 {
		t.Fatalf("%+v, %v", claim, err)
	}
	if _, _, err := consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Done{}}}, nil, nil); err != nil {
		t.Error(err)
	}
	if err := errors.Join(worker.enqueueFallBacks(t.Context(), message.WhatsApp, []*job.Job{claim.Jobs[0].Job}), consumer.Heartbeat(t.Context(), "pod", 0, 1),
		consumer.Restore(t.Context())); err != nil {
		t.Errorf("a worker's message that falls back, a heartbeat, and a look for jobs to restore: %v", err)
	}
	ingest := as("ingest")
	if err := errors.Join(ingest.Sweeper(prometheus.NewRegistry()).sweep(t.Context(), message.SMS, true), ingest.restoreAll(t.Context(), message.SMS)); err != nil {
		t.Errorf("a sweep: %v", err)
	}
	admins := as("admin")
	if n, err := admins.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: "+15550100001", Why: suppress.Operator}}); err != nil || n != 1 {
		t.Errorf("an operator's entry: %d, %v", n, err)
	}
	if _, err := producer.Enqueue(t.Context(), webhook("b")); err != nil {
		t.Fatal(err)
	}
	limited := worker.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute, RecipientLimit: 1}, []string{"p"})
	if _, claim, err := limited.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 9}); err != nil || len(claim.Jobs) != 1 {
		t.Errorf("a claim whose recipients are looked up: %+v, %v", claim, err)
	}
	deliveries := as("ingest").Deliveries(prometheus.NewRegistry())
	if err := errors.Join(deliveries.store.rekeyAll(t.Context(), message.SMS), deliveries.Accept(t.Context(), report.Update{Preferences: []suppress.Preference{
		{EventID: "1", Provider: "p", Channel: message.SMS, Address: "+15550100001", Kind: suppress.OptIn, Why: suppress.StopWord}}}), deliveries.applyAll(t.Context(), message.SMS)); err != nil {
		t.Errorf("a preference, and the entries of 0.1.0: %v", err)
	}
	if _, err := admins.Forget(t.Context(), queue.ForgetRequest{Person: nobody{}, AtMost: 1000}); err != nil {
		t.Errorf("forgetting: %v", err)
	}
	if state, err := as("admin").State(t.Context(), message.SMS); err != nil || state.Completed != 1 {
		t.Errorf("%+v, %v", state, err)
	}
}

// nobody is a person without data.
type nobody struct{}

func (nobody) Owns(message.Address, *event.Event) bool { return false }
