package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// secretNames are what variables, fields and headers with a secret, a signature or a digest are called here.
var secretNames = regexp.MustCompile(`(?i)(secret|token|password|signature|digest|^mac$|hmac|apikey|^sum$)`)

// notSecret are names that fit, and hold none: the tokens of the rate limit.
var notSecret = regexp.MustCompile(`^(tokens|ExtraTokens)$|SignatureVersion$|^NextToken$`)

// anAddress is the Reveal of a message.Address, which is personal data and no secret that somebody could guess at.
var anAddress = regexp.MustCompile(`(?i)(recipient|address|read|\.to)\.Reveal$`)

// leaks finds in a file where a secret is compared in a time that depends on it: by ==, !=, switch, bytes.Equal, strings.EqualFold and
// their like. What is compared with a constant (is there one at all?) is let pass.
func leaks(fset *token.FileSet, file *ast.File) (found []string) {
	secretive := func(e ast.Expr) bool {
		yes := false
		ast.Inspect(e, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				called := ""
				switch f := n.Fun.(type) {
				case *ast.SelectorExpr:
					called = f.Sel.Name
				case *ast.Ident:
					called = f.Name
				}
				if called == "Reveal" && !anAddress.MatchString(source(n.Fun)) {
					yes = true
				}
				// What a constant-time comparison says is no secret, nor is a length.
				return called != "ConstantTimeCompare" && called != "len" && called != "Equal"
			case *ast.BinaryExpr:
				// Looked at by itself; whether it holds is no secret.
				return n.Op != token.EQL && n.Op != token.NEQ
			case *ast.Ident:
				yes = yes || secretNames.MatchString(n.Name) && !notSecret.MatchString(n.Name)
			}
			return !yes
		})
		return yes
	}
	constant := func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.BasicLit:
			return true
		case *ast.Ident:
			return e.Name == "nil"
		}
		return false
	}
	note := func(n ast.Node, how string) {
		at := fset.Position(n.Pos())
		found = append(found, fmt.Sprintf("%s:%d compares a secret by %s", at.Filename, at.Line, how))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if (n.Op == token.EQL || n.Op == token.NEQ) && !constant(n.X) && !constant(n.Y) && (secretive(n.X) || secretive(n.Y)) {
				note(n, n.Op.String())
			}
		case *ast.SwitchStmt:
			if n.Tag != nil && secretive(n.Tag) {
				note(n, "switch")
			}
		case *ast.CallExpr:
			f, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := f.X.(*ast.Ident)
			if ok && slices.Contains([]string{"bytes.Equal", "bytes.Compare", "bytes.HasPrefix", "strings.EqualFold", "strings.Compare", "slices.Equal", "slices.Contains",
				"slices.Index", "maps.Equal", "reflect.DeepEqual", "cmp.Compare"}, pkg.Name+"."+f.Sel.Name) {
				for _, arg := range n.Args {
					if secretive(arg) && !slices.ContainsFunc(n.Args, constant) {
						note(n, pkg.Name+"."+f.Sel.Name)
						break
					}
				}
			}
		}
		return true
	})
	return found
}

// source is a selector as it is written, roughly.
func source(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		return source(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return source(e.Fun) + "()"
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// TestSecretsAreComparedInConstantTime looks at every comparison in the code that is shipped.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	files, constantTime := 0, 0
	for _, dir := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files++
			for _, leak := range leaks(fset, file) {
				t.Errorf("%s: use crypto/subtle or hmac.Equal", leak)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if f, ok := n.(*ast.SelectorExpr); ok && (source(f) == "subtle.ConstantTimeCompare" || source(f) == "hmac.Equal") {
					constantTime++
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Webhooks' tokens and signatures, admin's token, its sessions, and its progress.
	if files < 50 || constantTime < 5 {
		t.Errorf("%d files with %d comparisons in constant time: this test looks at the wrong thing", files, constantTime)
	}
}

// TestLeaksAreFound: the analysis sees each way to do it wrong, and lets the right ones pass.
func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]int{
		`_ = given == c.Token.Reveal()`:                                     1,
		`_ = c.Secret.Reveal() != r.Header.Get("X")`:                        1,
		`_ = r.Header.Get("X-Signature") == expectedSignature`:              1,
		`_ = signature == hex.EncodeToString(mac.Sum(nil))`:                 1,
		`_ = bytes.Equal(mac.Sum(nil), given)`:                              1,
		`_ = strings.EqualFold(token, known)`:                               1,
		`_ = slices.Contains(tokens2, token)`:                               1,
		`switch token { case known: }`:                                      1,
		`if password == stored { return }`:                                  1,
		`_ = c.Token == ""`:                                                 0,
		`_ = c.Token.Reveal() != ""`:                                        0,
		`_ = subtle.ConstantTimeCompare([]byte(token), known) == 1`:         0,
		`_ = !hmac.Equal(signature, mac.Sum(nil))`:                          0,
		`_ = a.Recipient.Reveal() == b`:                                     0,
		`_ = (c.Token == "") != (c.Secret == "")`:                           0,
		`_ = len(token) == len(known)`:                                      0,
		`_ = name == other`:                                                 0,
		`ok := subtle.ConstantTimeCompare(signature, known); _ = ok != one`: 0,
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "example.go", "package p\nfunc f() {\n"+statement+"\n}", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if found := leaks(fset, file); len(found) != want {
			t.Errorf("%s: %q, want %d", statement, found, want)
		}
	}
}
