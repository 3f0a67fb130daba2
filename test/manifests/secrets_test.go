package manifests

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/resolve"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/catalog"
	"ringup.dev/ringup/internal/redisstore"
)

// read adds the variables that a struct is configured by, and whether each is a secret.
func read(typ reflect.Type, into map[string]bool) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		if tag, found := field.Tag.Lookup("env"); found {
			name, _, _ := strings.Cut(tag, ",")
			into[name] = into[name] || config.IsSecret(field.Type)
		} else if field.Type.Kind() == reflect.Struct {
			read(field.Type, into)
		}
	}
}

// reads returns the variables that a program reads with these settings, by the structs of the code, and whether each is a secret. A worker's
// depend on its channel and its providers.
func reads(t *testing.T, component string, env map[string]string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	uses := func(provider string) bool {
		return slices.Contains(strings.Split(env["SMS_PROVIDER"]+","+env["EMAIL_PROVIDER"]+","+env["WHATSAPP_PROVIDER"], ","), provider)
	}
	channel, isWorker := strings.CutPrefix(component, "worker-")
	switch {
	case component == "ingest":
		read(reflect.TypeFor[ingest.Config](), out)
		if !uses("twilio") || env["PUBLIC_URL"] == "" { // Twilio signs callbacks with the token that sends
			delete(out, "TWILIO_AUTH_TOKEN")
		}
		if !uses("business") {
			delete(out, "WHATSAPP_APP_SECRET")
			delete(out, "WHATSAPP_VERIFY_TOKEN")
		}
	case component == "admin":
		read(reflect.TypeFor[admin.Config](), out)
	case channel == string(message.Resolve):
		read(reflect.TypeFor[resolve.Config](), out)
	case isWorker:
		read(reflect.TypeFor[worker.Config](), out)
		if channel != "email" { // only e-mails have links to unsubscribe
			delete(out, "UNSUBSCRIBE_SECRET")
		}
		for _, name := range strings.Split(env[strings.ToUpper(channel)+"_PROVIDER"], ",") {
			c := catalog.Config(message.Channel(channel), name)
			if c == nil {
				t.Fatalf("%s has no provider %q", channel, name)
			}
			read(reflect.TypeOf(c).Elem(), out)
		}
	default:
		t.Fatalf("there is no program %s", component)
	}
	return out
}

// given returns the variables that a pod takes from Secrets, each with the Secret's name. From the Secret that all programs share it takes all.
func given(t *testing.T, name string, pod corev1.PodSpec) map[string]string {
	t.Helper()
	out := map[string]string{}
	c := pod.Containers[0]
	for _, from := range c.EnvFrom {
		if from.SecretRef != nil && hash.ReplaceAllString(from.SecretRef.Name, "") != "ringup-redis" {
			t.Errorf("%s takes all that is in %s", name, from.SecretRef.Name)
		}
	}
	paths := map[string]string{}
	for _, v := range pod.Volumes {
		if v.Secret == nil {
			continue
		}
		if len(v.Secret.Items) == 0 {
			t.Errorf("%s mounts all that is in %s", name, v.Secret.SecretName)
		}
		for _, m := range c.VolumeMounts {
			for _, item := range v.Secret.Items {
				if m.Name == v.Name {
					paths[m.MountPath+"/"+item.Path] = item.Key
				}
			}
		}
	}
	for _, v := range c.Env {
		if file, is := strings.CutSuffix(v.Name, "_FILE"); is {
			if paths[v.Value] != file {
				t.Errorf("%s: %s names %s, where %q is", name, v.Name, v.Value, paths[v.Value])
			}
			delete(paths, v.Value)
			out[file] = "a file"
		} else if v.ValueFrom != nil {
			if v.ValueFrom.SecretKeyRef.Key != v.Name {
				t.Errorf("%s: %s is %s of the Secret", name, v.Name, v.ValueFrom.SecretKeyRef.Key)
			}
			out[v.Name] = v.ValueFrom.SecretKeyRef.Name
		}
	}
	for path, key := range paths {
		t.Errorf("%s mounts %s at %s, which no variable names", name, key, path)
	}
	return out
}

// checkSecrets compares what each program gets from Secrets with what it reads.
func checkSecrets(t *testing.T, objects []object) {
	t.Helper()
	shared := map[string]bool{}
	read(reflect.TypeFor[redisstore.Config](), shared)
	programs := 0
	for name, pod := range pods(objects) {
		if pod.Labels["app.kubernetes.io/name"] != "ringup" {
			continue
		}
		programs++
		known := reads(t, pod.Labels["app.kubernetes.io/component"], environment(t, objects, pod.Spec.Containers[0]))
		gets := given(t, name, pod.Spec)
		for variable, secret := range gets {
			if _, is := known[variable]; !is {
				t.Errorf("%s gets %s from %s, and does not read it", name, variable, secret)
			}
		}
		for variable, secret := range known {
			if _, fromShared := shared[variable]; secret && gets[variable] == "" && !fromShared {
				t.Errorf("%s reads %s, and does not get it", name, variable)
			}
		}
		for _, variable := range []string{"REDIS_USERNAME", "REDIS_PASSWORD"} {
			if gets[variable] == "" {
				t.Errorf("%s gets no %s of its own", name, variable)
			}
		}
		for variable := range secretData(t, objects, sharedSecret(pod.Spec)) {
			if _, is := shared[variable]; !is || strings.HasPrefix(variable, "REDIS_USER") || variable == "REDIS_PASSWORD" {
				t.Errorf("all programs get %s", variable)
			}
		}
	}
	if programs < 4 {
		t.Errorf("%d programs", programs)
	}
}

