package pages

import (
	"net/http"

	"ringup.dev/ringup/internal/admin"
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
	form, err := form(w, r, maxForm)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	d, address, err := p.Reveal(r.Context(), form.Get("id"))
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

// deliveryOf collects the delivery reports of a message; nil when it was not sent, and did not fall back to another channel.
func deliveryOf(n *queue.Notification) *deliveryView {
	if n == nil {
		return nil
	}
	v := &deliveryView{Provider: n.Provider, Reports: n.Reports, MovedTo: admin.MovedTo(n)}
	for _, e := range n.History {
		switch {
		case e.What == "sent":
			v.Sent = true
		case admin.Reported(e.What):
			v.Steps = append(v.Steps, e)
		}
	}
	if !v.Sent && len(v.Steps) == 0 && v.MovedTo == "" {
		return nil
	}
	return v
}

// statusTone is how the status of a notification is coloured.
func statusTone(s queue.Status) string {
	switch s {
	case queue.StatusDelivered, queue.StatusRead, queue.StatusSent:
		return "good"
	case queue.StatusFailed:
		return "bad"
	case queue.StatusScheduled, queue.StatusSuppressed, queue.StatusSuperseded, queue.StatusStale:
		return "warn"
	}
	return ""
}
