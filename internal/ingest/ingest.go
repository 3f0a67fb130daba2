// Package ingest is the public side: it verifies a webhook, validates it, plans its messages, and answers when their jobs are
// in the queue.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/plan"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/store"
	"ringup.dev/ringup/internal/telemetry/tracing"
	"ringup.dev/ringup/internal/value"
)

// Enqueuer takes a webhook's jobs. Errors: queue.ErrUnavailable, also where the context ended; *queue.FullError; and any other for an event that
// cannot become a job, now or later.
type Enqueuer interface {
	Enqueue(context.Context, *queue.Submission) (*queue.Acceptance, error)
}

// Options are what the handler is made of. All are required but Tracer, Routes, Kept, and one of Verifier and Senders.
type Options struct {
	Config     Config
	Store      *store.Store
	Verifier   *generic.Verifier // nil: POST /webhooks/pos is not there
	Senders    Senders           // those with a form of their own; nil for none
	Kept       Kept              // nil: deliveries are not noted, and a body that is malformed is answered 503
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
	body       inbound.Body
	anyBody    inbound.Body // whatever type it says it is
	sources    *inbound.Rates
	logged     *inbound.Rates // refusals in the log, by client
	webhooks   *prometheus.CounterVec
	seconds    prometheus.Histogram
	skipped    *prometheus.CounterVec
	notes      *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	latest     deliveryLog
	decoding   chan struct{}  // as many at a time as there are processors: a payload takes up to a hundred times its bytes meanwhile
	zone       *time.Location // of the store
}

// Handler answers the public endpoints. Its Run works beside.
type Handler struct {
	http.Handler
	inner *handler
}

// NewHandler returns the public endpoints. Errors are of the configuration.
func NewHandler(o Options) (*Handler, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(o.Store.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time zone of the store: %w", err)
	}
	h := &handler{
		Options: o, zone: zone, decoding: make(chan struct{}, runtime.GOMAXPROCS(0)),
		body:    inbound.Body{MediaTypes: []string{inbound.JSON}, Limit: o.Config.MaxBodyBytes, Setting: "MAX_BODY_BYTES"},
		anyBody: inbound.Body{Limit: o.Config.MaxBodyBytes, Setting: "MAX_BODY_BYTES"},
		sources: inbound.NewRates(o.Config.SourceRateLimit, o.Config.SourceRateBurst),
		logged:  inbound.NewRates(refusalRate, refusalBurst),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_webhooks_total", Help: "Webhooks, by event type and what was answered; duplicate is one that was not sent twice.",
		}, []string{"event", "outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ringup_webhook_duration_seconds", Help: "Time from a webhook's headers to its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5}, NativeHistogramBucketFactor: 1.1,
		}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_skipped_total", Help: "Messages not sent because the customer's address cannot be used: it is invalid, a placeholder, or of a country that is not allowed.",
		}, []string{"channel"}),
		notes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_webhook_notes_total", Help: "Values of webhooks that could not be read and were left out, by field.",
		}, []string{"field"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_sender_webhooks_total", Help: "Webhooks of the senders with a form of their own, by sender and outcome.",
		}, []string{"sender", "outcome"}),
	}
	o.Registerer.MustRegister(h.webhooks, h.seconds, h.skipped, h.notes, h.deliveries)
	return &Handler{h.routes(), h}, nil
}

// routes returns the endpoints.
func (h *handler) routes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		inbound.New(http.StatusNotFound, "", "there is nothing here").Write(w)
	})
	r.MethodNotAllowed(notAllowed)
	if h.Verifier != nil {
		r.Post("/webhooks/pos", h.serve(true))
	}
	if h.Senders != nil {
		r.Post("/webhooks/{sender}/{store}", h.native)
		r.Post("/webhooks/{sender}/{store}/{key}", h.native)
	}
	r.Get("/v1/notifications/{id}", h.notifications)
	for _, add := range h.Routes {
		add(r)
	}
	if h.Config.TestEndpoints {
		r.Post("/test/simulate-webhook", h.serve(false))
		r.Post("/webhooks/test", h.dryRun)
		r.Get("/test/webhook-sample", h.samples)
	}
	return r
}

// accepted is the answer to a webhook that was taken.
type accepted struct {
	ID      string           `json:"id"`
	Status  string           `json:"status"` // accepted, duplicate, stale; test for a test order, which is not sent
	Jobs    []queue.Accepted `json:"jobs"`
	Skipped []queue.Skipped  `json:"skipped"`
	Notes   []value.Note     `json:"notes"` // the values that were left out
	Stale   []queue.Stale    `json:"stale,omitempty"`
}

