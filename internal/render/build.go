package render

import (
	htmltemplate "html/template"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"

	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/message"
)

// key is what a text is for.
type key struct {
	occasion occasion
	channel  message.Channel
	audience string
	locale   string // as format.Locale names it
}

// setKey is a key, and the locale of the store, in which words are that the key's locale lacks.
type setKey struct {
	key
	store string
}

// set are the parts of the messages of a key.
type set struct {
	parts map[string]*compiled
	words *language
	items bool // some part shows the items; text messages usually do not
	warn  sync.Once
}

// has says whether there are texts for a key: the shop's own, or words for its sentence.
func (f *files) has(k key) bool { return f.texts[k] != nil || f.sentence(k) }

// sentence says whether the words of a locale have the sentence of a key.
func (f *files) sentence(k key) bool {
	define := `"` + string(k.occasion) + "." + k.audience + `"`
	return slices.ContainsFunc(f.words[k.locale], func(s source) bool { return strings.Contains(s.text, define) })
}

// wordsOf returns the words of a list of locales: of each block that of the first locale that has it.
func (f *files) wordsOf(chain []string) (words, error) {
	all := words{}
	for _, locale := range slices.Backward(chain) {
		for _, s := range slices.Backward(f.words[locale]) {
			blocks, err := f.parse(s)
			if err != nil {
				return nil, err
			}
			maps.Copy(all, blocks)
		}
	}
	return all, nil
}

// parse parses a file of words; while the renderer is made, once.
func (f *files) parse(s source) (words, error) {
	if known := f.parsed[s]; known != nil {
		return known, nil
	}
	blocks, err := parseWords(s)
	if err == nil && f.parsed != nil {
		f.parsed[s] = blocks
	}
	return blocks, err
}

// chains returns the locales in which texts are looked for: those of the key's language, and all with the store's and English behind them.
func (k setKey) chains() (own, all []string) {
	locale, _ := format.ParseLocale(k.locale)
	ofStore, _ := format.ParseLocale(k.store)
	own = locale.Chain()
	all = slices.Clone(own)
	for _, name := range append(ofStore.Chain(), english) {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return own, all
}

// set returns the set of a key, and makes it if it is not there yet. The caller has the lock.
func (r *Renderer) set(k setKey) (*set, error) {
	if s := r.sets[k]; s != nil {
		return s, nil
	}
	s, err := r.files.build(k)
	if err == nil {
		r.sets[k] = s
	}
	return s, err
}

func (f *files) build(k setKey) (*set, error) {
	own, all := k.chains()
	w, err := f.wordsOf(all)
	if err != nil {
		return nil, err
	}
	locale, _ := format.ParseLocale(k.locale)
	s := &set{parts: map[string]*compiled{}}
	if s.words, err = w.language(locale); err != nil {
		return nil, err
	}
	for part, frame := range parts[k.channel] {
		from := f.text(k.key, part, own)
		if from == nil {
			builtIn := f.frames[frame]
			from = &builtIn
		}
		s.items = s.items || !strings.HasPrefix(from.name, "frame.") || strings.Contains(from.text, ".Items") || f.itemsInWords
		if part == "html" {
			s.parts[part], err = f.html(from, w.bound(k.key))
		} else {
			s.parts[part], err = parseText(from.name, from.text, w.bound(k.key))
		}
		if err != nil {
			return nil, &fileError{file: fileOf(err, from.name), err: plainError(err)}
		}
	}
	// An approved template in another language is better than a text, which WhatsApp takes only within a day of the customer's last message.
	if from := f.text(k.key, "template.json", all); from != nil {
		if s.parts["template.json"], err = parseText(from.name, from.text, nil); err != nil {
			return nil, &fileError{file: fileOf(err, from.name), err: plainError(err)}
		}
	}
	for part, c := range s.parts {
		s.parts[part] = c.checked().dropSource()
	}
	return s, nil
}

// text returns a shop's own text in the first locale that has it; nil for none.
func (f *files) text(k key, part string, chain []string) *source {
	for _, k.locale = range chain {
		if s := f.texts[k][part]; s != nil {
			return s
		}
	}
	return nil
}

// The names of an occasion's words, by which frames include them.
const (
	leadBlock    = "lead"
	subjectBlock = "subject"
	// titleBlock and preheaderBlock are of the e-mails of 0.1.0.
	titleBlock, preheaderBlock = "title", "preheader"
)

// bound returns the words with the sentence and the subject of a key under their aliases.
func (w words) bound(k key) words {
	out := maps.Clone(w)
	name := string(k.occasion) + "." + k.audience
	out[leadBlock], out[preheaderBlock] = w[name], w[name]
	out[subjectBlock], out[titleBlock] = w[name+".subject"], w[name+".subject"]
	return out
}

func newText(name string) *template.Template {
	return template.New(name).Funcs(ownFunctions).Option("missingkey=zero")
}

func parseText(name, text string, w words) (*compiled, error) {
	t, err := w.addTo(newText(name))
	if err == nil {
		t, err = t.Parse(text)
	}
	if err != nil {
		return nil, err
	}
	return compileText(t), nil
}

// html makes the HTML part of e-mails: the layout with the words, or a shop's own text, which may include the layout and define its title and lead.
func (f *files) html(from *source, w words) (*compiled, error) {
	layout := f.frames[layoutFile]
	if *from == layout {
		return parseHTML(layout.name, layout, `{{template "layout" .}}`, w)
	}
	return parseHTML(from.name, layout, from.text, w)
}

func parseHTML(name string, layout source, text string, w words) (*compiled, error) {
	t := htmltemplate.New(layout.name).Funcs(ownFunctions).Option("missingkey=zero")
	for block, b := range w {
		tree := forHTML(b.tree, true)
		if block == titleBlock || block == subjectBlock {
			// A title has no elements, so neither have the blocks that it includes.
			root, ok := inline(b.tree, func(name string) *parse.Tree { return w[name].tree })
			if !ok {
				root = b.tree.Root
			}
			tree = forHTML(&parse.Tree{Name: block, ParseName: b.tree.ParseName, Root: root}, false)
		}
		if _, err := t.AddParseTree(block, tree); err != nil {
			return nil, err
		}
	}
	if _, err := t.Parse(layout.text); err != nil {
		return nil, err
	}
	page := t.New(name + " ") // not the layout's own name
	if _, err := page.Parse(text); err != nil {
		return nil, err
	}
	c := compileHTML(page)
	c.name = name
	return c, nil
}
