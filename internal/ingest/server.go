package ingest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/proxies"
	"ringup.dev/ringup/internal/unsubscribe"
)

// ServerOptions are what the public server is made of. All are required but IdleTimeout.
type ServerOptions struct {
	Config      Config
	Limits      Limits
	IdleTimeout time.Duration // 0: that of reading a request
	Handler     http.Handler
	Registerer  prometheus.Registerer
	Log         *slog.Logger
}

// Server is the public server. Its limits hold for every endpoint: connections, the bytes in flight, the pace of clients, and refusals.
type Server struct {
	*http.Server
	next        http.Handler
	connections *budget
	bytes       *budget
	proxies     proxies.List
	requireTLS  bool
	refusals    *inbound.Rates
	refused     *prometheus.CounterVec
	log         *slog.Logger
	logged      *inbound.Rates // requests over plain HTTP in the log, by client
	untold      sync.Once      // a trusted proxy sends no X-Forwarded-Proto
}

// NewServer returns the server. Errors are of the configuration.
func NewServer(o ServerOptions) (*Server, error) {
	trusted, err := o.Config.proxies()
	if err != nil {
		return nil, err
	}
	s := &Server{
		next: o.Handler, connections: newBudget(o.Limits.Connections, littleConnections), bytes: newBudget(o.Limits.Inflight, littleBytes),
		proxies: trusted, requireTLS: o.Config.RequireTLS, log: o.Log,
		refusals: inbound.NewRates(refusalRate, refusalBurst), logged: inbound.NewRates(refusalRate, refusalBurst),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_refused_total",
			Help: "Clients refused before an endpoint saw them, by the limit: connections (MAX_CONNECTIONS), bytes (MAX_INFLIGHT_BYTES); plain_http (REQUIRE_TLS); and slowed, refused for their key too often.",
		}, []string{"limit"}),
	}
	for _, limit := range []string{"connections", "bytes", "plain_http", "slowed"} {
		s.refused.WithLabelValues(limit)
	}
	o.Registerer.MustRegister(s.refused,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ringup_connections", Help: "Connections of clients (MAX_CONNECTIONS).",
		}, func() float64 { return float64(s.connections.inUse()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ringup_inflight_bytes", Help: "What requests in flight count for (MAX_INFLIGHT_BYTES).",
		}, func() float64 { return float64(s.bytes.inUse()) }),
	)
	s.Server = &http.Server{
		Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: o.IdleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	return s, nil
}

// Listener returns l within the server's limits: the server serves no other.
func (s *Server) Listener(l net.Listener) net.Listener { return &listener{Listener: l, server: s} }

// connKey and clientKey are the keys of a request's connection and client in its context.
type (
	connKey   struct{}
	clientKey struct{}
)

// clientOf returns whom a request comes from, as a key for rates; "" where the server is another one.
func clientOf(r *http.Request) string {
	client, _ := r.Context().Value(clientKey{}).(netip.Addr)
	return client.String()
}

// serve answers a request within the limits. What is left of a body that the endpoint did not want is thrown away before the answer goes out.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	peer := proxies.Peer(c.RemoteAddr())
	client := proxies.Whole(s.proxies.Client(peer, r.Header))
	// A request that gives its length and is chunked, too, is read by its chunks, and net/http forgets the length. A proxy in front may have
	// used the length, and the next bytes on the connection may be a smuggled request (RFC 9112, section 6.1, asks for the connection to be closed).
	if !c.begin(client) || len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close")
	}
	deadlines := http.NewResponseController(w)
	body := &pacedBody{ReadCloser: r.Body, request: r, conn: c, deadlines: deadlines, start: time.Now(), ended: r.Body == http.NoBody}
	body.drop()
	a := &answer{ResponseWriter: w, server: s, client: client.String(), large: r.ContentLength > lingerBytes}
	asked := r.WithContext(context.WithValue(r.Context(), clientKey{}, client))
	asked.Body = body
	if s.requireTLS && s.plain(peer, r) {
		s.refusePlain(a)
	} else {
		s.next.ServeHTTP(a, asked)
	}

	c.discard()
	// A client that waits for 100 Continue has not sent the body, and is not to.
	if waits := r.Header.Get("Expect") != "" && body.got == 0; !body.ended && !waits {
		_ = deadlines.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, r.Body, lingerBytes) // net/http closes the connection after a body that does not end
	}
	body.drop()
	if a.slowed {
		select {
		case <-time.After(refusalDelay):
		case <-r.Context().Done():
		}
	}
	c.end(r.ContentLength)
}

