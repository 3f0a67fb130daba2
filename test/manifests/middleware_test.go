package manifests

import (
	"maps"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"ringup.dev/ringup/internal/app/ingest"
)

// Middleware has the fields of traefik.io/v1alpha1 that ringup uses (doc.traefik.io/traefik/reference/routing-configuration/kubernetes/crd/http/middleware).
// Traefik's own module is all of Traefik.
type Middleware struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		RateLimit *struct {
			Average int64 `json:"average"`
			Burst   int64 `json:"burst"`
		} `json:"rateLimit"`
		Buffering *struct {
			MaxRequestBodyBytes int64 `json:"maxRequestBodyBytes"`
		} `json:"buffering"`
	} `json:"spec"`
}

// DeepCopyObject makes it a runtime.Object.
func (m *Middleware) DeepCopyObject() runtime.Object {
	c := *m
	return &c
}

// TestTraefikLimits: the route and the Ingress use the middlewares, in the component and in the chart.
func TestTraefikLimits(t *testing.T) {
	t.Parallel()
	const on = "traefikLimits: {enabled: true}\n"
	for where, objects := range map[string][]object{
		"component": build(t, with("gateway", "traefik-limits")), "chart": charted(t, prodValues(t)+on),
		"chart, Ingress": charted(t, strings.Replace(prodValues(t), "gateway: {enabled: true}", "ingress: {enabled: true}", 1)+on),
	} {
		limits := map[string]int64{}
		for _, m := range of[*Middleware](objects) {
			if m.Spec.RateLimit != nil {
				limits[m.Name] = m.Spec.RateLimit.Average
			} else {
				limits[m.Name] = m.Spec.Buffering.MaxRequestBodyBytes
			}
		}
		used := map[string]int64{}
		for _, r := range of[*gatewayv1.HTTPRoute](objects) {
			for i, rule := range r.Spec.Rules {
				used = map[string]int64{}
				for _, f := range rule.Filters {
					used[string(f.ExtensionRef.Name)] = limits[string(f.ExtensionRef.Name)]
				}
				if !maps.Equal(used, limits) {
					t.Errorf("%s: rule %d has the middlewares %v, want %v", where, i+1, used, limits)
				}
			}
		}
		for _, i := range of[*networkingv1.Ingress](objects) {
			for name := range strings.SplitSeq(i.Annotations["traefik.ingress.kubernetes.io/router.middlewares"], ",") {
				name, found := strings.CutSuffix(strings.TrimPrefix(name, "ringup-prod-"), "@kubernetescrd")
				if found {
					used[name] = limits[name]
				}
			}
		}
		if len(limits) != 2 || !maps.Equal(used, limits) {
			t.Errorf("%s: the middlewares %v, used %v", where, limits, used)
		}
	}
}

// TestNoPlainHTTP: an Ingress takes nothing over plain HTTP, and has limits; the chart's as the component's.
func TestNoPlainHTTP(t *testing.T) {
	t.Parallel()
	values := strings.Replace(prodValues(t), "gateway: {enabled: true}", "ingress: {enabled: true}", 1)
	component, chart := of[*networkingv1.Ingress](build(t, with("ingress")))[0], of[*networkingv1.Ingress](charted(t, values))[0]
	if !maps.Equal(component.Annotations, chart.Annotations) {
		t.Errorf("component %v\nchart %v", component.Annotations, chart.Annotations)
	}
	for key, want := range map[string]string{"nginx.ingress.kubernetes.io/force-ssl-redirect": "true", "traefik.ingress.kubernetes.io/router.entrypoints": "websecure", "nginx.ingress.kubernetes.io/proxy-body-size": "1m"} {
		if component.Annotations[key] != want {
			t.Errorf("%s is %q", key, component.Annotations[key])
		}
	}
	if len(component.Spec.TLS) != 1 || len(chart.Spec.TLS) != 1 {
		t.Error("an Ingress has no TLS")
	}
}

// TestPlainHTTPIsRefused: in production, and by the chart wherever it makes the route from outside and knows the proxies, ingest refuses what came over plain HTTP. A value
// of one's own stays. Where the proxies are missing, the chart says so.
func TestPlainHTTPIsRefused(t *testing.T) {
	t.Parallel()
	required := func(objects []object) bool {
		c, err := ingest.Load(t.Context(), envconfig.MapLookuper(environment(t, objects, pods(objects)["Deployment/ringup-ingest"].Spec.Containers[0])))
		if err != nil {
			t.Error(err)
		}
		return c.Ingest.RequireTLS
	}
	for overlay, want := range map[string]bool{"overlays/dev": false, "overlays/staging": true, "overlays/prod": true} {
		if got := required(build(t, overlay)); got != want {
			t.Errorf("%s: %t", overlay, got)
		}
	}
	const base = "redis: {host: r}\nchannels: {sms: {providers: [sandbox]}, email: {enabled: false}, whatsapp: {enabled: false}}\n"
	for values, want := range map[string]struct{ required, told bool }{
		"": {false, false}, "config: {TRUSTED_PROXIES: 10.0.0.1}\n": {false, false},
		"gateway: {enabled: true}\n": {false, true}, "ingress: {enabled: true}\n": {false, true},
		"gateway: {enabled: true}\nconfig: {TRUSTED_PROXIES: 10.0.0.1}\n":                       {true, false},
		"ingress: {enabled: true}\nconfig: {TRUSTED_PROXIES: 10.0.0.1}\n":                       {true, false},
		"ingress: {enabled: true}\nconfig: {TRUSTED_PROXIES: 10.0.0.1, REQUIRE_TLS: 'false'}\n": {false, false},
		"config: {TRUSTED_PROXIES: 10.0.0.1, REQUIRE_TLS: 'true'}\n":                            {true, false},
	} {
		if got := required(charted(t, base+values)); got != want.required {
			t.Errorf("%q: %t", values, got)
		}
		files, err := helm(t, base+values)
		if told := strings.Contains(files["ringup/templates/NOTES.txt"], "TRUSTED_PROXIES"); err != nil || told != want.told {
			t.Errorf("%q: the notes say so: %t, %v", values, told, err)
		}
	}
}
