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
	"text/template"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

//go:embed templates
var builtIn embed.FS

// Config says where templates come from.
type Config struct {
	// TemplatesDir has files that take the place of built-in templates, or add locales; a ConfigMap fits.
	TemplatesDir string `env:"TEMPLATES_DIR"`
}

// layoutFile is the frame of every e-mail.
const layoutFile = "layout.email.html"

// fileName is the form of a template's name; it can be a key of a ConfigMap.
var fileName = regexp.MustCompile(`^(` + alternatives(event.Types) + `)\.(` + alternatives(message.Channels) + `)\.(customer|staff)\.([a-z]{2,3})\.(txt|html|subject|template\.json)$`)

// alternatives is a regular expression for one of some names.
func alternatives[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = regexp.QuoteMeta(string(name))
	}
	return strings.Join(texts, "|")
}

// key is what a set of templates is for.
type key struct{ event, channel, audience, locale string }

func (k key) String() string { return k.event + "." + k.channel + "." + k.audience + "." + k.locale }

// set are the templates of one event, channel, audience and locale.
type set struct {
	text, subject, html, approved *compiled
}

// Renderer makes messages. It is safe for concurrent use.
type Renderer struct {
	stores store.Directory
	sets   map[key]*set
	prices prices

	// Unsubscribe makes the link by which a customer ends e-mails; nil for none. It is set before the first message.
	Unsubscribe func(message.Address) string
}

// New loads the templates for the messages of some stores, and renders every one with the samples, so that a broken one is found before a
// customer waits for it. The error names every file that is wrong.
func New(config Config, stores store.Directory) (*Renderer, error) {
	files, err := load(config.TemplatesDir)
	if err != nil {
		return nil, err
	}
	r := &Renderer{stores: stores, sets: map[key]*set{}, prices: prices{seen: map[[3]string]string{}}}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == layoutFile || strings.HasPrefix(name, "words.") {
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

// check renders every set with a full event and with one that has only what is required, and looks for gaps.
func (r *Renderer) check() []error {
	var errs []error
	r.Unsubscribe = func(message.Address) string { return "https://ringup.example.com/unsubscribe/x" }
	defer func() { r.Unsubscribe = nil }()
	for _, s := range r.stores.All() {
		for _, kind := range event.Types {
			for _, channel := range message.Channels {
				for _, audience := range message.Audiences {
					id := key{string(kind), string(channel), audience.String(), s.Locale}
					if r.sets[id] == nil {
						errs = append(errs, fmt.Errorf("there is no template %s.txt, and DEFAULT_LOCALE is %s", id, s.Locale))
						continue
					}
					errs = append(errs, r.try(s, kind, channel, audience))
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

// try renders the messages of the sample of an event type, and of an event that has only what is required.
func (r *Renderer) try(s *store.Store, kind event.Type, channel message.Channel, audience message.Audience) error {
	sample := event.Sample(kind)
	bare := &event.Event{ID: sample.ID, Type: kind, At: sample.At}
	j := &job.Job{WebhookID: sample.ID, Channel: channel, Index: 1, Audience: audience, Recipient: "x"}
	for _, e := range []*event.Event{sample, bare} {
		if _, err := r.render(j, e, s); err != nil {
			return err
		}
	}
	return nil
}

// Render makes the message of a job. Errors name the template, or say that the job's event or its store is not known; they name no person.
func (r *Renderer) Render(j *job.Job) (message.Message, error) {
	e, err := j.Event()
	if err != nil {
		return message.Message{}, err
	}
	s, found := r.stores.Get(e.Store)
	if !found {
		return message.Message{}, fmt.Errorf("there is no store %q", e.Store)
	}
	return r.render(j, e, s)
}

func (r *Renderer) render(j *job.Job, e *event.Event, of *store.Store) (message.Message, error) {
	s, locale := r.find(key{event: string(e.Type), channel: string(j.Channel), audience: j.Audience.String()}, e.Customer.Locale, of.Locale)
	if s == nil {
		return message.Message{}, fmt.Errorf("there is no template for %s, %s, %s", e.Type, j.Channel, j.Audience)
	}
	v := scratch.Get().(*view)
	defer func() {
		*v = view{Items: v.Items[:0]} // the texts of the event are not kept
		scratch.Put(v)
	}()
	r.fill(v, j, e, of.Name, locale)
	m := message.Message{JobID: j.ID(), WebhookID: j.WebhookID, EventType: v.Event, Source: e.Source, Timezone: e.Customer.TimeZone, Channel: j.Channel, To: j.Recipient}
	var err error
	if m.Text, err = s.text.execute(v); err != nil {
		return m, err
	}
	m.Unsubscribe = v.Unsubscribe
	switch j.Channel {
	case message.SMS:
		m.Text = format.Shorten(m.Text, maxSMS)
		m.Segments = format.Segments(m.Text)
	case message.WhatsApp:
		m.Text = format.Shorten(m.Text, maxWhatsApp)
		m.Template, err = approved(s.approved, v)
	case message.Email:
		if m.Subject, err = s.subject.execute(v); err != nil {
			return m, err
		}
		m.Subject = format.Clean(m.Subject, maxSubject)
		m.HTML, err = s.html.execute(v)
	}
	return m, err
}

// find returns the set of the locale asked for, of its language, or of the store's locale.
func (r *Renderer) find(id key, locale, ofStore string) (*set, string) {
	locale = strings.ToLower(locale)
	language, _, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	for _, id.locale = range []string{language, ofStore} {
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
