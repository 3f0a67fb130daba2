package system

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/unsubscribe"
)

const attackedSecret = "a secret of more than sixteen bytes"

// podLimits returns what the manifests give a pod of a program: its memory in bytes, and GOMEMLIMIT.
func podLimits(t *testing.T, program string) (memory int, goLimit string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../k8s/base", program, program+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var d struct {
			Kind string
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Env       []struct{ Name, Value string }
							Resources struct{ Limits struct{ Memory string } }
						}
					}
				}
			}
		}
		if err := documents.Decode(&d); err != nil {
			t.Fatalf("no Deployment: %v", err)
		}
		if d.Kind != "Deployment" {
			continue
		}
		container := d.Spec.Template.Spec.Containers[0]
		mebibytes, err := strconv.Atoi(strings.TrimSuffix(container.Resources.Limits.Memory, "Mi"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range container.Env {
			if e.Name == "GOMEMLIMIT" {
				goLimit = e.Value
			}
		}
		return mebibytes << 20, goLimit
	}
}

// cgroup makes a cgroup with a memory limit, and returns its file cgroup.procs; "" where this machine does not allow it. Then GOMEMLIMIT and the
// watched memory are what is left to test with.
func cgroup(t *testing.T, limit int) string {
	t.Helper()
	name := fmt.Sprintf("ringup-%d-%d", os.Getpid(), time.Now().UnixNano())
	for _, kind := range []struct{ folder, file string }{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}} {
		dir := filepath.Join(kind.folder, name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) }) // once its process has ended
		if os.WriteFile(filepath.Join(dir, kind.file), []byte(strconv.Itoa(limit)), 0) == nil {
			return filepath.Join(dir, "cgroup.procs")
		}
	}
	return ""
}

// attack is a system whose ingest runs within the memory of its pod, and the attackers' side.
type attack struct {
	*system
	limit int

	mu   sync.Mutex
	open []net.Conn
}

func attacked(t *testing.T, env ...string) *attack {
	t.Helper()
	files(t)
	limit, goLimit := podLimits(t, "ingest")
	s := start(t)
	s.stop(s.ingest)
	s.group = cgroup(t, limit)
	s.payload = textOnly
	s.serve(append([]string{"GOMEMLIMIT=" + goLimit, "WEBHOOK_AUTH_TOKEN=", "WEBHOOK_SECRET=" + attackedSecret}, env...)...)
	a := &attack{system: s, limit: limit}
	t.Cleanup(a.end)
	return a
}

// files lets this process have as many files as the system allows.
func files(t *testing.T) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

// dial connects from the loopback address 127.0.0.n, which stands for another client than the one of normal webhooks; nil when it is refused.
func (a *attack) dial(n byte) net.Conn {
	d := net.Dialer{Timeout: 10 * time.Second}
	if runtime.GOOS == "linux" { // elsewhere the loopback interface has one address, and a client's share has to do
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, n)}
	}
	conn, err := d.DialContext(a.Context(), "tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		return nil
	}
	return conn
}

