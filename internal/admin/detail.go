package admin

import (
	"context"
	"errors"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
)

// Detail is all that is known of a job. Job or Notification may be missing, never both.
type Detail struct {
	ID           string              `json:"id"`
	Job          *Job                `json:"job,omitempty"`          // in the queue
	Notification *queue.Notification `json:"notification,omitempty"` // its status and history, for STATUS_TTL
	Message      *Message            `json:"message,omitempty"`      // of a job in the queue
	Payload      string              `json:"payload,omitempty"`      // of a job in the queue: its event as JSON, masked
	// Others are the other messages of the same webhook.
	Others    []queue.Notification `json:"others,omitempty"`
	MovedFrom string               `json:"moved_from,omitempty"` // the job on another channel that fell back to this one
}

// Message is a message as its recipient sees it, or the problem with its template.
type Message struct {
	Subject  string `json:"subject,omitempty"`
	Text     string `json:"text"`
	HTML     string `json:"html,omitempty"`     // of an e-mail
	Segments int    `json:"segments,omitempty"` // of an SMS
	Problem  string `json:"problem,omitempty"`
}

// Detail returns all that is known of a job. An id that is invalid or unknown is refused.
func (a *Admin) Detail(ctx context.Context, id string) (*Detail, error) {
	d, _, err := a.detail(ctx, id)
	return d, err
}

// Reveal returns the same, and the recipient's whole address, and records it in the audit log first. It is refused where addresses stay masked, and
// for a job that is not in the queue.
func (a *Admin) Reveal(ctx context.Context, id string) (d *Detail, address string, err error) {
	d, k, err := a.detail(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if err := a.MayReveal(); err != nil {
		return nil, "", err
	}
	if k == nil || k.Job == nil {
		return nil, "", refuse("job %s is not in the queue any more, and its address went with it", id)
	}
	if err := a.record(ctx, queue.AuditEntry{Action: auditReveal, Channel: k.Channel, Target: id, Count: 1}); err != nil {
		return nil, "", err
	}
	return d, k.Job.Recipient.Reveal(), nil
}

func (a *Admin) detail(ctx context.Context, id string) (*Detail, *queue.Stored, error) {
	webhookID, _, _, err := job.ParseID(id)
	if err != nil {
		return nil, nil, refuse("%v", err)
	}
	d := &Detail{ID: id}
	var accepted time.Time
	n, err := a.notifications(ctx, webhookID)
	if err != nil {
		return nil, nil, err
	}
	if n != nil {
		accepted = n.AcceptedAt
		for i := range n.Notifications {
			if n.Notifications[i].ID == id {
				d.Notification = &n.Notifications[i]
			} else {
				d.Others = append(d.Others, n.Notifications[i])
			}
		}
		if d.Notification != nil {
			d.MovedFrom = d.Notification.Parent
		}
	}
	k, err := a.Queues.Locate(ctx, id, accepted)
	if err != nil {
		return nil, nil, err
	}
	if k == nil && d.Notification == nil {
		return nil, nil, refuse("nothing is known of job %s: it was never accepted, or longer ago than STATUS_TTL", id)
	}
	if k != nil {
		v := view(k)
		d.Job, d.Message = &v, a.message(k.Job)
		if e, err := k.Job.Event(); err == nil {
			d.Payload = payload(e)
		}
	}
	return d, k, nil
}

func (a *Admin) message(j *job.Job) *Message {
	m, err := a.Renderer.Render(j)
	if err != nil {
		return &Message{Problem: err.Error()}
	}
	return &Message{Subject: m.Subject, Text: m.Text, HTML: m.HTML, Segments: m.Segments}
}

// notifications returns a webhook's; nil for one that is not known.
func (a *Admin) notifications(ctx context.Context, webhookID string) (*queue.Notifications, error) {
	n, err := a.Queues.Notifications(ctx, webhookID)
	var unknown *queue.NotFoundError
	if errors.As(err, &unknown) {
		return nil, nil //nolint:nilnil // its jobs may still be in the queue
	}
	return n, err
}
