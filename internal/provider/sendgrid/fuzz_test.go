package sendgrid

import (
	"strings"
	"testing"

	"ringup.dev/ringup/internal/report/reporttest"
)

func FuzzParse(f *testing.F) {
	f.Add(exampleBody)
	f.Add(`[{"event":"bounce","type":"blocked","status":"5.1.1","email":"a@b.example","timestamp":"1","ringup_job":"x:email:1"},{"event":"group_resubscribe","email":"a@b.example"}]`)
	f.Add(`[{"event":"open","sg_machine_open":1},null,7,{"timestamp":99999999999999999999}]`)
	f.Fuzz(func(t *testing.T, body string) {
		update, err := parse([]byte(body), received)
		if err != nil && reporttest.Answered(err) != 400 {
			t.Errorf("%v", err)
		}
		reporttest.Sound(t, update)
	})
}

// FuzzKeys: any text is read as an ECDSA key or refused.
func FuzzKeys(f *testing.F) {
	f.Add(exampleKey, exampleSignature)
	f.Add("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA", "MEUC")
	f.Add("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", exampleSignature) // Ed25519, of RFC 8410
	f.Fuzz(func(t *testing.T, key, signature string) {
		keys, err := (&CallbackConfig{PublicKeys: []string{key}}).keys()
		if err != nil {
			if !strings.Contains(err.Error(), "SENDGRID_WEBHOOK_PUBLIC_KEY") {
				t.Errorf("%v", err)
			}
			return
		}
		for _, key := range keys {
			if key == nil || key.Curve == nil {
				t.Error("an empty key")
			}
		}
	})
}
