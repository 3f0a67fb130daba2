// Package admind puts the admin program together.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/opsserver"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
)

// Config is all that the program is configured by.
type Config struct {
	Admin   admin.Config
	Address address.Config
	Redis   redisstore.Config
	Render  render.Config
	Brand   envstore.Brand
	Prices  pricing.Config
	Ops     opsserver.Config
}

// Load reads the configuration. The error has every problem, each with what to set.
func Load(ctx context.Context, env envconfig.Lookuper) (Config, error) {
	var c Config
	return c, errors.Join(config.Read(ctx, env, &c.Admin, &c.Address, &c.Redis, &c.Render, &c.Brand, &c.Prices, &c.Ops), c.Admin.Validate(), c.Address.Validate(), c.Redis.Validate(),
		c.Prices.Validate(), c.Ops.Validate())
}

// DrainTime is the longest that the program takes to stop.
const DrainTime = 10 * time.Second

// Admin is the program, its ports bound.
type Admin struct {
	log      *slog.Logger
	store    *redisstore.Store
	ops      *opsserver.Server
	admin    *admin.Admin
	listener net.Listener
	pages    *http.Server
}

// New builds the program from a valid configuration and binds its ports. Redis may be away.
func New(c Config, log *slog.Logger) (*Admin, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	store, err := redisstore.Open(c.Redis, log)
	if err != nil {
		return nil, err
	}
	store.Instrument(registry)
	renderer, err := render.New(c.Render, c.Brand.Directory())
	if err != nil {
		return nil, err
	}
	operators, err := opsserver.New(opsserver.Options{Config: c.Ops, Gatherer: registry, Log: log, Checks: []opsserver.Check{
		{Name: "redis", TTL: time.Second, Run: store.Ping},
	}})
	if err != nil {
		return nil, err
	}
	caps, err := pricing.NewCaps(c.Prices)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", c.Admin.Address()) //nolint:noctx // bound once, at start
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ADMIN_PORT %d cannot be bound: %w", c.Admin.Port, err), operators.Close())
	}
	if c.Admin.Token == "" {
		log.Warn("ADMIN_TOKEN is empty: only this machine is let in", "address", listener.Addr())
	}
	own := admin.New(admin.Options{Config: c.Admin, Region: c.Address.DefaultRegion, Currency: c.Prices.Currency, Caps: caps,
		Queues: store, Outbox: store.Outbox(0), Renderer: renderer, Log: log})
	return &Admin{log: log, store: store, ops: operators, admin: own, listener: listener, pages: &http.Server{
		Handler:           own.Handler(),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}, nil
}

// Addr is where the pages are.
func (a *Admin) Addr() string { return a.listener.Addr().String() }

// Run serves until ctx ends, and then finishes the requests that are under way.
func (a *Admin) Run(ctx context.Context) error {
	failed := make(chan error, 2)
	go func() { failed <- a.ops.Serve() }()
	go func() {
		err := a.pages.Serve(a.listener)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		failed <- err
	}()
	go a.store.LogWarnings(ctx)
	go a.admin.Run(ctx)
	a.log.Info("admin serves", "address", a.Addr(), "ops", a.ops.Addr())
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.ops.Drain()
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainTime)
	defer cancel()
	return errors.Join(err, a.pages.Shutdown(finish), a.store.Close(), a.ops.Close())
}
