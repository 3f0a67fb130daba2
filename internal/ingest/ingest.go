// Package ingest is the public side: it verifies a webhook, validates it, fans it out to the channels' recipients, and answers when
// the jobs are in the queue.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/telemetry/tracing"
)

// Config has the settings of ingest.
type Config struct {
	// Channels that messages go out on.
	Channels []string `env:"CHANNELS, default=sms,email,whatsapp"`
	// SMSRecipients are the numbers that get a text for staff with every webhook.
	SMSRecipients []string `env:"SMS_DEFAULT_RECIPIENTS"`
	// EmailRecipients are the addresses that get an e-mail for staff with every webhook.
	EmailRecipients []string `env:"EMAIL_DEFAULT_RECIPIENTS"`
	// WhatsAppRecipients are the numbers that get a WhatsApp message for staff with every webhook.
	WhatsAppRecipients []string `env:"WHATSAPP_DEFAULT_RECIPIENTS"`
	// MaxBodyBytes is the largest payload that is read; a larger one is answered 413.
	MaxBodyBytes int64 `env:"MAX_BODY_BYTES, default=1048576"`
	// MaxInflightBytes is how much one replica works on at a time, each webhook counted with its size, 16 KiB at least; more is answered 503 at once.
	MaxInflightBytes int64 `env:"MAX_INFLIGHT_BYTES, default=33554432"`
	// MaxConnections is how many clients may be connected; more wait to be accepted.
	MaxConnections int `env:"MAX_CONNECTIONS, default=10000"`
	// TestEndpoints serves /webhooks/test, /test/webhook-sample and /test/simulate-webhook. Not for production: the last takes no token.
	TestEndpoints bool `env:"TEST_ENDPOINTS, default=false"`
	// SourceRateLimit is how many webhooks a second one source may send to one replica; 0 for no limit.
	SourceRateLimit float64 `env:"SOURCE_RATE_LIMIT, default=0"`
	// SourceRateBurst is how many webhooks a source may send at once; 0 for one second's worth.
	SourceRateBurst int `env:"SOURCE_RATE_BURST, default=0"`
}

// Validate reports every setting that cannot work, each with its variable. region is DEFAULT_REGION.
func (c *Config) Validate(region string) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Channels) == 0 {
		bad("CHANNELS is empty: set some of sms, email, whatsapp")
	}
	for _, name := range c.Channels {
		if _, err := message.ParseChannel(name); err != nil {
			bad("CHANNELS: %w", err)
		}
	}
	for variable, list := range map[string][]string{"SMS_DEFAULT_RECIPIENTS": c.SMSRecipients, "WHATSAPP_DEFAULT_RECIPIENTS": c.WhatsAppRecipients} {
		for i, raw := range list {
			if _, err := address.Phone(raw, region); err != nil {
				bad("%s: number %d is %w", variable, i+1, err)
			}
		}
	}
	for i, raw := range c.EmailRecipients {
		if _, err := address.Email(raw); err != nil {
			bad("EMAIL_DEFAULT_RECIPIENTS: number %d is %w", i+1, err)
		}
	}
	if c.MaxBodyBytes < 1024 || c.MaxBodyBytes > 64<<20 {
		bad("MAX_BODY_BYTES is %d: set 1024 to 67108864", c.MaxBodyBytes)
	}
	if c.MaxInflightBytes < c.MaxBodyBytes {
		bad("MAX_INFLIGHT_BYTES is %d: set MAX_BODY_BYTES (%d) at least, or a large webhook is never taken", c.MaxInflightBytes, c.MaxBodyBytes)
	}
	if c.MaxConnections < 1 {
		bad("MAX_CONNECTIONS is %d: set 1 or more", c.MaxConnections)
	}
	if c.SourceRateLimit < 0 || c.SourceRateBurst < 0 {
		bad("SOURCE_RATE_LIMIT is %g and SOURCE_RATE_BURST %d: set 0 or more", c.SourceRateLimit, c.SourceRateBurst)
	}
	return errors.Join(errs...)
}

// Enqueuer takes a webhook's jobs. Errors: queue.ErrUnavailable, *queue.FullError.
type Enqueuer interface {
	Enqueue(context.Context, *queue.Submission) (*queue.Acceptance, error)
}

// Options are what the handler is made of. All are required but Tracer and Routes.
type Options struct {
	Config     Config
	Region     string // DEFAULT_REGION
	Verifier   *generic.Verifier
	Enqueuer   Enqueuer
	Notifier   Notifier
	Registerer prometheus.Registerer
	Log        *slog.Logger
	Tracer     trace.Tracer // nil: no tracing
	// Routes add the other endpoints of the public port: callbacks, the unsubscribe page.
	Routes []func(chi.Router)
}

