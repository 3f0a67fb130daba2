// Package sandbox is the provider from which nothing leaves: messages go to an outbox that a person can look at. It can be told to
// fail, to be slow and to limit, as the others do. It has no network, so it needs neither transport nor credentials.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
)

// Config says how the sandbox behaves.
type Config struct {
	// OutboxSize is how many messages of a channel the outbox keeps; 0 keeps none.
	OutboxSize int `env:"SANDBOX_OUTBOX_SIZE, default=200"`
	// Latency of each send.
	Latency time.Duration `env:"SANDBOX_LATENCY, default=0s"`
	// Fail makes sends fail, as transient:0.1,permanent:0.01; the classes are permanent, transient, throttled, account, ambiguous (the
	// message is taken, the answer is lost), the number how many of the sends, all when it is left out.
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
	if c.Latency < 0 {
		errs = append(errs, fmt.Errorf("SANDBOX_LATENCY is %s: set 0 or more, as 50ms", c.Latency))
	}
	if !(c.RateLimit >= 0) || math.IsInf(c.RateLimit, 0) {
		errs = append(errs, fmt.Errorf("SANDBOX_RATE_LIMIT is %g: set 0 (no limit) or how many messages a second", c.RateLimit))
	}
	_, err := parseFaults(c.Fail)
	return errors.Join(append(errs, err)...)
}

// Entry is a message that the sandbox took, as the outbox stores it and the outbox page shows it.
type Entry struct {
	Channel   message.Channel `json:"channel"`
	To        string          `json:"to"` // the whole address
	Subject   string          `json:"subject"`
	Text      string          `json:"text"`
	HTML      string          `json:"html"`
	Headers   []string        `json:"headers,omitempty"` // of an e-mail, beside the usual ones: "Auto-Submitted: auto-generated"
	EventID   string          `json:"event_id"`          // the webhook's
	EventType string          `json:"event,omitempty"`
	JobID     string          `json:"job_id"`
	Provider  string          `json:"provider"`
	SentAt    time.Time       `json:"sent_at"`
}

// Outbox stores messages for developers to look at.
type Outbox interface {
	// Put adds a message. It is safe for concurrent use.
	Put(context.Context, Entry) error
}

// fault is a share of the sends that fail in one way.
type fault struct {
	share float64
	err   failure.Error
}

// kinds are the errors that SANDBOX_FAIL can ask for, one of each class.
var kinds = []failure.Error{
	{Class: failure.Permanent, Reason: failure.ReasonRecipient},
	{Class: failure.Transient, Reason: failure.ReasonOutage},
	{Class: failure.Throttled, Reason: failure.ReasonRateLimit, RetryAfter: time.Second},
	{Class: failure.Account, Reason: failure.ReasonCredentials},
	{Class: failure.Ambiguous, Reason: failure.ReasonTimeout},
}

// parseFaults reads SANDBOX_FAIL. The error names every part that cannot be read.
func parseFaults(texts []string) ([]fault, error) {
	var faults []fault
	var errs []error
	total := 0.0
	for _, text := range texts {
		f, err := parseFault(text)
		errs = append(errs, err)
		faults = append(faults, f)
		total += f.share
	}
	if total > 1+rounding {
		errs = append(errs, fmt.Errorf("SANDBOX_FAIL adds up to %g: set shares that make 1 or less together", total))
	}
	return faults, errors.Join(errs...)
}

// rounding is how far a sum of decimal shares may be above 1: ten times 0.1 is.
const rounding = 1e-9

func parseFault(text string) (fault, error) {
	name, number, given := strings.Cut(strings.TrimSpace(text), ":")
	share := 1.0
	var err error
	if given {
		share, err = strconv.ParseFloat(number, 64)
	}
	i := slices.IndexFunc(kinds, func(e failure.Error) bool { return e.Class.String() == name })
	// NaN is neither in the range nor out of it, hence the negation.
	if i < 0 || err != nil || !(share >= 0 && share <= 1) {
		return fault{}, fmt.Errorf("SANDBOX_FAIL has %q: set permanent, transient, throttled, account or ambiguous, "+
			"with a share from 0 to 1, as transient:0.1", text)
	}
	failure := kinds[i]
	failure.Detail = "SANDBOX_FAIL says so"
	return fault{share, failure}, nil
}

