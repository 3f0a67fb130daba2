// Package archtest holds the import rules: who may know whom. docs/architecture.md says why the folders are as they are.
package archtest

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "ringup.dev/ringup/"

// rule: none of a package's dependencies, its own ones or theirs, may begin with one of these, but for the tables.
type rule struct {
	pkg       string
	forbidden []string
	reason    string
}

const redis = "github.com/redis/go-redis"

var sdks = []string{"github.com/twilio/", "github.com/sendgrid/", "github.com/aws/"}

// tables are what adapters and callbacks both know of a provider: what its codes mean, how an id is written as tags. They lie below the
// adapters and know nothing of them, so whoever may not know an adapter may still know these.
var tables = []string{module + "internal/provider/twilio/codes", module + "internal/provider/whatsapp/codes", module + "internal/provider/aws/tags"}

var rules = []rule{
	{"internal/message", []string{module + "internal/"}, "the nouns know nobody"},
	{"internal/config/secret", []string{module + "internal/"}, "it knows nobody"},
	{"internal/job", []string{redis, module + "internal/queue", module + "internal/provider"}, "a job's bytes outlive store and providers"},
	{"internal/event", []string{redis, "net/http", module + "internal/"}, "an event is not HTTP"},
	{"internal/store", []string{redis, "net/http", module + "internal/queue", module + "internal/provider", "github.com/nyaruka/phonenumbers"},
		"workers look stores up, and do without the numbering plans"},
	{"internal/store/envstore", []string{redis, "net/http", module + "internal/address", "github.com/nyaruka/phonenumbers"}, "as store"},
	{"internal/plan", []string{redis, "net/http", module + "internal/provider", module + "internal/redisstore"}, "pure"},
	{"internal/address", []string{redis, "net/http", module + "internal/queue", module + "internal/provider"}, "pure"},
	{"internal/person", []string{redis, module + "internal/queue", module + "internal/provider"}, "pure"},
	{"internal/render", []string{redis, module + "internal/queue", module + "internal/provider"}, "pure"},
	{"internal/pricing", []string{redis, "net/http", module + "internal/queue", module + "internal/provider", "github.com/nyaruka/phonenumbers"}, "pure"},
	{"internal/quiet", []string{redis, "net/http", module + "internal/queue", module + "internal/provider", "github.com/nyaruka/phonenumbers"},
		"pure, and the library's numbering plans would cost every worker memory and time"},
	{"internal/unsubscribe", []string{redis, "github.com/go-chi/", module + "internal/queue", module + "internal/ingest", module + "internal/render"},
		"ingest serves the page, and workers make the links"},
	{"internal/queue", []string{redis, "net/http", module + "internal/provider/", module + "internal/worker"}, "the contract outlives the store"},
	{"internal/redisstore", []string{module + "internal/worker", module + "internal/ingest", module + "internal/provider/"}, "storage has no policy"},
	{"internal/callback", append([]string{redis, module + "internal/provider/", module + "internal/queue", module + "internal/worker", module + "internal/ingest",
		module + "internal/render"}, sdks...), "it reads what providers say, and hands it on"},
	{"internal/provider/twilio/codes", append([]string{redis, "net/http", module + "internal/provider/"}, sdks...), "a table"},
	{"internal/provider/whatsapp/codes", append([]string{redis, "net/http", module + "internal/provider/"}, sdks...), "a table"},
	{"internal/provider/aws/tags", append([]string{redis, "net/http", module + "internal/provider/"}, sdks...), "a way to write"},
	// The contract, internal/provider itself, it may know: callbacks say in its words why a message failed.
	{"internal/ingest", append([]string{redis, module + "internal/provider/", module + "internal/worker", module + "internal/render"}, sdks...),
		"ingest stays stateless and small"},
	{"internal/worker", append([]string{redis, module + "internal/redisstore", module + "internal/provider/", module + "internal/ingest"}, sdks...),
		"policy without mechanism"},
	{"internal/provider", []string{"net/http", redis, module + "internal/queue", module + "internal/worker"}, "the contract"},
	{"internal/provider/sandbox", []string{redis, module + "internal/worker", module + "internal/redisstore"}, "an adapter sends, once"},
	{"internal/provider/transport", append([]string{redis, module + "internal/queue"}, sdks...), "it knows no provider"},
	{"internal/provider/twilio", adapter("twilio"), "an adapter sends, once"},
	{"internal/provider/aws", adapter("aws"), "an adapter sends, once"},
	{"internal/provider/sendgrid", adapter("sendgrid"), "an adapter sends, once"},
	{"internal/provider/whatsapp", adapter("whatsapp"), "an adapter sends, once"},
	{"internal/opsserver", []string{redis, module + "internal/"}, "it serves whatever it is handed"},
	{"internal/admin", append([]string{redis, module + "internal/redisstore", module + "internal/worker", module + "internal/provider/"}, sdks...),
		"pages over the queue's contract"},
	{"cmd/admin", append([]string{module + "internal/worker", module + "internal/ingest", "github.com/alicebob/"}, sdks...), "it sends nothing"},
	{"cmd/ingest", append([]string{module + "internal/worker", module + "internal/provider/", module + "internal/render", "github.com/alicebob/"}, sdks...),
		"ingest links no provider's SDK and no worker code"},
	{"cmd/worker", []string{module + "internal/ingest", "github.com/alicebob/", "github.com/go-chi/", module + "test/"}, "a worker takes no webhooks"},
}

