// Package sandbox is the provider from which nothing leaves: messages go to an outbox that a person can look at. It can be told to
// fail, to be slow and to limit, as the others do.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/queue"
)

// Config says how the sandbox behaves.
type Config struct {
	// OutboxSize is how many messages of a channel the outbox keeps; 0 keeps none.
	OutboxSize int `env:"SANDBOX_OUTBOX_SIZE, default=200"`
	// Latency of each send.
	Latency time.Duration `env:"SANDBOX_LATENCY, default=0s"`
	// Fail makes sends fail, as transient:0.1,permanent:0.01; the classes are permanent, transient, throttled, account, ambiguous, the
	// number how many of the sends, all when it is left out.
	Fail []string `env:"SANDBOX_FAIL"`
	// RateLimit is how many messages a second the sandbox takes before it answers as a provider does that is asked too much; 0 for
	// any number.
	RateLimit float64 `env:"SANDBOX_RATE_LIMIT, default=0"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	var errs []error
	if c.OutboxSize < 0 {
		errs = append(errs, fmt.Errorf("SANDBOX_OUTBOX_SIZE is %d: set 0 or more", c.OutboxSize))
	}
	if c.Latency < 0 || c.RateLimit < 0 {
		errs = append(errs, fmt.Errorf("SANDBOX_LATENCY is %s and SANDBOX_RATE_LIMIT %g: set 0 or more", c.Latency, c.RateLimit))
	}
	_, err := faults(c.Fail)
	return errors.Join(append(errs, err)...)
}

// Outbox keeps messages for people to look at.
type Outbox interface {
	Put(context.Context, queue.OutboxEntry) error
}

// fault is a share of the sends that fail in one way.
type fault struct {
	share float64
	err   provider.Error
}

func faults(texts []string) ([]fault, error) {
	kinds := map[string]provider.Error{}
	for _, e := range []provider.Error{
		{Class: provider.Permanent, Reason: provider.ReasonRecipient},
		{Class: provider.Transient, Reason: provider.ReasonOutage},
		{Class: provider.Throttled, Reason: provider.ReasonRateLimit, RetryAfter: time.Second},
		{Class: provider.Account, Reason: provider.ReasonCredentials},
		{Class: provider.Ambiguous, Reason: provider.ReasonTimeout},
	} {
		e.Detail = "SANDBOX_FAIL says so"
		kinds[e.Class.String()] = e
	}
	var out []fault
	for _, text := range texts {
		name, number, given := strings.Cut(strings.TrimSpace(text), ":")
		share := 1.0
		var err error
		if given {
			share, err = strconv.ParseFloat(number, 64)
		}
		e, known := kinds[name]
		if !known || err != nil || share < 0 || share > 1 {
			return nil, fmt.Errorf("SANDBOX_FAIL has %q: set permanent, transient, throttled, account or ambiguous, with a share from 0 to 1, as transient:0.1", text)
		}
		out = append(out, fault{share, e})
	}
	return out, nil
}

// Provider takes messages of every channel.
type Provider struct {
	config Config
	faults []fault
	limit  *rate.Limiter
	outbox Outbox
}

// New returns a sandbox that puts messages into an outbox.
func New(c Config, outbox Outbox) (*Provider, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &Provider{config: c, outbox: outbox}
	p.faults, _ = faults(c.Fail) // checked by Validate
	if c.RateLimit > 0 {
		p.limit = rate.NewLimiter(rate.Limit(c.RateLimit), max(1, int(c.RateLimit)))
	}
	return p, nil
}

// Send puts the message into the outbox.
func (p *Provider) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	if p.config.Latency > 0 {
		select {
		case <-time.After(p.config.Latency):
		case <-ctx.Done():
			return provider.Receipt{}, &provider.Error{Class: provider.Ambiguous, Reason: provider.ReasonTimeout}
		}
	}
	if p.limit != nil && !p.limit.Allow() {
		return provider.Receipt{}, &provider.Error{Class: provider.Throttled, Reason: provider.ReasonRateLimit, Status: 429, RetryAfter: time.Second}
	}
	dice := rand.Float64() //nolint:gosec // no secret
	for _, f := range p.faults {
		if dice -= f.share; dice < 0 {
			failure := f.err
			return provider.Receipt{}, &failure
		}
	}
	if p.config.OutboxSize > 0 {
		err := p.outbox.Put(ctx, queue.OutboxEntry{
			Channel: m.Channel, To: m.To.Reveal(), Subject: m.Subject, Text: m.Text, HTML: m.HTML, EventID: m.WebhookID, JobID: m.JobID,
			Provider: "sandbox", SentAt: time.Now().UTC(),
		})
		if err != nil {
			return provider.Receipt{}, &provider.Error{Class: provider.Transient, Reason: provider.ReasonOutage, Detail: "the outbox cannot be written"}
		}
	}
	return provider.Receipt{MessageID: "sandbox-" + m.JobID}, nil
}

// Probe says that the sandbox is well, unless it was told that the account is not.
func (p *Provider) Probe(context.Context) error {
	for _, f := range p.faults {
		if f.err.Class == provider.Account {
			failure := f.err
			return &failure
		}
	}
	return nil
}
