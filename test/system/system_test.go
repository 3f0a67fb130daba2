// Package system runs the real programs on a real Redis, and counts the messages that arrive.
package system

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/redistest"
)

var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ringup-system")
	if err != nil {
		panic(err)
	}
	bin = dir
	build := exec.Command("go", "build", "-o", dir+"/", "ringup.dev/ringup/cmd/...")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\n%v\n", out, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// system is a Redis with an ingest. Tests start workers and admin beside it.
type system struct {
	*testing.T
	redis  *redistest.Server
	client *redis.Client
	url    string
	ingest *process
	// payload returns webhook number i.
	payload func(i int) string
	// group is the cgroup.procs file of the cgroup that programs run in; "" for the test's own.
	group string
}

// process is a running program.
type process struct {
	cmd *exec.Cmd
	log *bytes.Buffer
	mu  sync.Mutex
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func start(t *testing.T, env ...string) *system {
	t.Helper()
	return startOn(t, redistest.Start(t, "--appendonly", "yes"), env...)
}

func startOn(t *testing.T, server *redistest.Server, env ...string) *system {
	t.Helper()
	s := &system{T: t, redis: server, payload: everyChannel}
	s.client = s.redis.Client()
	port := redistest.FreePort(t)
	s.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	s.serve(env...)
	return s
}

// serve starts ingest, at the same address on every call, and waits until it answers.
func (s *system) serve(env ...string) {
	s.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), ":")
	s.ingest = s.run("ingest", append([]string{"PORT=" + port, "WEBHOOK_AUTH_TOKEN=token-for-the-tests"}, env...)...)
	redistest.Eventually(s, "ingest takes connections", func() bool {
		resp, err := http.Get(s.url + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
}

// run starts a program with the variables of Redis and the sandbox, and env. The end of the test kills it.
func (s *system) run(program string, env ...string) *process {
	s.Helper()
	return s.runFrom(bin, program, env...)
}

// runFrom is run for the program of another build, in folder.
func (s *system) runFrom(folder, program string, env ...string) *process {
	s.Helper()
	p := &process{cmd: exec.Command(filepath.Join(folder, program)), log: &bytes.Buffer{}}
	if s.group != "" {
		p.cmd = exec.Command("sh", "-c", `echo $$ >"$0" && exec "$1"`, s.group, filepath.Join(folder, program))
	}
	p.cmd.Env = append([]string{
		"REDIS_URL=redis://" + url.UserPassword(s.redis.Options.Username, s.redis.Options.Password).String() + "@" + s.redis.Addr(), "OPS_PORT=0", "SMS_PROVIDER=sandbox", "EMAIL_PROVIDER=sandbox", "WHATSAPP_PROVIDER=sandbox",
		"SANDBOX_OUTBOX_SIZE=1000000", "PATH=" + os.Getenv("PATH"),
	}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if s.Failed() {
			lines := strings.Split(p.text(), "\n")
			s.Logf("%s %v: …\n%s", program, env, strings.Join(lines[max(0, len(lines)-30):], "\n"))
		}
	})
	return p
}

func (s *system) worker(channel string, env ...string) *process {
	return s.run("worker", append([]string{"CHANNEL=" + channel}, env...)...)
}

// stop ends a program by SIGTERM, and checks that it exits without an error.
func (s *system) stop(p *process) {
	s.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		s.Errorf("%v after SIGTERM: %s", err, p.text())
	}
}

var events = []string{"payment_complete", "order_create", "pos_save", "order_update"}

// everyChannel returns a webhook with an address on every channel.
func everyChannel(i int) string {
	return fmt.Sprintf(`{"id":"w%d","event_type":%q,"timestamp":"2024-01-01T12:00:00Z","data":{"orderId":"O%d","amount":1.5,"currency":"USD",`+
		`"customerPhone":"+1555%07d","customerEmail":"c%d@example.com"}}`, i, events[i%4], i, i, i)
}

// post sends n webhooks, numbered from first, 16 at a time. The test ends if one is not accepted.
func (s *system) post(first, n int) {
	s.Helper()
	next := make(chan int)
	errs := make(chan error, n)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range next {
				errs <- s.postOne(i)
			}
		})
	}
	for i := first; i < first+n; i++ {
		next <- i
	}
	close(next)
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			s.Fatal(err)
		}
	}
}

func (s *system) postOne(i int) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+"/webhooks/pos", strings.NewReader(s.payload(i)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer token-for-the-tests")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("webhook %d: HTTP %d %s", i, resp.StatusCode, answer)
	}
	return nil
}

// sent returns the number of sends by job of a channel, and the sends, oldest first.
func (s *system) sent(channel string) (times map[string]int, order []sandbox.Entry) {
	s.Helper()
	texts, err := s.client.LRange(s.Context(), "{ringup:"+channel+"}:outbox", 0, -1).Result()
	if err != nil {
		s.Fatal(err)
	}
	times = map[string]int{}
	for i := len(texts) - 1; i >= 0; i-- {
		var e sandbox.Entry
		if err := json.Unmarshal([]byte(texts[i]), &e); err != nil {
			s.Fatal(err)
		}
		times[e.JobID]++
		order = append(order, e)
	}
	return times, order
}

