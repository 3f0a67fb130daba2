package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/worker"
)

// large is a queue of jobs with large bodies, as redisstore bounds their claims.
type large struct {
	worker.Queue
	mu         sync.Mutex
	left, held int
	most       int
	trips      int
}

const largeBody = 1 << 20

func (l *large) Exchange(_ context.Context, s []queue.Settlement, _ []queue.ProviderHealth, r *queue.ClaimRequest) (*queue.Settled, *queue.Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trips++
	l.held -= len(s)
	if r == nil {
		return &queue.Settled{}, nil, nil
	}
	claim := &queue.Claim{Wait: -1}
	for taken := int64(0); l.left > 0 && len(claim.Jobs) < r.Max; taken += largeBody {
		if r.Bytes != 0 && taken+largeBody > r.Bytes && (len(claim.Jobs) > 0 || r.Bytes < 0) {
			claim.Full, claim.Wait = true, 0
			break
		}
		l.left--
		claim.Jobs = append(claim.Jobs, &queue.Claimed{Raw: fmt.Append(nil, l.left), Job: &job.Job{WebhookID: fmt.Sprint(l.left), Body: make([]byte, largeBody)}})
	}
	l.held += len(claim.Jobs)
	l.most = max(l.most, l.held)
	return &queue.Settled{}, claim, nil
}
func (l *large) Renew(context.Context, []*queue.Claimed) ([]int, error) { return nil, nil }
func (l *large) Wait(ctx context.Context, _ time.Duration) error        { <-ctx.Done(); return nil }
func (l *large) Heartbeat(context.Context, string, int, int) error      { return nil }
func (l *large) Deregister(context.Context, string) error               { return nil }
func (l *large) Restore(context.Context) error                          { return nil }
func (l *large) Spent(context.Context) (map[string]int64, error)        { return nil, nil }

type slow struct{}

func (slow) Handle(context.Context, *queue.Claimed) worker.Result {
	time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
	return worker.Result{Outcome: queue.Done{}}
}

// TestLargeJobsInFlight: what a worker holds at a time stays within its budget, all jobs are handled, and while the budget is used up it asks for nothing.
func TestLargeJobsInFlight(t *testing.T) {
	t.Parallel()
	for memory, most := range map[int64]int{1: 2, 128 << 20: 11, math.MaxInt64: 50} {
		synctest.Test(t, func(t *testing.T) {
			q := &large{left: 100}
			log := slog.New(slog.DiscardHandler)
			metrics := worker.NewMetrics(prometheus.NewRegistry(), message.SMS)
			w := worker.New(worker.Options{
				Config: worker.Config{Concurrency: 50, SendTimeout: 10 * time.Second}, Lease: time.Minute, Queue: q, Handler: slow{},
				Breakers: worker.NewBreakers([]string{"p"}, metrics, log), Metrics: metrics, Log: log, Bytes: worker.Bytes(memory),
			})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
			if q.left != 0 || q.held != 0 || q.most > most || q.trips > 400 {
				t.Errorf("of %d bytes: %d are left, %d held, %d at most (want %d), in %d round trips", memory, q.left, q.held, q.most, most, q.trips)
			}
		})
	}
}

// TestAReadOnlyQueue: a worker whose queue answers for ever that it takes no writes is not live for ever, and one that can write again is.
func TestAReadOnlyQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(renderer{}, 5)
		away := func(err error) {
			b.queue.mu.Lock()
			b.queue.away = err
			b.queue.mu.Unlock()
		}
		away(queue.ErrReadOnly)
		go func() {
			for _, step := range []struct {
				err  error
				live bool
			}{{queue.ErrReadOnly, true}, {queue.ErrReadOnly, false}, {queue.ErrUnavailable, false}, {nil, true}} {
				away(step.err)
				time.Sleep(time.Minute + 30*time.Second) //nolint:forbidigo // the bubble's clock
				if err := b.worker.Live(); (err == nil) != step.live {
					t.Errorf("with %v: %v", step.err, err)
				}
			}
		}()
		b.run(t, 10*time.Minute)
	})
}

// TestALoopThatHangsIsNotLive runs outside of a bubble's clock, since the loop never ends: Live looks at the clock alone.
func TestALoopThatHangsIsNotLive(t *testing.T) {
	t.Parallel()
	b := open(renderer{}, 0)
	b.queue.hang = true
	log := slog.New(slog.DiscardHandler)
	metrics := worker.NewMetrics(prometheus.NewRegistry(), message.SMS)
	hung := worker.New(worker.Options{
		Config: worker.Config{Concurrency: 1, SendTimeout: time.Nanosecond}, Lease: 3 * time.Nanosecond, Queue: b.queue, Handler: nothing{},
		Breakers: worker.NewBreakers(nil, metrics, log), Metrics: metrics, Log: log,
	})
	go func() { _ = hung.Run(t.Context()) }()
	for hung.Live() == nil {
		<-time.After(time.Millisecond)
	}
}

// nothing handles no job: it is never given one.
type nothing struct{}

func (nothing) Handle(context.Context, *queue.Claimed) worker.Result { panic("a job") }
