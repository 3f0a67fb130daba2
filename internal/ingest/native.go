package ingest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/sender"
)

// Senders knows the senders of each store.
type Senders interface {
	// Get returns a store's sender by its name; false where the store has none of it.
	Get(store, name string) (sender.Sender, bool)
}

// The outcomes of native webhooks, beside those of package inbound, the reasons of package sender and the statuses of accepted.
const (
	outcomeUnauthorized = "unauthorized"
	outcomeMalformed    = "malformed"
	outcomeNobody       = "no_recipient"
)

// native answers the webhooks of the senders that have a form of their own. A webhook is answered as its sender wants: 200 with an empty body for all that is
// in order, whether or not a message comes of it.
func (h *handler) native(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	name := chi.URLParam(r, "sender")
	from, found := h.Senders.Get(chi.URLParam(r, "store"), name)
	if !found {
		inbound.New(http.StatusNotFound, "", "there is no such sender or store").Write(w)
		return
	}
	reading, outcome, err := h.take(r, from, start)
	if err != nil {
		p := inbound.AsProblem(err)
		outcome = p.Outcome
		p.Write(w)
		if p.Status == http.StatusInternalServerError {
			h.Log.Error("webhook failed", "sender", name, "error", err)
		} else if h.logged.Allow(clientOf(r)) {
			h.Log.Warn("webhook refused", "status", p.Status, "sender", name, "reason", p.Outcome)
		}
	} else {
		reply := reading.Reply
		if reply.Status == 0 {
			reply = inbound.OK
		}
		reply.Write(w)
		h.Log.Info("webhook "+outcome, "sender", name, "topic", reading.Topic, "webhook", ids(reading.Events), "took", time.Since(start))
	}
	h.deliveries.WithLabelValues(name, outcome).Inc()
	h.seconds.Observe(time.Since(start).Seconds())
}

// take verifies a webhook, decodes it and puts its messages into the queue. The outcome is that of its last event. Errors: *inbound.Problem, and any other for
// a fault of ours.
func (h *handler) take(r *http.Request, from sender.Sender, at time.Time) (*sender.Reading, string, error) {
	body, err := h.anyBody.Read(r)
	if err != nil {
		return nil, "", err
	}
	d := &sender.Delivery{Header: r.Header, Body: body, Key: chi.URLParam(r, "key"), At: at}
	if err := from.Verify(d); err != nil {
		return nil, "", inbound.New(http.StatusUnauthorized, outcomeUnauthorized, err.Error())
	}
	reading, err := h.read(r.Context(), from, d)
	var malformed *sender.MalformedError
	switch {
	case errors.As(err, &malformed):
		return nil, "", inbound.New(http.StatusServiceUnavailable, outcomeMalformed, malformed.Error())
	case err != nil:
		return nil, "", err
	}
	outcome := string(reading.Skip)
	for _, e := range reading.Events {
		if outcome, err = h.one(r.Context(), e, d.At); err != nil {
			return nil, "", err
		}
		h.webhooks.WithLabelValues(string(e.Type), outcome).Inc()
	}
	return reading, outcome, nil
}

// read decodes a webhook, and charges its request for the events. Errors: those of Decode, and *inbound.Problem where there is no room for them.
func (h *handler) read(ctx context.Context, from sender.Sender, d *sender.Delivery) (*sender.Reading, error) {
	h.decoding <- struct{}{}
	defer func() { <-h.decoding }()
	reading, err := from.Decode(d)
	if err != nil {
		return nil, err
	}
	var memory int64
	for _, e := range reading.Events {
		memory += memoryOf(e)
	}
	if !fits(ctx, memory) {
		return nil, busy()
	}
	return reading, nil
}

// one puts the messages of one event of a webhook, which came at a time, into the queue. A repeat of the webhook finds the events that were there already.
func (h *handler) one(ctx context.Context, e *event.Event, at time.Time) (outcome string, err error) {
	if !h.sends(e) {
		return statusTest, nil
	}
	answer, err := h.enqueue(ctx, e, happened(e, at), h.Config.Coalesce)
	switch {
	case err != nil:
		return "", err
	case answer.Status == "accepted" && len(answer.Jobs) == 0:
		return outcomeNobody, nil
	}
	return answer.Status, nil
}

func ids(events []*event.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}
