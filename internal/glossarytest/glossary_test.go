package glossarytest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root    = "../.."
	page    = "docs/glossary.md"
	section = "## Words we do not use"
)

// phrase is a row of the first table of the section: prose that matches the pattern is refused, unless the match lies inside a match of
// allowed.
type phrase struct {
	example, say     string
	pattern, allowed *regexp.Regexp
}

// glossary is what the section says.
type glossary struct {
	phrases []phrase
	names   map[string]string // identifiers, and what they are called now
}

// rows returns the cells of the body of each table in text. A pipe inside a cell is written \|.
func rows(text string) (tables [][][]string) {
	cell := regexp.MustCompile(`(?:[^|\\]|\\.)*\|`)
	inTable := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			inTable = false
			continue
		}
		if strings.HasPrefix(line, "|---") {
			inTable, tables = true, append(tables, nil)
			continue
		}
		if !inTable {
			continue // the heading
		}
		var cells []string
		for _, c := range cell.FindAllString(line[1:], -1) {
			cells = append(cells, strings.ReplaceAll(strings.TrimSpace(strings.TrimSuffix(c, "|")), `\|`, "|"))
		}
		tables[len(tables)-1] = append(tables[len(tables)-1], cells)
	}
	return tables
}

// gap is what a space in a pattern matches: the white space between two words, also at the end of a line, and not at that of a paragraph.
const gap = `(?:[ \t]+|[ \t]*\n[ \t]*)`

// compile makes a pattern of a cell, nil of an empty one.
func compile(t *testing.T, cell string) *regexp.Regexp {
	t.Helper()
	expr := strings.Trim(cell, "`")
	if expr == "" {
		return nil
	}
	re, err := regexp.Compile("(?i)" + strings.ReplaceAll(expr, " ", gap))
	if err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	return re
}

func readGlossary(t *testing.T) (g glossary) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	_, forbidden, _ := strings.Cut(string(text), section)
	tables := rows(forbidden)
	if len(tables) != 2 {
		t.Fatalf("%s: %d tables below %q, want 2", page, len(tables), section)
	}
	for _, cells := range tables[0] {
		if len(cells) != 4 {
			t.Fatalf("%s: %q has %d cells, want 4", page, cells, len(cells))
		}
		g.phrases = append(g.phrases, phrase{example: cells[0], say: cells[1], pattern: compile(t, cells[2]), allowed: compile(t, cells[3])})
	}
	g.names = map[string]string{}
	for _, cells := range tables[1] {
		g.names[strings.Trim(cells[0], "`")] = strings.Trim(cells[1], "`")
	}
	return g
}

// finding is an old word in a file.
type finding struct {
	file string
	line int
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.file, f.line, f.text) }

// check returns the findings in prose, which is a file's text with everything else blanked.
func (g glossary) check(file string, prose []byte) (found []finding) {
	for _, p := range g.phrases {
		matches := p.pattern.FindAllIndex(prose, -1)
		var allowed [][]int
		if p.allowed != nil && len(matches) > 0 {
			allowed = p.allowed.FindAllIndex(prose, -1)
		}
		for _, at := range matches {
			if slices.ContainsFunc(allowed, func(a []int) bool { return a[0] <= at[0] && at[1] <= a[1] }) {
				continue
			}
			text := strings.Join(strings.Fields(string(prose[at[0]:at[1]])), " ")
			found = append(found, finding{file, 1 + bytes.Count(prose[:at[0]], []byte("\n")), fmt.Sprintf("%q: say %s", text, p.say)})
		}
	}
	return found
}

// checkNames returns the findings among what a Go file declares.
func (g glossary) checkNames(name string, text []byte) (found []finding) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return []finding{{name, 1, err.Error()}}
	}
	note := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if now := g.names[id.Name]; now != "" {
				found = append(found, finding{name, fset.Position(id.Pos()).Line, fmt.Sprintf("%s: call it %s", id.Name, now)})
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			note(n.Name)
		case *ast.TypeSpec:
			note(n.Name)
		case *ast.ValueSpec:
			note(n.Names...)
		case *ast.StructType:
			for _, field := range n.Fields.List {
				note(field.Names...)
			}
		case *ast.InterfaceType:
			for _, method := range n.Methods.List {
				note(method.Names...)
			}
		}
		return true
	})
	return found
}

// findings goes through the repository, and returns what it finds in each file, and how many files it read.
func findings(t *testing.T) (found []finding, files int) {
	t.Helper()
	g := readGlossary(t)
	for _, name := range tree(t) {
		mask := maskOf(name)
		if mask == nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		files++
		if name == page {
			text, _, _ = bytes.Cut(text, []byte(section))
		}
		found = append(found, g.check(name, mask(text))...)
		if path.Ext(name) == ".go" {
			found = append(found, g.checkNames(name, text)...)
		}
	}
	return found, files
}

// tree lists the files of the repository, with slashes, below root. What builds and tests leave behind is not of it, nor is testdata.
func tree(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") && !slices.Contains([]string{".", "..", ".ci", ".github"}, d.Name())
			if hidden || slices.Contains([]string{"testdata", "node_modules", "bin", "dist"}, d.Name()) || rel == "test/evidence" {
				return filepath.SkipDir
			}
			return nil
		}
		names = append(names, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWords(t *testing.T) {
	t.Parallel()
	found, files := findings(t)
	if files < 200 {
		t.Fatalf("%d files: this test looks at the wrong thing", files)
	}
	for _, f := range found {
		t.Errorf("%v (%s)", f, page)
	}
}

// TestPhrases holds the table to its own examples: each is found, and by its own row.
func TestPhrases(t *testing.T) {
	t.Parallel()
	g := readGlossary(t)
	for _, p := range g.phrases {
		if p.pattern == nil || p.say == "" {
			t.Errorf("%q has no pattern, or nothing to say", p.example)
			continue
		}
		if len(glossary{phrases: []phrase{p}}.check("", []byte(p.example))) != 1 {
			t.Errorf("the pattern %s does not find its example %q", p.pattern, p.example)
		}
	}
	for _, good := range []string{
		"Webhooks per second: one per channel, once a day, twice a second.",
		"How many messages a worker sends at a time.",
		"How many messages a customer may get on the channel within an hour.",
		"If there is none, the default is used.",
		"The caller must not have the lock held.",
		"The answer says what is missing.",
		"The variable takes the place of `REDIS_HOST`, in its place of the list.",
		"A worker with a job is in flight.",
	} {
		if found := g.check("", []byte(good)); len(found) > 0 {
			t.Errorf("good English is refused: %v", found)
		}
	}
}

// TestTermsOfTheAPI holds the glossary to the API: a state, a status or an action that operators meet there has its word.
func TestTermsOfTheAPI(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	words, _, _ := strings.Cut(string(text), section)
	enum := regexp.MustCompile(`enum: \[([^\]]+)\]`)
	met := 0
	for _, name := range tree(t) {
		if path.Base(name) != "openapi.yaml" {
			continue
		}
		api, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, values := range enum.FindAllSubmatch(api, -1) {
			for value := range strings.SplitSeq(string(values[1]), ",") {
				value = strings.Trim(value, ` "`)
				if slices.Contains([]string{"yes", "no"}, value) {
					continue
				}
				met++
				if !regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`).MatchString(words) {
					t.Errorf("%s has %q, which %s does not explain", name, value, page)
				}
			}
		}
	}
	if met < 15 {
		t.Errorf("%d values: this test looks at the wrong thing", met)
	}
}
