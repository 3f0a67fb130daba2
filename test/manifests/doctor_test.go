package manifests

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"ringup.dev/ringup/internal/message"
)

// doctors returns installations with the Job that checks settings.
func doctors(t *testing.T) map[string][]object {
	t.Helper()
	over := func(overlay string) string {
		return "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: ringup-" + overlay + "\nresources: [../" + overlay + "]\ncomponents: [../../components/doctor]\n"
	}
	const on = "doctor: {enabled: true}\n"
	return map[string][]object{
		"overlay dev": build(t, over("dev")), "overlay prod": build(t, over("prod")),
		"chart": charted(t, prodValues(t)+on), "chart, one channel and no admin": charted(t, "redis: {host: r}\nadmin: {enabled: false}\nchannels: {sms: {providers: [twilio], rateLimit: 5, config: {CONCURRENCY: '9'}}, email: {enabled: false}, whatsapp: {enabled: false}}\n"+on),
		"chart, resolve": charted(t, resolveValues+on), "chart, resolve, keys as files": charted(t, resolveValues+on+"secretFiles: {resolve: [SQUARE_ACCESS_TOKEN]}\n"),
		"chart, keys as files": charted(t, prodValues(t)+on+"secretFiles: {ingest: [WEBHOOK_AUTH_TOKEN], workers: [SENDGRID_API_KEY], admin: [ADMIN_TOKEN]}\n"),
	}
}

// TestDoctorHasTheProgramsVariables: the Job has one container per program, with the variables of the program's pods, and checks that program.
func TestDoctorHasTheProgramsVariables(t *testing.T) {
	t.Parallel()
	for where, objects := range doctors(t) {
		checked := of[*batchv1.Job](objects)[0].Spec.Template.Spec.Containers
		programs := 0
		for name, pod := range pods(objects) {
			if pod.Labels["app.kubernetes.io/name"] != "ringup" {
				continue
			}
			programs++
			component := pod.Labels["app.kubernetes.io/component"]
			i := slices.IndexFunc(checked, func(c corev1.Container) bool { return c.Name == component })
			if i < 0 {
				t.Errorf("%s: %s is not checked", where, name)
				continue
			}
			program, queue, _ := strings.Cut(component, "-")
			if queue == string(message.Resolve) {
				program = queue
			}
			if want := []string{"doctor", "--program", program}; !slices.Equal(checked[i].Args, want) {
				t.Errorf("%s, %s: %v, want %v", where, name, checked[i].Args, want)
			}
			got, want := environment(t, objects, checked[i]), environment(t, objects, pod.Spec.Containers[0])
			for variable := range want {
				if secret, file := strings.CutSuffix(variable, "_FILE"); file {
					delete(want, variable) // secrets are variables in the Job
					delete(got, secret)
				}
			}
			delete(got, "GOMEMLIMIT")
			delete(want, "GOMEMLIMIT")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-pod +doctor):\n%s", where, name, diff)
			}
		}
		if programs != len(checked) {
			t.Errorf("%s: %d programs, and %d containers", where, programs, len(checked))
		}
	}
}

// TestDoctorRuns: its pods are restricted, and the policies let them reach DNS, Redis and the providers, as those of the workers do.
func TestDoctorRuns(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	for where, objects := range doctors(t) {
		pod := of[*batchv1.Job](objects)[0].Spec.Template
		for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				t.Errorf("%s: %s %s", where, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
		if pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
			t.Errorf("%s mounts a token", where)
		}
		egress := map[string][]networkingv1.NetworkPolicyEgressRule{}
		for _, p := range of[*networkingv1.NetworkPolicy](objects) {
			selector, err := metav1.LabelSelectorAsSelector(&p.Spec.PodSelector)
			if err != nil {
				t.Fatal(err)
			}
			for _, component := range []string{"doctor", "worker-sms"} {
				set := labels.Set{"app.kubernetes.io/name": "ringup", "app.kubernetes.io/part-of": "ringup", "app.kubernetes.io/instance": "ringup", "app.kubernetes.io/component": component}
				if component == "doctor" {
					set = pod.Labels
				}
				if selector.Matches(set) {
					egress[component] = append(egress[component], p.Spec.Egress...)
				}
			}
		}
		if where == "overlay dev" { // without policies
			continue
		}
		if where == "overlay prod" {
			egress["doctor"][1] = egress["worker-sms"][1] // that of Redis is patched by the overlay, which cannot patch a component that comes later
		}
		if diff := cmp.Diff(egress["worker-sms"], egress["doctor"]); diff != "" || len(egress["doctor"]) != 3 {
			t.Errorf("%s (-worker +doctor):\n%s", where, diff)
		}
	}
}

// TestDoctorComesFirst: with kustomize, the label selects the Job and whatever of the overlay it reads; in the chart, the Job is a hook before upgrades, reads no ConfigMap of
// the release before, and is off by default.
func TestDoctorComesFirst(t *testing.T) {
	t.Parallel()
	for where, objects := range doctors(t) {
		job := of[*batchv1.Job](objects)[0]
		chart := strings.HasPrefix(where, "chart")
		if (job.Annotations["helm.sh/hook"] == "pre-upgrade") != chart || (job.Labels["ringup.dev/doctor"] == "true") == chart {
			t.Errorf("%s: %v %v", where, job.Annotations, job.Labels)
		}
		for _, c := range job.Spec.Template.Spec.Containers {
			for _, from := range c.EnvFrom {
				if from.ConfigMapRef != nil && (chart || named[*corev1.ConfigMap](t, objects, from.ConfigMapRef.Name).Labels["ringup.dev/doctor"] != "true") {
					t.Errorf("%s: %s is not there yet", where, from.ConfigMapRef.Name)
				}
			}
		}
		for _, p := range of[*networkingv1.NetworkPolicy](objects) {
			if strings.HasSuffix(p.Name, "-doctor") && (p.Annotations["helm.sh/hook"] == "pre-upgrade" && p.Annotations["helm.sh/hook-weight"] == "-1") != chart {
				t.Errorf("%s: %v", where, p.Annotations)
			}
		}
	}
	if n := len(of[*batchv1.Job](charted(t, prodValues(t)))); n != 0 {
		t.Errorf("%d Jobs by default", n)
	}
}
