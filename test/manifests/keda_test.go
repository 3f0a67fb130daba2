package manifests

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/expr-lang/expr"
	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/resolve"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/redisstore"
)

// parameter is a parameter of a scaler in KEDA's own schema, which KEDA's admission does not check.
type parameter struct {
	Name                                  string
	Optional                              bool
	MetadataVariableReadable              bool
	EnvVariableReadable                   bool
	TriggerAuthenticationVariableReadable bool
}

func scalers(t *testing.T) map[string][]parameter {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/kedacore/keda/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "schema/generated/scalers-schema.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Scalers []struct {
			Type       string
			Parameters []parameter
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	byType := map[string][]parameter{}
	for _, s := range file.Scalers {
		byType[s.Type] = s.Parameters
	}
	return byType
}

func TestTriggers(t *testing.T) {
	known := scalers(t)
	each(t, func(t *testing.T, objects []object) {
		for _, s := range of[*kedav1alpha1.ScaledObject](objects) {
			_, channel, _ := strings.Cut(s.Name, "worker-")
			keys := redisstore.NewKeys("ringup", message.Channel(channel))
			want := map[string]string{"q1": keys.Queue[0], "q2": keys.Queue[1], "q3": keys.Queue[2], "q4": keys.Queue[3],
				"inflight": keys.Inflight, "retry": keys.Retry, "halted": keys.Halted}
			if err := kedav1alpha1.ValidateTriggers(s.Spec.Triggers); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			if err := kedav1alpha1.CheckReplicaCountBoundsAreValid(s); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			if s.Spec.Fallback != nil {
				t.Errorf("%s has a fallback: components/keda/README.md says why there is none", s.Name)
			}
			container := named[*appsv1.Deployment](t, objects, s.Spec.ScaleTargetRef.Name).Spec.Template.Spec.Containers[0]
			if container.Name != s.Spec.ScaleTargetRef.EnvSourceContainerName {
				t.Errorf("%s reads the variables of %s", s.Name, s.Spec.ScaleTargetRef.EnvSourceContainerName)
			}
			for _, trigger := range s.Spec.Triggers {
				if trigger.Metadata["listName"] != want[trigger.Name] {
					t.Errorf("%s: %s reads %q, the code writes %q", s.Name, trigger.Name, trigger.Metadata["listName"], want[trigger.Name])
				}
				delete(want, trigger.Name)
				for key, value := range trigger.Metadata {
					name, fromEnv := strings.CutSuffix(key, "FromEnv")
					i := slices.IndexFunc(known[trigger.Type], func(p parameter) bool { return p.Name == name })
					switch {
					case i < 0:
						t.Errorf("%s: KEDA's %s knows no %s", s.Name, trigger.Type, key)
					case fromEnv && !known[trigger.Type][i].EnvVariableReadable, !fromEnv && !known[trigger.Type][i].MetadataVariableReadable:
						t.Errorf("%s: KEDA's %s does not read %s from there", s.Name, trigger.Type, key)
					case fromEnv && !variables(t)[value]:
						t.Errorf("%s: %s is not a variable of ringup", s.Name, value)
					}
				}
			}
			if len(want) != 0 {
				t.Errorf("%s does not look at %v", s.Name, want)
			}
		}
	})
}

// TestPrefix: with every prefix, mode of Redis and way of installing, KEDA looks at the keys that the workers of each channel use, and the programs take
// the prefix.
func TestPrefix(t *testing.T) {
	t.Parallel()
	modes := map[string]struct{ values, component string }{
		"standalone": {"host: r", ""}, "sentinel": {"mode: sentinel, addrs: 'a:26379', sentinelMaster: m", "keda-sentinel"}, "cluster": {"mode: cluster, addrs: 'a:7000'", "keda-cluster"},
	}
	const sandboxes = "channels: {sms: {providers: [sandbox]}, email: {providers: [sandbox]}, whatsapp: {providers: [sandbox]}}\nresolve: {enabled: true, senders: [square]}\n"
	for _, prefix := range []string{"", "ringup", "shop", "ringup:staging", "a.b-c_d", "kræn"} {
		for mode, m := range modes {
			components := []string{"keda", "sandbox", "resolve"}
			if m.component != "" {
				components = append(components, m.component)
			}
			setting, values := "", "redis: {"+m.values+"}\n"+sandboxes
			if prefix != "" {
				setting = fmt.Sprintf("configMapGenerator: [{name: ringup, behavior: merge, literals: ['RINGUP_PREFIX=%s']}]\n", prefix)
				values += "config: {RINGUP_PREFIX: '" + prefix + "'}\n"
			}
			ways := map[string][]object{"kustomize": build(t, with(components...)+setting), "chart": charted(t, values)}
			if mode == "standalone" { // dev's
				ways["kustomize, overlay of an overlay"] = build(t, "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../dev]\ntransformers: [../../components/keda/prefix]\n"+setting)
			}
			for way, objects := range ways {
				t.Run(fmt.Sprintf("%q, %s, %s", prefix, mode, way), func(t *testing.T) {
					t.Parallel()
					checkPrefix(t, objects, prefix)
				})
			}
		}
	}
}

