package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ringup.dev/ringup/internal/queue"
)

// state is the loop's. It belongs to the goroutine of Run alone.
type state struct {
	inFlight    map[*queue.Claimed]struct{} // claimed and not yet settled
	settlements []queue.Settlement          // of jobs that have ended, for the next round trip
	health      health                      // what those jobs said about the providers

	lastTrip  time.Time // when the latest round trip ended
	nextPoll  time.Time // when to claim again
	answering time.Time // since when the queue has answered without fail; zero while it does not
	failures  int       // round trips in a row that failed
	full      bool      // the latest claim left jobs because of their size; until a job is settled
	waiting   bool      // a goroutine blocks on the queue, and will say so on woken
	woken     chan error
	deaf      int // how often in a row that failed
}

func newState() state {
	return state{inFlight: map[*queue.Claimed]struct{}{}, woken: make(chan error, 1)}
}

// Run works until ctx ends; then it claims nothing more, lets the jobs that have begun end, settles them, puts back the others, and returns.
// The error says what could not be settled: those jobs are taken again when their leases end.
func (w *Worker) Run(ctx context.Context) error {
	renew, heartbeat, poll := time.NewTicker(w.Lease/3), time.NewTicker(heartbeatEvery), time.NewTimer(0)
	defer renew.Stop()
	defer heartbeat.Stop()
	defer poll.Stop()
	w.pool.start()
	defer w.pool.stop()
	w.heartbeat(ctx)
	defer w.deregister(ctx)
	w.refreshSpend(ctx)
	go w.restore(ctx)
	stop := ctx.Done()
	var giveUp <-chan time.Time
	for {
		w.drainResults()
		now, draining := time.Now(), ctx.Err() != nil
		w.lastTick.Store(now.UnixNano())
		w.exchange(ctx, now, draining)
		if draining && len(w.state.inFlight) == 0 {
			return nil
		}
		select {
		case r := <-w.nextResults(poll, draining):
			w.handleResult(&r)
		case <-w.pool.halfFull:
		case err := <-w.state.woken:
			w.state.waiting = false
			w.state.nextPoll = time.Time{}
			if w.state.deaf++; err == nil {
				w.state.deaf = 0
			}
		case <-poll.C:
		case <-renew.C:
			w.renew(ctx)
		case <-heartbeat.C:
			w.heartbeat(ctx)
			w.refreshSpend(ctx)
		case <-stop:
			stop = nil
			giveUp = time.After(w.Config.DrainTime())
			w.Log.Info("draining", "sending", len(w.state.inFlight))
		case <-giveUp:
			return fmt.Errorf("%d jobs could not be settled in time; they are sent again when their leases end", len(w.state.inFlight))
		}
	}
}

// nextResults arms the timer of the next round trip. It returns the results for the loop to wake for; nil when it may sleep through them
// until then, since they would only be gathered.
func (w *Worker) nextResults(poll *time.Timer, draining bool) <-chan handled {
	s := &w.state
	if draining {
		if len(s.settlements) > 0 {
			poll.Reset(pauseAfter(w.state.failures))
		}
		return w.pool.results
	}
	now := time.Now()
	soonest := s.lastTrip.Add(debounce)
	gather := len(s.inFlight) > len(s.settlements) && now.Before(soonest)
	free := len(s.inFlight) < w.Config.Concurrency && !s.waiting && (!s.full || len(s.settlements) > 0)
	if !free && len(s.settlements) == 0 && !gather {
		return w.pool.results
	}
	next := s.nextPoll
	if next.Before(soonest) || s.failures == 0 && len(s.settlements) > 0 || gather {
		next = soonest
	}
	poll.Reset(max(0, next.Sub(now)))
	if gather {
		return nil
	}
	return w.pool.results
}

// drainResults takes the results that are there already, so that they are settled together.
func (w *Worker) drainResults() {
	for {
		select {
		case r := <-w.pool.results:
			w.handleResult(&r)
		default:
			return
		}
	}
}

