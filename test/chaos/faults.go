package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/test/emulator"
)

const (
	// promotionIn is the longest that a promotion may take: a second until the sentinels agree (two in a cluster), and an election, which may
	// have to be repeated.
	promotionIn = 20 * time.Second
	// wholeIn is the longest that a topology may take to be whole after a fault, before the next one.
	wholeIn = 40 * time.Second
	// farthest is how far a clock may be from the true time. Twice that is well below DEDUPE_TTL, within which a duplicate has to be found.
	farthest = 3 * time.Hour
	// farthestInCluster is the same for the nodes of a cluster, whose elections go by the wall clock. When the clock of a node goes back after
	// a vote, the node does not vote for that shard again until the clock has caught up, so no replica is promoted.
	farthestInCluster = 5 * time.Second
)

// fault is one kind of failure.
type fault struct {
	name string
	at   func(o options) bool // whether a run can have it; nil: every run
	// run causes the fault, and ends it. hit is the number of requests, connections or processes that it affected; 0 means that it had no
	// effect. The error is a mistake of ringup's in the meantime.
	run func(ctx context.Context, r *world) (hit int, err error)
}

func only(topologies ...string) func(options) bool {
	return func(o options) bool {
		for _, t := range topologies {
			if t == o.topology {
				return true
			}
		}
		return false
	}
}

// faults are dealt like cards: each comes once before any comes again.
var faults = []fault{
	{name: "kill -9 of a program", run: killProgram},
	{name: "kill -9 of a program", run: killProgram},
	{name: "kill -9 of a program", run: killProgram},
	{name: "SIGTERM", run: endProgram},
	{name: "worker stopped for longer than its lease", run: stopWorker},
	{name: "Redis out of memory", run: outOfMemory},
	{name: "Redis forgets its scripts", run: forgetScripts},
	{name: "connections cut", run: cutConnections},
	{name: "provider", run: failProviders},
	{name: "provider", run: failProviders},
	{name: "burst", run: burst},
	{name: "Redis killed, back at once", run: killRedis},
	{name: "Redis hangs", at: only(standalone), run: hang},
	{name: "Redis read-only", at: only(standalone), run: readOnly},
	{name: "master killed, replica promoted", at: only(sentinel, cluster), run: killMaster},
	{name: "master paused, replica promoted", at: only(sentinel, cluster), run: pauseMaster},
	{name: "master parted from the others, replica promoted", at: only(sentinel), run: partMaster},
	{name: "fail-over by command", at: only(sentinel, cluster), run: failOver},
	{name: "replica killed", at: only(sentinel, cluster), run: killReplica},
	{name: "sentinel killed", at: only(sentinel), run: killSentinel},
	{name: "Redis's clock jumps", run: jumpRedis},
	{name: "a program's clock jumps", at: func(o options) bool { return o.clocks }, run: jumpProgram},
}

// fault causes the next fault of the deck, and waits until the topology is whole again.
func (r *world) fault(ctx context.Context) error {
	if len(r.deck) == 0 {
		for _, f := range faults {
			if (f.at == nil || f.at(r.options)) && r.wanted(f.name) {
				r.deck = append(r.deck, f)
			}
		}
		r.random.Shuffle(len(r.deck), func(i, j int) { r.deck[i], r.deck[j] = r.deck[j], r.deck[i] })
	}
	f := r.deck[0]
	r.deck = r.deck[1:]
	hit, err := f.run(ctx, r)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the run was interrupted during the fault
	}
	counted := r.hits[f.name]
	counted.times++
	counted.hit += hit
	r.hits[f.name] = counted
	if hit == 0 {
		r.say("  … which had no effect")
	}
	if !waitUntil(ctx, wholeIn, func() bool { return r.redis.whole(ctx) }) && ctx.Err() == nil {
		// Redis answers for that. ringup answers for the jobs, which the audit counts.
		r.say("  … the %s is not whole again in %s\n%s", r.redis.kind, wholeIn, r.redis.states(ctx))
	}
	r.redis.watch.blame(f.name)
	return err
}

// wanted says whether -only allows a fault. Without -only every fault is allowed.
func (o options) wanted(name string) bool {
	return slices.ContainsFunc(strings.Split(o.only, ","), func(part string) bool { return strings.Contains(name, part) })
}

// counted is how often a fault was caused, and how many things it affected.
type counted struct{ times, hit int }

func (r *world) short() time.Duration {
	return time.Duration(300+r.random.IntN(2000)) * time.Millisecond
}

// somewhere picks a channel's master.
func (r *world) somewhere() *server {
	return r.redis.master(message.Channels[r.random.IntN(len(message.Channels))])
}

func (r *world) replicaOf(master *server) *server {
	for _, s := range r.redis.servers {
		if s.shard == master.shard && s != master {
			return s
		}
	}
	return master
}

// killed ends a process by SIGKILL, and returns 1; 0 if the process had ended before.
func killed(p *process) int {
	_ = p.end(syscall.SIGKILL)
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
		return 1
	}
	return 0
}

