package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/test/emulator"
)

const (
	lease     = 7 * time.Second
	patience  = time.Minute // how long messages may take to arrive once the faults are over
	tillTries = 200         // how often a till posts a webhook that is not answered 202
	largeBody = 5000        // bytes, too many to be stored inside a job
)

// world is the state of a run.
type world struct {
	options
	out       io.Writer
	began     time.Time
	random    *rand.Rand
	redis     *topology
	providers *emulator.Server
	emulated  *httptest.Server
	ingests   []*process
	workers   []*process
	urls      []string
	ledger    ledger
	totals    totals
	deck      []fault
	hits      map[string]counted
	levels    map[string]level // by program, at its start
	next      atomic.Int64     // the number of the next webhook
}

// programs are ringup's own processes.
func (r *world) programs() []*process {
	return append(append([]*process{}, r.workers...), r.ingests...)
}

func (r *world) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.out, "%7.1fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func waitUntil(ctx context.Context, limit time.Duration, holds func() bool) bool {
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return false
		}
		pause(ctx, 20*time.Millisecond)
	}
	return true
}

// run breaks things for as long as the options say, and then audits. The error is a *verdictError when ringup broke its promise.
func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "ringup-chaos")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r := &world{
		options: o, out: out, began: time.Now(), random: rand.New(rand.NewPCG(uint64(o.seed), 0)), hits: map[string]counted{}, levels: map[string]level{},
		providers: emulator.New(), ledger: ledger{accepted: map[int]time.Time{}, answers: map[int]int{}},
	}
	_, _ = fmt.Fprintf(out, "seed %d, %s of faults, %.0f webhooks per second, %s\n", o.seed, o.during, o.rate, o.topology)
	if err := build(dir, o); err != nil {
		return err
	}
	r.providers.Fail(usual)
	r.emulated = httptest.NewServer(r.providers)
	defer r.emulated.Close()
	defer r.close()
	if err := r.startAll(ctx, dir); err != nil {
		return err
	}
	r.settle(ctx)
	r.began = time.Now()
	loading, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	var tills sync.WaitGroup
	tills.Go(func() { r.load(loading, o.rate, &tills) })

	var found []string
	for deadline := time.Now().Add(o.during); time.Now().Before(deadline) && ctx.Err() == nil; {
		pause(ctx, time.Duration(200+r.random.IntN(800))*time.Millisecond)
		if err := r.fault(ctx); err != nil {
			found = append(found, err.Error())
		}
	}
	r.say("the faults are over; every message has to arrive")
	stopLoad()
	tills.Wait()
	waitUntil(ctx, wholeIn, func() bool { return r.redis.whole(ctx) })
	if !waitUntil(ctx, patience, func() bool { return r.depth(ctx) == 0 }) {
		found = append(found, fmt.Sprintf("%d jobs are still not settled after %s", r.depth(ctx), patience))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !waitUntil(ctx, wholeIn, func() bool { return r.redis.whole(ctx) }) {
		return fmt.Errorf("the %s is not whole, so nothing can be counted\n%s", o.topology, r.redis.states(ctx))
	}
	ineffective := r.tally()
	wrong, err := r.audit(ctx)
	if err != nil {
		return err
	}
	found = append(found, wrong...)
	found = append(found, r.settle(ctx)...)
	found = append(found, r.endAll()...)
	left, err := r.leftovers(ctx)
	if err != nil {
		return err
	}
	found = append(found, left...)
	if o.topology == standalone {
		h, err := readHistory(r.redis.servers[0].dir)
		if err != nil {
			return err
		}
		r.say("the append-only file: %d transactions moved jobs; %d claims, %d of which left jobs of other priorities waiting; %d jobs in a wrong list or order",
			h.transactions, h.claims, h.contested, len(h.found))
		found = append(found, h.found...)
	}
	if len(found) > 0 {
		r.say("seed %d: NOT well", o.seed)
		return &verdictError{found}
	}
	if len(ineffective) > 0 {
		return fmt.Errorf("no mistake was found, but these faults had no effect: %s", strings.Join(ineffective, ", "))
	}
	r.say("seed %d: every message is accounted for, nothing is left behind", o.seed)
	return nil
}

