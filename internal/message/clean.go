package message

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Clean returns an address as it was typed, without the characters that a paste brings along. Characters have their plain form (NFKC: full-width letters,
// digits, + and @ are ASCII), and digits of any script are ASCII digits. Format characters (bidi marks, byte order marks, zero-width
// characters), fillers, variation selectors and the frames of keycaps are left out; line breaks, control characters and spaces of all kinds are spaces, of
// which none stands at either end.
func Clean(address string) string {
	plain := func(r rune) bool { return r < ' ' || r >= 0x7f }
	if !strings.ContainsFunc(address, plain) {
		return strings.TrimSpace(address) // nearly all
	}
	kept := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Nd, r):
			return asciiDigit(r)
		case unicode.In(r, unicode.Cf, unicode.Me, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
			return -1
		}
		return r
	}, norm.NFKC.String(address))
	return strings.TrimSpace(norm.NFKC.String(kept)) // letters and marks that stand together only now
}

// asciiDigit returns the ASCII digit of a decimal digit of any script: Unicode has each script's in a row, from zero to nine (Unicode, section 4.6).
func asciiDigit(r rune) rune {
	for _, in := range unicode.Nd.R16 {
		if rune(in.Lo) <= r && r <= rune(in.Hi) {
			return '0' + (r-rune(in.Lo))%10
		}
	}
	for _, in := range unicode.Nd.R32 {
		if rune(in.Lo) <= r && r <= rune(in.Hi) {
			return '0' + (r-rune(in.Lo))%10
		}
	}
	return r
}
