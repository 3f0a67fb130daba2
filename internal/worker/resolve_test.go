package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/worker"
)

// shop is a sender that is asked, and the queues that the messages go into.
type shop struct {
	err       error     // of the sender
	full      error     // of the queues
	nothing   bool      // what was fetched says nothing to a customer
	at        time.Time // in what was fetched; zero for that of the webhook
	meanwhile func()    // called while the sender is asked
	asked     int
	enqueued  []*queue.Submission
}

func (s *shop) Resolve(_ context.Context, e *event.Event) ([]*event.Event, error) {
	s.asked++
	if s.meanwhile != nil {
		s.meanwhile()
	}
	if s.err != nil || s.nothing {
		return nil, s.err
	}
	whole := *e
	whole.Lookup, whole.Items = "", []event.Item{{Name: "Flat white"}}
	if !s.at.IsZero() {
		whole.At = s.at
	}
	return []*event.Event{&whole}, nil
}

func (s *shop) Enqueue(_ context.Context, of *queue.Submission) (*queue.Acceptance, error) {
	if s.full != nil {
		return nil, s.full
	}
	s.enqueued = append(s.enqueued, of)
	return &queue.Acceptance{}, nil
}

// planned is a plan: the customer by SMS, where the number is known, and the staff.
func planned(e *event.Event) *queue.Submission {
	part := queue.ChannelSubmission{Channel: message.SMS, Recipients: []message.Recipient{{Address: "+12025550199", Audience: message.Staff}}}
	if e.Customer.Phone != "" {
		part.Recipients = append(part.Recipients, message.Recipient{Address: message.Address(e.Customer.Phone), Audience: message.Customer})
	}
	return &queue.Submission{Event: e, Channels: []queue.ChannelSubmission{part}}
}

// resolving is a handler that asks two senders, square and stripe, as s does.
func resolving(s *shop) (*worker.Resolve, *worker.Breakers) {
	registry := prometheus.NewRegistry()
	metrics := worker.NewMetrics(registry, message.Resolve)
	log := slog.New(slog.DiscardHandler)
	names := []string{"square", "stripe"}
	breakers := worker.NewBreakers(worker.ResolveProviders(names), metrics, log)
	return worker.NewResolve(worker.ResolveOptions{
		Config: worker.Config{RetryBackoff: []time.Duration{2 * time.Second}, OutagePatience: 24 * time.Hour}, Within: 5 * time.Minute, Coalesce: 20 * time.Second,
		Senders: names, Resolvers: []worker.Resolver{s, s}, Plan: planned, Enqueuer: s, Breakers: breakers, Metrics: metrics, Registerer: registry, Log: log,
	}), breakers
}

// lookup is a claimed job of an event that lacks something.
func lookup(t *testing.T, age time.Duration, e event.Event) *queue.Claimed {
	t.Helper()
	e.ID, e.Store, e.Type, e.Lookup = "w", event.DefaultStore, event.PaymentComplete, "order=1"
	body, err := job.Body(&e)
	if err != nil {
		t.Fatal(err)
	}
	return &queue.Claimed{Job: &job.Job{WebhookID: "w", Channel: message.Resolve, Index: 1, Store: e.Store, Type: e.Type, AcceptedAt: time.Now().Add(-age), Body: body, Trace: "00-trace"}}
}