// tally prints how often each fault was caused, and returns those that were caused several times without any effect.
func (r *world) tally() (ineffective []string) {
	for _, name := range slices.Sorted(maps.Keys(r.hits)) {
		c := r.hits[name]
		r.say("%4d times, hit %5d: %s", c.times, c.hit, name)
		if c.times >= 3 && c.hit == 0 {
			ineffective = append(ineffective, name)
		}
	}
	return ineffective
}

// endAll asks every program to end, and returns an entry for each that ended with an error.
func (r *world) endAll() (found []string) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, p := range r.programs() {
		all.Go(func() {
			if err := p.end(syscall.SIGTERM); err != nil {
				mu.Lock()
				defer mu.Unlock()
				found = append(found, fmt.Sprintf("%s ended with %v", p.name, err))
			}
		})
	}
	all.Wait()
	return found
}

// build builds the programs into dir, with the mistake and the clocks that the options ask for.
func build(dir string, o options) error {
	return compile(dir, o, "-o", dir+"/", "./cmd/ingest", "./cmd/worker")
}

// compile runs go build with an overlay for the options' mistake and clocks.
func compile(dir string, o options, args ...string) error {
	said, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "ringup.dev/ringup").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	root := strings.TrimSpace(string(said))
	changes := map[string][]change{}
	if changes[root], err = mistake(o.broken); err != nil {
		return err
	}
	if o.clocks {
		changes[filepath.Join(strings.TrimSpace(string(goroot)), "src")] = timeNow
	}
	argument, err := overlay(dir, changes)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", append([]string{"build", argument}, args...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

func (r *world) startAll(ctx context.Context, dir string) (err error) {
	if r.redis, err = startTopology(ctx, dir, r.options); err != nil {
		return err
	}
	providers := r.emulated.URL
	common := []string{
		"PATH=" + os.Getenv("PATH"), "KEEP_FAILED=1000000", "LOG_FORMAT=text",
		"LEASE=" + lease.String(), "SEND_TIMEOUT=2s", "RETRY_BACKOFF=100ms,200ms,400ms,800ms,1s,1s,1s,1s", "BREAKER_OPEN_MIN=100ms", "BREAKER_OPEN_MAX=1s",
		"CONCURRENCY=10", "MAX_CRASHES=100", "WEBHOOK_AUTH_TOKEN=token-for-the-tests",
		"TWILIO_BASE_URL=" + providers, "TWILIO_ACCOUNT_SID=" + emulator.TwilioAccountSID, "TWILIO_AUTH_TOKEN=" + emulator.TwilioAuthToken,
		"TWILIO_SMS_FROM=+15005550006", "TWILIO_WHATSAPP_FROM=+14155238886",
		"SENDGRID_BASE_URL=" + providers, "SENDGRID_API_KEY=" + emulator.SendGridAPIKey, "EMAIL_FROM=shop@example.com",
		"AWS_ENDPOINT_URL=" + providers, "AWS_REGION=" + emulator.AWSRegion, "AWS_ACCESS_KEY_ID=" + emulator.AWSAccessKeyID, "AWS_SECRET_ACCESS_KEY=" + emulator.AWSSecretAccessKey,
		"WHATSAPP_BASE_URL=" + providers, "WHATSAPP_ACCESS_TOKEN=" + emulator.WhatsAppToken, "WHATSAPP_PHONE_NUMBER_ID=" + emulator.WhatsAppNumberID,
	}
	common = append(common, r.redis.env...)
	program := func(name, program string, env ...string) *process {
		ops := freePort()
		p := &process{name: name, ops: ops, path: filepath.Join(dir, program), env: append(append(env, common...), fmt.Sprintf("OPS_PORT=%d", ops))}
		if r.clocks {
			if p.clock, err = newShift(dir, name); err == nil {
				p.env = append(p.env, "CHAOS_CLOCK="+p.clock.path)
			}
		}
		return p
	}
	for i := range 2 {
		port := freePort()
		r.urls = append(r.urls, fmt.Sprintf("http://127.0.0.1:%d", port))
		r.ingests = append(r.ingests, program(fmt.Sprintf("ingest %d", i), "ingest", fmt.Sprintf("PORT=%d", port)))
		for _, channel := range []string{"sms", "email", "whatsapp"} {
			r.workers = append(r.workers, program(fmt.Sprintf("worker %s %d", channel, i), "worker", "CHANNEL="+channel,
				"SMS_PROVIDER=twilio,aws", "EMAIL_PROVIDER=sendgrid,aws", "WHATSAPP_PROVIDER=business,twilio"))
		}
	}
	if err != nil {
		return err
	}
	for _, p := range r.programs() {
		if err := p.start(); err != nil {
			return err
		}
	}
	all := r.programs()
	for _, p := range all {
		if !waitUntil(ctx, 10*time.Second, func() bool { return ready(ctx, p.ops) }) {
			return fmt.Errorf("%s is not ready: %s", p.name, p.log.text())
		}
	}
	return nil
}