// Provider takes messages of every channel.
type Provider struct {
	config Config
	faults []fault
	limit  *rate.Limiter
	outbox Outbox
}

// New returns a sandbox that puts messages into an outbox. The outbox is not called, and may be nil, when its size is 0.
func New(c Config, outbox Outbox) (*Provider, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	faults, err := parseFaults(c.Fail)
	if err != nil {
		return nil, err
	}
	p := &Provider{config: c, faults: faults, outbox: outbox}
	if c.RateLimit > 0 {
		// A burst of one second's worth, as the documented limits of the real ones are counted.
		p.limit = rate.NewLimiter(rate.Limit(c.RateLimit), max(1, int(c.RateLimit)))
	}
	return p, nil
}

// Send puts the message into the outbox.
func (p *Provider) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	if err := p.wait(ctx); err != nil {
		return provider.Receipt{}, err
	}
	if p.limit != nil && !p.limit.Allow() {
		return provider.Receipt{}, &failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit,
			RetryAfter: time.Second, Detail: "SANDBOX_RATE_LIMIT is reached"}
	}
	drawn := p.draw()
	if drawn != nil && drawn.Class != failure.Ambiguous {
		return provider.Receipt{}, drawn
	}
	if err := p.put(ctx, m); err != nil {
		return provider.Receipt{}, err
	}
	if drawn != nil {
		return provider.Receipt{}, drawn
	}
	return provider.Receipt{MessageID: "sandbox-" + m.JobID}, nil
}

// Probe says that the sandbox is well, unless it was told that the account is not.
func (p *Provider) Probe(ctx context.Context) error {
	if err := p.wait(ctx); err != nil {
		return err
	}
	for _, f := range p.faults {
		if f.err.Class == failure.Account && f.share > 0 {
			failure := f.err
			return &failure
		}
	}
	return nil
}

// Traits names the sandbox as the sender, and says that nothing is reported.
func (p *Provider) Traits() provider.Traits { return provider.Traits{Sender: "sandbox"} }

// wait takes the time that the sandbox is told to take.
func (p *Provider) wait(ctx context.Context) error {
	if p.config.Latency > 0 {
		timer := time.NewTimer(p.config.Latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return &failure.Error{Class: failure.Transient, Reason: failure.ReasonTimeout, Detail: "ended before the message was taken"}
	}
	return nil
}

// draw decides whether a send fails, and how; nil when it does not.
func (p *Provider) draw() *failure.Error {
	dice := rand.Float64() //nolint:gosec // chance, no secret
	for _, f := range p.faults {
		if dice -= f.share; dice < 0 {
			failure := f.err
			return &failure
		}
	}
	return nil
}

func (p *Provider) put(ctx context.Context, m message.Message) error {
	if p.config.OutboxSize == 0 {
		return nil
	}
	var headers []string
	if m.Channel == message.Email {
		if m.ReplyTo != "" {
			headers = append(headers, "Reply-To: "+m.ReplyTo)
		}
		for _, h := range m.Headers() {
			headers = append(headers, h.Name+": "+h.Value)
		}
	}
	err := p.outbox.Put(ctx, Entry{
		Channel: m.Channel, To: m.To.Reveal(), Subject: m.Subject, Text: m.Text, HTML: m.HTML, Headers: headers, EventID: m.WebhookID, EventType: m.EventType, JobID: m.JobID,
		Provider: "sandbox", SentAt: time.Now().UTC(),
	})
	if err != nil {
		return &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage, Detail: "the outbox cannot be written"}
	}
	return nil
}
