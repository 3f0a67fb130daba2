// Package manifests renders k8s/ and charts/, decodes each object strictly into its type, and compares names, labels, ports, variables, keys
// and times with the code. It is a module of its own, so that ringup's module does not depend on Kubernetes and KEDA.
package manifests

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const root = "../.."

var types = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, kedav1alpha1.AddToScheme, gatewayv1.Install, monitoringv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	s.AddKnownTypes(externalSecretVersion, &ExternalSecret{})
	s.AddKnownTypes(schema.GroupVersion{Group: "traefik.io", Version: "v1alpha1"}, &Middleware{})
	return s
}()

var decoder = serializer.NewCodecFactory(types, serializer.EnableStrict).UniversalDeserializer()

// object is a rendered object.
type object struct {
	kind, name string
	meta       struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
	}
	typed runtime.Object
}

func (o object) String() string { return o.kind + "/" + o.name }

// decode reads rendered YAML strictly: an unknown field is an error.
func decode(t *testing.T, rendered []byte) []object {
	t.Helper()
	var out []object
	for _, doc := range bytes.Split(rendered, []byte("\n---\n")) {
		if len(bytes.TrimSpace(doc)) == 0 {
			continue
		}
		typed, kind, err := decoder.Decode(doc, nil, nil)
		if err != nil {
			t.Errorf("%v in\n%s", err, doc)
			continue
		}
		o := object{kind: kind.Kind, typed: typed}
		var head struct{ Metadata any }
		if err := yaml.Unmarshal(doc, &head); err != nil {
			t.Fatal(err)
		}
		if raw, err := yaml.Marshal(head.Metadata); err != nil || yaml.Unmarshal(raw, &o.meta) != nil {
			t.Fatal("no metadata")
		}
		o.name = o.meta.Name
		out = append(out, o)
	}
	return out
}

// build renders a kustomization: the path of an overlay below k8s, or the text of a kustomization, which is written beside the overlays.
func build(t *testing.T, kustomization string) []object {
	t.Helper()
	return decode(t, kustomized(t, kustomization))
}

func kustomized(t *testing.T, kustomization string) []byte {
	t.Helper()
	dir := kustomization
	disk := filesys.MakeFsInMemory()
	err := filepath.WalkDir(filepath.Join(root, "k8s"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		return disk.WriteFile("/"+below, text)
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(kustomization, "\n") {
		dir = "overlays/made-by-a-test"
		if err := disk.WriteFile("/k8s/"+dir+"/kustomization.yaml", []byte(kustomization)); err != nil {
			t.Fatal(err)
		}
	}
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, path.Join("/k8s", dir))
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := made.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

// of returns the objects of a type.
func of[T runtime.Object](objects []object) []T {
	var out []T
	for _, o := range objects {
		if typed, is := o.typed.(T); is {
			out = append(out, typed)
		}
	}
	return out
}

// named returns the object of a type and a name.
func named[T runtime.Object](t *testing.T, objects []object, name string) T {
	t.Helper()
	for _, o := range objects {
		if typed, is := o.typed.(T); is && o.name == name {
			return typed
		}
	}
	var none T
	t.Fatalf("no %T %s", none, name)
	return none
}

var overlays = []string{"overlays/dev", "overlays/staging", "overlays/prod"}

// components returns the components of k8s/components, and for each those that it depends on.
var needs = map[string][]string{"keda-sentinel": {"keda"}, "keda-cluster": {"keda"}, "redis-tls": {"keda"}, "resolve": {"keda"}, "ses-callbacks": {"network-policy"}, "traefik-limits": {"gateway"}}

func components(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "k8s/components"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if e.Name() != "providers" {
			out = append(out, e.Name())
			continue
		}
		below, err := filepath.Glob(filepath.Join(root, "k8s/components/providers/*/"))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range below {
			if filepath.Ext(dir) == "" {
				out = append(out, "providers/"+filepath.Base(dir))
			}
		}
	}
	return out
}

// with returns a kustomization of the base and components.
func with(names ...string) string {
	var text strings.Builder
	text.WriteString("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamePrefix: shop-\nresources: [../../base]\ncomponents:\n")
	for _, name := range names {
		fmt.Fprintf(&text, "  - ../../components/%s\n", name)
	}
	return text.String()
}

// variants returns every kustomization to check: the overlays, each component alone, and all components together.
func variants(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{"base": "base"}
	for _, o := range overlays {
		out[o] = o
	}
	var all []string
	for _, c := range components(t) {
		out["component "+c] = with(append(slices.Clone(needs[c]), c)...)
		if c != "keda-sentinel" && c != "keda-cluster" {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return len(needs[a]) - len(needs[b]) })
	out["all"] = with(all...)
	out["all, Sentinel"] = with(append(slices.Clone(all), "keda-sentinel")...)
	out["all, Cluster"] = with(append(slices.Clone(all), "keda-cluster")...)
	return out
}

// pods returns the pod templates, by object.
func pods(objects []object) map[string]corev1.PodTemplateSpec {
	out := map[string]corev1.PodTemplateSpec{}
	for _, d := range of[*appsv1.Deployment](objects) {
		out["Deployment/"+d.Name] = d.Spec.Template
	}
	for _, s := range of[*appsv1.StatefulSet](objects) {
		out["StatefulSet/"+s.Name] = s.Spec.Template
	}
	return out
}

var externalSecretVersion = schema.GroupVersion{Group: "external-secrets.io", Version: "v1"}
