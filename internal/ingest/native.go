package ingest

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/store"
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
	d := &sender.Delivery{Header: r.Header, Key: chi.URLParam(r, "key"), At: start}
	err := h.verified(r, from, d)
	proven := err == nil
	var reading *taken
	var outcome string
	if proven {
		reading, outcome, err = h.take(r, from, d)
	}
	noted := queue.Delivery{At: start.UTC(), Outcome: outcome, Bytes: len(d.Body), Header: d.Header}
	if err != nil {
		p := inbound.AsProblem(err)
		outcome = p.Outcome
		p.Write(w)
		noted.Outcome, noted.Why = outcome, p.Detail
		if p.Status == http.StatusInternalServerError {
			h.Log.Error("webhook failed", "sender", name, "error", err)
		} else if h.logged.Allow(clientOf(r)) {
			h.Log.Warn("webhook refused", "status", p.Status, "sender", name, "reason", p.Outcome)
		}
	} else {
		reading.reply().Write(w)
		proven = reading.Skip != sender.SkipPing // some senders do not sign those
		noted.Topic, noted.Events, noted.Why = reading.Topic, ids(reading.Events), cmp.Or(reading.aside, reading.Note)
		if outcome != string(sender.SkipPing) || h.logged.Allow(clientOf(r)) { // some pings are not signed
			log := h.Log.With("sender", name, "topic", reading.Topic, "webhook", noted.Events)
			if reading.Note != "" {
				log = log.With("note", reading.Note)
			}
			log.Info("webhook "+outcome, "took", time.Since(start))
		}
	}
	if h.Kept != nil {
		h.latest.add(name, noted, proven)
	}
	h.deliveries.WithLabelValues(name, outcome).Inc()
	h.seconds.Observe(time.Since(start).Seconds())
}

// taken is a webhook that is answered 200: what it says, or why it could not be read and is set aside.
type taken struct {
	*sender.Reading
	aside string
}

// reply returns the sender's handshake, or the usual answer.
func (t *taken) reply() inbound.Reply {
	if t.Reply.Status == 0 {
		return inbound.OK
	}
	return t.Reply
}

// verified reads the body into d, and verifies it. Errors: *inbound.Problem.
func (h *handler) verified(r *http.Request, from sender.Sender, d *sender.Delivery) (err error) {
	if d.Body, err = h.anyBody.Read(r); err != nil {
		return err
	}
	if err := from.Verify(d); err != nil {
		return inbound.New(http.StatusUnauthorized, outcomeUnauthorized, err.Error())
	}
	return nil
}

// take decodes a webhook that was verified, and puts its messages into the queue; what cannot be read is set aside. Errors: *inbound.Problem, and any other for
// a fault of ours.
func (h *handler) take(r *http.Request, from sender.Sender, d *sender.Delivery) (*taken, string, error) {
	reading, outcome, err := h.told(r.Context(), from, d)
	var malformed *sender.MalformedError
	if errors.As(err, &malformed) {
		reading, outcome = &sender.Reading{}, outcomeMalformed
		err = h.setAside(r.Context(), chi.URLParam(r, "sender"), chi.URLParam(r, "store"), d, malformed.Error())
		return &taken{reading, malformed.Error()}, outcome, err
	}
	return &taken{Reading: reading}, outcome, err
}

// told decodes a webhook that was verified, and puts its messages into the queue. The outcome is accepted where one of its events is, and otherwise that of the last. Errors: *sender.MalformedError,
// *inbound.Problem, and any other for a fault of ours.
func (h *handler) told(ctx context.Context, from sender.Sender, d *sender.Delivery) (*sender.Reading, string, error) {
	reading, err := h.read(ctx, from, d)
	if err != nil {
		return nil, "", err
	}
	outcome := string(reading.Skip)
	for _, e := range reading.Events {
		of, err := h.one(ctx, e, d.At, slices.Contains(reading.Undated, e.ID))
		if err != nil {
			return nil, "", err
		}
		h.webhooks.WithLabelValues(string(e.Type), of).Inc()
		if outcome != statusAccepted {
			outcome = of
		}
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

// one puts the messages of one event of a webhook, which came at a time, into the queue. A repeat of the webhook finds the events that were there already; of an event
// without a time of its own, also long after.
func (h *handler) one(ctx context.Context, e *event.Event, at time.Time, undated bool) (outcome string, err error) {
	if !h.sends(e) {
		return statusTest, nil
	}
	if h.nobody(e) {
		return outcomeNobody, nil
	}
	undated = undated && h.Kept != nil
	if undated && h.wasSaid(ctx, e) {
		return string(sender.SkipRepeat), nil
	}
	answer, err := h.enqueue(ctx, e, happened(e, at), h.Config.Coalesce.Native)
	switch {
	case err != nil:
		return "", err
	case answer.Status != statusAccepted:
		return answer.Status, nil
	case len(answer.Jobs) == 0:
		return outcomeNobody, nil
	}
	if undated {
		h.say(ctx, e)
	}
	return statusAccepted, nil
}

// nobody reports whether an event has nobody to write to; one whose sender is asked for the rest may have. It is not remembered then: the same may be said again by another topic, or a minute later, with the customer.
func (h *handler) nobody(e *event.Event) bool {
	return e.Lookup == "" && e.Customer.Phone == "" && e.Customer.Email == "" &&
		!slices.ContainsFunc(h.Store.Channels, func(c store.Channel) bool { return len(c.Recipients) > 0 })
}

// meaning names an event among those that are said once.
func meaning(e *event.Event) string { return e.Key() + "\x00" + string(e.Type) }

// wasSaid reports whether an event was said before. Where that cannot be known, it was not: deduplication still is there.
func (h *handler) wasSaid(ctx context.Context, e *event.Event) bool {
	ctx, cancel := context.WithTimeout(ctx, enqueueTimeout)
	defer cancel()
	said, err := h.Kept.Said(ctx, meaning(e))
	if err != nil {
		h.Log.Warn("earlier events not read", "webhook", e.ID, "error", err)
	}
	return said
}

// say remembers an event whose messages are in the queue. Where it cannot, an edit of the sale after DEDUPE_TTL says it again.
func (h *handler) say(ctx context.Context, e *event.Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enqueueTimeout)
	defer cancel()
	if err := h.Kept.Say(ctx, meaning(e), sender.SaidWindow); err != nil {
		h.Log.Warn("event not remembered", "webhook", e.ID, "error", err)
	}
}

func ids(events []*event.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}
