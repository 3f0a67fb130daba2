package format

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestSegments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want int
	}{
		{"", 0}, {"a", 1}, {strings.Repeat("a", 160), 1}, {strings.Repeat("a", 161), 2}, {strings.Repeat("a", 306), 2}, {strings.Repeat("a", 307), 3},
		{strings.Repeat("€", 80), 1}, {strings.Repeat("€", 81), 2}, {strings.Repeat("€", 152), 2}, {strings.Repeat("€", 153), 3},
		{strings.Repeat("a", 152) + "€" + strings.Repeat("a", 151), 2}, {strings.Repeat("a", 152) + "€" + strings.Repeat("a", 152), 3},
		{strings.Repeat("ç", 70), 1}, {strings.Repeat("ç", 71), 2}, {strings.Repeat("ç", 134), 2}, {strings.Repeat("ç", 135), 3},
		{strings.Repeat("😀", 35), 1}, {strings.Repeat("😀", 36), 2}, {strings.Repeat("😀", 66), 2}, {strings.Repeat("😀", 67), 3},
		{strings.Repeat("ç", 66) + "😀" + strings.Repeat("ç", 65), 2}, {strings.Repeat("ç", 66) + "😀" + strings.Repeat("ç", 66), 3},
		{"\u00a0", 1}, {strings.Repeat("\u00a0", 71), 2},
	} {
		if got := Segments(tt.text); got != tt.want {
			t.Errorf("Segments(%.5q × …) = %d, want %d", tt.text, got, tt.want)
		}
	}
}

// split divides a text as a phone network does: into parts that can be decoded alone.
func split(text string) (parts []string) {
	ucs2 := strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(gsm7+extension, r) })
	size := func(s string) (n int) {
		if ucs2 {
			return len(utf16.Encode([]rune(s)))
		}
		for _, r := range s {
			n++
			if strings.ContainsRune(extension, r) {
				n++
			}
		}
		return n
	}
	alone, each := 160, 153
	if ucs2 {
		alone, each = 70, 67
	}
	switch {
	case text == "":
		return nil
	case size(text) <= alone:
		return []string{text}
	}
	for text != "" {
		end := 0
		for i, r := range text {
			if size(text[:i+utf8.RuneLen(r)]) > each {
				break
			}
			end = i + utf8.RuneLen(r)
		}
		parts, text = append(parts, text[:end]), text[end:]
	}
	return parts
}

func FuzzSegments(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, uint8(0))
		f.Add(s, uint8(40))
	}
	f.Fuzz(func(t *testing.T, s string, before uint8) {
		s = strings.Repeat("a", int(before)) + strings.ToValidUTF8(s, "?")
		if len(s) > 2000 {
			return
		}
		if got, want := Segments(s), len(split(s)); got != want {
			t.Fatalf("Segments(%q) = %d, want %d", s, got, want)
		}
	})
}

