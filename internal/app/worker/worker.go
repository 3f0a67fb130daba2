// Package workerd puts the worker program together: configuration, providers, the loop, and the order in which they stop.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sethvargo/go-envconfig"
	"go.opentelemetry.io/otel/attribute"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/opsserver"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/catalog"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/quiet"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
	"ringup.dev/ringup/internal/telemetry/otlp"
	"ringup.dev/ringup/internal/unsubscribe"
	"ringup.dev/ringup/internal/worker"
)

// ChannelConfig says what a worker serves, and through whom.
type ChannelConfig struct {
	// Channel that the worker serves: sms, email or whatsapp.
	Channel string `env:"CHANNEL"`
	// SMSProviders in the order they are preferred: twilio, aws, sandbox.
	SMSProviders []string `env:"SMS_PROVIDER"`
	// EmailProviders in the order they are preferred: sendgrid, aws, sandbox.
	EmailProviders []string `env:"EMAIL_PROVIDER"`
	// WhatsAppProviders in the order they are preferred: twilio, business, sandbox.
	WhatsAppProviders []string `env:"WHATSAPP_PROVIDER"`
}

// providers returns the names for the channel, and the variable that has them.
func (c *ChannelConfig) providers() (variable string, names []string) {
	switch message.Channel(c.Channel) {
	case message.SMS:
		return "SMS_PROVIDER", c.SMSProviders
	case message.Email:
		return "EMAIL_PROVIDER", c.EmailProviders
	}
	return "WHATSAPP_PROVIDER", c.WhatsAppProviders
}

// Config is all that a worker is configured by, but for its providers, which read the environment themselves.
type Config struct {
	Channel  ChannelConfig
	Worker   worker.Config
	Consumer redisstore.ConsumerConfig
	Render   render.Config
	Brand    envstore.Brand
	Quiet    quiet.Config
	Prices   pricing.Config
	Links    unsubscribe.Config
	Redis    redisstore.Config
	Ops      opsserver.Config
	Tracing  otlp.Config
}

// leaseMargin is what has to remain of a lease when a send has taken as long as it may: time to settle it.
const leaseMargin = 5 * time.Second

// Load reads the configuration. The error has every problem, each with what to set.
func Load(ctx context.Context, env envconfig.Lookuper) (Config, error) {
	var c Config
	err := errors.Join(
		// What cannot be read has its default below, so that everything else is looked at too.
		config.Read(ctx, env, &c.Channel, &c.Worker, &c.Consumer, &c.Render, &c.Brand, &c.Quiet, &c.Prices, &c.Links, &c.Redis, &c.Ops, &c.Tracing),
		c.Channel.validate(), c.lease(), c.Worker.Validate(), c.Consumer.Validate(), c.Quiet.Validate(), c.Prices.Validate(), c.Links.Validate(), c.Redis.Validate(), c.Ops.Validate(), c.Tracing.Validate(),
	)
	if err != nil {
		// New is not reached, and would have had more to say.
		_, renderErr := render.New(c.Render, c.Brand.Directory())
		err = errors.Join(err, renderErr)
		if c.Channel.validate() == nil {
			_, providerErr := c.Channel.open(ctx, env, catalog.Dependencies{Transport: transport.New(1), Outbox: func(int) sandbox.Outbox { return nil }})
			err = errors.Join(err, providerErr)
		}
	}
	return c, err
}

func (c *ChannelConfig) validate() error {
	if _, err := message.ParseChannel(c.Channel); err != nil {
		return fmt.Errorf("CHANNEL is %q: set sms, email or whatsapp", c.Channel)
	}
	return nil
}

// open builds the channel's providers.
func (c *ChannelConfig) open(ctx context.Context, env envconfig.Lookuper, d catalog.Dependencies) ([]catalog.Named, error) {
	variable, names := c.providers()
	return catalog.New(ctx, message.Channel(c.Channel), variable, names, env, d)
}

func (c *Config) lease() error {
	if c.Worker.SendTimeout+leaseMargin > c.Consumer.Lease {
		return fmt.Errorf("SEND_TIMEOUT is %s and LEASE %s: a lease has to be at least %s longer than a send may take",
			c.Worker.SendTimeout, c.Consumer.Lease, leaseMargin)
	}
	return nil
}

// Probed is what a provider says of itself.
type Probed struct {
	Name string
	Err  error
}

// Probe asks every provider of a valid configuration how it is, and reports what is wrong with the templates.
func Probe(ctx context.Context, c Config, env envconfig.Lookuper, timeout time.Duration) ([]Probed, error) {
	_, renderErr := render.New(c.Render, c.Brand.Directory())
	named, err := c.Channel.open(ctx, env, catalog.Dependencies{Transport: transport.New(1), Outbox: func(int) sandbox.Outbox { return nil }})
	if err := errors.Join(renderErr, err); err != nil {
		return nil, err
	}
	var out []Probed
	for _, n := range named {
		call, cancel := context.WithTimeout(ctx, timeout)
		out = append(out, Probed{n.Name, n.Provider.Probe(call)})
		cancel()
	}
	return out, nil
}

// Worker is the program, its port bound.
type Worker struct {
	log    *slog.Logger
	store  *redisstore.Store
	worker *worker.Worker
	ops    *opsserver.Server
	traces *otlp.Tracing

	channel message.Channel
	named   []catalog.Named
	sync    time.Duration // OPT_OUT_SYNC
}

