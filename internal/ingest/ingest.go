// Package ingest is the public side: it verifies a webhook, validates it, plans its messages, and answers when their jobs are
// in the queue.
package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/plan"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/store"
	"ringup.dev/ringup/internal/telemetry/tracing"
)

// Enqueuer takes a webhook's jobs. Errors: queue.ErrUnavailable, *queue.FullError.
type Enqueuer interface {
	Enqueue(context.Context, *queue.Submission) (*queue.Acceptance, error)
}

// Options are what the handler is made of. All are required but Tracer and Routes.
type Options struct {
	Config     Config
	Store      *store.Store
	Verifier   *generic.Verifier
	Enqueuer   Enqueuer
	Notifier   Notifier
	Registerer prometheus.Registerer
	Log        *slog.Logger
	Tracer     trace.Tracer // nil: no tracing
	// Routes add what else the public port serves: callbacks, the page to unsubscribe.
	Routes []func(chi.Router)
}

// handler answers the public endpoints.
type handler struct {
	Options
	limits   limits
	inflight atomic.Int64 // bytes, by MaxInflightBytes
	webhooks *prometheus.CounterVec
	seconds  prometheus.Histogram
	skipped  *prometheus.CounterVec
}

// NewHandler returns the public endpoints. Errors are of the configuration.
func NewHandler(o Options) (http.Handler, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	h := &handler{
		Options: o,
		limits:  limits{perSecond: o.Config.SourceRateLimit, burst: o.Config.SourceRateBurst, sources: map[string]*rate.Limiter{}},
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_webhooks_total", Help: "Webhooks, by event type and what was answered; duplicate is one that was not sent twice.",
		}, []string{"event", "outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ringup_webhook_duration_seconds", Help: "Time from a webhook's headers to its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5}, NativeHistogramBucketFactor: 1.1,
		}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_skipped_total", Help: "Messages that are not sent because the customer's address is invalid.",
		}, []string{"channel"}),
	}
	o.Registerer.MustRegister(h.webhooks, h.seconds, h.skipped)
	r := chi.NewRouter()
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		problem(http.StatusNotFound, "", "there is nothing here").write(w)
	})
	r.MethodNotAllowed(notAllowed)
	r.Post("/webhooks/pos", h.serve(true))
	r.Get("/v1/notifications/{id}", h.notifications)
	for _, add := range o.Routes {
		add(r)
	}
	if o.Config.TestEndpoints {
		r.Post("/test/simulate-webhook", h.serve(false))
		r.Post("/webhooks/test", h.understand)
		r.Get("/test/webhook-sample", h.samples)
	}
	return r, nil
}