func killProgram(ctx context.Context, r *world) (int, error) {
	programs := r.programs()
	victim, back := programs[r.random.IntN(len(programs))], r.short()
	r.say("kill -9 %s, back after %s", victim.name, back)
	hit := killed(victim)
	pause(ctx, back)
	return hit, victim.start()
}

func endProgram(_ context.Context, r *world) (int, error) {
	programs := r.programs()
	victim := programs[r.random.IntN(len(programs))]
	r.say("SIGTERM %s", victim.name)
	if err := victim.end(syscall.SIGTERM); err != nil {
		return 1, fmt.Errorf("%s after SIGTERM: %w: %s", victim.name, err, victim.log.text())
	}
	return 1, victim.start()
}

func stopWorker(ctx context.Context, r *world) (int, error) {
	worker, long := r.workers[r.random.IntN(len(r.workers))], lease+time.Duration(r.random.IntN(3000))*time.Millisecond
	r.say("%s is stopped for %s, the lease is %s", worker.name, long, lease)
	return stopped(ctx, worker, long), nil
}

func stopped(ctx context.Context, p *process, long time.Duration) (hit int) {
	p.signal(syscall.SIGSTOP)
	pause(ctx, long)
	if p.stopped() {
		hit = 1
	}
	p.signal(syscall.SIGCONT)
	return hit
}

// again starts a server that was killed, and waits until it answers.
func again(ctx context.Context, s *server) error {
	if err := s.start(); err != nil {
		return err
	}
	if !waitUntil(ctx, 20*time.Second, func() bool { return s.client.Ping(ctx).Err() == nil }) && ctx.Err() == nil {
		return fmt.Errorf("%s does not start again: %s", s.name, s.log.text())
	}
	return nil
}

func killRedis(ctx context.Context, r *world) (int, error) {
	s, back := r.somewhere(), time.Duration(0)
	if r.redis.kind == standalone {
		back = r.short()
	}
	r.say("kill -9 %s, back after %s", s.name, back)
	hit := killed(s.process)
	pause(ctx, back)
	return hit, again(ctx, s)
}

func hang(ctx context.Context, r *world) (int, error) {
	s, long := r.somewhere(), 2*r.short()
	r.say("%s hangs for %s", s.name, long)
	return stopped(ctx, s.process, long), nil
}

func outOfMemory(ctx context.Context, r *world) (int, error) {
	s, long := r.somewhere(), r.short()
	r.say("%s is out of memory for %s", s.name, long)
	before := s.refused(ctx, "OOM")
	s.client.ConfigSet(ctx, "maxmemory", "1mb")
	pause(ctx, long)
	hit := s.refused(ctx, "OOM") - before
	s.client.ConfigSet(ctx, "maxmemory", "0")
	return hit, nil
}

func readOnly(ctx context.Context, r *world) (int, error) {
	s, long := r.somewhere(), r.short()
	r.say("%s is read-only for %s", s.name, long)
	before := s.refused(ctx, "READONLY")
	s.client.ReplicaOf(ctx, "127.0.0.1", "1")
	pause(ctx, long)
	hit := s.refused(ctx, "READONLY") - before
	s.client.ReplicaOf(ctx, "NO", "ONE")
	return hit, nil
}

func forgetScripts(ctx context.Context, r *world) (int, error) {
	s := r.somewhere()
	r.say("%s forgets its scripts", s.name)
	before := s.refused(ctx, "NOSCRIPT")
	s.client.ScriptFlush(ctx)
	waitUntil(ctx, 3*time.Second, func() bool { return s.refused(ctx, "NOSCRIPT") > before })
	return s.refused(ctx, "NOSCRIPT") - before, nil
}

func cutConnections(ctx context.Context, r *world) (hit int, err error) {
	bytes, long := 1+r.random.IntN(4000), r.short()
	r.say("connections to Redis are cut after %d more bytes of its replies", bytes)
	before := r.cuts()
	r.redis.cut(bytes)
	pause(ctx, long)
	r.redis.cut(0)
	return r.cuts() - before, nil
}

func (r *world) cuts() (n int) {
	for _, s := range r.redis.servers {
		s.proxy.mu.Lock()
		n += s.proxy.cuts
		s.proxy.mu.Unlock()
	}
	return n
}

func failProviders(ctx context.Context, r *world) (int, error) {
	answers, share, long := providerFaults[r.random.IntN(len(providerFaults))], 0.1+0.6*r.random.Float64(), 2*r.short()
	r.say("%.0f%% of the sends meet: %s, for %s", 100*share, answers.name, long)
	answers.fault.Probability = share
	r.providers.Fail(answers.fault, usual)
	pause(ctx, long)
	hit := r.providers.Met()
	r.providers.Fail(usual)
	return hit, nil
}

func burst(_ context.Context, r *world) (int, error) {
	const many = 300
	r.say("%d webhooks at once", many)
	var all sync.WaitGroup
	for range many {
		r.webhook(&all)
	}
	all.Wait()
	return many, nil
}

