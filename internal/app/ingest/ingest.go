// Package ingestd puts the ingest program together: configuration, connections, servers, and the order in which they stop.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sethvargo/go-envconfig"
	"golang.org/x/net/netutil"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/callback"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/ingest"
	"ringup.dev/ringup/internal/opsserver"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/store/envstore"
	"ringup.dev/ringup/internal/telemetry/otlp"
	"ringup.dev/ringup/internal/unsubscribe"
)

// Server is where ingest listens, and how it stops.
type Server struct {
	// Port for the public endpoints. 0 takes a free one.
	Port int `env:"PORT, default=3000"`
	// ShutdownDelay is how long ingest serves on after it was told to stop, so that load balancers can follow.
	ShutdownDelay time.Duration `env:"SHUTDOWN_DELAY, default=0s"`
	// ShutdownTimeout bounds how long the requests that are under way may take then.
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT, default=20s"`
}

// DrainTime is the longest that ingest takes to stop: the delay, the requests under way, and what they enqueued.
func (s *Server) DrainTime() time.Duration {
	return s.ShutdownDelay + s.ShutdownTimeout + redisstore.FlushTime
}

// Config is all that ingest is configured by.
type Config struct {
	Server  Server
	Auth    generic.Config
	Ingest  ingest.Config
	Staff   envstore.Recipients
	Address address.Config
	Redis   redisstore.Config
	Ops     opsserver.Config
	Tracing otlp.Config
	Calls   callback.Config
	Links   unsubscribe.Config
	Page    unsubscribe.PageConfig
}

// Load reads the configuration. The error has every problem, each with what to set.
func Load(ctx context.Context, env envconfig.Lookuper) (Config, error) {
	var c Config
	// What cannot be read has its default below, so that everything else is looked at too.
	errs := []error{config.Read(ctx, env, &c.Server, &c.Auth, &c.Ingest, &c.Staff, &c.Address, &c.Redis, &c.Ops, &c.Tracing, &c.Calls, &c.Links, &c.Page)}
	if c.Server.Port < 0 || c.Server.Port > 65535 {
		errs = append(errs, fmt.Errorf("PORT is %d: set a port, as 3000", c.Server.Port))
	}
	if c.Server.ShutdownDelay < 0 || c.Server.ShutdownTimeout <= 0 {
		errs = append(errs, fmt.Errorf("SHUTDOWN_DELAY is %s and SHUTDOWN_TIMEOUT %s: set times, the second above 0",
			c.Server.ShutdownDelay, c.Server.ShutdownTimeout))
	}
	region := c.Address.Validate()
	errs = append(errs, c.Auth.Validate(), region, c.Ingest.Validate(), c.Redis.Validate(), c.Ops.Validate(), c.Tracing.Validate(), c.Calls.Validate(), c.Links.Validate())
	if region == nil {
		_, err := c.Staff.Store(c.Address.DefaultRegion, address.Read)
		errs = append(errs, err)
	}
	return c, errors.Join(errs...)
}

// Ingest is the program, its ports bound.
type Ingest struct {
	config     Config
	log        *slog.Logger
	store      *redisstore.Store
	producer   *redisstore.Producer
	sweeper    *redisstore.Sweeper
	deliveries *redisstore.Deliveries
	ops        *opsserver.Server
	listener   net.Listener
	public     *http.Server
	traces     *otlp.Tracing
	leaving    atomic.Bool
}

