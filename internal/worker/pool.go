package worker

import (
	"context"
	"sync/atomic"
	"time"

	"ringup.dev/ringup/internal/queue"
)

// pool is the goroutines that handle jobs. They stay, since a new goroutine's stack would have to grow anew for every message.
type pool struct {
	handler  Handler
	places   int
	tasks    chan task
	results  chan handled
	halfFull chan struct{} // the results of half of the places are there
}

// task is a job to be handled.
type task struct {
	claimed *queue.Claimed
	batch   *batch
}

// handled is a job that has been handled, and its result.
type handled struct {
	claimed *queue.Claimed
	Result
}

func newPool(h Handler, places int) *pool {
	// The buffers have room for all jobs, so that neither the loop nor a handler ever waits for the other.
	return &pool{handler: h, places: places, tasks: make(chan task, places), results: make(chan handled, places), halfFull: make(chan struct{}, 1)}
}

// start starts the goroutines; they end when stop has been called and their jobs have ended.
func (p *pool) start() {
	for range p.places {
		go p.run()
	}
}

func (p *pool) stop() { close(p.tasks) }

func (p *pool) run() {
	for t := range p.tasks {
		r := handled{t.claimed, p.handler.Handle(t.batch.ctx, t.claimed)}
		t.batch.done()
		p.results <- r
		if len(p.results)*2 >= p.places {
			select {
			case p.halfFull <- struct{}{}:
			default:
			}
		}
	}
}

// batch is the jobs of one claim. All of them begin at once, so one timer bounds them; it ends with the last of them.
type batch struct {
	ctx    context.Context
	cancel context.CancelFunc
	left   atomic.Int32
}

// newBatch returns the batch of so many jobs, at least one. It goes on when ctx ends: a job that has begun ends by itself.
func newBatch(ctx context.Context, jobs int, timeout time.Duration) *batch {
	b := &batch{}
	b.ctx, b.cancel = context.WithTimeout(context.WithoutCancel(ctx), timeout)
	b.left.Store(int32(jobs))
	return b
}

// done says that nothing more happens to one of the jobs.
func (b *batch) done() {
	if b.left.Add(-1) == 0 {
		b.cancel()
	}
}
