package render

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// dot is the kind of a template's dot, which says what values there are.
type dot int

const (
	dotView dot = iota
	dotLine
	dotText
	dotItems
)

// includes are the templates that a generated template may include, by the kind of their dot.
var includes = [][]string{dotView: {"a", "b", "layout"}, dotLine: {"line"}, dotText: {"text"}, dotItems: {"items"}}

// grammar writes templates. Each choice takes a byte, so that the fuzzer's changes of a byte change a part of the template; when there are
// no more, it takes the first choice everywhere, which ends the template.
type grammar struct {
	choices []byte
	odd     int // how many odd nodes may still come; few, because with two of them it takes two faults of the compiler to show one
	depth   int
}

func (g *grammar) choose(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := int(g.choices[0])
	g.choices = g.choices[1:]
	return c % n
}

func (g *grammar) one(of ...string) string { return of[g.choose(len(of))] }

// template is a whole source: definitions, and the text that includes them. The definitions come first or last.
func (g *grammar) template() string {
	g.odd = max(0, g.choose(4)-1)
	main := g.list(dotView)
	var definitions strings.Builder
	for kind, names := range includes {
		for _, name := range names {
			fmt.Fprintf(&definitions, "%s%s%s", g.action(fmt.Sprintf("define %q", name)), g.list(dot(kind)), g.action("end"))
		}
	}
	if g.choose(2) == 1 {
		return definitions.String() + main
	}
	return main + definitions.String()
}

// action is an action with or without trim markers.
func (g *grammar) action(body string) string {
	return g.one("{{", "{{- ", "{{", "{{") + body + g.one("}}", " -}}", "}}", "}}")
}

func (g *grammar) list(d dot) string {
	if g.depth++; g.depth > 6 {
		g.depth--
		return g.text()
	}
	var b strings.Builder
	for range g.choose(4) {
		b.WriteString(g.node(d))
	}
	g.depth--
	return b.String()
}

func (g *grammar) node(d dot) string {
	if g.odd > 0 && g.choose(4) == 1 {
		g.odd--
		return g.oddNode(d)
	}
	switch g.choose(9) {
	case 1:
		return g.action(g.text1(d))
	case 2:
		return g.branch("if", g.value(d), d, d)
	case 3:
		return g.with(d)
	case 4:
		return g.ranged(d)
	case 5:
		return g.action(fmt.Sprintf("template %q .", g.one(includes[d]...)))
	case 6:
		return g.place(d, knownPlaces)
	case 7:
		return g.action("/* {{.}} */")
	case 8:
		return g.link(d)
	}
	return g.text()
}

// oddNode is something that the compiler leaves to the library, or should, or html/template refuses.
func (g *grammar) oddNode(d dot) string {
	switch g.choose(7) {
	case 1:
		return g.action(g.pipeline(d))
	case 2:
		return g.include(d)
	case 3:
		return g.variable(d)
	case 4:
		return g.place(d, oddPlaces)
	case 5:
		return g.branch(g.one("if", "with"), g.one(".", "$", ".Time", "1", "not .Status", `eq .Status "x"`, ".Missing", g.pipeline(d)), d, d)
	case 6:
		return g.loop(d)
	}
	return g.action(g.one(".", "$", ".Missing", ".Time", "$.Business", ".Items", "1", "true", "len .Items", `.Field "x"`, ".Time.Year", "nil", "(or .Status .Amount)", "(.Status)",
		".Status.Size", ".body", `.Status "x"`, "or"))
}

func (g *grammar) branch(keyword, value string, inner, outer dot) string {
	s := g.action(keyword+" "+value) + g.list(inner)
	switch g.choose(4) {
	case 1:
		s += g.action("else") + g.list(outer)
	case 2:
		if keyword != "range" {
			s += g.action("else "+keyword+" "+g.text1(outer)) + g.list(g.insideOf(keyword, outer)) + g.action("else") + g.list(outer)
		}
	}
	return s + g.action("end")
}

// insideOf is the dot inside a branch whose value is a text.
func (g *grammar) insideOf(keyword string, outer dot) dot {
	if keyword == "with" {
		return dotText
	}
	return outer
}

func (g *grammar) with(d dot) string {
	if d == dotView && g.choose(3) == 1 {
		return g.branch("with", ".Items", dotItems, d)
	}
	return g.branch("with", g.text1(d), dotText, d)
}

func (g *grammar) ranged(d dot) string {
	switch d {
	case dotView:
		return g.branch("range", ".Items", dotLine, d)
	case dotItems:
		return g.branch("range", ".", dotLine, d)
	}
	return g.branch("if", g.value(d), d, d)
}

// field is a text of the dot, or a constant if it has none.
func (g *grammar) field(d dot) string {
	switch d {
	case dotView:
		return g.one(".Status", ".Business", ".Locale", ".Event", ".Source", ".CustomerName", ".OrderID", ".TransactionID", ".Amount", ".Unsubscribe")
	case dotLine:
		return g.one(".Name", ".Quantity", ".Price")
	case dotText:
		return "."
	}
	return `"x"`
}

