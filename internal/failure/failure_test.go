package failure_test

import (
	"strings"
	"testing"

	"ringup.dev/ringup/internal/failure"
)

// TestCode: what looks like a code is one, and a provider's words, which may quote the recipient, are none.
func TestCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"21610": true, "ThrottlingException": true, "invalid_number": true, "5.1.1": true, "ERR-7": true, strings.Repeat("9", 64): true, "": true,
		strings.Repeat("9", 65): false, "+12025550143": false, "jane@example.com": false, "not found": false, " 21610": false, "21610\n": false, "Zoë": false, "a/b": false,
		"\x00": false, "\xff": false,
	} {
		if got := failure.Code(text); (got == text) != want || got != "" && got != text {
			t.Errorf("%q: %q", text, got)
		}
	}
}