// send opens n connections from 127.0.0.from, writes to each what request returns, and leaves them open until the attack is over: see end. It returns when
// all is written, or refused.
func (a *attack) send(n int, from byte, request func(i int) string) []net.Conn {
	var mu sync.Mutex
	var conns []net.Conn
	var all sync.WaitGroup
	next := make(chan int)
	for range 32 {
		all.Go(func() {
			for i := range next {
				conn := a.dial(from)
				if conn == nil {
					continue
				}
				mu.Lock()
				conns = append(conns, conn)
				mu.Unlock()
				_ = conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
				_, _ = io.WriteString(conn, request(i)) // it may be refused
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	a.mu.Lock()
	a.open = append(a.open, conns...)
	a.mu.Unlock()
	return conns
}

// end closes the attackers' connections.
func (a *attack) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, conn := range a.open {
		_ = conn.Close()
	}
	a.open = nil
}

// signature returns X-Webhook-Signature.
func signature(body string) string { return signatureBy(attackedSecret, body) }

// signatureBy returns X-Webhook-Signature with a key.
func signatureBy(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// normal posts a hundred webhooks as a till does. Each has to be accepted.
func (a *attack) normal(first int) {
	a.Helper()
	for i := first; i < first+100; i++ {
		if err := a.postSigned(i); err != nil {
			a.Fatalf("during the attack: %v", err)
		}
	}
}

func (a *attack) postSigned(i int) error {
	body := a.payload(i)
	r, err := http.NewRequestWithContext(a.Context(), http.MethodPost, a.url+"/webhooks/pos", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Webhook-Signature", signature(body))
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

// survived checks that ingest still runs, and was within its memory all the time.
func (a *attack) survived() {
	a.Helper()
	a.within("ingest", a.ingest, a.limit)
}

// within checks that a program still runs, and was within its pod's memory all the time.
func (a *attack) within(name string, p *process, limit int) {
	a.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if errors.Is(err, fs.ErrNotExist) { // not Linux: what there is now, and not the most there was
		text = fmt.Appendf(nil, "VmHWM: %d kB\n", memory(a.T, p)>>10)
	} else if err != nil {
		a.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "VmHWM:"); found {
			peak := kibibytes(a.T, strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			a.Logf("%s: at most %d MiB of %d (cgroup: %q)", name, peak>>20, limit>>20, a.group)
			if peak > limit {
				a.Errorf("%s had %d MiB: its pod has %d", name, peak>>20, limit>>20)
			}
		}
	}
	if err := p.cmd.Process.Signal(syscall.Signal(0)); err != nil || strings.Contains(string(text), "State:\tZ") {
		a.Fatalf("%s has ended: %v", name, err)
	}
}

// largest returns a valid webhook with nearly MAX_BODY_BYTES, signed.
func largest(i int) string {
	start := fmt.Sprintf(`{"id":"largest %d","event_type":"payment_complete","timestamp":"2024-01-01T12:00:00Z","data":{"customerPhone":"+15550100000","items":[`, i)
	items := strings.Repeat(fmt.Sprintf(`{"name":"%s","quantity":1,"price":1.5},`, strings.Repeat("x", 60)), 9_000)
	body := start + strings.TrimSuffix(items, ",") + "]}}"
	return line + "Host: ringup\r\nContent-Type: application/json\r\nX-Webhook-Signature: " + signature(body) + "\r\n" + sized(body)
}

// itemsOf returns a valid webhook with as many items as there may be, each in three bytes, signed.
func itemsOf(i int) string {
	body := fmt.Sprintf(`{"id":"items %d","event_type":"payment_complete","timestamp":"2024-01-01T12:00:00Z","data":{"customerPhone":"+15550100000","items":[{}`, i) +
		strings.Repeat(",{}", event.MaxItems-1) + "]}}"
	return line + "Host: ringup\r\nContent-Type: application/json\r\nX-Webhook-Signature: " + signature(body) + "\r\n" + sized(body)
}

// TestWebhooksWhileRedisHangs: as many webhooks as ingest takes, the largest or those that take the most memory, fit into its memory, decoded and encoded, while
// none gets on; and also those that come after they have been answered.
func TestWebhooksWhileRedisHangs(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]func(int) string{"largest": largest, "items": itemsOf} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := attacked(t)
			a.normal(0)
			if err := a.client.Do(t.Context(), "CLIENT", "PAUSE", "600000", "WRITE").Err(); err != nil {
				t.Fatal(err)
			}
			for round := range 3 {
				var all sync.WaitGroup
				for n := range 16 {
					all.Go(func() {
						for _, conn := range a.send(16, byte(2+n), func(i int) string { return request(1000*(16*round+n) + i) }) {
							_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
							_, _ = http.ReadResponse(bufio.NewReader(conn), nil)
							_ = conn.Close()
						}
					})
				}
				all.Wait()
			}
			if err := a.client.Do(t.Context(), "CLIENT", "UNPAUSE").Err(); err != nil {
				t.Fatal(err)
			}
			redistest.Eventually(t, "webhooks are accepted", func() bool { return a.postSigned(1000) == nil })
			a.normal(100)
			a.survived()
		})
	}
}

const callbackKeys = "WHATSAPP_APP_SECRET=an app secret of sixteen bytes or more"

// stranger is an attack.
type stranger struct {
	name string
	do   func(a *attack)
}

// strangers returns the attacks.
func strangers() []stranger {
	post := func(path string, length int) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: ringup\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, length)
	}
	const mebibyte = 1 << 20
	almost := func(n int) string { return strings.Repeat("x", n-1) }
	items := func(i int) string {
		start := fmt.Sprintf(`{"id":"items %d","event_type":"payment_complete","timestamp":"2024-01-01T12:00:00Z","data":{"items":[{}`, i)
		body := start + strings.Repeat(",{}", (mebibyte-len(start)-3)/3) + "]}}"
		return line + "Host: ringup\r\nContent-Type: application/json\r\nX-Webhook-Signature: " + signature(body) + "\r\n" + sized(body)
	}
	manyHeadersOf := func(start string) string {
		var b strings.Builder
		b.WriteString(start)
		for i := range 1600 {
			b.WriteString(strconv.FormatInt(int64(i+100), 36) + ":\r\n")
		}
		return b.String()
	}
	manyHeaders := manyHeadersOf(line)
	return []stranger{
		{"lengths are announced and nothing is sent", func(a *attack) {
			a.send(400, 2, func(int) string { return post("/webhooks/pos", mebibyte) })
		}},
		{"callbacks without a signature", func(a *attack) {
			a.send(48, 2, func(int) string { return post("/callbacks/whatsapp", 3*mebibyte) + almost(3*mebibyte) })
		}},
		{"bodies that never end, from forty addresses", func(a *attack) {
			var all sync.WaitGroup
			for n := range 40 {
				all.Go(func() {
					a.send(4, byte(2+n), func(int) string { return post("/webhooks/pos", mebibyte) + almost(mebibyte) })
				})
			}
			all.Wait()
		}},
		{"bodies of items", func(a *attack) { a.send(64, 2, items) }},
		{"the largest webhooks, with a key", func(a *attack) { a.send(64, 2, largest) }},
		{"idle connections from thirty addresses", func(a *attack) {
			for n := range 30 {
				a.send(100, byte(2+n), func(int) string { return "GET /nothing HTTP/1.1\r\nHost: ringup\r\n\r\n" })
			}
		}},
		{"idle connections", func(a *attack) {
			a.send(6000, 2, func(int) string { return "GET /nothing HTTP/1.1\r\nHost: ringup\r\n\r\n" })
		}},
		{"heads that never end", func(a *attack) { a.send(1500, 2, func(int) string { return line + "X-Slow: " }) }},
		{"many headers", func(a *attack) { a.send(1500, 2, func(int) string { return manyHeaders }) }},
		{"many headers behind a whole request", func(a *attack) {
			a.send(1500, 2, func(int) string { return "GET /nothing HTTP/1.1\r\nHost: ringup\r\n\r\n" + manyHeaders })
		}},
		{"many headers, refused, and the body announced", func(a *attack) {
			a.send(1500, 2, func(int) string {
				return manyHeadersOf("POST /nothing HTTP/1.1\r\nHost: ringup\r\nContent-Length: 100000\r\n") + "\r\n"
			})
		}},
		{"many headers behind an empty line", func(a *attack) {
			conns := a.send(1500, 2, func(int) string { return "POST /nothing HTTP/1.1\r\nHost: ringup\r\nContent-Length: 2\r\n\r\n{}" })
			for _, conn := range conns {
				_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
				if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
					_, _ = io.WriteString(conn, "\r\n") // it is read by itself, while the server waits
				}
			}
			for _, conn := range conns {
				_, _ = io.WriteString(conn, manyHeadersOf(line))
			}
		}},
		{"endless chunks", func(a *attack) {
			a.send(64, 2, func(int) string {
				return line + "Host: ringup\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+almost(0x1001)+"\r\n", 4096)
			})
		}},
	}
}

