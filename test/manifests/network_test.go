package manifests

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// closed are networks that no rule for the internet may open: private ones (RFC 1918), those of carriers, which clouds use for services of their
// own (RFC 6598), and link-local addresses, where metadata services hand out credentials (RFC 3927).
var closed = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"}

// opens reports whether a rule lets traffic to an address and a port out.
func opens(t *testing.T, rule networkingv1.NetworkPolicyEgressRule, address string, port int32) bool {
	t.Helper()
	at := netip.MustParseAddr(address)
	if !slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.IntVal == port }) {
		return false
	}
	return slices.ContainsFunc(rule.To, func(peer networkingv1.NetworkPolicyPeer) bool {
		return peer.IPBlock != nil && netip.MustParsePrefix(peer.IPBlock.CIDR).Contains(at) &&
			!slices.ContainsFunc(peer.IPBlock.Except, func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(at) })
	})
}

// TestTheInternetIsNotTheCluster: who may reach the internet may not reach the networks that are closed, and only workers may; ingest, too, with
// the component for SES's callbacks.
func TestTheInternetIsNotTheCluster(t *testing.T) {
	t.Parallel()
	ses := prodValues(t) + "\n"
	ses = strings.Replace(ses, "config:\n", "config:\n  SES_TOPIC_ARN: arn:aws:sns:eu-west-1:123456789012:ses\n", 1)
	for where, c := range map[string]struct {
		objects []object
		ingest  bool
	}{
		"component": {build(t, with("network-policy")), false}, "component, SES": {build(t, with("network-policy", "ses-callbacks")), true},
		"chart": {charted(t, prodValues(t)), false}, "chart, SES": {charted(t, ses), true}, "overlay prod": {build(t, "overlays/prod"), false},
	} {
		policies := of[*networkingv1.NetworkPolicy](c.objects)
		if len(policies) < 6 {
			t.Errorf("%s: %d policies", where, len(policies))
		}
		for _, p := range policies {
			internet := false
			for _, rule := range p.Spec.Egress {
				if len(rule.To) == 0 || len(rule.Ports) == 0 {
					t.Errorf("%s: %s opens everything", where, p.Name)
				}
				internet = internet || opens(t, rule, "93.184.216.34", 443)
				for _, cidr := range closed {
					network := netip.MustParsePrefix(cidr)
					if opens(t, rule, network.Addr().Next().String(), 443) || !opens(t, rule, "93.184.216.34", 443) && opens(t, rule, network.Addr().Next().String(), 80) {
						t.Errorf("%s: %s opens %s", where, p.Name, cidr)
					}
				}
			}
			component := p.Spec.PodSelector.MatchLabels["app.kubernetes.io/component"]
			if want := strings.HasPrefix(component, "worker-") || c.ingest && component == "ingest"; internet != want {
				t.Errorf("%s: %s reaches the internet: %t", where, p.Name, internet)
			}
		}
	}
}

// TestDNSIsPods: the rules for DNS name pods and the port, not a whole namespace.
func TestDNSIsPods(t *testing.T) {
	each(t, func(t *testing.T, objects []object) {
		for _, p := range of[*networkingv1.NetworkPolicy](objects) {
			for _, rule := range p.Spec.Egress {
				for _, peer := range rule.To {
					if peer.NamespaceSelector != nil && (peer.PodSelector == nil || len(rule.Ports) == 0) {
						t.Errorf("%s opens a whole namespace", p.Name)
					}
				}
			}
		}
	})
}

// TestTheChartsTestGetsThrough: the policies of the chart's test let its pod reach DNS and ingest.
func TestTheChartsTestGetsThrough(t *testing.T) {
	t.Parallel()
	files, err := helm(t, prodValues(t))
	if err != nil {
		t.Fatal(err)
	}
	var objects []object
	for name, text := range files {
		if strings.Contains(name, "/tests/") {
			objects = append(objects, decode(t, []byte("\n"+text))...)
		}
	}
	sender := of[*corev1.Pod](objects)[0]
	ingest := pods(charted(t, prodValues(t)))["Deployment/ringup-ingest"]
	selects := func(s *metav1.LabelSelector, of map[string]string) bool {
		selector, err := metav1.LabelSelectorAsSelector(s)
		return err == nil && !selector.Empty() && selector.Matches(labels.Set(of))
	}
	out, in := false, false
	for _, p := range of[*networkingv1.NetworkPolicy](objects) {
		for _, rule := range p.Spec.Egress {
			for _, peer := range rule.To {
				out = out || selects(&p.Spec.PodSelector, sender.Labels) && peer.PodSelector != nil && peer.NamespaceSelector == nil && selects(peer.PodSelector, ingest.Labels) && rule.Ports[0].Port.IntVal == 3000
			}
		}
		for _, rule := range p.Spec.Ingress {
			in = in || selects(&p.Spec.PodSelector, ingest.Labels) && selects(rule.From[0].PodSelector, sender.Labels) && rule.Ports[0].Port.IntVal == 3000
		}
	}
	if !out || !in {
		t.Errorf("the test's pod may send: %t, ingest may take it: %t", out, in)
	}
}

// TestPortsOfRedis: the policies open the ports that the settings name.
func TestPortsOfRedis(t *testing.T) {
	t.Parallel()
	const channels = "channels: {sms: {providers: [twilio]}, email: {enabled: false}, whatsapp: {enabled: false}}\n"
	for values, want := range map[string][]int32{
		"redis: {host: r, port: 6380}\n":                                         {6380},
		"redis: {mode: sentinel, addrs: 'a:26379,b:26379', sentinelMaster: m}\n": {26379, 6379},
		"redis: {mode: cluster, addrs: 'a:7000, b:7001'}\n":                      {7000, 7001},
	} {
		for _, p := range of[*networkingv1.NetworkPolicy](charted(t, values+channels)) {
			if strings.HasSuffix(p.Name, "deny") {
				continue
			}
			var got []int32
			for _, port := range p.Spec.Egress[1].Ports {
				got = append(got, port.Port.IntVal)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s%s: %v, want %v", values, p.Name, got, want)
			}
		}
	}
}