// handler answers the public endpoints.
type handler struct {
	Options
	channels []channel
	body     inbound.Body
	limits   limits
	inflight atomic.Int64 // bytes, by MaxInflightBytes
	webhooks *prometheus.CounterVec
	seconds  prometheus.Histogram
	skipped  *prometheus.CounterVec
}

// channel is a served channel, with its default recipients.
type channel struct {
	name     message.Channel
	defaults []message.Recipient
}

// NewHandler returns the public endpoints. Errors are of the configuration.
func NewHandler(o Options) (http.Handler, error) {
	if err := o.Config.Validate(o.Region); err != nil {
		return nil, err
	}
	h := &handler{
		Options: o,
		body:    inbound.Body{MediaTypes: []string{inbound.JSON}, Limit: o.Config.MaxBodyBytes, Setting: "MAX_BODY_BYTES"},
		limits:  limits{perSecond: o.Config.SourceRateLimit, burst: o.Config.SourceRateBurst, sources: map[string]*rate.Limiter{}},
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_webhooks_total", Help: "Webhooks, by event type and what was answered; duplicate is one that was not sent twice.",
		}, []string{"event", "outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ringup_webhook_duration_seconds", Help: "Time from a webhook's headers to its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5}, NativeHistogramBucketFactor: 1.1,
		}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_skipped_total", Help: "Messages not sent because the customer's address is invalid.",
		}, []string{"channel"}),
	}
	o.Registerer.MustRegister(h.webhooks, h.seconds, h.skipped)
	for _, name := range o.Config.Channels {
		c := channel{name: message.Channel(name)}
		for _, raw := range map[message.Channel][]string{
			message.SMS: o.Config.SMSRecipients, message.Email: o.Config.EmailRecipients, message.WhatsApp: o.Config.WhatsAppRecipients,
		}[c.name] {
			to, _ := h.address(c.name, raw) // checked by Validate
			c.defaults = append(c.defaults, message.Recipient{Address: to, Audience: message.Staff})
		}
		h.channels = append(h.channels, c)
	}
	r := chi.NewRouter()
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		inbound.New(http.StatusNotFound, "", "there is nothing here").Write(w)
	})
	r.MethodNotAllowed(notAllowed)
	r.Post("/webhooks/pos", h.serve(true))
	r.Get("/v1/notifications/{id}", h.notifications)
	for _, add := range o.Routes {
		add(r)
	}
	if o.Config.TestEndpoints {
		r.Post("/test/simulate-webhook", h.serve(false))
		r.Post("/webhooks/test", h.dryRun)
		r.Get("/test/webhook-sample", h.samples)
	}
	return r, nil
}

// accepted is the answer to a webhook that was taken.
type accepted struct {
	ID      string           `json:"id"`
	Status  string           `json:"status"` // accepted, duplicate
	Jobs    []queue.Accepted `json:"jobs"`
	Skipped []queue.Skipped  `json:"skipped"`
}

// serve answers webhooks: real ones, which have to be verified, or simulated ones, which may leave fields out.
func (h *handler) serve(real bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		event := "unknown"
		var span trace.Span
		if h.Tracer != nil {
			ctx := tracing.Extract(r.Context(), r.Header.Get("Traceparent"))
			ctx, span = h.Tracer.Start(ctx, r.Method+" "+r.URL.Path, trace.WithSpanKind(trace.SpanKindServer))
			defer span.End()
			r = r.WithContext(ctx)
		}
		answer, hook, err := h.accept(r, real)
		if hook != nil {
			event = string(hook.EventType)
		}
		var outcome string
		if err != nil {
			p := inbound.AsProblem(err)
			outcome = p.Outcome
			if p.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			p.Write(w)
			h.Log.Warn("webhook refused", "status", p.Status, "event", event, "reason", p.Outcome)
		} else {
			outcome = answer.Status
			inbound.WriteJSON(w, http.StatusAccepted, inbound.JSON, answer)
			h.Log.Info("webhook "+answer.Status, "webhook", answer.ID, "event", event, "jobs", len(answer.Jobs), "skipped", len(answer.Skipped),
				"took", time.Since(start))
		}
		if span != nil {
			span.SetAttributes(attribute.String("ringup.event", event), attribute.String("ringup.Outcome", outcome))
			if hook != nil {
				span.SetAttributes(attribute.String("ringup.webhook", hook.ID))
			}
		}
		h.webhooks.WithLabelValues(event, outcome).Inc()
		h.seconds.Observe(time.Since(start).Seconds())
	}
}

