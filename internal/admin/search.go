package admin

import (
	"context"
	"strings"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
)

const (
	// maxFound is how many jobs a search returns.
	maxFound = 100
	// minSearch is the length of the shortest text that is searched for: shorter ones are everywhere.
	minSearch = 3
)

// SearchResult is what a search found: the notifications of the webhook with that id, and the jobs with that text.
type SearchResult struct {
	Jobs          []Job                `json:"jobs"`
	Notifications []queue.Notification `json:"notifications"`
	More          bool                 `json:"more"` // there may be more jobs than are listed
}

// Search finds a webhook by its id or that of one of its jobs, and jobs in the queue by a text in them. A text that is too short is refused.
func (a *Admin) Search(ctx context.Context, text string) (*SearchResult, error) {
	text = strings.TrimSpace(text)
	if len(text) < minSearch {
		return nil, refuse("give at least %d characters: a webhook's id, a job's id, a transaction, a recipient, a provider's message id", minSearch)
	}
	id := text
	if webhookID, _, _, err := job.ParseID(text); err == nil {
		id = webhookID
	}
	out := &SearchResult{Notifications: []queue.Notification{}}
	n, err := a.notifications(ctx, id)
	if err != nil {
		return nil, err
	}
	if n != nil {
		out.Notifications = append(out.Notifications, n.Notifications...)
	}
	jobs, err := a.Queues.Search(ctx, text, maxFound)
	if err != nil {
		return nil, err
	}
	out.Jobs, out.More = views(jobs), len(jobs) >= maxFound
	return out, nil
}
