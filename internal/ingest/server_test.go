package ingest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/sender/generic"
)

// public is the public server on a port of its own.
type public struct {
	*Server
	addr     string
	log      *bytes.Buffer
	registry *prometheus.Registry
}

// count returns how many clients were refused by a limit.
func (p *public) count(t testing.TB, limit string) float64 {
	t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "ringup_refused_total" && m.GetLabel()[0].GetValue() == limit {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("%s is not counted", limit)
	return 0
}

// serving is the queue of a server under test.
type serving interface {
	Enqueuer
	Notifier
}

func serve(t testing.TB, config Config, queue serving, change func(*Options)) *public {
	t.Helper()
	verifier, err := generic.New(generic.Config{Tokens: secret.Keys{"token"}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	p := &public{log: &bytes.Buffer{}, registry: prometheus.NewRegistry()}
	log := slog.New(slog.NewJSONHandler(&lockedWriter{w: p.log}, nil))
	o := Options{Config: config, Store: shop(message.SMS), Verifier: verifier, Enqueuer: queue, Notifier: queue, Registerer: prometheus.NewRegistry(), Log: log}
	if change != nil {
		change(&o)
	}
	h, err := NewHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	p.Server, err = NewServer(ServerOptions{Config: config, Limits: config.Limits(104 << 20), Handler: h, Registerer: p.registry, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = listener.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Serve(p.Listener(listener))
	}()
	t.Cleanup(func() {
		_ = p.Close()
		<-ended
	})
	return p
}

const testLine = "POST /webhooks/pos HTTP/1.1\r\nHost: ringup\r\nContent-Type: application/json\r\n"

// webhook returns a request of size bytes of body, with spaces at its end.
func webhook(id, token string, size int) string {
	body := fmt.Sprintf(`{"id":%q,"event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{}}`, id)
	body += strings.Repeat(" ", max(0, size-len(body)))
	return testLine + "Authorization: Bearer " + token + "\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// dial opens a connection that the end of the test closes.
func (p *public) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return conn
}

// answer reads one answer.
func answerOf(t testing.TB, conn net.Conn) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func (p *public) ask(t testing.TB, request string) (*http.Response, string) {
	t.Helper()
	conn := p.dial(t)
	_, _ = io.WriteString(conn, request)
	return answerOf(t, conn)
}

func testConfig() Config { return Config{MaxBodyBytes: 1 << 20} }

// empty waits until nothing is held any more.
func (p *public) empty(t testing.TB) {
	t.Helper()
	remembered := func(b *budget) int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.held)
	}
	redistest.Eventually(t, "everything is given back, and no client is remembered", func() bool {
		return p.bytes.inUse() == 0 && p.connections.inUse() == 0 && remembered(p.bytes) == 0 && remembered(p.connections) == 0
	})
}

// TestInflight: while as much is in flight as may be, the next webhook is answered 503 by its endpoint, however large it is; and is taken afterwards.
func TestInflight(t *testing.T) {
	t.Parallel()
	slow := &slowQueue{entered: make(chan struct{}), leave: make(chan struct{})}
	config := Config{MaxBodyBytes: 2 * minInflightCost, MaxInflightBytes: 8 * minInflightCost}
	p := serve(t, config, slow, nil)
	var conns []net.Conn
	for i, size := range []int{0, 2 * minInflightCost, 0, 0} { // five or six parts of eight: two thirds
		conn := p.dial(t)
		_, _ = io.WriteString(conn, webhook(fmt.Sprint("w", i), "token", size))
		<-slow.entered
		conns = append(conns, conn)
	}
	for _, size := range []int{0, 2 * minInflightCost} {
		resp, body := p.ask(t, webhook("more", "token", size))
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "MAX_INFLIGHT_BYTES") {
			t.Errorf("with %d bytes: %d %v %s", size, resp.StatusCode, resp.Header, body)
		}
	}
	for _, conn := range conns {
		slow.leave <- struct{}{}
		defer func() {
			if resp, body := answerOf(t, conn); resp.StatusCode != http.StatusAccepted {
				t.Errorf("HTTP %d %s", resp.StatusCode, body)
			}
		}()
	}
	redistest.Eventually(t, "all are answered", func() bool { return p.bytes.inUse() == 0 })
	go func() {
		<-slow.entered
		slow.leave <- struct{}{}
	}()
	if resp, body := p.ask(t, webhook("more", "token", 2*minInflightCost)); resp.StatusCode != http.StatusAccepted {
		t.Errorf("afterwards: HTTP %d %s", resp.StatusCode, body)
	}
}

// TestEverythingIsGivenBack: whatever clients send, whole, in parts or one request after the other, and wherever they stop, the server holds
// nothing of it once they are gone.
func TestEverythingIsGivenBack(t *testing.T) {
	t.Parallel()
	p := serve(t, Config{MaxBodyBytes: 64 << 10, MaxInflightBytes: 256 << 10, MaxConnections: 32}, &fakeQueue{}, nil)
	good := webhook("w", "token", 0)
	chunked := testLine + "Authorization: Bearer token\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{    \r\n0\r\n\r\n"
	requests := []string{
		good, webhook("w", "token", 60<<10), webhook("w", "wrong", 10), webhook("w", "token", 70<<10), webhook("w", "wrong", 300<<10), chunked,
		"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "GET /nothing HTTP/1.1\nHost: x\n\n", "\r\n\r\n", "GET / HTTP/1.1\r\n" + strings.Repeat("a:\r\n", 5000) + "\r\n",
		testLine + "Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n", testLine + "Content-Length: 99\r\n\r\n{",
	}
	rapid.Check(t, func(rt *rapid.T) {
		sent := strings.Join(rapid.SliceOfN(rapid.SampledFrom(requests), 1, 4).Draw(rt, "requests"), "")
		sent = sent[:rapid.IntRange(0, len(sent)).Draw(rt, "until")]
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			rt.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		for sent != "" {
			n := rapid.IntRange(1, len(sent)).Draw(rt, "part")
			_, _ = io.WriteString(conn, sent[:n])
			sent = sent[n:]
		}
		if rapid.Bool().Draw(rt, "reads") {
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		}
		_ = conn.Close()
	})
	p.empty(t)
	if resp, body := p.ask(t, good); resp.StatusCode != http.StatusAccepted {
		t.Errorf("HTTP %d %s", resp.StatusCode, body)
	}
}

// TestShares: clients never hold more than there is, nor one of them more than its share; a client that holds nothing gets something as long
// as the others are few.
func TestShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := newBudget(rapid.Int64Range(minShared, 1<<30).Draw(t, "total"), littleBytes)
		share := rapid.SampledFrom([]int64{bodyShare, headShare}).Draw(t, "share")
		held := map[netip.Addr]int64{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			client := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 9).Draw(t, "client"))})
			if n := rapid.Int64Range(0, b.total).Draw(t, "bytes"); rapid.Bool().Draw(t, "take") {
				if b.take(client, n, share) {
					held[client] += n
				}
			} else {
				n = min(n, held[client])
				b.give(client, n)
				held[client] -= n
			}
			var sum int64
			for c, n := range held {
				sum += n
				if n > b.total*share/(share+1)+share {
					t.Fatalf("%s holds %d of %d", c, n, b.total)
				}
			}
			if b.inUse() != sum || sum > b.total {
				t.Fatalf("%d in use, held %d, of %d", b.inUse(), sum, b.total)
			}
		}
		// Others hold all that they can get: the next one still gets a small request through.
		b = newBudget(8<<20, littleBytes)
		for i := range 40 {
			client := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			for step := int64(8 << 20); step > 0; step /= 2 {
				for b.take(client, step, share) {
				}
			}
		}
		if !b.take(netip.MustParseAddr("10.1.1.1"), minInflightCost, bodyShare) {
			t.Fatalf("a newcomer gets nothing of %d free bytes", b.total-b.inUse())
		}
	})
}

