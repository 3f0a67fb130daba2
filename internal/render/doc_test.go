package render

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

var update = flag.Bool("update", false, "write the tables of docs/templates.md")

const docFile = "../../docs/templates.md"

// documented is an event, and its store, with something in every field.
func documented() (*event.Event, *store.Store) {
	e := event.Sample(event.PaymentComplete)
	e.Sale.OrderName, e.Sale.Subtotal, e.Sale.Discount, e.Sale.Tax, e.Sale.Tip, e.Sale.Refunded, e.Sale.Place = "#1001", "125.50", "5", "3.00", "2", "10", "Table 7"
	e.Sale.Payment, e.Sale.ReceiptURL = event.Payment{Brand: "Visa", LastFour: "4242"}, "https://till.example.com/r/1"
	e.Items[0].Options = []string{"double", "oat milk"}
	s := &store.Store{ID: event.DefaultStore, Name: "Luna Coffee", Locale: "en", Brand: store.Brand{Logo: "https://cdn.example.com/logo.png", Color: "#0b5fff", Address: "1 Main St, Springfield",
		TaxNumber: "US 12-3456789", Support: "+1 202 555 0100"}}
	return e, s
}

// comments are those of the fields of a struct, or of functions and methods, by name.
func comments(t *testing.T) (fields map[string]map[string]string, funcs map[string]string) {
	t.Helper()
	fields, funcs = map[string]map[string]string{}, map[string]string{}
	for _, file := range []string{"view.go", "functions.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				funcs[n.Name.Name] = strings.Join(strings.Fields(n.Doc.Text()), " ")
			case *ast.TypeSpec:
				if s, is := n.Type.(*ast.StructType); is {
					of := map[string]string{}
					for _, f := range s.Fields.List {
						for _, name := range f.Names {
							of[name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
						}
					}
					fields[n.Name.Name] = of
				}
			}
			return true
		})
	}
	return fields, funcs
}

// fieldTable is the table of a struct's fields, with their values.
func fieldTable(t *testing.T, of any, docs map[string]string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| field | meaning | in the example |\n|---|---|---|\n")
	for field, value := range reflect.ValueOf(of).Fields() {
		if !field.IsExported() {
			continue
		}
		doc := docs[field.Name]
		if doc == "" {
			t.Errorf("%s has no comment", field.Name)
		}
		shown := fmt.Sprint(value.Interface())
		if field.Type.Kind() == reflect.Slice {
			shown = "see below"
		} else if shown != "" {
			shown = "`" + strings.ReplaceAll(shown, "\u202f", " ") + "`"
		}
		fmt.Fprintf(&b, "| `.%s` | %s | %s |\n", field.Name, strings.ReplaceAll(doc, "|", "\\|"), shown)
	}
	return b.String()
}

// tables are the parts of docs/templates.md that are made of the code, by name.
func tables(t *testing.T) map[string]string {
	t.Helper()
	e, s := documented()
	r := renderer(t, Config{}, store.Only(s))
	r.Unsubscribe = func(message.Address) string { return "https://hooks.example.com/unsubscribe/AZaz" }
	render := func(channel message.Channel, audience message.Audience, e *event.Event) (message.Message, *view) {
		chosen, err := r.choose(request{occasionFor(e), channel, audience, "", s.Locale})
		if err != nil {
			t.Fatal(err)
		}
		v := &view{}
		r.fill(v, &job.Job{Channel: channel, Audience: audience}, e, s, occasionFor(e), readStatus(e.Sale.Status, nil), chosen.set, chosen.locale)
		return rendered(t, r, channel, audience, e), v
	}
	fields, funcs := comments(t)
	_, v := render(message.Email, message.Customer, e)
	all := map[string]string{"fields": fieldTable(t, *v, fields["view"]), "item": fieldTable(t, v.Items[0], fields["line"])}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(ownFunctions)) {
		of := name
		switch name {
		case "json":
			of = "quoted"
		case "number":
			of = "quantity"
		}
		_, doc, _ := strings.Cut(funcs[of], " ")
		if doc == "" {
			t.Errorf("%s has no comment", name)
		}
		fmt.Fprintf(&b, "- `%s` %s\n", name, regexp.MustCompile(`\{\{[^}]*\}\}`).ReplaceAllString(doc, "`$0`"))
	}
	_, doc, _ := strings.Cut(funcs["Field"], " ")
	fmt.Fprintf(&b, "- `.Field` %s\n", doc)
	all["functions"] = b.String()
	b.Reset()
	b.WriteString("| occasion | a text message of it |\n|---|---|\n")
	for _, about := range occasions {
		m, _ := render(message.SMS, message.Customer, sampleOf(about))
		fmt.Fprintf(&b, "| `%s` | %s |\n", about, m.Text)
	}
	all["occasions"] = b.String()
	f, errs := readFiles("", nil)
	w, err := f.wordsOf([]string{english})
	if len(errs) > 0 || err != nil {
		t.Fatal(errs, err)
	}
	b.Reset()
	b.WriteString("| block | English |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(w)) {
		text, err := parseText("x", `{{template "`+name+`" .}}`, w)
		if err != nil {
			t.Fatal(err)
		}
		v.More = "12"
		shown, err := text.execute(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, shown)
	}
	all["blocks"] = b.String()
	all["languages"] = "`" + strings.Join(f.locales(), "`, `") + "`\n"
	return all
}

func occasionFor(e *event.Event) occasion {
	about, _ := occasionOf(e, readStatus(e.Sale.Status, nil))
	return about
}

// TestDocs holds docs/templates.md to the code: `go test ./internal/render -run TestDocs -update` writes its tables.
func TestDocs(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for name, table := range tables(t) {
		begin, end := "<!-- "+name+": made by `go test ./internal/render -run TestDocs -update`. -->\n", "<!-- end of "+name+" -->"
		before, rest, found := strings.Cut(text, begin)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("docs/templates.md has no place for %s: %s…%s", name, begin, end)
		}
		text = before + begin + table + end + after
	}
	switch {
	case text == string(content):
	case *update:
		if err := os.WriteFile(docFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("docs/templates.md is not as the code: go test ./internal/render -run TestDocs -update")
	}
	for name := range map[string]bool{layoutFile: true, subjectFile: true, "frame.sms.txt": true, "frame.whatsapp.txt": true, "frame.email.txt": true, oldLayout: true} {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("docs/templates.md does not name %s", name)
		}
	}
}
