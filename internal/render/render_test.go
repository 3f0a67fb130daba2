package render

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

var luna = shop("en")

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

// templateParts are good texts of every part of a set, by channel; only template.json may be left out.
var templateParts = map[message.Channel]map[string]string{
	message.SMS:      {"txt": "{{.Amount}}"},
	message.Email:    {"txt": "{{.Amount}}", "subject": "{{.Amount}}", "html": `{{define "content"}}<p>{{.Amount}}</p>{{end}}{{template "content" .}}`},
	message.WhatsApp: {"txt": "{{.Amount}}", "template.json": `{"name":"x","language":"de","parameters":[{{json .Amount}}]}`},
}

// templatesDir makes a folder with every template of some event types in a locale. With a part, the files of that part have the text; "" leaves
// them out. It returns the names of those files, too.
func templatesDir(t *testing.T, kinds []event.Type, locale, part, text string) (dir string, ofPart []string) {
	t.Helper()
	dir = t.TempDir()
	for _, kind := range kinds {
		for channel, parts := range templateParts {
			for _, audience := range message.Audiences {
				for name, good := range parts {
					file := fmt.Sprintf("%s.%s.%s.%s.%s", kind, channel, audience, locale, name)
					if name == part {
						ofPart = append(ofPart, file)
						good = text
					}
					if good == "" {
						continue
					}
					if err := os.WriteFile(filepath.Join(dir, file), []byte(good), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	return dir, ofPart
}

// shop has a default locale.
func shop(locale string) store.Directory {
	return store.Only(&store.Store{ID: event.DefaultStore, Name: "Luna Coffee", Locale: locale})
}

// TestBrokenTemplatesAreNamedAtStart: a template that cannot be read or rendered is found when the program starts, whatever its event type,
// channel, audience, locale and part.
func TestBrokenTemplatesAreNamedAtStart(t *testing.T) {
	t.Parallel()
	texts := []string{"{{.Nothing}}", "{{if}}", "{{with .OrderID}}{{.Nothing}}{{end}}", "{{if not .OrderID}}{{.OrderID.Nothing}}{{end}}"}
	for part, bad := range map[string][]string{
		"txt": texts, "subject": texts,
		"html":          append([]string{`{{define "content"}}{{.Nothing}}{{end}}{{template "content" .}}`, `<a href="{{.Amount}}`, `{{template "absent" .}}`}, texts...),
		"template.json": append([]string{"{}", "x", `{"name":"x","parameters":[{{.CustomerName}}]}`}, texts...),
	} {
		for i, text := range bad {
			for _, locales := range [][2]string{{"de", "en"}, {"de", "de"}, {"en", "en"}} { // of the templates, and the default
				if i > 0 && locales != [2]string{"de", "en"} {
					continue // one text shows that these locales are looked at, too
				}
				dir, files := templatesDir(t, event.Types, locales[0], part, text)
				_, err := New(Config{TemplatesDir: dir}, shop(locales[1]))
				if err == nil {
					t.Errorf("%s is %q, locales %v: it starts", part, text, locales)
					continue
				}
				for _, file := range files {
					if !strings.Contains(err.Error(), file) {
						t.Errorf("%s is %q, locales %v: it is not named in %v", file, text, locales, err)
					}
				}
			}
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pos_save.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{TemplatesDir: dir}, luna); err == nil || !strings.Contains(err.Error(), "names are <event>") {
		t.Errorf("a name of no template: %v", err)
	}
}

// TestGapsAreNamedAtStart: a set that lacks a file is found when the program starts, in the default locale and in another.
func TestGapsAreNamedAtStart(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"txt", "subject", "html", "template.json"} {
		for _, ofStore := range []string{"en", "fr"} {
			dir, files := templatesDir(t, event.Types, "fr", part, "")
			_, err := New(Config{TemplatesDir: dir}, shop(ofStore))
			if part == "template.json" {
				if err != nil {
					t.Errorf("without WhatsApp's templates: %v", err)
				}
				continue
			}
			if err == nil {
				t.Errorf("DEFAULT_LOCALE %s, without any .%s: it starts", ofStore, part)
				continue
			}
			for _, file := range files {
				// A text message is one file, which another locale than the default one may lack.
				other := ofStore == "en" && strings.Contains(file, ".sms.")
				if strings.Contains(err.Error(), file) == other {
					t.Errorf("DEFAULT_LOCALE %s: whether %s is named is not %t in %v", ofStore, file, !other, err)
				}
			}
		}
	}
	for _, absent := range []string{"pos_save.sms.customer.fr.txt", "pos_save.whatsapp.staff.fr.txt", "pos_save.email.staff.fr.subject"} {
		dir, _ := templatesDir(t, []event.Type{event.POSSave}, "fr", "template.json", "")
		if err := os.Remove(filepath.Join(dir, absent)); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{TemplatesDir: dir}, shop("fr")); err == nil || !strings.Contains(err.Error(), absent) {
			t.Errorf("without %s: %v", absent, err)
		}
	}
	if _, err := New(Config{}, shop("xx")); err == nil || !strings.Contains(err.Error(), "DEFAULT_LOCALE") {
		t.Errorf("an unknown locale: %v", err)
	}
}

// TestTemplatesOfVersion1: the folder of a shop that has translated all that 0.1.0 had is good for this release. Messages of later event types
// are in English.
func TestTemplatesOfVersion1(t *testing.T) {
	t.Parallel()
	version1 := []event.Type{event.PaymentComplete, event.OrderCreate, event.POSSave, event.OrderUpdate}
	dir, _ := templatesDir(t, version1, "de", "txt", "Bon: {{.Amount}}")
	r, err := New(Config{TemplatesDir: dir}, shop("de"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range event.Types {
		for _, channel := range message.Channels {
			for _, audience := range message.Audiences {
				for _, locale := range []string{"", "fr", "de-AT"} {
					e := sample(kind, func(e *event.Event) { e.Customer.Locale = locale })
					m, err := r.Render(jobOf(t, channel, audience, e))
					if german := strings.HasPrefix(m.Text, "Bon: "); err != nil || m.Text == "" || german != slices.Contains(version1, kind) {
						t.Errorf("%s %s %s, locale %q: %q, %v", kind, channel, audience, locale, m.Text, err)
					}
				}
			}
		}
	}
}

// TestNothingOfAnEventIsKept: what outlives a message, the views and the prices, has no text of its event, which would keep all of it in memory.
func TestNothingOfAnEventIsKept(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{})
	v := &view{}
	for _, items := range []int{3, 0, 1, maxItems + 5, 2} {
		e := event.Sample(event.POSSave)
		e.Items = make([]event.Item, items)
		for i := range e.Items {
			e.Items[i] = event.Item{Name: "Espresso", Quantity: "2", UnitPrice: "3.25"}
		}
		r.fill(v, jobOf(t, message.Email, message.Customer, e), e, "Luna Coffee", "en")
		v.reset()
		for i, item := range v.Items[:cap(v.Items)] {
			if item != (line{}) {
				t.Fatalf("after %d items: line %d is %+v", items, i, item)
			}
		}
	}
	payload := "125.50 usd de-at"
	r.prices.format(payload[:6], payload[7:10], payload[11:13])
	for key := range r.prices.seen {
		for _, text := range key {
			start := uintptr(unsafe.Pointer(unsafe.StringData(payload)))
			if at := uintptr(unsafe.Pointer(unsafe.StringData(text))); at >= start && at < start+uintptr(len(payload)) {
				t.Errorf("the prices keep %q of the event itself", text)
			}
		}
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want int
	}{
		{"", 0}, {"a", 1}, {strings.Repeat("a", 160), 1}, {strings.Repeat("a", 161), 2}, {strings.Repeat("a", 306), 2}, {strings.Repeat("a", 307), 3},
		{strings.Repeat("€", 80), 1}, {strings.Repeat("€", 81), 2}, {strings.Repeat("ç", 70), 1}, {strings.Repeat("ç", 71), 2},
		{strings.Repeat("😀", 35), 1}, {strings.Repeat("😀", 36), 2},
	} {
		if got := Segments(tt.text); got != tt.want {
			t.Errorf("Segments(%.5q × …) = %d, want %d", tt.text, got, tt.want)
		}
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

// TestChannels: a renderer of one channel has the templates of that channel alone, so a broken one of another is not its affair.
func TestChannels(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, channel := range message.Channels {
		if err := os.WriteFile(filepath.Join(dir, "pos_save."+string(channel)+".customer.en.txt"), []byte("{{.Nothing}}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, own := range message.Channels {
		r, err := New(Config{}, luna, own)
		if err != nil {
			t.Fatal(err)
		}
		for _, channel := range message.Channels {
			if _, err := r.Render(jobOf(t, channel, message.Customer, event.Sample(event.POSSave))); (err == nil) != (channel == own) {
				t.Errorf("a renderer of %s, a job of %s: %v", own, channel, err)
			}
			_, err := New(Config{TemplatesDir: dir}, luna, own)
			if named := strings.Contains(fmt.Sprint(err), "pos_save."+string(channel)); named != (channel == own) {
				t.Errorf("a renderer of %s, a broken template of %s: %v", own, channel, err)
			}
		}
	}
}
