package app_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/admin"
	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/worker"
)

// TestKeysThatAreEasilyGuessed: no program starts with one, in whichever of the variables and however it is given, and says which one it is.
func TestKeysThatAreEasilyGuessed(t *testing.T) {
	t.Parallel()
	const long = "0123456789abcdef"
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("hunter2hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	well := map[string]string{"WEBHOOK_SECRET": "a-secret-of-the-tests", "WEBHOOK_AUTH_TOKEN": "a-token-of-the-tests", "WHATSAPP_APP_SECRET": long, "CHANNEL": "sms", "SMS_PROVIDER": "sandbox", "PUBLIC_URL": "https://hooks.example.com"}
	load := func(env map[string]string) map[string]error {
		lookup := envconfig.MapLookuper(env)
		_, forIngest := ingest.Load(t.Context(), lookup)
		_, forWorker := worker.Load(t.Context(), lookup)
		_, forAdmin := admin.Load(t.Context(), lookup)
		return map[string]error{"ingest": forIngest, "worker": forWorker, "admin": forAdmin}
	}
	for program, err := range load(well) {
		if err != nil {
			t.Fatalf("%s: %v", program, err)
		}
	}
	for name, programs := range map[string]string{
		"WEBHOOK_SECRET": "ingest", "WEBHOOK_AUTH_TOKEN": "ingest", "UNSUBSCRIBE_SECRET": "ingest worker", "TWILIO_AUTH_TOKEN": "ingest", "WHATSAPP_APP_SECRET": "ingest",
		"WHATSAPP_VERIFY_TOKEN": "ingest", "ADMIN_TOKEN": "admin", "ADMIN_VIEW_TOKEN": "admin",
	} {
		values := []string{" ", "x", "hunter2hunter2", "               ", "\n"}
		if name != "ADMIN_TOKEN" && name != "ADMIN_VIEW_TOKEN" && name != "WHATSAPP_VERIFY_TOKEN" {
			values = append(values, long+",", ","+long, long+",,"+long, long+",hunter2hunter2", " , ")
		}
		if name == "WEBHOOK_SECRET" {
			values = append(values, "whsec_", "whsec_aHVudGVyMmh1bnRlcjI=", long+",whsec_")
		}
		check := func(variable, value string) {
			env := maps.Clone(well)
			delete(env, name)
			env[variable] = value
			for program, err := range load(env) {
				if wanted := strings.Contains(programs, program); wanted != (err != nil) {
					t.Errorf("%s: %s=%q: %v", program, variable, value, err)
				} else if wanted && (!strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hunter2")) {
					t.Errorf("%s: %s=%q: %v", program, variable, value, err)
				}
			}
		}
		for _, value := range values {
			check(name, value)
		}
		check(name+"_FILE", file)
		check(name+"_FILE", "/nowhere/hunter2")
	}
}
