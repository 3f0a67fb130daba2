package glossarytest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	linked  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	named   = regexp.MustCompile(`\bdocs/[\w/-]+\.(md|acl|svg)\b`)
)

// anchors are the anchors that GitHub makes of a page's headings.
func anchors(text []byte) map[string]bool {
	found := map[string]bool{}
	for _, h := range heading.FindAllSubmatch(text, -1) {
		slug := noSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(string(h[1]))), "")
		found[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return found
}

// TestLinks follows each link between the files of the repository, to the heading that it names.
func TestLinks(t *testing.T) {
	t.Parallel()
	followed := 0
	for _, name := range tree(t) {
		if path.Ext(name) != ".md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range linked.FindAllSubmatch(blank(text, code), -1) {
			to, anchor, _ := strings.Cut(string(l[1]), "#")
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			target := name
			if to != "" {
				target = path.Join(path.Dir(name), to)
			}
			info, err := os.Stat(filepath.Join(root, target))
			if err != nil {
				t.Errorf("%s leads to %s: %v", name, l[1], err)
				continue
			}
			followed++
			if anchor == "" || info.IsDir() {
				continue
			}
			there, err := os.ReadFile(filepath.Join(root, target))
			if err != nil {
				t.Fatal(err)
			}
			if !anchors(there)[anchor] {
				t.Errorf("%s leads to %s, which has no such heading", name, l[1])
			}
		}
	}
	if followed < 100 {
		t.Errorf("%d links: this test looks at the wrong thing", followed)
	}
}

// TestNamedPages: a page that a comment, a text or a log names is there.
func TestNamedPages(t *testing.T) {
	t.Parallel()
	met := 0
	for _, name := range tree(t) {
		if maskOf(name) == nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range named.FindAll(text, -1) {
			met++
			if _, err := os.Stat(filepath.Join(root, string(page))); err != nil {
				t.Errorf("%s names %s: %v", name, page, err)
			}
		}
	}
	if met < 50 {
		t.Errorf("%d names: this test looks at the wrong thing", met)
	}
}
