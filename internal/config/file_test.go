package config

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config/secret"
)

const (
	old  = "the-old-key-of-the-tests"
	anew = "the-new-key-of-the-tests"
)

type shared struct {
	Key   secret.Key `env:"KEY"`
	Other string     `env:"OTHER"`
	Of    struct{ Vendor vendor }
}

type vendor struct {
	Token secret.String `env:"TOKEN"`
	Keys  secret.Keys   `env:"KEYS"`
	List  secret.List   `env:"LIST"`
}

// write writes a file of the test, and returns its path.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.TempDir(), path)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	var c shared
	err := Read(t.Context(), envconfig.MapLookuper(map[string]string{
		"KEY_FILE": write(t, "key", old+"\n"), "TOKEN_FILE": write(t, "token", " kept as it is \r\n"), "KEYS_FILE": write(t, "keys", anew+","+old+"\n"),
		"LIST_FILE": write(t, "list", "a,b"), "OTHER_FILE": "/nowhere",
	}), &c)
	if err != nil {
		t.Fatal(err)
	}
	if v := c.Of.Vendor; c.Key != old || v.Token != " kept as it is " || len(v.Keys) != 2 || v.Keys.First() != anew || len(v.List) != 2 || c.Other != "" {
		t.Errorf("%s %q %q %q", c.Key.Reveal(), v.Token.Reveal(), v.Keys.First().Reveal(), v.List.First().Reveal())
	}
}

// TestSecretsFilesThatCannotBeRead: the error names the variable, and neither a value nor a path, which may be a value by mistake.
func TestSecretsFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  map[string]string
		want string
	}{
		"both":           {map[string]string{"KEY": old, "KEY_FILE": write(t, "key", anew)}, "KEY and KEY_FILE are both set"},
		"not there":      {map[string]string{"KEY_FILE": "/nowhere/" + old}, "KEY_FILE cannot be read"},
		"the key itself": {map[string]string{"KEY_FILE": old}, "KEY_FILE cannot be read"},
		"a directory":    {map[string]string{"KEY_FILE": t.TempDir()}, "KEY_FILE cannot be read"},
		"empty":          {map[string]string{"KEY_FILE": write(t, "key", "\n")}, "KEY_FILE cannot be read (it is empty)"},
		"too large":      {map[string]string{"KEY_FILE": write(t, "key", strings.Repeat(old, 9000))}, "more than 65536 bytes"},
		"short":          {map[string]string{"KEY_FILE": write(t, "key", "short\n")}, "KEY has 5 bytes"},
		"a short one":    {map[string]string{"KEYS_FILE": write(t, "keys", old+",\n")}, "KEYS number 2 is empty"},
	} {
		var c shared
		err := Read(t.Context(), envconfig.MapLookuper(tt.env), &c)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), old) || strings.Contains(err.Error(), anew) {
			t.Errorf("%s: %v", name, err)
		}
		if c.Key != "" {
			t.Errorf("%s: a key was read", name)
		}
	}
}

// TestFollow: a file that changes is used; what cannot be used leaves the earlier secret.
func TestFollow(t *testing.T) {
	t.Parallel()
	path := write(t, "key", old)
	env := envconfig.MapLookuper(map[string]string{"KEY_FILE": path})
	var c shared
	if err := Read(t.Context(), env, &c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tick, used, ended := make(chan time.Time), make(chan string, 10), make(chan struct{})
	reader, writer := io.Pipe()
	go func() {
		follow(ctx, env, slog.New(slog.NewTextHandler(writer, nil)), c, func(c shared) error {
			used <- c.Key.Reveal()
			return nil
		}, tick)
		close(ended)
		_ = writer.Close()
	}()
	logged := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(reader)
		logged <- string(text)
	}()
	for _, text := range []string{old, "short", "short", anew, anew, "", old} {
		if err := os.Rename(write(t, path+".new", text), path); err != nil {
			t.Fatal(err)
		}
		tick <- time.Time{}
		tick <- time.Time{} // the one before has been looked at
	}
	cancel()
	<-ended
	close(used)
	var keys []string
	for key := range used {
		keys = append(keys, key)
	}
	if got := strings.Join(keys, " "); got != anew+" "+old {
		t.Errorf("used: %s", got)
	}
	if log := <-logged; strings.Count(log, "secrets not replaced") != 2 || strings.Count(log, "secrets replaced") != 2 || strings.Contains(log, old) {
		t.Errorf("the log: %s", log)
	}
}
