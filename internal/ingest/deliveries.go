package ingest

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender"
)

// Kept stores the latest deliveries of senders, the webhooks that could not be read, and what was said once. Errors: queue.ErrUnavailable.
type Kept interface {
	SetAside(context.Context, *queue.SetAside) error
	NoteDeliveries(context.Context, *queue.Deliveries) error
	// NextReplay returns the next webhook that is to be read again; nil for none. It is set aside until EndReplay.
	NextReplay(context.Context) (*queue.SetAside, error)
	EndReplay(ctx context.Context, id string) error
	// Said reports whether an event was said, and Say remembers for a time that it was.
	Said(ctx context.Context, event string) (bool, error)
	Say(ctx context.Context, event string, keep time.Duration) error
}

const (
	// noteEvery is how often deliveries are noted: one command for each sender that posted meanwhile, so that it costs a webhook next to nothing.
	noteEvery = time.Second
	// maxNoted is how many deliveries of a sender are noted at once, and maxNotedStrangers of those that anybody may have made; all are counted.
	maxNoted, maxNotedStrangers = 100, 20
	// maxNotedHeader bounds the memory of a header that is noted, in bytes; of a larger one there is nothing. A value takes valueCost beside its text.
	maxNotedHeader, valueCost = 8 << 10, 64
	// maxNotedText bounds a topic and a reason, in bytes, and maxNotedEvents the ids of one delivery.
	maxNotedText, maxNotedEvents = 200, 20
	// noteTimeout bounds the commands of one time, and maxReplays the webhooks that are read again at once.
	noteTimeout = 5 * time.Second
	maxReplays  = 100
)

// deliveryLog collects deliveries until they are noted. It is safe for concurrent use.
type deliveryLog struct {
	mu      sync.Mutex
	pending map[string]*queue.Deliveries
}

// add adds a delivery of a sender, and counts it. proven says that it was made by one who has a key. Its header is not copied: nobody changes it.
func (l *deliveryLog) add(name string, d queue.Delivery, proven bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.of(name)
	of.Counts[d.Outcome]++
	if proven {
		of.Latest = appended(of.Latest, d, maxNoted)
	} else {
		of.Refused = appended(of.Refused, d, maxNotedStrangers)
	}
}

// failed adds a replay that did not succeed. Its webhook was counted when it came in.
func (l *deliveryLog) failed(name string, d queue.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.of(name)
	of.Latest = appended(of.Latest, d, maxNoted)
}

func (l *deliveryLog) of(name string) *queue.Deliveries {
	if l.pending == nil {
		l.pending = map[string]*queue.Deliveries{}
	}
	if l.pending[name] == nil {
		l.pending[name] = &queue.Deliveries{Sender: name, Counts: map[string]int64{}}
	}
	return l.pending[name]
}

// appended returns a list with a delivery, cut to size, behind it. Of a list that has most, the older half goes.
func appended(list []queue.Delivery, d queue.Delivery, most int) []queue.Delivery {
	d.Topic, d.Why = clipped(d.Topic), clipped(d.Why)
	d.Events = d.Events[:min(len(d.Events), maxNotedEvents)]
	if !small(d.Header) {
		d.Header = nil
	}
	if len(list) == most {
		list = append(list[:0], list[most/2:]...)
	}
	return append(list, d)
}

func clipped(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxNotedText)], "")
}

// small reports whether a header is noted.
func small(header http.Header) bool {
	size := 0
	for name, values := range header {
		for _, value := range values {
			size += len(name) + len(value) + valueCost
		}
	}
	return size <= maxNotedHeader
}

// take returns what was collected, and begins anew.
func (l *deliveryLog) take() map[string]*queue.Deliveries {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.pending
	l.pending = nil
	return taken
}

// secretHeader is a header that shows who may post, or has the address that was asked for, in which a key may be: it is masked.
var secretHeader = regexp.MustCompile(`(?i)signature|hmac|auth|token|secret|cookie|key|passw|credential|session|jwt|assertion|oidc|principal|cert|ur[il]|path|query|referer`)

// userInfo and query are the parts of an address that may have a secret, whichever header it stands in.
var (
	userInfo = regexp.MustCompile(`://[^/\s]*@`)
	query    = regexp.MustCompile(`\?\S+`)
)

// masked returns a header without its secrets. It has what Decode reads.
func masked(header http.Header) map[string][]string {
	if len(header) == 0 {
		return nil
	}
	out := make(map[string][]string, len(header))
	for name, values := range header {
		shown := []string{"•••"}
		if !secretHeader.MatchString(name) {
			shown = make([]string, len(values))
			for i, value := range values {
				shown[i] = query.ReplaceAllLiteralString(userInfo.ReplaceAllLiteralString(value, "://"), "?•••")
			}
		}
		out[name] = shown
	}
	return out
}

