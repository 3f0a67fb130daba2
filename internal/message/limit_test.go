package message

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestLimit: a text at the border is within a limit, and one that is a character longer is not, in the unit that it counts in.
func TestLimit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limit     Limit
		character string
		most      int
	}{
		"units, ASCII": {Limit{Units: 1600}, "x", 1600}, "units, emoji": {Limit{Units: 1600}, "😀", 800}, "units, Japanese": {Limit{Units: 1600}, "語", 1600},
		"bytes, ASCII": {Limit{Bytes: 1600}, "x", 1600}, "bytes, emoji": {Limit{Bytes: 1600}, "😀", 400}, "bytes, Greek": {Limit{Bytes: 1600}, "λ", 800},
		"both, Japanese": {Limit{Units: 1600, Bytes: 1600}, "語", 533}, "both, ASCII": {Limit{Units: 10, Bytes: 1600}, "x", 10},
	} {
		fits, longer := strings.Repeat(tt.character, tt.most), strings.Repeat(tt.character, tt.most+1)
		if !tt.limit.Fits(fits) || tt.limit.Over(fits) != 0 || tt.limit.Fits(longer) || tt.limit.Over(longer) != 1 {
			t.Errorf("%s: %d characters: over by %d; one more: by %d", name, tt.most, tt.limit.Over(fits), tt.limit.Over(longer))
		}
	}
	if (Limit{}).Over(strings.Repeat("x", 1<<20)) != 0 {
		t.Error("no limit is one")
	}
}

// TestLeast: a text fits the least of two limits when it fits both; and one never has to lose more characters than it takes to fit.
func TestLeast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.IntRange(0, 40)
		a, b := Limit{number.Draw(t, "units"), number.Draw(t, "bytes")}, Limit{number.Draw(t, "units"), number.Draw(t, "bytes")}
		text := rapid.StringOfN(rapid.SampledFrom([]rune("xλ語😀")), 0, 50, -1).Draw(t, "text")
		if a.Least(b).Fits(text) != (a.Fits(text) && b.Fits(text)) {
			t.Fatalf("%+v, %+v: %q", a, b, text)
		}
		if over := a.Over(text); over > 1 {
			runes := []rune(text)
			if shorter := string(runes[:len(runes)-over+1]); a.Fits(shorter) {
				t.Fatalf("%+v: %q is said to be over by %d, and %q fits", a, text, over, shorter)
			}
		}
	})
}
