package render

import (
	"strings"
	"testing"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

// TestEveryTextReadsWell: with the sample, and with an event that has only what is required.
func TestEveryTextReadsWell(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for _, about := range occasions {
		full := sampleOf(about)
		bare := &event.Event{Type: full.Type, Sender: event.SenderPOS, Sale: event.Sale{Status: full.Sale.Status}}
		for _, channel := range message.Channels {
			for _, audience := range message.Audiences {
				for _, e := range []*event.Event{full, bare} {
					m := rendered(t, r, channel, audience, e)
					for _, text := range []string{m.Text, m.Subject, textOf(m.HTML)} {
						for _, flaw := range []string{"<no value>", "  ", " .", " ,", "%!", "Hi ,", "\n\n\n\n\n", "ORD_1 :", "..", " \n"} {
							if strings.Contains(text, flaw) && (text == m.Text || text == m.Subject || flaw == "<no value>" || flaw == "%!") {
								t.Errorf("%s %s %s: %q in %q", about, channel, audience, flaw, text)
							}
						}
					}
					if m.Text == "" || strings.TrimSpace(m.Text) != m.Text || (channel == message.Email) != (m.HTML != "" && m.Subject != "") {
						t.Errorf("%s %s %s: %+v", about, channel, audience, m)
					}
					if subject := []rune(m.Subject); len(subject) > 80 {
						t.Errorf("%s %s: a subject of %d characters: %s", about, audience, len(subject), m.Subject)
					}
				}
			}
		}
	}
}

// TestOneFullStop: a sentence has one at its end, also behind a value with its own.
func TestOneFullStop(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for _, about := range occasions {
		for _, locale := range []string{"en", "de", "fr", "pt-BR", "ar", "tr"} {
			for _, channel := range message.Channels {
				for _, audience := range message.Audiences {
					e := sampleOf(about)
					e.Customer.Locale, e.Customer.Name, e.Sale.OrderID = locale, "Acme Inc.", "No. 5."
					m := rendered(t, r, channel, audience, e)
					for _, text := range []string{m.Text, m.Subject, strings.ReplaceAll(textOf(m.HTML), "\n", "")} {
						if plain := strings.NewReplacer("\u2069", "", "\u2068", "").Replace(text); strings.Contains(plain, "..") {
							t.Errorf("%s, %s, %s, %s: %q", about, locale, channel, audience, plain)
						}
					}
				}
			}
		}
	}
	e := sample(event.POSSave, func(e *event.Event) {
		e.Sale.ReceiptURL, e.Sale.Place, e.Customer.Name = "https://till.example.com/a/../b..c", "wait... and see", "Jo...."
	})
	if m := rendered(t, r, message.WhatsApp, message.Customer, e); !strings.Contains(m.Text, "/a/../b..c") || !strings.Contains(m.Text, "wait... and see") || !strings.Contains(m.Text, "Jo....,") {
		t.Errorf("%s", m.Text)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, shop(func(s *store.Store) { s.ReplyTo = "hello@example.com" }))
	if m := rendered(t, r, message.SMS, message.Customer, event.Sample(event.POSSave)); m.Text != "Luna Coffee: Hi John Doe, here is your receipt for order ORD_1: $125.50. Thank you!" || m.Segments != 1 || m.ReplyTo != "" {
		t.Errorf("%+v", m)
	}
	m := rendered(t, r, message.WhatsApp, message.Customer, event.Sample(event.OrderCreate))
	if !strings.HasPrefix(m.Text, "🛍️ *Luna Coffee*\nHi John Doe, we have your order ORD_1, $125.50 in total.\n\n• Espresso (double, oat milk): 2 × $3.25 = $6.50\n• 1 × Moka pot: $119.00\n\n"+
		"Subtotal: $125.50\nDiscount: -$10.00\nTax: $8.00\nTip: $2.00\n*Total: $125.50*\nPayment method: Visa ending in 4242\n\n") {
		t.Errorf("%q", m.Text)
	}
	m = rendered(t, r, message.Email, message.Staff, event.Sample(event.PaymentComplete))
	if m.Subject != "[Luna Coffee] Payment received: $125.50" || !strings.Contains(m.HTML, "<bdi>Moka pot</bdi>") || m.ReplyTo != "hello@example.com" {
		t.Errorf("%q %q %q", m.Subject, m.ReplyTo, m.HTML)
	}
}

// TestUnsubscribe: customers' e-mails have the link in both parts and for the header, and nothing else has it.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	const link = "https://hooks.example.com/unsubscribe/AZaz09-_"
	r := renderer(t, Config{}, luna)
	if m := rendered(t, r, message.Email, message.Customer, event.Sample(event.POSSave)); m.Unsubscribe != "" || strings.Contains(m.Text+m.HTML, "nsubscribe") {
		t.Errorf("without: %+v", m)
	}
	r.Unsubscribe = func(to message.Address) string {
		if to != "+15550100000" {
			t.Errorf("a link for %s", to)
		}
		return link
	}
	for _, about := range occasions {
		for _, channel := range message.Channels {
			for _, audience := range message.Audiences {
				m := rendered(t, r, channel, audience, sampleOf(about))
				want := channel == message.Email && audience == message.Customer
				header, html, text := m.Unsubscribe == link, strings.Contains(m.HTML, `<a href="`+link+`"`), strings.HasSuffix(m.Text, "\n\nUnsubscribe: "+link)
				if header != want || html != want || text != want || !want && strings.Contains(m.Text+m.HTML, "nsubscribe") {
					t.Errorf("%s %s %s: header %t, HTML %t, text %t: %s", about, channel, audience, header, html, text, m.Text)
				}
			}
		}
	}
}