// accept takes a webhook or says why not. Errors: *inbound.Problem.
func (h *handler) accept(r *http.Request, real bool) (*accepted, *generic.Webhook, error) {
	if real {
		if err := h.Verifier.Token(r.Header); err != nil {
			return nil, nil, inbound.New(http.StatusUnauthorized, "unauthorized", err.Error())
		}
	}
	cost := h.inflightCost(r)
	defer h.inflight.Add(-cost)
	if h.inflight.Add(cost) > h.Config.MaxInflightBytes {
		return nil, nil, inbound.New(http.StatusServiceUnavailable, "busy", "too many webhooks are in flight (MAX_INFLIGHT_BYTES); send it again")
	}
	body, err := h.body.Read(r)
	if err != nil {
		return nil, nil, err
	}
	if real {
		err = h.Verifier.Signature(r.Header, body)
		if err != nil {
			return nil, nil, inbound.New(http.StatusUnauthorized, "unauthorized", err.Error())
		}
	} else if body, err = generic.WithDefaults(body, "simulated_"+newID(), time.Now()); err != nil {
		return nil, nil, invalid(err)
	}
	hook, err := generic.Decode(body)
	if err != nil {
		return nil, nil, invalid(err)
	}
	if !h.limits.allow(hook.Source) {
		return nil, hook, inbound.New(http.StatusTooManyRequests, "rate_limited", "this source sends more than it may (SOURCE_RATE_LIMIT)")
	}
	ctx, cancel := context.WithTimeout(r.Context(), enqueueTimeout)
	defer cancel()
	submission := h.fanOut(hook, body)
	if h.Tracer != nil {
		submission.Trace = tracing.Inject(ctx)
	}
	acceptance, err := h.Enqueuer.Enqueue(ctx, submission)
	var full *queue.FullError
	switch {
	case errors.As(err, &full):
		return nil, hook, inbound.New(http.StatusServiceUnavailable, "full", full.Error()+"; nothing is lost, send it again later")
	case err != nil:
		h.Log.Error("enqueue failed", "webhook", hook.ID, "error", err)
		return nil, hook, inbound.Unavailable("the queue cannot take it now; send it again")
	}
	answer := &accepted{ID: hook.ID, Status: "accepted", Jobs: acceptance.Jobs, Skipped: acceptance.Skipped}
	if acceptance.Duplicate {
		answer.Status = "duplicate"
	} else {
		for _, s := range acceptance.Skipped {
			h.skipped.WithLabelValues(string(s.Channel)).Inc()
		}
	}
	if answer.Jobs == nil {
		answer.Jobs = []queue.Accepted{}
	}
	if answer.Skipped == nil {
		answer.Skipped = []queue.Skipped{}
	}
	return answer, hook, nil
}

// invalid turns a payload's faults into a refusal.
func invalid(err error) *inbound.Problem {
	var fields *generic.InvalidError
	if errors.As(err, &fields) {
		p := inbound.New(http.StatusUnprocessableEntity, "invalid", "the payload is not a valid webhook; errors names each wrong field")
		for _, field := range fields.Problems {
			p.Errors = append(p.Errors, inbound.FieldError(field))
		}
		return p
	}
	return inbound.Malformed(err.Error())
}

// fanOut says who gets a message on which channel: the customer, where the payload has their address, and the default recipients.
func (h *handler) fanOut(hook *generic.Webhook, body []byte) *queue.Submission {
	s := &queue.Submission{WebhookID: hook.ID, Priority: hook.EventType.Priority(), AcceptedAt: time.Now(), Body: body}
	for _, c := range h.channels {
		part := queue.ChannelSubmission{Channel: c.name}
		raw := hook.Data.CustomerPhone
		if c.name == message.Email {
			raw = hook.Data.CustomerEmail
		}
		var customer message.Address
		if raw != "" {
			to, err := h.address(c.name, raw)
			if err != nil {
				part.Skipped = append(part.Skipped, queue.Skipped{Channel: c.name, Address: message.Mask(raw), Reason: err.Error()})
			} else {
				customer = to
				part.Recipients = append(part.Recipients, message.Recipient{Address: to, Audience: message.Customer})
			}
		}
		for _, d := range c.defaults {
			if d.Address != customer {
				part.Recipients = append(part.Recipients, d)
			}
		}
		if len(part.Recipients)+len(part.Skipped) > 0 {
			s.Channels = append(s.Channels, part)
		}
	}
	if len(s.Channels) == 0 {
		// Nobody is written to; that the webhook came is remembered all the same.
		s.Channels = []queue.ChannelSubmission{{Channel: h.channels[0].name}}
	}
	return s
}

func (h *handler) address(c message.Channel, raw string) (message.Address, error) {
	if c == message.Email {
		return address.Email(raw)
	}
	return address.Phone(raw, h.Region)
}
