package cli_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFiveMinutes does what docs/templates.md has a shop's owner do: its files, its settings and its commands, with what they are said to show.
func TestFiveMinutes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	_, walk, _ := strings.Cut(string(page), "## In five minutes\n")
	_, walk, _ = strings.Cut(walk, "```sh\n")
	walk, _, _ = strings.Cut(walk, "```")
	dir, env := t.TempDir(), map[string]string{}
	for _, file := range regexp.MustCompile(`(?s)cat > (\S+) <<'END'\n(.*?)END\n`).FindAllStringSubmatch(walk, -1) {
		name := filepath.Join(dir, file[1])
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(file[2]), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	_, exports, _ := strings.Cut(walk, "\nexport ")
	exports, _, _ = strings.Cut(exports, "\n")
	for _, one := range regexp.MustCompile(`(\w+)=('[^']*'|\S+)`).FindAllStringSubmatch(exports, -1) {
		env[one[1]] = strings.Trim(one[2], "'")
	}
	env["TEMPLATES_DIR"] = filepath.Join(dir, env["TEMPLATES_DIR"])
	all := ""
	for _, command := range regexp.MustCompile(`(?m)^bin/ringup render (.*?)(?: > .*)?$`).FindAllStringSubmatch(walk, -1) {
		args := strings.Fields(strings.Replace(command[1], "sale.json", filepath.Join(dir, "sale.json"), 1))
		out, code := rendered(t, env, "", args...)
		if code != 0 {
			t.Fatalf("%v: code %d: %s", args, code, out)
		}
		all += out
	}
	for _, want := range []string{"Café Luna: ¡Buenas, Ana Gil!", "Propina: 1,00", "Impuestos incluidos: 0,55", `lang="es"`, `<img src="https://cdn.example.com/logo.png"`} {
		if !strings.Contains(strings.ReplaceAll(all, "\u00a0", " "), want) {
			t.Errorf("there is no %q in %s", want, all)
		}
	}
}
