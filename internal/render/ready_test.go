package render

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// hostile are values that a document could take for something else, and some that it could not.
var hostile = []string{"", "John Doe", `<script>alert("x")</script>`, `a & b's "c" + d`, "\x00\xff\ufdd0\ufffe\u2028", "javascript:alert(1)", "https://shop.example/?a=1&b=%zz%20+",
	"</title>", "{{.Business}}", " é 👩‍👩‍👧 مرحبا ", "-->", "\\u0022", "\n\t"}

// views are data of every shape: all of a value, each value alone, several items.
func views() []*view {
	all := []*view{{}}
	for i, text := range hostile {
		other := hostile[(i+1)%len(hostile)]
		all = append(all,
			&view{Business: text, Locale: text, Event: text, Source: text, CustomerName: text, OrderID: text, TransactionID: text, Status: text, Amount: text,
				Time: time.Unix(0, 0), Items: []line{{text, other, text}, {}, {other, text, ""}}},
			&view{CustomerName: text}, &view{OrderID: text, Status: other}, &view{Amount: text, Source: other}, &view{TransactionID: text, Items: []line{{Quantity: text}}})
	}
	return all
}

// same compares a template's steps with what the library makes of it.
func same(t *testing.T, r *ready, v *view) {
	t.Helper()
	got, err := r.execute(v)
	if err != nil {
		t.Fatal(err)
	}
	want, err := (&ready{name: r.name, library: r.library}).execute(v)
	if err != nil || got != want {
		t.Errorf("%s:\n%q, the library makes\n%q, %v", r.name, got, want, err)
	}
}

func TestBuiltInTemplatesAreAsTheLibraryMakesThem(t *testing.T) {
	t.Parallel()
	files, err := load("")
	if err != nil {
		t.Fatal(err)
	}
	for name := range files {
		if name == layoutFile {
			continue
		}
		r, err := prepare(name, files)
		if err != nil {
			t.Fatal(err)
		}
		if r.steps == nil {
			t.Errorf("%s is left to the library, which takes several times as long", name)
		}
		for _, v := range views() {
			same(t, r, v)
		}
	}
}

// templates have what is made ready, and what is left to the library.
var templates = []struct {
	text  string
	ready bool
}{
	{``, true},
	{`{{.Business}} {{- .Amount -}} !{{/* a remark */}}`, true},
	{`{{with .Items}}{{range .}}{{with .Name}}{{.}}{{else with "x"}}{{.}}{{end}}{{else}}none{{end}}{{end}}`, true},
	{`{{range .Items}}<li>{{or .Name .Price "item"}}</li>{{else}}{{.Status}}{{end}}`, true},
	{`{{if .Status}}{{if or .Amount .OrderID}}a{{else}}b{{end}}{{else if .Source}}{{.Source}}{{end}}`, true},
	{`<title>{{.Status}}</title><p title="{{.Status}}" lang='{{.Locale}}'><a href="{{.Source}}">{{.Source}}</a></p>`, true},
	{`{{define "a"}}{{.Status}}{{template "b" .}}{{end}}{{define "b"}}<b>{{.Amount}}</b>{{end}}<title>{{template "a" .}}</title>{{template "a" .}}`, true},
	{`{{with .Status}}{{template "a" .}}{{end}}{{define "a"}}[{{.}}]{{end}}`, true},
	{`{{$x := .Amount}}{{$x}}`, false},
	{`{{range .Items}}{{$.Business}}{{end}}`, false},
	{`{{range $i, $x := .Items}}{{$i}}{{end}}`, false},
	{`{{range .Items}}{{if .Name}}{{break}}{{end}}{{.Price}}{{end}}`, false},
	{`{{.Field "points"}}`, false},
	{`{{.Time}}{{.Time.Year}}`, false},
	{`{{len .Items}}{{printf "%q" .Status}}{{html .Status}}`, false},
	{`{{.Status | printf "%s"}}`, false},
	{`{{template "a" .Status}}{{define "a"}}{{.}}{{end}}`, false},
	{`{{template "a"}}{{define "a"}}x{{end}}`, false},
}

func TestTemplatesAreAsTheLibraryMakesThem(t *testing.T) {
	t.Parallel()
	for _, tt := range templates {
		text, err := parseText("text", tt.text)
		if err != nil {
			t.Fatal(err)
		}
		html, err := parseHTML("html", "", tt.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []*ready{text, html} {
			if (r.steps != nil) != tt.ready {
				t.Errorf("%s of %s: ready is %v", r.name, tt.text, !tt.ready)
			}
			for _, v := range views() {
				same(t, r, v)
			}
		}
	}
}

// TestPlacesThatAreLeftToTheLibrary: a value in a style or a script is escaped in ways of its own.
func TestPlacesThatAreLeftToTheLibrary(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`<p style="color:{{.Status}}">`, `<script>x = {{.Status}}</script>`, `<p title={{.Status}}>`, `<p onclick="f({{.Status}})">`,
		`<a href="/?q={{.Status}}">`, `<!-- {{.Status}} -->`, `<textarea>{{.Status | html}}</textarea>`, `<p title="{{.Status}}`} {
		html, err := parseHTML("html", "", text)
		if err != nil {
			t.Fatal(err)
		}
		if html.steps != nil {
			t.Errorf("%s is made ready", text)
		}
	}
}

// TestPlainTextNeedsNoEscaping: what is not handed to the library to be escaped would come back from it as it is.
func TestPlainTextNeedsNoEscaping(t *testing.T) {
	t.Parallel()
	if len(escapers()) != 4 {
		t.Errorf("%d places are known, want 4", len(escapers()))
	}
	const special = "\x00\"&'+<>"
	var b strings.Builder
	b.WriteString("\xff\xc0")
	for c := range rune(utf8.MaxRune + 1) {
		if !strings.ContainsRune(special, c) {
			b.WriteRune(c)
		}
	}
	plain := b.String()
	for names, e := range escapers() {
		if e.changes == "" {
			continue
		}
		b.Reset()
		if err := e.library.Execute(&b, plain); err != nil || e.changes != special || b.String() != e.before+plain+e.after {
			t.Errorf("%s changes other characters than %q, %v", names, e.changes, err)
		}
	}
}

// FuzzReady: whatever is made ready of a template gives what the library gives.
func FuzzReady(f *testing.F) {
	for i, tt := range templates {
		f.Add(tt.text, hostile[i%len(hostile)], hostile[(i+3)%len(hostile)])
	}
	f.Fuzz(func(t *testing.T, text, a, b string) {
		v := &view{Business: a, Status: b, Amount: a, OrderID: a, Source: b, Locale: "en", Items: []line{{a, b, ""}, {b, "", a}}}
		if r, err := parseText("text", text); err == nil && r.steps != nil {
			same(t, r, v)
		}
		if r, err := parseHTML("html", "", text); err == nil && r.steps != nil {
			same(t, r, v)
		}
	})
}
