package render

import (
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"
	"unicode/utf8"

	"ringup.dev/ringup/internal/format"
)

// english is the language in which every word is.
const english = "en"

// block is a block of words, and the file that it is from.
type block struct {
	file string
	tree *parse.Tree
}

// words are the blocks of a language by name.
type words map[string]block

// parseWords returns the blocks of a file.
func parseWords(s source) (words, error) {
	t, err := newText(s.name).Parse(s.text)
	if err != nil {
		return nil, &fileError{file: s.name, err: plainError(err)}
	}
	blocks := words{}
	for _, one := range t.Templates() {
		if one.Name() != s.name && one.Tree != nil {
			blocks[one.Name()] = block{s.name, one.Tree}
		}
	}
	return blocks, nil
}

// language are the words in one locale that are not templates: of statuses and of means of payment.
type language struct {
	locale            format.Locale
	name              string // of the locale
	statuses, methods map[string]string
}

// status returns a status in the words of the language, or as the till wrote it.
func (l *language) status(v *view, s status) string {
	for _, name := range []string{s.key, s.word} { // a shop's own word is under its key
		if word := l.statuses[name]; word != "" {
			v.stops = v.stops || strings.HasSuffix(word, ".")
			return word
		}
	}
	return v.text(s.readable)
}

// method returns a means of payment in the words of the language, or as the till wrote it; key is its status key.
func (l *language) method(v *view, brand, key string) string {
	if word := l.methods[key]; word != "" {
		return word
	}
	if word := l.methods[methods[key]]; word != "" {
		return word
	}
	if strings.Contains(brand, "_") { // AMERICAN_EXPRESS, apple_pay
		brand = capitalized(format.Readable(brand))
	}
	return v.text(brand)
}

// capitalized returns a text with a capital letter at the beginning of each word.
func capitalized(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		first, size := utf8.DecodeRuneInString(word)
		words[i] = string(unicode.ToUpper(first)) + word[size:]
	}
	return strings.Join(words, " ")
}

// language makes the plain words of a locale.
func (w words) language(locale format.Locale) (*language, error) {
	l := &language{locale: locale, name: locale.String(), statuses: map[string]string{}, methods: map[string]string{}}
	t, err := w.addTo(newText(""))
	if err != nil {
		return nil, err
	}
	for name, of := range w {
		into := l.statuses
		key, found := strings.CutPrefix(name, "status.")
		if !found {
			if key, found = strings.CutPrefix(name, "payment."); !found {
				continue
			}
			into = l.methods
		}
		var b strings.Builder
		if err := t.ExecuteTemplate(&b, name, &view{}); err != nil {
			return nil, &fileError{file: of.file, err: err}
		}
		into[strings.Clone(key)] = strings.TrimSpace(b.String())
	}
	return l, nil
}

// addTo adds the blocks to a template for text.
func (w words) addTo(t *template.Template) (*template.Template, error) {
	for name, b := range w {
		if _, err := t.AddParseTree(name, b.tree); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// formatted are the fields whose texts are not typed by anybody: they are not isolated in HTML.
var formatted = []string{"Locale", "Direction", "Start", "End", "Staff", "Event", "Occasion", "Emoji", "Subtotal", "Discount", "Tax", "Tip", "Amount", "TaxIncluded", "Refunded", "Paid",
	"LastFour", "Date", "Receipt", "More", "Logo", "Color", "TextColor", "Unsubscribe"}

// forHTML returns a copy of a block for HTML: its text is escaped, and, with bdi, each typed value is within <bdi>, so that its direction changes nothing
// around it. A title has no elements.
func forHTML(tree *parse.Tree, bdi bool) *parse.Tree {
	c := tree.Copy()
	c.Root = isolator{bdi}.list(c.Root, true)
	return c
}

var escapeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

type isolator struct{ bdi bool }

// list isolates the typed values of a list; typed says whether the dot is one.
func (in isolator) list(list *parse.ListNode, typed bool) *parse.ListNode {
	if list == nil {
		return nil
	}
	out := &parse.ListNode{NodeType: parse.NodeList, Pos: list.Pos}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.TextNode:
			n.Text = []byte(escapeText.Replace(string(n.Text)))
		case *parse.ActionNode:
			if in.bdi && len(n.Pipe.Decl) == 0 && isTyped(n.Pipe, typed) {
				out.Nodes = append(out.Nodes, markup("<bdi>", n.Pos), n, markup("</bdi>", n.Pos))
				continue
			}
		case *parse.IfNode:
			n.List, n.ElseList = in.list(n.List, typed), in.list(n.ElseList, typed)
		case *parse.WithNode:
			n.List, n.ElseList = in.list(n.List, isTyped(n.Pipe, typed)), in.list(n.ElseList, typed)
		case *parse.RangeNode:
			n.List, n.ElseList = in.list(n.List, true), in.list(n.ElseList, typed)
		}
		out.Nodes = append(out.Nodes, node)
	}
	return out
}

// isTyped says whether a pipeline's value may be typed by anybody: it is the dot that is, or not one of the formatted fields.
func isTyped(pipe *parse.PipeNode, dot bool) bool {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return true
	}
	switch n := pipe.Cmds[0].Args[0].(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return len(n.Ident) != 1 || !slices.Contains(formatted, n.Ident[0])
	case *parse.StringNode:
		return false
	}
	return true
}

func markup(text string, at parse.Pos) *parse.TextNode {
	return &parse.TextNode{NodeType: parse.NodeText, Pos: at, Text: []byte(text)}
}
