package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
)

func TestList(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"": nil, " , ": nil, "one": {"one"}, " new , old": {"new", "old"}, "a,,b,": {"a", "b"}, "It's a Secret": {"It's a Secret"},
	} {
		var c struct {
			Keys secret.List `env:"KEYS"`
		}
		if err := config.Read(t.Context(), envconfig.MapLookuper(map[string]string{"KEYS": text}), &c); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, key := range c.Keys {
			got = append(got, key.Reveal())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if first := c.Keys.First().Reveal(); len(want) == 0 && first != "" || len(want) > 0 && first != want[0] {
			t.Errorf("%q: the first is %q", text, first)
		}
	}
}

// TestNothingPrintsASecret: in any of the ways in which a value reaches a text.
func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	const key, other = "s3cret-key", "an0ther-key"
	c := struct {
		Key  secret.String
		Keys secret.List
		More *secret.List
		One  secret.Key
		Many secret.Keys
	}{key, secret.List{key, other}, &secret.List{other}, key, secret.Keys{key, other}}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "all", c, "keys", c.Keys, "key", c.Key, "one", c.One, "many", c.Many)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "all", c, "keys", c.Keys, "key", c.Key, "one", c.One, "many", c.Many)
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	printed := log.String() + string(encoded)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		printed += fmt.Sprintf(strings.Repeat(verb, 5), c.Keys, c.Key, c.One, c.Many, c)
	}
	if strings.Contains(printed, key) || strings.Contains(printed, other) {
		t.Errorf("printed: %s", printed)
	}
	if strings.Contains(printed, fmt.Sprintf("%x", key)) {
		t.Errorf("printed in hexadecimal: %s", printed)
	}
}
