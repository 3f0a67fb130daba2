// Package render makes messages of jobs: words by occasion and language in frames by channel, built in and overridable text by text. Decision 0012 says how.
package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

// Config says where templates come from.
type Config struct {
	// TemplatesDir has files that take the place of built-in texts or of some of their words, or add languages: docs/templates.md. A ConfigMap fits.
	TemplatesDir string `env:"TEMPLATES_DIR"`
	// TemplatesStrict ends the start when a file of TEMPLATES_DIR is wrong. If it is false, the log names the file, and the built-in text is used.
	TemplatesStrict bool `env:"TEMPLATES_STRICT, default=true"`
}

// Renderer makes messages. It is safe for concurrent use. Its exported fields are set before the first message.
type Renderer struct {
	// Unsubscribe makes the link by which a customer ends e-mails; nil for none.
	Unsubscribe func(message.Address) string
	// MaxText says how long a text may be on a channel; without a limit, it is as long as all providers of the channel take. nil says so, too.
	MaxText func(message.Channel) message.Limit
	// Log gets faults that stop no message; nil for nowhere.
	Log *slog.Logger

	stores   store.Directory
	channels []message.Channel
	files    *files
	skipped  []error
	figures  figures
	statuses statuses
	zones    zones
	chosen   memo[request, choice]

	building sync.Mutex
	sets     map[setKey]*set
}

const (
	// maxHTML is the size up to which Gmail shows the whole of an e-mail (support.google.com/mail: "Message clipped"; 102 KB by every measurement).
	maxHTML = 102 << 10
)

// maxText is the least that the providers of a channel take.
var maxText = map[message.Channel]message.Limit{message.SMS: {Units: 1600, Bytes: 1600}, message.WhatsApp: {Units: 1600}}

// Skipped returns what is wrong with the files of TEMPLATES_DIR that are not used, or whose faults stop no message. It is empty
// with TEMPLATES_STRICT.
func (r *Renderer) Skipped() []error { return r.skipped }

// Locales lists the locales that there are texts in, sorted.
func (r *Renderer) Locales() []string { return r.files.locales() }

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
	is := r.statuses.read(e.Sale.Status)
	about, known := occasionOf(e, is)
	if !known || !slices.Contains(r.channels, j.Channel) {
		return message.Message{}, fmt.Errorf("there is no template for %s, %s, %s", e.Type, j.Channel, j.Audience)
	}
	chosen, err := r.choose(request{about, j.Channel, j.Audience, e.Customer.Locale, s.Locale})
	if err != nil {
		return message.Message{}, err
	}
	v := scratch.Get().(*view)
	defer func() {
		v.reset()
		scratch.Put(v)
	}()
	r.fill(v, j, e, s, about, is, chosen.set, chosen.locale)
	m := message.Message{JobID: j.ID(), WebhookID: j.WebhookID, EventType: string(e.Type), Source: e.Source, Timezone: e.Customer.TimeZone, Channel: j.Channel,
		To: j.Recipient, Unsubscribe: v.Unsubscribe}
	if j.Channel == message.Email {
		m.ReplyTo = s.ReplyTo
	}
	err = r.fit(&m, chosen.set, v)
	return m, err
}

// fit renders a message that is as long as its provider takes. What gives way are items of the list, then the link to the receipt, which is shown whole or not at
// all, and then the end of the text.
func (r *Renderer) fit(m *message.Message, s *set, v *view) error {
	fits, err := r.mostItems(m, s, v)
	if !fits && err == nil && v.Receipt != "" && m.Channel != message.Email {
		v.Receipt = ""
		fits, err = r.mostItems(m, s, v)
	}
	if fits || err != nil || m.Channel == message.Email {
		return err
	}
	if m.Template != nil {
		shortenParameters(m.Template.Parameters)
	}
	m.Text = cut(m.Text, r.limit(m.Channel), m.Channel)
	if m.Channel == message.SMS {
		m.Segments = format.Segments(m.Text)
	}
	return nil
}

// mostItems renders a message with as many items as fit: all of them, or else the most, found by halving. It returns false when it does not fit without any.
func (r *Renderer) mostItems(m *message.Message, s *set, v *view) (fits bool, err error) {
	all := v.Items
	defer func() { v.Items = all }()
	v.More = ""
	if fits, err = r.parts(m, s, v); fits || err != nil {
		return fits, err
	}
	least, most := 0, len(all) // most does not fit
	for most-least > 1 {
		n := (least + most) / 2
		v.list(all, n)
		if fits, err = r.parts(m, s, v); err != nil {
			return false, err
		}
		if fits {
			least = n
		} else {
			most = n
		}
	}
	if len(all) > 0 {
		v.list(all, least)
		fits, err = r.parts(m, s, v)
	}
	return fits, err
}

