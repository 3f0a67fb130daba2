package manifests

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/sethvargo/go-envconfig"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/sender/catalog"
)

// each runs a check on every variant.
func each(t *testing.T, check func(*testing.T, []object)) {
	t.Helper()
	t.Parallel()
	for name, kustomization := range variants(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, build(t, kustomization))
		})
	}
}

func TestEverythingDecodes(t *testing.T) {
	each(t, func(t *testing.T, objects []object) {
		seen := map[string]bool{}
		for _, o := range objects {
			if seen[o.String()] {
				t.Errorf("%s is rendered twice", o)
			}
			seen[o.String()] = true
			if o.kind != "Namespace" && o.meta.Labels["app.kubernetes.io/part-of"] != "ringup" && o.kind != "ServiceAccount" && o.kind != "ConfigMap" && o.kind != "Secret" {
				t.Errorf("%s has no label app.kubernetes.io/part-of", o)
			}
		}
	})
}

func TestPodsAreRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	each(t, func(t *testing.T, objects []object) {
		for name, pod := range pods(objects) {
			for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
				if !result.Allowed {
					t.Errorf("%s: %s %s", name, result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
			if pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
				t.Errorf("%s mounts a token", name)
			}
			if pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks {
				t.Errorf("%s has variables for the services of the namespace, which could have the names of ringup's", name)
			}
			for _, c := range pod.Spec.Containers {
				if c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
					t.Errorf("%s can write to its root", name)
				}
				for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
					if c.Resources.Requests.Name(r, "").IsZero() || c.Resources.Limits.Name(r, "").IsZero() {
						t.Errorf("%s has no request or no limit for %s", name, r)
					}
				}
				if c.StartupProbe == nil || c.LivenessProbe == nil || c.ReadinessProbe == nil {
					t.Errorf("%s lacks a probe", name)
				} else if get := c.LivenessProbe.HTTPGet; get != nil && get.Path != "/healthz" {
					// Readiness depends on Redis and the providers. A restart of the pod does not repair those.
					t.Errorf("%s has the liveness probe %s", name, get.Path)
				}
			}
		}
	})
}

