package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/test/emulator"
)

// refusal is an answer other than 202.
type refusal struct {
	i, status  int
	retryAfter string
	detail     string // of the problem+json
}

// offer posts the webhooks with these numbers once each, atATime in parallel, and returns the numbers of the accepted ones and the refusals.
func (s *system) offer(numbers []int, atATime int) (accepted []int, refused []refusal) {
	s.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atATime}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all sync.WaitGroup
	var next atomic.Int64
	for range atATime {
		all.Go(func() {
			for {
				at := int(next.Add(1)) - 1
				if at >= len(numbers) {
					return
				}
				r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.url+"/webhooks/pos", strings.NewReader(s.payload(numbers[at])))
				if err != nil {
					s.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer token-for-the-tests")
				resp, err := client.Do(r)
				if err != nil {
					s.Error(err)
					return
				}
				var problem struct{ Detail string }
				err = json.NewDecoder(resp.Body).Decode(&problem)
				resp.Body.Close()
				mu.Lock()
				if resp.StatusCode == http.StatusAccepted {
					accepted = append(accepted, numbers[at])
				} else {
					refused = append(refused, refusal{numbers[at], resp.StatusCode, resp.Header.Get("Retry-After"), fmt.Sprint(problem.Detail, err)})
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return accepted, refused
}

// properly checks that every refusal has one of these statuses and a Retry-After.
func (s *system) properly(refused []refusal, statuses ...int) {
	s.Helper()
	for _, r := range refused {
		if seconds, err := strconv.Atoi(r.retryAfter); err != nil || seconds < 1 || !slices.Contains(statuses, r.status) {
			s.Fatalf("webhook %d was refused with HTTP %d, Retry-After %q: %s", r.i, r.status, r.retryAfter, r.detail)
		}
	}
}

func numbers(first, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = first + i
	}
	return out
}

func these(refused []refusal) []int {
	var out []int
	for _, r := range refused {
		out = append(out, r.i)
	}
	return out
}

// exactly waits until the jobs of these webhooks on a channel are sent. It checks that each was sent once, and that there were no others.
func (s *system) exactly(channel string, webhooks []int) {
	s.Helper()
	if twice := s.arrives(channel, len(webhooks)); twice != 0 {
		s.Errorf("%d messages were sent twice", twice)
	}
	times, _ := s.sent(channel)
	for _, i := range webhooks {
		if id := fmt.Sprintf("w%d:%s:1", i, channel); times[id] != 1 {
			s.Errorf("%s was answered 202 and sent %d times", id, times[id])
		}
	}
}

// memory returns a program's resident memory in bytes.
func memory(t *testing.T, p *process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if errors.Is(err, fs.ErrNotExist) {
		return memoryByPS(t, p) // not Linux
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if text, found := strings.CutPrefix(line, "VmRSS:"); found {
			return kibibytes(t, strings.TrimSuffix(strings.TrimSpace(text), " kB"))
		}
	}
	t.Fatalf("there is no VmRSS in %s", status)
	return 0
}

// memoryByPS is memory on a system without /proc.
func memoryByPS(t *testing.T, p *process) int {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "ps", "-o", "rss=", "-p", strconv.Itoa(p.cmd.Process.Pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return kibibytes(t, string(text))
}

// kibibytes reads a number of KiB, and returns it in bytes.
func kibibytes(t *testing.T, text string) int {
	t.Helper()
	kib, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// podMemory is the memory limit of a pod in the Kubernetes manifests.
const podMemory = 128 << 20

// textOnly returns a webhook with a phone number and no e-mail address.
func textOnly(i int) string {
	return fmt.Sprintf(`{"id":"w%d","event_type":%q,"timestamp":"2024-01-01T12:00:00Z","data":{"customerPhone":"+1555%07d"}}`, i, events[i%4], i)
}

// TestMoreThanIngestTakes: while Redis does not answer, ingest works on webhooks up to MAX_INFLIGHT_BYTES, and refuses the others at once.
// Accepted webhooks are sent, and refused ones are accepted when the till sends them again.
func TestMoreThanIngestTakes(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.payload = textOnly
	s.stop(s.ingest)
	const room = 20 // webhooks, of 4 KiB at least; one client gets less
	s.serve("MAX_INFLIGHT_BYTES="+strconv.Itoa(room*4<<10), "MAX_BODY_BYTES=16384")
	s.post(1000, 1) // loads the scripts into Redis
	if err := s.client.Do(t.Context(), "CLIENT", "PAUSE", "600000", "WRITE").Err(); err != nil {
		t.Fatal(err)
	}
	taken, refused := s.offer(numbers(0, 200), 50)
	if len(taken) > 0 {
		t.Errorf("%d webhooks were accepted while Redis was paused", len(taken))
	}
	s.properly(refused, http.StatusServiceUnavailable)
	busy := 0
	for _, r := range refused {
		if strings.Contains(r.detail, "MAX_INFLIGHT_BYTES") {
			busy++
		}
	}
	if busy < 50-room {
		t.Errorf("%d of fifty parallel webhooks were refused at once: ingest has capacity for %d", busy, room)
	}
	if err := s.client.Do(t.Context(), "CLIENT", "UNPAUSE").Err(); err != nil {
		t.Fatal(err)
	}
	for again := these(refused); len(again) > 0; {
		accepted, refused := s.offer(again, 4)
		s.properly(refused, http.StatusServiceUnavailable)
		taken, again = append(taken, accepted...), these(refused)
	}
	s.worker("sms")
	s.exactly("sms", append(taken, 1000))
	s.settled("sms")
}

// TestBurst: a hundred times the usual webhooks, at once.
func TestBurst(t *testing.T) {
	t.Parallel()
	s := start(t)
	workers := map[string]*process{}
	for _, c := range channels {
		workers[c] = s.worker(c)
	}
	usual := numbers(0, 15) // those of one second
	if _, refused := s.offer(usual, 2); len(refused) > 0 {
		t.Fatalf("refused: %+v", refused)
	}
	burst := numbers(len(usual), 100*len(usual))
	for again := burst; len(again) > 0; {
		_, refused := s.offer(again, 500)
		s.properly(refused, http.StatusServiceUnavailable)
		again = these(refused)
	}
	for _, c := range channels {
		s.exactly(c, append(usual, burst...))
		s.settled(c)
		if m := memory(t, workers[c]); m > podMemory {
			t.Errorf("the %s worker has %d MiB", c, m>>20)
		}
	}
	if m := memory(t, s.ingest); m > podMemory {
		t.Errorf("ingest has %d MiB", m>>20)
	}
}

// TestProviderDownForLong: the queue fills up to MAX_QUEUE_DEPTH, no program's memory grows with it, and all jobs are sent afterwards.
func TestProviderDownForLong(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.payload = textOnly
	s.stop(s.ingest)
	const depth = 3000
	s.serve("MAX_QUEUE_DEPTH=" + strconv.Itoa(depth))
	ill := s.worker("sms", "SANDBOX_FAIL=account:1", "BREAKER_OPEN_MIN=50ms", "BREAKER_OPEN_MAX=100ms")
	s.post(0, 1)
	redistest.Eventually(t, "the breaker is open", func() bool { return s.client.HExists(t.Context(), "{ringup:sms}:halted", "breaker").Val() })
	accepted, refused := s.offer(numbers(1, depth+500), 64)
	s.properly(refused, http.StatusServiceUnavailable)
	waiting := int64(0)
	for _, list := range []string{"1", "2", "3", "4"} {
		waiting += s.client.LLen(t.Context(), "{ringup:sms}:queue:"+list).Val()
	}
	if len(refused) == 0 || waiting > depth {
		t.Errorf("%d webhooks refused, %d jobs waiting: MAX_QUEUE_DEPTH is %d", len(refused), waiting, depth)
	}
	for _, r := range refused {
		if !strings.Contains(r.detail, "full") {
			t.Fatalf("refused: %+v", r)
		}
	}
	for name, p := range map[string]*process{"ingest": s.ingest, "the worker": ill} {
		if m := memory(t, p); m > podMemory {
			t.Errorf("with %d jobs waiting, %s has %d MiB", waiting, name, m>>20)
		}
	}
	s.stop(ill)
	well := s.worker("sms", "BREAKER_OPEN_MIN=50ms", "BREAKER_OPEN_MAX=100ms")
	s.exactly("sms", append(accepted, 0))
	s.settled("sms")
	if m := memory(t, well); m > podMemory {
		t.Errorf("after all sends, the worker has %d MiB", m>>20)
	}
}

// TestRedisFills: when Redis has reached maxmemory, ingest refuses webhooks. Jobs of accepted webhooks are still sent, retried and renewed,
// each once. When Redis has memory again, ingest accepts webhooks.
func TestRedisFills(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.payload = textOnly
	s.post(0, 1)
	info := s.client.InfoMap(t.Context(), "memory").Val()["Memory"]
	used, err := strconv.Atoi(info["used_memory"])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.client.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(used+256<<10)).Err(); err != nil {
		t.Fatal(err)
	}
	accepted := []int{0}
	for i := 1; ; i += 100 {
		taken, refused := s.offer(numbers(i, 100), 16)
		s.properly(refused, http.StatusServiceUnavailable)
		accepted = append(accepted, taken...)
		if len(refused) == 100 {
			break
		}
		if i > 100_000 {
			t.Fatal("Redis does not fill")
		}
	}
	// The new limit is below the memory in use, so that sends do not free enough for a webhook.
	if err := s.client.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(used/2)).Err(); err != nil {
		t.Fatal(err)
	}
	// The outbox cannot grow either, so the emulator counts the messages.
	p := emulate(t)
	p.Fail(emulator.Fault{Provider: "twilio", Times: 8, Refusal: emulator.Refusal{Status: http.StatusServiceUnavailable}})
	settings := p.with("SMS_PROVIDER=twilio", "CONCURRENCY=10", "RATE_LIMIT=100000", "RETRY_BACKOFF=50ms,50ms,50ms,50ms",
		"BREAKER_OPEN_MIN=50ms", "BREAKER_OPEN_MAX=100ms")
	s.worker("sms", settings...)
	var recipients []string
	for _, i := range accepted {
		recipients = append(recipients, phones(i, 1)...)
	}
	p.exactly(s, "sms", recipients)
	if _, refused := s.offer([]int{999_999}, 1); len(refused) != 1 {
		t.Error("ingest accepted a webhook while Redis was over its limit")
	}
	if err := s.client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	s.post(999_999, 1)
	p.exactly(s, "sms", append(recipients, phones(999_999, 1)...))
}

// TestNoisySource: with SOURCE_RATE_LIMIT, a source over its limit is answered 429, and the webhooks of other sources are accepted.
func TestNoisySource(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.stop(s.ingest)
	s.serve("SOURCE_RATE_LIMIT=0.001", "SOURCE_RATE_BURST=20")
	s.payload = func(i int) string {
		source := "noisy"
		if i >= 1000 {
			source = fmt.Sprint("shop ", i%10)
		}
		return strings.Replace(textOnly(i), `"data"`, fmt.Sprintf(`"source":%q,"data"`, source), 1)
	}
	var noisy, quiet []int
	var flood, others []refusal
	var both sync.WaitGroup
	both.Go(func() { noisy, flood = s.offer(numbers(0, 1000), 32) })
	both.Go(func() { quiet, others = s.offer(numbers(1000, 200), 4) }) // twenty from each shop
	both.Wait()
	s.properly(flood, http.StatusTooManyRequests)
	if len(noisy) != 20 || len(others) > 0 {
		t.Errorf("%d webhooks of the noisy source were accepted, want 20; refused webhooks of other sources: %+v", len(noisy), others)
	}
	s.worker("sms")
	s.exactly("sms", append(noisy, quiet...))
	s.settled("sms")
}