// plain reports whether a request came to a trusted proxy over plain HTTP, and is to be refused for it. An unsubscribe link holds no key of the shop, and nobody
// who wants no more messages is sent away.
func (s *Server) plain(from netip.Addr, r *http.Request) bool {
	scheme := s.proxies.Scheme(from, r.Header)
	if scheme == "" && s.proxies.Has(from) {
		s.untold.Do(func() {
			s.log.Warn("X-Forwarded-Proto missing", "from", from, "set", "the header in the proxy: REQUIRE_TLS refuses nothing without it")
		})
	}
	return scheme != "" && scheme != "https" && !strings.HasPrefix(r.URL.Path, unsubscribe.Path+"/")
}

// refusePlain answers a request that came to the proxy over plain HTTP. A redirect would be followed with the same token, which has gone in the clear already.
func (s *Server) refusePlain(a *answer) {
	s.refused.WithLabelValues("plain_http").Inc()
	if s.logged.Allow(a.client) { // the metric counts the others
		s.log.Warn("plain HTTP refused")
	}
	inbound.New(http.StatusForbidden, "", "this came over plain HTTP (REQUIRE_TLS): send it to https://, and change the token, which anybody on the way could read").Write(a)
}

// pacedBody is a request's body, of which no part is read beyond the limits: a client that is too slow is cut off, and one that sends more
// than there is room for gets a *inbound.Problem as the error.
type pacedBody struct {
	io.ReadCloser
	request   *http.Request
	conn      *conn
	deadlines *http.ResponseController
	start     time.Time
	got       int64
	ended     bool
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	if b.got == 0 && !b.ended && !b.conn.admitted() {
		return 0, busy()
	}
	pace := min(readTimeout, bodyGrace+time.Duration(b.got)*time.Second/minBodyRate)
	_ = b.deadlines.SetReadDeadline(b.start.Add(pace))
	n, err := b.ReadCloser.Read(p)
	b.got += int64(n)
	if err == io.EOF {
		b.ended = true
		b.drop()
		_ = b.deadlines.SetReadDeadline(time.Time{}) // net/http reads on, and would take its end for the client's
	}
	return n, err
}

// drop drops the fields behind a chunked body, those that are announced and those that have come, which no endpoint wants: net/http keeps them all, and they take as much memory as those of a head.
func (b *pacedBody) drop() { b.request.Trailer = nil }

// answer slows a client down that is refused for its key again and again.
type answer struct {
	http.ResponseWriter
	server *Server
	client string
	large  bool // the body is announced larger than what is thrown away
	slowed bool
}

// WriteHeader implements http.ResponseWriter. Every 503 and 429 of the public port says when to come again, whichever endpoint it is from.
func (a *answer) WriteHeader(status int) {
	if again := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests; again && a.Header().Get("Retry-After") == "" {
		a.Header().Set("Retry-After", strconv.Itoa(int(inbound.RetryAfter.Seconds())))
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		a.slowed = !a.server.refusals.Allow(a.client)
	}
	if a.slowed {
		a.server.refused.WithLabelValues("slowed").Inc()
	}
	if a.slowed || a.large {
		a.Header().Set("Connection", "close")
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find the deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// notAllowed names the methods that an address takes.
func notAllowed(w http.ResponseWriter, r *http.Request) {
	allowed := http.MethodGet
	if chi.RouteContext(r.Context()).Routes.Match(chi.NewRouteContext(), http.MethodPost, r.URL.Path) {
		allowed = http.MethodPost
	}
	w.Header().Set("Allow", allowed)
	inbound.New(http.StatusMethodNotAllowed, "", "this address takes "+allowed).Write(w)
}
