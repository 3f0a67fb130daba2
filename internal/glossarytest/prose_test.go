package glossarytest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A mask returns a text of the same length and lines in which only the prose is left: the rest is NUL, which is no white space, so that no
// phrase is found across it. Marks of comments become spaces, so that a phrase is found across the lines of a comment.
type mask func(text []byte) []byte

// maskOf returns the mask for a file, nil for one without prose of ours.
func maskOf(name string) mask {
	dir, base := path.Split(name)
	switch ext := path.Ext(base); {
	case strings.HasSuffix(base, "_test.go"), base == "package-lock.json":
		return nil
	case ext == ".go":
		return maskGo
	case ext == ".md":
		return maskMarkdown
	case ext == ".html":
		return maskHTML
	case base == "NOTES.txt":
		return func(text []byte) []byte { return blank(text, templateAction) }
	case ext == ".tpl":
		return func(text []byte) []byte { return keep(text, templateComment, templateString) }
	case ext == ".yaml", ext == ".yml":
		return func(text []byte) []byte { return keep(marked(text, "#"), comment, described, folded) }
	case ext == ".json":
		return func(text []byte) []byte { return keep(text, describedJSON) }
	case ext == ".js", ext == ".proto", ext == ".json5":
		return func(text []byte) []byte { return keep(marked(text, "//"), comment) }
	case ext == ".lua":
		return func(text []byte) []byte { return keep(marked(text, "--"), comment) }
	case slices.Contains([]string{"Dockerfile", "Makefile", "Tiltfile", ".env.example"}, base), ext == ".conf", ext == ".acl",
		strings.HasPrefix(dir, "hack/"), dir == ".ci/":
		return func(text []byte) []byte { return keep(marked(text, "#"), comment) }
	}
	return nil
}

var (
	templateAction  = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	templateComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	templateString  = regexp.MustCompile(`"[^"\n]* [^"\n]*"`)
	comment         = regexp.MustCompile(`\x01[^\n]*(\n[ \t]*\x01[^\n]*)*`)
	described       = regexp.MustCompile(`\b(summary|description): [^>\n][^\n]*`)
	folded          = regexp.MustCompile(`\bdescription: >-\n[^\n]*\n([^\n:]*\n)?`)
	describedJSON   = regexp.MustCompile(`"(title|description|legendFormat)"\s*:\s*"(?:[^"\\]|\\.)*"`)
	style           = regexp.MustCompile(`(?s)<(style|script)\b.*?</(style|script)>`)
	tag             = regexp.MustCompile(`<[^>]*>`)
	attribute       = regexp.MustCompile(`\b(aria-label|placeholder|title|alt)="[^"]*"`)
	code            = regexp.MustCompile("`[^`\n]*(\n[^`\n]+)?`")
	link            = regexp.MustCompile(`\]\([^)]*\)`)
)

// marked makes \x01 of the marks with which comments begin, at the start of a line or behind a space.
func marked(text []byte, mark string) []byte {
	start := regexp.MustCompile(`(?m)(^|[ \t])` + mark)
	return start.ReplaceAllFunc(text, func(found []byte) []byte {
		return append(bytes.Clone(found[:len(found)-len(mark)]), bytes.Repeat([]byte{1}, len(mark))...)
	})
}

// wipe makes text[from:to] NUL, but for its line ends.
func wipe(text []byte, from, to int) {
	for i := from; i < to; i++ {
		if text[i] != '\n' {
			text[i] = 0
		}
	}
}

// blank wipes what the pattern finds.
func blank(text []byte, pattern *regexp.Regexp) []byte {
	out := bytes.Clone(text)
	for _, at := range pattern.FindAllIndex(text, -1) {
		wipe(out, at[0], at[1])
	}
	return out
}

// keep wipes everything but what one of the patterns finds, and code in backticks there.
func keep(text []byte, patterns ...*regexp.Regexp) []byte {
	out := bytes.Clone(text)
	wipe(out, 0, len(out))
	for _, p := range patterns {
		for _, at := range p.FindAllIndex(text, -1) {
			copy(out[at[0]:at[1]], text[at[0]:at[1]])
		}
	}
	return blank(bytes.ReplaceAll(out, []byte{1}, []byte(" ")), code)
}

// maskMarkdown leaves out blocks of code, code in a line, and where links lead.
func maskMarkdown(text []byte) []byte {
	out := bytes.Clone(text)
	fenced, indented, before := false, false, true
	at := 0
	for line := range bytes.Lines(text) {
		trimmed := strings.TrimSpace(string(line))
		fence := strings.HasPrefix(trimmed, "```")
		// An indented block follows an empty line; below an entry of a list, the same would be its next paragraph, which none of ours has.
		indented = strings.HasPrefix(string(line), "    ") && (before || indented)
		if fenced || fence || indented {
			wipe(out, at, at+len(line))
		}
		if fence {
			fenced = !fenced
		}
		before = trimmed == ""
		at += len(line)
	}
	return blank(blank(out, code), link)
}

