// Package admin puts the admin program together: configuration, pages and API, servers, and the order in which they stop.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/api"
	"ringup.dev/ringup/internal/admin/pages"
	"ringup.dev/ringup/internal/app"
	"ringup.dev/ringup/internal/app/shop"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/opsserver"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
	"ringup.dev/ringup/internal/telemetry"
)

// Config is the whole configuration of the program.
type Config struct {
	Admin     admin.Config
	Address   address.Config
	Countries address.CountriesConfig
	Staff     envstore.Recipients
	Redis     redisstore.Config
	Render    render.Config
	Brand     envstore.Brand
	Prices    pricing.Config
	Ops       opsserver.Config
	Log       telemetry.LogConfig

	// Local says that ADMIN_TOKEN may be empty without a warning (ringup dev).
	Local bool
	// Host to listen on; all interfaces when it is empty. ringup dev sets it.
	Host string
	// LiveTemplates reads the files of TEMPLATES_DIR again as they are saved (ringup dev).
	LiveTemplates bool

	env envconfig.Lookuper // to read secrets again; nil of a Config that Load did not make
}

// Load reads the configuration. The error has every problem, each with what to set.
func Load(ctx context.Context, env envconfig.Lookuper) (Config, error) {
	c := Config{env: env}
	err := config.Read(ctx, env, &c.Admin, &c.Address, &c.Countries, &c.Staff, &c.Redis, &c.Render, &c.Brand, &c.Prices, &c.Ops, &c.Log)
	return c, errors.Join(err, c.Admin.Validate(), c.Address.Validate(), c.Countries.Validate(), c.Brand.Validate(), c.Redis.Validate(), c.Prices.Validate(), c.Ops.Validate(), c.Log.Validate())
}

// DrainTime is the longest that the program takes to stop.
const DrainTime = 10 * time.Second

// Admin is the program, its ports bound.
type Admin struct {
	config   Config
	log      *slog.Logger
	store    *redisstore.Store
	ops      *opsserver.Server
	admin    *admin.Admin
	producer *redisstore.Producer
	listener net.Listener
	pages    *http.Server
	live     *render.Live // nil without LiveTemplates
}

// New builds the program from a valid configuration and binds its ports. Redis may be away.
func New(c Config, log *slog.Logger) (*Admin, error) {
	registry := telemetry.NewRegistry()
	store, err := redisstore.Open(c.Redis, log)
	if err != nil {
		return nil, err
	}
	store.Instrument(registry)
	renderer, renderErr := render.New(c.Render, c.Brand.Directory())
	caps, capErr := pricing.NewCaps(c.Prices)
	prices, priceErr := pricing.NewTable(c.Prices)
	place, shopErr := shop.New(&c.Staff, c.Address, c.Countries, slog.New(slog.DiscardHandler)) // ingest says who is listed twice
	if err := errors.Join(renderErr, capErr, priceErr, shopErr); err != nil {
		return nil, err
	}
	c.Brand.Describe(place)
	for _, err := range renderer.Skipped() {
		log.Warn("template skipped", "error", err)
	}
	var shown admin.Renderer = renderer
	var live *render.Live
	if c.LiveTemplates {
		live = render.NewLive(c.Render, renderer, log)
		shown = live
	}
	operators, err := opsserver.New(opsserver.Options{Config: c.Ops, Gatherer: registry, Checks: []opsserver.Check{
		{Name: "redis", TTL: time.Second, Run: store.Ready(redisstore.Admin, message.Queues...)},
	}})
	if err != nil {
		return nil, err
	}
	producer := store.Producer(registry)
	operations := admin.New(admin.Options{Config: c.Admin, Region: c.Address.DefaultRegion, Currency: c.Prices.Currency, Caps: caps, Prices: prices, Store: place,
		KeepFailed: c.Redis.KeepFailed, Queues: store, Tests: producer, Renderer: shown, Log: log, Registerer: registry})
	renderer.MaxText = operations.MaxText
	listener, err := app.Listen("ADMIN_PORT", c.Admin.Address(c.Host))
	if err != nil {
		return nil, errors.Join(err, operators.Close())
	}
	if operations.Open() && !c.Local {
		log.Warn("ADMIN_TOKEN is empty: only this machine is let in", "address", listener.Addr())
	}
	return &Admin{config: c, log: log, live: live, store: store, ops: operators, admin: operations, producer: producer, listener: listener, pages: &http.Server{
		Handler:           pages.Handler(operations, store.Outbox(0), api.Path, api.Handler(operations)),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: opsserver.MaxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}, nil
}

// closeStore ends the tests that are on their way, and then the connections to Redis.
func (a *Admin) closeStore() error {
	a.producer.Close()
	return a.store.Close()
}

// Addr is where the pages and the API are.
func (a *Admin) Addr() string { return a.listener.Addr().String() }

// Run serves until ctx ends or a server fails, and then finishes the requests that are under way.
func (a *Admin) Run(ctx context.Context) error {
	background, stopBackground := context.WithCancel(ctx)
	defer stopBackground()
	go a.store.LogWarnings(background)
	go a.store.Alive(background, redisstore.Admin, app.ProcessID(), "") // it has one replica
	go a.admin.Run(background)
	if a.live != nil {
		go a.live.Run(background)
	}
	if a.config.env != nil {
		go config.Follow(background, a.config.env, a.log, a.config.Admin, a.admin.Use)
		go config.Follow(background, a.config.env, a.log, a.config.Redis, a.store.Use)
	}
	a.log.Info("admin serves", "address", a.Addr(), "ops", a.ops.Addr())
	err := app.RunUntil(ctx, a.ops.Serve, func() error { return app.Serve(a.pages, a.listener) })
	a.ops.Drain()
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainTime)
	defer cancel()
	return errors.Join(err, a.pages.Shutdown(finish), a.closeStore(), a.ops.Close())
}
