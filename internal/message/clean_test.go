package message

import (
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"+12025550143": "+12025550143", " a@example.com\r\n": "a@example.com", "\ufeff+1\ufe0d-202\u200b555\u202c": "+1-202555", "\u00a0\u2007jo@example.com\u3000": "jo@example.com",
		"＋４９　１５１": "+49 151", "a＠ｅｘａｍｐｌｅ．com": "a@example.com", "a﹫example.com": "a@example.com", "٠١٢٣٤٥٦٧٨٩": "0123456789", "۰۱۲۳۴۵۶۷۸۹": "0123456789", "०१२३४५६७८९": "0123456789",
		"๐๑๒๓๔๕๖๗๘๙": "0123456789", "𝟎𝟏𝟵𝟗": "0199", "1️⃣2️⃣": "12", "2\t0\v2": "2 0 2", "202\u00ad555": "202555", "\u2066202\u2069": "202", "a@bücher.example": "a@bücher.example", "\u3164+1\u034f202\u115f555\uffa0": "+1202555", "": "", " \r\n\u200e": "",
	} {
		if got := Clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestDigitsOfEveryScript: each script's ten digits stand in a row, so that each has one value; that a later Unicode keeps to it is not a given.
func TestDigitsOfEveryScript(t *testing.T) {
	t.Parallel()
	counts := map[rune]int{}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.Is(unicode.Nd, r) {
			counts[asciiDigit(r)]++
		}
	}
	for d := '0'; d <= '9'; d++ {
		if counts[d] != counts['0'] || counts[d] == 0 {
			t.Errorf("%d digits have the value %c, and %d are 0", counts[d], d, counts['0'])
		}
	}
	if len(counts) != 10 {
		t.Errorf("%d values", len(counts))
	}
}

// TestCleanIsClean: what is clean stays as it is, and what marks are put around and into a text, they go.
func TestCleanIsClean(t *testing.T) {
	t.Parallel()
	marks := rapid.SampledFrom([]string{"", "\u200e", "\u202a", "\u2069", "\ufeff", "\ufe0f", "\u200b", "\u2060", "\u00ad", "\U000e0020"})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		if clean := Clean(text); Clean(clean) != clean {
			t.Errorf("%q: %q, then %q", text, clean, Clean(clean))
		}
		number := rapid.StringMatching(`\+?[0-9][0-9 ()./-]{0,14}[0-9]`).Draw(t, "number")
		pasted := marks.Draw(t, "before") + rapid.SampledFrom([]string{"", " ", "\r\n", "\t", "\u00a0"}).Draw(t, "space")
		for _, r := range number {
			pasted += string(r) + marks.Draw(t, "mark")
		}
		if got := Clean(pasted + "\n"); got != number {
			t.Errorf("%q: %q, want %q", pasted, got, number)
		}
	})
}
