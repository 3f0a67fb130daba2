// Package ingest puts the ingest program together: configuration, connections, servers, and the order in which they stop.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/app"
	"ringup.dev/ringup/internal/app/shop"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/ingest"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/opsserver"
	"ringup.dev/ringup/internal/provider/callbacks"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/store/envstore"
	"ringup.dev/ringup/internal/telemetry"
	"ringup.dev/ringup/internal/telemetry/otlp"
	"ringup.dev/ringup/internal/unsubscribe"
	"ringup.dev/ringup/internal/unsubscribe/page"
)

// Server is where ingest listens, and how it stops.
type Server struct {
	// Port for the public endpoints. 0 takes a free one.
	Port int `env:"PORT, default=3000"`
	// ShutdownDelay is how long ingest serves on after it was told to stop, so that load balancers can follow.
	ShutdownDelay time.Duration `env:"SHUTDOWN_DELAY, default=0s"`
	// ShutdownTimeout bounds how long the requests that are under way may take then.
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT, default=20s"`
	// IdleTimeout is how long a connection without a request stays open: longer than your ingress's or load balancer's own time (docs/operations/sizing.md has a table), so that it is the one that closes, and no webhook meets a closed connection.
	IdleTimeout time.Duration `env:"IDLE_TIMEOUT, default=130s"`
	// ReadyGrace is how long ingest stays ready when Redis goes away: it answers 503 with Retry-After itself, where without it the load balancer would refuse connections or answer 404. At start it is ready once Redis is there. 0s: it is ready with Redis only.
	ReadyGrace time.Duration `env:"READY_GRACE, default=5m"`

	// Host to listen on; all interfaces when it is empty. ringup dev sets it.
	Host string
}

// DrainTime is the longest that ingest takes to stop: the delay, the requests under way, and the jobs they enqueued.
func (s *Server) DrainTime() time.Duration {
	return s.ShutdownDelay + s.ShutdownTimeout + redisstore.FlushTime
}

// Config is the whole configuration of ingest.
type Config struct {
	Server    Server
	Auth      generic.Config
	Senders   catalog.Config
	Ingest    ingest.Config
	Staff     envstore.Recipients
	Address   address.Config
	Countries address.CountriesConfig
	Redis     redisstore.Config
	Ops       opsserver.Config
	Log       telemetry.LogConfig
	Tracing   otlp.Config
	Callbacks callbacks.Config
	Links     unsubscribe.Config
	Brand     envstore.Brand

	env envconfig.Lookuper // to read secrets again; nil of a Config that Load did not make
}

// Load reads the configuration. The error has every problem, each with what to set.
func Load(ctx context.Context, env envconfig.Lookuper) (Config, error) {
	c := Config{env: env}
	// A variable that cannot be read has its default below, so that everything else is checked too.
	errs := []error{config.Read(ctx, env, &c.Server, &c.Auth, &c.Senders, &c.Ingest, &c.Staff, &c.Address, &c.Countries, &c.Redis, &c.Ops, &c.Log, &c.Tracing, &c.Callbacks, &c.Links, &c.Brand)}
	if c.Server.Port < 0 || c.Server.Port > 65535 {
		errs = append(errs, fmt.Errorf("PORT is %d: set a port, as 3000", c.Server.Port))
	}
	if c.Server.ShutdownDelay < 0 || c.Server.ShutdownTimeout <= 0 {
		errs = append(errs, fmt.Errorf("SHUTDOWN_DELAY is %s and SHUTDOWN_TIMEOUT %s: set times, the second above 0",
			c.Server.ShutdownDelay, c.Server.ShutdownTimeout))
	}
	if c.Server.IdleTimeout < time.Second {
		errs = append(errs, fmt.Errorf("IDLE_TIMEOUT is %s: set a second or more, as 130s", c.Server.IdleTimeout))
	}
	if c.Server.ReadyGrace < 0 {
		errs = append(errs, fmt.Errorf("READY_GRACE is %s: set a time, as 5m, or 0s", c.Server.ReadyGrace))
	}
	region := c.Address.Validate()
	errs = append(errs, c.validateAuth(), c.Senders.Validate(), region, c.Countries.Validate(), c.Ingest.Validate(), c.Redis.Validate(), c.Ops.Validate(), c.Log.Validate(), c.Tracing.Validate(), c.Callbacks.Validate(), c.Links.Validate(), c.Brand.Validate())
	if region == nil {
		_, err := c.Staff.Store(c.Address.DefaultRegion, address.Read)
		errs = append(errs, err)
	}
	return c, errors.Join(errs...)
}

