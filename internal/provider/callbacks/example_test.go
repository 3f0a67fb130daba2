package callbacks

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/catalog"
	"ringup.dev/ringup/internal/provider/providertest/acme"
)

// exampleConfig has the field of docs/adding-a-provider.md.
type exampleConfig struct {
	// example: callbacks config
	Acme acme.CallbackConfig
	// example: end
}

// exampleCallbacks has the lines of docs/adding-a-provider.md.
func exampleCallbacks(c exampleConfig, d Dependencies) (out []provider.Callback, errs []error) {
	errs = append(errs,
		// example: callbacks validate
		c.Acme.Validate(),
		// example: end
	)
	add := func(one provider.Callback, err error) { out, errs = append(out, one), append(errs, err) }
	// example: callbacks new
	add(acme.NewCallback(c.Acme, d.Now))
	// example: end
	return out, errs
}

// TestExample: the lines of docs/adding-a-provider.md make a callback.
func TestExample(t *testing.T) {
	t.Parallel()
	for key, configured := range map[string]bool{"": false, "30313233343536373839616263646566": true} {
		var c exampleConfig
		if configured {
			c.Acme.SigningKeys = secret.Keys{secret.Key(key)}
		}
		out, errs := exampleCallbacks(c, Dependencies{Now: time.Now})
		if len(out) != 1 || (out[0].Read != nil) != configured || slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
			t.Errorf("%q: %+v, %v", key, out, errs)
		}
	}
	if _, errs := exampleCallbacks(exampleConfig{Acme: acme.CallbackConfig{SigningKeys: secret.Keys{"x"}}}, Dependencies{}); errs[0] == nil || errs[1] == nil {
		t.Errorf("a key that is not hexadecimal: %v", errs)
	}
}

// TestNames: a callback has a name of the catalog, and a path of its own.
func TestNames(t *testing.T) {
	t.Parallel()
	all, err := New(Config{}, Dependencies{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, channel := range message.Channels {
		names = append(names, catalog.Names(channel)...)
	}
	paths := map[string]bool{}
	for _, one := range all {
		if !slices.Contains(names, one.Provider) || paths[one.Path] {
			t.Errorf("%s at %s", one.Provider, one.Path)
		}
		paths[one.Path] = true
	}
	if len(all) < 4 {
		t.Errorf("%d callbacks: this test looks at the wrong thing", len(all))
	}
}