// cut shortens a text that is too long without any item. A link at its end goes as a whole.
func cut(s string, limit message.Limit, channel message.Channel) string {
	if channel == message.SMS && limit.Units > 0 {
		limit.Units -= len("...") - len("…")/3 // the GSM alphabet has no "…"; both have three bytes
	}
	for n := utf8.RuneCountInString(s); ; {
		short := format.Shorten(s, n)
		if over := limit.Over(short); over > 0 {
			n -= over
			continue
		}
		short = withoutPartOfLink(s, short)
		if channel == message.SMS {
			short = format.GSM7(short)
		}
		return short
	}
}

// withoutPartOfLink returns a shortened text without the link that it was cut in.
func withoutPartOfLink(s, short string) string {
	if short == s {
		return s
	}
	kept := strings.TrimSuffix(short, "…")
	word := kept[strings.LastIndexFunc(kept, unicode.IsSpace)+1:]
	next, _ := utf8.DecodeRuneInString(strings.TrimPrefix(s, kept))
	if !strings.Contains(word, "://") || unicode.IsSpace(next) {
		return short
	}
	return strings.TrimRightFunc(strings.TrimSuffix(kept, word), unicode.IsSpace) + "…"
}

// limit is how long a text may be on a channel.
func (r *Renderer) limit(channel message.Channel) message.Limit {
	if r.MaxText != nil {
		if limit := r.MaxText(channel); limit != (message.Limit{}) {
			return limit
		}
	}
	return maxText[channel]
}

// parts renders the parts of a message, and says whether they are short enough.
func (r *Renderer) parts(m *message.Message, s *set, v *view) (fits bool, err error) {
	if m.Text, err = s.parts["txt"].execute(v); err != nil {
		return false, err
	}
	if v.stops {
		m.Text = oneStop(m.Text)
	}
	if v.isolates && m.Channel != message.SMS { // a sentence has letters enough, and each mark is one of 70 characters
		m.Text = format.RightToLeft(m.Text)
	}
	switch m.Channel {
	case message.SMS:
		if m.Segments = 1; !isPlainSegment(m.Text) {
			m.Text = format.GSM7(m.Text)
			m.Segments = format.Segments(m.Text)
		}
	case message.WhatsApp:
		if m.Template, err = r.approved(s, v); err != nil || m.Template != nil && length(m.Template.Parameters) > maxParameters {
			return false, err
		}
	case message.Email:
		if m.Subject, err = s.parts["subject"].execute(v); err != nil {
			return false, err
		}
		// One line. The values in it are clean, and the marks of their direction stay.
		if m.Subject = oneLine(m.Subject); v.stops {
			m.Subject = oneStop(m.Subject)
		}
		m.Subject = format.Shorten(m.Subject, maxSubject)
		if m.HTML, err = s.parts["html"].execute(v); !v.stops {
			return len(m.HTML) <= maxHTML, err
		}
		m.HTML = strings.ReplaceAll(strings.ReplaceAll(m.HTML, ".</bdi>.", ".</bdi>"), ".\u2069</bdi>.", ".\u2069</bdi>")
		return len(m.HTML) <= maxHTML, err
	}
	return r.limit(m.Channel).Fits(m.Text), err
}

// doubleStop is a full stop behind a value that ends with its own: "from Acme Inc..".
var doubleStop = regexp.MustCompile(`([^.])\.([\x{2069}\x{200e}\x{200f}]*)\.(\s|$)`)

// oneStop returns a text without the second of two full stops. Three of them stay.
func oneStop(s string) string {
	return doubleStop.ReplaceAllString(s, "$1.$2$3")
}

