package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/catalog"
)

// helm renders the chart, as `helm template` does, with values as YAML.
func helm(t *testing.T, values string) (map[string]string, error) {
	t.Helper()
	loaded, err := loader.LoadDir(filepath.Join(root, "charts/ringup"))
	if err != nil {
		t.Fatal(err)
	}
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	return rendered(loaded, given)
}

func rendered(loaded *chart.Chart, given chartutil.Values) (map[string]string, error) {
	if err := chartutil.ProcessDependencies(loaded, given); err != nil {
		return nil, err
	}
	options := chartutil.ReleaseOptions{Name: "ringup", Namespace: "ringup-prod", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(loaded, given, options, nil)
	if err != nil {
		return nil, err
	}
	return engine.Render(loaded, all)
}

// charted returns the chart's objects; hooks are left out.
func charted(t *testing.T, values string) []object {
	t.Helper()
	files, err := helm(t, values)
	if err != nil {
		t.Fatal(err)
	}
	var out []object
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".yaml") && !strings.Contains(name, "/tests/") {
			out = append(out, decode(t, []byte("\n"+files[name]))...)
		}
	}
	return out
}

func prodValues(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "charts/ringup/ci/prod-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// intended are the intended differences between the chart and overlays/prod.
var intended = []*regexp.Regexp{
	// Kustomize names a ConfigMap by its content; the chart puts a checksum into the pods.
	regexp.MustCompile(`^Deployment/[a-z-]+ spec\.template\.metadata\.annotations`),
	// Helm has labels of its own, and the release's name, so that two releases can share a namespace.
	regexp.MustCompile(`labels\.(helm\.sh/chart|app\.kubernetes\.io/(managed-by|version|instance))`),
	regexp.MustCompile(`(matchLabels|spec\.selector)\.app\.kubernetes\.io/instance`),
	// Helm creates the namespace. The policy that denies traffic covers the release alone, since other workloads may share the namespace.
	regexp.MustCompile(`^Namespace/`),
	regexp.MustCompile(`^NetworkPolicy/ringup-default-deny spec\.podSelector`),
	regexp.MustCompile(`metadata\.namespace `),
	// The chart sets it for every image.
	regexp.MustCompile(`imagePullPolicy`),
	// The chart writes the prefix into the triggers itself.
	regexp.MustCompile(`^ConfigMap/ringup data\.(KEDA_KEYS|RINGUP_PREFIX)`),
	// The labels that say which product an object belongs to.
	regexp.MustCompile(`^[A-Za-z]+/[a-z-]+ metadata\.labels\.app\.kubernetes\.io/`),
}

// flat puts an object's leaves into a map, by path.
func flat(prefix string, value any, into map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			flat(prefix+"."+key, below, into)
		}
	case []any:
		for i, below := range v {
			at := fmt.Sprint(i)
			// An element with a name has the name in its path, so that the order does not matter.
			if named, is := below.(map[string]any); is && named["name"] != nil {
				at = fmt.Sprint(named["name"])
			}
			flat(prefix+"."+at, below, into)
		}
	default:
		into[strings.TrimPrefix(prefix, ".")] = fmt.Sprint(v)
	}
}

var hash = regexp.MustCompile(`-[a-z0-9]{10}$`)

// normal makes rendered objects comparable.
func normal(t *testing.T, objects []object) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, o := range objects {
		text, err := json.Marshal(o.typed)
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := json.Unmarshal(text, &tree); err != nil {
			t.Fatal(err)
		}
		delete(tree, "status")
		name := o.name
		if o.kind == "ConfigMap" {
			name = hash.ReplaceAllString(name, "")
		}
		leaves := map[string]string{}
		flat("", tree, leaves)
		for path, value := range leaves {
			if strings.Contains(path, "configMapRef") {
				path, value = hash.ReplaceAllString(path, ""), hash.ReplaceAllString(value, "")
			}
			if path == "metadata.name" || value == "<nil>" {
				continue
			}
			out[fmt.Sprintf("%s/%s %s ", o.kind, name, path)] = value
		}
	}
	return out
}

