package manifests

import (
	"slices"
	"strings"
	"testing"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/sethvargo/go-envconfig"
	networkingv1 "k8s.io/api/networking/v1"

	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/resolve"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redisstore"
	senders "ringup.dev/ringup/internal/sender/catalog"
)

const resolveValues = "redis: {host: r}\nchannels: {sms: {providers: [sandbox]}, email: {providers: [sandbox]}, whatsapp: {providers: [sandbox]}}\nresolve: {enabled: true, senders: [square, stripe, loyverse, clover, lightspeed, toast], rateLimit: 5, config: {LIGHTSPEED_BASE_URL: \"https://shop.retail.lightspeed.app\", TOAST_CLIENT_ID: id}}\n"

// TestResolve: by the component and by the chart, the program resolve starts with what its pod gets, is scaled by its own queue, reaches the internet, and alone has the senders' tokens.
func TestResolve(t *testing.T) {
	t.Parallel()
	component := strings.ReplaceAll(with("keda", "network-policy", "sandbox", "resolve"), "namePrefix: shop-\n", "") +
		"configMapGenerator: [{name: ringup, behavior: merge, literals: ['RESOLVE_SENDERS=square,stripe,loyverse,clover,lightspeed,toast', 'LIGHTSPEED_BASE_URL=https://shop.retail.lightspeed.app', 'TOAST_CLIENT_ID=id']}]\n"
	for where, objects := range map[string][]object{
		"component": build(t, component), "chart": charted(t, resolveValues),
		"chart, files": charted(t, resolveValues+"secretFiles: {resolve: [SQUARE_ACCESS_TOKEN, STRIPE_API_KEY]}\n"),
	} {
		checkSecrets(t, objects)
		found := pods(objects)["Deployment/ringup-worker-resolve"]
		if len(found.Spec.Containers) != 1 {
			t.Fatalf("%s: there is no resolve", where)
		}
		c := found.Spec.Containers[0]
		if !strings.Contains(c.Image, "ringup/resolve") {
			t.Errorf("%s runs %s", where, c.Image)
		}
		env := environment(t, objects, c)
		for _, token := range senders.Tokens {
			env[token.Variable] = "x" // some are files in one
			delete(env, token.Variable+"_FILE")
		}
		for name, pod := range pods(objects) {
			for variable := range given(t, name, pod.Spec) {
				token := slices.ContainsFunc(senders.Tokens, func(t senders.Token) bool { return t.Variable == variable })
				if token && name != "Deployment/ringup-worker-resolve" {
					t.Errorf("%s: %s gets %s", where, name, variable)
				}
			}
		}
		config, err := resolve.Load(t.Context(), envconfig.MapLookuper(env))
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		if grace := time.Duration(*found.Spec.TerminationGracePeriodSeconds) * time.Second; grace < config.Worker.DrainTime() || grace >= config.Consumer.Lease {
			t.Errorf("%s: drain %s <= grace %s < lease %s does not hold", where, config.Worker.DrainTime(), grace, config.Consumer.Lease)
		}
		env["WEBHOOK_SECRET"], env["WEBHOOK_AUTH_TOKEN"] = key, key
		if config, err := ingest.Load(t.Context(), envconfig.MapLookuper(env)); err != nil || len(config.Senders.Resolve.Senders) != len(senders.Tokens) {
			t.Errorf("%s: ingest has %v, %v", where, config.Senders.Resolve.Senders, err)
		}
		scaled := named[*kedav1alpha1.ScaledObject](t, objects, "ringup-worker-resolve")
		if got, want := scaled.Spec.Triggers[0].Metadata["listName"], redisstore.NewKeys("ringup", message.Resolve).Queue[0]; got != want || scaled.Spec.ScaleTargetRef.Name != "ringup-worker-resolve" {
			t.Errorf("%s: KEDA reads %s for %s", where, got, scaled.Spec.ScaleTargetRef.Name)
		}
		out := false
		for _, rule := range named[*networkingv1.NetworkPolicy](t, objects, "ringup-worker-resolve").Spec.Egress {
			out = out || opens(t, rule, "93.184.216.34", 443)
		}
		if !out {
			t.Errorf("%s: no way to the senders", where)
		}
	}
	if objects := charted(t, prodValues(t)); len(pods(objects)["Deployment/ringup-worker-resolve"].Spec.Containers) != 0 {
		t.Error("resolve is there without being asked for")
	}
	for values, want := range map[string]string{
		"resolve: {enabled: true}": "resolve.senders is empty", "resolve: {enabled: true, senders: [square], minReplicas: 5}": "resolve.minReplicas",
		"resolve: {enabled: true, senders: [shopify]}": "senders",
	} {
		if _, err := helm(t, prodValues(t)+values+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", values, err)
		}
	}
}