// arrives waits until n different jobs of a channel have been sent, and returns how many were sent twice.
func (s *system) arrives(channel string, n int) (twice int) {
	s.Helper()
	var times map[string]int
	redistest.Eventually(s, fmt.Sprintf("%d messages on %s", n, channel), func() bool {
		if s.client.LLen(s.Context(), "{ringup:"+channel+"}:outbox").Val() < int64(n) {
			return false
		}
		times, _ = s.sent(channel)
		return len(times) >= n
	})
	if len(times) != n {
		s.Errorf("%d messages on %s, want %d", len(times), channel, n)
	}
	for _, k := range times {
		twice += k - 1
	}
	return twice
}

// settled waits until no job of a channel is waiting, retrying or in flight, and checks that none has failed.
func (s *system) settled(channel string) {
	s.Helper()
	base := "{ringup:" + channel + "}"
	redistest.Eventually(s, "all jobs on "+channel+" are settled", func() bool {
		left := int64(0)
		for _, list := range []string{"1", "2", "3", "4"} {
			left += s.client.LLen(s.Context(), base+":queue:"+list).Val()
		}
		for _, set := range []string{"retry", "inflight"} {
			left += s.client.ZCard(s.Context(), base+":"+set).Val()
		}
		return left == 0
	})
	if failed := s.client.ZCard(s.Context(), base+":failed").Val(); failed != 0 {
		s.Errorf("%d failed jobs on %s", failed, channel)
	}
}

var channels = []string{"sms", "email", "whatsapp"}

func TestEveryMessageArrivesOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	const n = 2000
	s.post(0, n/2)
	for _, c := range channels {
		s.worker(c)
	}
	s.post(n/2, n/2)
	s.post(0, 50) // duplicates, which add no jobs
	for _, c := range channels {
		if twice := s.arrives(c, n); twice != 0 {
			t.Errorf("%d messages sent twice on %s", twice, c)
		}
		s.settled(c)
	}
}

func TestPriorityOrderOfABacklog(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.post(0, 400)
	for _, c := range channels {
		s.worker(c, "CONCURRENCY=1")
	}
	for _, c := range channels {
		s.arrives(c, 400)
		_, order := s.sent(c)
		last := 0
		for _, e := range order {
			var i int
			_, _ = fmt.Sscanf(e.EventID, "w%d", &i)
			if i%4 < last {
				t.Fatalf("on %s, %s was sent after an event of lower priority", c, e.EventID)
			}
			last = i % 4
		}
	}
}

func TestRateLimitOverThreeReplicas(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.post(0, 120)
	for range 3 {
		s.worker("sms", "RATE_LIMIT=40", "RATE_BURST=10")
	}
	s.arrives("sms", 120)
	_, order := s.sent("sms")
	// In any second there are at most the burst, the rate, and jobs that a worker had claimed before and sent within it.
	for i := range order {
		j := i
		for j < len(order) && order[j].SentAt.Sub(order[i].SentAt) < time.Second {
			j++
		}
		if n := j - i; n > 10+40+5 {
			t.Fatalf("%d messages within a second", n)
		}
	}
}

func TestKilledWorkerLosesNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	slow := []string{"SANDBOX_LATENCY=20ms", "LEASE=6s", "SEND_TIMEOUT=1s", "CONCURRENCY=10"}
	victim := s.worker("sms", slow...)
	s.post(0, 600)
	redistest.Eventually(t, "the worker is in the middle", func() bool { return s.client.LLen(t.Context(), "{ringup:sms}:outbox").Val() > 50 })
	_ = victim.cmd.Process.Kill()
	survivor := s.worker("sms", slow...)
	if twice := s.arrives("sms", 600); twice > 10 {
		t.Errorf("%d messages sent twice: at most those in flight may be, which are 10", twice)
	}
	s.settled("sms")
	s.stop(survivor)
}

func TestTermLosesNothingAndSendsNothingTwice(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.post(0, 800)
	slow := []string{"SANDBOX_LATENCY=10ms", "CONCURRENCY=10"}
	for round := range 4 {
		w := s.worker("sms", slow...)
		enough := int64(100 * (round + 1))
		redistest.Eventually(t, "the worker is in the middle", func() bool { return s.client.LLen(t.Context(), "{ringup:sms}:outbox").Val() > enough })
		s.stop(w)
		if left := s.client.ZCard(t.Context(), "{ringup:sms}:inflight").Val(); left != 0 {
			t.Errorf("%d jobs in flight after the worker has ended", left)
		}
	}
	s.worker("sms")
	if twice := s.arrives("sms", 800); twice != 0 {
		t.Errorf("%d messages sent twice", twice)
	}
	s.settled("sms")
}

