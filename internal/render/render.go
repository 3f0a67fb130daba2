// Package render makes messages of jobs: templates by event, channel, audience and locale, built in and overridable file by file.
package render

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/sender/generic"
)

//go:embed templates
var builtIn embed.FS

// Config says where templates come from.
type Config struct {
	// TemplatesDir has files that take the place of built-in templates, or add locales; a ConfigMap fits.
	TemplatesDir string `env:"TEMPLATES_DIR"`
	// DefaultLocale is the language of a message whose payload names none that there are templates for.
	DefaultLocale string `env:"DEFAULT_LOCALE, default=en"`
	// BusinessName is the shop's name, as messages show it.
	BusinessName string `env:"BUSINESS_NAME, default=Your shop"`
}

// layoutFile is the frame of every e-mail.
const layoutFile = "layout.email.html"

// fileName is the form of a template's name; it can be a key of a ConfigMap.
var fileName = regexp.MustCompile(`^(payment_complete|order_create|pos_save|order_update)\.(sms|email|whatsapp)\.(customer|staff)\.([a-z]{2,3})\.(txt|html|subject|template\.json)$`)

// key is what a set of templates is for.
type key struct{ event, channel, audience, locale string }

func (k key) String() string { return k.event + "." + k.channel + "." + k.audience + "." + k.locale }

// set are the templates of one event, channel, audience and locale.
type set struct {
	text, subject, html, approved *compiled
}

// Renderer makes messages. It is safe for concurrent use.
type Renderer struct {
	config Config
	sets   map[key]*set
	prices prices

	// Unsubscribe makes the link by which a customer ends e-mails; nil for none. It is set before the first message.
	Unsubscribe func(message.Address) string
}

// New loads the templates, and renders every one with the samples, so that a broken one is found before a customer waits for it.
// The error names every file that is wrong.
func New(config Config) (*Renderer, error) {
	files, err := load(config.TemplatesDir)
	if err != nil {
		return nil, err
	}
	r := &Renderer{config: config, sets: map[key]*set{}, prices: prices{seen: map[[3]string]string{}}}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == layoutFile {
			continue
		}
		if err := r.add(name, files); err != nil {
			errs = append(errs, fmt.Errorf("template %s: %w", name, err))
		}
	}
	if len(errs) == 0 {
		errs = r.check()
	}
	return r, errors.Join(errs...)
}

// load reads the built-in templates and those of the directory, which win.
func load(dir string) (map[string]string, error) {
	files := map[string]string{}
	sub, err := fs.Sub(builtIn, "templates")
	if err != nil {
		return nil, err
	}
	if err := read(sub, files); err != nil {
		return nil, err
	}
	if dir == "" {
		return files, nil
	}
	own := map[string]string{}
	if err := read(os.DirFS(dir), own); err != nil {
		return nil, fmt.Errorf("TEMPLATES_DIR %s cannot be read: %w", dir, err)
	}
	var errs []error
	for name, text := range own {
		if name != layoutFile && !fileName.MatchString(name) {
			errs = append(errs, fmt.Errorf("TEMPLATES_DIR has %s: names are <event>.<channel>.<customer|staff>.<locale>.<txt|html|subject|template.json>, "+
				"as pos_save.sms.customer.en.txt, and %s", name, layoutFile))
		}
		files[name] = text
	}
	return files, errors.Join(errs...)
}

// read takes the regular files of a folder; names that begin with a dot are a mounted ConfigMap's own.
func read(dir fs.FS, into map[string]string) error {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") || entry.IsDir() {
			continue
		}
		text, err := fs.ReadFile(dir, entry.Name())
		if err != nil {
			return err
		}
		into[filepath.Base(entry.Name())] = string(text)
	}
	return nil
}

// add parses a file into its set.
func (r *Renderer) add(name string, files map[string]string) error {
	parts := fileName.FindStringSubmatch(name)
	if parts == nil {
		return errors.New("the name is not of the form <event>.<channel>.<audience>.<locale>.<part>")
	}
	id := key{parts[1], parts[2], parts[3], parts[4]}
	s := r.sets[id]
	if s == nil {
		s = &set{}
		r.sets[id] = s
	}
	one, err := prepare(name, files)
	if err != nil {
		return err
	}
	one = one.checked().dropSource()
	switch parts[5] {
	case "txt":
		s.text = one
	case "subject":
		s.subject = one
	case "template.json":
		s.approved = one
	case "html":
		s.html = one
	}
	return nil
}

func prepare(name string, files map[string]string) (*compiled, error) {
	if strings.HasSuffix(name, ".html") {
		return parseHTML(name, files[layoutFile], files[name])
	}
	return parseText(name, files[name])
}

func parseText(name, text string) (*compiled, error) {
	t, err := template.New(name).Option("missingkey=zero").Funcs(template.FuncMap{"json": func(s string) (string, error) {
		quoted, err := json.Marshal(s)
		return string(quoted), err
	}}).Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	return compileText(t), nil
}

func parseHTML(name, layout, text string) (*compiled, error) {
	t, err := htmltemplate.New(name).Option("missingkey=zero").Parse(layout)
	if err == nil {
		t, err = t.Parse(text)
	}
	if err != nil {
		return nil, err
	}
	return compileHTML(t), nil
}