func TestGSM7(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"Hi John, $12.50\nThanks!", "Hi John, $12.50\nThanks!"},
		{"CHF\u00a012.50 1\u202f234 a\u2009b\u3000c\td", "CHF 12.50 1 234 a b c d"},
		{"„a“ “b” ‘c’ «d» ‹e› O’Brien Oʼneil `f´", `"a" "b" 'c' "d" 'e' O'Brien O'neil 'f'`},
		{"a – b — c ‑ d − 5…", "a - b - c - d - 5..."},
		{"• 2 × Latte · x", "- 2 x Latte - x"},
		{"\ufeffHi\u200b so\u00adft\u2060", "Hi soft"},
		{"e\u0301 A\u030a n\u0303", "é Å ñ"},
		{"Gal·la", "Gal·la"},
		{"ł ç Ž 山田 Ω", "ł ç Ž 山田 Ω"},
		{"فاطمه\u200cزهرا", "فاطمه\u200cزهرا"},
		{"\u200e-5 \u2068Jo\u2069", "-5 Jo"},
		{"\u2068محمد\u2069 \u200e-5", "\u2068محمد\u2069 \u200e-5"},
		{"👩\u200d👧 ❤\ufe0f " + england, "👩\u200d👧 ❤\ufe0f " + england},
		{"+1\ufe0d", "+1"},
		{"a\r\nb\u2028c\vd\x00e", "a\r\nb\nc\nde"},
		{"￥5", "¥5"},
		// What is left out, or becomes another character, stands between or beside no longer.
		{"A\x1f\u0301 e\u00ad\u0301 o\u200b\u0308 n\u200e\u0303 u\ufe0f\u0308", "Á é ö ñ ü"}, {"\u0653\u00ad\u0dca\u200d\u0dca", "\u0dca\u0dca\u0653"},
		{"×\u0308", "ẍ"}, {"l·ʼ l·\u3164 l·\u00adl l\x1f·l", "l-' l- l-l l·l"}, {"👩\u200d● ⋯\ufe0f ●\ufe0f\u20e3", "👩- ... -\u20e3"},
		{"", ""},
	} {
		if got := GSM7(tt.text); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.text, got, tt.want)
		}
	}
}

func FuzzGSM7(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Add(strings.Repeat("\u0301", 20) + "\x00" + strings.Repeat("\u0301", 20) + "\u0319") // more accents than NFC sorts
	f.Add("A\x1f\u0301")                                                                   // a control character between a letter and its accent
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		got := GSM7(s)
		if GSM7(got) != got || !utf8.ValidString(got) {
			t.Fatalf("%q becomes %q, and that %q", s, got, GSM7(got))
		}
		// Letters and digits stay, all, in their order; and so do accents, which NFC sorts. Some letters are marks for this purpose, as an apostrophe is.
		letters := func(s string) string {
			var base, accents []rune
			for _, r := range norm.NFD.String(s) {
				switch {
				case gsm7Equals[r] != "" || r == 'x' || isInvisible(r):
				case unicode.IsLetter(r) || unicode.IsDigit(r):
					base = append(base, r)
				case unicode.Is(unicode.M, r):
					accents = append(accents, r)
				}
			}
			slices.Sort(accents)
			return string(base) + "|" + string(accents)
		}
		if letters(got) != letters(s) {
			t.Fatalf("%q becomes %q: letters", s, got)
		}
		for _, r := range got {
			if unicode.Is(unicode.Zs, r) && r != ' ' || gsm7Equals[r] != "" || unicode.In(r, unicode.Pd, unicode.Pi, unicode.Pf) && r < 0x2e00 && r > 0x7f && r != '֊' && r != '־' && r != '᐀' && r != '᠆' {
				t.Fatalf("%q becomes %q: it has %U", s, got, r)
			}
		}
		if strings.ContainsAny(got, "\ufeff\u200b\u00ad\u2060") {
			t.Fatalf("%q becomes %q", s, got)
		}
	})
}

// TestPunctuationOfLatinTexts: every quotation mark, dash, ellipsis and space that Latin texts have costs no second segment.
func TestPunctuationOfLatinTexts(t *testing.T) {
	t.Parallel()
	checked := 0
	for r := range unicode.MaxRune {
		latin := unicode.Is(unicode.Common, r) && (r < 0x2e00 || r > 0x30ff) && (r < 0xfe30 || r > 0xfe4f) // medieval and Asian marks
		switch {
		case unicode.Is(unicode.Zs, r), latin && unicode.In(r, unicode.Pd, unicode.Pi, unicode.Pf), strings.ContainsRune("…‥⋯ʼʻ′″´`•·", r):
		default:
			continue
		}
		checked++
		if got := GSM7("a" + string(r) + " b"); !isGSM7(got) {
			t.Errorf("%U becomes %q", r, got)
		}
	}
	if checked < 40 {
		t.Errorf("%d marks", checked)
	}
}
