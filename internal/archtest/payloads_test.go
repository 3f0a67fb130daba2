package archtest

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPayloadsEndInIngest: ingest makes an event of each payload, and only the event goes on. So only ingest, clients and other senders import
// the package of a sender; internal/event/version1.go reads the payloads that 0.1.0 left in the queue. The test looks at direct imports of the
// code that is shipped.
func TestPayloadsEndInIngest(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	const senders = module + "internal/sender/"
	may := []string{module + "internal/ingest", module + "internal/app/ingest", module + "internal/cli", module + "test/", senders}
	importers := 0
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.Contains(" "+imports, " "+senders) {
			continue
		}
		importers++
		allowed := false
		for _, prefix := range may {
			allowed = allowed || strings.HasPrefix(pkg, prefix)
		}
		if !allowed {
			t.Errorf("%s imports a sender: behind ingest there are events alone", pkg)
		}
	}
	if importers == 0 {
		t.Error("no package imports a sender: this test looks at the wrong thing")
	}
}
