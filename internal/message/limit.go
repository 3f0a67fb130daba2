package message

import "unicode/utf16"

// Limit is how long a text may be; 0 is any length. Where a provider counts in both, both hold.
type Limit struct {
	Units int // UTF-16 code units, which are never fewer than characters
	Bytes int // of UTF-8
}

// Least returns the limit within which a text is within both.
func (l Limit) Least(other Limit) Limit {
	return Limit{least(l.Units, other.Units), least(l.Bytes, other.Bytes)}
}

func least(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Fits says whether a text is within the limit.
func (l Limit) Fits(text string) bool {
	if l.Bytes > 0 && len(text) > l.Bytes {
		return false
	}
	return l.Units == 0 || len(text) <= l.Units || Units(text) <= l.Units // there are never more units than bytes
}

// Over returns how many characters a text has to lose at least to be within the limit; 0 where it is.
func (l Limit) Over(text string) int {
	if l.Fits(text) {
		return 0
	}
	over := 1
	if l.Bytes > 0 {
		over = max(over, (len(text)-l.Bytes)/4) // a character has at most four bytes
	}
	if l.Units > 0 {
		over = max(over, (Units(text)-l.Units)/2) // and two units
	}
	return over
}

// Units counts the UTF-16 code units of a text.
func Units(text string) int {
	n := 0
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}
