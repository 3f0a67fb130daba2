package configdoc

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/worker"
)

var settingName = regexp.MustCompile(`\b[A-Z][A-Z0-9_]{3,}\b`)

// hidden are the settings whose values no error may show.
var hidden = []string{"REDIS_URL", "REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD", "WEBHOOK_SECRET", "WEBHOOK_AUTH_TOKEN", "ADMIN_TOKEN", "ADMIN_VIEW_TOKEN", "UNSUBSCRIBE_SECRET", "OTEL_EXPORTER_OTLP_HEADERS",
	"SMS_DEFAULT_RECIPIENTS", "EMAIL_DEFAULT_RECIPIENTS", "WHATSAPP_DEFAULT_RECIPIENTS"}

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
