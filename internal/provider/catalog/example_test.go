package catalog

import (
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/providertest/acme"
	acmesend "ringup.dev/ringup/internal/provider/providertest/acme/send"
	"ringup.dev/ringup/internal/provider/transport"
)

// example has the line of docs/adding-a-provider.md.
var example = []entry{
	// example: catalog
	over(acme.Name, message.SMS, acmesend.New),
	// example: end
}

// TestExample: the line of docs/adding-a-provider.md builds a provider from the environment.
func TestExample(t *testing.T) {
	t.Parallel()
	env := envconfig.MapLookuper(map[string]string{"ACME_KEY": "k", "ACME_FROM": "+15005550006"})
	p, err := example[0].open(t.Context(), env, Dependencies{Transport: transport.New(1)})
	if err != nil || p.Provider.Traits().Sender != "+15005550006" {
		t.Errorf("%v, %v", p, err)
	}
}