// TestTheChartIsTheOverlay: the chart and overlays/prod install the same objects, but for the intended differences.
func TestTheChartIsTheOverlay(t *testing.T) {
	t.Parallel()
	overlay, chart := normal(t, build(t, "overlays/prod")), normal(t, charted(t, prodValues(t)))
	same := 0
	paths := maps.Clone(overlay)
	maps.Copy(paths, chart)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if overlay[path] == chart[path] {
			same++
			continue
		}
		if !slices.ContainsFunc(intended, func(r *regexp.Regexp) bool { return r.MatchString(path) }) {
			t.Errorf("%s\n  overlay %q\n  chart   %q", path, overlay[path], chart[path])
		}
	}
	if same < 500 {
		t.Errorf("only %d leaves are the same: this test compares the wrong objects", same)
	}
}

func TestBadValues(t *testing.T) {
	t.Parallel()
	const good = "redis: {host: redis.shop.svc}\nchannels: {sms: {providers: [twilio]}, email: {providers: [aws]}, whatsapp: {enabled: false}}\n"
	if _, err := helm(t, good); err != nil {
		t.Fatal(err)
	}
	for values, want := range map[string]string{
		"":                                        "redis.host is empty",
		"redis: {host: r}\n":                      "channels.",
		good + "replicas: 3\n":                    "replicas",
		good + "config: {LOG_LOUDNESS: debug}\n":  "LOG_LOUDNESS",
		good + "config: {WEBHOOK_SECRET: x}\n":    "WEBHOOK_SECRET",
		"redis: {mode: sentinel, addrs: 'a:1'}\n": "redis.sentinelMaster",
		"redis: {mode: cluster}\n":                "redis.addrs",
		"channels: {fax: {enabled: true}}\n":      "fax",
		"channels: {sms: {providers: [nexmo]}}\n": "providers",
		strings.Replace(good, "[twilio]}", "[twilio], config: {RINGUP_PREFIX: x}}", 1):                               "channels.sms.config has RINGUP_PREFIX",
		good + "gateway: {enabled: true}\ningress: {enabled: true}\n":                                                "choose one way in",
		"redis: {host: r}\nchannels: {sms: {enabled: false}, email: {enabled: false}, whatsapp: {enabled: false}}\n": "no channel is enabled",
	} {
		_, err := helm(t, values)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want it to say %q", values, err, want)
		}
	}
}

// TestImages: an image is named by its tag, or by its digest where there is one.
func TestImages(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("ab", 32)
	for values, want := range map[string]string{
		"": "ringup/ingest:0.1.0", "image: {repository: r.example/x, tag: v2}\n": "r.example/x/ingest:v2",
		"image: {repository: r.example/x, tag: v2, digests: {ingest: '" + digest + "'}}\n": "r.example/x/ingest@" + digest,
	} {
		if got := pods(charted(t, prodValues(t)+values))["Deployment/ringup-ingest"].Spec.Containers[0].Image; got != want {
			t.Errorf("%q: %s, want %s", values, got, want)
		}
	}
	if _, err := helm(t, prodValues(t)+"image: {digests: {ingest: latest}}\n"); err == nil {
		t.Error("a digest that is none is taken")
	}
}