// operand is a field or a constant.
func (g *grammar) operand(d dot) string {
	if g.choose(6) == 1 {
		return g.one(`"x"`, `""`, `"<b>"`, "`a'b`", `"\u2028\x00"`, `"https://a.example/?b&c"`)
	}
	return g.field(d)
}

// text1 is a value that is a text.
func (g *grammar) text1(d dot) string {
	if g.choose(4) == 1 {
		s := "or"
		for range 1 + g.choose(3) {
			s += " " + g.operand(d)
		}
		return s
	}
	return g.operand(d)
}

// value is a value that is true or not.
func (g *grammar) value(d dot) string {
	if g.choose(4) == 1 {
		switch d {
		case dotView:
			return ".Items"
		case dotItems:
			return "."
		}
	}
	return g.text1(d)
}

// pipeline is a value that goes through functions.
func (g *grammar) pipeline(d dot) string {
	v := g.text1(d)
	return g.one(v+" | html", v+" | urlquery", v+" | js", v+` | printf "%s"`, v+" | len", "html "+g.operand(d), "print "+g.operand(d), `printf "%q" `+g.operand(d),
		"and "+g.operand(d)+" "+g.operand(d), "not "+g.operand(d), "or "+g.operand(d)+" 1", "or ("+v+") "+g.operand(d), `eq "x" `+g.operand(d), "slice "+g.operand(d)+" 0",
		v+` | or "y"`, v+" | not", "len "+g.operand(d))
}

// include includes a template with another dot than its own, or that there is none of, or from within itself.
func (g *grammar) include(d dot) string {
	all := g.one("a", "b", "layout", "line", "text", "items", "missing")
	switch g.choose(5) {
	case 4:
		return g.action(fmt.Sprintf("template %q %s", "text", g.text1(d)))
	case 1:
		return g.action(fmt.Sprintf("template %q %s", all, g.operand(d)))
	case 2:
		return g.action(fmt.Sprintf("template %q", all))
	case 3:
		return g.action(fmt.Sprintf("block %q .", all)) + g.list(d) + g.action("end")
	}
	return g.action(fmt.Sprintf("template %q .", all))
}

// variable declares or uses a variable.
func (g *grammar) variable(d dot) string {
	switch g.choose(5) {
	case 1:
		return g.action("$x := "+g.value(d)) + g.list(d) + g.action("$x")
	case 2:
		return g.action("with $x := "+g.text1(d)) + g.list(dotText) + g.action("end")
	case 3:
		return g.action("range $i, $x := $.Items") + g.list(dotLine) + g.action("$i") + g.action("end")
	case 4:
		return g.action("range $.Items") + g.list(dotLine) + g.action("end")
	}
	return g.action("$x := " + g.value(d))
}

// loop is a loop that ends early, or one over a number.
func (g *grammar) loop(d dot) string {
	items := map[dot]string{dotView: ".Items", dotItems: "."}[d]
	if items == "" {
		return g.action("range 3") + g.list(d) + g.action("end")
	}
	return g.action("range "+items) + g.list(dotLine) + g.action("if .Name") + g.list(dotLine) + g.action(g.one("break", "continue")) + g.action("end") + g.list(dotLine) + g.action("end")
}

// places that the compiler knows, as what stands before and after the value.
var knownPlaces = [][2]string{{"<b>", "</b>"}, {"<title>", "</title>"}, {`<p title="`, `">`}, {"<i lang='", "'>"}, {`<textarea name="x">`, "</textarea>"},
	{`<td style="color:red" title="`, `">`}, {"<script>var x = 1</script><p>", "</p>"}, {`<meta charset="`, `">`}, {"<TITLE>", "</title>"}}

// oddPlaces are left to the library, or refused by html/template.
var oddPlaces = [][2]string{{"<!-- ", " -->"}, {`<p style="color:`, `">`}, {"<style>p{color:", "}</style>"}, {"<style>/* ", " */</style>"}, {"<script>x = ", "</script>"},
	{`<script>x = "`, `"</script>`}, {"<script>x = `", "`</script>"}, {"<script>x = /", "/</script>"}, {"<script>// ", "\n</script>"}, {`<p onclick="f(`, `)">`},
	{`<a href="/x?q=`, `">`}, {`<a href="/x/`, `">`}, {`<a href="`, `">`}, {"<a href=", ">"}, {"<p title=", ">"}, {"<p ", ">"}, {"<", ">"}, {`<img srcset="`, `">`},
	{`<meta http-equiv="refresh" content="0;url=`, `">`}, {`<meta content='`, `'>`}, {`<script type="text/template"><p title="`, `"></script>`},
	{`<script type="application/json">`, "</script>"}, {`<a href='`, `'>`}, {"<textarea>", "</title>"}, {"</", ">"}, {"<!", ">"}}

