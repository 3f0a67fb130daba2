package render

import (
	"testing"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

func shop(change func(*store.Store)) store.Directory {
	s := &store.Store{ID: event.DefaultStore, Name: "Luna Coffee", Locale: "en"}
	if change != nil {
		change(s)
	}
	return store.Only(s)
}

var luna = shop(nil)

func renderer(t testing.TB, c Config, of store.Directory) *Renderer {
	t.Helper()
	c.TemplatesStrict = true
	r, err := New(c, of)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// jobOf is a job as a worker claims it.
func jobOf(t testing.TB, channel message.Channel, audience message.Audience, e *event.Event) *job.Job {
	t.Helper()
	body, err := job.Body(e)
	if err != nil {
		t.Fatal(err)
	}
	return &job.Job{WebhookID: "w", Channel: channel, Index: 1, Audience: audience, Recipient: "+15550100000", Type: e.Type, Store: event.DefaultStore, Body: body}
}

// rendered renders an event's message.
func rendered(t testing.TB, r *Renderer, channel message.Channel, audience message.Audience, e *event.Event) message.Message {
	t.Helper()
	m, err := r.Render(jobOf(t, channel, audience, e))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sample is what ringup 0.1.0 knew of the sample of an event type, changed.
func sample(t event.Type, change func(*event.Event)) *event.Event {
	e := event.Sample(t)
	s := &e.Sale
	e.Sale = event.Sale{TransactionID: s.TransactionID, OrderID: s.OrderID, Status: s.Status, Currency: s.Currency, Total: s.Total, Refunded: s.Refunded}
	e.Items[0].Options = nil
	change(e)
	return e
}

func BenchmarkRender(b *testing.B) {
	for _, channel := range message.Channels {
		b.Run(string(channel), func(b *testing.B) {
			r := renderer(b, Config{}, luna)
			j := jobOf(b, channel, message.Customer, sample(event.POSSave, func(*event.Event) {}))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Render(j); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Config{}, luna); err != nil {
			b.Fatal(err)
		}
	}
}
