package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

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
		url, text, search := strings.Cut(fmt.Sprintf("http://127.0.0.1:%d/admin/%s", port, path), " ")
		ask := func() (*http.Response, error) { return http.Get(url) }
		if search {
			ask = func() (*http.Response, error) { return http.PostForm(url, map[string][]string{"q": {text}}) }
		}
		resp, err := ask()
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
	for _, path := range []string{"queues", "queues/sms/waiting", "queues/sms/waiting?priority=4&offset=200000", fmt.Sprintf("job?id="+updates+"_%08d:sms:1", *waiting/2), "search " + updates + "_00000007", "search TXN_00000007", "search nowhere", "audit", "api/queues"} {
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
		if err := post(b.url, signed(payload("payment", 0, i*4))); err != nil {
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
