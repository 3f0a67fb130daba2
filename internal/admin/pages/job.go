package pages

import (
	"net/http"
	"strings"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/queue"
)

// jobView is all that is known of a job.
type jobView struct {
	*admin.Detail
	Delivery  *deliveryView
	Timeline  []step
	Note      *note  // what to know first; nil for nothing
	Sale      string // the order's id or name, or the transaction's, that its other messages are found by; "" where it is not known
	Revealed  string // the whole address, where it was asked for
	MayReveal bool
}

// step is an event of a history, and how long after the one before it was; "" for the first.
type step struct {
	queue.Event
	After string
}

// timeline adds the durations to a history.
func timeline(n *queue.Notification) []step {
	if n == nil {
		return nil
	}
	out := make([]step, len(n.History))
	for i, e := range n.History {
		out[i].Event = e
		if i > 0 {
			out[i].After = length(max(0, e.At.Sub(n.History[i-1].At)))
		}
	}
	return out
}

// note is a text at the head of a job's page.
type note struct{ Tone, Text string }

// The tones of a note.
const (
	toneProblem = "problem"
	toneWaits   = "waits"
)

// noteOf says why a job failed or waits. The last error of a job that goes on is of the past, and is in its timeline alone.
func noteOf(d *admin.Detail) *note {
	if d.Job == nil {
		switch n := d.Notification; {
		case n.Error == "" || n.By != "":
			return nil
		case n.Status == queue.StatusFailed:
			return &note{toneProblem, n.Error}
		case n.Status == queue.StatusSuppressed:
			return &note{toneWaits, n.Error}
		}
		return nil
	}
	text := d.Job.LastError
	const uncertain = "An earlier attempt may have gone out."
	if d.Job.Uncertain && d.Job.State != queue.Completed {
		text = strings.TrimSpace(strings.TrimSuffix(text, ".") + ". " + uncertain)
		if d.Job.LastError == "" || d.Job.State == queue.Waiting || d.Job.State == queue.InFlight {
			text = uncertain
		}
	} else if d.Job.State == queue.Waiting || d.Job.State == queue.InFlight || d.Job.State == queue.Completed {
		return nil
	}
	switch {
	case text == "" && d.Job.State == queue.Scheduled:
		return &note{toneWaits, "It waits for a later event of its sale, which would take its place."}
	case text == "":
		return nil
	case d.Job.State == queue.Failed:
		return &note{toneProblem, text}
	}
	return &note{toneWaits, text}
}

// providerPages are where providers show the outcome of messages, as far as they document the address. SendGrid:
// https://www.twilio.com/docs/sendgrid/api-reference/email-activity/filter-all-messages. A message is found there by its id.
var providerPages = map[string]string{"sendgrid": "https://app.sendgrid.com/email_activity"}

// showJob shows a job's page. Its e-mail is in a frame that runs nothing.
func (p *pages) showJob(w http.ResponseWriter, r *http.Request, v *jobView, live bool) {
	v.Delivery, v.Timeline, v.Note = deliveryOf(v.Notification), timeline(v.Notification), noteOf(v.Detail)
	if v.Job != nil {
		v.Sale = v.Job.Order
	}
	if v.Message != nil && v.Message.HTML != "" {
		w.Header().Set("Content-Security-Policy", mailPolicy)
	}
	p.show(w, r, http.StatusOK, "job", page{Title: "Job " + v.ID, Section: "queues", Live: live, Data: v})
}

func (p *pages) job(w http.ResponseWriter, r *http.Request) {
	d, err := p.Detail(r.Context(), r.URL.Query().Get("id"))
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.showJob(w, r, &jobView{Detail: d, MayReveal: p.CanReveal(r.Context()) && d.Job != nil}, true)
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
	p.showJob(w, r, &jobView{Detail: d, Revealed: address}, false)
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
