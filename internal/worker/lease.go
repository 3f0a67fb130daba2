package worker

import (
	"context"
	"time"

	"ringup.dev/ringup/internal/queue"
)

// renew prolongs the leases of the jobs in flight. A failure is left to the next renewal: there are three in a lease.
func (w *Worker) renew(ctx context.Context) {
	if len(w.state.inFlight) == 0 {
		return
	}
	all := make([]*queue.Claimed, 0, len(w.state.inFlight))
	for one := range w.state.inFlight {
		all = append(all, one)
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	lost, err := w.Queue.Renew(call, all)
	if err != nil {
		w.Log.Warn("renewal failed", "error", err, "jobs", len(all))
		return
	}
	for _, i := range lost {
		w.Log.Warn("lease lost in flight", "job", jobID(all[i]))
	}
}

// heartbeat says that the worker is alive. Nothing depends on it, so it is not tried again.
func (w *Worker) heartbeat(ctx context.Context) {
	if w.state.failures > 0 {
		return
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := w.Queue.Heartbeat(call, w.ID, len(w.state.inFlight), w.Config.Concurrency); err != nil {
		w.Log.Debug("heartbeat failed", "error", err)
	}
}

// restore puts back jobs that an older program set aside, at once and then as often as there are heartbeats, until ctx ends. Ingest does so, too,
// but in a rollback it is the first to be an older program. The loop does not wait for it: there may be many.
func (w *Worker) restore(ctx context.Context) {
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := w.Queue.Restore(call)
		cancel()
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("restore failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// deregister says that the worker has stopped.
func (w *Worker) deregister(ctx context.Context) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := w.Queue.Deregister(call, w.ID); err != nil {
		w.Log.Debug("deregistration failed", "error", err)
	}
}

// jobID is a claimed job's id, for logs.
func jobID(c *queue.Claimed) string {
	if c.Job == nil {
		return "unreadable"
	}
	return c.Job.ID()
}