// promoted does something to a shard's master, and waits until a replica is promoted. It returns the number of promotions: 1, or 0.
func (r *world) promoted(ctx context.Context, master *server, does func()) int {
	before, struck := len(r.redis.watch.seenPromotions()), time.Now()
	does()
	if !waitUntil(ctx, promotionIn, func() bool { return r.redis.watch.master(master.shard) != master }) {
		return 0
	}
	for _, p := range r.redis.watch.seenPromotions()[before:] {
		r.say("  … %s is promoted after %.1f s; it had every write up to %.0f ms before the fault; at least %d bytes did not reach it",
			p.who.name, p.seen.Sub(struck).Seconds(), float64(max(0, struck.Sub(p.from)).Microseconds())/1000, p.behind)
	}
	return 1
}

func killMaster(ctx context.Context, r *world) (int, error) {
	master, back := r.somewhere(), r.short()
	r.say("kill -9 %s, a master, back %s after its replica is promoted", master.name, back)
	hit := r.promoted(ctx, master, func() { killed(master.process) })
	pause(ctx, back)
	return hit, again(ctx, master)
}

func pauseMaster(ctx context.Context, r *world) (int, error) {
	master, more := r.somewhere(), r.short()
	r.say("%s, a master, hangs until its replica is promoted, and %s longer", master.name, more)
	hit := r.promoted(ctx, master, func() { master.signal(syscall.SIGSTOP) })
	pause(ctx, more)
	master.signal(syscall.SIGCONT)
	return hit, nil
}

// partMaster is the case that loses most: the programs write to a master without a replica until they hear of the new one.
func partMaster(ctx context.Context, r *world) (int, error) {
	master, more := r.somewhere(), r.short()
	r.say("%s, a master, is cut off from its replica and the sentinels, but not from ringup, until its replica is promoted, and %s longer", master.name, more)
	before := master.proxy.part(false)
	hit := r.promoted(ctx, master, func() { master.proxy.part(true) })
	pause(ctx, more)
	if master.proxy.part(false) == before {
		hit = 0
	}
	return hit, nil
}

func failOver(ctx context.Context, r *world) (int, error) {
	master := r.somewhere()
	r.say("%s hands over to its replica, by command", master.name)
	return r.promoted(ctx, master, func() {
		if r.redis.kind == cluster {
			r.replicaOf(master).client.ClusterFailover(ctx)
			return
		}
		for _, p := range r.redis.sentinels {
			client := redis.NewSentinelClient(&redis.Options{Addr: p.address})
			err := client.Failover(ctx, masterName).Err()
			_ = client.Close()
			if err == nil {
				return
			}
		}
	}), nil
}

func killReplica(ctx context.Context, r *world) (int, error) {
	replica, back := r.replicaOf(r.somewhere()), r.short()
	r.say("kill -9 %s, a replica, back after %s", replica.name, back)
	hit := killed(replica.process)
	pause(ctx, back)
	return hit, again(ctx, replica)
}

func killSentinel(ctx context.Context, r *world) (int, error) {
	p, back := r.redis.sentinels[r.random.IntN(len(r.redis.sentinels))], r.short()
	r.say("kill -9 %s, back after %s", p.name, back)
	hit := killed(p)
	pause(ctx, back)
	return hit, p.start()
}

// jump returns the new distance of a clock from the true time: between a second and most, to either side. A clock that is off may be set
// right instead: 0.
func (r *world) jump(off, most time.Duration) time.Duration {
	size := time.Duration(math.Pow(most.Seconds(), r.random.Float64()) * float64(time.Second)).Truncate(time.Second)
	switch r.random.IntN(5) {
	case 0:
		if off != 0 {
			return 0
		}
	case 1, 2:
		return -size
	}
	return size
}

func jumpRedis(ctx context.Context, r *world) (int, error) {
	s := r.redis.servers[r.random.IntN(len(r.redis.servers))]
	if s.clock == nil {
		r.say("no C compiler: Redis's clock does not jump")
		return 0, nil
	}
	before, most := s.clock.by, farthest
	if r.redis.kind == cluster {
		most = farthestInCluster
	}
	by := r.jump(before, most)
	r.say("%s's clock jumps by %s, and is now off by %s", s.name, by-before, by)
	if err := s.clock.set(by); err != nil {
		return 0, err
	}
	now, err := s.client.Time(ctx).Result()
	if off := time.Until(now) - by; err != nil || off.Abs() > 5*time.Second {
		return 0, nil //nolint:nilerr // the jump had no effect
	}
	return 1, nil
}

func jumpProgram(_ context.Context, r *world) (int, error) {
	programs := r.programs()
	p := programs[r.random.IntN(len(programs))]
	before := p.clock.by
	by := r.jump(before, farthest)
	r.say("the clock of %s jumps by %s, and is now off by %s", p.name, by-before, by)
	return 1, p.clock.set(by)
}

// usual is how providers answer without a fault. They take a moment, so that there are always jobs in flight.
var usual = emulator.Fault{Kind: emulator.Slow, Latency: 50 * time.Millisecond}

// providerFaults are the ways in which providers fail.
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
