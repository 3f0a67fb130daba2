package acme_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// sources have the parts that the page shows, each between "// example: <name>" and "// example: end".
var sources = []string{"acme.go", "callback.go", "send/send.go", "acme_test.go", "../../catalog/example_test.go", "../../callbacks/example_test.go"}

var (
	part    = regexp.MustCompile(`(?s)\n\t*// example: ([a-z ]+)\n(.*?)\n\t*// example: end\n`)
	snippet = regexp.MustCompile("(?s)\n```go\n(.*?)\n```\n")
)

// dedented is a part without the tabs that all of its lines have, and without empty lines around it.
func dedented(text string) string {
	text = strings.Trim(text, "\n")
	for strings.HasPrefix(text, "\t") {
		text = strings.ReplaceAll("\n"+text, "\n\t", "\n")[1:]
	}
	return text
}

// TestTheDocsShowThisExample: every Go snippet of docs/adding-a-provider.md is a part that is compiled and tested here, and every part is shown.
func TestTheDocsShowThisExample(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../../docs/adding-a-provider.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{} // by text
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := part.FindAllStringSubmatch(string(source), -1)
		if len(found) == 0 {
			t.Errorf("%s has no part of the example", name)
		}
		for _, p := range found {
			parts[dedented(p[2])] = p[1]
		}
	}
	shown := map[string]bool{}
	for _, s := range snippet.FindAllStringSubmatch(string(page), -1) {
		name, compiled := parts[s[1]]
		if !compiled {
			t.Errorf("the page shows what is not compiled:\n%s", s[1])
		}
		shown[name] = true
	}
	for text, name := range parts {
		if !shown[name] {
			t.Errorf("the page does not show the part %q:\n%s", name, text)
		}
	}
}