// New builds the program from a valid configuration and binds its ports. Redis may be away.
func New(c Config, log *slog.Logger) (*Ingest, error) {
	// Each step needs the one before; Go's scoping keeps the order.
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	store, err := redisstore.Open(c.Redis, log)
	if err != nil {
		return nil, err
	}
	traces, err := otlp.New(context.Background(), c.Tracing, "ringup-ingest")
	if err != nil {
		return nil, err
	}
	verifier, err := generic.New(c.Auth, time.Now)
	if err != nil {
		return nil, err
	}
	shop, err := c.Staff.Store(c.Address.DefaultRegion, address.Read)
	if err != nil {
		return nil, err
	}
	store.Instrument(registry)
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	registry.MustRegister(store.QueueCollector(fmt.Sprintf("%s/%d", host, os.Getpid())))
	producer, sweeper, deliveries := store.Producer(registry), store.Sweeper(registry), store.Deliveries(registry)
	calls, err := callback.New(callback.Options{Config: c.Calls, Sink: deliveries, Registerer: registry, Log: log})
	if err != nil {
		return nil, err
	}
	routes := []func(chi.Router){calls.Routes}
	links, err := unsubscribe.New(c.Links)
	if err != nil {
		return nil, err
	}
	if links != nil {
		page := unsubscribe.NewPage(unsubscribe.Options{Config: c.Page, Links: links, Sink: deliveries, Log: log})
		routes = append(routes, func(r chi.Router) { r.Handle(unsubscribe.Pattern, page) })
	}
	handler, err := ingest.NewHandler(ingest.Options{
		Config: c.Ingest, Store: shop, Verifier: verifier, Enqueuer: producer, Notifier: store, Registerer: registry, Log: log,
		Tracer: traces.Tracer(), Routes: routes,
	})
	if err != nil {
		return nil, err
	}
	operators, err := opsserver.New(opsserver.Options{Config: c.Ops, Gatherer: registry, Log: log, Checks: []opsserver.Check{
		{Name: "redis", TTL: time.Second, Run: store.Ping},
	}})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", c.Server.Port)) //nolint:noctx // bound once, at start
	if err != nil {
		return nil, errors.Join(fmt.Errorf("PORT %d cannot be bound: %w", c.Server.Port, err), operators.Close())
	}
	i := &Ingest{
		config: c, log: log, store: store, producer: producer, sweeper: sweeper, deliveries: deliveries, traces: traces, ops: operators,
		listener: netutil.LimitListener(listener, c.Ingest.MaxConnections),
	}
	i.public = ingest.Server(i.farewell(handler), log)
	return i, nil
}

// farewell asks clients, once ingest is to stop, to connect anew with their next request: by then it goes to somebody else, and none of
// their requests meets a connection that is being closed.
func (i *Ingest) farewell(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Addr is where the public endpoints are.
func (i *Ingest) Addr() string { return i.listener.Addr().String() }

// OpsAddr is where the operators' port is.
func (i *Ingest) OpsAddr() string { return i.ops.Addr() }

// Run serves until ctx ends, and then stops in this order: readiness says so; the public port serves on for SHUTDOWN_DELAY; it takes
// no new connections and finishes the requests it has; what they enqueued is flushed; Redis; the operators' port last.
func (i *Ingest) Run(ctx context.Context) error {
	failed := make(chan error, 2)
	go func() { failed <- i.ops.Serve() }()
	go func() {
		err := i.public.Serve(i.listener)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		failed <- err
	}()
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var beside sync.WaitGroup
	beside.Go(func() { i.sweeper.Run(background) })
	beside.Go(func() { i.deliveries.Run(background) })
	go i.store.LogWarnings(background)
	i.log.Info("ingest serves", "port", i.Addr(), "ops", i.OpsAddr(), "channels", i.config.Staff.Channels)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	i.ops.Drain()
	i.leaving.Store(true)
	if err == nil && i.config.Server.ShutdownDelay > 0 {
		i.log.Info("stopping: serving on until load balancers have followed", "delay", i.config.Server.ShutdownDelay)
		<-time.After(i.config.Server.ShutdownDelay)
	}
	i.log.Info("stopping: finishing the requests that are under way")
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.config.Server.ShutdownTimeout)
	defer cancel()
	if shutdownErr := i.public.Shutdown(finish); shutdownErr != nil {
		err = errors.Join(err, fmt.Errorf("requests were cut off: %w", shutdownErr), i.public.Close())
	}
	i.producer.Close()
	stopBackground()
	beside.Wait()
	return errors.Join(err, i.store.Close(), i.traces.Close(finish), i.ops.Close())
}