// TestReferences: every reference to another object names one that is rendered.
func TestReferences(t *testing.T) {
	each(t, func(t *testing.T, objects []object) {
		have := map[string]bool{}
		for _, o := range objects {
			have[o.String()] = true
		}
		for _, e := range of[*ExternalSecret](objects) {
			have["Secret/"+e.Spec.Target.Name] = true
		}
		// Without a vault's operator and outside dev, the user creates these: docs/operations/install.md.
		for _, byHand := range []string{"ringup-redis", "ringup-redis-keda", "ringup-redis-acl", "ringup-ingest", "ringup-providers", "ringup-resolve", "ringup-admin"} {
			have["Secret/"+byHand] = true
		}
		need := func(from, to string) {
			if !have[to] {
				t.Errorf("%s names %s, which does not exist", from, to)
			}
		}
		templates := pods(objects)
		for _, j := range of[*batchv1.Job](objects) {
			templates["Job/"+j.Name] = j.Spec.Template
		}
		for name, pod := range templates {
			if !strings.HasPrefix(name, "Job/") { // a Job has the namespace's own account
				need(name, "ServiceAccount/"+pod.Spec.ServiceAccountName)
			}
			for _, v := range pod.Spec.Volumes {
				if v.ConfigMap != nil {
					need(name, "ConfigMap/"+v.ConfigMap.Name)
				}
				if v.Secret != nil {
					need(name, "Secret/"+v.Secret.SecretName)
				}
			}
			for _, c := range pod.Spec.Containers {
				for _, from := range c.EnvFrom {
					if from.ConfigMapRef != nil {
						need(name, "ConfigMap/"+from.ConfigMapRef.Name)
					}
					if from.SecretRef != nil {
						need(name, "Secret/"+from.SecretRef.Name)
					}
				}
				for _, v := range c.Env {
					if v.ValueFrom != nil {
						need(name, "Secret/"+v.ValueFrom.SecretKeyRef.Name)
					}
				}
			}
		}
		selected := func(from string, selector *metav1.LabelSelector) (found []corev1.PodTemplateSpec) {
			s, err := metav1.LabelSelectorAsSelector(selector)
			if err != nil {
				t.Fatal(err)
			}
			for _, pod := range templates {
				if s.Matches(labels.Set(pod.Labels)) {
					found = append(found, pod)
				}
			}
			if len(found) == 0 {
				t.Errorf("%s selects no pod", from)
			}
			return found
		}
		services := map[string]*corev1.Service{}
		for _, s := range of[*corev1.Service](objects) {
			services[s.Name] = s
			found := selected("Service/"+s.Name, &metav1.LabelSelector{MatchLabels: s.Spec.Selector})
			if len(found) > 1 {
				t.Errorf("Service/%s selects pods of several kinds", s.Name)
			}
			for _, p := range s.Spec.Ports {
				if !slices.ContainsFunc(found[0].Spec.Containers[0].Ports, func(c corev1.ContainerPort) bool { return intstr.FromString(c.Name) == p.TargetPort }) {
					t.Errorf("Service/%s leads to the port %s, which the pod does not name", s.Name, p.TargetPort.String())
				}
				if p.TargetPort.String() == "ops" {
					t.Errorf("Service/%s exposes the operators' port", s.Name)
				}
			}
		}
		for _, p := range of[*policyv1.PodDisruptionBudget](objects) {
			if len(selected("PodDisruptionBudget/"+p.Name, p.Spec.Selector)) > 1 {
				t.Errorf("PodDisruptionBudget/%s covers several", p.Name)
			}
		}
		for _, n := range of[*networkingv1.NetworkPolicy](objects) {
			// Redis may be in another component.
			if n.Name != "redis" && !strings.HasSuffix(n.Name, "-redis") {
				selected("NetworkPolicy/"+n.Name, &n.Spec.PodSelector)
			}
		}
		scaled := map[string]bool{}
		for _, h := range of[*autoscalingv2.HorizontalPodAutoscaler](objects) {
			need("HorizontalPodAutoscaler/"+h.Name, "Deployment/"+h.Spec.ScaleTargetRef.Name)
			scaled[h.Spec.ScaleTargetRef.Name] = true
		}
		for _, s := range of[*kedav1alpha1.ScaledObject](objects) {
			need("ScaledObject/"+s.Name, "Deployment/"+s.Spec.ScaleTargetRef.Name)
			scaled[s.Spec.ScaleTargetRef.Name] = true
			for _, trigger := range s.Spec.Triggers {
				need("ScaledObject/"+s.Name, "TriggerAuthentication/"+trigger.AuthenticationRef.Name)
			}
		}
		for _, a := range of[*kedav1alpha1.TriggerAuthentication](objects) {
			for _, r := range a.Spec.SecretTargetRef {
				need("TriggerAuthentication/"+a.Name, "Secret/"+r.Name)
			}
		}
		for _, d := range of[*appsv1.Deployment](objects) {
			if scaled[d.Name] && d.Spec.Replicas != nil {
				t.Errorf("Deployment/%s is scaled and has replicas: every apply would undo the scaling", d.Name)
			}
		}
		backend := func(from, name string, port int32, portName string) {
			s := services[name]
			if s == nil || !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port || p.Name == portName }) {
				t.Errorf("%s leads to %s, port %d%s, which does not exist", from, name, port, portName)
			}
		}
		for _, r := range of[*gatewayv1.HTTPRoute](objects) {
			var routed []string
			for _, rule := range r.Spec.Rules {
				for _, b := range rule.BackendRefs {
					backend("HTTPRoute/"+r.Name, string(b.Name), *b.Port, "")
				}
				for _, m := range rule.Matches {
					public(t, *m.Path.Value)
					routed = append(routed, *m.Path.Value)
				}
			}
			allRouted(t, "HTTPRoute/"+r.Name, routed)
		}
		for _, i := range of[*networkingv1.Ingress](objects) {
			var routed []string
			for _, rule := range i.Spec.Rules {
				for _, p := range rule.HTTP.Paths {
					backend("Ingress/"+i.Name, p.Backend.Service.Name, p.Backend.Service.Port.Number, p.Backend.Service.Port.Name)
					public(t, p.Path)
					routed = append(routed, p.Path)
				}
			}
			allRouted(t, "Ingress/"+i.Name, routed)
		}
	})
}

