package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// setting are the circumstances of a measurement. The zero value is that of the table.
type setting struct {
	shards     int  // masters of a Redis Cluster; 0 is a single Redis
	replicas   int  // workers per channel; 0 is 1
	recipients int  // per webhook and channel; 0 is 1, the customer
	size       int  // of a payload, in bytes; 0 is the usual one
	webhooks   int  // per measurement; 0 is -n, after -warm
	always     bool // appendfsync always; otherwise everysec, as in the production overlay
	overHTTP   bool // messages go to a local HTTP server instead of the providers; otherwise to the sandbox
}

// bench is a Redis and the programs that run on it.
type bench struct {
	setting
	dir       string
	redisAddr string // of the only one, or of the first shard
	nodes     []*process
	client    redis.UniversalClient
	url       string
	ingest    *process
	workers   []*process
	ops       map[string]int // the operators' ports, by program
	bus       string         // the first shard's port for the others
	provider  *httptest.Server
	raw       string // the job that seed copies
}

// operators gives a program an operators' port.
func (b *bench) operators(program string) string {
	b.ops[program] = freePort()
	return fmt.Sprintf("OPS_PORT=%d", b.ops[program])
}

func newBench(dir string, s setting) (*bench, error) {
	b := &bench{setting: s, ops: map[string]int{}}
	var err error
	if b.dir, err = os.MkdirTemp(dir, "redis"); err != nil {
		return nil, err
	}
	if s.overHTTP {
		b.provider = newProvider()
	}
	if s.shards == 0 {
		if b.redisAddr, err = b.startRedis(); err != nil {
			return nil, err
		}
		b.client = redis.NewClient(&redis.Options{Addr: b.redisAddr})
		return b, until(10*time.Second, func() bool { return b.client.Ping(context.Background()).Err() == nil })
	}
	return b, b.startCluster()
}

// startRedis starts a Redis and returns its address. It does not wait until Redis answers.
func (b *bench) startRedis(args ...string) (string, error) {
	port := strconv.Itoa(freePort())
	dir, err := os.MkdirTemp(b.dir, "node")
	if err != nil {
		return "", err
	}
	fsync := map[bool]string{true: "always", false: "everysec"}[b.always]
	cmd := exec.Command("redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", fsync, "--maxmemory-policy", "noeviction", "--loglevel", "warning", "--auto-aof-rewrite-percentage", "0"}, args...)...)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	b.nodes = append(b.nodes, &process{"Redis", cmd})
	return "127.0.0.1:" + port, nil
}

