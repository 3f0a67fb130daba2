// Package preview renders what would go out for a webhook, and sends nothing.
package preview

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/plan"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/store"
	"ringup.dev/ringup/internal/value"
)

// MaxPayload bounds a payload, in bytes: as much as ingest takes by default (MAX_BODY_BYTES).
const MaxPayload = 1 << 20

// Request says what to render. The zero one is the sample of pos_save, on every channel and for both audiences.
type Request struct {
	Event    event.Type `json:"event,omitempty"`    // the sample's; empty with a payload
	Channel  string     `json:"channel,omitempty"`  // empty for all
	Audience string     `json:"audience,omitempty"` // customer or staff; empty for both
	Locale   string     `json:"locale,omitempty"`   // of the customer; empty for the payload's
	Payload  string     `json:"payload,omitempty"`  // as it is posted to /webhooks/pos; empty for the sample
	Bare     bool       `json:"bare,omitempty"`     // of the sample, only what a webhook must have
}

// Result is what would go out.
type Result struct {
	Event    event.Type      `json:"event"`
	Notes    []value.Note    `json:"notes"`   // the values that were left out
	Skipped  []queue.Skipped `json:"skipped"` // the customer's addresses that cannot be used
	Messages []Message       `json:"messages"`
}

// Message is a message as its recipient sees it, or the problem with its template.
type Message struct {
	Channel  message.Channel `json:"channel"`
	Audience string          `json:"audience"`
	To       string          `json:"to,omitempty"` // masked; empty where there is no address
	Subject  string          `json:"subject,omitempty"`
	Text     string          `json:"text"`
	HTML     string          `json:"html,omitempty"`
	Template *Template       `json:"template,omitempty"` // sent in place of the text
	Segments int             `json:"segments,omitempty"` // of an SMS
	Cost     string          `json:"cost,omitempty"`     // by PRICES; empty where it costs nothing
	Problem  string          `json:"problem,omitempty"`
}

// Template is a template that WhatsApp has approved.
type Template struct {
	Name       string   `json:"name"`
	Language   string   `json:"language"`
	Parameters []string `json:"parameters"`
}

// Sample returns a payload of an event type; "" for an unknown one.
func Sample(t event.Type) string { return string(generic.Sample(t)) }

// Renderer makes the message of a job.
type Renderer interface {
	Render(*job.Job) (message.Message, error)
}

// Previewer renders as the workers do. It is safe for concurrent use.
type Previewer struct {
	// Store is the one whose messages are shown, with its region. Recipients of its channels are the staff; without MayWrite every country is allowed.
	Store    *store.Store
	Renderer Renderer
	Prices   *pricing.Table // nil: nothing costs anything
}

// InvalidError is the error of a request or a payload that makes no sense.
type InvalidError struct{ text string }

func (e *InvalidError) Error() string { return e.text }

func invalid(format string, args ...any) error {
	return &InvalidError{fmt.Sprintf(format, args...)}
}

// Render returns what would go out. A template that cannot be rendered is the Problem of its message. Errors: *InvalidError, which does not quote
// the payload's values.
func (p *Previewer) Render(r *Request) (*Result, error) {
	channels, audiences, err := r.chosen()
	if err != nil {
		return nil, err
	}
	e, notes, err := p.event(r)
	if err != nil {
		return nil, err
	}
	body, err := job.Body(e)
	if err != nil {
		return nil, invalid("the event is too large: %v", err)
	}
	out := &Result{Event: e.Type, Notes: append([]value.Note{}, notes...), Skipped: []queue.Skipped{}}
	planned := plan.Plan(e, p.everyChannel()).Channels
	first := recipients(planned)
	for _, channel := range channels {
		for _, part := range planned {
			if part.Channel == channel {
				out.Skipped = append(out.Skipped, part.Skipped...)
			}
		}
		for _, audience := range audiences {
			out.Messages = append(out.Messages, p.message(&job.Job{
				WebhookID: e.ID, Channel: channel, Index: 1, Priority: p.Store.Priority(e.Type), Audience: audience, Recipient: first[planKey{channel, audience}], Type: e.Type, Store: e.Store, Body: body,
			}))
		}
	}
	return out, nil
}

