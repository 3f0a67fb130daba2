package system

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/catalog"
	"ringup.dev/ringup/internal/redistest"
	senders "ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
	"ringup.dev/ringup/internal/unsubscribe"
	"ringup.dev/ringup/test/emulator"
)

// secretsOf collects the variables of the secrets of configurations.
func secretsOf(names map[string]bool, types ...reflect.Type) {
	for _, of := range types {
		for i := range of.NumField() {
			field := of.Field(i)
			if tag, tagged := field.Tag.Lookup("env"); tagged {
				if name, _, _ := strings.Cut(tag, ","); config.IsSecret(field.Type) {
					names[name] = true
				}
			} else if field.Type.Kind() == reflect.Struct && field.IsExported() {
				secretsOf(names, field.Type)
			}
		}
	}
}

// programs returns the variables of the secrets of each program.
func programs() map[string]map[string]bool {
	out := map[string]map[string]bool{"ingest": {}, "worker": {}, "admin": {}}
	secretsOf(out["ingest"], reflect.TypeFor[ingest.Config]())
	secretsOf(out["admin"], reflect.TypeFor[admin.Config]())
	secretsOf(out["worker"], reflect.TypeFor[worker.Config]())
	for _, c := range catalog.Configs() {
		secretsOf(out["worker"], reflect.TypeOf(c).Elem())
	}
	return out
}

// rotation is a system whose programs have all of their secrets in files.
type rotation struct {
	*system
	dir       string
	old, anew map[string]string
	collector *httptest.Server
	providers *httptest.Server
	emulator  *emulator.Server
	callbacks *emulator.Callbacks
	operators string // the address of admin
	running   map[string][]*process

	mu   sync.Mutex
	seen []string // of requests: the programs' traces by their header, and the providers' answers by their path
}

// saw says whether a request was seen that matches.
func (r *rotation) saw(pattern string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.seen, regexp.MustCompile(pattern).MatchString)
}

func (r *rotation) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, text)
}

// put writes the files at once, each as Kubernetes does.
func (r *rotation) put(values map[string]string) {
	r.Helper()
	for name, value := range values {
		path := filepath.Join(r.dir, name)
		if err := os.WriteFile(path+".new", []byte(value+"\n"), 0o600); err != nil {
			r.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			r.Fatal(err)
		}
	}
}

// env returns the settings of a program: its secrets in files, but for those of except.
func (r *rotation) env(program string, except []string, more ...string) []string {
	env := []string{
		"REDIS_URL=", "WEBHOOK_AUTH_TOKEN=", "PUBLIC_URL=" + r.url, "SQUARE_NOTIFICATION_URL=" + squareAddress, "OTEL_EXPORTER_OTLP_ENDPOINT=" + r.collector.URL, "OTEL_BSP_SCHEDULE_DELAY=50",
		"REDIS_HOST=127.0.0.1", "REDIS_PORT=" + strings.TrimPrefix(r.redis.Addr(), "127.0.0.1:"), "REDIS_USERNAME=ringup",
		"BREAKER_OPEN_MIN=50ms", "BREAKER_OPEN_MAX=100ms", "BREAKER_RAMP=1s", "TWILIO_ACCOUNT_SID=" + emulator.TwilioAccountSID, "TWILIO_WHATSAPP_FROM=+14155238886", "EMAIL_FROM=hello@example.com",
		"AWS_REGION=" + emulator.AWSRegion, "WHATSAPP_PHONE_NUMBER_ID=" + emulator.WhatsAppNumberID,
		"TWILIO_BASE_URL=" + r.providers.URL, "SENDGRID_BASE_URL=" + r.providers.URL, "AWS_ENDPOINT_URL=" + r.providers.URL, "WHATSAPP_BASE_URL=" + r.providers.URL,
	}
	for name := range programs()[program] {
		if !slices.Contains(except, name) {
			env = append(env, name+"_FILE="+filepath.Join(r.dir, name))
		}
	}
	return append(env, more...)
}

