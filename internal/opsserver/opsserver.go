// Package opsserver serves the operators' port: health, readiness, metrics, profiles.
package opsserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

// Config of the operators' port.
type Config struct {
	// Port for /metrics, /healthz, /readyz, on all interfaces, as probes and Prometheus need it; never routed by the ingress. 0 takes a free one.
	Port int `env:"OPS_PORT, default=9090"`
	// PProf serves /debug/pprof on the operators' port, without a token: for the time of a profile, and behind a network policy.
	PProf bool `env:"PPROF, default=false"`

	// Host to listen on; all interfaces when it is empty. ringup dev sets it.
	Host string
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("OPS_PORT is %d: set a port, as 9090", c.Port)
	}
	return nil
}

// Check is one thing that readiness depends on.
type Check struct {
	Name string
	// Group of checks of which one has to pass. Without a group the check itself has to.
	Group string
	// TTL is how long an answer is good for, so that frequent requests cost a provider nothing. A bad answer is good for failedTTL at most.
	TTL time.Duration
	// Grace is how long a check that has passed before may fail until readiness follows, for what the program answers for meanwhile. A check that has never
	// passed has none.
	Grace time.Duration
	// Run is called by one request at a time, with a context that ends after checkTimeout.
	Run func(context.Context) error
}

const (
	// MaxHeaderBytes bounds a request's headers on the ports that are not public: those of probes, Prometheus and browsers are far below.
	MaxHeaderBytes = 16 << 10
	// maxConnections is above what probes, Prometheus and a person with a profile need. More wait.
	maxConnections = 64
)

// checkTimeout bounds one check.
const checkTimeout = 3 * time.Second

// failedTTL is how long a bad answer is good for, at most: a provider that has recovered is to be used soon.
const failedTTL = 5 * time.Second

// state is the latest answer of a check.
type state struct {
	mu      sync.Mutex
	at      time.Time
	latency time.Duration
	err     error
	passed  bool      // once, at least
	failing time.Time // since when; zero while it passes
}

// left returns how much of a grace is left to a check that fails; 0 or less for none.
func (s *state) left(grace time.Duration) time.Duration {
	if !s.passed {
		return 0
	}
	return grace - time.Since(s.failing)
}

// Options are the parts of a Server.
type Options struct {
	Config   Config
	Gatherer prometheus.Gatherer
	Live     func() error // nil: the program is alive as long as it answers
	Checks   []Check
}

// Server serves the operators' port.
type Server struct {
	Options
	listener net.Listener
	http     *http.Server
	states   []state
	draining atomic.Bool
}

// New binds the port. The error says that it could not.
func New(o Options) (*Server, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(o.Config.Host, strconv.Itoa(o.Config.Port))) //nolint:noctx // bound once, at start
	if err != nil {
		return nil, fmt.Errorf("OPS_PORT %d cannot be bound: %w", o.Config.Port, err)
	}
	s := &Server{Options: o, listener: netutil.LimitListener(listener, maxConnections), states: make([]state, len(o.Checks))}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.ready)
	if o.Config.PProf {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	// A profile takes 30 s by default, so writing may take longer than that.
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 90 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: MaxHeaderBytes}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Drain makes readiness answer 503 from now on. Health and metrics are still served.
func (s *Server) Drain() { s.draining.Store(true) }

// Serve answers requests until Close, and returns nil then.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close frees the port, ends the server and cuts off the requests it has. Serve need not have been called. A second call does nothing.
func (s *Server) Close() error {
	err := s.http.Close()
	// The http.Server knows the listener once it serves, and may have closed it.
	if closeErr := s.listener.Close(); !errors.Is(closeErr, net.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	return err
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if s.Live != nil {
		if err := s.Live(); err != nil {
			answer(w, http.StatusServiceUnavailable, map[string]string{"status": "stuck", "detail": err.Error()})
			return
		}
	}
	answer(w, http.StatusOK, map[string]string{"status": "alive"})
}

// checked is how readiness shows a check.
type checked struct {
	Name       string  `json:"name"`
	State      string  `json:"state"` // ok, failing
	Detail     string  `json:"detail,omitempty"`
	LatencyMs  float64 `json:"latency_ms"`
	AgeMs      int64   `json:"age_ms"`
	ReadyForMs int64   `json:"ready_for_ms,omitempty"` // how much longer readiness passes over the failure
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	results := make([]checked, len(s.Checks))
	var all sync.WaitGroup
	for i := range s.Checks {
		all.Go(func() { results[i] = s.check(r.Context(), i) })
	}
	all.Wait()
	ready, degraded := true, false
	groups := map[string]bool{}
	for i, c := range s.Checks {
		passedOver := results[i].ReadyForMs > 0
		well := results[i].State == "ok" || passedOver
		degraded = degraded || passedOver
		if c.Group == "" {
			ready = ready && well
		} else {
			groups[c.Group] = groups[c.Group] || well
		}
	}
	for _, well := range groups {
		ready = ready && well
	}
	status, code := "ready", http.StatusOK
	switch {
	case s.draining.Load():
		status, code = "draining", http.StatusServiceUnavailable
	case !ready:
		status, code = "not ready", http.StatusServiceUnavailable
	case degraded:
		status = "degraded"
	}
	answer(w, code, map[string]any{"status": status, "checks": results})
}

// check runs a check, unless its latest answer is still good. Requests that come meanwhile wait for the same answer.
func (s *Server) check(ctx context.Context, i int) checked {
	c, last := s.Checks[i], &s.states[i]
	last.mu.Lock()
	defer last.mu.Unlock()
	good := c.TTL
	if last.err != nil {
		good = min(good, failedTTL)
	}
	if last.at.IsZero() || time.Since(last.at) >= good {
		// The client may disconnect; the answer is for the next request too.
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		start := time.Now()
		last.err = c.Run(call)
		cancel()
		last.at, last.latency = time.Now(), time.Since(start)
		switch {
		case last.err == nil:
			last.passed, last.failing = true, time.Time{}
		case last.failing.IsZero():
			last.failing = start
		}
	}
	result := checked{Name: c.Name, State: "ok", LatencyMs: float64(last.latency.Microseconds()) / 1000, AgeMs: time.Since(last.at).Milliseconds()}
	if last.err != nil {
		result.State, result.Detail, result.ReadyForMs = "failing", last.err.Error(), max(0, last.left(c.Grace).Milliseconds())
	}
	return result
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
