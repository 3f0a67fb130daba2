package admin

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// PageSize is how many jobs, or suppressed addresses, are listed at a time.
const PageSize = 100

// Job is a job in the queue, as operators see it.
type Job struct {
	ID         string          `json:"id"` // "unreadable" when its bytes cannot be read: LastError says why
	WebhookID  string          `json:"webhook_id"`
	Channel    message.Channel `json:"channel"`
	State      queue.State     `json:"place"`
	At         time.Time       `json:"at,omitzero"` // the next attempt is due, the lease ends, or the job ended
	Event      string          `json:"event"`
	Priority   int             `json:"priority"`
	Attempts   int             `json:"attempts"`
	Crashes    int             `json:"crashes"`
	Uncertain  bool            `json:"uncertain"`
	AcceptedAt time.Time       `json:"accepted_at"`
	Audience   string          `json:"audience"`
	Recipient  string          `json:"recipient"` // masked
	LastError  string          `json:"last_error,omitempty"`
}

// JobList is a part of the jobs of a state.
type JobList struct {
	Total  int64 `json:"total"`
	Offset int   `json:"offset"`
	Jobs   []Job `json:"jobs"`
}

func view(k *queue.Stored) Job {
	v := Job{Channel: k.Channel, State: k.State, At: k.At}
	if k.Job == nil {
		v.ID, v.LastError = "unreadable", k.Err.Error()
		return v
	}
	j := k.Job
	v.ID, v.WebhookID, v.Event, v.Priority, v.Attempts, v.Crashes = j.ID(), j.WebhookID, string(j.Type), j.Priority, j.Attempts, j.Crashes
	if k.State == queue.Completed {
		v.Attempts++ // a job counts those that did not succeed
	}
	v.Uncertain, v.AcceptedAt, v.Audience, v.Recipient, v.LastError = j.Uncertain, j.AcceptedAt, j.Audience.String(), j.Recipient.String(), j.LastError
	return v
}

func views(jobs []queue.Stored) []Job {
	out := make([]Job, len(jobs))
	for i := range jobs {
		out[i] = view(&jobs[i])
	}
	return out
}

// ListRequest says which jobs to list: PageSize of them, from Offset on.
type ListRequest struct {
	Channel  message.Channel
	State    queue.State
	Priority int // of waiting jobs; 0 for all
	Offset   int
}

// ParseListRequest reads a request: channel and state from its path, priority and offset, which may be missing, from its query.
func ParseListRequest(channel, state string, query url.Values) (ListRequest, error) {
	q := ListRequest{State: queue.State(state)}
	var err error
	if q.Channel, err = message.ParseQueue(channel); err != nil {
		return q, refuse("%v", err)
	}
	if StateName(q.State) == "" {
		return q, refuse("there is no place %q: there are %s", q.State, stateList(queue.States...))
	}
	for name, into := range map[string]*int{"priority": &q.Priority, "offset": &q.Offset} {
		if text := query.Get(name); text != "" {
			if *into, err = strconv.Atoi(text); err != nil || *into < 0 {
				return q, refuse("%s is %q: it has to be a number", name, text)
			}
		}
	}
	if q.Priority > 4 {
		return q, refuse("priority is 1 to 4, or 0 for all")
	}
	return q, nil
}

// List returns a part of the jobs of a state, the oldest first where they wait, the latest first where they ended.
func (a *Admin) List(ctx context.Context, q ListRequest) (*JobList, error) {
	state, err := a.Queues.State(ctx, q.Channel)
	if err != nil {
		return nil, err
	}
	jobs, err := a.Queues.List(ctx, q.Channel, q.State, q.Priority, q.Offset, PageSize)
	if err != nil {
		return nil, err
	}
	return &JobList{Total: total(state, q.State, q.Priority), Offset: q.Offset, Jobs: views(jobs)}, nil
}
