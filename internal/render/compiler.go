package render

import (
	"bytes"
	"reflect"
	"strings"
	"text/template/parse"
)

// step writes a part of a message; dot is the template's dot at that point.
type step func(out *output, dot reflect.Value)

func run(steps []step, out *output, dot reflect.Value) {
	for _, s := range steps {
		s(out, dot)
	}
}

// viewType is the dot at the beginning of every template.
var viewType = reflect.TypeFor[view]()

// compiler makes steps of a parsed template without includes. It knows text, actions, if, with and range, where each value is the dot, a
// field of the dot, a string constant, or an "or" of those. It knows no variables, no other functions, no methods, and no break or continue.
// It checks types, so that a step cannot fail on a value: only strings are written, and only strings and slices are tested.
type compiler struct {
	// writerFor returns how a text is written if its pipeline ends with these functions, and false if that is unknown.
	writerFor func(functions string) (writer, bool)
}

// writer writes a text in the way of one place.
type writer func(out *output, text string)

// textWriter is for text/template: it writes a string as it is, and every function is unknown.
func textWriter(functions string) (writer, bool) {
	return func(out *output, text string) { out.text = append(out.text, text...) }, functions == ""
}

// list returns the steps of a list of nodes, never nil; nil and false if a node is not known. The dot has the given type.
func (c compiler) list(list *parse.ListNode, dot reflect.Type) ([]step, bool) {
	steps := []step{}
	if list == nil {
		return steps, true
	}
	// Texts side by side, which there are many of when words are in their places, are one step.
	var text bytes.Buffer
	flush := func() {
		if fixed := bytes.Clone(text.Bytes()); len(fixed) > 0 {
			steps = append(steps, func(out *output, _ reflect.Value) { out.text = append(out.text, fixed...) })
			text.Reset()
		}
	}
	for _, node := range list.Nodes {
		var s step
		var ok bool
		switch n := node.(type) {
		case *parse.TextNode:
			text.Write(n.Text) // a step must not hold the node, which holds its whole tree
			continue
		case *parse.ActionNode:
			s, ok = c.action(n.Pipe, dot)
		case *parse.IfNode:
			s, ok = c.branch(&n.BranchNode, dot)
		case *parse.WithNode:
			s, ok = c.branch(&n.BranchNode, dot)
		case *parse.RangeNode:
			s, ok = c.branch(&n.BranchNode, dot)
		}
		if !ok {
			return nil, false
		}
		flush()
		steps = append(steps, s)
	}
	flush()
	return steps, true
}

// action is {{value}}. Its pipeline is the value and, in HTML, the functions that html/template appended, or that the template has itself.
func (c compiler) action(pipe *parse.PipeNode, dot reflect.Type) (step, bool) {
	if len(pipe.Decl) > 0 {
		return nil, false
	}
	v, ok := command(pipe.Cmds[0], dot)
	if !ok || v.typ != stringType {
		return nil, false
	}
	write, ok := c.writerFor(functions(pipe))
	return func(out *output, dot reflect.Value) { write(out, v.of(dot).String()) }, ok
}

// functions returns the functions that a value goes through, with their arguments, such as "html|printf "%s"".
func functions(pipe *parse.PipeNode) string {
	var names []string
	for _, c := range pipe.Cmds[1:] {
		names = append(names, c.String())
	}
	return strings.Join(names, "|")
}

// branch is {{if value}}, {{with value}} or {{range value}}, perhaps with {{else}}. For the library, a string or a slice is true if it has
// any length; "with" and "range" have another dot inside, but not in their else part.
func (c compiler) branch(b *parse.BranchNode, dot reflect.Type) (step, bool) {
	if len(b.Pipe.Decl) > 0 || len(b.Pipe.Cmds) != 1 {
		return nil, false
	}
	v, ok := command(b.Pipe.Cmds[0], dot)
	if !ok || v.typ != stringType && v.typ.Kind() != reflect.Slice {
		return nil, false
	}
	inner := dot
	switch {
	case b.NodeType == parse.NodeWith:
		inner = v.typ
	case b.NodeType == parse.NodeRange && v.typ.Kind() == reflect.Slice:
		inner = v.typ.Elem()
	case b.NodeType == parse.NodeRange:
		return nil, false
	}
	body, ok := c.list(b.List, inner)
	if !ok {
		return nil, false
	}
	otherwise, ok := c.list(b.ElseList, dot)
	if !ok {
		return nil, false
	}
	kind := b.NodeType // the step must not hold the node
	return func(out *output, dot reflect.Value) {
		value := v.of(dot)
		switch {
		case value.Len() == 0:
			run(otherwise, out, dot)
		case kind == parse.NodeIf:
			run(body, out, dot)
		case kind == parse.NodeWith:
			run(body, out, value)
		default:
			for i := range value.Len() {
				run(body, out, value.Index(i))
			}
		}
	}, true
}

