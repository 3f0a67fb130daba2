package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)\(`)
	// named is a test in the docs: `package.TestName`, or `TestName` of the package that was named before it in the same cell.
	named = regexp.MustCompile("`(?:(\\w+)\\.)?((?:Test|Fuzz)\\w*)`")
)

// TestThreatsHaveTests: each threat of docs/security.md names what shows its defence, and what it names exists.
func TestThreatsHaveTests(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]bool{} // by package, the last part of its path
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		dir := filepath.Base(filepath.Dir(path))
		if tests[dir] == nil {
			tests[dir] = map[string]bool{}
		}
		for _, m := range testFunc.FindAllSubmatch(text, -1) {
			tests[dir][string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## Threats and defences")
	table, _, _ = strings.Cut(table, "\n\nnet/http")
	rows := 0
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "|") || len(cells) != 3 || strings.HasPrefix(line, "|---") || cells[0] == "threat" {
			continue
		}
		rows++
		if !strings.Contains(cells[2], "`") {
			t.Errorf("%s: nothing shows it", cells[0])
		}
		in := ""
		for _, m := range named.FindAllStringSubmatch(cells[2], -1) {
			if m[1] != "" {
				in = m[1]
			}
			if in == "" || !tests[in][m[2]] {
				t.Errorf("%s: there is no test %s in a package %q", cells[0], m[2], in)
			}
		}
	}
	if rows < 30 {
		t.Errorf("%d rows were read", rows)
	}
	for _, m := range named.FindAllStringSubmatch(string(page), -1) {
		if m[1] != "" && !tests[m[1]][m[2]] {
			t.Errorf("the page names %s.%s, which does not exist", m[1], m[2])
		}
	}
}
