package render

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

// New loads the templates for the messages of some stores on some channels, or on all where none is given. With files of its own it renders every text that they change with a sample and with an event that has
// only what is required, so that a broken one is found before a customer waits for it. The error names every file that is wrong, with the line and the
// field; without TEMPLATES_STRICT these files are left out instead.
func New(config Config, stores store.Directory, channels ...message.Channel) (*Renderer, error) {
	if len(channels) == 0 {
		channels = message.Channels
	}
	without := map[string]bool{}
	var skipped []error
	for {
		r, errs := load(config.TemplatesDir, stores, channels, without)
		var fatal []error
		again, before := false, maps.Clone(without)
		for _, err := range errs {
			f, is := errors.AsType[*fileError](err)
			switch {
			case !is || config.TemplatesStrict || before[f.file]:
				fatal = append(fatal, err)
				continue
			case !f.usable:
				if !without[f.file] {
					skipped = append(skipped, err)
				}
				without[f.file], again = true, true
			case !again:
				r.skipped = append(r.skipped, err)
			}
		}
		switch {
		case len(fatal) > 0:
			return nil, errors.Join(fatal...)
		case !again:
			r.skipped = append(r.skipped, skipped...)
			return r, nil
		}
	}
}

// load makes a renderer without some files, or returns what is wrong.
func load(dir string, stores store.Directory, channels []message.Channel, without map[string]bool) (*Renderer, []error) {
	f, errs := readFiles(dir, without)
	if len(errs) > 0 {
		return nil, errs
	}
	r := &Renderer{stores: stores, channels: channels, files: f, sets: map[setKey]*set{}, statuses: statuses{own: f.ownVocabulary()}}
	f.parsed = map[source]words{}
	defer func() { f.parsed = nil }()
	for _, s := range stores.All() {
		errs = append(errs, f.checkLocale(s.Locale)...)
	}
	for _, k := range slices.SortedFunc(maps.Keys(f.texts), func(a, b key) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
		if slices.Contains(channels, k.channel) {
			errs = append(errs, f.complete(k)...)
		}
	}
	if len(errs) == 0 && len(f.own) > 0 {
		errs = append(r.check(), f.unusedBlocks()...)
	}
	return r, errs
}

// included is where a template includes a block.
var included = regexp.MustCompile(`\{\{-?\s*template\s+"([^"]+)"`)

// unusedBlocks names the blocks in words of TEMPLATES_DIR that no text has, as lable.total: the built-in ones stay as they are, and nobody would see why.
func (f *files) unusedBlocks() (errs []error) {
	used := map[string]bool{}
	for _, s := range f.words[english] {
		if blocks, err := f.parse(s); err == nil && !f.own[s] {
			for name := range blocks {
				used[name] = true
			}
		}
	}
	for s := range f.own {
		for _, found := range included.FindAllStringSubmatch(s.text, -1) {
			used[found[1]] = true
		}
	}
	for _, locale := range slices.Sorted(maps.Keys(f.words)) {
		for _, s := range f.words[locale] {
			blocks, err := f.parse(s)
			if err != nil || !f.own[s] {
				continue
			}
			for _, name := range slices.Sorted(maps.Keys(blocks)) {
				if used[name] || strings.HasPrefix(name, "status.") || strings.HasPrefix(name, "payment.") {
					continue
				}
				before, _, _ := strings.Cut(s.text, `"`+name+`"`)
				errs = append(errs, &fileError{file: s.name, usable: true, err: fmt.Errorf("%s:%d: no text has a block %q: docs/templates.md has the blocks", s.name, 1+strings.Count(before, "\n"), name)})
			}
		}
	}
	return errs
}

// checkLocale says whether there are texts in DEFAULT_LOCALE.
func (f *files) checkLocale(name string) []error {
	locale, known := format.ParseLocale(name)
	if known && slices.ContainsFunc(locale.Chain(), func(name string) bool { return slices.Contains(f.locales(), name) }) {
		return nil
	}
	return []error{fmt.Errorf("DEFAULT_LOCALE is %q: set one of %s, or add words.%s.txt to TEMPLATES_DIR", name, strings.Join(f.locales(), ", "), name)}
}