// Server returns the public server around a handler, with its limits.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: oneOfChunks(h), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// oneOfChunks ends the connection after a chunked request. One that gives its length, too, is read by its chunks, and net/http forgets the
// length: a proxy in front may have gone by that length, and what follows may be a smuggled request (RFC 9112, section
// 6.1, asks for the connection to be closed).
func oneOfChunks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
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
		kind := "unknown"
		var span trace.Span
		if h.Tracer != nil {
			ctx := tracing.Extract(r.Context(), r.Header.Get("Traceparent"))
			ctx, span = h.Tracer.Start(ctx, r.Method+" "+r.URL.Path, trace.WithSpanKind(trace.SpanKindServer))
			defer span.End()
			r = r.WithContext(ctx)
		}
		answer, e, err := h.accept(r, real)
		if e != nil {
			kind = string(e.Type)
		}
		var outcome string
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) {
				p = problem(http.StatusInternalServerError, "error", "")
			}
			outcome = p.outcome
			if p.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			p.write(w)
			h.Log.Warn("webhook refused", "status", p.Status, "event", kind, "reason", p.outcome)
		} else {
			outcome = answer.Status
			writeJSON(w, http.StatusAccepted, "application/json", answer)
			h.Log.Info("webhook "+answer.Status, "webhook", answer.ID, "event", kind, "jobs", len(answer.Jobs), "skipped", len(answer.Skipped),
				"took", time.Since(start))
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

// accept takes a webhook or says why not; every error is a *Problem.
func (h *handler) accept(r *http.Request, real bool) (*accepted, *event.Event, error) {
	if real {
		if err := h.Verifier.Token(r.Header); err != nil {
			return nil, nil, problem(http.StatusUnauthorized, "unauthorized", err.Error())
		}
	}
	room := h.room(r)
	defer h.inflight.Add(-room)
	if h.inflight.Add(room) > h.Config.MaxInflightBytes {
		return nil, nil, problem(http.StatusServiceUnavailable, "busy", "more webhooks come than are taken (MAX_INFLIGHT_BYTES); send it again").later()
	}
	body, err := h.body(r)
	if err != nil {
		return nil, nil, err
	}
	if real {
		err = h.Verifier.Signature(r.Header, body)
		if err != nil {
			return nil, nil, problem(http.StatusUnauthorized, "unauthorized", err.Error())
		}
	} else if body, err = generic.WithDefaults(body, "simulated_"+newID(), time.Now()); err != nil {
		return nil, nil, invalid(err)
	}
	e, err := generic.Decode(body)
	if err != nil {
		return nil, nil, invalid(err)
	}
	if !h.limits.allow(e.Source) {
		return nil, e, problem(http.StatusTooManyRequests, "rate_limited", "this source sends more than it may (SOURCE_RATE_LIMIT)").later()
	}
	answer, err := h.enqueue(r.Context(), e)
	return answer, e, err
}

// enqueue plans the messages of an event and puts their jobs into the queue; every error is a *Problem.
func (h *handler) enqueue(ctx context.Context, e *event.Event) (*accepted, error) {
	ctx, cancel := context.WithTimeout(ctx, enqueueTimeout)
	defer cancel()
	submission := plan.Plan(e, h.Store)
	submission.AcceptedAt = time.Now()
	if h.Tracer != nil {
		submission.Trace = tracing.Inject(ctx)
	}
	acceptance, err := h.Enqueuer.Enqueue(ctx, submission)
	var full *queue.FullError
	switch {
	case errors.As(err, &full):
		return nil, problem(http.StatusServiceUnavailable, "full", full.Error()+"; nothing is lost, send it again later").later()
	case err != nil:
		h.Log.Error("webhook not taken: the queue is unavailable", "webhook", e.ID, "error", err)
		return nil, problem(http.StatusServiceUnavailable, "unavailable", "the queue cannot take it now; send it again").later()
	}
	answer := &accepted{ID: e.ID, Status: "accepted", Jobs: acceptance.Jobs, Skipped: acceptance.Skipped}
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
	return answer, nil
}

// room is what a webhook counts for while it is worked on: its size, which for a chunked one is not known before.
func (h *handler) room(r *http.Request) int64 {
	if r.ContentLength < 0 {
		return h.Config.MaxBodyBytes
	}
	return max(leastRoom, min(r.ContentLength, h.Config.MaxBodyBytes))
}

// invalid turns what is wrong with a payload into an answer.
func invalid(err error) *Problem {
	var fields *generic.InvalidError
	if errors.As(err, &fields) {
		p := problem(http.StatusUnprocessableEntity, "invalid", "the payload is not a valid webhook; errors names each wrong field")
		p.Errors = fields.Problems
		return p
	}
	return problem(http.StatusBadRequest, "malformed", err.Error())
}

// body reads a request's JSON; every error is a *Problem.
func (h *handler) body(r *http.Request) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || kind != "application/json" || charset != "" && charset != "utf-8" && charset != "UTF-8" {
		return nil, problem(http.StatusUnsupportedMediaType, "media_type", "send Content-Type: application/json, in UTF-8")
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, problem(http.StatusUnsupportedMediaType, "media_type", "send the body without Content-Encoding")
	}
	tooLarge := problem(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body is larger than %d bytes (MAX_BODY_BYTES)", h.Config.MaxBodyBytes))
	if r.ContentLength > h.Config.MaxBodyBytes {
		return nil, tooLarge
	}
	// Room for what is announced, but not much before it has come.
	var buffer bytes.Buffer
	buffer.Grow(int(min(max(r.ContentLength, 0), 32<<10)) + bytes.MinRead)
	_, err = buffer.ReadFrom(io.LimitReader(r.Body, h.Config.MaxBodyBytes+1))
	if int64(buffer.Len()) > h.Config.MaxBodyBytes {
		return nil, tooLarge
	}
	if err != nil {
		return nil, problem(http.StatusBadRequest, "malformed", "the body ended before it was whole, or came too slowly")
	}
	return buffer.Bytes(), nil
}
