package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
)

// prefixes makes every case's keys its own.
var prefixes atomic.Int64

// opener opens queues on one Redis, each under a prefix of its own.
func opener(base Config) queuetest.Open {
	return func(t *testing.T, s queuetest.Settings) *queuetest.Queue {
		store := open(t, base, func(c *Config) {
			c.MaxQueueDepth = s.MaxDepth
			c.MaxCrashes = or(s.MaxCrashes, 5)
			c.KeepFailed = or(s.KeepFailed, 50)
			c.KeepCompleted = or(s.KeepCompleted, 100)
			c.DedupeTTL = or(s.DedupeTTL, 24*time.Hour)
			if s.FailUncertain {
				c.OnUncertain = FailUncertain
			}
		})
		providers := s.Providers
		if providers == nil {
			providers = []string{"first", "second"}
		}
		producer := store.Producer(prometheus.NewRegistry())
		t.Cleanup(producer.Close)
		return &queuetest.Queue{
			Producer: producer,
			Consumer: store.Consumer(message.SMS, ConsumerConfig{
				Lease: or(s.Lease, 30*time.Second), PriorityAging: or(s.Aging, time.Minute), RateLimit: s.RateLimit, RateBurst: s.RateBurst,
				Breaker: BreakerConfig{Failures: or(s.Failures, 3), Window: 10 * time.Second, OpenMin: or(s.OpenMin, 50*time.Millisecond), OpenMax: time.Second},
			}, providers),
			Depth:         func(ctx context.Context) (queue.Depth, error) { return store.Depth(ctx, message.SMS) },
			Pause:         func(ctx context.Context) error { return store.Pause(ctx, message.SMS, "a test", "") },
			Resume:        func(ctx context.Context) error { return store.Resume(ctx, message.SMS) },
			Notifications: store.Notifications,
			Leftovers: func(ctx context.Context) []string {
				found := []string{}
				var mu sync.Mutex // the masters are asked side by side
				scan := func(ctx context.Context, client redis.UniversalClient) error {
					keys, err := client.Keys(ctx, store.keys[message.SMS].Base+":body:*").Result()
					mu.Lock()
					found = append(found, keys...)
					mu.Unlock()
					return err
				}
				if cluster, ok := store.client.(*redis.ClusterClient); ok {
					_ = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return scan(ctx, node) })
				} else if err := scan(ctx, store.client); err != nil {
					t.Error(err)
				}
				return found
			},
		}
	}
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func open(t *testing.T, c Config, change func(*Config)) *Store {
	t.Helper()
	c.Prefix = fmt.Sprintf("t%d", prefixes.Add(1))
	c.DedupeTTL, c.StatusTTL, c.KeepCompleted, c.KeepFailed, c.MaxCrashes, c.OnUncertain = 24*time.Hour, time.Minute, 100, 50, 5, Resend
	if change != nil {
		change(&c)
	}
	store, err := Open(c, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func url(addr string) Config { return Config{URL: secret.String("redis://" + addr)} }

func TestStandalone(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, opener(url(redistest.Start(t).Addr())))
}

func TestCluster(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, opener(Config{Addrs: redistest.StartCluster(t)}))
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, opener(Config{Addrs: []string{redistest.StartSentinel(t)}, SentinelMaster: "ringup"}))
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server, ca := redistest.StartTLS(t)
	store := open(t, Config{URL: secret.String("rediss://" + server.Addr()), CAFile: ca}, nil)
	if err := store.Ready(Ingest, message.Channels...)(t.Context()); err != nil {
		t.Error(err)
	}
	stranger := open(t, Config{URL: secret.String("rediss://" + server.Addr())}, nil)
	if err := stranger.Ready(Ingest, message.Channels...)(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of an unknown authority: %v", err)
	}
}

