package secret_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
)

// TestShortKeys: each way to set a key that is easily guessed ends at start, with the name of the variable and nothing of its value.
func TestShortKeys(t *testing.T) {
	t.Parallel()
	const good = "0123456789abcdef"
	for text, want := range map[string]string{
		"": "", good: "", " " + good + "\n": "", " ": "KEY is empty", "\t\n": "KEY is empty", "short": "KEY has 5 bytes", "0123456789abcde": "KEY has 15 bytes",
		"               x": "KEY has 1 bytes", "é234567890abcd": "KEY has 15 bytes",
	} {
		var c struct {
			Key secret.Key `env:"KEY"`
		}
		refused(t, text, config.Read(t.Context(), envconfig.MapLookuper(map[string]string{"KEY": text}), &c), want)
		if key := c.Key.Reveal(); want == "" && key != strings.TrimSpace(text) || want != "" && key != "" {
			t.Errorf("%q: %q was read", text, key)
		}
	}
	for text, want := range map[string]string{
		"": "", good: "", good + ", " + good: "", " , ": "KEY number 1 is empty", ",": "number 1 is empty", good + ",": "number 2 is empty", good + ",," + good: "number 2 is empty",
		"," + good: "number 1 is empty", good + ", ": "number 2 is empty", "my-secret,with-a-comma": "KEY number 1 has 9 bytes", good + ",short": "number 2 has 5 bytes",
	} {
		var c struct {
			Keys secret.Keys `env:"KEY"`
		}
		refused(t, text, config.Read(t.Context(), envconfig.MapLookuper(map[string]string{"KEY": text}), &c), want)
		if want != "" && len(c.Keys) > 0 {
			t.Errorf("%q: keys were read", text)
		}
	}
}

func refused(t *testing.T, text string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%q: %v, want %q", text, err, want)
	}
	if err != nil && strings.Contains(err.Error(), "short") {
		t.Errorf("the error shows the value: %v", err)
	}
}

// TestKeysAreLongEnough: whatever is read, no key is shorter than MinKey, and a list that is read has all of its parts.
func TestKeysAreLongEnough(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`[ -+.-~\t]{0,24}`), 1, 4).Draw(t, "parts")
		keys, err := secret.ParseKeys(strings.Join(parts, ","))
		long := !slices.ContainsFunc(parts, func(part string) bool { return len(strings.TrimSpace(part)) < secret.MinKey })
		var short *secret.KeyError
		if long != (err == nil) || err != nil && !errors.As(err, &short) || err == nil && len(keys) != len(parts) {
			t.Fatalf("%q: %d keys, %v", parts, len(keys), err)
		}
	})
}
