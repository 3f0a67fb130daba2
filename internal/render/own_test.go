package render

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

// folder makes a TEMPLATES_DIR.
func folder(t testing.TB, files map[string]string) Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Config{TemplatesDir: dir, TemplatesStrict: true}
}

func TestOwnTexts(t *testing.T) {
	t.Parallel()
	r := renderer(t, folder(t, map[string]string{
		"pos_save.sms.customer.en.txt":                `{{.Business}} {{.Field "points"}} points`,
		"pos_save.sms.customer.de.txt":                "\ufeffIhr Bon: {{.Amount}}",
		"pos_save.sms.customer.de-AT.txt":             "Ihr Beleg: {{.Amount}}",
		"refund_complete.sms.customer.de.txt":         "Zurück: {{.Refunded}}",
		"pos_save.whatsapp.customer.en.template.json": `{"name":"receipt","language":"en_US","parameters":[{{json (or .CustomerName "there")}}]}`,
		"words.sv.txt":                                "{{define \"pos_save.customer\"}}Tack! {{.Amount}}{{end}}{{define \"status.ready\"}}klar{{end}}",
		"words.pt-BR.txt":                             `{{define "pos_save.customer"}}Obrigado! {{.Amount}}{{end}}`,
		"words.en.txt":                                "{{define \"greeting\"}}Dear {{or .CustomerName \"guest\"}}, {{end}}\r\n{{define \"status.waiting_for_a_table\"}}in the queue{{end}}",
	}), luna)
	for _, tt := range []struct {
		kind   event.Type
		locale string
		change func(*event.Event)
		want   string
	}{
		{event.POSSave, "", func(e *event.Event) { e.Extra = `{"points":120}` }, "Luna Coffee 120 points"},
		{event.POSSave, "de", func(e *event.Event) { e.Sale.Total, e.Sale.Currency = "1234.5", "EUR" }, "Ihr Bon: 1.234,50 €"},
		{event.POSSave, "de_DE.UTF-8", nil, "Ihr Bon: 125,50 $"},
		{event.POSSave, "de-AT", nil, "Ihr Beleg: $ 125,50"},
		{event.POSSave, "de-CH", nil, "Ihr Bon: $ 125.50"},
		{event.POSSave, "de", func(e *event.Event) { e.Sale.Total = "-5" }, "Zurück: 5,00 $"},
		{event.POSSave, "sv-FI", nil, "Luna Coffee: Tack! 125,50 US$"},
		{event.POSSave, "pt-BR", nil, "Luna Coffee: Obrigado! US$ 125,50"},
		{event.POSSave, "xx", func(e *event.Event) { e.Extra = `{"points":7}` }, "Luna Coffee 7 points"},
		{event.OrderCancel, "en-GB", nil, "Luna Coffee: Dear John Doe, your order ORD_1 was cancelled."},
		{event.OrderUpdate, "sv", nil, "Luna Coffee: Dear John Doe, your order ORD_1 is now: ready."},
		{event.OrderUpdate, "en", func(e *event.Event) { e.Sale.Status = "WAITING_FOR_A_TABLE" }, "Luna Coffee: Dear John Doe, your order ORD_1 is now: in the queue."},
	} {
		e := sample(tt.kind, func(e *event.Event) { e.Customer.Locale = tt.locale })
		if tt.change != nil {
			tt.change(e)
		}
		if m := rendered(t, r, message.SMS, message.Customer, e); m.Text != tt.want {
			t.Errorf("%s, %q: %q, want %q", tt.kind, tt.locale, m.Text, tt.want)
		}
	}
	// An approved template in another language is better than a text.
	for _, locale := range []string{"", "fr", "sv"} {
		e := sample(event.POSSave, func(e *event.Event) { e.Customer.Name, e.Customer.Locale = `A "B"`, locale })
		if m := rendered(t, r, message.WhatsApp, message.Customer, e); m.Template == nil || m.Template.Name != "receipt" || m.Template.Parameters[0] != `A "B"` {
			t.Errorf("%q: %+v", locale, m.Template)
		}
	}
}

