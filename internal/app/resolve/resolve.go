// Package resolve puts the program resolve together: configuration, the senders' APIs, the loop, and the order in which they stop.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/app"
	"ringup.dev/ringup/internal/app/shop"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/opsserver"
	"ringup.dev/ringup/internal/plan"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/store/envstore"
	"ringup.dev/ringup/internal/telemetry"
	"ringup.dev/ringup/internal/telemetry/otlp"
	"ringup.dev/ringup/internal/worker"
)

// Settings are those that no other program has.
type Settings struct {
	// Within is how long a sender may be asked in vain for what a webhook lacks. Then the message is sent with the known part, where that has a customer's address; other events wait on, until OUTAGE_PATIENCE.
	Within time.Duration `env:"RESOLVE_WITHIN, default=5m"`
	// AllowHTTP lets the address of a provider or a sender (TWILIO_BASE_URL, SQUARE_BASE_URL and the like) begin with http:// at other hosts than this machine, where credentials, messages and customers can be read on the way. For emulators.
	AllowHTTP bool `env:"PROVIDERS_ALLOW_HTTP, default=false"`
}

// Config is the configuration of resolve.
type Config struct {
	Settings  Settings
	Senders   catalog.APIConfig
	Worker    worker.Config
	Consumer  redisstore.ConsumerConfig
	Coalesce  plan.Coalesce
	Staff     envstore.Recipients
	Address   address.Config
	Countries address.CountriesConfig
	Redis     redisstore.Config
	Ops       opsserver.Config
	Log       telemetry.LogConfig
	Tracing   otlp.Config
}

// leaseMargin is how much of a lease has to remain when a sender has taken as long to answer as it may: time to enqueue and to settle.
const leaseMargin = 5*time.Second + redisstore.FlushTime

// Load reads the configuration. The error has every problem, each with what to set.
func Load(ctx context.Context, env envconfig.Lookuper) (Config, error) {
	var c Config
	err := config.Read(ctx, env, &c.Settings, &c.Senders, &c.Worker, &c.Consumer, &c.Coalesce, &c.Staff, &c.Address, &c.Countries, &c.Redis, &c.Ops, &c.Log, &c.Tracing)
	region := c.Address.Validate()
	err = errors.Join(err, c.Worker.Validate(), c.Consumer.Validate(), c.Coalesce.Validate(), region, c.Countries.Validate(), c.Redis.Validate(), c.Ops.Validate(), c.Log.Validate(), c.Tracing.Validate())
	if c.Settings.Within < 0 {
		err = errors.Join(err, fmt.Errorf("RESOLVE_WITHIN is %s: set a time above 0, as 5m, or 0s to send the known part after the first error", c.Settings.Within))
	}
	if c.Worker.SendTimeout+leaseMargin > c.Consumer.Lease {
		err = errors.Join(err, fmt.Errorf("SEND_TIMEOUT is %s and LEASE %s: a lease has to be at least %s longer than a request may take", c.Worker.SendTimeout, c.Consumer.Lease, leaseMargin))
	}
	if region == nil {
		_, staffErr := c.Staff.Store(c.Address.DefaultRegion, address.Read)
		err = errors.Join(err, staffErr)
	}
	_, _, senders := c.resolvers()
	return c, errors.Join(err, senders)
}

// resolvers returns the senders that can be asked, and by the same places their names.
func (c *Config) resolvers() ([]string, []sender.Resolver, error) {
	return catalog.Resolvers(c.Senders, sender.ResolverOptions{AllowHTTP: c.Settings.AllowHTTP, Concurrency: c.Worker.Concurrency})
}

// Probed is the result of a sender's probe.
type Probed struct {
	Name string
	Err  error
}

// Probe asks every sender of a valid configuration how it is, each for a timeout at most.
func Probe(ctx context.Context, c Config, timeout time.Duration) ([]Probed, error) {
	names, asked, err := c.resolvers()
	if err != nil {
		return nil, err
	}
	out := make([]Probed, len(names))
	for i, name := range names {
		call, cancel := context.WithTimeout(ctx, timeout)
		out[i] = Probed{name, asked[i].Probe(call)}
		cancel()
	}
	return out, nil
}

