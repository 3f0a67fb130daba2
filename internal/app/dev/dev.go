// Package dev runs the whole of ringup in one process, for a developer's machine: an embedded Redis, ingest, a worker for each
// channel with the sandbox provider, and the outbox to look at.
package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/opsserver"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
)

// Server is all of ringup in one process.
type Server struct {
	out      io.Writer
	embedded *miniredis.Miniredis // nil with REDIS_URL
	store    *redisstore.Store
	outbox   *redisstore.Outbox
	ingest   *ingest.Ingest
	workers  []*worker.Worker
	admin    *admin.Admin
	listener net.Listener
	token    string
}

// overlay looks a variable up in a map first.
type overlay struct {
	values map[string]string
	next   envconfig.Lookuper
}

// Lookup returns a variable's value.
func (o overlay) Lookup(name string) (string, bool) {
	if value, found := o.values[name]; found {
		return value, true
	}
	return o.next.Lookup(name)
}

// New builds everything and binds the ports. What env does not say has a default that works on a laptop.
func New(ctx context.Context, env envconfig.Lookuper, out io.Writer) (*Server, error) {
	s := &Server{out: out}
	var pages admin.Config
	if err := config.Read(ctx, env, &pages); err != nil {
		return nil, err
	}
	set := func(values map[string]string, name, otherwise string) string {
		value, found := env.Lookup(name)
		if !found || value == "" {
			value = otherwise
			values[name] = value
		}
		return value
	}
	values := map[string]string{}
	s.token, _, _ = strings.Cut(set(values, "WEBHOOK_AUTH_TOKEN", strings.ToLower(rand.Text())), ",")
	set(values, "WEBHOOK_SECRET", strings.ToLower(rand.Text()))
	set(values, "TEST_ENDPOINTS", "true")
	set(values, "LOG_FORMAT", "text")
	set(values, "LOG_LEVEL", "warn")
	set(values, "BUSINESS_NAME", "Luna Coffee")
	for _, name := range []string{"SMS_PROVIDER", "EMAIL_PROVIDER", "WHATSAPP_PROVIDER"} {
		set(values, name, "sandbox")
	}
	if url, _ := env.Lookup("REDIS_URL"); url == "" {
		embedded, err := miniredis.Run()
		if err != nil {
			return nil, fmt.Errorf("embedded Redis: %w", err)
		}
		s.embedded = embedded
		values["REDIS_URL"] = "redis://" + embedded.Addr()
	}
	if err := s.build(ctx, pages, overlay{values, env}); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Server) build(ctx context.Context, pages admin.Config, env overlay) error {
	c, err := ingest.Load(ctx, env)
	if err != nil {
		return fmt.Errorf("the configuration cannot work:\n%w", err)
	}
	log := opsserver.NewLogger(c.Ops, s.out)
	if s.embedded != nil {
		log = slog.New(embeddedQuiet{log.Handler()})
	}
	if s.store, err = redisstore.Open(c.Redis, log); err != nil {
		return err
	}
	if s.ingest, err = ingest.New(c, log); err != nil {
		return err
	}
	var kept sandbox.Config
	if err := config.Read(ctx, env, &kept); err != nil {
		return err
	}
	for _, channel := range message.Channels {
		own := overlay{maps.Clone(env.values), env.next}
		own.values["CHANNEL"] = string(channel)
		own.values["OPS_PORT"] = "0"
		wc, err := worker.Load(ctx, own)
		if err != nil {
			return fmt.Errorf("the configuration cannot work:\n%w", err)
		}
		w, err := worker.New(ctx, wc, own, log)
		if err != nil {
			return fmt.Errorf("the configuration cannot work:\n%w", err)
		}
		s.workers = append(s.workers, w)
	}
	s.outbox = s.store.Outbox(kept.OutboxSize)
	var templates render.Config
	var brand envstore.Brand
	if err := config.Read(ctx, env, &templates, &brand); err != nil {
		return err
	}
	renderer, err := render.New(templates, brand.Directory())
	if err != nil {
		return err
	}
	var prices pricing.Config
	if err := config.Read(ctx, env, &prices); err != nil {
		return err
	}
	caps, err := pricing.NewCaps(prices)
	if err != nil {
		return err
	}
	s.admin = admin.New(admin.Options{Config: pages, Region: c.Address.DefaultRegion, Currency: prices.Currency, Caps: caps, Queues: s.store, Outbox: s.outbox,
		Renderer: renderer, Log: log})
	if s.listener, err = net.Listen("tcp", pages.Address()); err != nil { //nolint:noctx // bound once, at start
		return fmt.Errorf("ADMIN_PORT %d cannot be bound: %w", pages.Port, err)
	}
	return nil
}