// The statuses of webhooks that lead to no message: of a test order, and of an event that is older than another one of its sale.
const (
	statusTest  = "test"
	statusStale = "stale"
)

// code returns the HTTP status of the answer. 202 is a promise to send.
func (a *accepted) code() int {
	if a.Status == statusTest {
		return http.StatusOK
	}
	return http.StatusAccepted
}

// serve answers webhooks: real ones, which have to be verified, or simulated ones, which may leave fields out.
func (h *handler) serve(real bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		kind := "unknown"
		body, err := h.verify(r, real)
		var span trace.Span
		if h.Tracer != nil {
			ctx := r.Context()
			if real && err == nil { // a stranger may not say what is traced
				ctx = tracing.Extract(ctx, r.Header.Get("Traceparent"))
			}
			ctx, span = h.Tracer.Start(ctx, r.Method+" "+r.URL.Path, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
			defer span.End()
			r = r.WithContext(ctx)
		}
		var answer *accepted
		var e *event.Event
		if err == nil {
			answer, e, err = h.accept(r.Context(), body)
		}
		if e != nil {
			kind = string(e.Type)
		}
		var outcome string
		if err != nil {
			p := inbound.AsProblem(err)
			outcome = p.Outcome
			if p.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			p.Write(w)
			if p.Status == http.StatusInternalServerError { // the client does not get the error
				h.Log.Error("webhook failed", "event", kind, "error", err)
			} else if h.logged.Allow(clientOf(r)) { // the metric counts the others
				h.Log.Warn("webhook refused", "status", p.Status, "event", kind, "reason", p.Outcome)
			}
		} else {
			outcome = answer.Status
			inbound.WriteJSON(w, answer.code(), inbound.JSON, answer)
			h.Log.Info("webhook "+answer.Status, "webhook", answer.ID, "event", kind, "jobs", len(answer.Jobs), "skipped", len(answer.Skipped),
				"notes", len(answer.Notes), "took", time.Since(start))
		}
		if span != nil {
			span.SetAttributes(attribute.String("ringup.event", kind), attribute.String("ringup.outcome", outcome))
			if e != nil {
				span.SetAttributes(attribute.String("ringup.webhook", e.ID))
			}
		}
		h.webhooks.WithLabelValues(kind, outcome).Inc()
		h.seconds.Observe(time.Since(start).Seconds())
	}
}

// verify reads the body of a webhook that is signed by one who may send it; a simulated one gets what it leaves out. Errors: *inbound.Problem.
func (h *handler) verify(r *http.Request, real bool) ([]byte, error) {
	if real {
		if err := h.Verifier.Token(r.Header); err != nil {
			return nil, inbound.New(http.StatusUnauthorized, "unauthorized", err.Error())
		}
	}
	body, err := h.body.Read(r)
	if err != nil {
		return nil, err
	}
	if !real {
		body, err = generic.WithDefaults(body, "simulated_"+newID(), time.Now())
		if err != nil {
			return nil, invalid(err)
		}
		return body, nil
	}
	if err := h.Verifier.Signature(r.Header, body); err != nil {
		return nil, inbound.New(http.StatusUnauthorized, "unauthorized", err.Error())
	}
	return body, nil
}

// accept takes a webhook or says why not. Errors: *inbound.Problem, and any other for a fault of ours.
func (h *handler) accept(ctx context.Context, body []byte) (*accepted, *event.Event, error) {
	at := time.Now()
	e, notes, err := h.decode(ctx, body, at)
	if err != nil {
		return nil, e, err
	}
	if !h.sources.Allow(e.Source) {
		return nil, e, inbound.New(http.StatusTooManyRequests, "rate_limited", "this source sends more than it may (SOURCE_RATE_LIMIT)")
	}
	answer := &accepted{ID: e.ID, Status: statusTest}
	if h.sends(e) {
		if answer, err = h.enqueue(ctx, e, happened(e, at), h.Config.Coalesce.Webhooks); err != nil {
			return nil, e, err
		}
	}
	for _, n := range notes {
		h.notes.WithLabelValues(field(n.Path)).Inc()
	}
	answer.Notes = notes
	return answer.complete(), e, nil
}