// term is a value in a template: its type, and how a step gets it.
type term struct {
	typ reflect.Type
	of  func(dot reflect.Value) reflect.Value
}

var stringType = reflect.TypeFor[string]()

// command is a single operand, or "or" and its operands, all of them strings: the first that is not empty, or else the last.
func command(c *parse.CommandNode, dot reflect.Type) (term, bool) {
	if len(c.Args) == 1 {
		return operand(c.Args[0], dot)
	}
	if name, is := c.Args[0].(*parse.IdentifierNode); !is || name.Ident != "or" {
		return term{}, false
	}
	var choices []term
	for _, arg := range c.Args[1:] {
		v, ok := operand(arg, dot)
		if !ok || v.typ != stringType {
			return term{}, false
		}
		choices = append(choices, v)
	}
	return term{stringType, func(dot reflect.Value) (chosen reflect.Value) {
		for _, v := range choices {
			if chosen = v.of(dot); chosen.Len() > 0 {
				break
			}
		}
		return chosen
	}}, true
}

// operand is the dot, a string constant, or an exported field of the dot. A field that is promoted from an embedded struct, and a field of a
// field, are left to the library: it follows pointers there, and fails if one is nil.
func operand(node parse.Node, dot reflect.Type) (term, bool) {
	switch n := node.(type) {
	case *parse.DotNode:
		return term{dot, func(dot reflect.Value) reflect.Value { return dot }}, true
	case *parse.StringNode:
		text := reflect.ValueOf(n.Text)
		return term{stringType, func(reflect.Value) reflect.Value { return text }}, true
	case *parse.FieldNode:
		if len(n.Ident) != 1 || dot.Kind() != reflect.Struct {
			return term{}, false
		}
		field, found := dot.FieldByName(n.Ident[0])
		if !found || !field.IsExported() || len(field.Index) != 1 {
			return term{}, false
		}
		i := field.Index[0]
		return term{field.Type, func(dot reflect.Value) reflect.Value { return dot.Field(i) }}, true
	}
	return term{}, false
}

// maxNodes bounds a template with its includes in their places. A template that includes itself exceeds it.
const maxNodes = 4096

// inline returns a copy of a tree in which every {{template "name" .}} is replaced by the nodes of that template. The replacement means the
// same because the dot is the same, and because the compiler accepts no variables: an included template begins without those around it.
// It returns false if the tree is missing, if an included template is missing or has another dot, and if the result is too large.
func inline(tree *parse.Tree, lookup func(name string) *parse.Tree) (*parse.ListNode, bool) {
	if tree == nil || tree.Root == nil {
		return nil, false
	}
	in := inliner{lookup: lookup, nodesLeft: maxNodes}
	return in.list(tree.Root)
}

type inliner struct {
	lookup    func(name string) *parse.Tree
	nodesLeft int // how many nodes may still be visited
}

func (in *inliner) list(list *parse.ListNode) (*parse.ListNode, bool) {
	if list == nil {
		return nil, true
	}
	out := &parse.ListNode{NodeType: parse.NodeList, Pos: list.Pos}
	for _, n := range list.Nodes {
		nodes, ok := in.node(n)
		if !ok {
			return nil, false
		}
		out.Nodes = append(out.Nodes, nodes...)
	}
	return out, true
}

// node returns the nodes that take the place of one. They are copies, because html/template changes the nodes that it escapes.
func (in *inliner) node(node parse.Node) ([]parse.Node, bool) {
	if in.nodesLeft--; in.nodesLeft < 0 {
		return nil, false
	}
	switch n := node.(type) {
	case *parse.TemplateNode:
		tree := in.lookup(n.Name)
		if tree == nil || tree.Root == nil || n.Pipe == nil || n.Pipe.String() != "." {
			return nil, false
		}
		included, ok := in.list(tree.Root)
		if !ok {
			return nil, false
		}
		return included.Nodes, true
	case *parse.IfNode:
		c := *n
		return []parse.Node{&c}, in.branch(&c.BranchNode)
	case *parse.WithNode:
		c := *n
		return []parse.Node{&c}, in.branch(&c.BranchNode)
	case *parse.RangeNode:
		c := *n
		return []parse.Node{&c}, in.branch(&c.BranchNode)
	}
	return []parse.Node{node.Copy()}, true
}

// branch replaces the parts of a branch by copies.
func (in *inliner) branch(b *parse.BranchNode) bool {
	body, ok := in.list(b.List)
	if !ok {
		return false
	}
	otherwise, ok := in.list(b.ElseList)
	b.Pipe, b.List, b.ElseList = b.Pipe.CopyPipe(), body, otherwise
	return ok
}