// TestAttacks: what strangers, and one client with a key, can do to ingest within the memory that the manifests give it. It goes on accepting
// the webhooks of others, and is not killed.
func TestAttacks(t *testing.T) {
	t.Parallel()
	for _, tt := range strangers() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := attacked(t, callbackKeys)
			a.normal(0)
			var during sync.WaitGroup
			during.Go(func() { tt.do(a) })
			a.normal(100)
			during.Wait()
			a.normal(200)
			a.survived()
		})
	}
}

// TestTooLargeIsAnswered: a client that writes all of a body and reads then sees why it was refused, and not a reset connection.
func TestTooLargeIsAnswered(t *testing.T) {
	t.Parallel()
	a := attacked(t)
	body := strings.Repeat("x", 5<<20)
	for name, request := range map[string]string{
		"its length":   line + headers + sized(body),
		"chunked":      line + headers + "Transfer-Encoding: chunked\r\n\r\n" + chunked(body),
		"for its type": line + "Host: ringup\r\nContent-Type: text/plain\r\n" + sized(body),
		"no callback":  "POST /callbacks/nobody HTTP/1.1\r\n" + headers + sized(body),
	} {
		conn := a.dial(2)
		if conn == nil {
			t.Fatal("no connection")
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatalf("%s: writing: %v", name, err)
		}
		text, err := io.ReadAll(io.LimitReader(conn, 12))
		if want := map[string]string{"for its type": "415", "no callback": "404"}[name]; err != nil || !strings.Contains(string(text), "HTTP/1.1 ") ||
			want != "" && !strings.HasSuffix(string(text), want) || want == "" && !strings.HasSuffix(string(text), "413") {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
	a.normal(0)
	a.survived()
}

// TestUnsubscribingAgainAndAgain: who posts a link over and over makes no keys in Redis, and is slowed down.
func TestUnsubscribingAgainAndAgain(t *testing.T) {
	t.Parallel()
	a := attacked(t, "UNSUBSCRIBE_SECRET=an unsubscribe secret", "PUBLIC_URL=http://localhost")
	const public = "http://localhost"
	links, err := unsubscribe.New(unsubscribe.Config{PublicURL: public, Secrets: secret.Keys{"an unsubscribe secret"}})
	if err != nil {
		t.Fatal(err)
	}
	address := a.url + strings.TrimPrefix(links.URL("customer@example.com"), public)
	post := func(wish string) int {
		resp, err := http.Post(address, "application/x-www-form-urlencoded", strings.NewReader(wish))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode
	}
	suppressed := func() bool { return a.client.HLen(t.Context(), "{ringup:email}:suppressed").Val() == 1 }
	if status := post("List-Unsubscribe=One-Click"); status != http.StatusOK {
		t.Fatalf("HTTP %d", status)
	}
	redistest.Eventually(t, "the address is suppressed", suppressed)
	// Some keys come with time, whoever asks for what.
	keys := func() (n int) {
		for _, key := range a.client.Keys(t.Context(), "*").Val() {
			if name := strings.SplitN(key, ":", 4); !slices.Contains([]string{"minutes", "hours", "programs"}, name[2]) {
				n++
			}
		}
		return n
	}
	before := keys()
	slowed := 0
	for range 300 {
		if post("List-Unsubscribe=One-Click") == http.StatusTooManyRequests {
			slowed++
		}
	}
	if slowed < 250 {
		t.Errorf("%d of 300 were answered 429", slowed)
	}
	redistest.Eventually(t, "the reports are applied", func() bool { return a.client.LLen(t.Context(), "{ringup:email}:reports").Val() == 0 })
	if after := keys(); after > before {
		t.Errorf("%d keys, of %d before", after, before)
	}
	a.normal(0)
}
