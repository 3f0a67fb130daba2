package redisstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// everyCall makes each call of the package that needs Redis, by its name.
func everyCall(store *Store, producer *Producer, consumer *Consumer, deliveries *Deliveries, claimed *queue.Claimed) map[string]func(context.Context) error {
	failed := queue.Stored{Channel: message.SMS, State: queue.Failed, Raw: claimed.Raw}
	sms := message.SMS
	to := message.Address("+15550100000")
	return map[string]func(context.Context) error{
		"Record":       func(ctx context.Context) error { return store.Record(ctx, queue.AuditEntry{Channel: sms}) },
		"Audit":        func(ctx context.Context) error { _, err := store.Audit(ctx, 1); return err },
		"OpenBreaker":  func(ctx context.Context) error { return store.OpenBreaker(ctx, sms, "p", "ann", true) },
		"CloseBreaker": func(ctx context.Context) error { return store.CloseBreaker(ctx, sms, "p") },
		"Ping":         func(ctx context.Context) error { return store.Ping(ctx) },
		"Blocks":       func(ctx context.Context) error { return consumer.Blocks(ctx) },
		"Ready":        store.Ready(Ingest, message.Channels...),
		"Forget": func(ctx context.Context) error {
			_, err := store.Forget(ctx, queue.ForgetRequest{AtMost: 1})
			return err
		},
		"Examine": func(ctx context.Context) error { _, err := store.Examine(ctx); return err },
		"Retry":   func(ctx context.Context) error { _, err := store.Retry(ctx, []queue.Stored{failed}, "ann"); return err },
		"Delete": func(ctx context.Context) error {
			_, err := store.Delete(ctx, []queue.Stored{failed}, "ann")
			return err
		},
		"Purge": func(ctx context.Context) error { _, err := store.Purge(ctx, sms, 1, "ann"); return err },
		"List":  func(ctx context.Context) error { _, err := store.List(ctx, sms, queue.Waiting, 0, 0, 1); return err },
		"Matching": func(ctx context.Context) error {
			_, err := store.Matching(ctx, []queue.Stored{{Channel: sms, Job: &job.Job{WebhookID: "w", SharedBody: true}}}, func(*queue.Stored) bool { return true })
			return err
		},
		"Locate": func(ctx context.Context) error { _, err := store.Locate(ctx, "w:sms:1", time.Time{}); return err },
		"Search": func(ctx context.Context) error {
			_, err := store.Search(ctx, func(*queue.Stored) bool { return false }, "x", 1)
			return err
		},
		"SaveSession":   func(ctx context.Context) error { return store.SaveSession(ctx, "id", "ann", time.Hour) },
		"Session":       func(ctx context.Context) error { _, err := store.Session(ctx, "id"); return err },
		"EndSession":    func(ctx context.Context) error { return store.EndSession(ctx, "id") },
		"Spending":      func(ctx context.Context) error { _, err := store.Spending(ctx, sms, time.Now()); return err },
		"Depth":         func(ctx context.Context) error { _, err := store.Depth(ctx, sms); return err },
		"Pause":         func(ctx context.Context) error { return store.Pause(ctx, sms, "ann", "") },
		"Resume":        func(ctx context.Context) error { return store.Resume(ctx, sms) },
		"State":         func(ctx context.Context) error { _, err := store.State(ctx, sms); return err },
		"Notifications": func(ctx context.Context) error { _, err := store.Notifications(ctx, "w"); return err },
		"Suppress": func(ctx context.Context) error {
			_, err := store.Suppress(ctx, []suppress.Entry{{Channel: sms, Address: to}})
			return err
		},
		"Unsuppress": func(ctx context.Context) error {
			_, err := store.Unsuppress(ctx, sms, to, suppress.Selection{})
			return err
		},
		"Suppressed":      func(ctx context.Context) error { _, err := store.Suppressed(ctx, sms, to); return err },
		"CountSuppressed": func(ctx context.Context) error { _, err := store.CountSuppressed(ctx, sms); return err },
		"Suppressions": func(ctx context.Context) error {
			return store.Suppressions(ctx, sms, func(suppress.Entry) bool { return true })
		},
		"SyncOptOuts": func(ctx context.Context) error {
			_, err := store.SyncOptOuts(ctx, sms, "p", "sns", time.Minute, func(context.Context, func(message.Address) error) error { return nil })
			return err
		},
		"Sweep":       func(ctx context.Context) error { _, err := store.Sweep(ctx, sms, true); return err },
		"Enqueue":     func(ctx context.Context) error { _, err := producer.Enqueue(ctx, webhook("again")); return err },
		"Renew":       func(ctx context.Context) error { _, err := consumer.Renew(ctx, []*queue.Claimed{claimed}); return err },
		"Heartbeat":   func(ctx context.Context) error { return consumer.Heartbeat(ctx, "w1", 0, 1) },
		"Deregister":  func(ctx context.Context) error { return consumer.Deregister(ctx, "w1") },
		"Restore":     func(ctx context.Context) error { return consumer.Restore(ctx) },
		"Spent":       func(ctx context.Context) error { _, err := consumer.Spent(ctx); return err },
		"Wait":        func(ctx context.Context) error { return consumer.Wait(ctx, time.Millisecond) },
		"Put":         func(ctx context.Context) error { return store.Outbox(1).Put(ctx, sandbox.Entry{Channel: sms}) },
		"ListOutbox":  func(ctx context.Context) error { _, err := store.Outbox(1).List(ctx); return err },
		"drainMoves":  func(ctx context.Context) error { return store.drainMoves(ctx, sms) },
		"followClock": func(ctx context.Context) error { _, err := store.followClock(ctx, sms); return err },
		"rekeyAll":    func(ctx context.Context) error { return store.rekeyAll(ctx, sms) },
		"applyAll":    func(ctx context.Context) error { return deliveries.applyAll(ctx, sms) },
		"fallBack": func(ctx context.Context) error {
			return store.enqueueFallBacks(ctx, message.WhatsApp, nil)
		},
		"Accept": func(ctx context.Context) error {
			return deliveries.Accept(ctx, report.Update{Reports: []report.Report{{Channel: sms, EventID: "e", JobID: "w:sms:1"}}})
		},
		"Exchange": func(ctx context.Context) error {
			settled, claim, err := consumer.Exchange(ctx, []queue.Settlement{{Claimed: claimed, Outcome: queue.Done{}}}, nil, &queue.ClaimRequest{Max: 1})
			if settled != nil || claim != nil {
				return nil // it says that something did happen
			}
			return err
		},
	}
}

