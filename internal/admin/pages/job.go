package pages

import (
	"cmp"
	"net/http"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
)

// jobView is all that is known of a job.
type jobView struct {
	*admin.Detail
	Delivery  *deliveryView
	Revealed  string // the whole address, where it was asked for
	MayReveal bool
}

func (p *pages) job(w http.ResponseWriter, r *http.Request) {
	d, err := p.Detail(r.Context(), r.URL.Query().Get("id"))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	v := jobView{Detail: d, Delivery: deliveryOf(d.Notification), MayReveal: p.CanReveal(r.Context()) && d.Job != nil}
	p.show(w, r, http.StatusOK, "job", page{Title: "Job " + d.ID, Section: "queues", Live: true, Data: v})
}

// reveal is the job's page with the whole address.
func (p *pages) reveal(w http.ResponseWriter, r *http.Request) {
	if err := p.MayReveal(); err != nil {
		p.fail(w, r, http.StatusForbidden, err.Error())
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	d, address, err := p.Reveal(r.Context(), r.PostFormValue("id"))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	v := jobView{Detail: d, Delivery: deliveryOf(d.Notification), Revealed: address}
	p.show(w, r, http.StatusOK, "job", page{Title: "Job " + d.ID, Section: "queues", Data: v})
}

// deliveryView is the life of a message after the send.
type deliveryView struct {
	Sent     bool
	Provider string
	Reports  string // as of queue.Notification
	Steps    []queue.Event
	MovedTo  string // the job on another channel that this one fell back to
}

// reported are the events that providers report, as people read them.
var reported = map[string]string{"handed_on": "handed on", "delivered": "delivered", "read": "read", "undelivered": "not delivered"}

// otherEvents are events that people read by another name than programs.
var otherEvents = map[string]string{"held": "scheduled", "moved": "fell back to another channel", "lost": "worker lost"}

// eventName is an event of a history as people read it.
func eventName(what string) string { return cmp.Or(reported[what], otherEvents[what], what) }

// deliveryOf collects the delivery reports of a message; nil when it was not sent, and did not fall back to another channel.
func deliveryOf(n *queue.Notification) *deliveryView {
	if n == nil {
		return nil
	}
	v := &deliveryView{Provider: n.Provider, Reports: n.Reports}
	for _, e := range n.History {
		switch {
		case e.What == "sent":
			v.Sent = true
		case e.What == "moved":
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

// movedTo returns the job on another channel that a message fell back to; "" for none.
func movedTo(n queue.Notification) string {
	if v := deliveryOf(&n); v != nil {
		return v.MovedTo
	}
	return ""
}

// statusName is the status of a notification as people read it.
func statusName(s queue.Status) string {
	switch s {
	case queue.StatusScheduled:
		return "scheduled"
	case queue.StatusSending:
		return "in flight"
	}
	return string(s)
}

// statusTone is how the status of a notification is coloured.
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