// TestFunctions are those of own templates.
func TestFunctions(t *testing.T) {
	t.Parallel()
	r := renderer(t, folder(t, map[string]string{
		"pos_save.sms.customer.en.txt": `{{money . (.Field "deposit")}}|{{quantity $ (.Field "weight")}}|{{number . (.Field "points")}}|{{date . (.Field "pickup")}}|{{date . (.Field "day")}}|` +
			`{{link . "tracking"}}|{{link . "bad"}}|{{date . (.Field "bad")}}|{{date . .Time}}|{{money . (.Field "bad")}}|{{range .Items}}{{money $ "2"}}{{end}}`,
	}), shop(func(s *store.Store) { s.TimeZone = "Europe/Berlin" }))
	e := sample(event.POSSave, func(e *event.Event) {
		e.Items = e.Items[:1]
		e.Extra = `{"deposit":"5.5","weight":1.25,"points":1200,"pickup":"2024-07-01T12:00:00Z","day":"2024-07-02","tracking":"https://t.example.com/a?b=c","bad":"javascript:alert(1)"}`
	})
	const want = "$5.50|1.25|1,200|Jul 1, 2024, 2:00 PM|Jul 2, 2024|https://t.example.com/a?b=c|||Jan 1, 2024, 1:00 PM||$2.00"
	if m := rendered(t, r, message.SMS, message.Customer, e); m.Text != want {
		t.Errorf("%q, want %q", m.Text, want)
	}
}

// TestFunctionsFromRightToLeft: they read what .Field gives, also where it is isolated from its text, or shown with other marks.
func TestFunctionsFromRightToLeft(t *testing.T) {
	t.Parallel()
	const text = `{{money . (.Field "deposit")}}|{{quantity $ (.Field "weight")}}|{{date . (.Field "pickup")}}|{{date . (.Field "local")}}|{{date . (.Field "day")}}`
	extra := `{"deposit":"-5.5","weight":-1.25,"pickup":"2024-07-01T12:00:00Z","local":"2024-07-01 12:00:00","day":"2024-07-02"}`
	for _, locale := range []string{"en", "ar", "ar-EG", "de"} {
		for _, channel := range []message.Channel{message.SMS, message.WhatsApp} {
			r := renderer(t, folder(t, map[string]string{"pos_save." + string(channel) + ".customer." + locale + ".txt": text}), luna)
			m := rendered(t, r, channel, message.Customer, sample(event.POSSave, func(e *event.Event) { e.Extra, e.Customer.Locale = extra, locale }))
			for i, part := range strings.Split(m.Text, "|") {
				if strings.TrimSpace(part) == "" {
					t.Errorf("%s, %s: value %d is missing: %q", locale, channel, i+1, m.Text)
				}
			}
		}
	}
}

// TestFilesOfVersion1: the files that 0.1.0 had make the messages that they made there, its layout too.
func TestFilesOfVersion1(t *testing.T) {
	t.Parallel()
	r := renderer(t, Config{TemplatesDir: "testdata/version1"}, luna)
	m := rendered(t, r, message.Email, message.Customer, event.Sample(event.POSSave))
	for _, want := range []string{"<title>Your receipt</title>", ">Espresso</td>", ">$3.25</td>", "Total $125.50", "Thank you for coming!", "border-radius"} {
		if !strings.Contains(m.HTML, want) {
			t.Errorf("there is no %q in\n%s", want, m.HTML)
		}
	}
	if !strings.HasPrefix(m.Text, "Hi John Doe, here is your receipt for order ORD_1: $125.50. Thank you for coming!") {
		t.Errorf("%s", m.Text)
	}
	// Occasions that 0.1.0 did not have are in its layout.
	e := sample(event.POSSave, func(e *event.Event) { e.Sale.Status = "declined" })
	if m = rendered(t, r, message.Email, message.Customer, e); !strings.Contains(m.HTML, "did not go through") || !strings.Contains(m.HTML, "border-radius") {
		t.Errorf("%s", m.HTML)
	}
}

