package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
		"TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001", "TWILIO_AUTH_TOKEN=tokentokentokentoken", "TWILIO_SMS_FROM=+15005550006",
		"TWILIO_BASE_URL="+called.URL)
	if err != nil {
		return 0, 0, err
	}
	b.workers = append(b.workers, p)
	var all []time.Duration
	for i := range 600 {
		begin := time.Now()
		if err := post(b.url, signed(payload("slow", 0, i))); err != nil {
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
