package configdoc

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/worker"
	"ringup.dev/ringup/internal/message"
)

var settingName = regexp.MustCompile(`\b[A-Z][A-Z0-9_]{3,}\b`)

// anAddress is what the settings are called whose values lead somewhere, where a password may be among them, or to someone.
var anAddress = regexp.MustCompile(`(URL|HOST|ADDRS|ENDPOINT|RECIPIENTS)$`)

// hidden returns the settings whose values no error may show: secrets and addresses.
func hidden(t testing.TB) (names []string) {
	for _, s := range sections(t) {
		for _, v := range s.settings {
			if v.secret || anAddress.MatchString(v.name) {
				names = append(names, v.name)
			}
		}
	}
	return names
}

// TestNoErrorGivesSomethingAway: whatever stands in a setting that is a secret or an address, no error of any program repeats it.
func TestNoErrorGivesSomethingAway(t *testing.T) {
	t.Parallel()
	names := hidden(t)
	if len(names) < 30 {
		t.Fatalf("%d settings: %q", len(names), names)
	}
	const planted = "planted-secret-here"
	well := map[string]string{"WEBHOOK_SECRET": "a-secret-of-the-tests", "SQUARE_SIGNATURE_KEY": "a-secret-of-the-tests", "UNSUBSCRIBE_SECRET": "a-secret-of-the-tests", "PUBLIC_URL": "https://hooks.example.com", "SQUARE_NOTIFICATION_URL": "https://hooks.example.com/webhooks/square/default",
		"SMS_PROVIDER": "twilio,aws", "EMAIL_PROVIDER": "sendgrid,aws", "WHATSAPP_PROVIDER": "twilio,business"}
	for _, name := range names {
		for _, value := range []string{"redis://user:" + planted + "@host:port", "user:" + planted + "@host", planted + " with spaces,,%zz"} {
			env := maps.Clone(well)
			env[name] = value
			var errs []error
			_, err := ingest.Load(t.Context(), envconfig.MapLookuper(env))
			errs = append(errs, err)
			_, err = admin.Load(t.Context(), envconfig.MapLookuper(env))
			errs = append(errs, err)
			for _, channel := range message.Channels {
				env["CHANNEL"] = string(channel)
				_, err = worker.Load(t.Context(), envconfig.MapLookuper(env))
				errs = append(errs, err)
			}
			if err := errors.Join(errs...); err != nil && strings.Contains(err.Error(), planted) {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
}

// FuzzConfiguration gives any setting any value: every program either can work with it or says why not, naming the setting, and gives no
// secret and nobody's address away.
func FuzzConfiguration(f *testing.F) {
	for _, seed := range []struct{ name, value string }{
		{"REDIS_URL", "redis://user:planted-secret-here@host:port"}, {"REDIS_URL", "rediss://[::1"}, {"REDIS_ADDRS", "a,b:1,,"}, {"REDIS_PORT", "65536"}, {"DEDUPE_TTL", "-1ns"},
		{"WEBHOOK_SECRET", "whsec_%%%, ,planted-secret-here"}, {"SMS_DEFAULT_RECIPIENTS", "planted-secret-here,+1"}, {"RETRY_BACKOFF", "1s,,x"}, {"MESSAGE_TTL", "pos_save:1h,x"},
		{"RATE_LIMIT", "NaN"}, {"RATE_LIMIT", "1e309"}, {"KEEP_FAILED", "0x10"}, {"PORT", "9999999999999999999"}, {"CHANNELS", "sms,,fax"}, {"DEFAULT_REGION", "\x00"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "planted-secret-here%zz"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://%zz"}, {"RINGUP_PREFIX", "{a}"}, {"RETENTION", "1s"},
		{"TEMPLATES_DIR", "/nowhere"}, {"DEFAULT_LOCALE", "../en"}, {"LOG_LEVEL", "loud"}, {"SMS_PROVIDER", "sandbox,,twilio"}, {"REDIS_CA_FILE", "/etc/hostname"}, {"ADMIN_TOKEN", " "}, {"WEBHOOK_SECRET", "whsec_"}, {"WEBHOOK_AUTH_TOKEN", "planted-secret-here,"},
		{"WEBHOOK_SECRET_FILE", "/etc/hostname"}, {"ADMIN_TOKEN_FILE", "planted-secret-here"}, {"ADMIN_VIEW_TOKEN", "planted"}, {"ADMIN_TRUSTED_PROXY", "0.0.0.0/0"},
	} {
		f.Add(seed.name, seed.value)
	}
	well := map[string]string{"WEBHOOK_SECRET": "a-secret-of-the-tests", "CHANNEL": "sms", "SMS_PROVIDER": "sandbox", "EMAIL_PROVIDER": "sandbox", "WHATSAPP_PROVIDER": "sandbox"}
	hidden := hidden(f)
	f.Fuzz(func(t *testing.T, name, value string) {
		env := maps.Clone(well)
		env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://collector:4318" // its headers are read only then
		env[name] = value
		lookup := envconfig.MapLookuper(env)
		_, ingest := ingest.Load(t.Context(), lookup)
		_, worker := worker.Load(t.Context(), lookup)
		_, admin := admin.Load(t.Context(), lookup)
		for program, err := range map[string]error{"ingest": ingest, "worker": worker, "admin": admin} {
			if err == nil {
				continue
			}
			if !settingName.MatchString(err.Error()) {
				t.Errorf("%s names no setting: %v", program, err)
			}
			if secret := strings.TrimSpace(value); slices.Contains(hidden, name) && len(secret) > 12 && strings.Contains(err.Error(), secret) {
				t.Errorf("%s gives %s away: %v", program, name, err)
			}
			if slices.Contains(hidden, name) && strings.Contains(err.Error(), "planted-secret-here") {
				t.Errorf("%s gives a part of %s away: %v", program, name, err)
			}
		}
	})
}
