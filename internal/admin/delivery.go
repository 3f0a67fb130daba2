package admin

import (
	"context"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
)

// deliveryView is what became of a message after the send.
type deliveryView struct {
	Sent     bool
	Provider string
	Reports  string // as of queue.Notification
	Steps    []queue.Event
	MovedTo  string // the job that another channel took over as
}

// reported are the events that providers tell of, as a person reads them.
var reported = map[string]string{"handed_on": "handed on", "delivered": "delivered", "read": "read", "undelivered": "not delivered"}

// deliveryOf finds what is known of a message after the send; nil when it was not sent, and no other channel took over.
func deliveryOf(n *queue.Notification) *deliveryView {
	if n == nil {
		return nil
	}
	v := &deliveryView{Provider: n.Provider, Reports: n.Reports}
	for _, e := range n.History {
		switch {
		case e.What == "sent":
			v.Sent = true
		case e.What == "moved" && e.Channel != "":
			v.MovedTo = job.ID(n.ID, e.Channel, 1)
		case reported[e.What] != "":
			v.Steps = append(v.Steps, e)
		}
	}
	if !v.Sent && len(v.Steps) == 0 && v.MovedTo == "" {
		return nil
	}
	return v
}

// movedTo returns the job that another channel took a message over as; "" for none.
func movedTo(n queue.Notification) string {
	if v := deliveryOf(&n); v != nil {
		return v.MovedTo
	}
	return ""
}

// statusTone is how a state of a notification is coloured.
func statusTone(s queue.Status) string {
	switch s {
	case queue.StatusDelivered, queue.StatusRead, queue.StatusSent:
		return "good"
	case queue.StatusFailed:
		return "bad"
	case queue.StatusScheduled, queue.StatusSuppressed:
		return "warn"
	}
	return ""
}

// concernsHeld says whether an action is about jobs that are held.
func (a *Admin) concernsHeld(ctx context.Context, x *action) (bool, error) {
	if x.State != "" {
		return x.State == queue.Scheduled, nil
	}
	for _, id := range x.IDs {
		if _, _, _, err := job.ParseID(id); err != nil {
			return false, err
		}
		k, err := a.Queues.Locate(ctx, id, time.Time{})
		if err != nil || k != nil && k.State == queue.Scheduled {
			return err == nil, err
		}
	}
	return false, nil
}