// TestResolveOutcomes: what becomes of an event, by what its sender answers, by its age, and by what is known of it.
func TestResolveOutcomes(t *testing.T) {
	t.Parallel()
	known := event.Event{Sender: "square", Customer: event.Customer{Phone: "+12025550142"}, Sale: event.Sale{Total: "21.50"}}
	staff := event.Event{Sender: "square", Sale: event.Sale{Total: "21.50"}}
	ids := event.Event{Sender: "square"}
	transient := &failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
	permanent := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}
	refused := &failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}
	throttled := &failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit, RetryAfter: time.Minute}
	for name, tt := range map[string]struct {
		of      event.Event
		err     error
		age     time.Duration
		outcome string
		sent    int // events that were enqueued
	}{
		"answered": {ids, nil, 0, "completed", 1}, "answered late": {known, nil, time.Hour, "completed", 1},
		"an outage": {known, transient, 0, "deferred", 0}, "an outage for long": {known, transient, 6 * time.Minute, "completed", 1},
		"an outage, and no address": {staff, transient, time.Hour, "deferred", 0}, "an outage, and ids only": {ids, transient, time.Hour, "deferred", 0},
		"an outage for a day": {ids, transient, 25 * time.Hour, "retry", 0},
		"for good":            {known, permanent, 0, "completed", 1}, "for good, of the staff": {staff, permanent, 0, "completed", 1}, "for good, and ids only": {ids, permanent, 0, "failed", 0},
		"a wrong token": {ids, refused, time.Hour, "deferred", 0}, "a wrong token for long": {known, refused, time.Hour, "completed", 1},
		"throttled": {known, throttled, 0, "deferred", 0},
		"no token":  {event.Event{Sender: "clover"}, nil, time.Hour, "deferred", 0}, "no token for a day": {event.Event{Sender: "clover"}, nil, 25 * time.Hour, "failed", 0},
		"a wrong token for a day": {ids, refused, 25 * time.Hour, "failed", 0}, "a wrong token for a day, of the staff": {staff, refused, 25 * time.Hour, "completed", 1},
	} {
		s := &shop{err: tt.err}
		handler, _ := resolving(s)
		r := handler.Handle(t.Context(), lookup(t, tt.age, tt.of))
		if r.Outcome.Name() != tt.outcome || len(s.enqueued) != tt.sent {
			t.Errorf("%s: %s with %d events", name, r.Outcome.Name(), len(s.enqueued))
			continue
		}
		for _, of := range s.enqueued {
			if of.Event.Lookup != "" || of.Trace != "00-trace" || of.Coalesce != 20*time.Second || time.Since(of.AcceptedAt) < tt.age || (len(of.Event.Items) > 0) != (tt.err == nil) {
				t.Errorf("%s: %+v", name, of)
			}
		}
		if wait, deferred := r.Outcome.(queue.Defer); deferred && errors.Is(tt.err, throttled) && (wait.Delay < time.Minute || r.Health.ThrottleFor != time.Minute) {
			t.Errorf("%s: after %s, %+v", name, wait.Delay, r.Health)
		}
		if errors.Is(tt.err, refused) && !r.Health.Account || errors.Is(tt.err, transient) && r.Health.Failed != 1 || tt.err == nil && s.asked == 1 && r.Health.Healthy != 1 {
			t.Errorf("%s: %+v", name, r.Health)
		}
	}
}

// TestResolveSaysNothing: an event of which nothing comes is at its end.
func TestResolveSaysNothing(t *testing.T) {
	t.Parallel()
	s := &shop{nothing: true}
	handler, _ := resolving(s)
	if r := handler.Handle(t.Context(), lookup(t, 0, event.Event{Sender: "stripe"})); r.Outcome.Name() != "completed" || len(s.enqueued) != 0 || r.Provider != "stripe" {
		t.Errorf("%+v", r)
	}
}

// TestResolveWithoutRoom: while the queues take nothing, the event waits, and the sender is not held to be at fault.
func TestResolveWithoutRoom(t *testing.T) {
	t.Parallel()
	for _, err := range []error{queue.ErrUnavailable, &queue.FullError{Channel: message.SMS}} {
		s := &shop{full: err}
		handler, _ := resolving(s)
		if r := handler.Handle(t.Context(), lookup(t, 0, event.Event{Sender: "square"})); r.Outcome.Name() != "deferred" || r.Health.Failed != 0 {
			t.Errorf("%v: %+v", err, r)
		}
	}
	s := &shop{full: errors.New("too large")}
	handler, _ := resolving(s)
	if r := handler.Handle(t.Context(), lookup(t, 0, event.Event{Sender: "square"})); r.Outcome.Name() != "failed" {
		t.Errorf("%+v", r)
	}
}

// TestTimeOfAResolvedEvent: it is that of the sender's answer, or else of the webhook; an event without a time is shown by when it came, and is of no sale.
func TestTimeOfAResolvedEvent(t *testing.T) {
	t.Parallel()
	said, fetched := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC), time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		webhook, answer, want time.Time
		err                   error
	}{
		"of the webhook": {webhook: said, want: said}, "of the answer": {webhook: said, answer: fetched, want: fetched}, "of the answer alone": {answer: fetched, want: fetched}, "none": {},
		"none, and no answer": {err: &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}},
	} {
		s := &shop{at: tt.answer, err: tt.err}
		handler, _ := resolving(s)
		c := lookup(t, 0, event.Event{Sender: "square", At: tt.webhook, Customer: event.Customer{Phone: "+12025550142"}})
		if r := handler.Handle(t.Context(), c); r.Outcome.Name() != "completed" || len(s.enqueued) != 1 {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if of := s.enqueued[0]; !of.HappenedAt.Equal(tt.want) || of.Event.At.IsZero() || !tt.want.IsZero() && !of.Event.At.Equal(tt.want) {
			t.Errorf("%s: happened at %s, shown as %s", name, of.HappenedAt, of.Event.At)
		}
	}
}