// senderCalls are the calls about senders' webhooks.
func senderCalls(store *Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"SetAside":   func(ctx context.Context) error { return store.SetAside(ctx, &queue.SetAside{ID: "a"}) },
		"Aside":      func(ctx context.Context) error { _, err := store.Aside(ctx); return err },
		"AsideBody":  func(ctx context.Context) error { _, err := store.AsideBody(ctx, "a"); return err },
		"Replay":     func(ctx context.Context) error { _, err := store.Replay(ctx, nil); return err },
		"DropAside":  func(ctx context.Context) error { _, err := store.DropAside(ctx, nil); return err },
		"NextReplay": func(ctx context.Context) error { _, err := store.NextReplay(ctx); return err },
		"EndReplay":  func(ctx context.Context) error { return store.EndReplay(ctx, "a") },
		"Said":       func(ctx context.Context) error { _, err := store.Said(ctx, "e"); return err },
		"Say":        func(ctx context.Context) error { return store.Say(ctx, "e", time.Hour) },
		"Find": func(ctx context.Context) error {
			_, err := store.Find(ctx, queue.FindRequest{Text: "1001", Limit: 1})
			return err
		},
		"Minutes": func(ctx context.Context) error {
			_, err := store.Minutes(ctx, message.SMS, time.Now().Add(-time.Hour), time.Now())
			return err
		},
		"Providers": func(ctx context.Context) error {
			return store.Providers(ctx, []queue.Stored{{Channel: message.SMS, Job: &job.Job{WebhookID: "w", Index: 1, AcceptedAt: time.Now()}}})
		},
		"Marks":          func(ctx context.Context) error { _, err := store.Marks(ctx, message.SMS); return err },
		"Memory":         func(ctx context.Context) error { _, _, err := store.Memory(ctx); return err },
		"NoteDeliveries": func(ctx context.Context) error { return store.NoteDeliveries(ctx, &queue.Deliveries{Sender: "s"}) },
		"Senders":        func(ctx context.Context) error { _, err := store.Senders(ctx); return err },
	}
}

