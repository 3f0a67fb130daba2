// Package worker puts the worker program together: configuration, providers, the loop, and the order in which they stop.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/sethvargo/go-envconfig"
	"go.opentelemetry.io/otel/attribute"

	"ringup.dev/ringup/internal/app"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/gate"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/opsserver"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/provider/catalog"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
	"ringup.dev/ringup/internal/telemetry"
	"ringup.dev/ringup/internal/telemetry/otlp"
	"ringup.dev/ringup/internal/unsubscribe"
	"ringup.dev/ringup/internal/worker"
)

// ChannelConfig says which channel a worker serves, and through which providers.
type ChannelConfig struct {
	// Channel that the worker serves: sms, email or whatsapp.
	Channel string `env:"CHANNEL"`
	// SMSProviders in the order they are preferred: twilio, aws, sandbox.
	SMSProviders []string `env:"SMS_PROVIDER"`
	// EmailProviders in the order they are preferred: sendgrid, aws, sandbox.
	EmailProviders []string `env:"EMAIL_PROVIDER"`
	// WhatsAppProviders in the order they are preferred: twilio, business, sandbox.
	WhatsAppProviders []string `env:"WHATSAPP_PROVIDER"`
	// AllowHTTP lets the address of a provider or a sender (TWILIO_BASE_URL, SQUARE_BASE_URL and the like) begin with http:// at other hosts than this machine, where credentials, messages and customers can be read on the way. For emulators.
	AllowHTTP bool `env:"PROVIDERS_ALLOW_HTTP, default=false"`
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

// Config is the configuration of a worker, except for its providers, which read the environment themselves.
type Config struct {
	Channel  ChannelConfig
	Worker   worker.Config
	Consumer redisstore.ConsumerConfig
	Render   render.Config
	Brand    envstore.Brand
	Gate     gate.Config
	Prices   pricing.Config
	Links    unsubscribe.Config
	Redis    redisstore.Config
	Ops      opsserver.Config
	Log      telemetry.LogConfig
	Tracing  otlp.Config

	// LiveTemplates reads the files of TEMPLATES_DIR again as they are saved (ringup dev). What is wrong with them is left to admin to log.
	LiveTemplates bool
}

// leaseMargin is how much of a lease has to remain when a send has taken as long as it may: time to settle it.
const leaseMargin = 5 * time.Second

// Load reads the configuration. The error has every problem, each with what to set.
func Load(ctx context.Context, env envconfig.Lookuper) (Config, error) {
	var c Config
	// A variable that cannot be read has its default below, so that everything else is checked too.
	err := config.Read(ctx, env, &c.Channel, &c.Worker, &c.Consumer, &c.Render, &c.Brand, &c.Gate, &c.Prices, &c.Links, &c.Redis, &c.Ops, &c.Log, &c.Tracing)
	c.Gate.Quiet.DefaultTimezone = c.Brand.TimeZone()
	err = errors.Join(err,
		c.Channel.validate(), c.Brand.Validate(), c.lease(), c.Worker.Validate(), c.Consumer.Validate(), c.Gate.Validate(), c.Prices.Validate(), c.Links.Validate(), c.Redis.Validate(), c.Ops.Validate(), c.Log.Validate(), c.Tracing.Validate(),
	)
	if err != nil {
		// New would have found more, and is not called.
		_, renderErr := render.New(c.Render, c.Brand.Directory())
		err = errors.Join(err, renderErr)
		if c.Channel.validate() == nil {
			_, providerErr := c.Channel.open(ctx, env, catalog.Dependencies{Transport: transport.New(1), Outbox: func(int) sandbox.Outbox { return nil }})
			err = errors.Join(err, providerErr)
		}
	}
	return c, err
}

// fingerprint is that of the settings that the workers of a channel share, without BUSINESS_LOGO_URL, which may have a password in it.
func (c *Config) fingerprint() string {
	brand := c.Brand
	brand.BusinessLogoURL = ""
	return redisstore.Fingerprint(c.Channel, c.Worker, c.Consumer, c.Render, brand, c.Gate, c.Prices)
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
	d.Transport.AllowHTTP = c.AllowHTTP
	return catalog.New(ctx, message.Channel(c.Channel), variable, names, env, d)
}

func (c *Config) lease() error {
	if c.Worker.SendTimeout+leaseMargin > c.Consumer.Lease {
		return fmt.Errorf("SEND_TIMEOUT is %s and LEASE %s: a lease has to be at least %s longer than a send may take",
			c.Worker.SendTimeout, c.Consumer.Lease, leaseMargin)
	}
	return nil
}

// Probed is the result of a provider's probe.
type Probed struct {
	Name string
	Err  error
}

// Probe probes every provider of a valid configuration, each for a timeout at most. The error is that of the templates or of a provider's
// settings; then nothing is probed.
func Probe(ctx context.Context, c Config, env envconfig.Lookuper, timeout time.Duration) ([]Probed, error) {
	c.Render.TemplatesStrict = true // a worker that leaves a wrong template out is not well
	_, renderErr := render.New(c.Render, c.Brand.Directory(), message.Channel(c.Channel.Channel))
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
	config  Config
	env     envconfig.Lookuper // to read secrets again
	log     *slog.Logger
	store   *redisstore.Store
	worker  *worker.Worker
	senders []worker.Sender
	named   []catalog.Named
	links   *unsubscribe.Links // nil without UNSUBSCRIBE_SECRET
	optOuts worker.OptOuts
	ops     *opsserver.Server
	traces  *otlp.Tracing
	live    *render.Live // nil without LiveTemplates
}

// tracesTimeout bounds how long a stopping worker waits for the collector of its traces.
const tracesTimeout = 2 * time.Second

// probeTTL is how long a provider's probe is good for: some allow one call a second for the whole account.
const probeTTL = time.Minute

// blocksTTL is how long it is known that Redis lets workers block: a matter of its configuration.
const blocksTTL = time.Minute

// deliver builds, from a valid configuration, what renders and checks the channel's messages. The caller adds what sends them.
func (c *Config) deliver(channel message.Channel) (worker.DeliverOptions, *render.Renderer, *unsubscribe.Links, error) {
	renderer, renderErr := render.New(c.Render, c.Brand.Directory(), channel)
	prices, priceErr := pricing.NewTable(c.Prices)
	caps, capErr := pricing.NewCaps(c.Prices)
	sources := pricing.NewSources(caps)
	budget := pricing.NewBudget(channel, caps, sources)
	checks, gateErr := gate.New(c.Gate, budget)
	links, linkErr := unsubscribe.New(c.Links)
	if err := errors.Join(renderErr, priceErr, capErr, gateErr, linkErr); err != nil {
		return worker.DeliverOptions{}, nil, nil, err
	}
	if links != nil {
		renderer.Unsubscribe = links.URL
	}
	return worker.DeliverOptions{
		Config: c.Worker, ResendUncertain: c.Redis.OnUncertain == redisstore.Resend, FallBack: c.Redis.FallsBack(channel), FallBackWithin: c.Redis.FallbackWithin,
		Renderer: renderer, Gate: checks, Prices: prices, Sources: sources, Budget: budget,
	}, renderer, links, nil
}

// maxText is how long a text may be that every provider takes, since a message may go out through any of them.
func maxText(of []catalog.Named) (least message.Limit) {
	for _, n := range of {
		least = least.Least(n.Provider.Traits().MaxText)
	}
	return least
}

// New builds the program from a valid configuration and binds its port. Redis and the providers may be away.
func New(ctx context.Context, c Config, env envconfig.Lookuper, log *slog.Logger) (*Worker, error) {
	channel := message.Channel(c.Channel.Channel)
	log = log.With("channel", channel)
	registry := telemetry.NewRegistry()
	store, err := redisstore.Open(c.Redis, log)
	if err != nil {
		return nil, err
	}
	store.Instrument(registry)
	named, providerErr := c.Channel.open(ctx, env, catalog.Dependencies{
		Transport: transport.New(c.Worker.Concurrency),
		Outbox:    func(keep int) sandbox.Outbox { return store.Outbox(keep) },
	})
	o, renderer, links, deliverErr := c.deliver(channel)
	if err := errors.Join(providerErr, deliverErr); err != nil {
		return nil, err
	}
	limit := maxText(named)
	renderer.Log, renderer.MaxText = log, func(message.Channel) message.Limit { return limit }
	for _, err := range renderer.Skipped() {
		log.Warn("template skipped", "error", err)
	}
	var live *render.Live
	if c.LiveTemplates {
		live = render.NewLive(c.Render, renderer, slog.New(slog.DiscardHandler))
		o.Renderer = live
	}
	traces, err := otlp.New(ctx, c.Tracing, "ringup-worker", attribute.String("ringup.channel", string(channel)))
	if err != nil {
		return nil, err
	}
	c.Consumer.Settings = c.fingerprint()
	consumer := store.Consumer(channel, c.Consumer, nil)
	checks := []opsserver.Check{{Name: "redis", TTL: time.Second, Run: store.Ready(redisstore.Worker, channel)}, {Name: "redis-blocks", TTL: blocksTTL, Run: consumer.Blocks}}
	var names []string
	for _, n := range named {
		names = append(names, n.Name)
		o.Senders = append(o.Senders, worker.Sender{Name: n.Name, Provider: n.Provider})
		checks = append(checks, opsserver.Check{Name: n.Name, Group: "providers", TTL: probeTTL, Run: n.Provider.Probe})
	}
	metrics := worker.NewMetrics(registry, channel)
	o.Breakers, o.Metrics, o.Log, o.Tracer = worker.NewBreakers(names, metrics, log), metrics, log, traces.Tracer()
	loop := worker.New(worker.Options{
		ID: app.ProcessID(), Config: c.Worker, Lease: c.Consumer.Lease, Queue: store.Consumer(channel, c.Consumer, names), Handler: worker.NewDeliver(o),
		Breakers: o.Breakers, Metrics: metrics, Log: log, Tracer: o.Tracer, Budget: o.Budget, Bytes: worker.Bytes(app.BoundMemory()),
	})
	operators, err := opsserver.New(opsserver.Options{Config: c.Ops, Gatherer: registry, Live: loop.Live, Checks: checks})
	if err != nil {
		return nil, err
	}
	optOuts := worker.OptOuts{Channel: channel, Every: c.Worker.OptOutSync, Store: store, Log: log}
	return &Worker{config: c, env: env, log: log, store: store, worker: loop, senders: o.Senders, named: named, links: links, optOuts: optOuts, ops: operators, traces: traces, live: live}, nil
}

// OpsAddr is where the operators' port is.
func (w *Worker) OpsAddr() string { return w.ops.Addr() }

// followSecrets replaces the secrets of which the files change, until ctx ends.
func (w *Worker) followSecrets(ctx context.Context) {
	for _, n := range w.named {
		go n.Follow(ctx, w.log)
	}
	go config.Follow(ctx, w.env, w.log, w.config.Links, w.links.Use)
	go config.Follow(ctx, w.env, w.log, w.config.Redis, w.store.Use)
	go config.Follow(ctx, w.env, w.log, w.config.Tracing, w.traces.Use)
}

// Run works until ctx ends or the operators' port fails, and then stops in this order: readiness says so; the loop lets its sends end and settles
// them; Redis; the operators' port last.
func (w *Worker) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- w.ops.Serve() }()
	background, stopBackground := context.WithCancel(ctx)
	defer stopBackground()
	go w.store.LogWarnings(background)
	go w.optOuts.Run(background, w.senders)
	w.followSecrets(background)
	if w.live != nil {
		go w.live.Run(background)
	}
	stop := context.AfterFunc(ctx, w.ops.Drain)
	defer stop()
	w.log.Info("worker claims", "ops", w.OpsAddr())
	// The templates' sources and the providers' tables are garbage now; an idle worker would never return their memory.
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