// rotated returns a system with every secret in a file that has the old one. The providers' own are wrong ones at first.
func rotated(t *testing.T) *rotation {
	t.Helper()
	server := redistest.Start(t)
	r := &rotation{
		system: &system{T: t, redis: server, payload: everyChannel, client: server.Client(), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))},
		dir:    t.TempDir(), old: map[string]string{}, anew: map[string]string{}, running: map[string][]*process{},
	}
	p := emulator.New()
	r.emulator = p
	r.providers = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, asked *http.Request) {
		answer := httptest.NewRecorder()
		p.ServeHTTP(answer, asked)
		r.note(fmt.Sprintf("provider %d %s %s", answer.Code, asked.URL.Path, asked.Header.Get("X-Amz-Security-Token")))
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(r.providers.Close)
	r.collector = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, asked *http.Request) {
		body, err := io.ReadAll(asked.Body)
		if err != nil {
			return
		}
		for _, program := range []string{"ingest", "worker"} {
			if bytes.Contains(body, []byte("ringup-"+program)) {
				r.note("traces of " + program + " " + asked.Header.Get("X-Key"))
			}
		}
	}))
	t.Cleanup(r.collector.Close)
	var err error
	if r.callbacks, err = p.Callbacks(emulator.CallbackOptions{Ingest: r.url}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.callbacks.Close)
	for _, names := range programs() {
		for name := range names {
			r.old[name] = "the-old-secret-of-" + name
			r.anew[name] = "the-new-secret-of-" + name
		}
	}
	maps.Copy(r.old, map[string]string{"TWILIO_AUTH_TOKEN": "anothertokenofthetests", "SENDGRID_API_KEY": "SG.another", "OTEL_EXPORTER_OTLP_HEADERS": "X-Key=old",
		"REDIS_PASSWORD": "old", "REDIS_URL": "redis://ringup:old@" + server.Addr()})
	maps.Copy(r.anew, map[string]string{"TWILIO_AUTH_TOKEN": emulator.TwilioAuthToken, "SENDGRID_API_KEY": emulator.SendGridAPIKey, "OTEL_EXPORTER_OTLP_HEADERS": "X-Key=new",
		"REDIS_PASSWORD": "new", "REDIS_URL": "redis://ringup:new@" + server.Addr(), "AWS_ACCESS_KEY_ID": emulator.AWSAccessKeyID, "AWS_SECRET_ACCESS_KEY": emulator.AWSSecretAccessKey,
		"WHATSAPP_ACCESS_TOKEN": emulator.WhatsAppToken, "WHATSAPP_APP_SECRET": emulator.WhatsAppAppSecret, "WHATSAPP_VERIFY_TOKEN": emulator.WhatsAppVerifyToken,
		"PRIVACY_KEY": r.anew["PRIVACY_KEY"] + "," + r.old["PRIVACY_KEY"]})
	r.put(r.old)
	return r
}

// begin starts the programs. Some have Redis's password in REDIS_URL_FILE, some in REDIS_PASSWORD_FILE.
func (r *rotation) begin() {
	r.Helper()
	inURL, alone := []string{"REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD"}, []string{"REDIS_URL", "REDIS_SENTINEL_PASSWORD"}
	if err := r.client.Do(r.Context(), "ACL", "SETUSER", "ringup", "on", ">old", "~*", "&*", "+@all").Err(); err != nil {
		r.Fatal(err)
	}
	r.serve(r.env("ingest", inURL)...)
	r.running["ingest"] = []*process{r.ingest}
	for i, settings := range []string{"CHANNEL=sms SMS_PROVIDER=aws", "CHANNEL=email EMAIL_PROVIDER=sendgrid", "CHANNEL=whatsapp WHATSAPP_PROVIDER=twilio", "CHANNEL=whatsapp WHATSAPP_PROVIDER=business"} {
		p := r.run("worker", r.env("worker", [][]string{inURL, alone}[i%2], strings.Fields(settings)...)...)
		r.running["worker"] = append(r.running["worker"], p)
	}
	p, address := r.admin(r.env("admin", alone, "ADMIN_TOKEN=")...)
	r.operators, r.running["admin"] = address, []*process{p}
}

