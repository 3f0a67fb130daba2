package metricsdoc

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// rules is the form of alerts.yaml.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

var metricName = regexp.MustCompile(`\b(?:ringup|kube)_[a-z_]+`)

// known says whether a query's name is a metric's, or one that a histogram's becomes.
func known(metrics map[string]*metric, name string) bool {
	if strings.HasPrefix(name, "kube_") {
		return true // kube-state-metrics'
	}
	for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
		if m := metrics[strings.TrimSuffix(name, suffix)]; m != nil && strings.HasSuffix(name, suffix) && (suffix == "" || m.kind == "histogram") {
			return true
		}
	}
	return false
}

// checkQuery holds a query to the metrics, and its labels to theirs.
func checkQuery(t *testing.T, where, query string, metrics map[string]*metric) {
	t.Helper()
	for _, name := range metricName.FindAllString(query, -1) {
		if !known(metrics, name) {
			t.Errorf("%s asks for %s, which no program has", where, name)
		}
	}
	for _, selector := range regexp.MustCompile(`(ringup_[a-z_]+)\{([^}]*)\}`).FindAllStringSubmatch(query, -1) {
		m := metrics[selector[1]]
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if m == nil {
				m = metrics[strings.TrimSuffix(selector[1], suffix)]
			}
		}
		for _, label := range regexp.MustCompile(`([a-z_]+)\s*(?:=|!)`).FindAllStringSubmatch(selector[2], -1) {
			if name := label[1]; m != nil && name != "job" && name != "instance" && !strings.Contains(m.labels, "`"+name+"`") {
				t.Errorf("%s asks for the label %s of %s, which has %s", where, name, m.name, m.labels)
			}
		}
	}
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "dashboards/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file rules
	if err := yaml.Unmarshal(text, &file); err != nil || len(file.Groups) == 0 {
		t.Fatalf("%v", err)
	}
	tested, err := os.ReadFile(filepath.Join(root, "dashboards/alerts_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	metrics := all(t)
	runbooks := map[string]bool{"README.md": true}
	for _, r := range file.Groups[0].Rules {
		checkQuery(t, r.Alert, r.Expr, metrics)
		book := r.Annotations["runbook"]
		runbooks[filepath.Base(book)] = true
		if content, err := os.ReadFile(filepath.Join(root, book)); err != nil || !strings.Contains(string(content), r.Expr) {
			t.Errorf("%s: its runbook %s is not there (%v), or shows another query", r.Alert, book, err)
		}
		if !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s lacks a severity, a summary or a description", r.Alert)
		}
		if !strings.Contains(string(tested), "name: "+r.Alert+"\n") {
			t.Errorf("%s has no test in alerts_test.yaml", r.Alert)
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, "docs/runbooks"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !runbooks[e.Name()] {
			t.Errorf("docs/runbooks/%s is of no alert", e.Name())
		}
	}
}

func TestDashboards(t *testing.T) {
	t.Parallel()
	metrics := all(t)
	files, err := filepath.Glob(filepath.Join(root, "dashboards/*.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%q, %v", files, err)
	}
	shown := map[string]bool{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			UID    string
			Panels []struct {
				ID          int
				Title       string
				Description string
				Targets     []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(text, &board); err != nil || board.UID == "" {
			t.Fatalf("%s: %v", path, err)
		}
		ids := map[int]bool{}
		for _, p := range board.Panels {
			if ids[p.ID] || p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q has another's id, or lacks a title, a description or a query", path, p.ID, p.Title)
			}
			ids[p.ID] = true
			for _, target := range p.Targets {
				checkQuery(t, filepath.Base(path)+": "+p.Title, target.Expr, metrics)
				for _, name := range metricName.FindAllString(target.Expr, -1) {
					shown[strings.TrimSuffix(name, "_bucket")] = true
				}
			}
		}
	}
	// What is measured and neither shown nor alerted on is asked for by hand; a list keeps it from growing unseen.
	alerts, err := os.ReadFile(filepath.Join(root, "dashboards/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	byHand := []string{"ringup_breaker_open", "ringup_enqueue_group_webhooks", "ringup_jobs_restored_total", "ringup_redis_pool_connections", "ringup_redis_pool_idle_connections", "ringup_redis_pool_timeouts_total"}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if !shown[name] && !strings.Contains(string(alerts), name) && !slices.Contains(byHand, name) {
			t.Errorf("%s is shown nowhere", name)
		}
	}
}
