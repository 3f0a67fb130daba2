package admin

import (
	"context"
	"strconv"
	"strings"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

const (
	// maxFound is how many jobs a search returns.
	maxFound = 100
	// minSearch is the length of the shortest text that is searched for: shorter ones are everywhere.
	minSearch = 3
)

// SearchRequest asks for what has a text. It is in the body of a request, since many log the addresses of requests.
type SearchRequest struct {
	Text string `json:"text"`
}

// SearchResult is what a search found: the notifications of the webhook with that id, and the jobs with that text.
type SearchResult struct {
	Jobs          []Job                `json:"jobs"`
	Notifications []queue.Notification `json:"notifications"`
	More          bool                 `json:"more"`                  // there may be more jobs than are listed
	Unavailable   []message.Channel    `json:"unavailable,omitempty"` // channels that could not be searched
}

// Search finds a webhook by its id or that of one of its jobs, and jobs in the queue by a text: see matcher. A text that is too short is refused.
func (a *Admin) Search(ctx context.Context, text string) (*SearchResult, error) {
	text = strings.TrimSpace(text)
	if len(text) < minSearch {
		return nil, refuse("give at least %d characters: a webhook's id, a job's id, a transaction, a whole number or e-mail address, a provider's message id", minSearch)
	}
	id := text
	if webhookID, _, _, err := job.ParseID(text); err == nil {
		id = webhookID
	}
	out := &SearchResult{Notifications: []queue.Notification{}}
	n, err := a.notifications(ctx, id)
	if _, err = unavailable(err); err != nil {
		return nil, err
	}
	if n != nil {
		out.Notifications = append(out.Notifications, n.Notifications...)
	}
	jobs, err := a.Queues.Search(ctx, a.matcher(text), text, maxFound)
	out.Unavailable, err = unavailable(err)
	if err != nil {
		return nil, err
	}
	out.Jobs, out.More = views(jobs), len(jobs) >= maxFound
	return out, nil
}

// matcher returns what says whether a job has a text: in what pages show of it, as a whole text of the payload's other fields, or as the whole
// number or e-mail address of its recipient or customer, in any spelling. No part of an address matches: an operator who may not see one could find it out digit by digit.
func (a *Admin) matcher(text string) func(*queue.Stored) bool {
	person, err := ParsePerson(text, a.Region)
	isPerson, quoted := err == nil, strconv.Quote(text)
	return func(k *queue.Stored) bool {
		if k.Job == nil {
			return false
		}
		e, _ := k.Job.Event() // nil for a body that cannot be read
		if isPerson && person.Owns(k.Job.Recipient, e) {
			return true
		}
		shown := []string{k.Job.ID(), string(k.Job.Type), k.Job.LastError}
		if e != nil {
			shown = append(shown, e.Source, e.Sale.TransactionID, e.Sale.OrderID, e.Sale.OrderName, e.Sale.Status, e.Sale.Total, e.Sale.Refunded, e.Sale.Place, e.Customer.Name)
			for i := range e.Items {
				shown = append(shown, e.Items[i].Name)
			}
		}
		if e != nil && strings.Contains(e.Extra, quoted) {
			return true
		}
		for _, one := range shown {
			if strings.Contains(one, text) {
				return true
			}
		}
		return false
	}
}
