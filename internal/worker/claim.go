package worker

import (
	"context"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
)

// settled takes note of the settlements' results.
func (w *Worker) settled(result *queue.Settled) {
	s := &w.state
	s.full = false
	for _, i := range result.Lost {
		w.Metrics.lost.Inc()
		w.Log.Warn("lease lost before its settlement", "job", jobID(s.settlements[i].Claimed), "outcome", s.settlements[i].Outcome.Name())
	}
	for i := range s.settlements {
		delete(s.inFlight, s.settlements[i].Claimed)
		settleCost(w.Budget, s.settlements[i].Outcome)
	}
	clear(s.settlements) // what they refer to is garbage now
	s.settlements = s.settlements[:0]
	s.health = s.health[:0]
	w.evicted(result.Evicted)
	w.Breakers.update(result.Breakers)
	w.Metrics.sending.Set(float64(len(s.inFlight)))
}

func (w *Worker) evicted(jobs []*job.Job) {
	for _, j := range jobs {
		w.Metrics.evicted.Inc()
		w.Log.Warn("failed job evicted (KEEP_FAILED)", "job", j.ID(), "webhook", j.WebhookID, "error", j.LastError)
	}
}

// claimed hands the jobs of a claim to the pool; those that cannot be read fail, and when the worker is stopping all go back.
func (w *Worker) claimed(ctx context.Context, c *queue.Claim) {
	w.Metrics.claimed.Add(float64(len(c.Jobs)))
	if c.Reaped > 0 {
		w.Metrics.reaped.Add(float64(c.Reaped))
		w.Log.Warn("leases reaped", "jobs", c.Reaped, "set_aside", c.SetAside)
	}
	if c.Throttled {
		w.Metrics.throttled.Inc()
	}
	w.evicted(c.Evicted)
	w.Breakers.claimed(c)
	w.state.full = c.Full
	var b *batch
	if len(c.Jobs) > 0 {
		b = newBatch(ctx, len(c.Jobs), w.Config.SendTimeout)
	}
	for _, one := range c.Jobs {
		w.state.inFlight[one] = struct{}{}
		switch {
		case ctx.Err() != nil:
			w.endUnhandled(one, queue.Release{})
			b.done()
		case one.Err != nil:
			w.Log.Error("job cannot be read", "error", one.Err, "bytes", len(one.Raw))
			w.Metrics.unreadable()
			w.endUnhandled(one, queue.Fail{Error: one.Err.Error()})
			b.done()
		default:
			w.pool.tasks <- task{one, b}
		}
	}
	w.Metrics.sending.Set(float64(len(w.state.inFlight)))
	w.schedule(ctx, c)
}

// endUnhandled ends a job that no handler has seen.
func (w *Worker) endUnhandled(one *queue.Claimed, o queue.Outcome) {
	w.state.settlements = append(w.state.settlements, queue.Settlement{Claimed: one, Outcome: o, Worker: w.ID})
	if one.Probe {
		unused := unusedProbe(w.Breakers.providers[one.Provider], true)
		w.state.health.add(&unused)
	}
}

// schedule says when to claim again: at once while there is more, when a token or a probe is due, or when something is enqueued.
func (w *Worker) schedule(ctx context.Context, c *queue.Claim) {
	s := &w.state
	barred := c.Throttled || c.Halted != ""
	pause := idlePoll
	if barred || s.answering.IsZero() || time.Since(s.answering) < queue.ReapGrace {
		pause = blockedPoll
	}
	if c.Wait >= 0 {
		pause = min(pause, c.Wait)
	}
	if pause > debounce && !barred && len(c.Jobs) > 0 {
		// Where one job came from there may be more: only then is it worth to wait for being woken.
		s.nextPoll = s.lastTrip.Add(debounce)
		return
	}
	s.nextPoll = s.lastTrip.Add(pause)
	if pause == 0 || barred || ctx.Err() != nil {
		return
	}
	s.waiting = true
	rest, first := pauseAfter(s.deaf), s.deaf == 0
	go func() {
		err := w.Queue.Wait(ctx, pause)
		if err != nil && ctx.Err() == nil {
			// Mostly the next round trip meets the same trouble, and reports it. But Redis may refuse this command alone (BLPOP).
			if first {
				w.Log.Warn("wait failed", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(rest):
			}
		}
		s.woken <- err
	}()
}
