package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

var luna = store.Only(&store.Store{ID: event.DefaultStore, Name: "Luna Coffee", Locale: "en"})

func renderer(t testing.TB, c Config) *Renderer {
	t.Helper()
	r, err := New(c, luna)
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

// sample is the sample of an event type, changed.
func sample(t event.Type, change func(*event.Event)) *event.Event {
	e := event.Sample(t)
	change(e)
	return e
}

func TestEveryTemplateReadsWell(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{})
	for _, kind := range event.Types {
		bare := &event.Event{Type: kind, Sender: event.SenderPOS}
		for _, channel := range message.Channels {
			for _, audience := range message.Audiences {
				for _, e := range []*event.Event{event.Sample(kind), bare} {
					m, err := r.Render(jobOf(t, channel, audience, e))
					if err != nil {
						t.Fatal(err)
					}
					for _, text := range []string{m.Text, m.Subject, m.HTML} {
						for _, flaw := range []string{"<no value>", "  ", " .", " ,", "%!", "Hi ,"} {
							if channel != message.Email && strings.Contains(text, flaw) {
								t.Errorf("%s %s %s: %q in %q", kind, channel, audience, flaw, text)
							}
						}
					}
					if m.Text == "" || (channel == message.Email) != (m.HTML != "" && m.Subject != "") {
						t.Errorf("%s %s %s: %+v", kind, channel, audience, m)
					}
					if channel == message.SMS && m.Segments != 1 {
						t.Errorf("%s %s takes %d segments: %q", kind, audience, m.Segments, m.Text)
					}
				}
			}
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{})
	sms, err := r.Render(jobOf(t, message.SMS, message.Customer, event.Sample(event.POSSave)))
	if err != nil || sms.Text != "Luna Coffee: Hi John Doe, here is your receipt for order ORD_1: $125.50. Thank you for coming!" {
		t.Errorf("%q, %v", sms.Text, err)
	}
	whatsapp, err := r.Render(jobOf(t, message.WhatsApp, message.Customer, event.Sample(event.OrderCreate)))
	if err != nil || !strings.Contains(whatsapp.Text, "• 2 × Espresso: $3.25\n") || !strings.Contains(whatsapp.Text, "*Total: $125.50*") {
		t.Errorf("%q, %v", whatsapp.Text, err)
	}
	staff, err := r.Render(jobOf(t, message.Email, message.Staff, event.Sample(event.PaymentComplete)))
	if err != nil || staff.Subject != "[Luna Coffee] Payment received: $125.50" || !strings.Contains(staff.HTML, ">Moka pot</td>") {
		t.Errorf("%q %q, %v", staff.Subject, staff.HTML, err)
	}
}

// TestUnsubscribe: customers' e-mails have the link in both parts and for the header, and nothing else has it.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	const link = "https://hooks.example.com/unsubscribe/AZaz09-_"
	r := renderer(t, Config{})
	without, err := r.Render(jobOf(t, message.Email, message.Customer, event.Sample(event.POSSave)))
	if err != nil || without.Unsubscribe != "" || strings.Contains(without.Text+without.HTML, "nsubscribe") {
		t.Errorf("without: %+v, %v", without, err)
	}
	r.Unsubscribe = func(to message.Address) string {
		if to != "+15550100000" {
			t.Errorf("a link for %s", to)
		}
		return link
	}
	for _, kind := range event.Types {
		for _, channel := range message.Channels {
			for _, audience := range message.Audiences {
				m, err := r.Render(jobOf(t, channel, audience, event.Sample(kind)))
				if err != nil {
					t.Fatal(err)
				}
				want := channel == message.Email && audience == message.Customer
				header, html, text := m.Unsubscribe == link, strings.Contains(m.HTML, `<a href="`+link+`"`), strings.HasSuffix(m.Text, "\n\nUnsubscribe: "+link)
				if header != want || html != want || text != want || !want && strings.Contains(m.Text+m.HTML, "nsubscribe") {
					t.Errorf("%s %s %s: header %t, HTML %t, text %t: %s", kind, channel, audience, header, html, text, m.Text)
				}
			}
		}
	}
}

func TestHostileData(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{})
	e := &event.Event{Type: event.POSSave, Sale: event.Sale{Total: "1", Currency: "XXQ", OrderID: "مرحبا 👩‍👩‍👧"},
		Customer: event.Customer{Name: "<b>*A*\u202eB\x00\r\nBcc: x\u200b _c_ http://evil.example" + strings.Repeat("é", 10000)}}
	for _, channel := range message.Channels {
		m, err := r.Render(jobOf(t, channel, message.Customer, e))
		if err != nil {
			t.Fatal(err)
		}
		all := m.Text + m.Subject + m.HTML
		for _, bad := range []string{"\u202e", "\x00", "\r", "\u200b"} {
			if strings.Contains(all, bad) {
				t.Errorf("%s has %q", channel, bad)
			}
		}
		if strings.Contains(m.HTML, "<b>") || strings.ContainsAny(m.Subject, "\r\n") || !strings.Contains(all, "مرحبا 👩‍👩‍👧") {
			t.Errorf("%s: %q %q", channel, m.Subject, m.HTML)
		}
		if channel == message.WhatsApp && (strings.Contains(m.Text, "*A*") || strings.Contains(m.Text, "_c_")) {
			t.Errorf("formatting got through: %q", m.Text)
		}
		if len([]rune(m.Text)) > 600 {
			t.Errorf("%s: %d characters", channel, len(m.Text))
		}
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("pos_save.sms.customer.en.txt", `{{.Business}} {{.Field "points"}} points`)
	write("pos_save.sms.customer.de.txt", `Ihr Bon: {{.Amount}}`)
	write("pos_save.whatsapp.customer.en.template.json", `{"name":"receipt","language":"en_US","parameters":[{{json .CustomerName}}]}`)
	r := renderer(t, Config{TemplatesDir: dir})
	of := func(channel message.Channel, change func(*event.Event)) *job.Job {
		return jobOf(t, channel, message.Customer, sample(event.POSSave, change))
	}
	if m, _ := r.Render(of(message.SMS, func(e *event.Event) { e.Extra = `{"points":120}` })); m.Text != "Luna Coffee 120 points" {
		t.Errorf("%q", m.Text)
	}
	if m, _ := r.Render(of(message.SMS, func(e *event.Event) { e.Customer.Locale, e.Sale.Total, e.Sale.Currency = "de-AT", "1234.5", "EUR" })); m.Text != "Ihr Bon: 1.234,50\u00a0€" {
		t.Errorf("%q", m.Text)
	}
	m, err := r.Render(of(message.WhatsApp, func(e *event.Event) { e.Customer.Name = `A "B"` }))
	if err != nil || m.Template == nil || m.Template.Name != "receipt" || m.Template.Parameters[0] != `A "B"` {
		t.Errorf("%+v, %v", m.Template, err)
	}
}

func TestBrokenTemplatesAreNamedAtStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"pos_save.sms.customer.en.txt", "{{.Nothing}}", "pos_save.sms.customer.en.txt"},
		{"pos_save.sms.customer.en.txt", "{{if}}", "pos_save.sms.customer.en.txt"},
		{"pos_save.txt", "x", "names are <event>"},
		{"pos_save.email.customer.fr.txt", "x", "pos_save.email.customer.fr.subject"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, tt.name), []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{TemplatesDir: dir}, luna); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %q: %v", tt.name, tt.text, err)
		}
	}
	if _, err := New(Config{}, store.Only(&store.Store{ID: "x", Locale: "xx"})); err == nil || !strings.Contains(err.Error(), "DEFAULT_LOCALE") {
		t.Errorf("an unknown locale: %v", err)
	}
}

// TestRefundsAndCancellations say what the payload says, and thank for nothing.
func TestRefundsAndCancellations(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{})
	partly := sample(event.RefundComplete, func(e *event.Event) { e.Sale.Total, e.Sale.Refunded = "125.50", "5.5" })
	for _, tt := range []struct {
		event    *event.Event
		audience message.Audience
		want     string
	}{
		{event.Sample(event.RefundComplete), message.Customer, "Luna Coffee: Hi John Doe, your refund of $125.50 for order ORD_1 is complete."},
		{partly, message.Customer, "Luna Coffee: Hi John Doe, your refund of $5.50 for order ORD_1 is complete."},
		{partly, message.Staff, "Luna Coffee: Refund of $5.50 for order ORD_1 to John Doe is complete."},
		{&event.Event{Type: event.RefundComplete, Sender: event.SenderPOS}, message.Customer, "Luna Coffee: Hi, your refund is complete."},
		{event.Sample(event.OrderCancel), message.Customer, "Luna Coffee: Hi John Doe, your order ORD_1 is cancelled."},
		{event.Sample(event.OrderCancel), message.Staff, "Luna Coffee: Order ORD_1 by John Doe was cancelled."},
		{&event.Event{Type: event.OrderCancel, Sender: event.SenderPOS}, message.Customer, "Luna Coffee: Hi, your order is cancelled."},
	} {
		if m, err := r.Render(jobOf(t, message.SMS, tt.audience, tt.event)); err != nil || m.Text != tt.want {
			t.Errorf("%q, %v, want %q", m.Text, err, tt.want)
		}
	}
	for _, kind := range []event.Type{event.RefundComplete, event.OrderCancel} {
		for _, channel := range message.Channels {
			m, err := r.Render(jobOf(t, channel, message.Customer, event.Sample(kind)))
			if err != nil || strings.Contains(strings.ToLower(m.Text+m.Subject+m.HTML), "thank") {
				t.Errorf("%s, %s: %q, %v", kind, channel, m.Text, err)
			}
			if kind == event.RefundComplete && strings.Contains(m.Text+m.HTML, "Total") {
				t.Errorf("%s: what was paid back is said to be the order's total: %q", channel, m.Text)
			}
		}
	}
}

// TestVersion1: a job that 0.1.0 accepted becomes the message that it would have become there.
func TestVersion1(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{})
	j := &job.Job{WebhookID: "w", Channel: message.SMS, Index: 1, Audience: message.Customer, Recipient: "+15550100000", Type: event.POSSave, Store: event.DefaultStore,
		Version1: true, Body: []byte(`{"id":"w","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","source":"till 3",
			"data":{"customerName":"John Doe","orderId":"ORD_1","amount":125.50,"currency":"USD","timezone":"Europe/Berlin"}}`)}
	m, err := r.Render(j)
	if err != nil || m.Text != "Luna Coffee: Hi John Doe, here is your receipt for order ORD_1: $125.50. Thank you for coming!" ||
		m.EventType != "pos_save" || m.Source != "till 3" || m.Timezone != "Europe/Berlin" || m.JobID != "w:sms:1" {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestNotRendered: a job whose event cannot be read, or whose store or event type this program does not know, has no message.
func TestNotRendered(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{})
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

func BenchmarkRender(b *testing.B) {
	for _, channel := range message.Channels {
		b.Run(string(channel), func(b *testing.B) {
			r := renderer(b, Config{})
			j := jobOf(b, channel, message.Customer, event.Sample(event.POSSave))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Render(j); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
