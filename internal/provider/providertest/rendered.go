package providertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store"
)

// extremes are the longest events, those with the strangest texts, and the emptiest.
func extremes() []*event.Event {
	var all []*event.Event
	for _, kind := range event.Types {
		for _, status := range []string{"", "refunded", strings.Repeat("in preparation ", 40)} {
			all = append(all, &event.Event{Type: kind, Sale: event.Sale{Status: status}})
			for _, text := range []string{strings.Repeat("long name ", 40), strings.Repeat("😀👩‍👩‍👧", 60), strings.Repeat("مرحبا ", 40), "<b>*_~`\"\\\n\u2028\x00{{.}}", strings.Repeat("é", 300)} {
				e := &event.Event{Type: kind, Source: text, Customer: event.Customer{Name: text, Locale: "de"},
					Sale: event.Sale{TransactionID: text, OrderID: text, OrderName: text, Status: status, Currency: "XTS", Subtotal: "1", Discount: "-1", Tax: "1", Tip: "1", Total: "-123456789012345678901234567890.5",
						Place: text, Payment: event.Payment{Brand: text, LastFour: "4242"}, ReceiptURL: "https://till.example.com/" + strings.Repeat("a", 1500)}}
				for range 150 {
					e.Items = append(e.Items, event.Item{Name: text, Options: []string{text, text}, Quantity: "1.5", UnitPrice: "1234.5"})
				}
				all = append(all, e)
			}
		}
	}
	for _, e := range all {
		e.Sender = event.SenderPOS
	}
	return all
}

// sendsRendered: the provider takes the longest text that the renderer makes, the strangest and the emptiest, and gets it whole; approved templates too.
func (a *Adapter) sendsRendered(t *testing.T) {
	t.Parallel()
	b := a.open(t, a.Secret)
	approved := t.TempDir()
	for _, kind := range event.Types {
		name := filepath.Join(approved, fmt.Sprintf("%s.whatsapp.customer.en.template.json", kind))
		if err := os.WriteFile(name, []byte(`{"name":"HX`+strings.Repeat("a", 32)+`","language":"en","parameters":[{{json .CustomerName}}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sent, longest, templates, limit := 0, 0, 0, b.provider.Traits().MaxText
	for _, dir := range []string{"", approved} {
		r, err := render.New(render.Config{TemplatesDir: dir}, store.Only(&store.Store{ID: event.DefaultStore, Name: "Luna Coffee", Locale: "en"}), a.Channel)
		if err != nil {
			t.Fatal(err)
		}
		r.MaxText = func(message.Channel) message.Limit { return limit }
		for _, e := range extremes() {
			body, err := job.Body(e)
			if err != nil {
				t.Fatal(err)
			}
			for _, audience := range message.Audiences {
				m, err := r.Render(&job.Job{WebhookID: "w", Channel: a.Channel, Index: 1, Audience: audience, Recipient: to[a.Channel], Type: e.Type, Store: event.DefaultStore, Body: body})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := b.provider.Send(within(t, 10*time.Second), m); err != nil {
					t.Fatalf("%s, %q: %v", e.Type, m.Text, err)
				}
				sent++
				taken := b.emulator.Messages()
				got := taken[len(taken)-1]
				if m.Template != nil {
					templates++
					continue
				}
				longest = max(longest, len(m.Text))
				if diff := cmp.Diff([]string{m.Text, m.Subject, m.HTML}, []string{got.Text, got.Subject, got.HTML}); diff != "" {
					t.Fatalf("(-sent +arrived):\n%s", diff)
				}
			}
		}
	}
	if n := len(b.emulator.Messages()); n != sent {
		t.Errorf("%d arrived of %d", n, sent)
	}
	if (templates > 0) != (a.Channel == message.WhatsApp) {
		t.Errorf("%d approved templates were sent on %s", templates, a.Channel)
	}
	if a.Channel == message.WhatsApp && longest < limit.Units*9/10 {
		t.Errorf("the longest text has %d bytes of %d: this test tries no limit", longest, limit.Units)
	}
}
