package ingest

import (
	"context"
	"net/http"
	"regexp"
	"sync"
	"time"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender"
)

// Kept stores the latest deliveries of senders, and the webhooks that could not be read. Errors: queue.ErrUnavailable.
type Kept interface {
	SetAside(context.Context, *queue.SetAside) error
	NoteDeliveries(context.Context, *queue.Deliveries) error
	// NextReplay returns the next webhook that is to be read again; nil for none. It is set aside until EndReplay.
	NextReplay(context.Context) (*queue.SetAside, error)
	EndReplay(ctx context.Context, id string) error
}

const (
	// noteEvery is how often deliveries are noted: one command for each sender that posted meanwhile, so that it costs a webhook next to nothing.
	noteEvery = time.Second
	// maxNoted is how many deliveries of a sender are noted at once, and as many that were refused; all are counted.
	maxNoted = 100
	// maxNotedHeader bounds the bytes of a header that is noted; of a larger one there is nothing.
	maxNotedHeader = 4 << 10
	// maxNotedText bounds a topic and a reason, in bytes.
	maxNotedText = 200
	// noteTimeout bounds one command, and maxReplays the webhooks that are read again at once.
	noteTimeout = 5 * time.Second
	maxReplays  = 100
)

// deliveryLog collects deliveries until they are noted. It is safe for concurrent use.
type deliveryLog struct {
	mu      sync.Mutex
	pending map[string]*queue.Deliveries
}

// add adds a delivery of a sender. Its header is not copied: nobody changes it.
func (l *deliveryLog) add(name string, d queue.Delivery) {
	d.Topic, d.Why = clipped(d.Topic), clipped(d.Why)
	if !small(d.Header) {
		d.Header = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil {
		l.pending = map[string]*queue.Deliveries{}
	}
	of := l.pending[name]
	if of == nil {
		of = &queue.Deliveries{Sender: name, Counts: map[string]int64{}}
		l.pending[name] = of
	}
	of.Counts[d.Outcome]++
	list := &of.Latest
	if d.Outcome == outcomeUnauthorized || d.Outcome == string(sender.SkipPing) { // what strangers can post: a handshake comes before there is a key
		list = &of.Refused
	}
	if len(*list) == maxNoted {
		*list = append((*list)[:0], (*list)[maxNoted/2:]...)
	}
	*list = append(*list, d)
}

func clipped(text string) string { return text[:min(len(text), maxNotedText)] }

// small reports whether a header is noted.
func small(header http.Header) bool {
	size := 0
	for name, values := range header {
		for _, value := range values {
			size += len(name) + len(value)
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

// secretHeader is a header that shows who may post: it is masked.
var secretHeader = regexp.MustCompile(`(?i)signature|hmac|auth|token|secret|cookie|key|password`)

// masked returns a header without its secrets.
func masked(header http.Header) map[string][]string {
	if len(header) == 0 {
		return nil
	}
	out := make(map[string][]string, len(header))
	for name, values := range header {
		if secretHeader.MatchString(name) {
			values = []string{"•••"}
		}
		out[name] = values
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
	for _, of := range h.latest.take() {
		for _, list := range [][]queue.Delivery{of.Latest, of.Refused} {
			for i := range list {
				list[i].Header = masked(list[i].Header)
			}
		}
		call, cancel := context.WithTimeout(ctx, noteTimeout)
		err := h.Kept.NoteDeliveries(call, of)
		cancel()
		if err != nil && ctx.Err() == nil {
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
	defer func() { h.latest.add(one.Sender, noted) }()
	from, on := h.Senders.Get(one.Store, one.Sender)
	if !on {
		noted.Outcome = outcomeMalformed
		h.Log.Warn("replay failed", "sender", one.Sender, "id", one.ID, "error", "the sender has no key")
		return
	}
	reading, outcome, err := h.told(ctx, from, &sender.Delivery{Header: one.Header, Body: one.Body, At: one.At})
	if err != nil {
		noted.Outcome = outcomeMalformed
		h.Log.Warn("replay failed", "sender", one.Sender, "id", one.ID, "error", err)
		return
	}
	noted.Topic, noted.Outcome, noted.Events = reading.Topic, outcome, ids(reading.Events)
	if err := h.Kept.EndReplay(ctx, one.ID); err != nil {
		h.Log.Warn("replay not ended: deduplication makes another one harmless", "sender", one.Sender, "id", one.ID, "error", err)
	}
	h.deliveries.WithLabelValues(one.Sender, outcome).Inc()
	h.Log.Info("webhook replayed", "sender", one.Sender, "id", one.ID, "outcome", outcome, "webhook", noted.Events)
}