// place is markup with values in it; now and then the end is missing, or is one of another place.
func (g *grammar) place(d dot, of [][2]string) string {
	place := of[g.choose(len(of))]
	s := place[0] + g.list(d)
	if g.choose(16) == 1 {
		return s + g.one("", of[g.choose(len(of))][1])
	}
	return s + place[1]
}

// link is a link with a single value for its address.
func (g *grammar) link(d dot) string {
	return `<a href="` + g.action(g.text1(d)) + `">` + g.list(d) + "</a>"
}

// text is a piece of the template that stands for itself.
func (g *grammar) text() string {
	return g.one("x", " ", "\n", "a < b & c", "<br>", "</b>", "<b>", "&amp;", "{", "}", `"`, "'", "<!doctype html>", "<!DOCTYPE html>", "<!-- a -->", "é 👩‍👩‍👧 مرحبا\u2028", "\x00\xff",
		"<style>p{color:red}/* b */</style>", "<script>x = '<!--' // c\n</script>", "</title>", "</p>", " \t ", "<", "</", "https://a.example/?b=c", "javascript:", "0", "a-b")
}

// generated are the templates of a source for text and for HTML, without those that cannot be parsed. They are not checked by the probes, which
// would hide a difference.
func generated(source string) []*compiled {
	var all []*compiled
	if c, err := parseText("text", source, nil); err == nil {
		all = append(all, c)
	}
	if c, err := parseHTML("html", noLayout, source, nil); err == nil {
		all = append(all, c)
	}
	return all
}

// generatedView has the texts in the fields that the choices say, and the hostile ones in others.
func generatedView(choices []byte, texts ...string) *view {
	g := &grammar{choices: choices}
	all := append([]string{""}, append(texts, hostile...)...)
	field := func() string { return g.one(all...) }
	v := &view{Business: field(), Locale: field(), Event: field(), Source: field(), CustomerName: field(), OrderID: field(), TransactionID: field(), Status: field(),
		Amount: field(), Unsubscribe: field()}
	for range g.choose(4) {
		v.Items = append(v.Items, line{Name: field(), Quantity: field(), Price: field()})
	}
	return v
}

// compare compares what is compiled of a source with the library, with a view and some that are always tried.
func compare(t *testing.T, source string, v *view, a, b string) (compiledText, compiledHTML bool) {
	t.Helper()
	full := &view{Business: a, Locale: b, Event: a, Source: b, CustomerName: a, OrderID: b, TransactionID: a, Status: b, Amount: a, Unsubscribe: b,
		Items: []line{{Name: a, Quantity: b, Price: a}, {}, {Name: b, Price: b}}}
	for _, c := range generated(source) {
		if c.steps == nil {
			continue
		}
		for _, v := range []*view{v, full, {}} {
			sameAsLibrary(t, c, v)
		}
		if t.Failed() {
			t.Logf("the template is %q", source)
		}
		compiledText, compiledHTML = compiledText || c.name == "text", compiledHTML || c.name == "html"
	}
	return compiledText, compiledHTML
}

// FuzzCompiledMatchesLibrary: what the compiler makes of a generated template writes, byte by byte, what the library writes.
func FuzzCompiledMatchesLibrary(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		f.Add(randomBytes(random, 20+i), randomBytes(random, 24), hostile[i%len(hostile)], hostile[(i+3)%len(hostile)])
	}
	f.Fuzz(func(t *testing.T, choices, data []byte, a, b string) {
		compare(t, (&grammar{choices: choices}).template(), generatedView(data, a, b), a, b)
	})
}

// FuzzCompiledSource is FuzzCompiledMatchesLibrary with the template's source from the fuzzer.
func FuzzCompiledSource(f *testing.F) {
	for i, tt := range templates {
		f.Add(tt.text, hostile[i%len(hostile)], hostile[(i+3)%len(hostile)])
	}
	f.Fuzz(func(t *testing.T, source, a, b string) {
		compare(t, source, generatedView(nil, a, b), a, b)
	})
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// TestGeneratedTemplates compares two thousand generated templates. Between a quarter and three quarters of them have to be compiled: a grammar
// that no longer reaches the compiler would find nothing.
func TestGeneratedTemplates(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	const all = 2000
	var texts, pages int
	for i := range all {
		a, b := hostile[random.IntN(len(hostile))], hostile[random.IntN(len(hostile))]
		text, html := compare(t, (&grammar{choices: randomBytes(random, i%300)}).template(), generatedView(randomBytes(random, 24), a, b), a, b)
		if text {
			texts++
		}
		if html {
			pages++
		}
	}
	for of, n := range map[string]int{"text": texts, "HTML": pages} {
		if n < all/4 || n > all*3/4 {
			t.Errorf("%d of %d templates for %s are compiled", n, all, of)
		}
	}
}

// noLayout is for templates that include no layout.
var noLayout source