// fingerprint is that of the settings that replicas share, without the addresses of the staff and without BUSINESS_LOGO_URL, which may have a password in it.
func (c *Config) fingerprint() string {
	brand := c.Brand
	brand.BusinessLogoURL = ""
	return redisstore.Fingerprint(c.Ingest, c.Staff.Channels, c.Senders.Resolve, c.Address, c.Countries, brand)
}

// validateAuth checks the keys of POST /webhooks/pos, which may be missing where another sender has one.
func (c *Config) validateAuth() error {
	if !c.Auth.On() && !c.Auth.RequireSignature && c.Senders.On() {
		return nil
	}
	return c.Auth.Validate()
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
	public     *ingest.Server
	traces     *otlp.Tracing
	verifier   *generic.Verifier
	senders    *catalog.Senders
	callbacks  *ingest.Callbacks
	links      *unsubscribe.Links
	handler    *ingest.Handler
	draining   atomic.Bool
}

// New builds the program from a valid configuration and binds its ports. Redis may be away.
func New(c Config, log *slog.Logger) (*Ingest, error) {
	// Each step needs the one before; Go's scoping keeps the order.
	registry := telemetry.NewRegistry()
	store, err := redisstore.Open(c.Redis, log)
	if err != nil {
		return nil, err
	}
	traces, err := otlp.New(context.Background(), c.Tracing, "ringup-ingest")
	if err != nil {
		return nil, err
	}
	verifier, err := verifierOf(&c.Auth)
	if err != nil {
		return nil, err
	}
	senders, err := catalog.New(c.Senders)
	if err != nil {
		return nil, err
	}
	place, err := shop.New(&c.Staff, c.Address, c.Countries, log)
	if err != nil {
		return nil, err
	}
	c.Brand.Describe(place)
	store.Instrument(registry)
	registry.MustRegister(store.QueueCollector(app.ProcessID()))
	producer, sweeper, deliveries := store.Producer(registry), store.Sweeper(registry), store.Deliveries(registry)
	endpoints, links, routes, err := routes(c, deliveries, registry, log)
	if err != nil {
		return nil, err
	}
	handler, err := ingest.NewHandler(ingest.Options{
		Config: c.Ingest, Store: place, Verifier: verifier, Senders: senders, Kept: store, Enqueuer: producer, Notifier: store, Registerer: registry, Log: log,
		Tracer: traces.Tracer(), Routes: routes,
	})
	if err != nil {
		return nil, err
	}
	operators, err := opsserver.New(opsserver.Options{Config: c.Ops, Gatherer: registry, Checks: []opsserver.Check{
		{Name: "redis", TTL: time.Second, Grace: c.Server.ReadyGrace, Run: store.Ready(redisstore.Ingest, message.Queues...)},
	}})
	if err != nil {
		return nil, err
	}
	listener, err := app.Listen("PORT", net.JoinHostPort(c.Server.Host, strconv.Itoa(c.Server.Port)))
	if err != nil {
		return nil, errors.Join(err, operators.Close())
	}
	i := &Ingest{config: c, log: log, store: store, producer: producer, sweeper: sweeper, deliveries: deliveries, traces: traces, verifier: verifier, senders: senders,
		callbacks: endpoints, links: links, handler: handler, ops: operators}
	limits := c.Ingest.Limits(app.BoundMemory())
	log.Info("limits", "memory", limits.Memory, "max_connections", limits.Connections, "max_inflight_bytes", limits.Inflight)
	if limits.Worst() > limits.Memory {
		log.Warn("limits exceed memory", "memory", limits.Memory, "worst", limits.Worst(), "set", "more memory, or less of MAX_CONNECTIONS, MAX_INFLIGHT_BYTES and MAX_BODY_BYTES")
	}
	i.public, err = ingest.NewServer(ingest.ServerOptions{
		Config: c.Ingest, Limits: limits, IdleTimeout: c.Server.IdleTimeout, Handler: i.closeWhenDraining(handler), Registerer: registry, Log: log,
	})
	if err != nil {
		return nil, errors.Join(err, listener.Close(), operators.Close())
	}
	i.listener = i.public.Listener(listener)
	return i, nil
}

