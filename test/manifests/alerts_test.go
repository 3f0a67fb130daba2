package manifests

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
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
