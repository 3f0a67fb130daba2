// Package worker takes the jobs of one channel and does what they ask for. The loop (loop.go) claims, renews and settles; a handler does the
// work, and deliver (deliver.go) is the handler that sends: render ▸ gate ▸ send. What a result means is decided in one place, outcome.go.
package worker

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

// Queue is what a worker needs of the queue. Only Exchange changes jobs.
type Queue interface {
	// Exchange settles jobs, tells what they said about the providers, and claims more, in one round trip; a nil request claims nothing.
	// With an error, a part that is not nil did happen. Settling the same again is harmless.
	Exchange(context.Context, []queue.Settlement, []queue.ProviderHealth, *queue.ClaimRequest) (*queue.Settled, *queue.Claim, error)
	// Renew prolongs leases, and returns the indices of those that had ended.
	Renew(context.Context, []*queue.Claimed) (lost []int, err error)
	// Wait returns when there may be something to claim, after the time given, or with ctx.
	Wait(ctx context.Context, atMost time.Duration) error
	// Heartbeat says that a worker is alive; Deregister, that it has stopped. Both are for people alone.
	Heartbeat(ctx context.Context, id string, sending, concurrency int) error
	Deregister(ctx context.Context, id string) error
	// Restore puts back jobs that an older program set aside, because it could not read them, as far as this one can.
	Restore(ctx context.Context) error
	// Spent returns what all workers of the channel have spent today, by the fields of queue.CostTotal and its like.
	Spent(ctx context.Context) (map[string]int64, error)
}

// Handler does what a job asks for.
//
// Handle is called once for each claimed job, from many goroutines. The job is never nil. ctx ends after SEND_TIMEOUT, and not because the worker
// stops: a job that has begun ends by itself. Whatever happens is said by the result; its outcome is never nil.
type Handler interface {
	Handle(ctx context.Context, c *queue.Claimed) Result
}

// Result is what a handler returns for a job.
type Result struct {
	Outcome queue.Outcome
	// Health is what the job said about its provider; without a Provider it said nothing.
	Health queue.ProviderHealth
	// Provider and Reason are labels of ringup_sends_total; "" for a job that went to no provider, or that succeeded.
	Provider string
	Reason   string
}

// Options are what a worker is made of. All are required but those that may be nil.
type Options struct {
	ID       string // names this worker among those of its channel
	Config   Config
	Lease    time.Duration
	Queue    Queue
	Handler  Handler
	Breakers *Breakers
	Metrics  *Metrics
	Log      *slog.Logger
	Tracer   trace.Tracer    // nil: no tracing
	Budget   *pricing.Budget // what the daily caps leave; nil: no caps
	Bytes    int64           // what the bodies of the jobs in flight may add up to, see Bytes; 0: no bound
}

const (
	// idlePoll is how often an idle worker looks by itself, besides being woken and when a retry or a lease is due.
	idlePoll = 15 * time.Second
	// blockedPoll is how often a worker looks that may not claim now, or whose queue does not answer.
	blockedPoll = 2 * time.Second
	// debounce is the least time between two round trips to the queue, so that under load many jobs share one; a worker with nothing
	// to do goes at once, and so does one that has half of its places to fill. Far less than any provider takes to answer.
	debounce = 4 * time.Millisecond
	// heartbeatEvery is how often a worker says that it is alive, for people to see.
	heartbeatEvery = 10 * time.Second
	// callTimeout bounds one round trip to the queue.
	callTimeout = 4 * time.Second
	// settleTimeout is how long a worker that stops tries to settle what it sent.
	settleTimeout = 10 * time.Second
	// readOnlyPatience is how long a queue may answer that it takes no writes: longer than a failover takes. By then the worker holds on to the wrong
	// server, and a new one asks anew who is the right one.
	readOnlyPatience = 2 * time.Minute
)

const (
	// baseMemory is a worker without jobs: code, templates, connections.
	baseMemory = 40 << 20
	// bodyFactor is how much memory one byte of a job's body takes at most: Redis's answer, the body, the event, the message, and garbage.
	bodyFactor = 8
	// minBytes is room for two of the largest webhooks.
	minBytes = 2 << 20
	// defaultMemory is assumed where neither GOMEMLIMIT nor a cgroup limits the memory.
	defaultMemory = 512 << 20
)

// Bytes returns what the bodies of the jobs in flight may add up to in a program that may use so much memory, both in bytes; math.MaxInt64 where it is not limited.
func Bytes(memory int64) int64 {
	if memory == math.MaxInt64 {
		memory = defaultMemory
	}
	return max(minBytes, (memory-baseMemory)/bodyFactor)
}

// Worker claims, handles and settles the jobs of one queue.
type Worker struct {
	Options
	pool     *pool
	state    state
	lastTick atomic.Int64 // Unix ns of the loop's last sign of life
	readOnly atomic.Int64 // Unix ns since when the queue takes no writes; 0 while it does
}

// New returns a worker; Run starts it.
func New(o Options) *Worker {
	w := &Worker{Options: o, pool: newPool(o.Handler, o.Config.Concurrency), state: newState()}
	w.lastTick.Store(time.Now().UnixNano())
	return w
}

// Live reports whether the loop gets on: it claims, or has proved the queue empty, or waits for jobs that are bounded. A queue that cannot be
// reached is no reason to restart a worker, and does not count against it; one that has taken no writes for two minutes does (queue.ErrReadOnly).
func (w *Worker) Live() error {
	still := time.Since(time.Unix(0, w.lastTick.Load()))
	if limit := w.Config.SendTimeout + w.Lease; still > limit {
		return fmt.Errorf("the loop has not turned for %s", still.Round(time.Second))
	}
	if since := w.readOnly.Load(); since > 0 && time.Since(time.Unix(0, since)) > readOnlyPatience {
		return fmt.Errorf("no writes to Redis for more than %s: it is a replica, or there is another master by now", readOnlyPatience)
	}
	return nil
}