// posted posts a webhook, with a new key or an old one, and returns whether it was accepted with a new one.
func (r *rotation) posted(i int) bool {
	body := everyChannel(i)
	for _, values := range []map[string]string{r.anew, r.old} {
		asked, err := http.NewRequestWithContext(r.Context(), http.MethodPost, r.url+"/webhooks/pos", strings.NewReader(body))
		if err != nil {
			r.Fatal(err)
		}
		asked.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + values["WEBHOOK_AUTH_TOKEN"]}, "X-Webhook-Signature": {signatureBy(values["WEBHOOK_SECRET"], body)}}
		if r.status(asked) == http.StatusAccepted {
			return values["WEBHOOK_SECRET"] == r.anew["WEBHOOK_SECRET"]
		}
	}
	return false
}

// status returns the status of an answer; 0 for none.
func (r *rotation) status(asked *http.Request) int {
	resp, err := http.DefaultClient.Do(asked)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// replaced says whether all processes of a program have logged that they use a secret's new value.
func (r *rotation) replaced(program, name string) bool {
	line := regexp.MustCompile(`secrets replaced.*` + name + `\b`)
	return !slices.ContainsFunc(r.running[program], func(p *process) bool { return !line.MatchString(p.text()) })
}

// called returns whether ingest takes a provider's callback.
func (r *rotation) called(cb emulator.Callback, err error) bool {
	if err != nil {
		r.Fatal(err)
	}
	answer, err := r.callbacks.Send(r.Context(), cb)
	return err == nil && answer.Status/100 == 2
}

// links returns the links of the new secret.
func (r *rotation) links() *unsubscribe.Links {
	links, err := unsubscribe.New(unsubscribe.Config{PublicURL: r.url, Secrets: secret.Keys{secret.Key(r.anew["UNSUBSCRIBE_SECRET"])}})
	if err != nil {
		r.Fatal(err)
	}
	return links
}

// takes says whether ingest takes a webhook with the new one of a sender's keys.
func (r *rotation) takes(g *senders.Guide, k *senders.Key) bool {
	topic := k.Topic
	for _, one := range sample.Topics(g.Name) {
		if topic == "" && !slices.ContainsFunc(g.All(), func(other senders.Key) bool { return other.Topic == one }) {
			topic = one // no other key is for it
		}
	}
	signedWith, address := r.anew[k.Variable], r.url+g.Path()
	if k.InPath {
		signedWith, address = "", address+"/"+r.anew[k.Variable]
	}
	w, err := sample.New(g.Name, topic, signedWith, squareAddress, time.Now())
	if err != nil {
		r.Fatal(err)
	}
	asked, err := http.NewRequestWithContext(r.Context(), http.MethodPost, address, bytes.NewReader(w.Body))
	if err != nil {
		r.Fatal(err)
	}
	asked.Header = w.Header
	return r.status(asked) == http.StatusOK
}

// checks says for each program and secret whether the new one is in use.
func (r *rotation) checks(posted func() bool) map[string]map[string]func() bool {
	get := func(url, token string) func() bool {
		return func() bool {
			status, _ := r.call(http.MethodGet, url, token, "")
			return status != http.StatusUnauthorized
		}
	}
	in := map[string]func() bool{
		"WEBHOOK_SECRET": posted, "WEBHOOK_AUTH_TOKEN": get(r.url+"/v1/notifications/none", r.anew["WEBHOOK_AUTH_TOKEN"]),
		"TWILIO_AUTH_TOKEN": func() bool {
			return r.called(r.callbacks.Receive(emulator.Inbound{Provider: "twilio", Channel: "sms", From: "+15550100000", To: "+15005550006", Text: "hello"}))
		},
		"WHATSAPP_APP_SECRET": func() bool {
			return r.called(r.callbacks.Receive(emulator.Inbound{Provider: "whatsapp", Channel: "whatsapp", From: "+15550100000", Text: "hello"}))
		},
		"WHATSAPP_VERIFY_TOKEN": func() bool { return r.called(r.callbacks.Challenge(emulator.WhatsAppVerifyToken, "challenge"), nil) },
		"UNSUBSCRIBE_SECRET": func() bool {
			status, _ := r.call(http.MethodGet, r.links().URL(message.Address("customer@example.com")), "", "")
			return status == http.StatusOK
		},
		"OTEL_EXPORTER_OTLP_HEADERS": func() bool { return r.saw("^traces of ingest new$") },
	}
	for _, g := range senders.Guides {
		for _, k := range g.All() {
			in[k.Variable] = func() bool { return r.takes(&g, &k) }
		}
	}
	out := map[string]map[string]func() bool{"ingest": in, "worker": {
		"TWILIO_AUTH_TOKEN": func() bool { return r.saw("^provider 20. /2010-04-01/") }, "SENDGRID_API_KEY": func() bool { return r.saw("^provider 202 /v3/") },
		"AWS_ACCESS_KEY_ID": func() bool { return r.saw("^provider 200 / ") }, "AWS_SECRET_ACCESS_KEY": func() bool { return r.saw("^provider 200 / ") },
		"AWS_SESSION_TOKEN":     func() bool { return r.saw("^provider 200 / " + r.anew["AWS_SESSION_TOKEN"]) },
		"WHATSAPP_ACCESS_TOKEN": func() bool { return r.saw("^provider 200 /v[0-9.]+/[0-9]+") },
		"UNSUBSCRIBE_SECRET": func() bool {
			return slices.ContainsFunc(r.emulator.Messages(), func(m emulator.Message) bool {
				_, token, _ := strings.Cut(m.Unsubscribe, unsubscribe.Path+"/")
				_, err := r.links().Open(token)
				return err == nil
			})
		},
		"OTEL_EXPORTER_OTLP_HEADERS": func() bool { return r.saw("^traces of worker new$") },
	}, "admin": {
		"ADMIN_TOKEN": get(r.operators+"/admin/api/queues", r.anew["ADMIN_TOKEN"]), "ADMIN_VIEW_TOKEN": get(r.operators+"/admin/api/queues", r.anew["ADMIN_VIEW_TOKEN"]),
	}}
	for program, checks := range out {
		// Whether names and new connections are made with them is shown by redisstore.TestCredentialsAreReplaced and, for all programs, at the end of TestSecretsAreReplaced.
		checks["PRIVACY_KEY"] = func() bool { return r.replaced(program, "PRIVACY_KEY") }
		redis := func() bool { return r.replaced(program, "(REDIS_PASSWORD|REDIS_URL)") }
		checks["REDIS_PASSWORD"], checks["REDIS_URL"] = redis, redis
		checks["REDIS_SENTINEL_PASSWORD"] = redis
	}
	return out
}

// TestSecretsAreReplaced: every secret of every program, by its file, is used in place of the former one when the file changes, while the programs run: what
// a till, a provider or an operator signs in with, what a provider is asked with, and what Redis is asked with.
func TestSecretsAreReplaced(t *testing.T) {
	t.Parallel()
	r := rotated(t)
	r.begin()
	webhooks, byNew := 0, false
	post := func() {
		byNew = r.posted(webhooks)
		webhooks++
	}
	post()
	waiting := r.checks(func() bool { return byNew })
	for program, names := range programs() {
		for name := range names {
			if check := waiting[program][name]; check == nil {
				t.Errorf("%s has the secret %s: say here how it is seen that the new one is in use", program, name)
			} else if check() {
				t.Errorf("%s uses the new %s before its file has changed", program, name)
			}
		}
	}
	// Redis knows both passwords for a while, as docs/security.md says.
	if err := r.client.Do(t.Context(), "ACL", "SETUSER", "ringup", ">new").Err(); err != nil {
		t.Fatal(err)
	}
	r.put(r.anew)
	pending := func() (left []string) {
		for program, checks := range waiting {
			for name, check := range checks {
				if check() {
					delete(checks, name)
				} else {
					left = append(left, program+" "+name)
				}
			}
		}
		slices.Sort(left)
		return left
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("not seen in use: ", pending())
		}
	})
	redistest.Eventually(t, "the new secrets are in use", func() bool {
		post() // so that there is something to send and to trace
		<-time.After(100 * time.Millisecond)
		return len(pending()) == 0
	})
	for _, command := range [][]any{{"ACL", "SETUSER", "ringup", "resetpass", ">new"}, {"CLIENT", "KILL", "USER", "ringup"}} {
		if err := r.client.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	sent := len(r.emulator.Messages())
	redistest.Eventually(t, "all programs are back at Redis", func() bool {
		status, _ := r.call(http.MethodGet, r.operators+"/admin/api/queues", r.anew["ADMIN_TOKEN"], "")
		return r.posted(webhooks) && status == http.StatusOK && len(r.emulator.Messages()) >= sent+3
	})
}