// broken are texts that cannot be parsed or rendered, and what the error says of them.
var broken = map[string]string{
	"{{if}}": ":1", "x\n{{.Nothing}}": ":2", "\n\n{{with .OrderID}}{{.Nothing}}{{end}}": "Nothing", "{{if not .OrderID}}{{.OrderID.Nothing}}{{end}}": "OrderID",
	`{{template "absent" .}}`: "absent", `{{nothing .}}`: "nothing",
}

// TestBrokenFiles: a file that cannot be read or rendered is named at the start, with the line and the field, whatever its occasion, channel, audience, locale and
// part. Without TEMPLATES_STRICT the others are used, and the built-in text in its place.
func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	var names []string
	for _, about := range occasions {
		for channel, parts := range parts {
			for part := range parts {
				for i, locale := range []string{"en", "en-GB", "de", "sv-FI"} {
					if about != posSave && i > 0 {
						continue // one occasion shows that every locale is looked at
					}
					names = append(names, fmt.Sprintf("%s.%s.%s.%s.%s", about, channel, message.Audiences[len(about)%2], locale, part))
				}
			}
		}
	}
	names = append(names, "pos_save.whatsapp.customer.en.template.json", layoutFile, oldLayout, "frame.sms.txt", "words.en.txt", "words.de.txt", "words.pt-BR.txt")
	for _, name := range names {
		for text, says := range broken {
			switch {
			case strings.HasPrefix(name, "words."):
				text = `{{define "pos_save.customer"}}` + text + `{{end}}`
			case name == layoutFile || name == oldLayout:
				text = `{{define "layout"}}` + text + `{{end}}`
			}
			files := map[string]string{"order_cancel.sms.customer.en.txt": "good"}
			files[name] = text
			for _, complete := range []string{"txt", "subject", "html"} { // an e-mail in a language without words has every part
				if parts := strings.Split(name, "."); len(parts) > 4 && parts[1] == "email" && parts[4] != complete {
					files[strings.Join(append(slices.Clone(parts[:4]), complete), ".")] = "good"
				}
			}
			c := folder(t, files)
			if strings.HasSuffix(name, ".json") {
				says = "" // it may not be JSON first
			}
			if _, err := New(c, luna); err == nil || !strings.Contains(err.Error(), "template "+name+": ") || !strings.Contains(err.Error(), says) {
				t.Errorf("%s with %q: %v", name, text, err)
				continue
			}
			c.TemplatesStrict = false
			r, err := New(c, luna)
			if err != nil || len(r.Skipped()) == 0 || !strings.Contains(r.Skipped()[0].Error(), name) {
				t.Errorf("%s with %q, not strict: %v", name, text, err)
				continue
			}
			if m := rendered(t, r, message.SMS, message.Customer, event.Sample(event.OrderCancel)); name != "order_cancel.sms.customer.en.txt" && m.Text != "good" {
				t.Errorf("%s: another file is not used: %q", name, m.Text)
			}
			if m := rendered(t, r, message.SMS, message.Customer, event.Sample(event.POSSave)); !strings.Contains(m.Text, "here is your receipt") {
				t.Errorf("%s: the built-in text is not used: %q", name, m.Text)
			}
		}
	}
}

func TestNamesOfFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"pos_save.txt": "name is not known", "pos_save.fax.customer.en.txt": "name is not known", "sale.sms.customer.en.txt": "name is not known", "notes.md": "name is not known",
		"words.xx.txt": "not a locale", "pos_save.sms.customer.xx.txt": "not a locale", "pos_save.sms.customer.en.html": "no part .html",
		"pos_save.email.customer.en.template.json": "no part .template.json", "pos_save.email.customer.cs.txt": "pos_save.email.customer.cs.html is missing",
	} {
		if _, err := New(folder(t, map[string]string{name: "x"}), luna); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	both := folder(t, map[string]string{layoutFile: `{{define "layout"}}{{end}}`, oldLayout: `{{define "layout"}}{{end}}`})
	if _, err := New(both, luna); err == nil || !strings.Contains(err.Error(), "delete one of them") {
		t.Errorf("two layouts: %v", err)
	}
	twice := folder(t, map[string]string{"pos_save.sms.customer.zh.txt": "x", "pos_save.sms.customer.zh-Hans.txt": "x"})
	if _, err := New(twice, luna); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("two names of a locale: %v", err)
	}
	for _, locale := range []string{"xx", "", "cs"} {
		if _, err := New(Config{}, shop(func(s *store.Store) { s.Locale = locale })); err == nil || !strings.Contains(err.Error(), "DEFAULT_LOCALE") {
			t.Errorf("DEFAULT_LOCALE %q: %v", locale, err)
		}
	}
	if _, err := New(Config{TemplatesDir: "testdata/absent"}, luna); err == nil || !strings.Contains(err.Error(), "TEMPLATES_DIR") {
		t.Errorf("no folder: %v", err)
	}
}

// TestChannels: a renderer of one channel has the templates of that channel alone, so a broken one of another is not its affair.
func TestChannels(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, channel := range message.Channels {
		files["pos_save."+string(channel)+".customer.en.txt"] = "{{.Nothing}}"
	}
	c := folder(t, files)
	for _, own := range message.Channels {
		r, err := New(Config{}, luna, own)
		if err != nil {
			t.Fatal(err)
		}
		for _, channel := range message.Channels {
			if _, err := r.Render(jobOf(t, channel, message.Customer, event.Sample(event.POSSave))); (err == nil) != (channel == own) {
				t.Errorf("a renderer of %s, a job of %s: %v", own, channel, err)
			}
			_, err := New(c, luna, own)
			if named := strings.Contains(fmt.Sprint(err), "pos_save."+string(channel)); named != (channel == own) {
				t.Errorf("a renderer of %s, a broken template of %s: %v", own, channel, err)
			}
		}
	}
}