// TestClientsBehindAProxy: behind a trusted proxy each client has its own share and its own refusals.
func TestClientsBehindAProxy(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.TrustedProxies = []string{"127.0.0.1"}
	p := serve(t, config, &fakeQueue{}, nil)
	from := func(client, token string) *http.Response {
		resp, _ := p.ask(t, strings.Replace(webhook("w", token, 0), "Host: ringup\r\n", "Host: ringup\r\nX-Forwarded-For: "+client+"\r\n", 1))
		return resp
	}
	for range refusalBurst {
		if resp := from("1.1.1.1", "wrong"); resp.StatusCode != http.StatusUnauthorized || resp.Close {
			t.Fatalf("HTTP %d, closed: %v", resp.StatusCode, resp.Close)
		}
	}
	if resp := from("1.1.1.1", "wrong"); resp.StatusCode != http.StatusUnauthorized || !resp.Close {
		t.Errorf("one more: HTTP %d, closed: %v", resp.StatusCode, resp.Close)
	}
	if resp := from("2.2.2.2", "wrong"); resp.StatusCode != http.StatusUnauthorized || resp.Close {
		t.Errorf("another client: HTTP %d, closed: %v", resp.StatusCode, resp.Close)
	}
	if n := p.count(t, "slowed"); n != 1 {
		t.Errorf("%v are counted as slowed", n)
	}
}

