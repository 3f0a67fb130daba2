package redisstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

// TestSalesWaitOnce: however often a till tells of an order, what it says goes out in the time to coalesce after the first event that waits, and no more often.
func TestSalesWaitOnce(t *testing.T) {
	t.Parallel()
	const wait, every, last = 20 * time.Second, 3 * time.Second, 2 * time.Minute
	base := url(miniredis.RunT(t).Addr())
	base.Prefix, base.DedupeTTL, base.StatusTTL, base.KeepFailed, base.MaxCrashes, base.OnUncertain = "once", 24*time.Hour, 24*time.Hour, 1, 5, Resend
	c := &counter{reporter: t, base: base, now: time.Now().UnixMilli()}
	c.replicas = []*salesReplica{c.begin()}
	defer c.replicas[0].end()
	c.pass(0)
	var sent []int64
	for at := time.Duration(0); at < last; at += every {
		s := following(fmt.Sprint("w", at), event.OrderUpdate, time.UnixMilli(c.now), wait)
		s.AcceptedAt = time.UnixMilli(c.now)
		_, err := c.replicas[0].producer.Enqueue(t.Context(), s)
		c.must(err)
		for _, ms := range []int64{1000, 2000} {
			c.pass(ms)
			_, claim, err := c.replicas[0].store.Consumer(message.SMS, ConsumerConfig{Lease: time.Hour, PriorityAging: time.Minute}, []string{"p"}).Exchange(
				t.Context(), nil, nil, &queue.ClaimRequest{Max: 9})
			c.must(err)
			for range claim.Jobs {
				sent = append(sent, c.now)
			}
		}
	}
	for i := 1; i < len(sent); i++ {
		if apart := time.Duration(sent[i]-sent[i-1]) * time.Millisecond; apart < wait || apart > wait+2*every {
			t.Errorf("two messages are %s apart", apart)
		}
	}
	if most, least := int(last/wait), int(last/(wait+2*every))-1; len(sent) > most || len(sent) < least {
		t.Errorf("%d messages in %s", len(sent), last)
	}
}

// following returns an event of a sale.
func following(id string, kind event.Type, happened time.Time, wait time.Duration) *queue.Submission {
	w := webhook(id)
	w.Event.Type, w.Priority, w.HappenedAt, w.Coalesce = kind, queueOf(kind), happened, wait
	w.Event.Sale.OrderID = "1007"
	return w
}

// TestSalesOutliveTheirRedis: what is stale, and what is superseded, is so after a restart of Redis and on a replica that was promoted.
func TestSalesOutliveTheirRedis(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(*redistest.Server) *redistest.Server{
		"restart": func(server *redistest.Server) *redistest.Server {
			server.Kill()
			server.Restart()
			return server
		},
		"promotion": func(server *redistest.Server) *redistest.Server {
			replica := redistest.Start(t, "--replicaof", "127.0.0.1", fmt.Sprint(server.Port()))
			redistest.Eventually(t, "the replica has everything", func() bool { return server.Client().Wait(t.Context(), 1, time.Second).Val() == 1 })
			server.Kill()
			if err := replica.Client().ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
				t.Error(err)
			}
			return replica
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			begin, prefix := time.Now().Add(-time.Minute), ""
			post := func(id string, kind event.Type, after time.Duration) *queue.Acceptance {
				t.Helper()
				store := open(t, url(server.Addr()), func(c *Config) {
					if prefix != "" {
						c.Prefix = prefix
					}
					prefix = c.Prefix
				})
				producer := store.Producer(prometheus.NewRegistry())
				defer producer.Close()
				a, err := producer.Enqueue(t.Context(), following(id, kind, begin.Add(after), time.Minute))
				if err != nil || a.Duplicate {
					t.Fatalf("%s: %+v, %v", id, a, err)
				}
				return a
			}
			post("a", event.OrderUpdate, 2*time.Second)
			server = next(server)
			if a := post("before", event.OrderUpdate, time.Second); len(a.Stale) != 1 || a.Stale[0].By != "a" {
				t.Errorf("%+v", a)
			}
			post("b", event.OrderUpdate, 3*time.Second)
			store := open(t, url(server.Addr()), func(c *Config) { c.Prefix = prefix })
			n, err := store.Notifications(t.Context(), "a")
			if err != nil || n.Notifications[0].Status != queue.StatusSuperseded || n.Notifications[0].By != "b" {
				t.Errorf("%+v, %v", n, err)
			}
			if d, err := store.Depth(t.Context(), message.SMS); err != nil || d.Held != 1 {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}

// TestSalesAtOnce: where many events of a sale come at once, each message is in one place, and that of the latest event is not lost.
func TestSalesAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	begin := time.Now().Add(-time.Minute)
	const events = 300
	errs := make(chan error, events)
	for i := range events {
		go func() {
			_, err := s.producer.Enqueue(t.Context(), following(fmt.Sprint("w", i), event.OrderUpdate, begin.Add(time.Duration(i)*time.Millisecond), 20*time.Second))
			errs <- err
		}()
	}
	for range events {
		s.must(<-errs)
	}
	d := s.state()
	if d.Held != 1 {
		t.Errorf("%+v", d)
	}
	count := map[queue.Status]int{}
	for i := range events {
		n, err := s.store.Notifications(t.Context(), fmt.Sprint("w", i))
		s.must(err)
		status := n.Notifications[0].Status
		if count[status]++; (i == events-1) != (status == queue.StatusQueued) {
			t.Errorf("event %d is %s", i, status)
		}
	}
	if count[queue.StatusStale]+count[queue.StatusSuperseded] != events-1 {
		t.Errorf("%v", count)
	}
}

// TestSalesBesideOtherKeys: where a sale's key is another program's, the event goes out as if it were of no sale; where the scheduled set is, nothing is taken.
func TestSalesBesideOtherKeys(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	k := s.store.keys[message.SMS]
	first := following("a", event.OrderUpdate, time.Now(), 20*time.Second)
	key, _ := s.store.sale(first, 0)[0].(string)
	s.must(s.store.client.LPush(t.Context(), key, "x").Err())
	_, err := s.producer.Enqueue(t.Context(), first)
	s.must(err)
	if d := s.state(); d.Waiting[2]+d.Waiting[3] != 1 || d.Held != 0 {
		t.Errorf("%+v", d)
	}
	s.must(s.store.client.Del(t.Context(), key).Err())
	s.must(s.store.client.Set(t.Context(), k.Held, "x", 0).Err())
	second := following("b", event.OrderUpdate, time.Now(), 20*time.Second)
	if _, err := s.producer.Enqueue(t.Context(), second); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("the scheduled set is another program's: %v", err)
	}
	s.must(s.store.client.Del(t.Context(), k.Held).Err())
	if a, err := s.producer.Enqueue(t.Context(), second); err != nil || a.Duplicate || s.state().Held != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}
