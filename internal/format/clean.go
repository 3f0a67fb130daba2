package format

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"golang.org/x/text/unicode/rangetable"
)

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	textStyle          = '\ufe0e' // variation selectors 15 and 16: a symbol as text, and as emoji
	emojiStyle         = '\ufe0f'
	keycap             = '\u20e3'
	blankBraille       = '\u2800' // a symbol without ink
	blackFlag          = '\U0001f3f4'
	cancelTag          = '\U000e007f'

	// maxMarks is how many marks a letter has at most. No orthography needs more: a text with fifty on each letter covers the lines around it.
	maxMarks = 8
)

// Clean makes a text from a till fit to be shown: one line, at most limit characters (as Shorten counts them), nothing in it that is not
// seen or turns the rest of the line around. Letters of all scripts stay, with the joiners that are part of their spelling, and so do emoji. A text
// in which nothing is to be seen becomes "".
func Clean(s string, limit int) string {
	if plain(s, limit) {
		return s
	}
	var b strings.Builder
	var before rune // the last character written, 0 at the start and behind a space
	space, marks := false, 0
	for written := 0; s != "" && written <= limit; {
		r, size := utf8.DecodeRuneInString(s)
		n := size
		if r == blackFlag {
			n += flagTags(s[size:])
		}
		part, rest := s[:n], s[n:]
		s = rest
		switch {
		case isBlank(r):
			space, before = b.Len() > 0, 0
			continue
		case isInvisible(r) && !isPart(before, r, rest), before == 0 && unicode.Is(unicode.M, r): // a mark needs something to stand on
			continue
		}
		if !unicode.Is(unicode.M, r) {
			marks = 0
		} else if marks++; marks > maxMarks {
			continue
		}
		if space {
			b.WriteByte(' ')
			written++
			space = false
		}
		b.WriteString(part)
		written += utf8.RuneCountInString(part)
		before, _ = utf8.DecodeLastRuneInString(part)
	}
	return Shorten(b.String(), limit)
}

// plain says that there is nothing to clean: printable ASCII, one space at a time, and short enough. Most texts are.
func plain(s string, limit int) bool {
	before := byte(' ')
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == ' ' && before == ' ' {
			return false
		}
		before = s[i]
	}
	return len(s) <= limit && (before != ' ' || s == "")
}

// isBlank says that a character is white space, ends a line, or is seen as white space.
func isBlank(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == blankBraille
}

// invisible are the characters of which nothing is seen, or that have no meaning of their own.
var invisible = rangetable.Merge(unicode.Cf, unicode.Co, unicode.Cs, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
	unicode.Noncharacter_Code_Point, rangetable.New(unicode.ReplacementChar, '\ufffc', '\U0001d159')) // an object's place, a notehead without ink

// isInvisible says that a character is one of invisible. The marks that Arabic and others write before a number are format characters, and are seen.
func isInvisible(r rune) bool {
	if r < '\u0300' { // most letters
		return r == '\u00ad'
	}
	return unicode.Is(invisible, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// isPart says that an invisible character is part of how the text around it is written: a joiner between letters that have joined and separate
// forms, or within an emoji; a variation selector behind a character that has variants.
func isPart(before, r rune, rest string) bool {
	next, _ := utf8.DecodeRuneInString(rest)
	if isInvisible(next) { // or the end
		next = 0
	}
	switch {
	case r == zeroWidthNonJoiner:
		return isJoining(before) && isJoining(next)
	case r == zeroWidthJoiner: // behind a virama it makes a half form, at the end of a word, too
		return isJoining(before) && (isJoining(next) || unicode.Is(unicode.M, before)) || isPictograph(before) && isPictograph(next)
	case r == textStyle || r == emojiStyle:
		return before != emojiStyle && isPictograph(before) || strings.ContainsRune("0123456789#*", before) && next == keycap
	case unicode.Is(unicode.Variation_Selector, r):
		return unicode.In(before, unicode.Han, unicode.Mongolian, unicode.Phags_Pa, unicode.Myanmar)
	}
	return false
}

// isJoining says that a character is a letter or a mark of a script in which joiners change the word.
func isJoining(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M) && unicode.In(r, unicode.Arabic, unicode.Syriac, unicode.Mandaic, unicode.Nko, unicode.Adlam, unicode.Hanifi_Rohingya,
		unicode.Mongolian, unicode.Phags_Pa, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil, unicode.Telugu,
		unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan, unicode.Balinese, unicode.Javanese)
}

// isPictograph says that a character may be, or end, an emoji.
func isPictograph(r rune) bool {
	return r == emojiStyle || r == cancelTag || r == keycap || r >= 0x1f000 && r <= 0x1faff || r == '‼' || r == '⁉' || r == '〰' || r == '〽' ||
		r > unicode.MaxASCII && r != blankBraille && unicode.In(r, unicode.So, unicode.Sm)
}

// flagTags returns how many bytes at the start of a text are the tags that make a black flag the flag of England, say: three to six letters or
// digits, and the tag that ends them (UTS 51, ED-14a). Other tags are a way to hide a text.
func flagTags(s string) int {
	count := 0
	for i, r := range s {
		switch {
		case r == cancelTag && count >= 3:
			return i + utf8.RuneLen(r)
		case (r >= 0xe0030 && r <= 0xe0039 || r >= 0xe0061 && r <= 0xe007a) && count < 6:
			count++
		default:
			return 0
		}
	}
	return 0
}

// Shorten cuts a text to at most limit characters (Unicode's code points), with "…" as the last one. It cuts where a reader sees two characters,
// never within an emoji or between a letter and its accent, and closes what Isolate opened.
func Shorten(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	if limit < 1 {
		return ""
	}
	kept := head(s, limit-1)
	if !isOpen(kept) {
		return kept + "…"
	}
	if kept = head(s, limit-2); isOpen(kept) {
		kept += string(popIsolate)
	}
	return kept + "…"
}

// head returns the longest start of a text of at most limit characters that ends between two that a reader sees, without joiners and spaces at
// its end, nor a mark that is written with the next character.
func head(s string, limit int) string {
	end := 0
	for clusters := graphemes.FromString(s); clusters.Next(); {
		if limit -= utf8.RuneCountInString(clusters.Value()); limit < 0 {
			break
		}
		end = clusters.End()
	}
	return strings.TrimRightFunc(s[:end], func(r rune) bool {
		return unicode.IsSpace(r) || r == zeroWidthNonJoiner || r == zeroWidthJoiner || r == firstStrongIsolate || isPrepended(r)
	})
}

// isPrepended says that a character is written with the next one, as the Arabic sign around a number's digits and the Malayalam dot reph are (UAX 29,
// rule GB9b): at the end of a text it would be written with the "…".
func isPrepended(r rune) bool {
	if r < '\u0300' { // most letters
		return false
	}
	clusters := graphemes.FromString(string(r) + "…")
	return clusters.Next() && clusters.End() > utf8.RuneLen(r)
}

// isOpen says that a text ends within an isolate; Isolate never puts one within another.
func isOpen(s string) bool {
	return strings.LastIndex(s, string(firstStrongIsolate)) > strings.LastIndex(s, string(popIsolate))
}