// TestTheSchemaKnowsTheProviders: the schema allows the catalog's names per channel, in the catalog's order, and so does the error for a
// channel without providers.
func TestTheSchemaKnowsTheProviders(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "charts/ringup/values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties struct {
			Channels struct {
				Properties map[message.Channel]struct {
					Properties struct {
						Providers struct {
							Items struct{ Enum []string }
						}
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	for _, channel := range message.Channels {
		names := catalog.Names(channel)
		if diff := cmp.Diff(names, schema.Properties.Channels.Properties[channel].Properties.Providers.Items.Enum); diff != "" {
			t.Errorf("values.schema.json, channels.%s.providers (-catalog +schema):\n%s", channel, diff)
		}
		values := "redis: {host: r}\nchannels:\n"
		for _, other := range message.Channels {
			values += fmt.Sprintf("  %s: {enabled: %t}\n", other, other == channel)
		}
		real := slices.DeleteFunc(names, func(name string) bool { return name == "sandbox" })
		want := fmt.Sprintf("channels.%s.providers is empty: set one or more of %s (or sandbox", channel, strings.Join(real, ", "))
		if _, err := helm(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it to say %q", err, want)
		}
	}
}

// TestTheSchemaKnowsTheVariables: config allows every variable that ringup reads, except secrets and variables with a value of their own.
func TestTheSchemaKnowsTheVariables(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "charts/ringup/values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	type config struct{ Properties map[string]any }
	var schema struct {
		Properties struct {
			Config   config
			Resolve  struct{ Properties struct{ Config config } }
			Channels struct {
				Properties map[message.Channel]struct{ Properties struct{ Config config } }
			}
		}
	}
	if err := yaml.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	elsewhere := []string{
		// Secrets.
		"REDIS_URL", "REDIS_PASSWORD", "REDIS_USERNAME", "REDIS_SENTINEL_PASSWORD", "WEBHOOK_SECRET", "WEBHOOK_AUTH_TOKEN", "ADMIN_TOKEN", "ADMIN_VIEW_TOKEN",
		"TWILIO_AUTH_TOKEN", "SENDGRID_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "WHATSAPP_ACCESS_TOKEN", "WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN", "OTEL_EXPORTER_OTLP_HEADERS",
		"UNSUBSCRIBE_SECRET", "PRIVACY_KEY", "SHOPIFY_WEBHOOK_SECRET", "WOOCOMMERCE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET", "TOAST_WEBHOOK_SECRET", "SQUARE_SIGNATURE_KEY", "SQUARE_ACCESS_TOKEN", "STRIPE_API_KEY",
		"LOYVERSE_CLIENT_SECRET", "LOYVERSE_PATH_KEY", "CLOVER_AUTH_CODE", "CLOVER_SIGNING_SECRET", "LIGHTSPEED_CLIENT_SECRET", "LIGHTSPEED_PATH_KEY",
		"LOYVERSE_ACCESS_TOKEN", "CLOVER_ACCESS_TOKEN", "LIGHTSPEED_ACCESS_TOKEN", "TOAST_CLIENT_SECRET",
		// Variables with a value of their own.
		"REDIS_HOST", "REDIS_PORT", "REDIS_ADDRS", "REDIS_SENTINEL_MASTER", "REDIS_TLS", "KEDA_KEYS", "CHANNEL", "CHANNELS", "SMS_PROVIDER", "EMAIL_PROVIDER",
		"WHATSAPP_PROVIDER", "PORT", "OPS_PORT", "ADMIN_PORT", "SEND_TIMEOUT", "LEASE", "SHUTDOWN_DELAY", "SHUTDOWN_TIMEOUT", "RATE_LIMIT", "GOMEMLIMIT", "RESOLVE_SENDERS",
	}
	var want []string
	for name := range variables(t) {
		if !slices.Contains(elsewhere, name) {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schema.Properties.Config.Properties))); diff != "" {
		t.Errorf("values.schema.json, config (-code +schema):\n%s", diff)
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schema.Properties.Resolve.Properties.Config.Properties))); diff != "" {
		t.Errorf("values.schema.json, resolve.config (-code +schema):\n%s", diff)
	}
	for _, channel := range message.Channels {
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schema.Properties.Channels.Properties[channel].Properties.Config.Properties))); diff != "" {
			t.Errorf("values.schema.json, channels.%s.config (-code +schema):\n%s", channel, diff)
		}
	}
}