// check renders every set with a full payload and with one that has only what is required, and looks for gaps.
func (r *Renderer) check() []error {
	var errs []error
	r.Unsubscribe = func(message.Address) string { return "https://ringup.example.com/unsubscribe/x" }
	defer func() { r.Unsubscribe = nil }()
	for _, kind := range event.Types {
		bare := fmt.Appendf(nil, `{"id":"x","event_type":%q,"timestamp":"2024-01-01T12:00:00Z","data":{}}`, kind)
		for _, channel := range message.Channels {
			for _, audience := range message.Audiences {
				id := key{string(kind), string(channel), audience.String(), r.config.DefaultLocale}
				if r.sets[id] == nil {
					errs = append(errs, fmt.Errorf("there is no template %s.txt, and DEFAULT_LOCALE is %s", id, r.config.DefaultLocale))
					continue
				}
				for _, body := range [][]byte{event.Sample(kind), bare} {
					j := &job.Job{WebhookID: "x", Channel: channel, Index: 1, Audience: audience, Recipient: "x", Body: body}
					if _, err := r.Render(j); err != nil {
						errs = append(errs, err)
						break
					}
				}
			}
		}
	}
	for id, s := range r.sets {
		switch email := id.channel == string(message.Email); {
		case s.text == nil:
			errs = append(errs, fmt.Errorf("there is no template %s.txt", id))
		case email && (s.subject == nil || s.html == nil):
			errs = append(errs, fmt.Errorf("an e-mail needs %s.subject, .txt and .html", id))
		}
	}
	return errs
}

// view is what templates see; every text in it is clean for its channel.
type view struct {
	Business, Locale, Event, Source, CustomerName, OrderID, TransactionID, Status, Amount string
	Time                                                                                  time.Time
	Items                                                                                 []line
	Unsubscribe                                                                           string // a URL, for customers' e-mails; "" for none

	channel message.Channel
	body    []byte
}

type line struct{ Name, Quantity, Price string }

// Field returns a field of data that ringup does not know, as text; "" when it is absent or not a string, a number or a boolean.
func (v *view) Field(name string) string {
	var payload struct {
		Data map[string]json.RawMessage `json:"data"`
	}
	if json.Unmarshal(v.body, &payload) != nil {
		return ""
	}
	raw := payload.Data[name]
	var text string
	if json.Unmarshal(raw, &text) != nil {
		if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
			return ""
		}
		text = string(raw)
	}
	return field(v.channel, text)
}

// scratch is the memory in which a message is made; the next message reuses it.
type scratch struct {
	payload generic.Webhook
	view    view
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Render makes the message of a job. Errors name the template, and nobody.
func (r *Renderer) Render(j *job.Job) (message.Message, error) {
	d := scratches.Get().(*scratch)
	defer scratches.Put(d)
	w, v := &d.payload, &d.view
	err := generic.Reread(j.Body, w)
	if err != nil {
		return message.Message{}, errors.New("the stored payload is not a valid webhook")
	}
	s, locale := r.find(key{event: string(w.EventType), channel: string(j.Channel), audience: j.Audience.String()}, w.Data.Locale)
	if s == nil {
		return message.Message{}, fmt.Errorf("there is no template for %s, %s, %s", w.EventType, j.Channel, j.Audience)
	}
	fit := func(text string) string { return field(j.Channel, text) }
	*v = view{
		Business: r.config.BusinessName, Locale: locale, Event: string(w.EventType), Source: fit(w.Source), CustomerName: fit(w.Data.CustomerName),
		OrderID: fit(w.Data.OrderID), TransactionID: fit(w.Data.TransactionID), Status: fit(w.Data.Status),
		Amount: r.prices.format(w.Data.Amount, w.Data.Currency, locale), Time: w.Timestamp, Items: v.Items[:0], channel: j.Channel, body: j.Body,
	}
	if r.Unsubscribe != nil && j.Channel == message.Email && j.Audience == message.Customer {
		v.Unsubscribe = r.Unsubscribe(j.Recipient)
	}
	for i, item := range w.Data.Items {
		if i == maxItems {
			v.Items = append(v.Items, line{Name: fmt.Sprintf("… and %d more", len(w.Data.Items)-maxItems)})
			break
		}
		v.Items = append(v.Items, line{Name: fit(item.Name), Quantity: item.Quantity, Price: r.prices.format(item.Price, w.Data.Currency, locale)})
	}
	m := message.Message{JobID: j.ID(), WebhookID: j.WebhookID, EventType: v.Event, Source: w.Source, Timezone: w.Data.Timezone, Channel: j.Channel, To: j.Recipient}
	if m.Text, err = s.text.execute(v); err != nil {
		return m, err
	}
	m.Unsubscribe = v.Unsubscribe
	switch j.Channel {
	case message.SMS:
		m.Text = shorten(m.Text, maxSMS)
		m.Segments = Segments(m.Text)
	case message.WhatsApp:
		m.Text = shorten(m.Text, maxWhatsApp)
		m.Template, err = approved(s.approved, v)
	case message.Email:
		if m.Subject, err = s.subject.execute(v); err != nil {
			return m, err
		}
		m.Subject = clean(m.Subject, maxSubject)
		m.HTML, err = s.html.execute(v)
	}
	return m, err
}

// find returns the set of the locale asked for, of its language, or of the default.
func (r *Renderer) find(id key, locale string) (*set, string) {
	locale = strings.ToLower(locale)
	language, _, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	for _, id.locale = range []string{language, r.config.DefaultLocale} {
		if s := r.sets[id]; s != nil {
			return s, id.locale
		}
	}
	return nil, ""
}

// approved renders the name and the parameters of a template that WhatsApp has approved.
func approved(t *compiled, v *view) (*message.Template, error) {
	if t == nil {
		return nil, nil
	}
	text, err := t.execute(v)
	if err != nil {
		return nil, err
	}
	var a struct {
		Name       string   `json:"name"`
		Language   string   `json:"language"`
		Parameters []string `json:"parameters"`
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Name == "" {
		return nil, fmt.Errorf("template %s does not become {\"name\", \"language\", \"parameters\"}: put values in with {{json .Field}}", t.name)
	}
	return &message.Template{Name: a.Name, Language: a.Language, Parameters: a.Parameters}, nil
}
