// Package archtest holds the code to its structure: the floors that packages are on, what must never be imported, how secrets are compared.
// docs/architecture.md shows the floors.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "ringup.dev/ringup/"

// pkg is what `go list` says of a package: what its files import, and all that it links.
type pkg struct {
	ImportPath    string
	Imports, Deps []string
}

// listed asks `go list` about packages.
func listed(t *testing.T, patterns ...string) []pkg {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, patterns...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// under says whether a package is one of some, or below one. A star stands for one part of a path.
func under(path string, patterns ...string) bool {
	parts := strings.Split(path, "/")
	for _, pattern := range patterns {
		want := strings.Split(pattern, "/")
		if len(parts) < len(want) {
			continue
		}
		fits := true
		for i := range want {
			fits = fits && (want[i] == "*" || want[i] == parts[i])
		}
		if fits {
			return true
		}
	}
	return false
}

var (
	redis = []string{"github.com/redis"}
	sdks  = []string{"github.com/twilio", "github.com/sendgrid", "github.com/aws"}
	tests = []string{module + "test", module + "internal/redistest"}
)

// never is a rule without exception: of the packages named, none links what is forbidden. With direct, none imports it; what they import may.
type never struct {
	packages  []string // but for those of except
	except    []string
	forbidden []string
	direct    bool
	reason    string
}

var nevers = []never{
	{
		packages: []string{module + "*"}, except: append([]string{module + "internal/redisstore"}, tests...), forbidden: redis, direct: true,
		reason: "all that ringup knows of Redis is in redisstore",
	},
	{
		packages: []string{module + "*"}, except: []string{module + "internal/provider/*/send", module + "test"}, forbidden: sdks, direct: true,
		reason: "a provider's SDK is linked by its send package alone",
	},
	{
		packages: []string{module + "internal/sender"}, forbidden: []string{module + "internal/provider"},
		reason: "senders and providers do not know each other",
	},
	{
		packages: []string{module + "internal/provider"}, forbidden: []string{module + "internal/sender"},
		reason: "senders and providers do not know each other",
	},
	{
		packages:  []string{module + "internal/ingest", module + "internal/app/ingest", module + "cmd/ingest"},
		forbidden: append([]string{module + "internal/provider/*/send", module + "internal/worker", module + "internal/render", "github.com/alicebob"}, sdks...),
		reason:    "ingest takes webhooks; it renders and sends nothing",
	},
	{
		packages: []string{
			module + "internal/gate", module + "internal/plan", module + "internal/event", module + "internal/job", module + "internal/pricing", module + "internal/format",
		},
		forbidden: append([]string{"net/http"}, redis...),
		reason:    "it decides, and talks to nobody",
	},
	{
		packages: []string{module + "*"}, except: append([]string{module + "internal/provider/providertest"}, tests...), forbidden: []string{module + "test"}, direct: true,
		reason: "only tests import what is below test/",
	},
	{
		packages:  []string{module + "*"},
		except:    append([]string{module + "internal/ingest", module + "internal/app/ingest", module + "internal/app/resolve", module + "internal/preview", module + "internal/app/dev", module + "internal/cli", module + "internal/sender"}, tests...),
		forbidden: []string{module + "internal/sender"}, direct: true,
		reason: "behind ingest there are events; a till's own JSON stops there",
	},
	{
		packages: []string{module + "internal/worker", module + "internal/ingest", module + "internal/admin"}, except: []string{module + "internal/admin/admintest"},
		forbidden: []string{module + "internal/redisstore"},
		reason:    "it knows the contract of the queue, and not its store",
	},
	{
		packages: []string{module + "internal/worker"}, forbidden: adapters(),
		reason: "it knows the contract of the providers, and none of them",
	},
	{
		packages:  []string{module + "cmd/worker"},
		forbidden: []string{module + "internal/ingest", "github.com/alicebob", "github.com/go-chi"},
		reason:    "a worker takes no webhooks",
	},
	{
		packages: []string{module + "cmd/resolve"}, forbidden: append([]string{module + "internal/ingest", module + "internal/render", "github.com/alicebob"}, sdks...),
		reason: "it asks senders, and sends nothing",
	},
	{
		packages:  []string{module + "cmd/admin"},
		forbidden: append([]string{module + "internal/worker", module + "internal/ingest", "github.com/alicebob"}, sdks...),
		reason:    "it sends nothing",
	},
	{
		packages: []string{module + "internal/gate", module + "cmd/worker"}, forbidden: []string{"github.com/nyaruka"},
		reason: "the library's numbering plans would cost every worker memory and time",
	},
}

// adapters are the folders of the providers, by the table of floors: all below provider but the packages that they share or that list them.
func adapters() []string {
	var all []string
	for _, f := range floors {
		for _, pkg := range f.packages {
			name, below := strings.CutPrefix(pkg, "provider/")
			if below && !strings.Contains(name, "/") && !slices.Contains([]string{"transport", "catalog", "callbacks", "limits"}, name) {
				all = append(all, module+"internal/"+pkg)
			}
		}
	}
	return all
}

// apart has a rule for each adapter: it does not know the others.
func apart() []never {
	var rules []never
	for _, one := range adapters() {
		others := slices.DeleteFunc(adapters(), func(other string) bool { return other == one })
		rules = append(rules, never{packages: []string{one}, forbidden: others, reason: "providers do not know each other"})
	}
	return rules
}

// TestNever holds every package to the rules without exception.
func TestNever(t *testing.T) {
	t.Parallel()
	all := listed(t, module+"...")
	for _, n := range append(apart(), nevers...) {
		looked := 0
		for _, p := range all {
			if !under(p.ImportPath, n.packages...) || under(p.ImportPath, n.except...) {
				continue
			}
			looked++
			links := p.Deps
			if n.direct {
				links = p.Imports
			}
			for _, path := range links {
				if under(path, n.forbidden...) && !under(path, p.ImportPath) {
					t.Errorf("%s depends on %s: %s", p.ImportPath, path, n.reason)
				}
			}
		}
		if looked == 0 {
			t.Errorf("no package is any of %v: this rule looks at nothing", n.packages)
		}
	}
}

// TestNeverLooksAtSomething: the libraries that the rules forbid are linked where they are allowed, by the names that the rules have.
func TestNeverLooksAtSomething(t *testing.T) {
	t.Parallel()
	for pkg, wanted := range map[string][]string{
		module + "internal/redisstore": redis, module + "cmd/worker": append(adapters(), sdks...), module + "cmd/ringup": {"github.com/alicebob"},
		module + "internal/ingest": {module + "internal/sender"}, module + "internal/app/admin": {module + "internal/redisstore"},
		module + "cmd/ingest": {"github.com/go-chi", "github.com/nyaruka"},
	} {
		deps := listed(t, pkg)[0].Deps
		for _, want := range wanted {
			found := false
			for _, path := range deps {
				found = found || under(path, want)
			}
			if !found {
				t.Errorf("%s does not link %s: a rule that forbids it elsewhere looks at nothing", pkg, want)
			}
		}
	}
}

// TestTwilioIsNotLinkedWhole: the SDK's umbrella package links every product that Twilio has.
func TestTwilioIsNotLinkedWhole(t *testing.T) {
	t.Parallel()
	found := false
	for _, path := range listed(t, module+"cmd/worker")[0].Deps {
		switch {
		case path == "github.com/twilio/twilio-go/rest/api/v2010":
			found = true
		case strings.HasPrefix(path, "github.com/twilio/twilio-go/rest"), path == "github.com/twilio/twilio-go":
			t.Errorf("the worker links %s", path)
		}
	}
	if !found {
		t.Error("the worker does not link Twilio's messaging API: this test looks at the wrong thing")
	}
}
