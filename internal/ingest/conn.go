package ingest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/proxies"
)

// outcomeBusy is the outcome of a request that is refused because more is in flight than fits.
const outcomeBusy = "busy"

// busy is the refusal of what does not fit.
func busy() *inbound.Problem {
	return inbound.New(http.StatusServiceUnavailable, outcomeBusy, "too much is in flight (MAX_INFLIGHT_BYTES); send it again")
}

// listener accepts connections within MAX_CONNECTIONS, and charges what they send.
type listener struct {
	net.Listener
	server *Server
}

// Accept returns the next connection that there is room for. The others are answered 503 and closed.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := proxies.Peer(raw.RemoteAddr())
		c := &conn{Conn: raw, server: l.server, from: proxies.Whole(from), share: headShare}
		share := int64(connectionShare)
		if l.server.proxies.Has(from) {
			c.share, share = proxyShare, proxyShare
		}
		c.client = c.from
		if !l.server.connections.take(c.from, 1, share) {
			l.server.refused.WithLabelValues("connections").Inc()
			c.refuse("too many clients are connected (MAX_CONNECTIONS); send it again")
			_ = raw.Close()
			continue
		}
		if tcp, is := raw.(*net.TCPConn); is {
			_ = tcp.SetReadBuffer(receiveBuffer) // the system's default will do
		}
		return c, nil
	}
}

// phase is the part of a request that a connection is in.
type phase int

const (
	inHead phase = iota
	inBody
	discarding // the body is thrown away, and is not charged
)

// conn is a client's connection. It charges the bytes that have arrived, and not what a request announces, to the budget of all public
// endpoints, until the request is answered. The endpoints have nothing to do for it.
type conn struct {
	net.Conn
	server *Server
	from   netip.Addr // the other end
	share  int64      // of the head

	mu      sync.Mutex // net/http reads on while a request is served, to see the connection end
	phase   phase
	client  netip.Addr // whom charges go to: the other end, or whom a trusted proxy names
	head    int64      // bytes of the head
	rest    int64      // bytes that came after the head
	weight  int64      // what the request takes beside its bytes, counted as bytes of a body
	line    int        // bytes of the head's last line, so far
	first   byte       // of that line
	started bool       // the head has a line that is not empty: net/http passes over empty ones in front
	blind   bool       // the head began among other bytes, so where it ends cannot be seen
	charged int64
	closed  bool
}

// Read reads, and charges the bytes. Without room for it, a head is refused at once and the connection ends; the reader of a body gets a
// *inbound.Problem beside the bytes.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	was, share := c.phase, c.share
	if was == inBody {
		share = bodyShare
	}
	c.count(p[:n])
	// A read of one byte is net/http's own, beside the handler: to refuse it would end a request that is being served.
	if was == discarding || c.charge(share) || len(p) == 1 {
		return n, err
	}
	problem := &net.OpError{Op: "read", Net: "tcp", Err: busy()} // net/http answers nothing to an OpError
	if was == inBody {
		return n, problem
	}
	c.server.refused.WithLabelValues("bytes").Inc()
	c.refuse(busy().Detail)
	return 0, problem
}

// count adds bytes to the head, up to the empty line that ends it, and to the rest. A head counts for more, so what may be one counts as one.
func (c *conn) count(p []byte) {
	for c.phase == inHead && len(p) > 0 {
		if c.line == 0 {
			c.first = p[0]
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			c.line += len(p)
			c.head += int64(len(p))
			return
		}
		length := c.line + end
		empty := length == 0 || length == 1 && c.first == '\r'
		if empty && c.started && !c.blind {
			c.phase = inBody
		}
		c.started, c.line = c.started || !empty, 0
		c.head += int64(end) + 1
		p = p[end+1:]
	}
	c.rest += int64(len(p))
}

// charge brings the charge up to what has arrived.
func (c *conn) charge(share int64) bool {
	more := max(minInflightCost, headCost*c.head+c.rest+c.weight) - c.charged
	if more <= 0 {
		return true
	}
	if c.closed || !c.server.bytes.take(c.client, more, share) {
		return false
	}
	c.charged += more
	return true
}

// begin is called when a head has been read whole: from here on the request is client's. It reports whether the connection is good for
// another request: where requests came without waiting for answers, it is not known where the next one begins.
func (c *conn) begin(client netip.Addr) (reusable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reusable = c.phase == inBody
	c.phase = inBody
	c.server.bytes.move(c.client, client, c.charged)
	c.client = client
	return reusable
}

// admitted reports whether the request may be read and served.
func (c *conn) admitted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server.bytes.within(c.client, bodyShare)
}

// weigh charges for what the request has become: memory bytes beside its own bytes. It reports whether there is room for them.
func (c *conn) weigh(memory int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.weight = memory / bodyFactor
	return c.charge(bodyShare)
}

// fits charges a request, by its context, for memory bytes beside its own, and reports whether there is room for them. Under another server there is.
func fits(ctx context.Context, memory int64) bool {
	c, is := ctx.Value(connKey{}).(*conn)
	return !is || c.weigh(memory)
}

// discard gives the charge of the body back: from here on its bytes are thrown away. The head is there until the end, and charged.
func (c *conn) discard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.weight = discarding, 0
	c.give(c.charged - max(minInflightCost, headCost*c.head))
}

// end is called when a request with a body of length bytes was answered. Further bytes are the next one's head.
func (c *conn) end(length int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.give(c.charged)
	c.client = c.from
	c.phase, c.head, c.rest, c.weight, c.line, c.started = inHead, max(0, c.rest-max(0, length)), 0, 0, 0, false
	c.blind = c.head > 0
	if c.blind {
		c.charge(c.share) // the next read is refused where this is
	}
}

// give gives back a part of the charge, if it is more than nothing.
func (c *conn) give(n int64) {
	if n > 0 {
		c.server.bytes.give(c.client, n)
		c.charged -= n
	}
}

// Close closes the connection, and gives back all that it holds. A second call only closes.
func (c *conn) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.give(c.charged)
		c.server.connections.give(c.from, 1)
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// refuse answers for net/http, which knows of no request yet. A client that does not read it is not waited for.
func (c *conn) refuse(detail string) {
	body := fmt.Sprintf(`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":%q}`+"\n", detail)
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprintf(c.Conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: %s\r\nContent-Length: %d\r\nRetry-After: %d\r\nConnection: close\r\n\r\n%s",
		inbound.ProblemJSON, len(body), int(inbound.RetryAfter.Seconds()), body)
}