// TestAuthoritiesAreReadAgain: a new connection is held to the authorities that the file has by then; one that is cut off changes nothing.
func TestAuthoritiesAreReadAgain(t *testing.T) {
	t.Parallel()
	server, ca := redistest.StartTLS(t)
	_, another := redistest.StartTLS(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	use := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		t.Helper()
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	use(read(another))
	var l links
	config := Config{URL: secret.String("rediss://" + server.Addr()), CAFile: file}
	options, err := config.options()
	if err != nil {
		t.Fatal(err)
	}
	dial := l.dialer(&config, options)
	for _, step := range []struct {
		name    string
		content []byte
		trusted bool
	}{{"another authority", read(another), false}, {"the right one", read(ca), true}, {"half a file", read(another)[:40], true}, {"another one again", read(another), false}} {
		use(step.content)
		conn, err := dial(t.Context(), "tcp", server.Addr())
		if (err == nil) != step.trusted {
			t.Errorf("%s: %v", step.name, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// TestATokenIsLost: where the worker that took the token hangs, the next sweep wakes another one.
func TestATokenIsLost(t *testing.T) {
	t.Parallel()
	_, store, producer, consumer := fixture(t)
	if _, err := producer.Enqueue(t.Context(), webhook("w")); err != nil {
		t.Fatal(err)
	}
	if err := store.client.LPop(t.Context(), store.keys[message.SMS].Wake).Err(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second token would wake a worker for nothing
		if _, err := store.Sweep(t.Context(), message.SMS, true); err != nil {
			t.Fatal(err)
		}
		if n := store.client.LLen(t.Context(), store.keys[message.SMS].Wake).Val(); n != 1 {
			t.Errorf("%d tokens while a job waits", n)
		}
	}
	if _, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 2}); err != nil || len(claim.Jobs) != 1 {
		t.Fatalf("%+v, %v", claim, err)
	}
	if err := store.client.Del(t.Context(), store.keys[message.SMS].Wake).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Sweep(t.Context(), message.SMS, true); err != nil {
		t.Fatal(err)
	}
	if n := store.client.LLen(t.Context(), store.keys[message.SMS].Wake).Val(); n != 0 {
		t.Errorf("%d tokens, and no job waits", n)
	}
}

// TestEmbedded is the server inside `ringup dev`.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, opener(url(miniredis.RunT(t).Addr())))
}

// fixture is a real Redis with one webhook of one job in it.
func fixture(t *testing.T) (*redistest.Server, *Store, *Producer, *Consumer) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	store := open(t, url(server.Addr()), nil)
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	consumer := store.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"p"})
	return server, store, producer, consumer
}

func webhook(id string) *queue.Submission {
	return &queue.Submission{Event: queuetest.Event(id), Priority: 1, AcceptedAt: time.Now(), Channels: []queue.ChannelSubmission{
		{Channel: message.SMS, Recipients: []message.Recipient{{Address: "+15550100000", Audience: message.Customer}}}}}
}

