package render

import (
	"fmt"
	htmltemplate "html/template"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

// hostile are values that a document could take for something else, and some that it could not.
var hostile = []string{"", "John Doe", `<script>alert("x")</script>`, `a & b's "c" + d`, "\x00\xff\ufdd0\ufffe\u2028", "javascript:alert(1)", "https://shop.example/?a=1&b=%zz%20+",
	"</title>", "{{.Business}}", " é 👩‍👩‍👧 مرحبا ", "-->", "\\u0022", "\n\t", "\u202e`${x}`", "1.234,50\u00a0€"}

// views are data of every shape: all of a value, each value alone, several items.
func views() []*view {
	all := []*view{{}}
	for i, text := range hostile {
		other := hostile[(i+1)%len(hostile)]
		all = append(all,
			&view{Business: text, Locale: text, Event: text, Source: text, CustomerName: text, OrderID: text, TransactionID: text, Status: text, Amount: text,
				Time: time.Unix(0, 0), Items: []line{{Name: text, Quantity: other, Price: text}, {}, {Name: other, Quantity: text}}, Unsubscribe: text},
			&view{CustomerName: text}, &view{OrderID: text, Status: other}, &view{Amount: text, Source: other}, &view{TransactionID: text, Items: []line{{Quantity: text}}},
			&view{Unsubscribe: text})
	}
	return all
}

// sameAsLibrary compares a template's steps with the library.
func sameAsLibrary(t *testing.T, c *compiled, v *view) {
	t.Helper()
	got, err := c.execute(v)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := c.executeLibrary(v); err != nil || got != want {
		t.Errorf("%s:\n%q, the library makes\n%q, %v", c.name, got, want, err)
	}
}

// setsOf makes the texts of every occasion, channel and audience in a locale.
func setsOf(t testing.TB, locale string) map[key]*set {
	t.Helper()
	f, errs := readFiles("", nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	all := map[key]*set{}
	for _, about := range occasions {
		for _, channel := range message.Channels {
			for _, audience := range message.Audiences {
				k := key{about, channel, audience.String(), locale}
				s, err := f.build(setKey{k, locale})
				if err != nil {
					t.Fatal(err)
				}
				all[k] = s
			}
		}
	}
	return all
}

// libraryOnly makes a template of the sources of a set's part, without steps.
func libraryOnly(t testing.TB, k key, part string) *compiled {
	t.Helper()
	f, errs := readFiles("", nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	w, err := f.wordsOf([]string{k.locale, english})
	if err != nil {
		t.Fatal(err)
	}
	var c *compiled
	if frame := f.frames[parts[k.channel][part]]; part == "html" {
		c, err = f.html(&frame, w.bound(k))
	} else {
		c, err = parseText(frame.name, frame.text, w.bound(k))
	}
	if err != nil {
		t.Fatal(err)
	}
	c.steps = nil
	return c
}

func TestBuiltInTextsAreAsTheLibraryMakesThem(t *testing.T) {
	t.Parallel()
	for k, s := range setsOf(t, english) {
		for part, c := range s.parts {
			if c.steps == nil || c.library != nil {
				t.Fatalf("%v %s is left to the library, which takes several times as long, or its source is not dropped", k, part)
			}
			c.library = libraryOnly(t, k, part).library
			for _, v := range views() {
				sameAsLibrary(t, c, v)
			}
		}
	}
}

// events are those of a type: the sample, the barest, the richest, and for each hostile text the same with that text everywhere.
func events(kind event.Type) []*event.Event {
	rich := func(text, quantity string) *event.Event {
		e := &event.Event{ID: "x", Store: event.DefaultStore, Type: kind, Source: text, Customer: event.Customer{Name: text}, Sale: event.Sale{
			OrderID: text, TransactionID: text, Status: text, Total: "1234.5", Refunded: "1234.5", Currency: "EUR",
		}}
		for i := range 53 {
			e.Items = append(e.Items, event.Item{Name: text + fmt.Sprint(i), Quantity: quantity, UnitPrice: fmt.Sprint(float64(i) / 4)})
		}
		return e
	}
	all := []*event.Event{event.Sample(kind), {ID: "x", Store: event.DefaultStore, Type: kind, At: time.Unix(0, 0)}, rich("Zoë O'Neil & Söhne", "1.5")}
	for _, text := range hostile {
		all = append(all, rich("x"+strings.ToValidUTF8(text, "?"), "2"))
	}
	return all
}

// TestMessagesAreAsTheLibraryMakesThem: a renderer makes the same messages with compiled templates and without any.
func TestMessagesAreAsTheLibraryMakesThem(t *testing.T) {
	t.Parallel()
	shop := store.Only(&store.Store{ID: event.DefaultStore, Name: `Luna's "Coffee" & <Co>`, Locale: "en"})
	link := func(message.Address) string { return "https://hooks.example.com/unsubscribe/AZaz09-_?a=1&b=%20" }
	compiled, err := New(Config{}, shop)
	if err != nil {
		t.Fatal(err)
	}
	library, err := New(Config{}, shop)
	if err != nil {
		t.Fatal(err)
	}
	compiled.Unsubscribe, library.Unsubscribe = link, link
	for k, s := range setsOf(t, english) {
		for part := range s.parts {
			s.parts[part] = libraryOnly(t, k, part)
		}
		library.sets[setKey{k, english}] = s
	}
	for _, kind := range event.Types {
		for _, e := range events(kind) {
			for _, channel := range message.Channels {
				for _, audience := range message.Audiences {
					got, err := compiled.Render(jobOf(t, channel, audience, e))
					if err != nil {
						t.Fatalf("%v of %+v", err, e)
					}
					if want, err := library.Render(jobOf(t, channel, audience, e)); err != nil || !reflect.DeepEqual(got, want) {
						t.Errorf("%s %s %s: %+v, the library makes %+v, %v", kind, channel, audience, got, want, err)
					}
				}
			}
		}
	}
}

// templates are ones that are compiled, and ones that are left to the library.
var templates = []struct {
	text     string
	compiled bool
}{
	{``, true},
	{`{{.Business}} {{- .Amount -}} !{{/* a remark */}}`, true},
	{`{{with .Items}}{{range .}}{{with .Name}}{{.}}{{else with "x"}}{{.}}{{end}}{{else}}none{{end}}{{end}}`, true},
	{`{{range .Items}}<li>{{or .Name .Price "item"}}</li>{{else}}{{.Status}}{{end}}`, true},
	{`{{if .Status}}{{if or .Amount .OrderID}}a{{else}}b{{end}}{{else if .Source}}{{.Source}}{{end}}`, true},
	{`<title>{{.Status}}</title><p title="{{.Status}}" lang='{{.Locale}}'><a href="{{.Source}}">{{.Source}}</a></p>`, true},
	{`{{define "a"}}{{.Status}}{{template "b" .}}{{end}}{{define "b"}}<b>{{.Amount}}</b>{{end}}<title>{{template "a" .}}</title>{{template "a" .}}`, true},
	{`{{with .Status}}{{template "a" .}}{{end}}{{define "a"}}[{{.}}]{{end}}`, true},
	{`{{block "a" .}}{{"<b>"}}{{or .Status}}{{end}}`, true},
	{"<!-- a --><style>p{color:red}/* b */</style><script>// c\n</script>{{.Status}}", true},
	{`{{$x := .Amount}}{{$x}}`, false},
	{`{{$}}{{$.Business}}`, false},
	{`{{$x := .Amount}}`, false},
	{`{{with $x := .Status}}{{.}}{{end}}`, false},
	{`{{range .Items}}{{$.Business}}{{end}}`, false},
	{`{{range $i, $x := .Items}}{{$i}}{{end}}`, false},
	{`{{range .Items}}{{if .Name}}{{break}}{{end}}{{.Price}}{{end}}`, false},
	{`{{range .Items}}{{continue}}{{end}}`, false},
	{`{{range 2}}x{{end}}`, false},
	{`{{.Field "points"}}`, false},
	{`{{.Time}}{{.Time.Year}}`, false},
	{`{{len .Items}}{{printf "%q" .Status}}{{html .Status}}`, false},
	{`{{.Status | printf "%s"}}`, false},
	{`{{.Status | html}}`, false},
	{`{{and .Status .Amount}}`, false},
	{`{{or .Status 1}}`, false},
	{`{{or (.Status) .Amount}}`, false},
	{`{{if not .Status}}x{{end}}`, false},
	{`{{if .Status | len}}x{{end}}`, false},
	{`{{with .}}{{.Status}}{{end}}`, false},
	{`{{1}}{{true}}`, false},
	{`{{template "a" .Status}}{{define "a"}}{{.}}{{end}}`, false},
	{`{{template "a"}}{{define "a"}}x{{end}}`, false},
	{`{{if .Status}}{{template "a" .Status}}{{end}}{{define "a"}}{{.}}{{end}}`, false},
}

func TestTemplatesAreAsTheLibraryMakesThem(t *testing.T) {
	t.Parallel()
	for _, tt := range templates {
		text, err := parseText("text", tt.text, nil)
		if err != nil {
			t.Fatal(err)
		}
		html, err := parseHTML("html", noLayout, tt.text, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*compiled{text, html} {
			if (c.checked().steps != nil) != tt.compiled {
				t.Errorf("%s of %s: compiled is %v", c.name, tt.text, !tt.compiled)
			}
			for _, v := range views() {
				sameAsLibrary(t, c, v)
			}
		}
	}
}

// TestTemplatesThatFailAreLeftToTheLibrary: the library reports the error, and the steps would hide it.
func TestTemplatesThatFailAreLeftToTheLibrary(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{{.Missing}}`, `{{.body}}`, `{{.Status.Size}}`, `{{.Status "x"}}`, `{{range .Status}}{{end}}`, `{{template "missing" .}}`, `{{or}}`,
		`{{define "a"}}x{{template "a" .}}{{end}}{{template "a" .}}`, `{{with .Items}}{{.Name}}{{end}}`,
		`{{define "a"}}{{if .Status}}{{template "a" .}}{{end}}{{end}}{{template "a" .}}`} {
		plain, err := parseText("text", text, nil)
		if err != nil {
			t.Fatal(err)
		}
		html, err := parseHTML("html", noLayout, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if plain.steps != nil || html.steps != nil {
			t.Errorf("%s is compiled", text)
		}
	}
	for _, text := range []string{`<p title="{{.Status}}`, `<a href={{if .Status}}"{{end}}>`, `<script>{{if .Status}}"{{end}}</script>`} {
		html, err := parseHTML("html", noLayout, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := html.execute(&view{}); html.steps != nil || err == nil {
			t.Errorf("%s is compiled, or has no error", text)
		}
	}
}

// TestLargeTemplatesAreLeftToTheLibrary: includes of includes of includes would take the memory of a whole worker.
func TestLargeTemplatesAreLeftToTheLibrary(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 9 {
		fmt.Fprintf(&b, `{{define "%d"}}%s{{end}}`, i, strings.Repeat(fmt.Sprintf(`{{template "%d" .}}`, i+1), 10))
	}
	b.WriteString(`{{define "9"}}x{{end}}{{template "0" .}}`)
	if c, err := parseText("text", b.String(), nil); err != nil || c.steps != nil {
		t.Errorf("compiled, %v", err)
	}
}

// TestPlacesThatAreLeftToTheLibrary: a value in a style or a script is escaped in ways of its own.
func TestPlacesThatAreLeftToTheLibrary(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`<p style="color:{{.Status}}">`, `<script>x = {{.Status}}</script>`, `<p title={{.Status}}>`, `<p onclick="f({{.Status}})">`,
		`<a href="/?q={{.Status}}">`, `<!-- {{.Status}} -->`, `<textarea>{{.Status | html}}</textarea>`, `<p title="{{.Status}}`, `<img srcset="{{.Status}}">`,
		`<style>p{color:{{.Status}}}</style>`, `<p {{.Status}}="x">`, `<a href={{.Status}}>`} {
		html, err := parseHTML("html", noLayout, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if html.steps != nil {
			t.Errorf("%s is compiled", text)
		}
	}
}

// TestStepsThatDifferAreLeftToTheLibrary: what a Go release could change is found when the template is loaded.
func TestStepsThatDifferAreLeftToTheLibrary(t *testing.T) {
	t.Parallel()
	for _, tt := range [][2]string{
		{`{{.Status}}`, `{{.Source}}`},
		{`<p title="{{.Status}}">{{.Status}}`, `<p title="{{.Status}}">`},
		{`{{if .Status}}a{{else}}b{{end}}`, `{{if .Status}}a{{end}}`},
		{`{{range .Items}}{{.Name}}-{{end}}`, `{{with .Items}}-{{end}}`},
		{`{{range .Items}}{{or .Name "x"}}{{end}}`, `{{range .Items}}{{.Name}}{{end}}`},
	} {
		right, err := parseHTML("right", noLayout, tt[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		wrong, err := parseHTML("wrong", noLayout, tt[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		mixed := &compiled{name: "mixed", library: right.library, steps: wrong.steps, html: true}
		if right.checked().steps == nil || wrong.checked().steps == nil || mixed.checked().steps != nil {
			t.Errorf("the steps of %s pass for %s", tt[1], tt[0])
		}
	}
	unescaped, err := parseText("unescaped", `<b>{{.Status}}</b>`, nil)
	if err != nil {
		t.Fatal(err)
	}
	escaped, err := parseHTML("escaped", noLayout, `<b>{{.Status}}</b>`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if mixed := (&compiled{name: "mixed", library: escaped.library, steps: unescaped.steps, html: true}).checked(); mixed.steps != nil {
		t.Error("a value that is not escaped passed")
	}
}

// TestPlacesAreFound: html/template tells the places of e-mails apart. It says nothing about a place that changes an empty text, has no
// value, or has the functions of another.
func TestPlacesAreFound(t *testing.T) {
	t.Parallel()
	if len(places()) != len(documents) {
		t.Errorf("%d places are known, want %d", len(places()), len(documents))
	}
	for _, text := range []string{`<p title={{.}}>`, `<p>`, `<p title="{{.}}`} {
		if functions, _, ok := newPlace(document{text, true}); ok {
			t.Errorf("%s is a place, by %s", text, functions)
		}
	}
	if known := findPlaces([]document{{`{{.}}`, true}, {`<b>{{.}}</b>`, true}}); known != nil {
		t.Errorf("%v", known)
	}
	// A link is not bytewise. If it is said to be, pairs of characters do not show that; one text with all of them does.
	for _, d := range []document{{`<img srcset="{{.}}">`, true}, {`<a href="{{.}}">`, true}} {
		_, p, ok := newPlace(d)
		if !ok {
			t.Fatal(d.text)
		}
		if p.plain['a'] {
			t.Errorf("%s has plain characters", d.text)
		}
	}
}

// TestFailedEscapeFailsTheMessage: a value that cannot be escaped must not be left out silently, and the next message has no trace of it.
func TestFailedEscapeFailsTheMessage(t *testing.T) {
	t.Parallel()
	p := &place{library: htmltemplate.Must(htmltemplate.New("").Parse(`{{slice . 4}}`))}
	c := &compiled{name: "x", steps: []step{func(out *output, dot reflect.Value) { p.write(out, dot.FieldByName("Status").String()) }}}
	for range 2 {
		if text, err := c.execute(&view{Status: "abc"}); err == nil || text != "" || !strings.Contains(err.Error(), "template x") || strings.Contains(err.Error(), "abc") {
			t.Errorf("%q, %v", text, err)
		}
		if text, err := c.execute(&view{Status: "abcdef"}); err != nil || text != "ef" {
			t.Errorf("%q, %v", text, err)
		}
	}
}

// TestPlainTextStaysAsItIs: the library would return unchanged what is not given to it.
func TestPlainTextStaysAsItIs(t *testing.T) {
	t.Parallel()
	const special = "\x00\"&'+<>"
	for functions, p := range places() {
		if functions == linkFunctions(t) {
			if p.plain != [256]bool{} {
				t.Error("a link has plain characters")
			}
			continue
		}
		var plain strings.Builder
		for c := range rune(utf8.MaxRune + 1) {
			if c < utf8.RuneSelf && p.plain[c] == strings.ContainsRune(special, c) {
				t.Errorf("%s: %q is plain: %t", functions, c, p.plain[c])
			}
			if !strings.ContainsRune(special, c) {
				plain.WriteRune(c)
			}
		}
		plain.WriteString("\xff\xc0")
		for a := range byte(0x80) {
			for b := range byte(0x80) {
				if p.plain[a] && p.plain[b] {
					plain.Write([]byte{a, b})
				}
			}
		}
		if p.escaped(plain.String()) != plain.String() {
			t.Errorf("%s changes other characters than %q", functions, special)
		}
	}
}

// linkFunctions are the functions of the place that is not bytewise.
func linkFunctions(t *testing.T) string {
	t.Helper()
	functions, _, ok := newPlace(documents[3])
	if !ok || documents[3].bytewise {
		t.Fatal("no link")
	}
	return functions
}

func BenchmarkTemplate(b *testing.B) {
	v := &view{Business: "Luna Coffee", Locale: "en", Event: "pos_save", CustomerName: "John Doe", Order: "ORD_1", OrderID: "ORD_1", TransactionID: "TX_1", Amount: "$125.50",
		Items:       []line{{Name: "Espresso", Quantity: "2", Price: "$3.25", Each: "2 × $3.25", Total: "$6.50"}, {Name: "Moka pot", Quantity: "1", Price: "$119.00", Total: "$119.00"}},
		Unsubscribe: "https://hooks.example.com/unsubscribe/AZaz09-_"}
	for k, s := range setsOf(b, english) {
		if k.occasion != posSave || k.audience != "customer" {
			continue
		}
		for part, c := range s.parts {
			for by, execute := range map[string]func(*view) (string, error){"steps": c.execute, "library": libraryOnly(b, k, part).executeLibrary} {
				b.Run(string(k.channel)+"."+part+"/"+by, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if _, err := execute(v); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
