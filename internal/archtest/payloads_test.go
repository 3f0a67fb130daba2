package archtest

import (
	"os/exec"
	"strings"
	"testing"
)

// TestNobodyBehindIngestReadsPayloads: what a sender posts becomes an event in ingest, and only the event goes on. So a package of a sender's
// payloads is imported by ingest, by clients and by other senders alone; what 0.1.0 left in the queue is read by internal/event/version1.go.
// Looks at direct imports, of the code that is shipped.
func TestNobodyBehindIngestReadsPayloads(t *testing.T) {
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