// tracesTimeout bounds how long a worker that stops waits for the collector of its traces.
const tracesTimeout = 2 * time.Second

// probeTTL is how long a provider's probe is good for: some allow one call a second for the whole account.
const probeTTL = time.Minute

// New builds the program from a valid configuration and binds its port. Redis and the providers may be away.
func New(ctx context.Context, c Config, env envconfig.Lookuper, log *slog.Logger) (*Worker, error) {
	channel := message.Channel(c.Channel.Channel)
	log = log.With("channel", channel)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	store, err := redisstore.Open(c.Redis, log)
	if err != nil {
		return nil, err
	}
	store.Instrument(registry)
	renderer, renderErr := render.New(c.Render, c.Brand.Directory())
	named, providerErr := c.Channel.open(ctx, env, catalog.Dependencies{
		Transport: transport.New(c.Worker.Concurrency),
		Outbox:    func(keep int) sandbox.Outbox { return store.Outbox(keep) },
	})
	hours, quietErr := quiet.New(c.Quiet)
	prices, priceErr := pricing.NewTable(c.Prices)
	caps, capErr := pricing.NewCaps(c.Prices)
	links, linkErr := unsubscribe.New(c.Links)
	if err := errors.Join(renderErr, providerErr, quietErr, priceErr, capErr, linkErr); err != nil {
		return nil, err
	}
	if links != nil {
		renderer.Unsubscribe = links.URL
	}
	traces, err := otlp.New(ctx, c.Tracing, "ringup-worker", attribute.String("ringup.channel", string(channel)))
	if err != nil {
		return nil, err
	}
	checks := []opsserver.Check{{Name: "redis", TTL: time.Second, Run: store.Ping}}
	var senders []worker.Sender
	var names []string
	for _, n := range named {
		names = append(names, n.Name)
		senders = append(senders, worker.Sender{Name: n.Name, Provider: n.Provider})
		checks = append(checks, opsserver.Check{Name: n.Name, Group: "providers", TTL: probeTTL, Run: n.Provider.Probe})
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	loop := worker.New(worker.Options{
		ID: fmt.Sprintf("%s/%d", host, os.Getpid()), Channel: channel, Config: c.Worker, Lease: c.Consumer.Lease, ResendUncertain: c.Redis.OnUncertain == redisstore.Resend,
		Queue: store.Consumer(channel, c.Consumer, names), Renderer: renderer, Providers: senders,
		Metrics: worker.NewMetrics(registry, channel), Log: log, Tracer: traces.Tracer(),
		Quiet: hours, Prices: prices, Caps: caps, Moves: c.Redis.Moves(channel), MoveWithin: c.Redis.FallbackWithin,
	})
	operators, err := opsserver.New(opsserver.Options{Config: c.Ops, Gatherer: registry, Live: loop.Live, Checks: checks, Log: log})
	if err != nil {
		return nil, err
	}
	return &Worker{log: log, store: store, worker: loop, ops: operators, traces: traces, channel: channel, named: named, sync: c.Worker.OptOutSync}, nil
}

// OpsAddr is where the operators' port is.
func (w *Worker) OpsAddr() string { return w.ops.Addr() }

// Run works until ctx ends, and then stops in this order: readiness says so; the loop lets its sends end and settles them; Redis; the
// operators' port last.
func (w *Worker) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- w.ops.Serve() }()
	background, stopBackground := context.WithCancel(ctx)
	defer stopBackground()
	go w.store.LogWarnings(background)
	w.syncOptOuts(background)
	stop := context.AfterFunc(ctx, w.ops.Drain)
	defer stop()
	w.log.Info("worker claims", "ops", w.OpsAddr())
	// What was read to get here is garbage; an idle worker would keep it for good.
	debug.FreeOSMemory()
	loop := make(chan error, 1)
	go func() { loop <- w.worker.Run(background) }()
	var err error
	select {
	case err = <-loop:
	case err = <-failed:
		stopBackground()
		err = errors.Join(err, <-loop)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesTimeout)
	defer cancel()
	return errors.Join(err, w.store.Close(), w.traces.Close(last), w.ops.Close())
}

// syncLook is how often a worker looks whether it is time to read a provider's list of those who get nothing.
const syncLook = time.Minute

// syncOptOuts keeps the channel's list of those who get nothing in step with the lists that providers keep themselves.
func (w *Worker) syncOptOuts(ctx context.Context) {
	if w.sync == 0 {
		return
	}
	for _, n := range w.named {
		lister, ok := n.Provider.(provider.OptOutLister)
		if !ok {
			continue
		}
		go func() {
			ticker := time.NewTicker(syncLook)
			defer ticker.Stop()
			for ctx.Err() == nil {
				mine, err := w.store.SyncOptOuts(ctx, w.channel, n.Name, w.sync, lister.OptedOut)
				switch {
				case err != nil && ctx.Err() == nil:
					w.log.Warn("the provider's list of those who get nothing could not be read; trying again (OPT_OUT_SYNC)", "provider", n.Name, "error", err)
				case mine:
					w.log.Info("the provider's list of those who get nothing was read", "provider", n.Name)
				}
				select {
				case <-ctx.Done():
				case <-ticker.C:
				}
			}
		}()
	}
}
