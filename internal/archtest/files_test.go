package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writers are the functions by which a program could leave something on a disk.
var writers = []string{"os.Create", "os.CreateTemp", "os.WriteFile", "os.OpenFile", "os.Mkdir", "os.MkdirAll", "os.MkdirTemp", "os.Rename", "os.Link", "os.Symlink", "ioutil.WriteFile", "ioutil.TempFile"}

// TestProgramsWriteNoFiles: what a program knows of a person is in Redis, and in no file of its own. Helpers of tests are let pass.
func TestProgramsWriteNoFiles(t *testing.T) {
	t.Parallel()
	helpers := []string{"internal/redistest", "internal/provider/providertest", "internal/sender/sendertest"}
	looked := 0
	for _, root := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			if folder := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../../"); slices.ContainsFunc(helpers, func(helper string) bool { return under(folder, helper) }) {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			looked++
			ast.Inspect(file, func(n ast.Node) bool {
				if selected, is := n.(*ast.SelectorExpr); is && slices.Contains(writers, source(selected)) {
					t.Errorf("%s calls %s: what programs keep is in Redis, and in the lists of redisstore/kinds.go", path, source(selected))
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if looked < 200 {
		t.Errorf("looked at %d files: this test looks at the wrong place", looked)
	}
}