// embeddedQuiet leaves out the advice about Redis's own configuration, which nobody can follow for the embedded one.
type embeddedQuiet struct{ slog.Handler }

func (h embeddedQuiet) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "Redis keeps no") || strings.HasPrefix(r.Message, "Redis is older") || strings.HasPrefix(r.Message, "Redis may evict") {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// IngestURL is where webhooks go.
func (s *Server) IngestURL() string { return "http://" + local(s.ingest.Addr()) }

// AdminURL is where the outbox is.
func (s *Server) AdminURL() string { return "http://" + local(s.listener.Addr().String()) }

// Curl is a command that posts a webhook.
func (s *Server) Curl() string {
	return fmt.Sprintf(`curl -sS %s/webhooks/pos -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -d '{"id":"webhook_%d","event_type":"pos_save","timestamp":"%s","source":"pos_system","data":{"transactionId":"TXN_67890","amount":125.50,"currency":"USD","customerName":"John Doe","customerPhone":"+1234567890","customerEmail":"john.doe@example.com","items":[{"name":"Espresso","quantity":2,"price":3.25}],"orderId":"ORD_1","status":"ready"}}'`,
		s.IngestURL(), s.token, time.Now().Unix(), time.Now().UTC().Format(time.RFC3339))
}

// local makes an address of all interfaces one that can be pasted.
func local(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return "localhost:" + port
}

// Run serves until ctx ends, and prints what goes out.
func (s *Server) Run(ctx context.Context) error {
	defer s.close()
	pages := &http.Server{Handler: s.admin.Handler(), ReadHeaderTimeout: 5 * time.Second}
	running := 2 + len(s.workers)
	ended := make(chan error, running)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { ended <- s.ingest.Run(ctx) }()
	for _, w := range s.workers {
		go func() { ended <- w.Run(ctx) }()
	}
	go func() {
		err := pages.Serve(s.listener)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		ended <- err
	}()
	go s.watch(ctx)
	go s.admin.Run(ctx)
	if s.embedded != nil {
		go s.tick(ctx)
	}
	s.greet()
	var err error
	for i := range running {
		if i == 0 {
			select {
			case err = <-ended:
				cancel()
				_ = pages.Close()
			case <-ctx.Done():
				_ = pages.Close()
				err = <-ended
			}
			continue
		}
		err = errors.Join(err, <-ended)
	}
	return err
}

func (s *Server) greet() {
	redis := "embedded, in memory (REDIS_URL for another)"
	if s.embedded == nil {
		redis = "the one of REDIS_URL"
	}
	_, _ = fmt.Fprintf(s.out, `ringup is running, with sandbox providers: nothing leaves this machine.

  webhooks  %[1]s/webhooks/pos
  samples   %[1]s/test/webhook-sample
  outbox    %[2]s/outbox
  queues    %[2]s/admin/queues
  metrics   http://%[3]s/metrics
  Redis     %[4]s

Paste this, and look at the outbox:

  %[5]s

Ctrl-C ends it.

`, s.IngestURL(), s.AdminURL(), local(s.ingest.OpsAddr()), redis, s.Curl())
}

// tick moves the embedded Redis's clock, by which its keys expire.
func (s *Server) tick(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.embedded.FastForward(time.Second)
		}
	}
}

// watch prints each message as it goes out.
func (s *Server) watch(ctx context.Context) {
	seen := map[string]bool{}
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		entries, err := s.outbox.List(ctx)
		if err != nil {
			continue
		}
		now := map[string]bool{}
		for i := len(entries) - 1; i >= 0; i-- {
			e := entries[i]
			key := e.JobID + e.SentAt.String()
			now[key] = true
			if !seen[key] {
				first, _, _ := strings.Cut(e.Text, "\n")
				if e.Subject != "" {
					first = e.Subject
				}
				_, _ = fmt.Fprintf(s.out, "%s  %-8s  to %s  %s\n", e.SentAt.Local().Format(time.TimeOnly), e.Channel, e.To, first)
			}
		}
		seen = now
	}
}

func (s *Server) close() {
	if s.store != nil {
		_ = s.store.Close()
	}
	if s.embedded != nil {
		s.embedded.Close()
	}
}