// oneLine returns a text with a single space for each row of spaces, line breaks and control characters, and none at its ends.
func oneLine(s string) string {
	odd := func(r rune) bool { return r != ' ' && (unicode.IsSpace(r) || unicode.IsControl(r)) }
	if !strings.ContainsFunc(s, odd) && !strings.Contains(s, "  ") {
		return strings.Trim(s, " ") // most are
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// segment is the length of a text message of one segment (format.Segments).
const segment = 160

// plainInSMS are the bytes that take one place of a segment each, and stay as they are.
var plainInSMS = func() (plain [utf8.RuneSelf]bool) {
	for c := range plain {
		s := string(rune(c))
		plain[c] = format.GSM7(s) == s && format.Segments(strings.Repeat(s, segment)) == 1
	}
	return plain
}()

// isPlainSegment says that a text needs no replacement and is one segment, without a closer look. Most text messages are.
func isPlainSegment(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || !plainInSMS[s[i]] {
			return false
		}
	}
	return len(s) > 0 && len(s) <= segment
}

// maxParameters is how long the parameters of an approved template are together, in UTF-16 code units. With the template's own text they may have 1,024 characters
// (developers.facebook.com, message templates; error 132005).
const maxParameters = 900

// length is that of all parameters together.
func length(parameters []string) int {
	n := 0
	for _, p := range parameters {
		n += message.Units(p)
	}
	return n
}

// shortenParameters gives each parameter its share of maxParameters, where they are too long without any item.
func shortenParameters(parameters []string) {
	for i, p := range parameters {
		parameters[i] = cut(p, message.Limit{Units: maxParameters / len(parameters)}, message.WhatsApp)
	}
}

// missing takes the place of an empty parameter of an approved template, which no provider takes.
const missing = "–"

// approved renders the name and the parameters of a template that WhatsApp has approved; nil if the shop has none.
func (r *Renderer) approved(s *set, v *view) (*message.Template, error) {
	c := s.parts["template.json"]
	if c == nil {
		return nil, nil //nolint:nilnil // a text is sent
	}
	t, err := readApproved(c, v)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", c.name, err)
	}
	for i, p := range t.Parameters {
		// WhatsApp refuses a parameter with line breaks, tabs or more than four spaces in a row, too (131008 and 132018).
		if t.Parameters[i] = oneLine(p); t.Parameters[i] == "" {
			t.Parameters[i] = missing
			s.warn.Do(func() {
				if r.Log != nil {
					r.Log.Warn("template parameter empty", "template", c.name, "parameter", i+1)
				}
			})
		}
	}
	return t, nil
}

func readApproved(c *compiled, v *view) (*message.Template, error) {
	text, err := c.execute(v)
	if err != nil {
		return nil, err
	}
	var a struct {
		Name       string   `json:"name"`
		Language   string   `json:"language"`
		Parameters []string `json:"parameters"`
	}
	if err := json.Unmarshal([]byte(text), &a); err != nil || a.Name == "" {
		return nil, errors.New(`it does not become {"name", "language", "parameters"}: put values in with {{json .Field}}`)
	}
	return &message.Template{Name: a.Name, Language: a.Language, Parameters: a.Parameters}, nil
}

// request is what texts are chosen by.
type request struct {
	about         occasion
	channel       message.Channel
	audience      message.Audience
	locale, store string // the customer's locale as it was sent, and the store's
}

// choice are the texts of a request, and the locale of its figures.
type choice struct {
	set    *set
	locale format.Locale
}

func (r *Renderer) choose(q request) (choice, error) {
	if c, known := r.chosen.find(q); known {
		return c, nil
	}
	r.building.Lock()
	defer r.building.Unlock()
	c, err := r.find(q)
	if err != nil || len(q.locale) > maxRemembered {
		return c, err
	}
	q.locale = strings.Clone(q.locale)
	return r.chosen.keep(q, c), nil
}

// find makes the choice of a request. The caller has the lock.
func (r *Renderer) find(q request) (choice, error) {
	k, locale, found := r.resolve(q)
	if !found {
		return choice{}, fmt.Errorf("there is no template for %s, %s, %s", q.about, q.channel, q.audience)
	}
	s, err := r.set(k)
	return choice{s, locale}, err
}

// resolve looks for texts in the locale of the customer, then in its language, then in the store's, then in English. It returns the locale of the figures,
// too.
func (r *Renderer) resolve(q request) (k setKey, figures format.Locale, found bool) {
	ofStore, _ := format.ParseLocale(q.store)
	asked, known := format.ParseLocale(q.locale)
	if !known {
		asked = ofStore
	}
	k = setKey{key{occasion: q.about, channel: q.channel, audience: q.audience.String()}, ofStore.String()}
	for _, locale := range []format.Locale{asked, ofStore, englishLocale} {
		chain := locale.Chain()
		for i, name := range chain {
			k.locale = name
			if !r.files.has(k.key) {
				continue
			}
			// The words that a more specific locale changes count, too.
			for _, specific := range chain[:i] {
				if len(r.files.words[specific]) > 0 {
					k.locale = specific
					break
				}
			}
			return k, asked, true
		}
	}
	return k, asked, false
}

var englishLocale, _ = format.ParseLocale(english)