func ready(ctx context.Context, port int) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/readyz", port), nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (r *world) close() {
	for _, p := range r.programs() {
		p.stop()
	}
	if r.redis != nil {
		r.redis.close()
	}
}

// depth returns the number of jobs that are neither completed nor failed; -1 when Redis does not answer.
func (r *world) depth(ctx context.Context) int64 {
	var n int64
	for _, channel := range message.Channels {
		base, client := "{ringup:"+string(channel)+"}:", r.redis.master(channel).client
		for _, list := range []string{"queue:1", "queue:2", "queue:3", "queue:4"} {
			length, err := client.LLen(ctx, base+list).Result()
			if err != nil {
				return -1
			}
			n += length
		}
		n += client.ZCard(ctx, base+"retry").Val() + client.ZCard(ctx, base+"inflight").Val()
	}
	return n
}

// load posts webhooks at a rate until ctx ends.
func (r *world) load(ctx context.Context, rate float64, tills *sync.WaitGroup) {
	for ctx.Err() == nil {
		r.webhook(tills)
		pause(ctx, time.Duration(float64(time.Second)/rate))
	}
}

var till = &http.Client{Timeout: 5 * time.Second}

// webhook posts the next webhook, and does not wait for the answer. As a till does, it posts the same webhook again, to the other ingest,
// until the answer is 202 or tillTries is reached.
func (r *world) webhook(tills *sync.WaitGroup) {
	i := int(r.next.Add(1))
	event := []string{"payment_complete", "order_create", "pos_save", "order_update"}[i%4]
	more := ""
	if i%10 == 0 {
		more = strings.Repeat("n", largeBody) // a shared body
	}
	body := fmt.Sprintf(`{"id":%q,"event_type":%q,"timestamp":"2024-01-01T12:00:00Z","data":{"orderId":"O%d","amount":1.5,"currency":"USD",`+
		`"customerPhone":%q,"customerEmail":%q,"note":%q}}`, id(i), event, i, recipient("sms", i), recipient("email", i), more)
	r.ledger.post(i)
	tills.Go(func() {
		for try := range tillTries {
			status := r.post(r.urls[(i+try)%len(r.urls)], body)
			r.ledger.answer(i, status)
			if status == http.StatusAccepted {
				return
			}
			<-time.After(200 * time.Millisecond)
		}
	})
}

func (r *world) post(url, body string) int {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/webhooks/pos", strings.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer token-for-the-tests")
	resp, err := till.Do(request)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}
