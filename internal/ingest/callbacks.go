package ingest

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/report"
)

// applyTimeout is for the queue. Providers wait 15 s (Twilio, Amazon SNS) or somewhat less.
const applyTimeout = 5 * time.Second

// The outcomes of a callback, beside those that all endpoints share and provider.OutcomeForged.
const (
	outcomeTaken   = "taken"
	outcomeNothing = "nothing" // verified, with no report and no preference in it
)

// Sink applies what callbacks say: the queue. An error means that it did not, and that the provider has to send the callback again.
type Sink interface {
	Accept(context.Context, report.Update) error
}

// CallbackOptions are what Callbacks are made of. All are required.
type CallbackOptions struct {
	Callbacks  []provider.Callback
	Sink       Sink
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Callbacks serves the providers' callbacks. It is safe for concurrent use, also while their secrets are replaced.
type Callbacks struct {
	callbacks   atomic.Pointer[[]provider.Callback]
	sink        Sink
	log         *slog.Logger
	logged      *inbound.Rates // refusals in the log, by client
	requests    *prometheus.CounterVec
	reports     *prometheus.CounterVec
	preferences *prometheus.CounterVec
	foreign     *prometheus.CounterVec
	unread      *prometheus.CounterVec
}

// NewCallbacks returns the endpoints. Those that are not configured say so once in the log.
func NewCallbacks(o CallbackOptions) *Callbacks {
	c := &Callbacks{
		sink: o.Sink, log: o.Log, logged: inbound.NewRates(refusalRate, refusalBurst),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_callbacks_total",
			Help: "Requests of providers, by outcome. Of a forged one the signature is missing or invalid; one with nothing has no report and no preference.",
		}, []string{"provider", "outcome"}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_delivery_reports_total", Help: "Delivery reports, repeated ones too, by the message's state and, when it failed, why.",
		}, []string{"provider", "channel", "state", "reason"}),
		preferences: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_preferences_total", Help: "Opt-outs and opt-ins that providers passed on, repeated ones too, and why.",
		}, []string{"provider", "channel", "kind", "why"}),
		foreign: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_delivery_reports_foreign_total",
			Help: "Delivery reports on messages of other programs that use the same provider account. They are answered, and not stored.",
		}, []string{"provider"}),
		unread: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ringup_preferences_unread_total",
			Help: "Opt-outs and opt-ins of persons whose number is not in the callback (WhatsApp user names, short codes). Look them up at the provider.",
		}, []string{"provider"}),
	}
	o.Registerer.MustRegister(c.requests, c.reports, c.preferences, c.foreign, c.unread)
	c.Use(o.Callbacks)
	for _, one := range o.Callbacks {
		if one.Read == nil {
			o.Log.Info("callbacks not configured", "provider", one.Provider, "path", one.Path, "set", strings.Join(one.Settings, ", "))
			continue
		}
		// So that an alert on forged callbacks has a series from the start.
		for _, outcome := range []string{outcomeTaken, provider.OutcomeForged, inbound.OutcomeUnavailable} {
			c.requests.WithLabelValues(one.Provider, outcome)
		}
		c.unread.WithLabelValues(one.Provider)
		c.foreign.WithLabelValues(one.Provider)
	}
	return c
}

// Use replaces the callbacks by those of the same providers with other secrets, for the requests that come from now on.
func (c *Callbacks) Use(callbacks []provider.Callback) { c.callbacks.Store(&callbacks) }

// Routes adds the endpoints to a router.
func (c *Callbacks) Routes(r chi.Router) {
	for i, one := range *c.callbacks.Load() {
		r.Post(one.Path, func(w http.ResponseWriter, r *http.Request) { c.serve((*c.callbacks.Load())[i], w, r) })
		if one.Challenge != nil {
			r.Get(one.Path, func(w http.ResponseWriter, r *http.Request) { c.serveChallenge((*c.callbacks.Load())[i], w, r) })
		}
	}
}

// serve answers a callback of a provider.
func (c *Callbacks) serve(callback provider.Callback, w http.ResponseWriter, r *http.Request) {
	if callback.Read == nil {
		c.notConfigured(w, r, callback.Provider, callback.Settings)
		return
	}
	reply, outcome, err := c.apply(callback, r)
	c.answer(w, callback.Provider, outcome, reply, err)
}

