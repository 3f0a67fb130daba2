package format

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, section 6.2.1).
const (
	gsm7      = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extension = "^{}\\[~]|€\f"
)

// septets is how many of a segment's 7-bit places a character takes, by its code; 0, and any beyond €, needs UCS-2.
var septets = func() (m ['€' + 1]uint8) {
	for _, r := range gsm7 {
		m[r] = 1
	}
	for _, r := range extension {
		m[r] = 2
	}
	return m
}()

// isGSM7 says that a text needs no UCS-2.
func isGSM7(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return int(r) >= len(septets) || septets[r] == 0 })
}

// Segments returns how many SMS segments a text takes; 0 for an empty one. A segment alone has 160 septets or, when a character is not in the GSM
// alphabet, 70 UTF-16 units; one of several has 153 or 67, as the user data header takes the rest. What takes two places, a character of the
// extension table or a surrogate pair, is not divided (3GPP TS 23.040, section 9.2.3.24), so a place may stay empty at the end of a segment.
func Segments(text string) int {
	if isGSM7(text) {
		return pages(text, 160, 153, func(r rune) int { return int(septets[r]) })
	}
	return pages(text, 70, 67, func(r rune) int {
		if r > 0xffff {
			return 2
		}
		return 1
	})
}

// pages divides a text into segments.
func pages(text string, alone, each int, places func(rune) int) int {
	all, full, used := 0, 0, 0
	for _, r := range text {
		n := places(r)
		all += n
		if used += n; used > each {
			full, used = full+1, n
		}
	}
	switch {
	case all == 0:
		return 0
	case all <= alone:
		return 1
	}
	return full + 1
}

// gsm7Equals are the marks that the GSM alphabet has another one for. Letters are not among them.
var gsm7Equals = func() map[rune]string {
	equals := map[rune]string{'…': "...", '⋯': "...", '‥': "..", '×': "x", '⁄': "/", '∕': "/", '￥': "¥", '￡': "£", '＄': "$"}
	for equal, marks := range map[string]string{
		"'":  "‘’‚‛‹›′‵ʼʻ`´＇❛❜",
		`"`:  "“”„‟«»″‶＂❝❞〝〞〟",
		"-":  "‐‑‒–—―−﹘﹣－⸺⸻•‣◦▪▫●○∙⁃■□◆",
		"\n": "\u2028\u2029\u0085\v",
		" ":  "\t",
	} {
		for _, mark := range marks {
			equals[mark] = equal
		}
	}
	return equals
}()

// GSM7 is the last step for a text message: spaces, quotation marks, dashes, bullets, "…" and "×" become their equals in the GSM 7-bit alphabet, as
// one character that is not in it makes a message more than twice as long. Letters stay, and so does what is part of them; accents are joined to
// their letters. What is not seen is removed, but for direction marks in a text that has letters from right to left.
func GSM7(s string) string {
	if isGSM7(s) {
		return s
	}
	return forGSM7(s, strings.ContainsFunc(s, func(r rune) bool {
		p, _ := bidi.LookupRune(r)
		return (p.Class() == bidi.R || p.Class() == bidi.AL) && !unicode.Is(unicode.Bidi_Control, r)
	}))
}

// maxPasses is far more than a text needs of which no letter has more than maxMarks; that is three.
const maxPasses = 10

// forGSM7 is GSM7, told whether direction marks stay. What a character is replaced by may depend on those around it, and they have become others or are gone
// after a pass: an accent stands beside its letter only then. So it ends with the pass that changes nothing.
func forGSM7(s string, directed bool) string {
	for range maxPasses {
		was := s
		if s = pass(norm.NFC.String(s), directed); s == was || isGSM7(s) {
			break
		}
	}
	return s
}

// pass is one pass of forGSM7.
func pass(s string, directed bool) string {
	var b strings.Builder
	var before rune // the last character written
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		if r == blackFlag {
			size += flagTags(s[size:])
		}
		part, rest := s[:size], s[size:]
		s = rest
		equal, has := gsm7Equals[r]
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			if !directed {
				continue
			}
		case isInvisible(r) && !isPart(before, r, rest):
			continue
		case r == '·' && unicode.IsLetter(before) && startsWithLetter(rest): // Catalan's l·l
		case r == '·':
			part = "-"
		case has:
			part = equal
		case unicode.IsControl(r) && r != '\n' && r != '\r':
			continue
		case unicode.Is(unicode.Zs, r):
			part = " "
		}
		b.WriteString(part)
		before, _ = utf8.DecodeLastRuneInString(part)
	}
	return b.String()
}

func startsWithLetter(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(r)
}
