package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"time"

	"ringup.dev/ringup/test/emulator"
)

// fault makes the next thing go wrong, and mends it. The error is what ringup did wrong meanwhile.
func (r *world) fault(ctx context.Context) error {
	victim := append(append([]*process{}, r.workers...), r.ingests...)[r.random.IntN(len(r.workers)+len(r.ingests))]
	worker := r.workers[r.random.IntN(len(r.workers))]
	short := time.Duration(300+r.random.IntN(2000)) * time.Millisecond
	long := lease + time.Duration(r.random.IntN(3000))*time.Millisecond
	bytes := 1 + r.random.IntN(4000)
	answers := providerFaults[r.random.IntN(len(providerFaults))]
	share := 0.1 + 0.6*r.random.Float64()
	switch r.random.IntN(14) {
	case 0, 1, 2:
		r.say("kill -9 %s, back after %s", victim.name, short)
		_ = victim.end(syscall.SIGKILL)
		pause(ctx, short)
		return victim.start()
	case 3:
		r.say("SIGTERM %s", victim.name)
		if err := victim.end(syscall.SIGTERM); err != nil {
			return fmt.Errorf("%s after SIGTERM: %w: %s", victim.name, err, victim.log.text())
		}
		return victim.start()
	case 4:
		r.say("%s is stopped for %s, the lease is %s", worker.name, long, lease)
		worker.signal(syscall.SIGSTOP)
		pause(ctx, long)
		worker.signal(syscall.SIGCONT)
	case 5:
		r.say("kill -9 Redis, back after %s", short)
		_ = r.redis.end(syscall.SIGKILL)
		pause(ctx, short)
		if err := r.redis.start(); err != nil {
			return err
		}
		if !waitUntil(ctx, 20*time.Second, func() bool { return r.client.Ping(ctx).Err() == nil }) {
			return fmt.Errorf("redis does not start again: %s", r.redis.log.text())
		}
	case 6:
		r.say("Redis hangs for %s", 2*short)
		r.redis.signal(syscall.SIGSTOP)
		pause(ctx, 2*short)
		r.redis.signal(syscall.SIGCONT)
	case 7:
		r.say("Redis is out of memory for %s", short)
		r.client.ConfigSet(ctx, "maxmemory", "1mb")
		pause(ctx, short)
		r.client.ConfigSet(ctx, "maxmemory", "0")
	case 8:
		r.say("Redis is read-only for %s", short)
		r.client.ReplicaOf(ctx, "127.0.0.1", "1")
		pause(ctx, short)
		r.client.ReplicaOf(ctx, "NO", "ONE")
	case 9:
		r.say("Redis forgets its scripts")
		r.client.ScriptFlush(ctx)
	case 10:
		r.say("connections to Redis are cut after %d more bytes of its replies", bytes)
		r.proxy.cut(bytes)
		pause(ctx, short)
		r.proxy.cut(0)
	case 11, 12:
		r.say("%.0f%% of the sends meet: %s, for %s", 100*share, answers.name, 2*short)
		answers.fault.Probability = share
		r.providers.Fail(answers.fault, usual)
		pause(ctx, 2*short)
		r.providers.Fail(usual)
	case 13:
		r.say("300 webhooks at once")
		var all sync.WaitGroup
		for range 300 {
			r.webhook(&all)
		}
		all.Wait()
	}
	return nil
}

// usual is how providers are when nothing is wrong: they take a moment, so that there is always something in the middle of a send.
var usual = emulator.Fault{Kind: emulator.Slow, Latency: 50 * time.Millisecond}

// providerFaults are how providers fail.
var providerFaults = []struct {
	name  string
	fault emulator.Fault
}{
	{"429", emulator.Fault{Refusal: emulator.Refusal{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}}}},
	{"500", emulator.Fault{Probes: true, Refusal: emulator.Refusal{Status: http.StatusInternalServerError}}},
	{"403", emulator.Fault{Probes: true, Refusal: emulator.Refusal{Status: http.StatusForbidden}}},
	{"a proxy's 502", emulator.Fault{Kind: emulator.Page, Refusal: emulator.Refusal{Status: http.StatusBadGateway}}},
	{"garbage, the message is taken", emulator.Fault{Kind: emulator.Garbage}},
	{"half an answer, the message is taken", emulator.Fault{Kind: emulator.Half}},
	{"a dropped connection, the message is not taken", emulator.Fault{Kind: emulator.DropBefore}},
	{"a dropped connection, the message is taken", emulator.Fault{Kind: emulator.DropAfter}},
	{"no answer in time, the message is taken", emulator.Fault{Kind: emulator.Slow, Latency: 4 * time.Second}},
	{"a second's delay", emulator.Fault{Kind: emulator.Slow, Latency: time.Second}},
}