// locales lists the locales that there are texts in.
func (f *files) locales() []string {
	all := map[string]bool{}
	for locale := range f.words {
		all[locale] = true
	}
	for k := range f.texts {
		all[k.locale] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// complete says which parts an own text lacks that there are no words for in its language.
func (f *files) complete(k key) []error {
	locale, _ := format.ParseLocale(k.locale)
	for _, name := range locale.Chain() {
		if f.sentence(key{k.occasion, k.channel, k.audience, name}) {
			return nil
		}
	}
	there := slices.Sorted(maps.Keys(f.texts[k]))
	var errs []error
	for _, part := range slices.Sorted(maps.Keys(parts[k.channel])) {
		if f.text(k, part, locale.Chain()) == nil {
			errs = append(errs, &fileError{file: f.texts[k][there[0]].name, err: fmt.Errorf("%s.%s.%s.%s.%s is missing: there are no built-in words for %s",
				k.occasion, k.channel, k.audience, k.locale, part, k.locale)})
		}
	}
	return errs
}

// check renders what the files of TEMPLATES_DIR change: in every language that they are in, and in that of each store.
func (r *Renderer) check() []error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range r.stores.All() {
		for _, locale := range append(r.files.locales(), s.Locale) {
			for _, about := range occasions {
				for _, channel := range r.channels {
					for _, audience := range message.Audiences {
						for _, err := range r.try(s, locale, about, channel, audience) {
							if !seen[err.Error()] {
								seen[err.Error()] = true
								errs = append(errs, err)
							}
						}
					}
				}
			}
		}
	}
	return errs
}

// try renders the sample of an occasion, and an event that has only what is required.
func (r *Renderer) try(s *store.Store, locale string, about occasion, channel message.Channel, audience message.Audience) []error {
	k, figures, found := r.resolve(request{about, channel, audience, locale, s.Locale})
	if !found || !r.files.touches(k) {
		return nil
	}
	texts, err := r.set(k)
	if err != nil {
		return []error{err}
	}
	full := sampleOf(about)
	j := &job.Job{WebhookID: full.ID, Channel: channel, Index: 1, Audience: audience, Recipient: "x"}
	for _, e := range []*event.Event{full, event.BareSample(full.Type)} {
		v := &view{}
		r.fill(v, j, e, s, about, r.statuses.read(e.Sale.Status), texts, figures)
		v.Unsubscribe, v.More = "https://ringup.example.com/unsubscribe/x", "1"
		for _, part := range slices.Sorted(maps.Keys(texts.parts)) {
			c := texts.parts[part]
			if c.steps != nil {
				continue // it cannot fail
			}
			if err := c.library.Execute(io.Discard, v); err != nil {
				return []error{&fileError{file: fileOf(err, c.name), err: plainError(err)}}
			}
		}
		if c := texts.parts["template.json"]; c != nil {
			v.Unsubscribe, v.More = "", "" // no WhatsApp message has the one, and few have the other
			if err := r.tryApproved(c, v); err != nil {
				return []error{err}
			}
		}
	}
	return nil
}

// touches says whether a file of TEMPLATES_DIR is part of the texts of a key.
func (f *files) touches(k setKey) bool {
	own, all := k.chains()
	for _, name := range all {
		for _, s := range f.words[name] {
			if f.own[s] {
				return true
			}
		}
		if len(f.words[name]) > 0 {
			break // built-in words are complete: nothing behind them is looked at
		}
	}
	for part, frame := range parts[k.channel] {
		if f.own[f.frames[frame]] || f.text(k.key, part, own) != nil {
			return true
		}
	}
	return f.text(k.key, "template.json", all) != nil
}

// tryApproved looks for parameters that are empty when a payload has only what is required.
func (r *Renderer) tryApproved(c *compiled, v *view) error {
	t, err := readApproved(c, v)
	if err != nil {
		return &fileError{file: c.name, err: err}
	}
	for i, p := range t.Parameters {
		if strings.TrimSpace(p) == "" {
			return &fileError{file: c.name, usable: true, err: fmt.Errorf(`parameter %d is empty when the payload has no value for it, and WhatsApp refuses empty parameters: `+
				`add a text to fall back on, as {{json (or .CustomerName "there")}}`, i+1)}
		}
	}
	return nil
}

// sampleOf returns an event whose occasion is the given one.
func sampleOf(about occasion) *event.Event {
	of := map[occasion]struct {
		kind   event.Type
		status string
	}{
		paymentComplete: {event.PaymentComplete, "paid"}, paymentPending: {event.PaymentComplete, "pending"}, paymentFailed: {event.PaymentComplete, "declined"},
		paymentVoided: {event.PaymentComplete, "voided"}, refundComplete: {event.RefundComplete, "refunded"}, refundPending: {event.RefundComplete, "pending"},
		refundFailed: {event.RefundComplete, "failed"}, orderCreate: {event.OrderCreate, "received"}, orderCancel: {event.OrderCancel, "cancelled"},
		posSave: {event.POSSave, "ready"}, orderUpdate: {event.OrderUpdate, "ready"},
	}[about]
	e := event.Sample(of.kind)
	e.Sale.Status = of.status
	return e
}

// position is where the library says that an error is.
var position = regexp.MustCompile(`template: ?([^:\s]+) ?:\d+`)

// fileOf returns the file that an error of the library is about; name if it does not say.
func fileOf(err error, name string) string {
	if f, is := errors.AsType[*fileError](err); is {
		return f.file
	}
	if found := position.FindStringSubmatch(err.Error()); found != nil {
		return found[1]
	}
	return name
}

// plainError is an error of the library without what it says of itself.
func plainError(err error) error {
	if f, is := errors.AsType[*fileError](err); is {
		return f.err
	}
	text := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "html/"), "template:"), " ")
	return errors.New(strings.ReplaceAll(text, " in type *render.view", ": docs/templates.md has the fields"))
}