// chosen returns the channels and the audiences of a request.
func (r *Request) chosen() ([]message.Channel, []message.Audience, error) {
	channels, audiences := message.Channels, message.Audiences
	if r.Channel != "" {
		one, err := message.ParseChannel(r.Channel)
		if err != nil {
			return nil, nil, invalid("%v", err)
		}
		channels = []message.Channel{one}
	}
	if r.Audience != "" {
		i := slices.IndexFunc(audiences, func(a message.Audience) bool { return a.String() == r.Audience })
		if i < 0 {
			return nil, nil, invalid("audience %q is not one of customer, staff", r.Audience)
		}
		audiences = audiences[i : i+1]
	}
	return channels, audiences, nil
}

// event returns the event of a request.
func (p *Previewer) event(r *Request) (*event.Event, []value.Note, error) {
	zone, err := time.LoadLocation(p.Store.TimeZone)
	if err != nil {
		return nil, nil, fmt.Errorf("time zone of the store: %w", err)
	}
	payload := []byte(r.Payload)
	switch {
	case r.Payload == "":
		kind := cmp.Or(r.Event, event.POSSave)
		if payload = generic.Sample(kind); payload == nil {
			return nil, nil, invalid("event type %q is not one of %s", kind, event.Names())
		}
	case r.Event != "":
		return nil, nil, invalid("the payload says its event type itself: leave event out")
	case r.Bare:
		return nil, nil, invalid("bare is of the sample: leave the payload out")
	case len(payload) > MaxPayload:
		return nil, nil, invalid("the payload is larger than %d KiB", MaxPayload>>10)
	}
	e, notes, err := generic.Decode(payload, zone, time.Now())
	if err != nil {
		return nil, nil, reason(err)
	}
	if r.Bare {
		e = event.BareSample(e.Type)
	}
	if locale := strings.TrimSpace(r.Locale); locale != "" {
		e.Customer.Locale = locale
	}
	return e, notes, nil
}

// reason turns an error of Decode into one that says what to do.
func reason(err error) error {
	if fields, is := errors.AsType[*generic.InvalidError](err); is {
		return invalid("the payload is not a valid webhook: %v", fields)
	}
	return invalid("%v", err)
}

// everyChannel is the store with every channel, also those that its messages do not go out on.
func (p *Previewer) everyChannel() *store.Store {
	s := *p.Store
	s.Channels = nil
	for _, name := range message.Channels {
		c := store.Channel{Name: name}
		if i := slices.IndexFunc(p.Store.Channels, func(c store.Channel) bool { return c.Name == name }); i >= 0 {
			c = p.Store.Channels[i]
		}
		s.Channels = append(s.Channels, c)
	}
	return &s
}

type planKey struct {
	channel  message.Channel
	audience message.Audience
}

// recipients returns the first recipient of each channel and audience.
func recipients(planned []queue.ChannelSubmission) map[planKey]message.Address {
	first := map[planKey]message.Address{}
	for _, part := range planned {
		for _, to := range part.Recipients {
			if k := (planKey{part.Channel, to.Audience}); first[k] == "" {
				first[k] = to.Address
			}
		}
	}
	return first
}

// message renders a job.
func (p *Previewer) message(j *job.Job) Message {
	out := Message{Channel: j.Channel, Audience: j.Audience.String()}
	if j.Recipient != "" {
		out.To = j.Recipient.String()
	}
	m, err := p.Renderer.Render(j)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Subject, out.Text, out.HTML, out.Segments = m.Subject, m.Text, m.HTML, m.Segments
	if m.Template != nil {
		out.Template = &Template{m.Template.Name, m.Template.Language, append([]string{}, m.Template.Parameters...)}
	}
	if cost := p.Prices.Cost(j.Channel, j.Recipient, m.Segments); cost > 0 {
		out.Cost = cost.String()
	}
	return out
}