// serveChallenge answers a provider's question whether the address is right.
func (c *Callbacks) serveChallenge(callback provider.Callback, w http.ResponseWriter, r *http.Request) {
	if callback.Challenge.Answer == nil {
		c.notConfigured(w, r, callback.Provider, callback.Challenge.Settings)
		return
	}
	reply, err := callback.Challenge.Answer(r)
	if err != nil {
		err = c.refused(callback.Provider, r, err)
	}
	c.answer(w, callback.Provider, outcomeNothing, reply, err)
}

// answer counts and writes the answer: the reply with its outcome, or the refusal with its own.
func (c *Callbacks) answer(w http.ResponseWriter, name, outcome string, reply inbound.Reply, err error) {
	if refused := inbound.AsProblem(err); refused != nil {
		c.requests.WithLabelValues(name, refused.Outcome).Inc()
		refused.Write(w)
		return
	}
	c.requests.WithLabelValues(name, outcome).Inc()
	reply.Write(w)
}

// notConfigured answers where a provider's settings are missing. The log says which: a stranger learns no names of settings.
func (c *Callbacks) notConfigured(w http.ResponseWriter, r *http.Request, name string, settings []string) {
	if c.logged.Allow(clientOf(r)) {
		c.log.Warn("callbacks not configured", "provider", name, "path", r.URL.Path, "set", strings.Join(settings, ", "))
	}
	inbound.New(http.StatusNotFound, "", "these callbacks are not configured: the log says what to set").Write(w)
}

// refused logs why a request was refused, and returns that: with the error of a 500, which the client does not get.
func (c *Callbacks) refused(name string, r *http.Request, err error) *inbound.Problem {
	p := inbound.AsProblem(err)
	if p.Status == http.StatusInternalServerError {
		c.log.Error("callback failed", "provider", name, "error", err)
	} else if c.logged.Allow(clientOf(r)) { // the metric counts the others
		c.log.Warn("callback refused", "provider", name, "status", p.Status, "reason", p.Detail)
	}
	return p
}

// read reads and verifies a callback. Errors: *inbound.Problem, and any other for a fault of ours.
func read(callback provider.Callback, r *http.Request) (report.Update, inbound.Reply, error) {
	body, err := callback.Body.Read(r)
	if err != nil {
		return report.Update{}, inbound.Reply{}, err
	}
	return callback.Read(r, body)
}

// maxNamed bounds the messages that a line of the log names.
const maxNamed = 20

// apply verifies a callback and hands what it says to the queue. Errors: *inbound.Problem.
func (c *Callbacks) apply(callback provider.Callback, r *http.Request) (inbound.Reply, string, error) {
	update, reply, err := read(callback, r)
	if err != nil {
		return inbound.Reply{}, "", c.refused(callback.Provider, r, err)
	}
	c.foreign.WithLabelValues(callback.Provider).Add(float64(update.Foreign))
	if n := len(update.Unread); n > 0 {
		c.unread.WithLabelValues(callback.Provider).Add(float64(n))
		c.log.Warn("preference without a number", "provider", callback.Provider, "count", n, "messages", update.Unread[:min(n, maxNamed)])
	}
	if update.Empty() {
		return reply, outcomeNothing, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), applyTimeout)
	defer cancel()
	if err := c.sink.Accept(ctx, update); err != nil {
		c.log.Error("callback not applied", "provider", callback.Provider, "error", err)
		return inbound.Reply{}, "", inbound.Unavailable("the queue cannot take it now; send it again")
	}
	for i := range update.Reports {
		r := &update.Reports[i]
		var why string
		if r.Err != nil {
			why = string(r.Err.Reason)
		}
		c.reports.WithLabelValues(r.Provider, string(r.Channel), string(r.State), why).Inc()
	}
	for i := range update.Preferences {
		p := &update.Preferences[i]
		c.preferences.WithLabelValues(p.Provider, string(p.Channel), string(p.Kind), string(p.Why)).Inc()
	}
	c.log.Debug("callback applied", "provider", callback.Provider, "reports", len(update.Reports), "preferences", len(update.Preferences))
	return reply, outcomeTaken, nil
}