// TestEmptyParameters: an approved template never has one. Its file is named at the start; a value that has nothing to show becomes a dash.
func TestEmptyParameters(t *testing.T) {
	t.Parallel()
	const name = "pos_save.whatsapp.customer.en.template.json"
	for _, field := range []string{".CustomerName", ".Order", ".Amount", `(.Field "points")`, `(print " " .Status)`, ".More", ".Unsubscribe"} {
		c := folder(t, map[string]string{name: `{"name":"receipt","language":"en","parameters":["Luna",{{json ` + field + `}}]}`})
		if _, err := New(c, luna); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "parameter 2") {
			t.Errorf("%s: %v", field, err)
		}
		c.TemplatesStrict = false
		r, err := New(c, luna)
		if err != nil || len(r.Skipped()) != 1 {
			t.Fatal(err, r.Skipped())
		}
		m := rendered(t, r, message.WhatsApp, message.Customer, &event.Event{Type: event.POSSave, Sender: event.SenderPOS})
		if m.Template == nil || !slices.Equal(m.Template.Parameters, []string{"Luna", missing}) {
			t.Errorf("%s: %+v", field, m.Template)
		}
	}
	for _, text := range []string{"{}", "x", `{"name":"x","parameters":[{{.CustomerName}}]}`} {
		if _, err := New(folder(t, map[string]string{name: text}), luna); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestParametersAreTaken: WhatsApp takes no parameter of several lines or with rows of spaces, and no long ones. What is shortened is the list.
func TestParametersAreTaken(t *testing.T) {
	t.Parallel()
	r := renderer(t, folder(t, map[string]string{"pos_save.whatsapp.customer.en.template.json": `{"name":"receipt","language":"en","parameters":[` +
		`"{{range .Items}}{{.Name}}\n\t      {{.Total}}\r\n{{end}}{{with .More}}… and {{.}} more{{end}} .",{{json .Business}},{{json (or (link . "tracking") "-")}}]}`,
	}), luna)
	for _, items := range []int{1, 20, 300} {
		for _, link := range []string{"", "https://t.example.com/" + strings.Repeat("x", 300), "https://t.example.com/" + strings.Repeat("x", 1500)} {
			e := order(items, "Latte")
			e.Extra = `{"tracking":"` + link + `"}`
			m := rendered(t, r, message.WhatsApp, message.Customer, e)
			all := strings.Join(m.Template.Parameters, "|")
			if strings.ContainsAny(all, "\n\r\t") || strings.Contains(all, "  ") || message.Units(all) > 1000 || !strings.Contains(all, "|Luna Coffee|") {
				t.Errorf("%d items, a link of %d: %q", items, len(link), m.Template.Parameters)
			}
			if shown := m.Template.Parameters[2]; strings.Contains(shown, "http") && shown != link {
				t.Errorf("a part of a link: %q", shown)
			}
			if len(link) < 1000 && !strings.HasPrefix(all, "Latte 0 $6.50 ") || items == 300 && len(link) < 1000 && !andMore.MatchString(all) {
				t.Errorf("%d items, a link of %d: %q", items, len(link), all)
			}
		}
	}
}

// TestBuiltInLanguagesAreComplete: every language has every block of the English words, and no other, and its own texts fit.
func TestBuiltInLanguagesAreComplete(t *testing.T) {
	t.Parallel()
	f, errs := readFiles("", nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	en, err := f.wordsOf([]string{english})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range f.locales() {
		w, err := f.wordsOf([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		for block := range en {
			if _, has := w[block]; !has {
				t.Errorf("words.%s.txt has no block %q", name, block)
			}
		}
		for block := range w {
			if _, has := en[block]; !has {
				t.Errorf("words.%s.txt has a block %q that words.en.txt does not have", name, block)
			}
		}
		if locale, known := format.ParseLocale(name); !known || locale.String() != name {
			t.Errorf("%s is not a locale", name)
		}
	}
}

// TestOwnStatusesAreUnderstood: a shop's words for statuses decide as the built-in ones do, and its own statuses are nothing bad.
func TestOwnStatusesAreUnderstood(t *testing.T) {
	t.Parallel()
	r := renderer(t, folder(t, map[string]string{
		"words.is.txt": `{{define "status.paid"}}greitt{{end}}{{define "status.declined" -}} hafnað {{- end}}`,
		"words.en.txt": `{{define "status.tab_7"}}at table 7{{end}}`,
	}), luna)
	for status, want := range map[string]occasion{"Greitt": paymentComplete, "HAFNAÐ": paymentFailed, "tab 7": paymentComplete, "At table 7": paymentComplete, "óþekkt": orderUpdate} {
		e := &event.Event{Type: event.PaymentComplete}
		if got, _ := occasionOf(e, r.statuses.read(status)); got != want {
			t.Errorf("%q: %s, want %s", status, got, want)
		}
	}
}

// TestBlocksThatNothingHas: a name that is misspelt is named, with its line; a block that the shop's own files include is not.
func TestBlocksThatNothingHas(t *testing.T) {
	t.Parallel()
	config := folder(t, map[string]string{
		"words.es.txt": "{{define \"label.total\"}}Suma{{end}}\n{{define \"hours\"}}9-18{{end}}\n{{define \"lable.tip\"}}Bote{{end}}\n{{define \"status.tab_7\"}}mesa 7{{end}}{{define \"label.support\"}}{{template \"hours\" .}}{{end}}",
	})
	_, err := New(config, luna)
	if err == nil || err.Error() != `template words.es.txt: words.es.txt:3: no text has a block "lable.tip": docs/templates.md has the blocks` {
		t.Errorf("%v", err)
	}
	config.TemplatesStrict = false
	r, err := New(config, luna)
	if err != nil || len(r.Skipped()) != 1 {
		t.Fatalf("%v, %v", r.Skipped(), err)
	}
	if m := rendered(t, r, message.Email, message.Customer, sample(event.POSSave, func(e *event.Event) { e.Customer.Locale = "es" })); !strings.Contains(m.Text, "Suma: ") {
		t.Errorf("the rest of the file is not used: %s", m.Text)
	}
}