// verifierOf returns the verifier of POST /webhooks/pos; nil where that has no key.
func verifierOf(c *generic.Config) (*generic.Verifier, error) {
	if !c.On() {
		return nil, nil
	}
	return generic.New(*c, time.Now)
}

// routes are the endpoints beside those of webhooks: the providers' callbacks, and the unsubscribe page where its secret is set. The links are nil where it is not.
func routes(c Config, sink ingest.Sink, registry prometheus.Registerer, log *slog.Logger) (*ingest.Callbacks, *unsubscribe.Links, []func(chi.Router), error) {
	vendors, err := callbacks.New(c.Callbacks, callbacks.Dependencies{Log: log})
	if err != nil {
		return nil, nil, nil, err
	}
	links, err := unsubscribe.New(c.Links)
	if err != nil {
		return nil, nil, nil, err
	}
	endpoints := ingest.NewCallbacks(ingest.CallbackOptions{Callbacks: vendors, Sink: sink, Registerer: registry, Log: log})
	out := []func(chi.Router){endpoints.Routes}
	if links != nil {
		handler := page.New(page.Options{Business: c.Brand.BusinessName, Links: links, Sink: sink, Log: log})
		out = append(out, func(r chi.Router) { r.Handle(page.Pattern, handler) })
	}
	return endpoints, links, out, nil
}

// closeWhenDraining closes each connection with its next answer once ingest is stopping: clients connect anew, and load balancers lead them
// to another replica. So none of their requests meets a connection that is being closed.
func (i *Ingest) closeWhenDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// followSecrets replaces the secrets of which the files change, until ctx ends.
func (i *Ingest) followSecrets(ctx context.Context) {
	c := &i.config
	if c.env == nil {
		return
	}
	if i.verifier != nil {
		go config.Follow(ctx, c.env, i.log, c.Auth, i.verifier.Use)
	}
	go config.Follow(ctx, c.env, i.log, c.Senders, i.senders.Use)
	go config.Follow(ctx, c.env, i.log, c.Callbacks, func(next callbacks.Config) error {
		vendors, err := callbacks.New(next, callbacks.Dependencies{Log: i.log})
		if err == nil {
			i.callbacks.Use(vendors)
		}
		return err
	})
	go config.Follow(ctx, c.env, i.log, c.Links, i.links.Use)
	go config.Follow(ctx, c.env, i.log, c.Redis, i.store.Use)
	go config.Follow(ctx, c.env, i.log, c.Tracing, i.traces.Use)
}

// Addr is where the public endpoints are.
func (i *Ingest) Addr() string { return i.listener.Addr().String() }

// Routes returns the public endpoints, each as its method and its pattern: "POST /webhooks/{sender}/{store}".
func (i *Ingest) Routes() []string { return i.handler.Routes() }

// OpsAddr is where the operators' port is.
func (i *Ingest) OpsAddr() string { return i.ops.Addr() }

// Run serves until ctx ends or a server fails, and then stops in this order: readiness says so; the public port serves on for
// SHUTDOWN_DELAY; it takes no new connections and finishes the requests it has; their jobs are flushed; Redis; the operators' port last.
func (i *Ingest) Run(ctx context.Context) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var beside sync.WaitGroup
	beside.Go(func() { i.sweeper.Run(background) })
	beside.Go(func() { i.deliveries.Run(background) })
	beside.Go(func() { i.handler.Run(background) })
	go i.store.LogWarnings(background)
	go i.store.Alive(background, redisstore.Ingest, app.ProcessID(), i.config.fingerprint())
	i.followSecrets(background)
	i.log.Info("ingest serves", "port", i.Addr(), "ops", i.OpsAddr(), "channels", i.config.Staff.Channels)
	err := app.RunUntil(ctx, i.ops.Serve, func() error { return app.Serve(i.public.Server, i.listener) })
	i.ops.Drain()
	i.draining.Store(true)
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
