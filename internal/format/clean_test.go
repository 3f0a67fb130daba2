package format

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"golang.org/x/text/unicode/bidi"
)

const england = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"

// hostile are texts that have been typed, pasted or made up to mislead; the fuzz tests begin with them.
var hostile = []string{
	"", "John Doe", "  John\t\r\nDoe  ", "\u202egnp.exe", "a\u2066b\u2069c", "\u200f", "A\u0301\u0301", "\u0301", "\u3164", "\u2800\u2800", "\uffa0", "\x00\x1b[31m", "\xff\xfe", "\ufffd",
	"فاطمه\u200cزهرا", "می\u200c\u200cخواهم", "क्\u200dष", "ന്\u200d", "a\u200cb", "\u200dA\u200d", "👩\u200d👩\u200d👧", "❤\ufe0f\u200d🔥", "1\ufe0f\u20e3", "+1\ufe0d", "葛\U000e0100城", england,
	"x\U000e0061\U000e0062\U000e007f", "\U0001f3f4\U000e0061\U000e007f", "🇩🇪🇫", "👍🏽", "e" + strings.Repeat("\u0301", 200), strings.Repeat("é", 300), strings.Repeat("👩\u200d👩\u200d👧", 50),
	"محمد علي", "Jo محمد", "שלום 5", "٥٠", "```Jo``` __Roe__", "*_x_*", "_a_b_", "ORD_1", "> quoted", "- item", "a*b*c", "~`_*", "ˍ_ˍ", "evil.com", "WWW.evil.com", "www.", "www. x",
	"https://evil.com/a?b", "mailto:a@b.co", "a@b.co", "12.50", "Dr. Smith", "3.5", "1.2.3.4", "192.168.0.1:80", "例え．テスト", "a。com", "です。次", "❤.ws", "evil.xn--p1ai", "пример.рф",
	"h2://x", "x:\\\\y", "wwww.a", "www.www.www", "javascript:alert(1)", "12:30", "CHF\u00a012.50", "1\u202f234", "„quoted“ – “x”…", "• 2 × Latte", "\ufeffHi", "so\u00adft", "Gal·la · x",
	"e\u0301te\u0301", "Ω\u2126\u212a", "\u200e-5", "a\u2028b\u2029c\vd\x00e", "€uro^{}", "½ ™ ©",
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"John Doe", "John Doe"},
		{"  John \t\r\n Doe\u00a0 ", "John Doe"},
		{"A\u202eB\x00C\u200b\ufeffD\u00ad", "AB CD"},
		{"فاطمه\u200cزهرا", "فاطمه\u200cزهرا"},
		{"می\u200c\u200cخواهم\u200c", "می\u200cخواهم"},
		{"\u200cفاطمه \u200cزهرا", "فاطمه زهرا"},
		{"क्\u200dष", "क्\u200dष"},
		{"क्\u200cष", "क्\u200cष"},
		{"ന്\u200d രാ", "ന്\u200d രാ"},
		{"a\u200cb\u200dc", "abc"},
		{"👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 👍🏽 🇩🇪 1\ufe0f\u20e3 " + england, "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 👍🏽 🇩🇪 1\ufe0f\u20e3 " + england},
		{"👩\u200d", "👩"},
		{"❤\ufe0f\ufe0f", "❤\ufe0f"},
		{"1\ufe0f a\ufe0f", "1 a"},
		{"x\U000e0061\U000e0062\U000e0063\U000e007f", "x"},
		{"\U0001f3f4\U000e0067\U000e0062\U000e0065", "\U0001f3f4"},
		{"\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U0001f3f4"},
		{"\U0001f3f4" + strings.Repeat("\U000e0061", 30) + "\U000e007f", "\U0001f3f4"},
		{"葛\U000e0100城市", "葛\U000e0100城市"},
		{"a\U000e0100", "a"},
		{"\u0600٥", "\u0600٥"},
		{"\u3164\u2800\uffa0\u115f\u034f", ""},
		{"Jo\u2800\u2800Roe", "Jo Roe"},
		{"\u0301\u0302", ""},
		{" \u0301x", "x"},
		{"e\u0301", "e\u0301"},
		{"Z" + strings.Repeat("\u0301", 100) + "oe", "Z" + strings.Repeat("\u0301", maxMarks) + "oe"},
		{"\xff\xfe\ufffd\ufffc", ""},
		{"O\xffK", "OK"},
		{"", ""},
	} {
		if got := Clean(tt.text, 80); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	family := "👩\u200d👩\u200d👧" // five characters
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"ab cd", 4, "ab…"}, {"äöüß", 4, "äöüß"}, {"äöüßä", 4, "äöü…"}, {"abc", 1, "…"}, {"abc", 0, ""}, {"abc", -1, ""},
		{"ae\u0301x", 3, "a…"}, {"a" + family + "b", 6, "a…"}, {"a" + family + "b", 7, "a" + family + "b"}, {"a" + family + "bc", 7, "a" + family + "…"},
		{"🇩🇪🇫🇷", 3, "🇩🇪…"}, {"🇩🇪🇫🇷", 2, "…"}, {england + "x", 7, "…"}, {england + "xy", 8, england + "…"}, {"می\u200cخواهم", 4, "می…"},
		{"a \u2068محمد\u2069 b", 6, "a \u2068م\u2069…"}, {"a \u2068محمد\u2069 bcd", 9, "a \u2068محمد\u2069…"}, {"ab \u2068محمد\u2069", 5, "ab…"},
		{"\u2068محمد\u2069", 2, "…"}, {"\u2068محمد\u2069", 1, "…"}, {"\u2068محمد\u2069", 3, "…"}, {"a \u2068محمد\u2069", 5, "a…"},
		// What is written with the next character: signs of Arabic, Syriac and Kaithi numbers, letters of Indic scripts.
		{"محم\u0604 عل", 6, "محم…"}, {"ab\u0600\u0601 cde", 6, "ab…"}, {"ab\u070fcd", 4, "ab…"}, {"ab \U000110bd cd", 6, "ab…"}, {"ab\u0d4e cd", 5, "ab…"}, {"ab\U000111c2\u200d cd", 6, "ab…"},
		{"ab \u060012 cd", 7, "ab \u060012…"}, {"\u2068م\u0604 ح\u2069 abc", 6, "\u2068م\u2069…"},
	} {
		if got := Shorten(tt.text, tt.limit); got != tt.want {
			t.Errorf("%q at %d becomes %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

func TestIsolate(t *testing.T) {
	t.Parallel()
	const fsi, pdi = "\u2068", "\u2069"
	for _, tt := range []struct {
		text string
		rtl  bool
		want string
	}{
		{"John", false, "John"}, {"John", true, fsi + "John" + pdi}, {"محمد", true, "محمد"}, {"محمد", false, fsi + "محمد" + pdi}, {"שלום", false, fsi + "שלום" + pdi},
		{"Jo محمد", false, fsi + "Jo محمد" + pdi}, {"Jo محمد", true, fsi + "Jo محمد" + pdi}, {"12.50", true, "12.50"}, {"$12.50", false, "$12.50"}, {"٥٠", false, fsi + "٥٠" + pdi},
		{"٥٠", true, "٥٠"}, {"山田", true, fsi + "山田" + pdi}, {"", true, ""}, {"", false, ""}, {"\u202eJohn\u2066", false, "John"}, {fsi + "محمد" + pdi, false, fsi + "محمد" + pdi},
		{"محمد" + pdi, true, "محمد"}, {"\u200e-5", true, "\u200e-5"},
		{"#1001", true, fsi + "#1001" + pdi}, {"#1001", false, "#1001"}, {"+49 30 1234567", true, fsi + "+49 30 1234567" + pdi}, {"2024-01-31", true, fsi + "2024-01-31" + pdi},
		{"192.168.0.1:80", true, "192.168.0.1:80"}, {"שלום 5", true, "שלום 5"}, {"1001", true, "1001"}, {"#", true, "#"},
	} {
		if got := Isolate(tt.text, tt.rtl); got != tt.want {
			t.Errorf("%q, rtl %t: %q, want %q", tt.text, tt.rtl, got, tt.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, 80)
		f.Add(s, 5)
	}
	f.Add("محم\u0604 عل", 5) // a mark that is written with the next character, which is the place of the cut
	f.Add("🇩\u200d🇪b", 3)    // a joiner between two halves of a flag, which are no flag
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit&0x7fffffff)%200
		got := Clean(s, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit || Clean(got, limit) != got {
			t.Fatalf("%q at %d becomes %q, and that %q", s, limit, got, Clean(got, limit))
		}
		if strings.TrimSpace(got) != got || strings.Contains(got, "  ") {
			t.Fatalf("%q becomes %q: spaces", s, got)
		}
		if got != "" && !strings.ContainsFunc(got, func(r rune) bool {
			return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && r != '\u2800' || unicode.Is(unicode.Cn, r) // newer than Go's tables
		}) && !strings.ContainsFunc(got, func(r rune) bool { return unicode.Is(unicode.Prepended_Concatenation_Mark, r) }) {
			t.Fatalf("%q becomes %q: there is nothing to see", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r == '\u200b' {
				t.Fatalf("%q becomes %q: it has %U", s, got, r)
			}
		}
		// What is cut is cut between what a reader sees as characters.
		if whole := Clean(s, 1<<30); whole != got {
			kept, ok := strings.CutSuffix(got, "…")
			if !ok || !strings.HasPrefix(whole, kept) || !isBoundary(whole, len(kept)) {
				t.Fatalf("%q at %d becomes %q of %q", s, limit, got, whole)
			}
		}
	})
}

// isBoundary says that a reader sees no character across a place, or across the joiners behind it, which Shorten leaves out there.
func isBoundary(s string, place int) bool {
	behind := len(s) - len(strings.TrimLeft(s[place:], "\u200c\u200d"))
	for clusters := graphemes.FromString(s); clusters.Next(); {
		if end := clusters.End(); end == place || end == behind {
			return true
		}
	}
	return place == 0
}

// FuzzIsolate: in the text around it, a value's own characters are all that is between what is opened and closed.
func FuzzIsolate(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, rtl bool) {
		got := Isolate(s, rtl)
		if Isolate(got, rtl) != got {
			t.Fatalf("%q becomes %q, and that %q", s, got, Isolate(got, rtl))
		}
		depth := 0
		for _, r := range got {
			switch {
			case r == firstStrongIsolate:
				depth++
			case r == popIsolate:
				depth--
			case r >= '\u202a' && r <= '\u202e' || r == '\u2066' || r == '\u2067':
				t.Fatalf("%q becomes %q", s, got)
			}
			if depth < 0 || depth > 1 {
				t.Fatalf("%q becomes %q: depth %d", s, got, depth)
			}
		}
		against := strings.ContainsFunc(s, func(r rune) bool {
			p, _ := bidi.LookupRune(r)
			c := p.Class()
			return !unicode.Is(unicode.Bidi_Control, r) && (rtl && c == bidi.L || !rtl && (c == bidi.R || c == bidi.AL || c == bidi.AN))
		})
		against = against || rtl && reversed(s)
		if depth != 0 || strings.HasPrefix(got, "\u2068") != against {
			t.Fatalf("%q, rtl %t, becomes %q: against %t, depth %d", s, rtl, got, against, depth)
		}
	})
}

func BenchmarkClean(b *testing.B) {
	for name, s := range map[string]string{"ascii": "John Doe", "accents": "José Núñez", "arabic": "فاطمه\u200cزهرا"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Clean(s, 80)
			}
		})
	}
}
