package manifests

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// call is a call that the Tiltfile makes.
type call struct {
	args   []string
	kwargs map[string]string
}

// tilt runs the Tiltfile with stand-ins for Tilt's functions, which record their calls.
func tilt(t *testing.T) (calls map[string][]call, objects []object) {
	t.Helper()
	calls = map[string][]call{}
	remember := func(name string) *starlark.Builtin {
		return starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			c := call{kwargs: map[string]string{}}
			for _, a := range args {
				c.args = append(c.args, a.String())
			}
			for _, k := range kwargs {
				name, _ := starlark.AsString(k[0])
				c.kwargs[name] = k[1].String()
			}
			calls[name] = append(calls[name], c)
			return starlark.String(name + strings.Join(c.args, ",")), nil
		})
	}
	known := starlark.StringDict{}
	for _, name := range []string{"version_settings", "allow_k8s_contexts", "local_resource", "sync", "k8s_resource", "port_forward"} {
		known[name] = remember(name)
	}
	known["kustomize"] = starlark.NewBuiltin("kustomize", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		path, _ := starlark.AsString(args[0])
		return starlark.String(kustomized(t, strings.TrimPrefix(path, "k8s/"))), nil
	})
	known["decode_yaml_stream"] = starlark.NewBuiltin("decode_yaml_stream", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		text, _ := starlark.AsString(args[0])
		var out []starlark.Value
		for doc := range strings.SplitSeq(text, "\n---\n") {
			asJSON, err := yaml.YAMLToJSON([]byte(doc))
			if err != nil {
				return nil, err
			}
			value, err := starlark.Call(thread, json.Module.Members["decode"], starlark.Tuple{starlark.String(asJSON)}, nil)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return starlark.NewList(out), nil
	})
	known["encode_yaml_stream"] = starlark.NewBuiltin("encode_yaml_stream", func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		var docs []string
		list := args[0].(*starlark.List)
		for i := range list.Len() {
			text, err := starlark.Call(thread, json.Module.Members["encode"], starlark.Tuple{list.Index(i)}, nil)
			if err != nil {
				return nil, err
			}
			doc, err := yaml.JSONToYAML([]byte(text.(starlark.String)))
			if err != nil {
				return nil, err
			}
			docs = append(docs, string(doc))
		}
		return starlark.String(strings.Join(docs, "\n---\n")), nil
	})
	known["k8s_yaml"] = starlark.NewBuiltin("k8s_yaml", func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		text, _ := starlark.AsString(args[0])
		objects = decode(t, []byte(text))
		return starlark.None, nil
	})
	thread := &starlark.Thread{Name: "Tiltfile", Load: func(_ *starlark.Thread, module string) (starlark.StringDict, error) {
		return starlark.StringDict{
			"docker_build_with_restart": remember("docker_build_with_restart"), "cmd_button": remember("cmd_button"),
			"location": starlarkstruct.FromStringDict(starlark.String("location"), starlark.StringDict{"NAV": starlark.String("nav")}),
		}, nil
	}}
	options := &syntax.FileOptions{TopLevelControl: true, GlobalReassign: true}
	if _, err := starlark.ExecFileOptions(options, thread, filepath.Join(root, "Tiltfile"), nil, known); err != nil {
		t.Fatal(err)
	}
	return calls, objects
}

func TestTiltfile(t *testing.T) {
	t.Parallel()
	calls, objects := tilt(t)
	var resources, images []string
	for _, c := range calls["k8s_resource"] {
		resources = append(resources, strings.Trim(c.args[0], `"`))
		if c.kwargs["labels"] == "" {
			t.Errorf("%s has no label", c.args[0])
		}
	}
	for _, c := range calls["docker_build_with_restart"] {
		images = append(images, strings.Trim(c.args[0], `"`))
	}
	for _, d := range of[*appsv1.Deployment](objects) {
		if !slices.Contains(resources, d.Name) {
			t.Errorf("Tilt has no group for %s", d.Name)
		}
		image, _, _ := strings.Cut(d.Spec.Template.Spec.Containers[0].Image, ":")
		if !slices.Contains(images, image) {
			t.Errorf("Tilt does not build %s", image)
		}
	}
	for _, r := range resources {
		if !slices.ContainsFunc(objects, func(o object) bool { return o.name == r && (o.kind == "Deployment" || o.kind == "StatefulSet") }) {
			t.Errorf("the overlay has no %s", r)
		}
	}
	if len(calls["cmd_button"]) != 3 || len(calls["allow_k8s_contexts"]) != 1 || calls["allow_k8s_contexts"][0].args[0] != "[]" {
		t.Errorf("buttons %v, contexts %v", calls["cmd_button"], calls["allow_k8s_contexts"])
	}
}
