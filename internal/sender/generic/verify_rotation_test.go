package generic

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"ringup.dev/ringup/internal/config/secret"
)

// TestKeysRotateWithoutAnOutage follows a rotation as docs/security.md tells it, one restart at a time, with a POS on either side of it:
// nothing that is signed with a key of that moment is refused, and nothing with one that is gone is taken.
func TestKeysRotateWithoutAnOutage(t *testing.T) {
	t.Parallel()
	const other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	now := time.Now()
	for _, step := range []struct {
		name            string
		secrets, tokens secret.Keys
		good, bad       []int // keys, by number
	}{
		{"before", secret.Keys{"old"}, secret.Keys{"old-token"}, []int{0}, []int{1, 2}},
		{"both, new first", secret.Keys{"new", "old"}, secret.Keys{"new-token", "old-token"}, []int{0, 1}, []int{2}},
		{"the POS has changed", secret.Keys{"new"}, secret.Keys{"new-token"}, []int{1}, []int{0, 2}},
	} {
		v, err := New(Config{Secrets: step.secrets, Tokens: step.tokens}, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		check := func(n int, want bool) {
			key := []string{"old", "new", "never"}[n]
			h := http.Header{"Authorization": {"Bearer " + key + "-token"}, "X-Webhook-Signature": {sign(key)}}
			if got := v.Token(h) == nil; got != want {
				t.Errorf("%s: the %s token is taken: %v", step.name, key, got)
			}
			if got := v.Signature(h, body) == nil; got != want {
				t.Errorf("%s: the %s key is taken: %v", step.name, key, got)
			}
		}
		for _, n := range step.good {
			check(n, true)
		}
		for _, n := range step.bad {
			check(n, false)
		}
	}
	// The same by Standard Webhooks, whose header has room for a signature of each.
	for _, key := range []string{whsec, other} {
		v, err := New(Config{Secrets: secret.Keys{whsec, other}}, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		hook, err := standardwebhooks.NewWebhook(key)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := hook.Sign("msg_1", now, body)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Webhook-Signature": {"v1,AAAA " + signature}}
		if err := v.Signature(h, body); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestReplayIsRefused: a request that was recorded is good for five minutes, by the clock of whoever is asked, to the second.
func TestReplayIsRefused(t *testing.T) {
	t.Parallel()
	signed := time.Now().Truncate(time.Second)
	hook, err := standardwebhooks.NewWebhook(whsec)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := hook.Sign("msg_1", signed, body)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {strconv.FormatInt(signed.Unix(), 10)}, "Webhook-Signature": {signature}}
	for later, want := range map[time.Duration]bool{
		0: true, 4*time.Minute + 59*time.Second: true, 5*time.Minute + time.Second: false, time.Hour: false, 24 * 365 * time.Hour: false,
		-4 * time.Minute: true, -5*time.Minute - time.Second: false,
	} {
		v, err := New(Config{Secrets: secret.Keys{whsec}}, func() time.Time { return signed.Add(later) })
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Signature(h, body); (err == nil) != want {
			t.Errorf("after %s: %v", later, err)
		}
	}
	for _, stamp := range []string{"", "x", "-1", "99999999999999999999", strconv.FormatInt(signed.Unix(), 10) + ".5", "0x65", " " + strconv.FormatInt(signed.Unix(), 10)} {
		v, err := New(Config{Secrets: secret.Keys{whsec}}, func() time.Time { return signed })
		if err != nil {
			t.Fatal(err)
		}
		other := h.Clone()
		other.Set("Webhook-Timestamp", stamp)
		if err := v.Signature(other, body); err == nil {
			t.Errorf("the timestamp %q is taken", stamp)
		}
	}
}

// FuzzBearer: no Authorization but the token's is taken.
func FuzzBearer(f *testing.F) {
	f.Add("Bearer token")
	f.Add("bearer  token ")
	f.Add("Basic dG9rZW46")
	f.Fuzz(func(t *testing.T, value string) {
		v, err := New(Config{Tokens: secret.Keys{"token", "second"}}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		scheme, given, _ := strings.Cut(value, " ")
		given = strings.TrimSpace(given)
		want := strings.EqualFold(scheme, "Bearer") && (given == "token" || given == "second")
		if got := v.Bearer(http.Header{"Authorization": {value}}) == nil; got != want {
			t.Errorf("%q is taken: %v", value, got)
		}
	})
}

// TestKeysAreReplaced: the keys of a verifier in use are replaced as a whole; invalid ones leave those before.
func TestKeysAreReplaced(t *testing.T) {
	t.Parallel()
	v, err := New(Config{Secrets: secret.Keys{"old"}, Tokens: secret.Keys{"old-token"}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	check := func(key string, want bool) {
		t.Helper()
		h := http.Header{"Authorization": {"Bearer " + key + "-token"}, "X-Webhook-Signature": {sign(key)}}
		if token, signature := v.Token(h) == nil, v.Signature(h, body) == nil; token != want || signature != want {
			t.Errorf("the %s token is taken: %v, the key: %v", key, token, signature)
		}
	}
	check("old", true)
	for _, invalid := range []Config{{}, {Secrets: secret.Keys{"whsec_"}}, {Secrets: secret.Keys{"whsec_%"}}, {Tokens: secret.Keys{"new"}, RequireSignature: true}} {
		if v.Use(invalid) == nil {
			t.Errorf("%+v is used", invalid)
		}
		check("old", true)
	}
	if err := v.Use(Config{Secrets: secret.Keys{"new"}, Tokens: secret.Keys{"new-token"}}); err != nil {
		t.Fatal(err)
	}
	check("old", false)
	check("new", true)
}