// checkPrefix compares what KEDA's triggers look at with the keys of the workers, by the variables that their pods get.
func checkPrefix(t *testing.T, objects []object, prefix string) {
	t.Helper()
	looked := 0
	for _, s := range of[*kedav1alpha1.ScaledObject](objects) {
		_, channel, _ := strings.Cut(s.Name, "worker-")
		env := environment(t, objects, named[*appsv1.Deployment](t, objects, s.Spec.ScaleTargetRef.Name).Spec.Template.Spec.Containers[0])
		used := redis(t, channel, env)
		if want := cmp.Or(prefix, "ringup"); used.Prefix != want {
			t.Errorf("%s has the prefix %q, want %q", s.Name, used.Prefix, want)
		}
		keys := redisstore.NewKeys(used.Prefix, message.Channel(channel))
		for i, want := range append(keys.Queue[:], keys.Inflight, keys.Retry, keys.Halted) {
			looked++
			if got := s.Spec.Triggers[i].Metadata["listName"]; got != want {
				t.Errorf("%s: KEDA reads %q, the worker %q", s.Name, got, want)
			}
		}
	}
	if want := 7 * len(of[*kedav1alpha1.ScaledObject](objects)); looked != want || looked < 21 {
		t.Errorf("%d keys", looked)
	}
}

// redis returns what the workers of a queue read of Redis.
func redis(t *testing.T, queue string, env map[string]string) redisstore.Config {
	t.Helper()
	if queue == string(message.Resolve) {
		env["SQUARE_ACCESS_TOKEN"] = "x"
		config, err := resolve.Load(t.Context(), envconfig.MapLookuper(env))
		if err != nil {
			t.Fatalf("resolve does not start: %v", err)
		}
		return config.Redis
	}
	config, err := worker.Load(t.Context(), envconfig.MapLookuper(env))
	if err != nil {
		t.Fatalf("the worker does not start: %v", err)
	}
	return config.Redis
}

// TestPrefixThatKEDADoesNotSee: where an overlay of an overlay sets the prefix without the replacements, no program starts, and each says what to list.
func TestPrefixThatKEDADoesNotSee(t *testing.T) {
	t.Parallel()
	objects := build(t, "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../dev]\nconfigMapGenerator: [{name: ringup, behavior: merge, literals: [RINGUP_PREFIX=shop]}]\n")
	for name, pod := range pods(objects) {
		c := pod.Spec.Containers[0]
		env := envconfig.MapLookuper(environment(t, objects, c))
		var err error
		switch c.Name {
		case "ingest":
			_, err = ingest.Load(t.Context(), env)
		case "worker":
			_, err = worker.Load(t.Context(), env)
		case "admin":
			_, err = admin.Load(t.Context(), env)
		default:
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "k8s/components/keda/prefix") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormula(t *testing.T) {
	t.Parallel()
	for _, s := range of[*kedav1alpha1.ScaledObject](build(t, "overlays/dev")) {
		// KEDA compiles the formula at admission in the same way, with the names of the triggers.
		if _, err := kedav1alpha1.ValidateAndCompileScalingModifiers(s); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		for name, c := range map[string]struct {
			q1, q2, q3, q4, inflight, retry, halted, want float64
		}{
			"no jobs":                              {0, 0, 0, 0, 0, 0, 0, 0},
			"all lists count":                      {1, 2, 3, 4, 0, 0, 0, 10},
			"jobs in flight count":                 {0, 0, 0, 0, 7, 0, 0, 7},
			"retries need one worker":              {0, 0, 0, 0, 0, 500, 0, 1},
			"retries beside other jobs":            {5, 0, 0, 0, 0, 500, 0, 5},
			"halted: one worker waits for the end": {500, 0, 0, 0, 20, 100, 1, 1},
			"halted without jobs":                  {0, 0, 0, 0, 0, 0, 2, 0},
		} {
			program, err := expr.Compile(s.Spec.Advanced.ScalingModifiers.Formula)
			if err != nil {
				t.Fatal(err)
			}
			got, err := expr.Run(program, map[string]float64{"q1": c.q1, "q2": c.q2, "q3": c.q3, "q4": c.q4, "inflight": c.inflight, "retry": c.retry, "halted": c.halted})
			if err != nil {
				t.Fatal(err)
			}
			var value float64
			switch n := got.(type) {
			case float64:
				value = n
			case int:
				value = float64(n)
			default:
				t.Fatalf("%s: %T", name, got)
			}
			if value != c.want {
				t.Errorf("%s, %s: %v, want %v", s.Name, name, value, c.want)
			}
		}
	}
}

// The latency of a send and the wait of a message in docs/operations/sizing.md.
const (
	latency = 200 * time.Millisecond
	wait    = 2 * time.Second
)

// TestSizes: in production, the number of workers and the jobs per worker follow from the provider's rate.
func TestSizes(t *testing.T) {
	t.Parallel()
	objects := build(t, "overlays/prod")
	for _, s := range of[*kedav1alpha1.ScaledObject](objects) {
		container := named[*appsv1.Deployment](t, objects, s.Spec.ScaleTargetRef.Name).Spec.Template.Spec.Containers[0]
		config, err := worker.Load(t.Context(), envconfig.MapLookuper(environment(t, objects, container)))
		if err != nil {
			t.Fatal(err)
		}
		if config.Consumer.RateLimit <= 0 {
			t.Errorf("%s has no RATE_LIMIT", s.Name)
			continue
		}
		rate := float64(config.Consumer.RateLimit)
		perWorker := float64(config.Worker.Concurrency) / latency.Seconds()
		replicas := math.Ceil(rate/perWorker) + 1
		target := math.Max(math.Min(perWorker, rate/replicas)*wait.Seconds(), 2*float64(config.Worker.Concurrency))
		if float64(*s.Spec.MaxReplicaCount) != replicas {
			t.Errorf("%s: maxReplicaCount %d, at a rate of %v it has to be %v", s.Name, *s.Spec.MaxReplicaCount, rate, replicas)
		}
		if got := s.Spec.Advanced.ScalingModifiers.Target; got != strconv.Itoa(int(target)) {
			t.Errorf("%s: target %s, at a rate of %v it has to be %d", s.Name, got, rate, int(target))
		}
		if *s.Spec.MinReplicaCount < 1 {
			t.Errorf("%s scales to zero in production", s.Name)
		}
	}
}
