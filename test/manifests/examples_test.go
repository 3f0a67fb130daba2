package manifests

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// opened lists what a policy opens beyond the defaults, for each program that it selects, as "egress ingest 169.254.170.23/32 80".
func opened(t *testing.T, p *networkingv1.NetworkPolicy) []string {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, component := range []string{"ingest", "worker-sms", "worker-email", "worker-whatsapp", "admin"} {
		if !selector.Matches(labels.Set{"app.kubernetes.io/name": "ringup", "app.kubernetes.io/part-of": "ringup", "app.kubernetes.io/instance": "ringup", "app.kubernetes.io/component": component}) {
			continue
		}
		rule := func(direction string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
			for _, peer := range peers {
				for _, port := range ports {
					out = append(out, fmt.Sprintf("%s %s %s %d", direction, component, peerName(peer), port.Port.IntVal))
				}
			}
		}
		for _, r := range p.Spec.Egress {
			rule("egress", r.To, r.Ports)
		}
		for _, r := range p.Spec.Ingress {
			rule("ingress", r.From, r.Ports)
		}
	}
	return out
}

func peerName(p networkingv1.NetworkPolicyPeer) string {
	switch {
	case p.IPBlock != nil:
		return p.IPBlock.CIDR
	case p.NamespaceSelector != nil:
		return "namespace " + p.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]
	}
	return "pods"
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestPoliciesOfTheReadme: the policies that the component's README shows decode, and open for the right programs what they say and nothing else; the patch leads
// ingest to the other namespace.
func TestPoliciesOfTheReadme(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"ringup-sentinels": nil, // all programs
		"ringup-traces":    {"egress ingest namespace otel 4318", "egress worker-sms namespace otel 4318", "egress worker-email namespace otel 4318", "egress worker-whatsapp namespace otel 4318"},
		"ringup-sign-in":   {"ingress admin pods 8080"}, "ringup-pod-identity": {"egress worker-sms 169.254.170.23/32 80", "egress worker-email 169.254.170.23/32 80"},
	}
	for _, component := range []string{"ingest", "worker-sms", "worker-email", "worker-whatsapp", "admin"} {
		want["ringup-sentinels"] = append(want["ringup-sentinels"], "egress "+component+" 10.0.0.0/16 26379", "egress "+component+" 10.0.0.0/16 6379")
	}
	seen := 0
	for _, block := range yamlBlock.FindAllStringSubmatch(page(t, "k8s/components/network-policy/README.md"), -1) {
		seen++
		if strings.HasPrefix(block[1], "patches:") {
			p := named[*networkingv1.NetworkPolicy](t, build(t, strings.Replace(with("network-policy"), "namePrefix: shop-\n", "", 1)+block[1]), "ringup-ingest")
			if got := opened(t, p); !slices.Contains(got, "ingress ingest namespace traefik 3000") || slices.Contains(got, "ingress ingest namespace gateway 3000") {
				t.Errorf("with the patch it opens %q", got)
			}
			continue
		}
		for _, p := range of[*networkingv1.NetworkPolicy](decode(t, []byte("\n"+block[1]))) {
			if got := opened(t, p); !slices.Equal(got, want[p.Name]) {
				t.Errorf("%s opens %q, want %q", p.Name, got, want[p.Name])
			}
			for _, rule := range p.Spec.Egress {
				for _, peer := range rule.To {
					if peer.IPBlock != nil && netip.MustParsePrefix(peer.IPBlock.CIDR).Addr().IsLinkLocalUnicast() && !netip.MustParsePrefix(peer.IPBlock.CIDR).IsSingleIP() {
						t.Errorf("%s opens all of %s", p.Name, peer.IPBlock.CIDR)
					}
				}
			}
		}
	}
	if seen != len(want)+1 {
		t.Errorf("%d examples, want %d", seen, len(want)+1)
	}
}

var example = regexp.MustCompile(`(?m)^  # (extra(?:Egress|Ingress): \{.*\})$`)

// TestPoliciesOfTheValues: each example of the chart's values adds to the policies of its programs what it says, and nothing else.
func TestPoliciesOfTheValues(t *testing.T) {
	t.Parallel()
	all := func(values string) []string {
		var out []string
		for _, p := range of[*networkingv1.NetworkPolicy](charted(t, values)) {
			out = append(out, opened(t, p)...)
		}
		return out
	}
	before := all(prodValues(t))
	want := [][]string{
		{"egress worker-sms namespace otel 4318", "egress worker-email namespace otel 4318", "egress worker-whatsapp namespace otel 4318"},
		{"egress worker-sms 169.254.170.23/32 80", "egress worker-email 169.254.170.23/32 80", "egress worker-whatsapp 169.254.170.23/32 80"},
		{"ingress admin pods 8080"}, {"ingress ingest namespace tills 3000"},
	}
	examples := example.FindAllStringSubmatch(page(t, "charts/ringup/values.yaml"), -1)
	if len(examples) != len(want) {
		t.Fatalf("%d examples, want %d", len(examples), len(want))
	}
	for i, e := range examples {
		more := slices.DeleteFunc(all(prodValues(t)+"  "+e[1]+"\n"), func(one string) bool { return slices.Contains(before, one) })
		slices.Sort(more)
		slices.Sort(want[i])
		if !slices.Equal(more, want[i]) {
			t.Errorf("%s opens %q, want %q", e[1], more, want[i])
		}
	}
}

var applies = regexp.MustCompile(`kubectl (-n \S+ )?apply[^\n]*`)

// TestAppliedInOneWay: wherever a page applies something, the server does, since a change between the two ways is a conflict.
func TestAppliedInOneWay(t *testing.T) {
	t.Parallel()
	found := 0
	for _, top := range []string{"README.md", "CONTRIBUTING.md", "docs", "k8s", "charts", "hack"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			for _, line := range applies.FindAllString(string(text), -1) {
				found++
				if !strings.Contains(line, "--server-side") {
					t.Errorf("%s: %s", name, line)
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if found < 5 {
		t.Errorf("%d lines apply something", found)
	}
}
