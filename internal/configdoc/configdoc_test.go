// Package configdoc holds the structs that ringup is configured by, .env.example and docs/configuration.md together: the two files are
// made from the structs' tags and comments, and the test fails when they differ. `go test ./internal/configdoc -update` makes them anew.
package configdoc

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/resolve"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/provider/catalog"
)

var update = flag.Bool("update", false, "write .env.example and docs/configuration.md")

const root = "../.."

// setting is a variable.
type setting struct {
	name, value, doc string
	secret           bool // may be in a file
}

// section is a struct with settings.
type section struct {
	title, doc string
	programs   []string
	settings   []setting
}

func sections(t *testing.T) []*section {
	t.Helper()
	var out []*section
	byType := map[reflect.Type]*section{}
	var visit func(program string, typ reflect.Type)
	visit = func(program string, typ reflect.Type) {
		docs, typeDoc := comments(t, typ)
		s := byType[typ]
		if s == nil {
			pkg := filepath.Base(typ.PkgPath())
			if pkg == "send" { // there is one for each vendor
				pkg = filepath.Base(filepath.Dir(typ.PkgPath())) + "/" + pkg
			}
			s = &section{title: pkg + "." + typ.Name(), doc: typeDoc}
			byType[typ] = s
			out = append(out, s)
		}
		first := len(s.programs) == 0
		if !slices.Contains(s.programs, program) {
			s.programs = append(s.programs, program)
		}
		for i := range typ.NumField() {
			field := typ.Field(i)
			tag, found := field.Tag.Lookup("env")
			if !found {
				if field.Type.Kind() == reflect.Struct {
					visit(program, field.Type)
				}
				continue
			}
			if !first {
				continue
			}
			name, rest, _ := strings.Cut(tag, ",")
			_, value, _ := strings.Cut(rest, "default=")
			doc := docs[field.Name]
			if doc == "" {
				t.Errorf("%s.%s (%s) has no comment", typ, field.Name, name)
			}
			s.settings = append(s.settings, setting{name, value, sentence(field.Name, doc), config.IsSecret(field.Type)})
		}
	}
	visit("ingest", reflect.TypeFor[ingest.Config]())
	visit("worker", reflect.TypeFor[worker.Config]())
	for _, c := range catalog.Configs() {
		visit("worker", reflect.TypeOf(c).Elem())
	}
	visit("resolve", reflect.TypeFor[resolve.Config]())
	visit("admin", reflect.TypeFor[admin.Config]())
	return out
}

// comments reads the comments of a struct and its fields from its source.
func comments(t *testing.T, typ reflect.Type) (fields map[string]string, typeDoc string) {
	t.Helper()
	dir := filepath.Join(root, strings.TrimPrefix(typ.PkgPath(), "ringup.dev/ringup/"))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of %s in %s: %v", typ, dir, err)
	}
	fields = map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			general, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range general.Specs {
				spec, ok := s.(*ast.TypeSpec)
				if !ok || spec.Name.Name != typ.Name() {
					continue
				}
				typeDoc = oneLine(general.Doc.Text())
				structure, ok := spec.Type.(*ast.StructType)
				if !ok {
					continue
				}
				for _, f := range structure.Fields.List {
					for _, n := range f.Names {
						fields[n.Name] = strings.TrimPrefix(oneLine(f.Doc.Text()), n.Name+" ")
					}
				}
			}
		}
	}
	return fields, typeDoc
}

// sentence makes one that stands for itself of a comment that begins with a field's name.
func sentence(field, doc string) string {
	for _, verb := range []string{"is ", "are "} {
		if rest, found := strings.CutPrefix(doc, verb); found {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	first, _, _ := strings.Cut(doc, " ")
	if !slices.Contains([]string{"of", "for", "that", "in", "from", "with", "to"}, first) {
		return strings.ToUpper(doc[:1]) + doc[1:]
	}
	words := boundary.ReplaceAllString(field, "$1 $2")
	parts := strings.Fields(words)
	for i, word := range parts {
		if i > 0 && strings.ToUpper(word) != word {
			parts[i] = strings.ToLower(word)
		}
	}
	return strings.Join(parts, " ") + " " + doc
}

var boundary = regexp.MustCompile(`([a-z])([A-Z])`)

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestReference(t *testing.T) {
	t.Parallel()
	var reference, example strings.Builder
	reference.WriteString("# Configuration\n\nBy environment. A program that cannot work with what it finds says so at start, every problem at once, " +
		"each with what to set.\n\nEach secret (marked with ●) may be in a file instead: `NAME_FILE` has its path, and the line break at the file's end does not count. Set one of the two. " +
		"The webhook keys and the operators' tokens are read again within ten seconds after their files have changed; the others at start.\n\nTimes are written as 500ms, 30s, 10m, 24h; lists with commas between.\n\n" +
		"This page is made from the structs in the code: `go test ./internal/configdoc -update`.\n")
	example.WriteString("# Every variable, with its default; NAME_FILE has the path of a secret's file. Made from the structs in the code: go test ./internal/configdoc -update\n")
	seen := map[string]setting{}
	for _, s := range sections(t) {
		if len(s.settings) == 0 {
			continue
		}
		fmt.Fprintf(&reference, "\n## %s\n\n%s Read by: %s.\n\n| variable | default | |\n|---|---|---|\n", s.title, s.doc, strings.Join(s.programs, ", "))
		fmt.Fprintf(&example, "\n# --- %s\n", strings.Join(s.programs, ", "))
		for _, v := range s.settings {
			other, twice := seen[v.name]
			if twice && other != v {
				t.Errorf("%s is said to be two things: %q and, in %s, %q", v.name, other.doc, s.title, v.doc)
			}
			seen[v.name] = v
			shown := ""
			if v.value != "" {
				shown = "`" + v.value + "`"
			}
			mark := ""
			if v.secret {
				mark = " ●"
			}
			fmt.Fprintf(&reference, "| `%s`%s | %s | %s |\n", v.name, mark, shown, strings.ReplaceAll(v.doc, "|", "\\|"))
			if !twice {
				fmt.Fprintf(&example, "# %s\n%s=%s\n", v.doc, v.name, v.value)
			}
		}
	}
	for name, want := range map[string]string{"docs/configuration.md": reference.String(), ".env.example": example.String()} {
		path := filepath.Join(root, name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what the structs say (%v): run go test ./internal/configdoc -update, and look at the change", name, err)
		}
	}
}