func TestScriptCacheFlushed(t *testing.T) {
	t.Parallel()
	server, _, producer, consumer := fixture(t)
	for i := range 3 {
		if err := server.Client().ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := producer.Enqueue(t.Context(), webhook(fmt.Sprint("w", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Client().ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 10})
	if err != nil || len(claim.Jobs) != 3 {
		t.Fatalf("claim: %+v, %v; want 3 jobs", claim, err)
	}
}

// TestCallersThatAreGone: while Redis does not answer, the webhooks of callers that have gone are not kept. What is on its way then is, and gets there.
func TestCallersThatAreGone(t *testing.T) {
	t.Parallel()
	server, _, producer, _ := fixture(t)
	if err := server.Client().Do(t.Context(), "CLIENT", "PAUSE", "600000", "WRITE").Err(); err != nil {
		t.Fatal(err)
	}
	waiting := func() int {
		producer.mu.Lock()
		defer producer.mu.Unlock()
		return len(producer.waiting)
	}
	var all sync.WaitGroup
	enqueue := func(ctx context.Context, id string) {
		all.Go(func() {
			if _, err := producer.Enqueue(ctx, webhook(id)); !errors.Is(err, queue.ErrUnavailable) {
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	ctx, leave := context.WithCancel(t.Context())
	enqueue(ctx, "on its way")
	redistest.Eventually(t, "the first is on its way", func() bool {
		producer.mu.Lock()
		defer producer.mu.Unlock()
		return producer.flushing && len(producer.waiting) == 0
	})
	const n = 100
	for i := range n {
		enqueue(ctx, fmt.Sprint("w", i))
	}
	redistest.Eventually(t, "the others wait", func() bool { return waiting() == n })
	leave()
	all.Wait()
	if left := waiting(); left != 0 {
		t.Errorf("%d of %d are kept", left, n)
	}
	if err := server.Client().Do(t.Context(), "CLIENT", "UNPAUSE").Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := producer.Enqueue(t.Context(), webhook("w0")); err != nil || got.Duplicate {
		t.Errorf("repeated afterwards: %+v, %v", got, err)
	}
	if got, err := producer.Enqueue(t.Context(), webhook("on its way")); err != nil || !got.Duplicate {
		t.Errorf("the first, repeated: %+v, %v", got, err)
	}
}

func TestRedisRestarts(t *testing.T) {
	t.Parallel()
	server, store, producer, consumer := fixture(t)
	if _, err := producer.Enqueue(t.Context(), webhook("before")); err != nil {
		t.Fatal(err)
	}
	_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	if err != nil || len(claim.Jobs) != 1 {
		t.Fatalf("claim: %+v, %v", claim, err)
	}
	server.Kill()
	if _, err := producer.Enqueue(t.Context(), webhook("meanwhile")); err == nil || !strings.Contains(err.Error(), "unavailable") {
		t.Fatalf("enqueue without Redis: %v", err)
	}
	if err := store.Ready(Ingest, message.Channels...)(t.Context()); err == nil {
		t.Fatal("ready without Redis")
	}
	server.Restart()
	redistest.Eventually(t, "the producer recovers", func() bool {
		_, err := producer.Enqueue(t.Context(), webhook("meanwhile"))
		return err == nil
	})
	settled, next, err := consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Outcome: queue.Done{}}}, nil,
		&queue.ClaimRequest{Max: 10})
	if err != nil || len(settled.Lost) != 0 || len(next.Jobs) != 1 {
		t.Fatalf("after the restart: %+v, %+v, %v; want the settlement taken and one job", settled, next, err)
	}
}

// TestGarbage puts into the lists what is no job: it is handed out once, so that it can be set aside.
func TestGarbage(t *testing.T) {
	t.Parallel()
	server, store, _, consumer := fixture(t)
	k := store.keys[message.SMS]
	for _, junk := range []string{"", "x", "\x63 a job of a newer version", "\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff"} {
		if err := server.Client().RPush(t.Context(), k.Queue[0], junk).Err(); err != nil {
			t.Fatal(err)
		}
	}
	_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 10})
	if err != nil || len(claim.Jobs) != 4 {
		t.Fatalf("claim: %+v, %v; want 4", claim, err)
	}
	var settlements []queue.Settlement
	for _, c := range claim.Jobs {
		if c.Err == nil {
			t.Errorf("%q was taken for a job", c.Raw)
		}
		settlements = append(settlements, queue.Settlement{Claimed: c, Outcome: queue.Fail{Error: "unreadable"}})
	}
	if _, _, err := consumer.Exchange(t.Context(), settlements, nil, nil); err != nil {
		t.Fatal(err)
	}
	if d, _ := store.Depth(t.Context(), message.SMS); d.Failed != 4 || d.Inflight != 0 {
		t.Errorf("depth %+v: want 4 failed", d)
	}
}

// empty deletes everything in Redis.
func (s *Store) empty(ctx context.Context) error {
	if cluster, is := s.client.(*redis.ClusterClient); is {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return master.FlushAll(ctx).Err() })
	}
	return s.client.FlushAll(ctx).Err()
}
