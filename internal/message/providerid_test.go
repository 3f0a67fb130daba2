package message

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestProviderID: ids stay as they are where providers' own are like them, any other is bounded and printable, and no two become one.
func TestProviderID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "SM0123456789abcdef0123456789abcdef", "wamid.HBgLMTIwMjU1NTAxNDMVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA", "0100018c-1234-000000", strings.Repeat("x", MaxProviderID)} {
		if got := ProviderID(id); got != id {
			t.Errorf("%q became %q", id, got)
		}
	}
	draw := rapid.OneOf(rapid.String(), rapid.Map(rapid.IntRange(MaxProviderID-2, 1<<20), func(n int) string { return strings.Repeat("a", n) }),
		rapid.Map(rapid.String(), func(s string) string { return strings.Repeat("b", MaxProviderID) + s }), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		got := ProviderID(a)
		if len(got) > MaxProviderID || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
			t.Errorf("%d bytes: %q", len(got), got)
		}
		if ProviderID(got) != got {
			t.Errorf("%q is not its own", got)
		}
		if (a == b) != (got == ProviderID(b)) {
			t.Errorf("%q and %q became %q and %q", a, b, got, ProviderID(b))
		}
	})
}