// TestNothingCountsThatRedisNeverSaw: where Redis refuses new connections with an error of its own, every call says that it failed, and no settlement
// counts as made.
func TestNothingCountsThatRedisNeverSaw(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, Config{URL: secret.String("redis://:former@" + server.Addr())}, func(c *Config) {
		c.FallbackChannel = map[string]string{"sms": "whatsapp"}
		c.FallbackWithin = time.Minute
	})
	admin := server.Client()
	if err := admin.ConfigSet(t.Context(), "requirepass", "former").Err(); err != nil {
		t.Fatal(err)
	}
	producer, deliveries := store.Producer(prometheus.NewRegistry()), store.Deliveries(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	consumer := store.Consumer(message.SMS, ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"p"})
	if _, err := producer.Enqueue(t.Context(), webhook("w")); err != nil {
		t.Fatal(err)
	}
	_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
	if err != nil || len(claim.Jobs) != 1 {
		t.Fatalf("claim: %+v, %v", claim, err)
	}
	// As another program would, an operator changes the password, and the connections go.
	if err := admin.ConfigSet(t.Context(), "requirepass", "changed").Err(); err != nil {
		t.Fatal(err)
	}
	store.privacy.read = time.Time{}
	calls := everyCall(store, producer, consumer, deliveries, claim.Jobs[0])
	maps.Copy(calls, senderCalls(store))
	refusing := []string{}
	for name, call := range calls {
		if err := admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
			t.Fatal(err)
		}
		err := call(t.Context())
		if !errors.Is(err, queue.ErrUnavailable) && (err == nil || !strings.Contains(err.Error(), "WRONGPASS")) {
			t.Errorf("%s: %v; want an error", name, err)
		}
		refusing = append(refusing, name)
	}
	// Every exported call that can fail is among them.
	for _, v := range []any{store, producer, consumer, deliveries} {
		of := reflect.TypeOf(v)
		for i := range of.NumMethod() {
			m := of.Method(i)
			fails := m.Type.NumOut() > 0 && m.Type.Out(m.Type.NumOut()-1) == reflect.TypeFor[error]()
			if fails && m.Name != "Close" && m.Name != "Use" && !slices.Contains(refusing, m.Name) {
				t.Errorf("%s.%s is not tried", of, m.Name)
			}
		}
	}
	if n, err := admin.ZCard(t.Context(), store.keys[message.SMS].Inflight).Result(); err != nil || n != 1 {
		t.Errorf("%d in flight, %v; want the claimed one", n, err)
	}
}

// TestMissingKeyHidesNoError: a key that is missing is an answer, and the error of a later command counts all the same.
func TestMissingKeyHidesNoError(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	pipe := s.store.client.Pipeline()
	pipe.Get(t.Context(), "missing")
	pipe.Do(t.Context(), "NO-SUCH-COMMAND")
	if _, err := exec(t.Context(), pipe); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("%v", err)
	}
}

// switchboard is a proxy in front of several Redis: new connections go to the one that it is set to, and what they say can be reworded.
type switchboard struct {
	to     atomic.Value // string: an address
	reword func([]byte) []byte
	heard  func([]byte) // what a program says; may be nil
}

// writer hands what is written to a function.
type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	if w != nil {
		w(b)
	}
	return len(b), nil
}

func (s *switchboard) listen(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", s.to.Load().(string))
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(out, io.TeeReader(in, writer(s.heard)))
				_ = out.Close()
			}()
			go func() {
				defer func() { _ = in.Close() }()
				buffer := make([]byte, 64<<10)
				for {
					n, err := out.Read(buffer)
					if n > 0 {
						if _, err := in.Write(s.reword(buffer[:n])); err != nil {
							return
						}
					}
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestDemotedMaster: a master becomes a replica, and the name that programs know leads to another one. In whatever words the former master says so,
// its connections are dropped, and the next call reaches the new one.
func TestDemotedMaster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reword func([]byte) []byte
		stale  string // replica-serve-stale-data
	}{
		"as Redis says it": {func(b []byte) []byte { return b }, "yes"},
		"as a proxy says it": {func(b []byte) []byte {
			return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("-READONLY "), []byte("-ERR READONLY ")), []byte("You can't write against a read only"), []byte("no writes here,"))
		}, "yes"},
		"MASTERDOWN": {func(b []byte) []byte { return b }, "no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			former, next := redistest.Start(t), redistest.Start(t)
			board := &switchboard{reword: c.reword}
			board.to.Store(former.Addr())
			store := open(t, url(board.listen(t)), nil)
			for range 5 { // some connections
				done := make(chan error)
				for range 4 {
					go func() { _, err := store.Sweep(t.Context(), message.SMS, true); done <- err }()
				}
				for range 4 {
					if err := <-done; err != nil {
						t.Fatal(err)
					}
				}
			}
			board.to.Store(next.Addr())
			client := former.Client()
			if err := client.ConfigSet(t.Context(), "replica-serve-stale-data", c.stale).Err(); err != nil {
				t.Fatal(err)
			}
			if err := client.ReplicaOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
				t.Fatal(err)
			}
			if err := store.Record(t.Context(), queue.AuditEntry{Channel: message.SMS}); !errors.Is(err, queue.ErrReadOnly) {
				t.Fatalf("a write to a former master: %v; want queue.ErrReadOnly", err)
			}
			for range 5 {
				if err := store.Record(t.Context(), queue.AuditEntry{Channel: message.SMS}); err != nil {
					t.Errorf("after the first refusal: %v", err)
				}
			}
		})
	}
}