// maskHTML leaves the text between tags, and the attributes that are shown or read aloud.
func maskHTML(text []byte) []byte {
	text = blank(blank(text, templateAction), style)
	out := blank(text, tag)
	for _, at := range attribute.FindAllIndex(text, -1) {
		copy(out[at[0]:at[1]], text[at[0]:at[1]])
	}
	return out
}

// maskGo leaves the comments, and the strings of more than two words.
func maskGo(text []byte) []byte {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil // checkNames reports it
	}
	out := bytes.Clone(text)
	wipe(out, 0, len(out))
	offset := func(p token.Pos) int { return fset.Position(p).Offset }
	for _, group := range file.Comments {
		from, to := offset(group.Pos()), offset(group.End())
		copy(out[from:to], text[from:to])
		for _, c := range group.List {
			copy(out[offset(c.Pos()):], "  ")
		}
		copy(out[from:to], blank(out[from:to], code))
	}
	var gaps [][2]int // between the pieces of one text
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING && len(strings.Fields(n.Value)) > 2 {
				value := []byte(n.Value)
				if value[0] == '"' {
					value = blank(value, code)
				}
				copy(out[offset(n.Pos()):offset(n.End())], value)
			}
		case *ast.BinaryExpr:
			x, left := n.X.(*ast.BasicLit)
			if sum, ok := n.X.(*ast.BinaryExpr); ok {
				x, left = sum.Y.(*ast.BasicLit)
			}
			if y, right := n.Y.(*ast.BasicLit); n.Op == token.ADD && left && right {
				gaps = append(gaps, [2]int{offset(x.End()) - 1, offset(y.Pos())})
			}
		}
		return true
	})
	for _, gap := range gaps {
		for i := gap[0]; i <= gap[1]; i++ {
			if text[i] != '\n' {
				out[i] = ' '
			}
		}
	}
	return out
}

// TestMasks: of each kind of file, the prose is looked at and nothing else.
func TestMasks(t *testing.T) {
	t.Parallel()
	g := readGlossary(t)
	const bad = "the address is none"
	for _, c := range []struct {
		name, text string
		lines      []int
	}{
		{"a.go", "// Package a: the address is\n// none.\npackage a\n\nvar x = \"the address is none\" // fine\n", []int{1, 5}},
		{"a.go", "package a\n\nvar x = \"the address given is \" +\n\t\"none so far\"\nvar y = `is none`\n", []int{3}},
		{"a.go", "package a\n\n// takeJoined is `is none`.\nfunc takeJoined() {}\n", nil},
		{"a_test.go", "package a // " + bad, nil},
		{"a.md", "# A\n\nthe address\nis none, `is none`, [x](is none)\n\n    is none\n\n```\nis none\n```\n", []int{4}},
		{"a.html", "<p class=\"is none\">{{is none}} the address is none</p><style>is none</style><input aria-label=\"is none\">", []int{1, 1}},
		{"a.yaml", "# the address is\n# none\nx: is none\ny: 1 # is none\ndescription: \"is none\"\n", []int{1, 4, 5}},
		{"a.json", "{\"title\": \"is none\", \"x\": \"is none\", \"description\": \"is none, `is none`\"}", []int{1, 1}},
		{"a.lua", "-- is none\nlocal x = 'is none' -- is none\n", []int{1, 2}},
		{"hack/a", "# is\n# none\necho is none\n", []int{1}},
		{"hack/kind/a", "echo is none # is none\n", []int{1}},
		{"a.js", "// is\n// none\nlet x = 'is none'; // is none\n", []int{1, 3}},
		{"a.proto", "// is none\nmessage IsNone { string x = 1; // is none\n}\n", []int{1, 2}},
		{"a.json5", "{\n  // is none\n  x: 'is none',\n}\n", []int{2}},
		{"docs/a.acl", "# is none\nuser is none\n", []int{1}},
		{"Dockerfile", "# is none\nRUN is none\n", []int{1}},
		{"templates/NOTES.txt", "is none {{is none}}", []int{1}},
		{"templates/_x.tpl", "{{/* is none */}}{{fail \"the address is none\"}} is none", []int{1, 1}},
		{"a.png", bad, nil},
	} {
		var lines []int
		if m := maskOf(c.name); m != nil {
			for _, f := range g.check(c.name, m([]byte(c.text))) {
				lines = append(lines, f.line)
			}
		}
		if !slices.Equal(lines, c.lines) {
			t.Errorf("%s %q: found in lines %v, want %v", c.name, c.text, lines, c.lines)
		}
	}
}

// TestNamesAreFound: what is declared under an old name is found, also a field and a method.
func TestNamesAreFound(t *testing.T) {
	t.Parallel()
	g := glossary{names: map[string]string{"takeJoined": "settleMerged", "unfit": "renderErr", "News": "Update"}}
	found := g.checkNames("a.go", []byte("package a\n\nfunc (w W) takeJoined() {}\n\ntype r struct{ x, unfit int }\n\ntype i interface{ News() }\n\nvar takeJoinedToo, ok int\n"))
	if len(found) != 3 || found[0].line != 3 || found[1].line != 5 || found[2].line != 7 {
		t.Errorf("%v", found)
	}
}
