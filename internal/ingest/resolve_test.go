package ingest

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// TestPlanOfALookup: an event with a lookup becomes one job in the queue resolve, however many recipients its messages will have. It is of no sale, and has the time that its sender gave, or none; the event of the webhook stays
// as it is.
func TestPlanOfALookup(t *testing.T) {
	t.Parallel()
	h := &handler{Options: Options{Store: shop(message.Channels...)}}
	came := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{came.Add(-time.Minute), came} {
		e := &event.Event{ID: "w", Store: event.DefaultStore, Sender: "square", Type: event.OrderCreate, At: at, Sale: event.Sale{OrderID: "1"}, Customer: event.Customer{Phone: "+12025550142"}, Lookup: "order=1"}
		got := h.plan(e, happened(e, came), time.Minute)
		if len(got.Channels) != 1 || got.Channels[0].Channel != message.Resolve || len(got.Channels[0].Recipients) != 1 || got.Channels[0].Recipients[0].Address != "square" || got.Priority != h.Store.Priority(e.Type) {
			t.Errorf("%+v", got)
		}
		if !got.HappenedAt.IsZero() || got.Coalesce != 0 || got.Event.At.IsZero() != at.Equal(came) || !e.At.Equal(at) {
			t.Errorf("%+v", got)
		}
		whole := *e
		whole.Lookup = ""
		if got := h.plan(&whole, happened(&whole, came), time.Minute); got.HappenedAt.IsZero() != at.Equal(came) || got.Coalesce != time.Minute || got.Channels[0].Channel != message.SMS {
			t.Errorf("%+v", got)
		}
	}
}