func sharedSecret(pod corev1.PodSpec) string {
	for _, from := range pod.Containers[0].EnvFrom {
		if from.SecretRef != nil {
			return from.SecretRef.Name
		}
	}
	return ""
}

// TestEachProgramGetsItsSecrets: in the overlays and by the chart, each program gets from Secrets what it reads, by the structs of the code, and
// nothing else; workers for the providers of their channel.
func TestEachProgramGetsItsSecrets(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			t.Parallel()
			checkSecrets(t, build(t, overlay))
		})
	}
	charts := map[string]string{"prod-values.yaml": prodValues(t)}
	files := "secretFiles: {ingest: [WEBHOOK_AUTH_TOKEN, TWILIO_AUTH_TOKEN], workers: [SENDGRID_API_KEY, TWILIO_AUTH_TOKEN], admin: [ADMIN_TOKEN, REDIS_PASSWORD]}\n"
	for _, sms := range catalog.Names(message.SMS) {
		for _, email := range catalog.Names(message.Email) {
			for _, whatsapp := range catalog.Names(message.WhatsApp) {
				values := fmt.Sprintf("redis: {host: r}\nchannels: {sms: {providers: [%s]}, email: {providers: [%s, sandbox]}, whatsapp: {providers: [%s]}}\n", sms, email, whatsapp)
				values = strings.ReplaceAll(values, "[sandbox, sandbox]", "[sandbox]")
				charts[sms+", "+email+", "+whatsapp] = values
				charts[sms+", "+email+", "+whatsapp+", with callbacks, as files"] = values + "config: {PUBLIC_URL: https://hooks.example.com}\n" + files
			}
		}
	}
	for name, values := range charts {
		t.Run("chart: "+name, func(t *testing.T) {
			t.Parallel()
			checkSecrets(t, charted(t, values))
		})
	}
}

// TestSecretFiles: the component and the chart give the programs their keys as files in the same way.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	objects := build(t, strings.ReplaceAll(with("secret-files"), "namePrefix: shop-\n", ""))
	found := map[string]string{}
	for name, pod := range pods(objects) {
		for variable, from := range given(t, name, pod.Spec) {
			if from == "a file" {
				found[variable] += name
			}
		}
	}
	want := map[string]string{"WEBHOOK_AUTH_TOKEN": "Deployment/ringup-ingest", "WEBHOOK_SECRET": "Deployment/ringup-ingest", "ADMIN_TOKEN": "Deployment/ringup-admin"}
	if !maps.Equal(found, want) {
		t.Errorf("%v, want %v", found, want)
	}
	// The schema's lists have every secret that a program may get, and none that cannot be a file.
	for _, values := range []string{"ingest: [REDIS_USERNAME]", "workers: [AWS_ACCESS_KEY_ID]", "admin: [WEBHOOK_SECRET]", "ingest: [SENDGRID_API_KEY]"} {
		if _, err := helm(t, prodValues(t)+"secretFiles: {"+values+"}\n"); err == nil {
			t.Errorf("%s is taken", values)
		}
	}
}

// rights returns the users of an ACL file, without their passwords.
func rights(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		words := slices.DeleteFunc(strings.Fields(line), func(word string) bool { return strings.HasPrefix(word, ">") })
		out[words[1]] = strings.Join(words[2:], " ")
	}
	return out
}

// TestUsersOfTheOverlays: the Redis in the cluster has the documented users, with the documented rights, and each program signs in as its own.
func TestUsersOfTheOverlays(t *testing.T) {
	t.Parallel()
	documented := rights(t, "docs/operations/users.acl")
	for _, path := range []string{"k8s/overlays/dev/users.acl", "test/e2e/overlay/users.acl", "test/e2e/beside/users.acl"} {
		users := rights(t, path)
		for _, name := range []string{"default", "ingest", "worker", "admin", "keda"} {
			if users[name] == "" || users[name] != documented[name] {
				t.Errorf("%s: %s has %q, docs/operations/users.acl says %q", path, name, users[name], documented[name])
			}
		}
	}
	for _, overlay := range overlays {
		objects := build(t, overlay)
		for name, pod := range pods(objects) {
			component, _, _ := strings.Cut(pod.Labels["app.kubernetes.io/component"], "-")
			if user := environment(t, objects, pod.Spec.Containers[0])["REDIS_USERNAME"]; pod.Labels["app.kubernetes.io/name"] == "ringup" && user != component {
				t.Errorf("%s: %s signs in to Redis as %q", overlay, name, user)
			}
		}
	}
}
