package format

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

const (
	firstStrongIsolate = '\u2068'
	popIsolate         = '\u2069'
	rightToLeftMark    = "\u200f"
)

// Isolate keeps a value from changing places with the text around it: where it has letters or digits that run against the direction of the text
// (rtl is from right to left), it is put between FSI and PDI (UAX 9). Embeddings, overrides and isolates that the value has of its own are
// removed, so that what is opened is always closed.
func Isolate(s string, rtl bool) string {
	if against, ascii := runsAgainst(s, rtl); !against && ascii {
		return s
	} else if s = strings.Map(withoutControls, s); !against {
		return s
	}
	return string(firstStrongIsolate) + s + string(popIsolate)
}

// Unisolated returns a value without what Isolate put around it, for a program to read.
func Unisolated(s string) string { return strings.Map(withoutControls, s) }

// withoutControls is for strings.Map.
func withoutControls(r rune) rune {
	if r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
		return -1
	}
	return r
}

// runsAgainst says whether a text has letters, or digits of their own direction, that run against a direction, and whether it is ASCII up to there.
func runsAgainst(s string, rtl bool) (against, ascii bool) {
	ascii = true
	for _, r := range s {
		if r < utf8.RuneSelf {
			if rtl && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
				return true, ascii
			}
			continue
		}
		ascii = false
		if unicode.Is(unicode.Bidi_Control, r) {
			continue // LRM and RLM have a direction, and are no letters
		}
		properties, _ := bidi.LookupRune(r)
		switch class := properties.Class(); {
		case rtl && class == bidi.L, !rtl && (class == bidi.R || class == bidi.AL || class == bidi.AN):
			return true, ascii
		}
	}
	return rtl && reversed(s), ascii
}

// reversed says that a text of digits and marks, as "+49 30 1234" or "#1001", would be shown in the opposite order behind a letter of Arabic or Hebrew: "1234 30 49+"
// (UAX 9, W2 and N1). A point, a comma and a colon between digits stay where they are (W4).
func reversed(s string) bool {
	digits, marks := false, false
	for _, r := range s {
		if withoutControls(r) < 0 {
			continue
		}
		properties, _ := bidi.LookupRune(r)
		switch properties.Class() {
		case bidi.L, bidi.R, bidi.AL, bidi.AN:
			return false // its own letters, or LRM and RLM, decide
		case bidi.EN:
			digits = true
		case bidi.CS, bidi.NSM, bidi.BN:
		default:
			marks = true
		}
	}
	return digits && marks
}

// RTL says whether a text is written from right to left, as a phone finds out: by its first letter or direction mark outside of isolates (UAX 9, P2 and P3). It is
// false for a text without one.
func RTL(text string) bool {
	depth := 0
	for _, r := range text {
		if r < 'A' {
			continue // no letter, and most of a line's start
		}
		properties, _ := bidi.LookupRune(r)
		switch class := properties.Class(); {
		case class == bidi.LRI, class == bidi.RLI, class == bidi.FSI:
			depth++
		case class == bidi.PDI:
			depth = max(0, depth-1)
		case depth > 0:
		case class == bidi.L:
			return false
		case class == bidi.R, class == bidi.AL:
			return true
		}
	}
	return false
}

// RightToLeft makes a text one that phones and mail programs show from right to left. They look at each line by itself, and one that has a name in Latin letters and
// numbers alone, or begins with one, would begin at the left: it gets a mark in front that is not seen. Some programs look into isolates, so the first letter there counts
// here. A link stays as it is, as a program may take the mark for a part of it.
func RightToLeft(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if start := strings.TrimSpace(line); start != "" && !RTL(Unisolated(line)) && !strings.HasPrefix(start, "https://") {
			b.WriteString(rightToLeftMark)
		}
		b.WriteString(line)
	}
	return b.String()
}