// Program is resolve, its port bound.
type Program struct {
	log      *slog.Logger
	store    *redisstore.Store
	producer *redisstore.Producer
	worker   *worker.Worker
	ops      *opsserver.Server
	traces   *otlp.Tracing
}

// probeTTL is how long a sender's probe is good for, and that Redis lets workers block.
const probeTTL = time.Minute

// tracesTimeout bounds how long a stopping worker waits for the collector of its traces.
const tracesTimeout = 2 * time.Second

// New builds the program from a valid configuration and binds its port. Redis and the senders may be away.
func New(ctx context.Context, c Config, log *slog.Logger) (*Program, error) {
	const channel = message.Resolve
	log = log.With("channel", channel)
	registry := telemetry.NewRegistry()
	store, err := redisstore.Open(c.Redis, log)
	if err != nil {
		return nil, err
	}
	store.Instrument(registry)
	names, asked, senderErr := c.resolvers()
	place, shopErr := shop.New(&c.Staff, c.Address, c.Countries, log)
	traces, traceErr := otlp.New(ctx, c.Tracing, "ringup-resolve")
	if err := errors.Join(senderErr, shopErr, traceErr); err != nil {
		return nil, err
	}
	c.Consumer.Settings = redisstore.Fingerprint(c.Settings, names, c.Worker, c.Consumer, c.Coalesce, c.Staff.Channels, c.Address, c.Countries)
	resolvers := make([]worker.Resolver, len(asked))
	consumer := store.Consumer(channel, c.Consumer, worker.ResolveProviders(names))
	checks := []opsserver.Check{{Name: "redis", TTL: time.Second, Run: store.Ready(redisstore.Resolve, message.Queues...)}, {Name: "redis-blocks", TTL: probeTTL, Run: consumer.Blocks}}
	for i := range asked {
		resolvers[i] = asked[i]
		checks = append(checks, opsserver.Check{Name: names[i], Group: "senders", TTL: probeTTL, Run: asked[i].Probe})
	}
	producer, metrics := store.Producer(registry), worker.NewMetrics(registry, channel)
	planned := func(e *event.Event) *queue.Submission { return plan.Plan(e, place) }
	breakers := worker.NewBreakers(worker.ResolveProviders(names), metrics, log)
	loop := worker.New(worker.Options{
		ID: app.ProcessID(), Config: c.Worker, Lease: c.Consumer.Lease, Queue: consumer,
		Handler: worker.NewResolve(worker.ResolveOptions{
			Config: c.Worker, Within: c.Settings.Within, Coalesce: c.Coalesce.Native, Senders: names, Resolvers: resolvers, Plan: planned, Enqueuer: producer, Breakers: breakers,
			Metrics: metrics, Registerer: registry, Log: log, Tracer: traces.Tracer(),
		}),
		Breakers: breakers, Metrics: metrics, Log: log, Tracer: traces.Tracer(), Bytes: worker.Bytes(app.BoundMemory()),
	})
	operators, err := opsserver.New(opsserver.Options{Config: c.Ops, Gatherer: registry, Live: loop.Live, Checks: checks})
	if err != nil {
		return nil, err
	}
	return &Program{log: log, store: store, producer: producer, worker: loop, ops: operators, traces: traces}, nil
}

// OpsAddr is where the operators' port is.
func (p *Program) OpsAddr() string { return p.ops.Addr() }

// Run works until ctx ends or the operators' port fails, and then stops in this order: readiness says so; the loop lets what it has begun end, and settles it; Redis; the operators'
// port last.
func (p *Program) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- p.ops.Serve() }()
	background, stopBackground := context.WithCancel(ctx)
	defer stopBackground()
	go p.store.LogWarnings(background)
	stop := context.AfterFunc(ctx, p.ops.Drain)
	defer stop()
	p.log.Info("resolve claims", "ops", p.OpsAddr())
	loop := make(chan error, 1)
	go func() { loop <- p.worker.Run(background) }()
	var err error
	select {
	case err = <-loop:
	case err = <-failed:
		stopBackground()
		err = errors.Join(err, <-loop)
	}
	p.producer.Close()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesTimeout)
	defer cancel()
	return errors.Join(err, p.store.Close(), p.traces.Close(last), p.ops.Close())
}
