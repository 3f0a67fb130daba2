package render

import (
	htmltemplate "html/template"
	"io"
	"sync"
	"text/template/parse"
	"unicode/utf8"
)

// place is a kind of place in an HTML document: the text of an element, an attribute, a link. html/template tells the kinds apart, and
// appends the functions that escape a value there to the value's pipeline. The names of these functions are not part of its API, so this
// package has none of them: it gives html/template a document with a value in each place, and the functions that html/template appends there
// name the place. If an action has other functions, its place is not known, and the template is left to the library. So a Go release that
// renames functions changes nothing, and one that tells more places apart, or hides the functions, leaves e-mails to the library.
type place struct {
	library *htmltemplate.Template // executed with a text, it writes the text as it has to be in this place
	plain   [256]bool              // the bytes that stay as they are in this place, if a text has no others
}

// document is an HTML template with one value.
type document struct {
	text     string
	bytewise bool // each character of the value is escaped, or stays as it is, whatever stands beside it
}

// documents have a value in each kind of place in which e-mails have them. A link is not bytewise: its scheme decides about all of it.
var documents = []document{
	{`{{.}}`, true},
	{`<title>{{.}}</title>`, true},
	{`<p title="{{.}}">`, true},
	{`<a href="{{.}}">`, false},
}

// places are the known places of e-mails, by their functions.
var places = sync.OnceValue(func() map[string]*place { return findPlaces(documents) })

// findPlaces asks html/template about the documents. Nothing is known if two of them have the same functions: then it is not the functions
// that tell places apart.
func findPlaces(documents []document) map[string]*place {
	known := map[string]*place{}
	for _, d := range documents {
		functions, p, ok := newPlace(d)
		if !ok {
			continue
		}
		if _, twice := known[functions]; twice {
			return nil
		}
		known[functions] = p
	}
	return known
}

// newPlace returns the place of the only value of a document, and the functions that html/template appends there. It returns false if
// html/template does not show them, or if the place cannot be executed without the rest of its document.
func newPlace(d document) (string, *place, bool) {
	p := &place{library: htmltemplate.Must(htmltemplate.New("").Parse(d.text))}
	if err := p.library.Execute(io.Discard, ""); err != nil { // the first execution escapes the tree
		return "", nil, false
	}
	var names string
	root := p.library.Tree.Root
	for _, node := range root.Nodes {
		if action, is := node.(*parse.ActionNode); is {
			names = functions(action.Pipe)
			root.Nodes = []parse.Node{action}
			break
		}
	}
	if names == "" || p.escaped("") != "" {
		return "", nil, false
	}
	if d.bytewise {
		p.findPlain()
	}
	return names, p, true
}

// findPlain asks the library which bytes stay as they are. Each ASCII character is tried alone. Then all pairs of those that stay, the other
// characters of the Basic Multilingual Plane and bytes that are not UTF-8 have to stay in one text, or else no byte is plain. The first byte
// of a character beyond that plane, such as an emoji, is never plain.
func (p *place) findPlain() {
	const ascii, firstOfFour = byte(utf8.RuneSelf), byte(0xf0)
	var all []byte
	for c := range ascii {
		p.plain[c] = p.escaped(string(rune(c))) == string(rune(c))
	}
	for a := range ascii {
		for b := range ascii {
			if p.plain[a] && p.plain[b] {
				all = append(all, a, b)
			}
		}
	}
	for c := rune(utf8.RuneSelf); c <= 0xffff; c++ {
		all = utf8.AppendRune(all, c)
	}
	for c := ascii; c < firstOfFour; c++ {
		p.plain[c] = true
		all = append(all, c, ' ')
	}
	if p.escaped(string(all)) != string(all) {
		p.plain = [256]bool{}
	}
}

// htmlWriter is for html/template: the functions name the place of the text.
func htmlWriter(functions string) (writer, bool) {
	p, known := places()[functions]
	if !known {
		return nil, false
	}
	return p.write, true
}

// write writes a text as html/template does in this place. Most texts have nothing that is escaped, and need no library.
func (p *place) write(out *output, text string) {
	for i := range len(text) {
		if !p.plain[text[i]] {
			if err := p.library.Execute(out, text); err != nil {
				out.failed = true
			}
			return
		}
	}
	out.text = append(out.text, text...)
}

// escaped returns what the library makes of a text in this place.
func (p *place) escaped(text string) string {
	var out output
	if err := p.library.Execute(&out, text); err != nil {
		return "" // never equal to the text
	}
	return string(out.text)
}