// TestGuessing: who is refused for the key again and again is slowed down, and does not fill the log. Who has the key is not affected, also at the
// same address.
func TestGuessing(t *testing.T) {
	t.Parallel()
	p := serve(t, testConfig(), &fakeQueue{}, nil)
	const n = 200
	done := make(chan bool, n)
	for range n {
		go func() {
			resp, _ := p.ask(t, webhook("w", "wrong", 0))
			done <- resp.StatusCode == http.StatusUnauthorized && resp.Header.Get("WWW-Authenticate") != ""
		}()
	}
	for range n {
		if !<-done {
			t.Fatal("not answered 401")
		}
	}
	if slowed := p.count(t, "slowed"); slowed < n-2*refusalBurst {
		t.Errorf("%v of %d were slowed down", slowed, n)
	}
	if resp, body := p.ask(t, webhook("w", "token", 0)); resp.StatusCode != http.StatusAccepted || resp.Close {
		t.Errorf("with the key: HTTP %d %s", resp.StatusCode, body)
	}
	if lines := strings.Count(p.log.String(), "webhook refused"); lines == 0 || lines > 2*refusalBurst {
		t.Errorf("%d lines in the log", lines)
	}
}

// TestManyConnections: one client cannot take all connections, and is told so.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.MaxConnections = 100
	p := serve(t, config, &fakeQueue{}, nil)
	refused := 0
	for range 100 {
		conn := p.dial(t)
		_, _ = io.WriteString(conn, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && resp.StatusCode == http.StatusNotFound {
			continue
		}
		refused++
	}
	if refused != 25 {
		t.Errorf("%d of 100 connections of one client were refused, want 25", refused)
	}
	if n := p.count(t, "connections"); n != float64(refused) {
		t.Errorf("%v are counted", n)
	}
}

// TestTraceOfAStranger: whether a webhook is traced is not for a stranger to say.
func TestTraceOfAStranger(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans), sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	defer func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) }()
	p := serve(t, testConfig(), &fakeQueue{}, func(o *Options) { o.Tracer = provider.Tracer("test") })
	traced := func(token string) int {
		before := len(spans.Ended())
		p.ask(t, strings.Replace(webhook("w", token, 0), "Host: ringup\r\n", "Host: ringup\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n", 1))
		redistest.Eventually(t, "the request has ended", func() bool { return p.connections.inUse() >= 0 && p.bytes.inUse() == 0 })
		return len(spans.Ended()) - before
	}
	if n := traced("wrong"); n != 0 {
		t.Errorf("without the key: %d spans", n)
	}
	if n := traced("token"); n != 1 {
		t.Errorf("with the key: %d spans", n)
	}
}
