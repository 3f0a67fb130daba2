package archtest

import (
	"flag"
	"fmt"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of floors into docs/architecture.md")

// floor is a row of packages below internal/. A package imports packages of lower rows, and of its own row only those that its own path goes
// through: provider/twilio may import provider, and not provider/aws.
type floor struct {
	number   int // as docs/architecture.md draws it; rows with one number are parts of one floor
	packages []string
}

// floors has every package below internal/ but those that only tests use, lowest first.
var floors = []floor{
	{1, []string{"message", "failure", "config/secret", "format"}},
	{1, []string{"event", "config", "telemetry", "telemetry/tracing", "telemetry/otlp", "opsserver"}},
	{2, []string{"address/email", "outbound"}},
	{2, []string{"address", "job", "pricing", "store", "value"}},
	{2, []string{"store/envstore"}},
	{3, []string{"suppress", "inbound", "proxies"}},
	{3, []string{"report", "unsubscribe"}},
	{3, []string{"unsubscribe/page"}},
	{3, []string{"provider"}},
	{3, []string{"provider/transport"}},
	{3, []string{"sender", "sender/fields"}},
	{3, []string{"sender/api"}},
	{3, []string{"sender/shopify", "sender/woocommerce", "sender/stripe", "sender/toast", "sender/square", "sender/loyverse", "sender/clover", "sender/lightspeed"}},
	{3, []string{"sender/catalog", "sender/sample"}},
	{3, []string{"sender/generic", "provider/twilio", "provider/sendgrid", "provider/aws", "provider/whatsapp", "provider/sandbox"}},
	{3, []string{"provider/twilio/send", "provider/sendgrid/send", "provider/aws/send", "provider/whatsapp/send"}},
	{3, []string{"provider/catalog", "provider/callbacks", "provider/limits"}},
	{4, []string{"queue", "render", "gate"}},
	{4, []string{"plan", "redisstore"}},
	{5, []string{"ingest", "worker", "preview", "verdict"}},
	{6, []string{"admin"}},
	{6, []string{"admin/api"}},
	{6, []string{"admin/pages"}},
	{6, []string{"app"}},
	{6, []string{"app/shop"}},
	{6, []string{"app/ingest", "app/worker", "app/resolve", "app/admin"}},
	{6, []string{"app/dev", "cli"}},
}

// testOnly are packages that only tests import.
var testOnly = []string{
	"archtest", "configdoc", "glossarytest", "metricsdoc", "redistest", "admin/admintest", "provider/providertest", "provider/providertest/acme",
	"provider/providertest/acme/send", "queue/queuetest", "sender/sendertest", "sender/sendertest/acme", "report/reporttest",
}

// row returns the place of a package among the floors; -1 where it has none.
func row(pkg string) int {
	return slices.IndexFunc(floors, func(f floor) bool { return slices.Contains(f.packages, pkg) })
}

// allowed says whether a package may import another.
func allowed(importer, imported string) bool {
	upper, lower := row(importer), row(imported)
	return lower < upper || lower == upper && strings.HasPrefix(importer, imported+"/")
}

// TestFloors holds the imports of the code that ships to the table, and the table to the packages that there are.
func TestFloors(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range listed(t, module+"internal/...") {
		pkg := strings.TrimPrefix(p.ImportPath, module+"internal/")
		seen[pkg] = true
		if slices.Contains(testOnly, pkg) {
			continue
		}
		if row(pkg) < 0 {
			t.Errorf("internal/%s is on no floor: give it one", pkg)
			continue
		}
		for _, path := range p.Imports {
			imported, ours := strings.CutPrefix(path, module+"internal/")
			switch {
			case !ours:
			case slices.Contains(testOnly, imported):
				t.Errorf("internal/%s imports internal/%s, which is for tests", pkg, imported)
			case row(imported) >= 0 && !allowed(pkg, imported):
				t.Errorf("internal/%s imports internal/%s, which is not below it", pkg, imported)
			}
		}
	}
	for _, f := range floors {
		for _, pkg := range f.packages {
			if !seen[pkg] {
				t.Errorf("the table names internal/%s, which is not there", pkg)
			}
		}
	}
	for _, pkg := range testOnly {
		if !seen[pkg] {
			t.Errorf("the table names internal/%s, which is not there", pkg)
		}
	}
}

const (
	tableBegin = "<!-- The floors: made by `go test ./internal/archtest -update`. -->\n"
	tableEnd   = "<!-- The floors end. -->\n"
)

// TestFloorsAreDocumented holds the table in docs/architecture.md to the one above; what each package is comes from its doc comment.
func TestFloorsAreDocumented(t *testing.T) {
	t.Parallel()
	const page = "../../docs/architecture.md"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(raw), tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("%s has no place for the table: put %q and %q around it", page, tableBegin, tableEnd)
	}
	want := before + tableBegin + table(t) + tableEnd + after
	if want == string(raw) {
		return
	}
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the table in %s is not the one that the imports are held to: run go test ./internal/archtest -update", page)
}

// table is the floors in Markdown, the highest first.
func table(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| floor | package | what it is |\n|---|---|---|\n")
	for _, f := range slices.Backward(floors) {
		for _, pkg := range f.packages {
			synopsis := synopsis(t, filepath.Join("..", filepath.FromSlash(pkg)))
			if synopsis == "" {
				t.Errorf("internal/%s has no doc comment", pkg)
			}
			fmt.Fprintf(&b, "| %d | `%s` | %s |\n", f.number, pkg, strings.ReplaceAll(synopsis, "|", `\|`))
		}
	}
	return b.String()
}

// synopsis is the first sentence of a package's doc comment, without "Package x".
func synopsis(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if text := parsed.Doc.Text(); text != "" {
			sentence := new(doc.Package).Synopsis(text)
			sentence = strings.TrimPrefix(sentence, "Package "+parsed.Name.Name+" ")
			return strings.TrimSuffix(sentence, ".")
		}
	}
	return ""
}