func TestFailuresAreRetriedAndRecovered(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.post(0, 300)
	s.worker("sms", "SANDBOX_FAIL=transient:0.1,throttled:0.02", "RETRY_BACKOFF=50ms,100ms,200ms,400ms,800ms,1s,1s,1s",
		"BREAKER_OPEN_MIN=50ms", "BREAKER_OPEN_MAX=200ms")
	if twice := s.arrives("sms", 300); twice != 0 {
		t.Errorf("%d messages sent twice", twice)
	}
	s.settled("sms")
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	// With everysec, Redis postpones writes while an fsync takes long, and what it had acknowledged would be lost with it.
	s := startOn(t, redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always"))
	s.worker("sms", "CONCURRENCY=5", "LEASE=10s", "SEND_TIMEOUT=2s") // a claim whose answer is lost waits for its lease
	s.post(0, 50)
	s.arrives("sms", 50)
	s.redis.Kill()
	if err := s.postOne(50); err == nil || !strings.Contains(err.Error(), "HTTP 503") {
		t.Errorf("without Redis: %v, want HTTP 503", err)
	}
	s.redis.Restart()
	redistest.Eventually(t, "ingest recovers", func() bool { return s.postOne(50) == nil })
	s.post(51, 50)
	if twice := s.arrives("sms", 101); twice != 0 {
		t.Errorf("%d messages sent twice", twice)
	}
	s.settled("sms")
}

// TestRedisWithUsers: with the Redis users of the Kubernetes overlays all messages are sent, and a crash of Redis loses none. (A default user
// that is off and has no commands makes Redis drop every MULTI of its own append-only file when it starts.)
func TestRedisWithUsers(t *testing.T) {
	t.Parallel()
	overlay, err := os.ReadFile("../../k8s/overlays/dev/users.acl")
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users.acl")
	// The test's own user reads the outbox.
	if err := os.WriteFile(users, append(overlay, "user test on >test ~* &* +@all\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	server := redistest.StartAs(t, "test", "test", "--appendonly", "yes", "--appendfsync", "always", "--aclfile", users)
	as := func(name string) string { return "REDIS_URL=redis://" + name + ":dev-" + name + "@" + server.Addr() }
	s := &system{T: t, redis: server, payload: everyChannel, client: server.Client(), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))}
	s.serve(as("ingest"))
	s.post(0, 300)
	s.redis.Kill()
	s.redis.Restart()
	redistest.Eventually(t, "ingest recovers", func() bool { return s.postOne(300) == nil })
	for _, c := range channels {
		s.worker(c, as("worker"))
	}
	for _, c := range channels {
		if twice := s.arrives(c, 301); twice != 0 {
			t.Errorf("%d messages sent twice on %s", twice, c)
		}
		s.settled(c)
	}
	keda := redis.NewClient(&redis.Options{Addr: s.redis.Addr(), Username: "keda", Password: "dev-keda"})
	defer func() { _ = keda.Close() }()
	if err := keda.Do(t.Context(), "FLUSHALL").Err(); err == nil {
		t.Error("KEDA's user may call FLUSHALL")
	}
	if err := redis.NewClient(&redis.Options{Addr: s.redis.Addr()}).Ping(t.Context()).Err(); err == nil {
		t.Error("a client without a user is accepted")
	}
}

func TestWrongConfigurationIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	for program, want := range map[string][]string{
		"ingest": {"WEBHOOK_SECRET", "CHANNELS", "KEEP_FAILED"},
		"worker": {"CHANNEL", "KEEP_FAILED", "CONCURRENCY", "SEND_TIMEOUT"},
	} {
		cmd := exec.Command(filepath.Join(bin, program))
		cmd.Env = []string{"CHANNELS=fax", "KEEP_FAILED=0", "CONCURRENCY=0", "SEND_TIMEOUT=5m"}
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%s started", program)
		}
		for _, name := range want {
			if !strings.Contains(string(out), name) {
				t.Errorf("%s does not name %s: %s", program, name, out)
			}
		}
	}
}

// TestSlowClients: the connection of a client that sends a request too slowly, headers or body, is closed. Other clients do not wait for it.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := start(t)
	address := strings.TrimPrefix(s.url, "http://")
	var dialer net.Dialer
	dribble := func(request string) net.Conn {
		conn, err := dialer.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	slow := []net.Conn{}
	for range 50 {
		slow = append(slow, dribble("POST /webhooks/pos HTTP/1.1\r\nHost: ringup\r\nX-Slow: "))
	}
	body := dribble("POST /webhooks/pos HTTP/1.1\r\nHost: ringup\r\nAuthorization: Bearer token-for-the-tests\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	s.post(0, 100)
	for _, conn := range append(slow, body) {
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		answer, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("after a minute it is still connected: %s", answer)
		}
		if strings.Contains(string(answer), " 202 Accepted") {
			t.Errorf("half a request was accepted: %s", answer)
		}
	}
}
