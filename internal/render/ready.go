package render

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"reflect"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"
)

// executer is a template of either kind.
type executer interface {
	Execute(io.Writer, any) error
}

// ready is a template, and its steps where it is simple: text, fields that are texts, if, with and range over them, or, and the templates it
// includes. These need none of the library's reflection on every value. Whatever else a template has is left to the library, with all of it.
type ready struct {
	name    string
	library executer
	steps   []step // nil: the library executes it
}

// step appends a part of a message; dot is what the template's dot is there.
type step func(out []byte, dot reflect.Value) []byte

// viewType is the dot that a template begins with.
var viewType = reflect.TypeFor[view]()

// readyText prepares a parsed template for text.
func readyText(t *template.Template) *ready {
	r := &ready{name: t.Name(), library: t}
	if t.Tree == nil {
		return r
	}
	root, ok := inline(t.Root, func(name string) *parse.Tree {
		if t := t.Lookup(name); t != nil {
			return t.Tree
		}
		return nil
	}, 0)
	if ok {
		r.steps, _ = compile(root, viewType, nil)
	}
	return r
}

// readyHTML prepares a parsed template for HTML. What is included is put in its place first, then html/template itself works out how each
// value is escaped where it stands.
func readyHTML(t *htmltemplate.Template) *ready {
	r := &ready{name: t.Name(), library: t}
	if t.Tree == nil {
		return r
	}
	root, ok := inline(t.Tree.Root, func(name string) *parse.Tree {
		if t := t.Lookup(name); t != nil {
			return t.Tree
		}
		return nil
	}, 0)
	if !ok {
		return r
	}
	whole, err := htmltemplate.New(t.Name()).AddParseTree(t.Name(), &parse.Tree{Name: t.Name(), Root: root})
	if err == nil {
		err = whole.Execute(io.Discard, &view{}) // escapes the tree
	}
	if err == nil {
		r.steps, _ = compile(whole.Tree.Root, viewType, escapers())
	}
	return r
}

// maxInline is how deep templates may include each other; more is a template that includes itself.
const maxInline = 10

// inline returns a copy of the list with what it includes in its place; false when something is included with another dot than its own.
func inline(list *parse.ListNode, lookup func(string) *parse.Tree, depth int) (*parse.ListNode, bool) {
	if list == nil {
		return nil, true
	}
	if depth > maxInline {
		return nil, false
	}
	out := &parse.ListNode{NodeType: parse.NodeList, Pos: list.Pos}
	branch := func(b *parse.BranchNode) bool {
		var body, otherwise bool
		b.List, body = inline(b.List, lookup, depth)
		b.ElseList, otherwise = inline(b.ElseList, lookup, depth)
		return body && otherwise
	}
	ok := true
	for _, node := range list.Nodes {
		node = node.Copy()
		switch n := node.(type) {
		case *parse.IfNode:
			ok = ok && branch(&n.BranchNode)
		case *parse.WithNode:
			ok = ok && branch(&n.BranchNode)
		case *parse.RangeNode:
			ok = ok && branch(&n.BranchNode)
		case *parse.TemplateNode:
			tree := lookup(n.Name)
			if tree == nil || n.Pipe == nil || n.Pipe.String() != "." {
				return nil, false
			}
			included, all := inline(tree.Root, lookup, depth+1)
			if !all {
				return nil, false
			}
			out.Nodes = append(out.Nodes, included.Nodes...)
			continue
		}
		out.Nodes = append(out.Nodes, node)
	}
	return out, ok
}

// compile returns a list's steps; false when it has something that is left to the library. escapers are nil for text.
func compile(list *parse.ListNode, dot reflect.Type, escapers map[string]escaper) ([]step, bool) {
	steps := []step{}
	if list == nil {
		return steps, true
	}
	for _, node := range list.Nodes {
		var s step
		var ok bool
		switch n := node.(type) {
		case *parse.TextNode:
			text := n.Text // a node would keep its whole tree in memory
			s, ok = func(out []byte, _ reflect.Value) []byte { return append(out, text...) }, true
		case *parse.CommentNode:
			continue
		case *parse.ActionNode:
			s, ok = action(n.Pipe, dot, escapers)
		case *parse.IfNode:
			s, ok = branch(&n.BranchNode, dot, escapers)
		case *parse.WithNode:
			s, ok = branch(&n.BranchNode, dot, escapers)
		case *parse.RangeNode:
			s, ok = branch(&n.BranchNode, dot, escapers)
		}
		if !ok {
			return nil, false
		}
		steps = append(steps, s)
	}
	return steps, true
}

func run(steps []step, out []byte, dot reflect.Value) []byte {
	for _, s := range steps {
		out = s(out, dot)
	}
	return out
}

// branch is an if, a with or a range.
func branch(b *parse.BranchNode, dot reflect.Type, escapers map[string]escaper) (step, bool) {
	if len(b.Pipe.Decl) > 0 || len(b.Pipe.Cmds) != 1 {
		return nil, false
	}
	of, typ := command(b.Pipe.Cmds[0], dot)
	if of == nil || typ.Kind() != reflect.String && typ.Kind() != reflect.Slice {
		return nil, false
	}
	inner := dot
	switch {
	case b.NodeType == parse.NodeWith:
		inner = typ
	case b.NodeType == parse.NodeRange && typ.Kind() == reflect.Slice:
		inner = typ.Elem()
	case b.NodeType == parse.NodeRange:
		return nil, false
	}
	body, ok := compile(b.List, inner, escapers)
	otherwise, also := compile(b.ElseList, dot, escapers)
	if !ok || !also {
		return nil, false
	}
	kind := b.NodeType
	return func(out []byte, dot reflect.Value) []byte {
		switch value := of(dot); {
		case value.Len() == 0:
			return run(otherwise, out, dot)
		case kind == parse.NodeWith:
			return run(body, out, value)
		case kind == parse.NodeRange:
			for i := range value.Len() {
				out = run(body, out, value.Index(i))
			}
			return out
		}
		return run(body, out, dot)
	}, true
}

