package worker

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/catalog"
)

type limited struct {
	provider.Provider
	max message.Limit
}

func (l limited) Traits() provider.Traits { return provider.Traits{MaxText: l.max} }

// TestMaxText: a message may go out through any of the providers, so it fits all of them.
func TestMaxText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limits []message.Limit
		want   message.Limit
	}{
		{nil, message.Limit{}}, {[]message.Limit{{}}, message.Limit{}}, {[]message.Limit{{Units: 4096}}, message.Limit{Units: 4096}},
		{[]message.Limit{{Units: 4096}, {Units: 1600}}, message.Limit{Units: 1600}}, {[]message.Limit{{}, {Units: 1600}, {Units: 1600, Bytes: 1600}}, message.Limit{Units: 1600, Bytes: 1600}},
	} {
		var of []catalog.Named
		for _, n := range tt.limits {
			of = append(of, catalog.Named{Provider: limited{max: n}})
		}
		if got := maxText(of); got != tt.want {
			t.Errorf("of %v: %+v, want %+v", tt.limits, got, tt.want)
		}
	}
}

// TestTemplatesStrict: a wrong file ends the start, or is left out; the doctor names it either way.
func TestTemplatesStrict(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pos_save.sms.customer.en.txt"), []byte("{{.Nothing}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"CHANNEL": "sms", "SMS_PROVIDER": "sandbox", "TEMPLATES_DIR": dir}
	for strict, starts := range map[string]bool{"": false, "true": false, "false": true} {
		own := maps.Clone(env)
		if strict != "" {
			own["TEMPLATES_STRICT"] = strict
		}
		c, err := Load(t.Context(), envconfig.MapLookuper(own))
		if err != nil {
			t.Fatal(err)
		}
		o, r, _, err := c.deliver(message.SMS)
		if (err == nil) != starts || starts && (o.Renderer == nil || len(r.Skipped()) != 1) {
			t.Errorf("TEMPLATES_STRICT=%s: %v", strict, err)
		}
		if _, err := Probe(t.Context(), c, envconfig.MapLookuper(own), time.Second); err == nil || !strings.Contains(err.Error(), "pos_save.sms.customer.en.txt") {
			t.Errorf("TEMPLATES_STRICT=%s: the doctor says %v", strict, err)
		}
	}
}
