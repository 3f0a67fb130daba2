package manifests

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"
)

// TestAlertsAreEverywhereTheSame: the PrometheusRules of the overlays and the chart are those of dashboards/alerts.yaml, which promtool tests.
func TestAlertsAreEverywhereTheSame(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../dashboards/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want monitoringv1.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &want); err != nil {
		t.Fatal(err)
	}
	values, err := os.ReadFile(root + "/charts/ringup/ci/prod-values.yaml") // with monitoring enabled
	if err != nil {
		t.Fatal(err)
	}
	for where, objects := range map[string][]object{"overlay prod": build(t, "overlays/prod"), "chart": charted(t, string(values))} {
		found := false
		for _, o := range objects {
			rule, is := o.typed.(*monitoringv1.PrometheusRule)
			if !is {
				continue
			}
			found = true
			if diff := cmp.Diff(want, rule.Spec); diff != "" {
				t.Errorf("%s (-alerts.yaml +there): %s", where, diff)
			}
		}
		if !found {
			t.Errorf("%s has no PrometheusRule", where)
		}
	}
}

var autoscaler = regexp.MustCompile(`horizontalpodautoscaler=~"([^"]*)"`)

// TestAlertsMatchTheAutoscalers: what the alerts on autoscalers match are the names of those that KEDA makes by the ScaledObjects, and not ingest's.
func TestAlertsMatchTheAutoscalers(t *testing.T) {
	t.Parallel()
	for where, objects := range map[string][]object{"overlay prod": build(t, "overlays/prod"), "chart": charted(t, prodValues(t)), "another prefix": build(t, with("keda", "monitoring"))} {
		checked := 0
		for _, rule := range of[*monitoringv1.PrometheusRule](objects) {
			for _, r := range rule.Spec.Groups[0].Rules {
				found := autoscaler.FindStringSubmatch(r.Expr.String())
				if found == nil {
					continue
				}
				matches := regexp.MustCompile("^(?:" + found[1] + ")$")
				for _, s := range of[*kedav1alpha1.ScaledObject](objects) {
					checked++
					name := "keda-hpa-" + s.Name // KEDA's default
					if config := s.Spec.Advanced.HorizontalPodAutoscalerConfig; config != nil && config.Name != "" {
						name = config.Name
					}
					if !matches.MatchString(name) {
						t.Errorf("%s: %s never fires for %s", where, r.Alert, name)
					}
				}
				for _, h := range of[*autoscalingv2.HorizontalPodAutoscaler](objects) {
					if matches.MatchString(h.Name) {
						t.Errorf("%s: %s fires for %s", where, r.Alert, h.Name)
					}
				}
			}
		}
		if checked != 3 {
			t.Errorf("%s: %d autoscalers of workers", where, checked)
		}
	}
}