// handleResult keeps a job's outcome, and what it said about its provider, for the next round trip.
func (w *Worker) handleResult(r *handled) {
	w.state.settlements = append(w.state.settlements, queue.Settlement{Claimed: r.claimed, Outcome: r.Outcome, Worker: w.ID})
	w.state.health.add(&r.Health)
	w.Metrics.count(&r.Result)
}

// debounced says that a round trip now would be made for too little.
func (w *Worker) debounced(now time.Time) bool {
	return len(w.state.settlements)*2 < w.Config.Concurrency && now.Sub(w.state.lastTrip) < debounce
}

// request is what to claim for the places that are free once the settlements are made; nil when nothing is to be claimed now.
func (w *Worker) request(now time.Time, draining bool) *queue.ClaimRequest {
	s := &w.state
	free := w.Config.Concurrency - len(s.inFlight) + len(s.settlements)
	if draining || free <= 0 || s.waiting || s.full && len(s.settlements) == 0 || now.Before(s.nextPoll) {
		return nil
	}
	return &queue.ClaimRequest{Max: free, Bytes: w.bytesLeft(), Reap: !s.answering.IsZero() && now.Sub(s.answering) >= queue.ReapGrace}
}

// bytesLeft is what the bodies of further jobs may add up to, as queue.ClaimRequest has it.
func (w *Worker) bytesLeft() int64 {
	s := &w.state
	if w.Bytes == 0 || len(s.inFlight) == len(s.settlements) {
		return w.Bytes
	}
	left := w.Bytes
	for one := range s.inFlight {
		if one.Job != nil {
			left -= int64(len(one.Job.Body))
		}
	}
	for i := range s.settlements {
		if j := s.settlements[i].Claimed.Job; j != nil {
			left += int64(len(j.Body))
		}
	}
	if left < minBytes/2 {
		return -1 // not even one of the largest fits
	}
	return left
}

// exchange settles what has ended and claims up to the free capacity, in one round trip.
func (w *Worker) exchange(ctx context.Context, now time.Time, draining bool) {
	s := &w.state
	if !draining && w.debounced(now) {
		return
	}
	request := w.request(now, draining)
	if request == nil && len(s.settlements) == 0 && len(s.health) == 0 {
		return
	}
	if s.failures > 0 && now.Before(s.nextPoll) && !draining {
		return
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	settled, claim, err := w.Queue.Exchange(call, s.settlements, s.health, request)
	cancel()
	w.traceClaim(ctx, now, claim)
	s.lastTrip = time.Now()
	// A round trip that only claims comes back with an empty Settled: it says nothing about the breakers.
	if settled != nil && len(s.settlements)+len(s.health) > 0 {
		w.settled(settled)
	}
	if claim != nil {
		w.claimed(ctx, claim)
	}
	w.noteReadOnly(err)
	if err != nil {
		s.failures++
		s.answering = time.Time{}
		s.nextPoll = time.Now().Add(pauseAfter(w.state.failures))
		w.Log.Warn("exchange failed", "error", err, "unsettled", len(s.settlements))
		return
	}
	s.failures = 0
	if s.answering.IsZero() {
		s.answering = time.Now()
	}
}

// noteReadOnly remembers since when the queue has answered that it takes no writes. That it could not be reached meanwhile changes nothing.
func (w *Worker) noteReadOnly(err error) {
	switch {
	case err == nil:
		w.readOnly.Store(0)
	case errors.Is(err, queue.ErrReadOnly):
		w.readOnly.CompareAndSwap(0, time.Now().UnixNano())
	}
}

// pauseAfter is the pause after the queue did not answer so many times in a row: 50 ms, doubled up to 2 s.
func pauseAfter(failures int) time.Duration {
	return min(50*time.Millisecond<<min(failures, 10), blockedPoll)
}