// adapter is what an adapter must not know: the queue, the worker, and the other adapters.
func adapter(name string) []string {
	forbidden := []string{redis, module + "internal/queue", module + "internal/worker", module + "internal/ingest"}
	for _, other := range []string{"twilio", "aws", "sendgrid", "whatsapp", "sandbox"} {
		if other != name {
			forbidden = append(forbidden, module+"internal/provider/"+other)
		}
	}
	return forbidden
}

// covered says whether a rule speaks of a dependency; a package and what lies below it are its own.
func covered(r rule, dep, prefix string) bool {
	if slices.Contains(tables, dep) {
		return false
	}
	return strings.HasPrefix(dep, prefix) && dep != module+r.pkg && !strings.HasPrefix(dep, module+r.pkg+"/")
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		t.Run(r.pkg, func(t *testing.T) {
			t.Parallel()
			out, err := exec.Command("go", "list", "-json=Deps", module+r.pkg).Output()
			if err != nil {
				t.Fatalf("the rule names a package that is not there: %v", err)
			}
			var listed struct{ Deps []string }
			if err := json.Unmarshal(out, &listed); err != nil {
				t.Fatal(err)
			}
			for _, dep := range listed.Deps {
				for _, prefix := range r.forbidden {
					if covered(r, dep, prefix) {
						t.Errorf("%s depends on %s: %s", r.pkg, dep, r.reason)
					}
				}
			}
		})
	}
}

// TestOnlyTheQueueSpeaksRedis looks at direct imports, of the code that is shipped.
func TestOnlyTheQueueSpeaksRedis(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(line, " ")
		switch speaks := strings.Contains(imports, redis); {
		case speaks && pkg == module+"internal/redisstore":
			found = true
		case speaks && pkg != module+"internal/redistest" && !strings.HasPrefix(pkg, module+"test/"):
			t.Errorf("%s speaks to Redis: all that knows of Redis is in redisstore", pkg)
		}
	}
	if !found {
		t.Error("redisstore does not import go-redis: this test looks at the wrong thing")
	}
}

// TestTwilioIsNotLinkedWhole: the SDK's umbrella package links every product that Twilio has.
func TestTwilioIsNotLinkedWhole(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", module+"cmd/worker").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for pkg := range strings.Lines(string(out)) {
		switch pkg = strings.TrimSpace(pkg); {
		case pkg == "github.com/twilio/twilio-go/rest/api/v2010":
			found = true
		case strings.HasPrefix(pkg, "github.com/twilio/twilio-go/rest"), pkg == "github.com/twilio/twilio-go":
			t.Errorf("the worker links %s", pkg)
		}
	}
	if !found {
		t.Error("the worker does not link Twilio's messaging API: this test looks at the wrong thing")
	}
}
