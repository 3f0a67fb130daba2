package admin

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
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
	Store      string          `json:"store,omitempty"`
	Provider   string          `json:"provider,omitempty"` // of the latest attempt, while the job's log is stored
	// Order is the order's name or id, or else the transaction's, and Amount its total, or what was paid back. Both are "" where the body cannot be read.
	Order  string `json:"order,omitempty"`
	Amount string `json:"amount,omitempty"` // as 12.50 USD
	// SharedBody says that Order and Amount are in a shared body, which is not read for a list.
	SharedBody bool `json:"shared_body,omitempty"`
}

// JobList is a part of the jobs of a state.
type JobList struct {
	Total  int64 `json:"total"` // with a filter, of the jobs that were looked through
	Offset int   `json:"offset"`
	Jobs   []Job `json:"jobs"`
	// Looked is how many jobs were looked through for a filter, and More says that there are others.
	Looked int  `json:"looked,omitempty"`
	More   bool `json:"more,omitempty"`
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
	v.Store, v.Provider, v.SharedBody = j.Store, k.Provider, j.SharedBody && len(j.Body) == 0
	v.Order, v.Amount = sale(j)
	return v
}

// maxCell is how many characters of a text from a till a list shows.
const maxCell = 60

// sale returns the order's name and the amount of a job whose body is at hand.
func sale(j *job.Job) (order, amount string) {
	if len(j.Body) == 0 {
		return "", ""
	}
	e, err := j.Event()
	if err != nil {
		return "", ""
	}
	order = cmp.Or(e.Sale.OrderName, e.Sale.OrderID, e.Sale.TransactionID)
	if amount = cmp.Or(e.Sale.Refunded, e.Sale.Total); amount != "" {
		amount = strings.TrimSpace(amount + " " + e.Sale.Currency)
	}
	return clip(order, maxCell), clip(amount, maxCell)
}

func views(jobs []queue.Stored) []Job {
	out := make([]Job, len(jobs))
	for i := range jobs {
		out[i] = view(&jobs[i])
	}
	return out
}

// withProviders shows jobs, with the providers of their latest attempts.
func (a *Admin) withProviders(ctx context.Context, jobs []queue.Stored) ([]Job, error) {
	if len(jobs) == 0 {
		return []Job{}, nil
	}
	if err := a.Queues.Providers(ctx, jobs); err != nil {
		return nil, err
	}
	return views(jobs), nil
}

// The orders of a list by its time; "" for the order in which the queue goes: the oldest first where jobs wait, the latest first where they ended.
const (
	SortOldest = "oldest"
	SortLatest = "latest"
)

// ListRequest says which jobs to list: PageSize of them, from Offset on.
type ListRequest struct {
	Channel  message.Channel
	State    queue.State
	Priority int // of waiting jobs; 0 for all
	Offset   int
	Sort     string
	Filter   JobFilter
}

// Query is the request as ParseListRequest reads it, without the offset.
func (q *ListRequest) Query() url.Values {
	out := q.Filter.Query()
	if q.Priority != 0 {
		out.Set("priority", strconv.Itoa(q.Priority))
	}
	if q.Sort != "" {
		out.Set("sort", q.Sort)
	}
	return out
}

// reversed says that the jobs are listed against the order of the queue.
func (q *ListRequest) reversed() bool {
	ended := q.State == queue.Failed || q.State == queue.Completed
	return q.Sort == SortOldest && ended || q.Sort == SortLatest && !ended
}

// ParseListRequest reads a request: channel and state from its path; priority, offset, sort and a filter, which may be missing, from its query.
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
	if q.Sort = query.Get("sort"); q.Sort != "" && q.Sort != SortOldest && q.Sort != SortLatest {
		return q, refuse("sort is %s or %s", SortOldest, SortLatest)
	}
	q.Filter, err = ParseJobFilter(query)
	return q, err
}

// List returns a part of the jobs of a state. With a filter, it looks through the first maxLooked of them.
func (a *Admin) List(ctx context.Context, q ListRequest) (*JobList, error) {
	state, err := a.Queues.State(ctx, q.Channel)
	if err != nil {
		return nil, err
	}
	out := &JobList{Total: total(state, q.State, q.Priority), Offset: q.Offset}
	var page []queue.Stored
	if q.Filter.IsZero() {
		page, err = a.part(ctx, &q, out.Total, q.Offset, PageSize)
	} else {
		all := out.Total
		out.Total = 0
		out.Looked, err = a.each(ctx, &q, all, maxLooked, func(jobs []queue.Stored) (bool, error) {
			for i := range jobs {
				if n := int(out.Total); n >= q.Offset && n < q.Offset+PageSize {
					page = append(page, jobs[i])
				}
				out.Total++
			}
			return false, nil
		})
		out.More = int64(out.Looked) < all
	}
	if err != nil {
		return nil, err
	}
	out.Jobs, err = a.withProviders(ctx, page)
	return out, err
}

const (
	// maxLooked is how many jobs a list with a filter looks through, and an export has: as many as KEEP_FAILED keeps in production.
	maxLooked = 10_000
	// listBatch is how many are read at a time.
	listBatch = 500
)

// part returns jobs of a list in its order; all is how many there are.
func (a *Admin) part(ctx context.Context, q *ListRequest, all int64, offset, limit int) ([]queue.Stored, error) {
	if !q.reversed() {
		return a.Queues.List(ctx, q.Channel, q.State, q.Priority, offset, limit)
	}
	end := int(all) - offset
	if end <= 0 {
		return nil, nil
	}
	begin := max(0, end-limit)
	jobs, err := a.Queues.List(ctx, q.Channel, q.State, q.Priority, begin, end-begin)
	slices.Reverse(jobs)
	return jobs, err
}

// each hands the jobs that a request's filter means to visit, some hundred at a time, until that says that it is done or atMost were looked through. It
// returns how many were.
func (a *Admin) each(ctx context.Context, q *ListRequest, all int64, atMost int, visit func([]queue.Stored) (done bool, err error)) (looked int, err error) {
	for looked < atMost {
		limit := min(listBatch, atMost-looked)
		jobs, err := a.part(ctx, q, all, looked, limit)
		if err != nil {
			return looked, err
		}
		looked += len(jobs)
		meant, err := a.filtered(ctx, jobs, &q.Filter)
		if err != nil {
			return looked, err
		}
		if done, err := visit(meant); done || err != nil || len(jobs) < limit {
			return looked, err
		}
	}
	return looked, nil
}