// Run notes deliveries and reads webhooks again that are replayed, once per second until ctx ends. Any number may run side by side.
func (h *Handler) Run(ctx context.Context) {
	if h.inner.Kept == nil {
		return
	}
	ticker := time.NewTicker(noteEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			h.inner.note(context.WithoutCancel(ctx))
			return
		case <-ticker.C:
		}
		h.inner.replay(ctx)
		h.inner.note(ctx)
	}
}

// note notes the deliveries of the last second. What cannot be noted is dropped: the metric counts it.
func (h *handler) note(ctx context.Context) {
	call, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	for _, of := range h.latest.take() {
		for _, list := range [][]queue.Delivery{of.Latest, of.Refused} {
			for i := range list {
				list[i].Header = masked(list[i].Header)
			}
		}
		if err := h.Kept.NoteDeliveries(call, of); err != nil && ctx.Err() == nil {
			h.Log.Warn("deliveries not noted", "sender", of.Sender, "error", err)
		}
	}
}

// setAside stores a webhook whose body is not of its sender's form. Errors: *inbound.Problem, where it could not be stored.
func (h *handler) setAside(ctx context.Context, name, store string, d *sender.Delivery, why string) error {
	if h.Kept == nil {
		return inbound.New(http.StatusServiceUnavailable, outcomeMalformed, why)
	}
	ctx, cancel := context.WithTimeout(ctx, enqueueTimeout)
	defer cancel()
	one := &queue.SetAside{ID: newID(), At: d.At.UTC(), Store: store, Sender: name, Why: clipped(why), Bytes: len(d.Body), Header: masked(d.Header), Body: d.Body}
	if err := h.Kept.SetAside(ctx, one); err != nil {
		h.Log.Error("webhook not set aside", "sender", name, "error", err)
		return inbound.Unavailable("the webhook cannot be kept now; send it again")
	}
	h.Log.Error("webhook set aside", "sender", name, "id", one.ID, "why", why)
	return nil
}

// replay reads webhooks again that operators replay. One that still cannot be read stays set aside.
func (h *handler) replay(ctx context.Context) {
	for range maxReplays {
		call, cancel := context.WithTimeout(ctx, noteTimeout)
		one, err := h.Kept.NextReplay(call)
		cancel()
		if err != nil || one == nil {
			if err != nil && ctx.Err() == nil {
				h.Log.Warn("replays not read", "error", err)
			}
			return
		}
		h.again(ctx, one)
	}
}

// again reads a webhook again, as it came in then. It was verified then, and its signature may be too old by now.
func (h *handler) again(ctx context.Context, one *queue.SetAside) {
	noted := queue.Delivery{At: time.Now().UTC(), Bytes: one.Bytes, Why: "replay of " + one.ID}
	reading, outcome, err := h.replayed(ctx, one)
	if err != nil {
		p := inbound.AsProblem(err)
		noted.Outcome, noted.Why = p.Outcome, noted.Why+": "+p.Error()
		h.latest.failed(one.Sender, noted)
		h.Log.Warn("replay failed", "sender", one.Sender, "id", one.ID, "error", err)
		return
	}
	noted.Topic, noted.Outcome, noted.Events = reading.Topic, outcome, ids(reading.Events)
	h.latest.add(one.Sender, noted, true)
	if err := h.Kept.EndReplay(ctx, one.ID); err != nil {
		h.Log.Warn("replay not ended: deduplication makes another one harmless", "sender", one.Sender, "id", one.ID, "error", err)
	}
	h.deliveries.WithLabelValues(one.Sender, outcome).Inc()
	h.Log.Info("webhook replayed", "sender", one.Sender, "id", one.ID, "outcome", outcome, "webhook", noted.Events)
}

// replayed decodes a webhook that was set aside, and puts its messages into the queue. Errors: *inbound.Problem, and any other for a fault of ours.
func (h *handler) replayed(ctx context.Context, one *queue.SetAside) (*sender.Reading, string, error) {
	from, on := h.Senders.Get(one.Store, one.Sender)
	if !on {
		return nil, "", inbound.Malformed("the sender has no key")
	}
	reading, outcome, err := h.told(ctx, from, &sender.Delivery{Header: one.Header, Body: one.Body, At: one.At})
	var malformed *sender.MalformedError
	if errors.As(err, &malformed) {
		err = inbound.Malformed(malformed.Error())
	}
	return reading, outcome, err
}
