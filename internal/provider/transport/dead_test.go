package transport_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/provider/transport"
)

// path is a way to a server on which connections can die without a word: nothing gets through any more, and nothing is closed.
type path struct {
	server string
	addr   string

	mu   sync.Mutex
	dead []*atomic.Bool // of each connection, in order
}

func newPath(t *testing.T, server string) *path {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &path{server: server, addr: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = client.Close() })
			p.connect(t, client)
		}
	}()
	return p
}

func (p *path) connect(t *testing.T, client net.Conn) {
	var d net.Dialer
	server, err := d.DialContext(context.Background(), "tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	t.Cleanup(func() { _ = server.Close() })
	dead := &atomic.Bool{}
	p.mu.Lock()
	p.dead = append(p.dead, dead)
	p.mu.Unlock()
	for _, way := range [][2]net.Conn{{server, client}, {client, server}} {
		go func() {
			buffer := make([]byte, 32<<10)
			for {
				n, err := way[1].Read(buffer)
				if !dead.Load() {
					_, _ = way[0].Write(buffer[:n])
				}
				if err != nil {
					if !dead.Load() {
						_ = way[0].Close()
					}
					return
				}
			}
		}()
	}
}

// kill makes all connections die, and returns how many there have been.
func (p *path) kill() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, dead := range p.dead {
		dead.Store(true)
	}
	return len(p.dead)
}

// throughDeadPath starts a server that speaks HTTP/2, and a path to it whose first connection is dead, with a client that has used it.
func throughDeadPath(t *testing.T) (*transport.Client, *path) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	p := newPath(t, server.Listener.Addr().String())
	client := transport.NewTrusting(4, server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs)
	for range 2 {
		call := client.Call(t.Context(), nil)
		if err := get(t, call, "https://"+p.addr); err != nil || string(call.Body) != "HTTP/2.0" {
			t.Fatalf("%q, %v", call.Body, err)
		}
	}
	if n := p.kill(); n != 1 {
		t.Fatalf("two calls made %d connections", n)
	}
	return client, p
}

// TestDeadConnection: a connection of HTTP/2 that died without a word is left, and a new one is made. Without pings, each send would end by its own
// time-out, until the kernel gives the connection up.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	client, p := throughDeadPath(t)
	for lost := 0; ; lost++ {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		call := client.Call(ctx, nil)
		err := get(t, call, "https://"+p.addr)
		cancel()
		if err == nil {
			break
		}
		if e := call.Failure; e == nil || e.Class != failure.Ambiguous {
			t.Fatalf("%v: it may have arrived", e)
		}
		if lost > 30 {
			t.Fatalf("%d sends went over the dead connection", lost)
		}
	}
}

// TestProbeOverDeadConnection: the probe's first try reaches the provider, and so does the message after it.
func TestProbeOverDeadConnection(t *testing.T) {
	t.Parallel()
	client, p := throughDeadPath(t)
	for name, call := range map[string]*transport.Call{"probe": client.Probe(t.Context(), nil), "send": client.Call(t.Context(), nil)} {
		if err := get(t, call, "https://"+p.addr); err != nil || string(call.Body) != "HTTP/2.0" {
			t.Errorf("%s: %q, %v", name, call.Body, err)
		}
	}
}