// TestEnqueueAfterALongAnswer: what a sender said when the time of its request was over is enqueued all the same.
func TestEnqueueAfterALongAnswer(t *testing.T) {
	t.Parallel()
	s := &shop{err: &failure.Error{Class: failure.Transient, Reason: failure.ReasonTimeout}}
	handler, _ := resolving(s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := lookup(t, time.Hour, event.Event{Sender: "square", Customer: event.Customer{Phone: "+12025550142"}})
	if r := handler.Handle(ctx, c); r.Outcome.Name() != "completed" || len(s.enqueued) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestSendersThatAreNotAsked: while a sender's breaker is open, or it has asked to wait, its jobs wait, or go out as they are, and the others' go on. When the time is over, one job at
// a time is the sender's probe.
func TestSendersThatAreNotAsked(t *testing.T) {
	t.Parallel()
	known := event.Event{Sender: "square", Customer: event.Customer{Phone: "+12025550142"}}
	for name, tt := range map[string]struct {
		state   string
		until   time.Duration // from now
		of      event.Event
		age     time.Duration
		asked   int
		outcome string
		health  queue.ProviderHealth
	}{
		"open":             {queue.BreakerOpen, time.Minute, known, 0, 0, "deferred", queue.ProviderHealth{}},
		"open for long":    {queue.BreakerOpen, time.Minute, known, 6 * time.Minute, 0, "completed", queue.ProviderHealth{}},
		"open, another's":  {queue.BreakerOpen, time.Minute, event.Event{Sender: "stripe"}, 0, 1, "completed", queue.ProviderHealth{Provider: "stripe", Healthy: 1}},
		"half-open":        {queue.BreakerOpen, -time.Second, known, 0, 1, "completed", queue.ProviderHealth{Provider: "square", Healthy: 1, Probed: true}},
		"waits":            {queue.BreakerThrottled, time.Minute, known, 0, 0, "deferred", queue.ProviderHealth{}},
		"has waited":       {queue.BreakerThrottled, -time.Second, known, 0, 1, "completed", queue.ProviderHealth{Provider: "square", Healthy: 1}},
		"recovers":         {queue.BreakerRecovering, time.Minute, known, 0, 1, "completed", queue.ProviderHealth{Provider: "square", Healthy: 1}},
		"open, ids, a day": {queue.BreakerOpen, time.Minute, event.Event{Sender: "square"}, 25 * time.Hour, 0, "failed", queue.ProviderHealth{}},
	} {
		s := &shop{}
		handler, breakers := resolving(s)
		breakers.Update(map[string]queue.BreakerState{"square": {State: tt.state, Until: time.Now().Add(tt.until)}})
		r := handler.Handle(t.Context(), lookup(t, tt.age, tt.of))
		if r.Outcome.Name() != tt.outcome || s.asked != tt.asked || r.Health != tt.health {
			t.Errorf("%s: %s, asked %d times, %+v", name, r.Outcome.Name(), s.asked, r.Health)
		}
		if wait, deferred := r.Outcome.(queue.Defer); deferred && (wait.Delay < 50*time.Second || wait.Delay > 70*time.Second) {
			t.Errorf("%s: waits for %s", name, wait.Delay)
		}
	}
}

// TestOneProbeAtATime: of the jobs of a sender whose breaker is half-open, one is its probe, and the others wait.
func TestOneProbeAtATime(t *testing.T) {
	t.Parallel()
	s := &shop{}
	handler, breakers := resolving(s)
	breakers.Update(map[string]queue.BreakerState{"square": {State: queue.BreakerOpen, Until: time.Now()}})
	s.meanwhile = func() {
		s.meanwhile = nil
		if r := handler.Handle(t.Context(), lookup(t, 0, event.Event{Sender: "square"})); r.Outcome.Name() != "deferred" || s.asked != 1 {
			t.Errorf("beside the probe: %+v", r)
		}
	}
	for i := range 2 {
		if r := handler.Handle(t.Context(), lookup(t, 0, event.Event{Sender: "square"})); !r.Health.Probed || s.asked != i+1 {
			t.Errorf("%+v", r)
		}
	}
}

// TestProbesOfClaims: a probe that a claim gives counts for the sender whose job it is.
func TestProbesOfClaims(t *testing.T) {
	t.Parallel()
	for sender, probed := range map[string]bool{"square": true, "stripe": false} {
		handler, _ := resolving(&shop{})
		c := lookup(t, 0, event.Event{Sender: sender})
		c.Probe, c.Provider = true, 0
		if r := handler.Handle(t.Context(), c); r.Health.Provider != sender || r.Health.Probed != probed || r.Health.Healthy != 1 {
			t.Errorf("%s: %+v", sender, r.Health)
		}
	}
}