// decode decodes a webhook that came at a time, and charges its request for the event. Errors: *inbound.Problem.
func (h *handler) decode(ctx context.Context, body []byte, at time.Time) (*event.Event, []value.Note, error) {
	h.decoding <- struct{}{}
	defer func() { <-h.decoding }()
	e, notes, err := generic.Decode(body, h.zone, at)
	if err != nil {
		return nil, nil, invalid(err)
	}
	if !fits(ctx, memoryOf(e)) {
		return e, nil, busy()
	}
	return e, notes, nil
}

// sends says whether messages are sent for an event: not for a test order, unless SEND_TEST_ORDERS is set.
func (h *handler) sends(e *event.Event) bool { return !e.Sale.Test || h.Config.SendTestOrders }

var index = regexp.MustCompile(`\[[0-9]+\]`)

// field returns the field that a path leads to: for all items the same.
func field(path string) string { return index.ReplaceAllLiteralString(path, "[]") }

// complete makes empty lists of the ones that are missing, for JSON.
func (a *accepted) complete() *accepted {
	a.Jobs, a.Skipped, a.Notes = listed(a.Jobs), listed(a.Skipped), listed(a.Notes)
	return a
}

func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// happened returns when an event happened that came at a time; zero where that time stands in for one that cannot be read.
func happened(e *event.Event, at time.Time) time.Time {
	if e.At.Equal(at) {
		return time.Time{}
	}
	return e.At
}

// enqueue plans the messages of an event that happened at a time, or zero, and puts their jobs into the queue; where they may wait, so long. Errors: *inbound.Problem, and those of the Enqueuer for an event that cannot
// become a job.
func (h *handler) enqueue(ctx context.Context, e *event.Event, at time.Time, coalesce time.Duration) (*accepted, error) {
	ctx, cancel := context.WithTimeout(ctx, enqueueTimeout)
	defer cancel()
	submission := h.plan(e, at, coalesce)
	submission.AcceptedAt = time.Now()
	if h.Tracer != nil {
		submission.Trace = tracing.Inject(ctx)
	}
	acceptance, err := h.Enqueuer.Enqueue(ctx, submission)
	var full *queue.FullError
	switch {
	case errors.As(err, &full):
		return nil, inbound.New(http.StatusServiceUnavailable, "full", full.Error()+"; nothing is lost, send it again later")
	case errors.Is(err, queue.ErrUnavailable):
		h.Log.Error("enqueue failed", "webhook", e.ID, "error", err)
		return nil, inbound.Unavailable("the queue cannot take it now; send it again")
	case err != nil: // to send it again would not help
		return nil, fmt.Errorf("webhook %q: %w", e.ID, err)
	}
	answer := &accepted{ID: e.ID, Status: "accepted", Jobs: acceptance.Jobs, Skipped: acceptance.Skipped, Stale: acceptance.Stale}
	if acceptance.Duplicate {
		answer.Status = "duplicate"
	} else {
		if len(acceptance.Stale) > 0 && len(acceptance.Jobs) == 0 {
			answer.Status = statusStale
		}
		for _, s := range acceptance.Skipped {
			h.skipped.WithLabelValues(string(s.Channel)).Inc()
		}
	}
	return answer, nil
}

// plan returns the jobs of an event that happened at a time, or zero: its messages, which may wait so long; or, where a part of it has to be fetched first, one for the program
// that does so. The recipient of that one is the sender. It is of no sale, since what was fetched says what happened, and an event without a time has none in it.
func (h *handler) plan(e *event.Event, at time.Time, coalesce time.Duration) *queue.Submission {
	if e.Lookup == "" {
		submission := plan.Plan(e, h.Store)
		submission.HappenedAt, submission.Coalesce = at, coalesce
		return submission
	}
	part := *e
	part.At = at
	return &queue.Submission{Event: &part, Priority: h.Store.Priority(e.Type), Channels: []queue.ChannelSubmission{
		{Channel: message.Resolve, Recipients: []message.Recipient{{Address: message.Address(e.Sender), Audience: message.Customer}}},
	}}
}

// invalid turns a payload's faults into a refusal.
func invalid(err error) *inbound.Problem {
	var fields *generic.InvalidError
	if errors.As(err, &fields) {
		p := inbound.New(http.StatusUnprocessableEntity, "invalid", "the payload is not a valid webhook; errors names each wrong field")
		p.Errors = fields.Problems
		return p
	}
	return inbound.Malformed(err.Error())
}
