// Package metricsdoc holds docs/metrics.md to the metrics in the code.
package metricsdoc

import (
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/ingest"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/sender/generic"
	shop "ringup.dev/ringup/internal/store"
	"ringup.dev/ringup/internal/worker"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const root = "../.."

// recorder is a registerer that remembers what it was given.
type recorder struct{ collectors []prometheus.Collector }

func (r *recorder) Register(c prometheus.Collector) error {
	r.collectors = append(r.collectors, c)
	return nil
}
func (r *recorder) MustRegister(cs ...prometheus.Collector) {
	r.collectors = append(r.collectors, cs...)
}
func (r *recorder) Unregister(prometheus.Collector) bool { return false }

type metric struct {
	name, kind, labels, help string
	programs                 []string
}

var description = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "(.*?)",(?: unit: "[^"]*",)? constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// describe reads what collectors say of themselves.
func describe(t *testing.T, program string, r *recorder, into map[string]*metric) {
	t.Helper()
	for _, c := range r.collectors {
		ch := make(chan *prometheus.Desc, 50)
		c.Describe(ch)
		close(ch)
		for d := range ch {
			parts := description.FindStringSubmatch(d.String())
			if parts == nil {
				t.Fatalf("cannot read %s", d)
			}
			var labels []string
			for label := range strings.SplitSeq(parts[3], ",") {
				if name, _, found := strings.Cut(label, "="); found {
					labels = append(labels, "`"+name+"`")
				}
			}
			for label := range strings.SplitSeq(parts[4], ",") {
				if label != "" {
					labels = append(labels, "`"+label+"`")
				}
			}
			kind := "gauge"
			switch name := fmt.Sprintf("%T", c); {
			case strings.Contains(strings.ToLower(name), "histogram"):
				kind = "histogram"
			case strings.HasSuffix(parts[1], "_total"):
				kind = "counter"
			}
			m := into[parts[1]]
			if m == nil {
				m = &metric{name: parts[1], kind: kind, labels: strings.Join(labels, ", "), help: parts[2]}
				into[m.name] = m
			}
			if !slices.Contains(m.programs, program) {
				m.programs = append(m.programs, program)
			}
		}
	}
}

func all(t *testing.T) map[string]*metric {
	t.Helper()
	store, err := redisstore.Open(redisstore.Config{
		URL: "redis://127.0.0.1:1", Prefix: "ringup", DedupeTTL: time.Hour, StatusTTL: time.Hour, KeepFailed: 1, KeepCompleted: 1, MaxCrashes: 1, OnUncertain: redisstore.Resend,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	verifier, err := generic.New(generic.Config{Tokens: secret.Keys{"x"}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var in, out, asks, forAdmin recorder
	store.Instrument(&in)
	producer := store.Producer(&in)
	store.Sweeper(&in)
	store.Deliveries(&in)
	in.MustRegister(store.QueueCollector("x"))
	public := ingest.Config{MaxBodyBytes: 1 << 20}
	if _, err := ingest.NewHandler(ingest.Options{
		Config: public, Store: &shop.Store{}, Verifier: verifier, Enqueuer: producer, Notifier: store, Registerer: &in, Log: slog.New(slog.DiscardHandler),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := ingest.NewServer(ingest.ServerOptions{Config: public, Registerer: &in, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	ingest.NewCallbacks(ingest.CallbackOptions{Registerer: &in, Log: slog.New(slog.DiscardHandler)})
	store.Instrument(&out)
	worker.NewMetrics(&out, message.SMS)
	store.Instrument(&asks)
	store.Producer(&asks)
	worker.NewResolve(worker.ResolveOptions{Metrics: worker.NewMetrics(&asks, message.Resolve), Registerer: &asks})
	store.Instrument(&forAdmin)
	admin.New(admin.Options{Registerer: &forAdmin})
	metrics := map[string]*metric{}
	describe(t, "ingest", &in, metrics)
	describe(t, "worker", &out, metrics)
	describe(t, "resolve", &asks, metrics)
	describe(t, "admin", &forAdmin, metrics)
	return metrics
}

func TestReference(t *testing.T) {
	t.Parallel()
	metrics := all(t)
	var b strings.Builder
	b.WriteString("# Metrics\n\nOn the operators' port (`OPS_PORT`), `/metrics`, in Prometheus's format; besides these, Go's own and the process's.\n\n" +
		"What is called `ringup_queue_…` and `ringup_redis_memory…` is the state of Redis, which all programs share: of all replicas of ingest one\n" +
		"reports it, the one that was scraped first as long as it goes on being scraped, so a sum counts it once. Labels take few values: channels,\n" +
		"priorities, providers, and reasons that are listed in the code; never an id or an address.\n" +
		"The histograms of sends and webhooks have native buckets too.\n\n" +
		"This page is made from the code: `go test ./internal/metricsdoc -update`.\n\n| metric | type | labels | of | |\n|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		m := metrics[name]
		_, _ = fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.name, m.kind, m.labels, strings.Join(m.programs, ", "), m.help)
	}
	path := filepath.Join(root, "docs/metrics.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != b.String() {
		t.Errorf("docs/metrics.md is not what the code says (%v): run go test ./internal/metricsdoc -update, and look at the change", err)
	}
	// Whatever has such a name in the code is one of them.
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, quoted := range regexp.MustCompile(`"ringup_[a-z_]+"`).FindAllString(string(source), -1) {
			if name := strings.Trim(quoted, `"`); metrics[name] == nil && name != "ringup_session" && name != "ringup_job" {
				t.Errorf("%s has %s, which is not registered here", path, name)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