// action is a value that is written: a text, escaped as html/template says.
func action(pipe *parse.PipeNode, dot reflect.Type, escapers map[string]escaper) (step, bool) {
	if len(pipe.Decl) > 0 {
		return nil, false
	}
	of, typ := command(pipe.Cmds[0], dot)
	if of == nil || typ != reflect.TypeFor[string]() {
		return nil, false
	}
	if escapers == nil {
		return func(out []byte, dot reflect.Value) []byte { return append(out, of(dot).String()...) }, len(pipe.Cmds) == 1
	}
	escape, known := escapers[functions(pipe)]
	return func(out []byte, dot reflect.Value) []byte { return append(out, escape.escaped(of(dot).String())...) }, known
}

// functions names what a value goes through.
func functions(pipe *parse.PipeNode) string {
	var names []string
	for _, c := range pipe.Cmds[1:] {
		names = append(names, c.String())
	}
	return strings.Join(names, "|")
}

// value takes a value out of the dot.
type value func(dot reflect.Value) reflect.Value

// command returns a value and its type; nil when it is left to the library.
func command(c *parse.CommandNode, dot reflect.Type) (value, reflect.Type) {
	if len(c.Args) == 1 {
		return operand(c.Args[0], dot)
	}
	if name, is := c.Args[0].(*parse.IdentifierNode); !is || name.Ident != "or" {
		return nil, nil
	}
	var choices []value
	for _, arg := range c.Args[1:] {
		of, typ := operand(arg, dot)
		if of == nil || typ != reflect.TypeFor[string]() {
			return nil, nil
		}
		choices = append(choices, of)
	}
	return func(dot reflect.Value) (chosen reflect.Value) {
		for _, of := range choices {
			if chosen = of(dot); chosen.Len() > 0 {
				break
			}
		}
		return chosen
	}, reflect.TypeFor[string]()
}

func operand(node parse.Node, dot reflect.Type) (value, reflect.Type) {
	switch n := node.(type) {
	case *parse.DotNode:
		return func(dot reflect.Value) reflect.Value { return dot }, dot
	case *parse.StringNode:
		text := reflect.ValueOf(n.Text)
		return func(reflect.Value) reflect.Value { return text }, text.Type()
	case *parse.FieldNode:
		if len(n.Ident) != 1 || dot.Kind() != reflect.Struct {
			return nil, nil
		}
		field, found := dot.FieldByName(n.Ident[0])
		if !found || !field.IsExported() || len(field.Index) != 1 {
			return nil, nil
		}
		i := field.Index[0]
		return func(dot reflect.Value) reflect.Value { return dot.Field(i) }, field.Type
	}
	return nil, nil
}

// escaper is what html/template does to a text in one place of a document.
type escaper struct {
	changes       string // the characters that it may change; "" when it is not known
	before, after string
	library       *htmltemplate.Template // before, the value, after
}

// escaped returns a text as it has to stand in its place. What has to be changed is changed by the library.
func (e escaper) escaped(text string) string {
	if e.changes != "" && !strings.ContainsAny(text, e.changes) {
		return text
	}
	var b strings.Builder
	if err := e.library.Execute(&b, text); err != nil {
		return "" // a text can always be escaped
	}
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), e.before), e.after)
}

// escapers are html/template's ways to escape a text, by the functions that it puts behind a value. Which those are it says itself, of a
// document with a value in each place where e-mails have them.
var escapers = sync.OnceValue(func() map[string]escaper {
	const special = "\x00\"&'+<>"
	all := map[string]escaper{}
	for _, e := range []escaper{
		{changes: special},
		{changes: special, before: "<title>", after: "</title>"},
		{changes: special, before: `<p title="`, after: `">`},
		{before: `<a href="`, after: `">`},
	} {
		e.library = htmltemplate.Must(htmltemplate.New("").Parse(e.before + "{{.}}" + e.after))
		if err := e.library.Execute(io.Discard, ""); err != nil {
			continue
		}
		for _, node := range e.library.Tree.Root.Nodes {
			if n, is := node.(*parse.ActionNode); is {
				all[functions(n.Pipe)] = e
			}
		}
	}
	return all
})

// outputs keep the room for messages between them.
var outputs = sync.Pool{New: func() any { return new([]byte) }}

// lean lets go of the library's template where the steps do without: all of them together are a tenth of an idle worker's heap.
func (r *ready) lean() *ready {
	if r.steps != nil {
		r.library = nil
	}
	return r
}

// execute renders a template, without the space around it.
func (r *ready) execute(v *view) (string, error) {
	if r.steps != nil {
		out := outputs.Get().(*[]byte)
		defer outputs.Put(out)
		*out = run(r.steps, (*out)[:0], reflect.ValueOf(v).Elem())
		return string(bytes.TrimSpace(*out)), nil
	}
	var b bytes.Buffer
	if err := r.library.Execute(&b, v); err != nil {
		// The library's text may quote the data.
		var exec template.ExecError
		if errors.As(err, &exec) {
			return "", fmt.Errorf("template %s cannot be rendered", exec.Name)
		}
		return "", fmt.Errorf("template %s cannot be rendered", r.name)
	}
	return strings.TrimSpace(b.String()), nil
}
