// Package dev runs the whole of ringup in one process, for a developer's machine: an embedded Redis, ingest, a worker for each channel with
// the sandbox provider, the operators' pages, and the outbox to look at.
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
	"os"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app"
	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/resolve"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
	"ringup.dev/ringup/internal/sender/square"
	"ringup.dev/ringup/internal/telemetry"
)

// Server is all of ringup in one process.
type Server struct {
	out      io.Writer
	embedded *miniredis.Miniredis // nil with REDIS_URL
	store    *redisstore.Store    // to watch the outbox
	ingest   *ingest.Ingest
	admin    *admin.Admin
	programs []program // ingest and admin among them
	token    string
	senders  catalog.Config
	made     map[string]string // variables that the environment does not have, as keys that are good until the end
	host     string
	resolves bool     // a token of a sender's API is set
	real     []string // channels whose messages go out, with their providers
}

// program is one of the programs that dev stands for.
type program interface {
	Run(context.Context) error
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

// with returns an overlay with another value.
func (o overlay) with(name, value string) overlay {
	values := maps.Clone(o.values)
	values[name] = value
	return overlay{values, o.next}
}

// Loopback is where dev listens unless it is told otherwise: it serves /test/simulate-webhook without a token.
const Loopback = "127.0.0.1"

// New builds everything and binds the ports at a host; an empty one means all interfaces. Missing variables have defaults that work on a laptop.
func New(ctx context.Context, env envconfig.Lookuper, host string, out io.Writer) (*Server, error) {
	s := &Server{out: out, host: host}
	values, real := defaults(env)
	s.made, s.real = values, real
	if senders := tokens(env); len(senders) > 0 {
		s.resolves, values["RESOLVE_SENDERS"] = true, strings.Join(senders, ",")
	}
	if url, _ := env.Lookup("REDIS_URL"); url == "" {
		embedded, err := miniredis.Run()
		if err != nil {
			return nil, fmt.Errorf("embedded Redis: %w", err)
		}
		s.embedded = embedded
		values["REDIS_URL"] = "redis://" + embedded.Addr()
	}
	if err := s.build(ctx, overlay{values, env}); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// defaults are the values of missing variables that work on a laptop. real are the channels whose messages do go out, each with its providers, as
// "sms through twilio".
func defaults(env envconfig.Lookuper) (values map[string]string, real []string) {
	values = map[string]string{}
	set := func(name, otherwise string) {
		if value, _ := env.Lookup(name); value == "" {
			values[name] = otherwise
		}
	}
	keys := [][]string{{"WEBHOOK_AUTH_TOKEN"}, {"WEBHOOK_SECRET"}}
	for i := range catalog.Guides {
		var of []string // one text, so that the command that is printed is good for every topic
		for _, k := range catalog.Guides[i].All() {
			of = append(of, k.Variable)
		}
		keys = append(keys, of)
	}
	for _, names := range keys {
		text := strings.ToLower(rand.Text())
		for _, name := range names {
			if path, _ := env.Lookup(name + "_FILE"); path == "" {
				set(name, text)
			}
		}
	}
	set("SQUARE_NOTIFICATION_URL", squareURL)
	set("TEST_ENDPOINTS", "true")
	set("LOG_FORMAT", "text")
	set("LOG_LEVEL", "warn")
	set("BUSINESS_NAME", "Luna Coffee")
	for _, channel := range message.Channels {
		name := strings.ToUpper(string(channel)) + "_PROVIDER"
		if providers, _ := env.Lookup(name); providers != "" && providers != sandboxName {
			real = append(real, string(channel)+" through "+providers)
		}
		set(name, sandboxName)
	}
	if len(real) == 0 {
		set("ADMIN_REVEAL", "true")
		set("ALLOWED_COUNTRIES", "*")
	}
	return values, real
}

// squareURL is the address that webhooks of Square are signed with. Nobody has to reach it.
const squareURL = "https://localhost/webhooks/square/default"

// tokens names the senders whose API can be asked.
func tokens(env envconfig.Lookuper) (senders []string) {
	for _, one := range catalog.Tokens {
		value, _ := env.Lookup(one.Variable)
		path, _ := env.Lookup(one.Variable + "_FILE")
		if value != "" || path != "" {
			senders = append(senders, one.Sender)
		}
	}
	return senders
}

// sandboxName is the provider that sends nothing.
const sandboxName = "sandbox"

// build builds the programs. Ingest has the operators' port; the others take free ones.
func (s *Server) build(ctx context.Context, env overlay) error {
	c, err := ingest.Load(ctx, env)
	if err != nil {
		return app.Invalid(err)
	}
	c.Redis.Embedded, s.token, s.senders = s.embedded != nil, c.Auth.Tokens.First().Reveal(), c.Senders
	c.Server.Host, c.Ops.Host = s.host, s.host
	log := telemetry.NewLogger(c.Log, s.out)
	if s.store, err = redisstore.Open(c.Redis, log); err != nil {
		return err
	}
	if s.ingest, err = ingest.New(c, log); err != nil {
		return err
	}
	s.programs = append(s.programs, s.ingest)
	env = env.with("OPS_PORT", "0")
	for _, channel := range message.Channels {
		w, err := s.buildWorker(ctx, env.with("CHANNEL", string(channel)), log)
		if err != nil {
			return app.Invalid(err)
		}
		s.programs = append(s.programs, w)
	}
	if s.resolves {
		r, err := s.buildResolve(ctx, env, log)
		if err != nil {
			return app.Invalid(err)
		}
		s.programs = append(s.programs, r)
	}
	ac, err := admin.Load(ctx, env)
	if err != nil {
		return app.Invalid(err)
	}
	ac.Redis.Embedded, ac.Local, ac.LiveTemplates = s.embedded != nil, true, true
	ac.Host, ac.Ops.Host = s.host, s.host
	if s.admin, err = admin.New(ac, log); err != nil {
		return err
	}
	s.programs = append(s.programs, s.admin)
	return nil
}

func (s *Server) buildWorker(ctx context.Context, env overlay, log *slog.Logger) (*worker.Worker, error) {
	c, err := worker.Load(ctx, env)
	if err != nil {
		return nil, err
	}
	c.Redis.Embedded, c.LiveTemplates, c.Ops.Host = s.embedded != nil, true, s.host
	return worker.New(ctx, c, env, log)
}

func (s *Server) buildResolve(ctx context.Context, env overlay, log *slog.Logger) (*resolve.Program, error) {
	c, err := resolve.Load(ctx, env)
	if err != nil {
		return nil, err
	}
	c.Redis.Embedded, c.Ops.Host = s.embedded != nil, s.host
	return resolve.New(ctx, c, log)
}

// IngestURL is where webhooks go.
func (s *Server) IngestURL() string { return "http://" + local(s.ingest.Addr()) }

// AdminURL is where the outbox and the operators' pages are.
func (s *Server) AdminURL() string { return "http://" + local(s.admin.Addr()) }

// Curl is a command that posts a webhook.
func (s *Server) Curl() string {
	return fmt.Sprintf(`curl -sS %s/webhooks/pos -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -d '{"id":"webhook_%d","event_type":"pos_save","timestamp":"%s","source":"pos_system","data":{"transactionId":"TXN_67890","amount":125.50,"currency":"USD","customerName":"John Doe","customerPhone":"+1234567890","customerEmail":"john.doe@example.com","items":[{"name":"Espresso","quantity":2,"price":3.25},{"name":"Moka pot","quantity":1,"price":119.00}],"orderId":"ORD_1","status":"ready"}}'`,
		s.IngestURL(), s.token, time.Now().Unix(), time.Now().UTC().Format(time.RFC3339))
}

// SendCommand is a command that posts a webhook of a sender's topic, in that sender's form, with the program as it was started here: in a clone it is not on the PATH. A key
// of the environment is the shop's own, and not printed: the command reads the same variable.
func (s *Server) SendCommand(g *catalog.Guide, topic string) string {
	command := fmt.Sprintf("%s send --as %s --topic %s --url %s", os.Args[0], g.Name, topic, s.IngestURL())
	if key, made := s.made[g.For(topic, &s.senders).Variable]; made {
		command += " --key '" + key + "'"
	}
	if g.Name == square.Name {
		command = fmt.Sprintf("SQUARE_NOTIFICATION_URL='%s' ", s.senders.Square.NotificationURL) + command
	}
	return command
}

// sendCommands are a command for each sender.
func (s *Server) sendCommands() string {
	var lines []string
	for i := range catalog.Guides {
		g := &catalog.Guides[i]
		if topics := sample.Topics(g.Name); len(topics) > 0 {
			lines = append(lines, "  "+s.SendCommand(g, topics[len(topics)-1]))
		}
	}
	return strings.Join(lines, "\n")
}

// local makes an address of all interfaces one that can be pasted.
func local(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return "localhost:" + port
}

// Run serves until ctx ends or one of the programs fails, and prints each message as it goes out.
func (s *Server) Run(ctx context.Context) error {
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(s.programs))
	for _, p := range s.programs {
		go func() { ended <- p.Run(ctx) }()
	}
	go s.watch(ctx)
	if s.embedded != nil {
		go s.tick(ctx)
	}
	s.greet()
	var err error
	for range s.programs {
		err = errors.Join(err, <-ended)
		cancel() // when one ends, the others do
	}
	return err
}

func (s *Server) greet() {
	redis := "embedded, in memory (REDIS_URL for another)"
	if s.embedded == nil {
		redis = "the one of REDIS_URL"
	}
	what := ", with sandbox providers: nothing leaves this machine."
	if len(s.real) > 0 {
		what = ". Messages are sent, and cost money: " + strings.Join(s.real, "; ") + "."
	}
	_, _ = fmt.Fprintf(s.out, `ringup is running%[6]s

  webhooks  %[1]s/webhooks/pos
  samples   %[1]s/test/webhook-sample
  outbox    %[2]s/outbox
  queues    %[2]s/admin/queues
  preview   %[2]s/admin/preview
  metrics   http://%[3]s/metrics
  Redis     %[4]s

Paste this, and look at the outbox:

  %[5]s

Or an order in another system's own form (docs/senders has the other topics):

%[7]s

Ctrl-C ends it.

`, s.IngestURL(), s.AdminURL(), local(s.ingest.OpsAddr()), redis, s.Curl(), what, s.sendCommands())
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
	outbox := s.store.Outbox(0)
	seen := map[string]bool{}
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		entries, err := outbox.List(ctx)
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
