package ingest

import (
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"
)

// TestKeys: one way to say who may post is enough, of /webhooks/pos or of another sender; with none the error names both.
func TestKeys(t *testing.T) {
	t.Parallel()
	const key = "0123456789abcdef"
	for name, tt := range map[string]struct {
		env   map[string]string
		wrong []string
	}{
		"a token":          {env: map[string]string{"WEBHOOK_AUTH_TOKEN": key}},
		"a secret":         {env: map[string]string{"WEBHOOK_SECRET": key}},
		"Shopify alone":    {env: map[string]string{"SHOPIFY_WEBHOOK_SECRET": key}},
		"WooCommerce":      {env: map[string]string{"WOOCOMMERCE_WEBHOOK_SECRET": key}},
		"Stripe":           {env: map[string]string{"STRIPE_WEBHOOK_SECRET": key}},
		"Toast":            {env: map[string]string{"TOAST_WEBHOOK_SECRET": key}},
		"Square":           {env: map[string]string{"SQUARE_SIGNATURE_KEY": key, "SQUARE_NOTIFICATION_URL": "https://hooks.example.com/webhooks/square/default"}},
		"Loyverse":         {env: map[string]string{"LOYVERSE_CLIENT_SECRET": key}},
		"Loyverse by path": {env: map[string]string{"LOYVERSE_PATH_KEY": key}},
		"Clover":           {env: map[string]string{"CLOVER_AUTH_CODE": key}},
		"Hosted Checkout":  {env: map[string]string{"CLOVER_SIGNING_SECRET": key}},
		"Lightspeed":       {env: map[string]string{"LIGHTSPEED_CLIENT_SECRET": key}},
		"by path":          {env: map[string]string{"LIGHTSPEED_PATH_KEY": key}},
		"a short path key": {env: map[string]string{"LIGHTSPEED_PATH_KEY": key[1:]}, wrong: []string{"LIGHTSPEED_PATH_KEY"}},
		"no path key":      {env: map[string]string{"LOYVERSE_PATH_KEY": "a/key/of/several/parts"}, wrong: []string{"LOYVERSE_PATH_KEY"}},
		"none":             {wrong: []string{"WEBHOOK_SECRET", "WEBHOOK_AUTH_TOKEN", "SHOPIFY_WEBHOOK_SECRET"}},
		"a signature only": {env: map[string]string{"SHOPIFY_WEBHOOK_SECRET": key, "WEBHOOK_REQUIRE_SIGNATURE": "true"}, wrong: []string{"WEBHOOK_SECRET"}},
		"half of Square":   {env: map[string]string{"SQUARE_SIGNATURE_KEY": key}, wrong: []string{"SQUARE_NOTIFICATION_URL"}},
	} {
		env := map[string]string{"REDIS_URL": "redis://localhost"}
		for variable, value := range tt.env {
			env[variable] = value
		}
		_, err := Load(t.Context(), envconfig.MapLookuper(env))
		if (err == nil) != (len(tt.wrong) == 0) {
			t.Errorf("%s: %v", name, err)
		}
		for _, variable := range tt.wrong {
			if err == nil || !strings.Contains(err.Error(), variable) {
				t.Errorf("%s: %v does not name %s", name, err, variable)
			}
		}
	}
}
