package admin

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

const (
	// maxFound is how many jobs a search returns.
	maxFound = 100
	// maxWebhooks is how many accepted webhooks a search returns at once, and searchFor how long it looks for them: another one goes on from there.
	maxWebhooks = 50
	searchFor   = 2 * time.Second
	// minSearch is the length of the shortest text that is searched for: shorter ones are everywhere.
	minSearch = 3
)

// SearchRequest asks for messages by what a person knows of them. It is in the body of a request, since many log the addresses of requests.
type SearchRequest struct {
	// Text is a webhook's or a job's id, a whole order, transaction or customer's name, a whole number or e-mail address, or a provider's message id. In the queue also parts of texts match.
	Text string `json:"text"`
	// The messages that are meant; zero for any.
	Channel  message.Channel `json:"channel,omitempty"`
	Status   queue.Status    `json:"status,omitempty"`
	Provider string          `json:"provider,omitempty"`
	// From and To bound when the webhooks were accepted; zero for no bound. A search goes on with the Back of its answer as To.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// SearchResult is what a search found: the notifications of the webhook with that id, the webhooks that were accepted with that text or for that person, the latest
// first, and the jobs in the queue with that text.
type SearchResult struct {
	Jobs          []Job                `json:"jobs"`
	Notifications []queue.Notification `json:"notifications"`
	Webhooks      []FoundWebhook       `json:"webhooks"`
	More          bool                 `json:"more"`                  // there may be more jobs than are listed
	Unavailable   []message.Channel    `json:"unavailable,omitempty"` // channels that could not be searched
	Left          int                  `json:"left"`                  // how many more webhooks were accepted within the same seconds, and are not listed
	Back          time.Time            `json:"back"`                  // the webhooks that were accepted since then were looked through
	End           bool                 `json:"end"`                   // no older ones are known (STATUS_TTL)
}

// FoundWebhook is a webhook that a search found, with those of its messages that are meant.
type FoundWebhook struct {
	ID            string               `json:"id"`
	AcceptedAt    time.Time            `json:"accepted_at"`
	Notifications []queue.Notification `json:"notifications"`
}

// Search finds a webhook by its id or that of one of its jobs, the accepted webhooks by a whole text or a person, and jobs in the queue by a text: see matcher. A
// text that is too short is refused.
func (a *Admin) Search(ctx context.Context, r *SearchRequest) (*SearchResult, error) {
	text := strings.TrimSpace(r.Text)
	if len(text) < minSearch {
		return nil, refuse("give at least %d characters: a webhook's id, a job's id, an order, a transaction, a customer's name, a whole number or e-mail address, a provider's message id", minSearch)
	}
	out := &SearchResult{Notifications: []queue.Notification{}, Jobs: []Job{}, Webhooks: []FoundWebhook{}}
	if r.To.IsZero() {
		if err := a.searchQueue(ctx, r, text, out); err != nil {
			return nil, err
		}
	}
	return out, a.searchLog(ctx, r, text, out)
}

// searchQueue looks for the webhook with an id, and for jobs in the queue.
func (a *Admin) searchQueue(ctx context.Context, r *SearchRequest, text string, out *SearchResult) error {
	id := text
	if webhookID, _, _, err := job.ParseID(text); err == nil {
		id = webhookID
	}
	n, err := a.notifications(ctx, id)
	if _, err = unavailable(err); err != nil {
		return err
	}
	if n != nil {
		out.Notifications = append(out.Notifications, r.meant(n.Notifications)...)
	}
	matches := a.matcher(text)
	jobs, err := a.Queues.Search(ctx, func(k *queue.Stored) bool { return r.holds(k) && matches(k) }, text, maxFound)
	out.Unavailable, err = unavailable(err)
	if err != nil {
		return err
	}
	if err := a.Queues.Providers(ctx, jobs); err != nil && len(out.Unavailable) == 0 {
		return err // otherwise they are left out
	}
	out.Jobs, out.More = views(jobs), len(jobs) >= maxFound
	return nil
}

// searchLog looks through the accepted webhooks, from r.To back.
func (a *Admin) searchLog(ctx context.Context, r *SearchRequest, text string, out *SearchResult) error {
	find := queue.FindRequest{Text: text, From: r.From, To: r.To, Limit: maxWebhooks, For: searchFor}
	if person, err := ParsePerson(text, a.Region); err == nil {
		find.Addresses = []message.Address{person.Address()}
	}
	begun := time.Now()
	for {
		find.For = searchFor - time.Since(begun)
		found, err := a.Queues.Find(ctx, find)
		if err != nil {
			return err
		}
		for _, one := range found.Webhooks {
			n, err := a.notifications(ctx, one.ID)
			if _, err = unavailable(err); err != nil {
				return err
			}
			if n == nil {
				continue // its record is gone
			}
			if meant := r.meant(n.Notifications); len(meant) > 0 {
				out.Webhooks = append(out.Webhooks, FoundWebhook{one.ID, one.AcceptedAt, meant})
			}
		}
		out.Left += found.Left
		out.Back, out.End = found.Back, found.End
		if found.End || len(out.Webhooks) >= maxWebhooks || time.Since(begun) >= searchFor {
			return nil
		}
		find.To = found.Back
	}
}

// Latest are the webhooks that were accepted lately, the latest first, with the statuses of their messages.
type Latest struct {
	Webhooks []FoundWebhook `json:"webhooks"`
	Left     bool           `json:"left"` // there were more within the time
}

// latestFor is how long ago the webhooks of Latest were accepted at most.
const latestFor = 15 * time.Minute

// Latest returns the webhooks that were accepted within latestFor, maxWebhooks of them at most. Errors: queue.ErrUnavailable.
func (a *Admin) Latest(ctx context.Context) (*Latest, error) {
	found, err := a.Queues.Find(ctx, queue.FindRequest{Any: true, From: time.Now().Add(-latestFor), Limit: maxWebhooks, For: searchFor})
	if err != nil {
		return nil, err
	}
	out := &Latest{Webhooks: []FoundWebhook{}, Left: !found.End || found.Left > 0 || len(found.Webhooks) > maxWebhooks}
	for _, one := range found.Webhooks[:min(len(found.Webhooks), maxWebhooks)] {
		n, err := a.notifications(ctx, one.ID)
		if _, err = unavailable(err); err != nil {
			return nil, err
		}
		if n != nil {
			out.Webhooks = append(out.Webhooks, FoundWebhook{one.ID, one.AcceptedAt, n.Notifications})
		}
	}
	return out, nil
}

// meant returns those of a webhook's notifications that the request is about.
func (r *SearchRequest) meant(all []queue.Notification) []queue.Notification {
	return slices.DeleteFunc(slices.Clone(all), func(n queue.Notification) bool {
		return r.Channel != "" && n.Channel != r.Channel || r.Status != "" && n.Status != r.Status || r.Provider != "" && n.Provider != r.Provider
	})
}

// holds says whether the request is about a job in the queue, as far as that is known without its history.
func (r *SearchRequest) holds(k *queue.Stored) bool {
	if r.Channel != "" && k.Channel != r.Channel || k.Job == nil {
		return false
	}
	return (r.From.IsZero() || !k.Job.AcceptedAt.Before(r.From)) && r.Status == "" && r.Provider == ""
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