// public checks that a routed path is one of the public endpoints.
func public(t *testing.T, path string) {
	t.Helper()
	if !slices.Contains(publicPaths(), path) {
		t.Errorf("%s is routed from outside", path)
	}
}

// publicPaths are the paths that are routed from outside: one for each sender, since all of /webhooks has the test endpoints, too.
func publicPaths() []string {
	paths := []string{"/webhooks/pos", "/callbacks", "/unsubscribe", "/v1"}
	for _, g := range catalog.Guides {
		paths = append(paths, "/webhooks/"+g.Name)
	}
	return paths
}

// allRouted checks that every public endpoint is routed, of every sender in the catalog too.
func allRouted(t *testing.T, what string, routed []string) {
	t.Helper()
	for _, path := range publicPaths() {
		if !slices.Contains(routed, path) {
			t.Errorf("%s: %s is not routed", what, path)
		}
	}
}

// variables returns all variables that ringup reads, by .env.example, which a test compares with the code.
func variables(t *testing.T) map[string]bool {
	t.Helper()
	file, err := os.Open(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	out := map[string]bool{"GOMEMLIMIT": true} // read by the Go runtime
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, _, is := strings.Cut(lines.Text(), "="); is && !strings.HasPrefix(name, "#") {
			out[name] = true
		}
	}
	return out
}

// key is as long as the programs ask for.
const key = "0123456789abcdef"

// vault has example values of a vault, by Secret.
var vault = map[string]map[string]string{
	"ringup-redis":  {"PRIVACY_KEY": key},
	"ringup-ingest": {"WEBHOOK_AUTH_TOKEN": key, "WEBHOOK_SECRET": key, "REDIS_USERNAME": "ingest", "REDIS_PASSWORD": "x"},
	"ringup-providers": {
		"TWILIO_ACCOUNT_SID": "AC" + strings.Repeat("0", 32), "TWILIO_AUTH_TOKEN": key, "SENDGRID_API_KEY": "x", "AWS_ACCESS_KEY_ID": "x",
		"AWS_SECRET_ACCESS_KEY": "x", "WHATSAPP_ACCESS_TOKEN": "x", "REDIS_USERNAME": "worker", "REDIS_PASSWORD": "x",
	},
	"ringup-resolve": {"SQUARE_ACCESS_TOKEN": "x", "STRIPE_API_KEY": "x", "LOYVERSE_ACCESS_TOKEN": "x", "CLOVER_ACCESS_TOKEN": "x", "REDIS_USERNAME": "worker", "REDIS_PASSWORD": "x"},
	"ringup-admin":   {"ADMIN_TOKEN": key, "REDIS_USERNAME": "admin", "REDIS_PASSWORD": "x"},
}

// environment returns the variables that a container would have.
func environment(t *testing.T, objects []object, c corev1.Container) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef != nil {
			maps.Copy(env, named[*corev1.ConfigMap](t, objects, from.ConfigMapRef.Name).Data)
			continue
		}
		maps.Copy(env, secretData(t, objects, from.SecretRef.Name))
	}
	for _, v := range c.Env {
		if v.ValueFrom == nil {
			env[v.Name] = v.Value
		} else if value, found := secretData(t, objects, v.ValueFrom.SecretKeyRef.Name)[v.ValueFrom.SecretKeyRef.Key]; found {
			env[v.Name] = value
		}
	}
	return env
}

// secretData returns what a Secret has: that of the vault, or that of the rendered one.
func secretData(t *testing.T, objects []object, name string) map[string]string {
	t.Helper()
	if known, found := vault[name]; found {
		return known
	}
	out := map[string]string{}
	for key, value := range named[*corev1.Secret](t, objects, name).Data {
		out[key] = string(value)
	}
	return out
}

