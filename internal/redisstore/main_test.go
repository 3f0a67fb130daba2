package redisstore

import (
	commandline "flag"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// TestMain has a random life that fails named by its seed alone.
func TestMain(m *testing.M) {
	commandline.Parse()
	byDefault("rapid.nofailfile", "true")
	os.Exit(m.Run())
}

// given says whether the command line sets a flag.
func given(name string) (is bool) {
	commandline.Visit(func(f *commandline.Flag) { is = is || f.Name == name })
	return is
}

// byDefault sets a flag, unless the command line does.
func byDefault(name, value string) {
	if given(name) {
		return
	}
	// Not by commandline.Set, which would make it look given.
	if err := commandline.Lookup(name).Value.Set(value); err != nil {
		panic(err)
	}
}

// lives lives so many random lives, or as many as the command line says (-rapid.checks).
func lives(t *testing.T, most int, life func(*rapid.T)) {
	t.Helper()
	lived, failed := 0, false
	rapid.Check(t, func(r *rapid.T) {
		if lived >= most && !failed && !given("rapid.checks") {
			return
		}
		over := false
		defer func() { failed = failed || !over }() // then shorter ones are looked for
		life(r)
		lived, over = lived+1, true
	})
}
