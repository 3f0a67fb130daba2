package redisstore

import (
	"context"
	"encoding/json"
	"time"

	"ringup.dev/ringup/internal/outbound"
	"ringup.dev/ringup/internal/queue"
)

// renewArgs are the arguments of renew.lua.
type renewArgs struct {
	Inflight string        `key:"inflight"`
	Lease    time.Duration `lua:"lease"`
	Jobs     [][]byte      `lua:"job"`
}

// renewAnswer is the answer of renew.lua.
type renewAnswer struct {
	Lost []int `lua:"lost"` // numbers, from 1
}

// Renew prolongs the leases of claimed jobs, and returns the indices of those that had ended. With an error, nothing is known of the jobs
// behind the last of lost. Errors: queue.ErrUnavailable.
func (c *Consumer) Renew(ctx context.Context, claimed []*queue.Claimed) (lost []int, err error) {
	for from := 0; from < len(claimed); from += maxBatch {
		args := renewArgs{Inflight: c.keys.Inflight, Lease: c.config.Lease}
		for _, one := range claimed[from:min(from+maxBatch, len(claimed))] {
			args.Jobs = append(args.Jobs, one.Raw)
		}
		var answer renewAnswer
		if err := c.store.ask(ctx, &c.store.scripts.renew, &args, &answer); err != nil {
			return lost, err
		}
		for _, number := range answer.Lost {
			lost = append(lost, from+number-1)
		}
	}
	return lost, nil
}

// workerTimeout is how long after its last heartbeat a worker is no longer shown: two and a half heartbeats.
const workerTimeout = 25 * time.Second

// heartbeatArgs are the arguments of `beat.lua`.
type heartbeatArgs struct {
	Workers string        `key:"workers"`
	State   string        `key:"state"`
	Worker  string        `lua:"worker"`
	Says    []byte        `lua:"says"`
	Version string        `lua:"version"`
	Timeout time.Duration `lua:"timeout"`
}

// Heartbeat is a worker's heartbeat. A worker that is silent for 25 seconds is no longer shown. Errors: queue.ErrUnavailable.
func (c *Consumer) Heartbeat(ctx context.Context, id string, sending, concurrency int) error {
	return c.heartbeat(ctx, &queue.WorkerState{
		ID: id, Version: outbound.Version, Sending: sending, Concurrency: concurrency, Providers: c.providers, RateLimit: c.config.RateLimit,
		Settings: queue.Settings{Shared: c.store.config.shared(), Own: c.config.Settings},
	})
}

func (c *Consumer) heartbeat(ctx context.Context, w *queue.WorkerState) error {
	says, err := json.Marshal(w)
	if err != nil {
		return err
	}
	args := heartbeatArgs{Workers: c.keys.Workers, State: c.keys.State, Worker: w.ID, Says: says, Version: w.Version, Timeout: workerTimeout}
	return c.store.ask(ctx, &c.store.scripts.heartbeat, &args, nil)
}

// Deregister takes a worker that has stopped off the list of workers. It is harmless when the worker is not on it.
func (c *Consumer) Deregister(ctx context.Context, id string) error {
	return unavailable(c.store.client.HDel(ctx, c.keys.Workers, id).Err())
}
