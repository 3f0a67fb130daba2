package ingest

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

// shipped returns the memory limit and GOMEMLIMIT of ingest's pods, in bytes, by the kustomize base and by the chart.
func shipped(t *testing.T) map[string][2]int64 {
	t.Helper()
	goLimit := regexp.MustCompile(`\{name: GOMEMLIMIT, value: (\d+)MiB\}`)
	read := func(name string) []byte {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	mebibytes := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n << 20
	}
	goOf := func(name string) int64 {
		found := goLimit.FindSubmatch(read(name))
		if found == nil {
			t.Fatalf("%s has no GOMEMLIMIT", name)
		}
		return mebibytes(string(found[1]))
	}
	var values struct {
		Ingest struct {
			Resources struct{ Limits struct{ Memory string } }
		}
	}
	if err := yaml.Unmarshal(read("charts/ringup/values.yaml"), &values); err != nil {
		t.Fatal(err)
	}
	base := regexp.MustCompile(`limits: \{.*memory: (\d+)Mi`).FindSubmatch(read("k8s/base/ingest/ingest.yaml"))
	if base == nil {
		t.Fatal("the base has no memory limit")
	}
	chart := regexp.MustCompile(`^(\d+)Mi$`).FindStringSubmatch(values.Ingest.Resources.Limits.Memory)
	if chart == nil {
		t.Fatal("the chart has no memory limit")
	}
	return map[string][2]int64{
		"k8s":   {mebibytes(string(base[1])), goOf("k8s/base/ingest/ingest.yaml")},
		"chart": {mebibytes(chart[1]), goOf("charts/ringup/templates/ingest.yaml")},
	}
}

// TestLimitsFitTheManifests: the worst cases of all limits together fit into the memory that ingest ships with, and the defaults are useful there.
func TestLimitsFitTheManifests(t *testing.T) {
	t.Parallel()
	for name, memory := range shipped(t) {
		l := (&Config{MaxBodyBytes: 1 << 20}).Limits(memory[1])
		if l.Worst() > memory[1] || memory[1] > memory[0]*9/10 {
			t.Errorf("%s: %d bytes in the worst case, GOMEMLIMIT %d, limit %d", name, l.Worst(), memory[1], memory[0])
		}
		const largestCallback = 3 << 20 // WhatsApp's
		if l.Connections < 500 || l.Inflight*bodyShare/(bodyShare+1) < largestCallback+minInflightCost {
			t.Errorf("%s: %+v is too little for an ingress, or for the largest callback", name, l)
		}
	}
}

// TestLimitsFit: with any amount of memory that is enough at all, they fit; and settings win.
func TestLimitsFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		memory := rapid.Int64Range(64<<20, 1<<40).Draw(t, "memory")
		c := &Config{MaxBodyBytes: 1 << 20}
		if l := c.Limits(memory); l.Worst() > memory || l.Connections < minConnections || l.Inflight < c.minInflight() {
			t.Fatalf("%+v: %d in the worst case", l, l.Worst())
		}
		c.MaxConnections, c.MaxInflightBytes = 1000, 1<<30
		if l := c.Limits(memory); l.Connections != 1000 || l.Inflight != 1<<30 {
			t.Fatalf("%+v", l)
		}
	})
	if l := (&Config{MaxBodyBytes: 1 << 20}).Limits(math.MaxInt64); l.Memory != defaultMemory || l.Worst() > defaultMemory {
		t.Errorf("without a limit: %+v", l)
	}
}

// TestRefusedSettings: a limit under which nothing could be served is refused, by name.
func TestRefusedSettings(t *testing.T) {
	t.Parallel()
	for name, configs := range map[string][]Config{
		"MAX_INFLIGHT_BYTES": {{MaxInflightBytes: 1 << 20}},
		"MAX_CONNECTIONS":    {{MaxConnections: 1}},
		"TRUSTED_PROXIES":    {{TrustedProxies: []string{"x"}}},
		"SOURCE_RATE_LIMIT":  {{SourceRateLimit: math.NaN()}, {SourceRateLimit: math.Inf(1)}, {SourceRateLimit: math.Inf(-1)}, {SourceRateLimit: -1}, {SourceRateLimit: 1e300}},
		"SOURCE_RATE_BURST":  {{SourceRateBurst: -1}},
	} {
		for _, c := range configs {
			c.MaxBodyBytes = 1 << 20
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
