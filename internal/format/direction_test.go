package format

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRTL: isolates say nothing of a line's direction, and neither do digits and marks.
func TestRTL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, "12.50": false, "Luna": false, "مرحبا": true, "שלום": true, "• 5 مرحبا": true, "\u2068Luna\u2069: مرحبا": true, "\u2068مرحبا\u2069, Luna": false, "Luna: مرحبا": false,
		"\u20682\u2069 × 5": false, "\u200f• \u2068Luna\u2069": true, "\u200e12 مرحبا": false, "\u2069\u2069مرحبا": true, "é مرحبا": false, "\u2066a \u2067b\u2069 c\u2069 مرحبا": true,
	} {
		if got := RTL(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestRightToLeft: each line that shows anything is from right to left, but for links, and nothing else changes.
func TestRightToLeft(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"", " ", "مرحبا", "\u2068Luna\u2069", "• \u2068Luna\u2069: 2 × 5", "12.50", "\u2068Luna\u2069: مرحبا", "Luna", "🧾", "https://t.example.com/r"})).Draw(t, "lines"), "\n")
		got := RightToLeft(text)
		for line := range strings.SplitSeq(got, "\n") {
			if strings.TrimSpace(line) != "" && (!RTL(line) || !RTL(Unisolated(line))) && !strings.HasPrefix(line, "https://") {
				t.Fatalf("%q begins at the left", line)
			}
		}
		if strings.ReplaceAll(got, rightToLeftMark, "") != text || RightToLeft(got) != got {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