// TestTheProgramsStart: the programs accept the variables of their pods as a valid configuration, and drain within the pod's grace period.
func TestTheProgramsStart(t *testing.T) {
	t.Parallel()
	known := variables(t)
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			t.Parallel()
			objects := build(t, overlay)
			programs := 0
			for name, pod := range pods(objects) {
				c := pod.Spec.Containers[0]
				if pod.Labels["app.kubernetes.io/name"] != "ringup" {
					continue
				}
				env := environment(t, objects, c)
				for variable := range env {
					if !known[variable] {
						t.Errorf("%s sets %s, which ringup does not read", name, variable)
					}
				}
				grace := time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second
				lookup := envconfig.MapLookuper(env)
				switch c.Name {
				case "ingest":
					programs++
					config, err := ingest.Load(t.Context(), lookup)
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
					if grace < config.Server.DrainTime() {
						t.Errorf("%s: %s of grace, but it may take %s to stop", name, grace, config.Server.DrainTime())
					}
					hasPort(t, c, "http", int32(config.Server.Port))
					hasPort(t, c, "ops", int32(config.Ops.Port))
				case "admin":
					programs++
					config, err := admin.Load(t.Context(), lookup)
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
					if grace < admin.DrainTime {
						t.Errorf("%s: %s of grace, but it may take %s to stop", name, grace, admin.DrainTime)
					}
					if config.Admin.Token == "" {
						t.Errorf("%s has no token, so it listens on the local address only, and no Service reaches it", name)
					}
					hasPort(t, c, "http", int32(config.Admin.Port))
					hasPort(t, c, "ops", int32(config.Ops.Port))
				case "worker":
					programs++
					config, err := worker.Load(t.Context(), lookup)
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
					if grace < config.Worker.DrainTime() || grace >= config.Consumer.Lease {
						t.Errorf("%s: drain %s <= grace %s < lease %s does not hold", name, config.Worker.DrainTime(), grace, config.Consumer.Lease)
					}
					if want := "worker-" + config.Channel.Channel; pod.Labels["app.kubernetes.io/component"] != want {
						t.Errorf("%s serves %s", name, config.Channel.Channel)
					}
					hasPort(t, c, "ops", int32(config.Ops.Port))
				}
			}
			if programs != 5 {
				t.Errorf("%d of ingest, admin and three workers", programs)
			}
		})
	}
}

func hasPort(t *testing.T, c corev1.Container, name string, port int32) {
	t.Helper()
	if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == name && p.ContainerPort == port }) {
		t.Errorf("%s does not name its port %d %s", c.Name, port, name)
	}
}

// TestKEDAFindsRedis: KEDA reads the host from the worker's variables, and resolves it in its own namespace.
func TestKEDAFindsRedis(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		objects := build(t, overlay)
		for name, pod := range pods(objects) {
			if pod.Spec.Containers[0].Name != "worker" {
				continue
			}
			host := environment(t, objects, pod.Spec.Containers[0])["REDIS_HOST"]
			if strings.HasPrefix(host, "redis.") && strings.Contains(host, ".svc") {
				named[*corev1.Service](t, objects, "redis")
				_, rest, _ := strings.Cut(host, ".")
				if namespace, _, _ := strings.Cut(rest, "."); namespace != objects[len(objects)-1].meta.Namespace {
					t.Errorf("%s: %s looks for Redis in the namespace %s", overlay, name, namespace)
				}
			} else if !strings.Contains(host, ".") {
				t.Errorf("%s: %s has REDIS_HOST=%s, which does not resolve in KEDA's namespace", overlay, name, host)
			}
		}
	}
}

func TestProductionHasNoDevelopment(t *testing.T) {
	t.Parallel()
	for _, overlay := range []string{"overlays/staging", "overlays/prod"} {
		objects := build(t, overlay)
		if n := len(of[*corev1.Secret](objects)); n != 0 {
			t.Errorf("%s has %d plain Secrets", overlay, n)
		}
		for name, pod := range pods(objects) {
			env := environment(t, objects, pod.Spec.Containers[0])
			if env["TEST_ENDPOINTS"] == "true" || env["PPROF"] == "true" {
				t.Errorf("%s: %s serves endpoints for development", overlay, name)
			}
			if pod.Spec.Containers[0].Name == "ingest" && env["WEBHOOK_REQUIRE_SIGNATURE"] != "true" {
				t.Errorf("%s takes webhooks without a signature", overlay)
			}
			for _, variable := range []string{"SMS_PROVIDER", "EMAIL_PROVIDER", "WHATSAPP_PROVIDER"} {
				if strings.Contains(env[variable], "sandbox") {
					t.Errorf("%s: %s is the sandbox", overlay, variable)
				}
			}
		}
	}
}
