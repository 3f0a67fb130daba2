package preview

import (
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/plan"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/store"
)

const (
	// testPrefix is before the id of a test message's event. No till has such ids: theirs are of other senders.
	testPrefix = "test/"
	// testSender and testSource tell a test message's event from those of tills, in the search, the costs and the staff's messages.
	testSender, testSource = "admin", "test"
)

// Test is a message that an operator sends to an address of their own, to see it arrive.
type Test struct {
	Submission *queue.Submission // of one job; AcceptedAt is the caller's to set
	To         message.Address
	Message    Message
}

// Test makes of a request for one channel and one audience the message to an address, as it was typed. id tells tests apart. The address has to be one that a
// customer's could be. The event keeps the addresses of the payload's customer, whom nothing is sent to: so the data is found when that person is forgotten. Errors:
// *InvalidError.
func (p *Previewer) Test(r *Request, id, typed string) (*Test, error) {
	channels, audiences, err := r.chosen()
	if err != nil {
		return nil, err
	}
	if len(channels) != 1 || len(audiences) != 1 {
		return nil, invalid("a test is one message: say which channel and which audience")
	}
	e, _, err := p.event(r)
	if err != nil {
		return nil, err
	}
	e.ID, e.Sender, e.Source = testPrefix+id, testSender, testSource
	customer := e.Customer
	e.Customer.Phone, e.Customer.Email, e.Customer.Region = typed, typed, ""
	only := *p.Store
	only.Channels = []store.Channel{{Name: channels[0]}}
	submission := plan.Plan(e, &only)
	part := &submission.Channels[0]
	switch {
	case len(part.Skipped) > 0:
		return nil, invalid("the address cannot be used: %s", part.Skipped[0].Reason)
	case len(part.Recipients) == 0:
		return nil, invalid("type the address that the test goes to")
	}
	to := part.Recipients[0].Address
	part.Recipients[0].Audience = audiences[0]
	e.Customer = customer
	body, err := job.Body(e)
	if err != nil {
		return nil, invalid("the event is too large: %v", err)
	}
	return &Test{Submission: submission, To: to, Message: p.message(&job.Job{
		WebhookID: e.ID, Channel: channels[0], Index: 1, Priority: submission.Priority, Audience: audiences[0], Recipient: to, Type: e.Type, Store: e.Store, Body: body,
	})}, nil
}