// startCluster starts the shards of a Redis Cluster without replicas.
func (b *bench) startCluster() error {
	ctx := context.Background()
	var addrs []string
	const slots = 16384
	for i := range b.shards {
		bus := strconv.Itoa(freePort())
		addr, err := b.startRedis("--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000")
		if err != nil {
			return err
		}
		addrs = append(addrs, addr)
		node := redis.NewClient(&redis.Options{Addr: addr})
		err = until(10*time.Second, func() bool { return node.Ping(ctx).Err() == nil })
		first, firstPort, _ := net.SplitHostPort(addrs[0])
		if i == 0 {
			b.redisAddr, firstPort = addr, ""
		}
		err = errors.Join(err, node.ClusterAddSlotsRange(ctx, i*slots/b.shards, (i+1)*slots/b.shards-1).Err(), node.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		if firstPort != "" {
			err = errors.Join(err, node.Do(ctx, "CLUSTER", "MEET", first, firstPort, b.bus).Err())
		} else {
			b.bus = bus
		}
		if err = errors.Join(err, node.Close()); err != nil {
			return err
		}
	}
	b.client = redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	return until(20*time.Second, func() bool {
		info, err := b.client.ClusterInfo(ctx).Result()
		return err == nil && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", b.shards)) && strings.Contains(info, "cluster_state:ok")
	})
}

// newProvider answers as Twilio, SendGrid and WhatsApp do when they accept a message.
func newProvider() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Message-Id", "0123456789")
		switch {
		case strings.HasSuffix(r.URL.Path, "/Messages.json"):
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"sid":"SM00000000000000000000000000000000","status":"queued"}`)
		case strings.HasSuffix(r.URL.Path, "/messages"):
			_, _ = io.WriteString(w, `{"messaging_product":"whatsapp","contacts":[{"input":"1","wa_id":"1"}],"messages":[{"id":"wamid.0"}]}`)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}))
}

func (b *bench) close() {
	for _, p := range append(append(b.workers, b.ingest), b.nodes...) {
		if p != nil {
			p.stop()
		}
	}
	if b.provider != nil {
		b.provider.Close()
	}
	_ = b.client.Close()
	_ = os.RemoveAll(b.dir)
}

// redisCPU is what all the nodes have spent.
func (b *bench) redisCPU() (total time.Duration) {
	for _, node := range b.nodes {
		total += node.cpu()
	}
	return total
}

// load posts n webhooks of the setting's size.
func (b *bench) load(prefix string, n int) (time.Duration, error) {
	return load(b.url, prefix, b.size, n)
}

func until(limit time.Duration, holds func() bool) error {
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			return errors.New("waited in vain")
		}
		<-time.After(2 * time.Millisecond)
	}
	return nil
}

func (b *bench) serve(c contender) error {
	port := freePort()
	b.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	var err error
	if b.ingest, err = c.serve(b, port); err != nil {
		return err
	}
	return until(10*time.Second, func() bool {
		resp, err := http.Get(b.url + "/")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil
	})
}

func (b *bench) work(c contender) error {
	for _, channel := range channels {
		for range max(1, b.replicas) {
			p, err := c.work(b, channel)
			if err != nil {
				return err
			}
			b.workers = append(b.workers, p)
		}
	}
	return nil
}

// cost is the cost of one webhook.
type cost struct {
	ingest, redis, worker float64 // CPU-µs
	perSecond             float64 // webhooks per second under load
	commands              float64 // Redis commands per job, those in scripts too
	busiest               float64 // CPU-µs of the busiest Redis
}

func (c cost) total() float64 { return c.ingest + c.redis + c.worker }

func (b *bench) spent() (ingest, redis, worker time.Duration) {
	for _, w := range b.workers {
		worker += w.cpu()
	}
	return b.ingest.cpu(), b.redisCPU(), worker
}

// measure runs a contender once, and returns the cost of a webhook: until it is accepted, or with whole until its messages are sent.
func measure(dir string, c contender, s setting, whole bool) (cost, error) {
	b, err := newBench(dir, s)
	if err != nil {
		return cost{}, err
	}
	defer b.close()
	if err := b.serve(c); err != nil {
		return cost{}, err
	}
	if whole {
		if err := b.work(c); err != nil {
			return cost{}, err
		}
	}
	done := func() error {
		if !whole {
			return nil
		}
		return until(2*time.Minute, func() bool { return c.pending(b) == 0 })
	}
	n, before := *webhooks, *warm
	if b.webhooks > 0 {
		n, before = b.webhooks, b.webhooks/2
	}
	if _, err := b.load("warm", before); err != nil {
		return cost{}, fmt.Errorf("%s: %w", c.name, err)
	}
	if err := done(); err != nil {
		return cost{}, fmt.Errorf("%s: %w", c.name, err)
	}
	profiled := make(<-chan error)
	if *profiles != "" {
		profiled = b.profiling(*profiles)
		b.client.ConfigResetStat(context.Background())
	}
	commands := b.commands()
	i0, r0, w0 := b.spent()
	nodes := make([]time.Duration, len(b.nodes))
	for i, node := range b.nodes {
		nodes[i] = node.cpu()
	}
	took, err := b.load("bench", n)
	if err == nil {
		err = done()
	}
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w", c.name, err)
	}
	i1, r1, w1 := b.spent()
	var busiest time.Duration
	for i, node := range b.nodes {
		busiest = max(busiest, node.cpu()-nodes[i])
	}
	commands = b.commands() - commands
	if *profiles != "" {
		stats := b.client.Info(context.Background(), "commandstats").Val()
		if err := errors.Join(<-profiled, os.WriteFile(filepath.Join(*profiles, "redis.commandstats"), []byte(stats), 0o600)); err != nil {
			return cost{}, err
		}
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(n) }
	return cost{
		ingest: each(i1 - i0), redis: each(r1 - r0), worker: each(w1 - w0), perSecond: float64(n) / took.Seconds(),
		commands: float64(commands) / float64(n*len(channels)*max(1, b.recipients)), busiest: each(busiest),
	}, nil
}

// underLoad returns how long ingest takes to answer at each of these shares of its capacity, as one text per share.
func underLoad(dir string, c contender, capacity float64, shares ...float64) (texts []string, err error) {
	b, err := newBench(dir, setting{})
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.serve(c); err != nil {
		return nil, err
	}
	if _, err := b.load("warm", 2000); err != nil {
		return nil, err
	}
	for i, share := range shares {
		p50, p99, busy, err := openLoop(b.url, fmt.Sprintf("open%d", i), capacity*share, 5*time.Second)
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf("%.1f / %.1f ms", ms(p50), ms(p99))
		if busy > 0 {
			text += fmt.Sprintf(", %.0f%% answered 503", 100*busy)
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// median measures -rounds times, and returns the median by total cost.
func median(dir string, c contender, s setting, whole bool) (cost, error) {
	var all []cost
	for range *rounds {
		one, err := measure(dir, c, s, whole)
		if err != nil {
			return cost{}, err
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b cost) int { return int(a.total()*1000) - int(b.total()*1000) })
	return all[len(all)/2], nil
}

// memory returns the bytes of a waiting job in Redis.
func memory(dir string, c contender) (float64, error) {
	b, err := newBench(dir, setting{})
	if err != nil {
		return 0, err
	}
	defer b.close()
	if err := b.serve(c); err != nil {
		return 0, err
	}
	if _, err := b.load("warm", 100); err != nil {
		return 0, err
	}
	before, err := b.used()
	if err != nil {
		return 0, err
	}
	if _, err := b.load("bench", *webhooks); err != nil {
		return 0, err
	}
	after, err := b.used()
	return float64(after-before) / float64(*webhooks*3), err
}

// records returns the bytes that a webhook leaves in Redis once its messages are sent: the records for deduplication and status.
func records(dir string, c contender) (float64, error) {
	b, err := newBench(dir, setting{})
	if err != nil {
		return 0, err
	}
	defer b.close()
	if err := errors.Join(b.serve(c), b.work(c)); err != nil {
		return 0, err
	}
	done := func() error { return until(2*time.Minute, func() bool { return c.pending(b) == 0 }) }
	if _, err := b.load("warm", *warm); err != nil {
		return 0, err
	}
	if err := done(); err != nil {
		return 0, err
	}
	before, err := b.used()
	if err != nil {
		return 0, err
	}
	if _, err := b.load("bench", *webhooks); err != nil {
		return 0, err
	}
	if err := done(); err != nil {
		return 0, err
	}
	after, err := b.used()
	return float64(after-before) / float64(*webhooks), err
}

func (b *bench) used() (int64, error) {
	text, err := b.client.Info(context.Background(), "memory").Result()
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(text, "used_memory_dataset:")
	value, _, _ := strings.Cut(rest, "\r")
	return strconv.ParseInt(value, 10, 64)
}

func (b *bench) commands() int64 {
	text, _ := b.client.Info(context.Background(), "stats").Result()
	_, rest, _ := strings.Cut(text, "total_commands_processed:")
	value, _, _ := strings.Cut(rest, "\r")
	n, _ := strconv.ParseInt(value, 10, 64)
	return n
}

// idle returns the cost of a worker without jobs: Redis commands per second, and MiB of memory.
func idle(dir string, c contender) (commands, mebibytes float64, err error) {
	b, err := newBench(dir, setting{})
	if err != nil {
		return 0, 0, err
	}
	defer b.close()
	p, err := c.work(b, "sms")
	if err != nil {
		return 0, 0, err
	}
	b.workers = append(b.workers, p)
	<-time.After(4 * time.Second) // its start is not measured
	const during = 20 * time.Second
	before := b.commands()
	<-time.After(during)
	// One INFO of this program's is among them.
	return float64(b.commands()-before-1) / during.Seconds(), float64(p.rss()) / (1 << 20), nil
}

// adminCost is the cost of the operators' pages with a long queue, and how fast an important message passes that queue.
type adminCost struct {
	page    string // the slowest page
	slowest time.Duration
	redis   float64 // cores, while the overview is open

	p50, p99 time.Duration // of a payment_complete that was enqueued last
}

// dashboard asks for every page once, and then keeps the overview open for twenty seconds.
func (b *bench) dashboard(bin string) (adminCost, error) {
	port := freePort()
	p, err := start("admin", bin+"/admin", "REDIS_URL=redis://"+b.redisAddr, fmt.Sprintf("ADMIN_PORT=%d", port), "OPS_PORT=0", "LOG_LEVEL=warn")
	if err != nil {
		return adminCost{}, err
	}
	b.workers = append(b.workers, p)
	get := func(path string) error {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/admin/%s", port, path))
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/admin/%s: HTTP %d", path, resp.StatusCode)
		}
		return nil
	}
	if err := until(10*time.Second, func() bool { return get("queues") == nil }); err != nil {
		return adminCost{}, err
	}
	var d adminCost
	for _, path := range []string{"queues", "queues/sms/waiting", "queues/sms/waiting?priority=4&offset=200000", fmt.Sprintf("job?id="+updates+"_%08d:sms:1", *waiting/2), "search?q=" + updates + "_00000007", "search?q=TXN_00000007", "search?q=nowhere", "audit", "api/queues"} {
		begin := time.Now()
		if err := get(path); err != nil {
			return adminCost{}, err
		}
		if took := time.Since(begin); took > d.slowest {
			d.page, d.slowest = path, took
		}
	}
	const during = 20 * time.Second
	before, begin := b.redisCPU(), time.Now()
	for time.Since(begin) < during {
		if err := get("queues"); err != nil { // as live.js does
			return adminCost{}, err
		}
		<-time.After(2 * time.Second)
	}
	d.redis = (b.redisCPU() - before).Seconds() / time.Since(begin).Seconds()
	return d, nil
}

// drain returns the CPU-µs that a worker and Redis spend on a job of a queue with backlog jobs, and the cost of the dashboard meanwhile.
func drain(dir string, c contender, backlog int, bin string) (float64, adminCost, error) {
	b, err := newBench(dir, setting{})
	if err != nil {
		return 0, adminCost{}, err
	}
	defer b.close()
	if err := b.serve(c); err != nil {
		return 0, adminCost{}, err
	}
	if _, err := b.load(updates, backlog); err != nil {
		return 0, adminCost{}, err
	}
	d, err := b.dashboard(bin)
	if err != nil {
		return 0, adminCost{}, err
	}
	p, err := c.work(b, "sms")
	if err != nil {
		return 0, adminCost{}, err
	}
	b.workers = append(b.workers, p)
	left := b.waiting
	// The first tenth warms up.
	if err := until(5*time.Minute, func() bool { return left() < int64(backlog)*9/10 }); err != nil {
		return 0, d, err
	}
	n0, w0, r0 := left(), p.cpu(), b.redisCPU()
	target := max(n0-100_000, 0)
	if err := until(5*time.Minute, func() bool { return left() <= target }); err != nil {
		return 0, d, err
	}
	n1, w1, r1 := left(), p.cpu(), b.redisCPU()
	if d.p50, d.p99, err = b.overtakes(); err != nil {
		return 0, d, err
	}
	return float64((w1 + r1 - w0 - r0).Nanoseconds()) / 1e3 / float64(n0-n1), d, nil
}

// overtakes returns the time from the POST of a payment_complete until its job is completed, while a worker is busy with order_updates.
func (b *bench) overtakes() (p50, p99 time.Duration, err error) {
	ctx := context.Background()
	var all []time.Duration
	for i := range 100 {
		begin := time.Now()
		if err := post(b.url, payload("payment", 0, i*4)); err != nil {
			return 0, 0, err
		}
		sent := func() bool {
			// Job logs lie together, by the quarter of a second in which their webhook was accepted.
			for span := begin.UnixMilli() / 256; span <= time.Now().UnixMilli()/256; span++ {
				if b.client.HExists(ctx, fmt.Sprintf("{ringup:sms}:log:%d", span), fmt.Sprintf("payment_%08d:1", i*4)).Val() {
					return true
				}
			}
			return false
		}
		if err := until(time.Minute, sent); err != nil {
			return 0, 0, err
		}
		all = append(all, time.Since(begin))
	}
	if b.client.LLen(ctx, "{ringup:sms}:queue:4").Val() == 0 {
		return 0, 0, errors.New("there was nothing to overtake: raise -waiting")
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100], nil
}

// latency returns the time from the POST of a webhook to the request at the provider, at rest.
func latency(dir string, c contender, bin string) (p50, p99 time.Duration, err error) {
	b, err := newBench(dir, setting{})
	if err != nil {
		return 0, 0, err
	}
	defer b.close()
	arrived := make(chan time.Time, 16)
	answers := newProvider()
	defer answers.Close()
	called := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			arrived <- time.Now()
		}
		answers.Config.Handler.ServeHTTP(w, r)
	}))
	defer called.Close()
	if err := b.serve(c); err != nil {
		return 0, 0, err
	}
	p, err := start("worker", bin+"/worker", "REDIS_URL=redis://"+b.redisAddr, "CHANNEL=sms", "OPS_PORT=0", "LOG_LEVEL=warn", "SMS_PROVIDER=twilio",
		"TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001", "TWILIO_AUTH_TOKEN=token", "TWILIO_SMS_FROM=+15005550006",
		"TWILIO_BASE_URL="+called.URL)
	if err != nil {
		return 0, 0, err
	}
	b.workers = append(b.workers, p)
	var all []time.Duration
	for i := range 600 {
		begin := time.Now()
		if err := post(b.url, payload("slow", 0, i)); err != nil {
			return 0, 0, err
		}
		select {
		case at := <-arrived:
			if i >= 100 {
				all = append(all, at.Sub(begin))
			}
		case <-time.After(10 * time.Second):
			return 0, 0, errors.New("the message did not arrive")
		}
		<-time.After(10 * time.Millisecond)
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100], nil
}

// ready returns the median time from the start of a program to its readiness.
func ready(dir, program string, env ...string) (time.Duration, error) {
	b, err := newBench(dir, setting{})
	if err != nil {
		return 0, err
	}
	defer b.close()
	var all []time.Duration
	for range 7 {
		port := freePort()
		begin := time.Now()
		p, err := start(program, program, append([]string{"REDIS_URL=redis://" + b.redisAddr, fmt.Sprintf("OPS_PORT=%d", port), "PORT=0", "LOG_LEVEL=warn"}, env...)...)
		if err != nil {
			return 0, err
		}
		err = until(10*time.Second, func() bool {
			resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
		all = append(all, time.Since(begin))
		p.stop()
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// drainShort is drain with a short queue, repeated bursts times so that the CPU time can be measured.
func drainShort(dir string, c contender, burst, bursts int) (float64, error) {
	b, err := newBench(dir, setting{})
	if err != nil {
		return 0, err
	}
	defer b.close()
	if err := b.serve(c); err != nil {
		return 0, err
	}
	p, err := c.work(b, "sms")
	if err != nil {
		return 0, err
	}
	b.workers = append(b.workers, p)
	ctx := context.Background()
	// The channel is paused while a burst is enqueued, so that all of it waits.
	var cpu time.Duration
	for i := range bursts {
		if err := b.pause(); err != nil {
			return 0, err
		}
		if _, err := b.load(fmt.Sprintf("burst%d", i), burst); err != nil {
			return 0, err
		}
		<-time.After(50 * time.Millisecond)
		w0, r0 := p.cpu(), b.redisCPU()
		b.resume()
		if err := until(time.Minute, func() bool {
			<-time.After(10 * time.Millisecond)
			return b.waiting() == 0 && b.client.ZCard(ctx, "{ringup:sms}:inflight").Val() == 0
		}); err != nil {
			return 0, err
		}
		if i >= bursts/4 {
			cpu += p.cpu() - w0 + b.redisCPU() - r0
		}
	}
	return float64(cpu.Nanoseconds()) / 1e3 / float64(burst*(bursts-bursts/4)), nil
}

// pause stops all claims of SMS jobs.
func (b *bench) pause() error {
	return b.client.HSet(context.Background(), "{ringup:sms}:halted", "paused", "bench").Err()
}

func (b *bench) resume() {
	b.client.HDel(context.Background(), "{ringup:sms}:halted", "paused")
	b.client.RPush(context.Background(), "{ringup:sms}:wake", "1")
}

// waiting returns the number of waiting SMS jobs.
func (b *bench) waiting() (n int64) {
	for _, list := range []string{"queue:1", "queue:2", "queue:3", "queue:4"} {
		n += b.client.LLen(context.Background(), "{ringup:sms}:"+list).Val()
	}
	return n
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
