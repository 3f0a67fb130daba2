package generic

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/config/secret"
)

const whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

var body = []byte(`{"id":"a"}`)

func sign(key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func TestVerifier(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hook, err := standardwebhooks.NewWebhook(whsec)
	if err != nil {
		t.Fatal(err)
	}
	standard := func(at time.Time) map[string]string {
		signature, err := hook.Sign("msg_1", at, body)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"webhook-id": "msg_1", "webhook-timestamp": strconv.FormatInt(at.Unix(), 10), "webhook-signature": signature}
	}
	and := func(a map[string]string, name, value string) map[string]string {
		out := map[string]string{name: value}
		for k, v := range a {
			if k != name {
				out[k] = v
			}
		}
		return out
	}
	both := Config{Tokens: secret.Keys{"old", "new"}, Secrets: secret.Keys{"k1", whsec}}
	token := map[string]string{"Authorization": "Bearer new"}
	tests := []struct {
		name    string
		config  Config
		headers map[string]string
		want    string
	}{
		{"a token", both, token, ""},
		{"the other token", both, map[string]string{"Authorization": "bearer old"}, ""},
		{"no token", both, nil, "Authorization header is missing"},
		{"a wrong token", both, map[string]string{"Authorization": "Bearer ne"}, "token is not valid"},
		{"an empty token", both, map[string]string{"Authorization": "Bearer "}, "token is not valid"},
		{"another scheme", both, map[string]string{"Authorization": "Basic new"}, "token is not valid"},
		{"a signature", both, and(token, "X-Webhook-Signature", sign("k1")), ""},
		{"a signature with its prefix", both, and(token, "X-Webhook-Signature", "sha256="+strings.ToUpper(sign("k1"))), ""},
		{"a signature by another key", both, and(token, "X-Webhook-Signature", sign("k2")), "does not fit"},
		{"a signature that is none", both, and(token, "X-Webhook-Signature", "zz"), "not the hex"},
		{"a good signature without the token", both, map[string]string{"X-Webhook-Signature": sign("k1")}, "Authorization header is missing"},
		{"required and missing", Config{Tokens: secret.Keys{"new"}, Secrets: secret.Keys{"k1"}, RequireSignature: true}, token, "signature is missing"},
		{"a secret alone requires it", Config{Secrets: secret.Keys{"k1"}}, nil, "signature is missing"},
		{"a secret alone is enough", Config{Secrets: secret.Keys{"k1"}}, map[string]string{"X-Webhook-Signature": sign("k1")}, ""},
		{"nothing to check it with", Config{Tokens: secret.Keys{"new"}}, and(token, "X-Webhook-Signature", "zz"), ""},
		{"standard", Config{Secrets: secret.Keys{whsec}}, standard(now), ""},
		{"standard, one of several", Config{Secrets: secret.Keys{whsec}}, and(standard(now), "webhook-signature", "v2,x v1,AAAA "+standard(now)["webhook-signature"]), ""},
		{"standard, too old", Config{Secrets: secret.Keys{whsec}}, standard(now.Add(-6 * time.Minute)), "from now"},
		{"standard, too new", Config{Secrets: secret.Keys{whsec}}, standard(now.Add(6 * time.Minute)), "from now"},
		{"standard, timestamp changed", Config{Secrets: secret.Keys{whsec}}, and(standard(now), "webhook-timestamp", strconv.FormatInt(now.Unix()-9, 10)), "does not fit"},
		{"standard, id changed", Config{Secrets: secret.Keys{whsec}}, and(standard(now), "webhook-id", "msg_2"), "does not fit"},
		{"standard, no id", Config{Secrets: secret.Keys{whsec}}, and(standard(now), "webhook-id", ""), "needs webhook-id"},
		{"standard good, plain wrong", Config{Secrets: secret.Keys{whsec}}, and(standard(now), "X-Webhook-Signature", sign("x")), "does not fit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := New(tt.config, func() time.Time { return now })
			if err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			for k, value := range tt.headers {
				h.Set(k, value)
			}
			err = v.Token(h)
			if err == nil {
				err = v.Signature(h, body)
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestEachSignatureCounts: in however many headers signatures come, one that is wrong refuses; empty ones say nothing.
func TestEachSignatureCounts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hook, err := standardwebhooks.NewWebhook(whsec)
	if err != nil {
		t.Fatal(err)
	}
	fits, err := hook.Sign("msg_1", now, body)
	if err != nil {
		t.Fatal(err)
	}
	right := map[string]string{"X-Webhook-Signature": sign(whsec), "Webhook-Signature": fits}
	wrong := map[string]string{"X-Webhook-Signature": sign("another"), "Webhook-Signature": "v1," + fits[:3]}
	rapid.Check(t, func(t *rapid.T) {
		required := rapid.Bool().Draw(t, "required")
		v, err := New(Config{Tokens: secret.Keys{"t"}, Secrets: secret.Keys{whsec}, RequireSignature: required}, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}}
		some, bad := false, false
		for name := range right {
			for _, kind := range rapid.SliceOfN(rapid.SampledFrom([]string{"right", "wrong", "empty", "blank"}), 0, 3).Draw(t, name) {
				h.Add(name, map[string]string{"right": right[name], "wrong": wrong[name], "blank": " "}[kind])
				some, bad = some || kind == "right" || kind == "wrong", bad || kind == "wrong"
			}
		}
		if err := v.Signature(h, body); (err == nil) != (!bad && (some || !required)) {
			t.Fatalf("%v: %v", h, err)
		}
	})
	v, err := New(Config{Secrets: secret.Keys{whsec}}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Signature(http.Header{"X-Webhook-Signature": slices.Repeat([]string{right["X-Webhook-Signature"]}, maxSignatures+1)}, body); err == nil {
		t.Error("any number of them is computed")
	}
}

func TestConfigLetsNobodyInByMistake(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{}, {Secrets: secret.Keys{}}, {Tokens: secret.Keys{"t"}, RequireSignature: true}, {Secrets: secret.Keys{"whsec_%%%"}}} {
		if _, err := New(c, time.Now); err == nil || !strings.Contains(err.Error(), "WEBHOOK_") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// FuzzSignature: no header that is not made with the key is taken.
func FuzzSignature(f *testing.F) {
	f.Add("sha256=00", "v1,AAAA", "1", "id")
	f.Fuzz(func(t *testing.T, plain, standard, stamp, id string) {
		v, err := New(Config{Secrets: secret.Keys{"k1"}}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{"X-Webhook-Signature": {plain}, "Webhook-Signature": {standard}, "Webhook-Timestamp": {stamp}, "Webhook-Id": {id}}
		if v.Signature(h, body) == nil {
			t.Errorf("took %v", h)
		}
	})
}
