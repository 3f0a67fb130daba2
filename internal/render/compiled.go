package render

import (
	"bytes"
	"fmt"
	htmltemplate "html/template"
	"io"
	"reflect"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"
	"unicode/utf8"
)

// compiled is a template with a fast way to execute it: a list of steps. The library takes five to ten times as long, because it looks up
// fields and functions by name for every value. The steps are an optimization only; they must write what the library writes:
//
//   - The compiler (compiler.go) takes a template only if it knows everything in it. Any other template is left to the library as a whole.
//   - The steps never choose how a value is escaped in HTML. They repeat what html/template chose for that action (places.go).
//   - When a template is loaded, the steps and the library both execute the probes. If any result differs, the template is left to the
//     library. So if a Go release changes what the compiler assumes, messages become slower, not wrong.
//   - FuzzCompiledMatchesLibrary compares both with generated templates and data.
type compiled struct {
	name    string
	steps   []step   // nil: the library executes the template
	library executer // nil after dropSource, if there are steps
	html    bool
}

// executer is a template of text/template or of html/template.
type executer interface {
	Execute(io.Writer, any) error
}

// compileText compiles a parsed template for text.
func compileText(t *template.Template) *compiled {
	c := &compiled{name: t.Name(), library: t}
	root, ok := inline(t.Tree, func(name string) *parse.Tree {
		if t := t.Lookup(name); t != nil {
			return t.Tree
		}
		return nil
	})
	if ok {
		c.steps, _ = compiler{writerFor: textWriter}.list(root, viewType)
	}
	return c
}

// compileHTML compiles a parsed template for HTML. A copy of it, with the included templates in their places, is escaped by html/template
// first: html/template appends its escaping functions to the actions of the tree, and the compiler reads them there. Included templates
// have to be in their places because html/template escapes each include for its context, and does not show that tree.
func compileHTML(t *htmltemplate.Template) *compiled {
	c := &compiled{name: t.Name(), library: t, html: true}
	root, ok := inline(t.Tree, func(name string) *parse.Tree {
		if t := t.Lookup(name); t != nil {
			return t.Tree
		}
		return nil
	})
	if !ok {
		return c
	}
	whole, err := htmltemplate.New(t.Name()).AddParseTree(t.Name(), &parse.Tree{Name: t.Name(), Root: root})
	if err != nil {
		return c
	}
	// The first execution escapes the tree. If it fails, the library fails as well, and has to report that for each message.
	if err := whole.Execute(io.Discard, &view{}); err != nil {
		return c
	}
	c.steps, _ = compiler{writerFor: htmlWriter}.list(whole.Tree.Root, viewType)
	return c
}

// checked executes the probes by the steps and by the library, and leaves the template to the library if any result differs.
func (c *compiled) checked() *compiled {
	for _, v := range probes() {
		if c.steps == nil {
			break
		}
		got, err := c.execute(v)
		want, libraryErr := c.executeLibrary(v)
		if err != nil || libraryErr != nil || got != want {
			c.steps = nil
		}
	}
	return c
}

// probes are views without any text, with harmless texts, and with texts that have to be escaped everywhere. No two fields of a view are
// equal. The second and the third view have an item with texts and one without.
var probes = sync.OnceValue(func() []*view {
	var special strings.Builder
	special.WriteString("javascript:\xff\u2028é👍")
	for c := range byte(utf8.RuneSelf) {
		special.WriteByte(c)
	}
	all := []*view{{}}
	for _, text := range []string{"https://shop.example/order 1", special.String()} {
		v := &view{Items: make([]line, 2)}
		fill(v, text)
		fill(&v.Items[0], text)
		all = append(all, v)
	}
	return all
})

// fill sets the exported texts of a struct, each to the text and the name of its field.
func fill(pointer any, text string) {
	for field, value := range reflect.ValueOf(pointer).Elem().Fields() {
		if field.Type == stringType && field.IsExported() {
			value.SetString(text + field.Name)
		}
	}
}

// dropSource releases the library's template if the steps replace it: together these templates are a tenth of an idle worker's heap.
func (c *compiled) dropSource() *compiled {
	if c.steps != nil {
		c.library = nil
	}
	return c
}

// output is the text that the steps have written.
type output struct {
	text   []byte
	failed bool // the library failed to escape a value, and the text lacks it
}

// Write appends to the text, so that the library can write here; it never fails.
func (o *output) Write(text []byte) (int, error) {
	o.text = append(o.text, text...)
	return len(text), nil
}

// outputs are reused, because an e-mail's output would be copied a dozen times while it grows.
var outputs = sync.Pool{New: func() any { return new(output) }}

// execute renders the template, and finishes it. The error names the template and has nothing of the data.
func (c *compiled) execute(v *view) (string, error) {
	if c.steps == nil {
		return c.executeLibrary(v)
	}
	out := outputs.Get().(*output)
	defer outputs.Put(out)
	out.text, out.failed = out.text[:0], false
	run(c.steps, out, reflect.ValueOf(v).Elem())
	if out.failed {
		return "", fmt.Errorf("template %s cannot be rendered", c.name)
	}
	return string(c.finish(out.text)), nil
}

// executeLibrary is execute without the steps.
func (c *compiled) executeLibrary(v *view) (string, error) {
	var b bytes.Buffer
	if err := c.library.Execute(&b, v); err != nil {
		// Not the library's text: it may quote the data, and names the definition, as "content", and not the file.
		return "", fmt.Errorf("template %s cannot be rendered", c.name)
	}
	return string(c.finish(b.Bytes())), nil
}

// finish takes leading and trailing white space away, and of a text all but one of several empty lines, which the parts that are missing left.
func (c *compiled) finish(text []byte) []byte {
	text = bytes.TrimSpace(text)
	if c.html {
		return text
	}
	kept := text[:0]
	for {
		before, behind, found := bytes.Cut(text, []byte("\n\n\n"))
		kept = append(kept, before...)
		if !found {
			return kept
		}
		kept = append(kept, "\n\n"...)
		text = bytes.TrimLeft(behind, "\n")
	}
}