// TestVersion1: a job that 0.1.0 accepted is rendered.
func TestVersion1(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	j := &job.Job{WebhookID: "w", Channel: message.SMS, Index: 1, Audience: message.Customer, Recipient: "+15550100000", Type: event.POSSave, Store: event.DefaultStore,
		Version1: true, Body: []byte(`{"id":"w","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","source":"till 3",
			"data":{"customerName":"John Doe","orderId":"ORD_1","amount":125.50,"currency":"USD","timezone":"Europe/Berlin"}}`)}
	m, err := r.Render(j)
	if err != nil || m.Text != "Luna Coffee: Hi John Doe, here is your receipt for order ORD_1: $125.50. Thank you!" ||
		m.EventType != "pos_save" || m.Source != "till 3" || m.Timezone != "Europe/Berlin" || m.JobID != "w:sms:1" {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestNotRendered: a job whose event cannot be read, or whose store or event type this program does not know, has no message.
func TestNotRendered(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{}, luna)
	for want, change := range map[string]func(*job.Job){
		"its event cannot be read":           func(j *job.Job) { j.Body = []byte{0xff} },
		`there is no store "luna"`:           func(j *job.Job) { j.Store = "luna" },
		"there is no template for stock_low": func(j *job.Job) { j.Type = "stock_low" },
	} {
		j := jobOf(t, message.SMS, message.Customer, event.Sample(event.POSSave))
		change(j)
		if _, err := r.Render(j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestFaultsAtRun: a template that fails on odd data names itself and nothing of the data; the others are rendered.
func TestFaultsAtRun(t *testing.T) {
	t.Parallel()
	r := renderer(t, folder(t, map[string]string{"pos_save.sms.customer.en.txt": `{{if eq .CustomerName "Zoë"}}{{slice .CustomerName 40}}{{end}}ok`}), luna)
	e := sample(event.POSSave, func(e *event.Event) { e.Customer.Name = "Zoë" })
	if _, err := r.Render(jobOf(t, message.SMS, message.Customer, e)); err == nil || !strings.Contains(err.Error(), "pos_save.sms.customer.en.txt") || strings.Contains(err.Error(), "Zoë") {
		t.Errorf("%v", err)
	}
	if m := rendered(t, r, message.SMS, message.Customer, event.Sample(event.POSSave)); m.Text != "ok" {
		t.Errorf("%q", m.Text)
	}
}
