// Package ops is the operators' port: health, readiness, metrics, profiles; and the logger.
package opsserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config of the operators' port and of the logs.
type Config struct {
	// Port for /metrics, /healthz, /readyz; never routed by the ingress. 0 takes a free one.
	Port int `env:"OPS_PORT, default=9090"`
	// PProf serves /debug/pprof on the operators' port.
	PProf bool `env:"PPROF, default=false"`
	// LogLevel is debug, info, warn or error.
	LogLevel string `env:"LOG_LEVEL, default=info"`
	// LogFormat is json or text.
	LogFormat string `env:"LOG_FORMAT, default=json"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	var errs []error
	if c.Port < 0 || c.Port > 65535 {
		errs = append(errs, fmt.Errorf("OPS_PORT is %d: set a port, as 9090", c.Port))
	}
	var level slog.Level
	if level.UnmarshalText([]byte(c.LogLevel)) != nil {
		errs = append(errs, fmt.Errorf("LOG_LEVEL is %q: set debug, info, warn or error", c.LogLevel))
	}
	if c.LogFormat != "json" && c.LogFormat != "text" {
		errs = append(errs, fmt.Errorf("LOG_FORMAT is %q: set json or text", c.LogFormat))
	}
	return errors.Join(errs...)
}

// NewLogger returns the logger that the configuration asks for.
func NewLogger(c Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // checked by Validate
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// collectAt is GOGC where it is not set: these programs' live heaps are a few MiB, and at Go's own 100 they would spend a sixth of their
// time collecting them. GOMEMLIMIT, which the manifests set, still bounds the memory.
const collectAt = 400

// RelaxGC lets garbage pile up to several times the live heap before it is collected, unless GOGC says otherwise.
func RelaxGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}

// Check is one thing that readiness depends on.
type Check struct {
	Name string
	// Group: of the checks of one group, one has to be well. Checks without a group all have to be.
	Group string
	// TTL is how long an answer is good for, so that asking often costs a provider nothing.
	TTL time.Duration
	Run func(context.Context) error
}

// checkTimeout bounds one check.
const checkTimeout = 3 * time.Second

// failedTTL is how long a bad answer is good for: what has recovered is to be used soon.
const failedTTL = 5 * time.Second

// state is the latest answer of a check.
type state struct {
	mu      sync.Mutex
	at      time.Time
	latency time.Duration
	err     error
}

// Options are what the server is made of.
type Options struct {
	Config   Config
	Gatherer prometheus.Gatherer
	Live     func() error // nil: lives as long as it answers
	Checks   []Check
	Log      *slog.Logger
}

// Server serves the operators' port.
type Server struct {
	Options
	listener net.Listener
	http     *http.Server
	states   []state
	draining atomic.Bool
}

// New binds the port.
func New(o Options) (*Server, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", o.Config.Port)) //nolint:noctx // bound once, at start
	if err != nil {
		return nil, fmt.Errorf("OPS_PORT %d cannot be bound: %w", o.Config.Port, err)
	}
	s := &Server{Options: o, listener: listener, states: make([]state, len(o.Checks))}
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
		IdleTimeout: 2 * time.Minute}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Drain makes readiness answer 503 from now on.
func (s *Server) Drain() { s.draining.Store(true) }

// Serve answers until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the server.
func (s *Server) Close() error { return s.http.Close() }

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
	Name      string  `json:"name"`
	State     string  `json:"state"` // ok, failing
	Detail    string  `json:"detail,omitempty"`
	LatencyMs float64 `json:"latency_ms"`
	AgeMs     int64   `json:"age_ms"`
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	results := make([]checked, len(s.Checks))
	var all sync.WaitGroup
	for i := range s.Checks {
		all.Go(func() { results[i] = s.check(r.Context(), i) })
	}
	all.Wait()
	ready := true
	groups := map[string]bool{}
	for i, c := range s.Checks {
		well := results[i].State == "ok"
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
	}
	answer(w, code, map[string]any{"status": status, "checks": results})
}

// check runs a check, unless its latest answer is still good. Who asks at the same time waits for the same answer.
func (s *Server) check(ctx context.Context, i int) checked {
	c, last := s.Checks[i], &s.states[i]
	last.mu.Lock()
	defer last.mu.Unlock()
	good := c.TTL
	if last.err != nil {
		good = min(good, failedTTL)
	}
	if last.at.IsZero() || time.Since(last.at) >= good {
		// Whoever asked may go; the answer is for the next one too.
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		start := time.Now()
		last.err = c.Run(call)
		cancel()
		last.at, last.latency = time.Now(), time.Since(start)
	}
	result := checked{Name: c.Name, State: "ok", LatencyMs: float64(last.latency.Microseconds()) / 1000, AgeMs: time.Since(last.at).Milliseconds()}
	if last.err != nil {
		result.State, result.Detail = "failing", last.err.Error()
	}
	return result
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
