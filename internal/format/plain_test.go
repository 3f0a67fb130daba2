package format

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
)

func TestPlainMarks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"John Doe", "John Doe"}, {"ORD_1", "ORD_1"}, {"3*4~5", "3*4~5"}, {"*A*", "∗A∗"}, {"_c_", "ˍcˍ"}, {"~no~", "∼no∼"}, {"```Jo```", "ˋˋˋJoˋˋˋ"}, {"__Roe__", "ˍˍRoeˍˍ"},
		{"*_x_*", "∗ˍxˍ∗"}, {"_a_b_", "ˍa_bˍ"}, {"a`b`c", "aˋbˋc"}, {"* item", "∗ item"}, {"- item", "‐ item"}, {"-5", "-5"}, {"> said", "› said"}, {">said", "›said"}, {"a > b - c", "a > b - c"},
		{"", ""},
	} {
		if got := PlainMarks(tt.text); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.text, got, tt.want)
		}
	}
}

func FuzzPlainMarks(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		got := []rune(PlainMarks(s))
		was := []rune(s)
		if len(got) != len(was) || PlainMarks(string(got)) != string(got) {
			t.Fatalf("%q becomes %q", s, string(got))
		}
		// A look-alike that stands for a mark is no letter to WhatsApp, whatever Unicode says.
		word := func(i int) bool {
			return i >= 0 && i < len(was) && was[i] == got[i] && (unicode.IsLetter(was[i]) || unicode.IsDigit(was[i]))
		}
		for i, r := range got {
			if r == '`' || strings.ContainsRune("*_~", r) && (!word(i-1) || !word(i+1)) {
				t.Fatalf("%q becomes %q: there is a mark at %d", s, string(got), i)
			}
			if r != was[i] && !strings.ContainsRune("*_~`>-", was[i]) {
				t.Fatalf("%q becomes %q", s, string(got))
			}
		}
	})
}

func TestPlainLink(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"John Doe", "John Doe"}, {"evil.com", "evil. com"}, {"WWW.evil.com", "WWW evil. com"}, {"www. evil", "www evil"}, {"www.", "www"}, {"https://evil.com/a.b?c=d", "https: //evil. com/a. b?c=d"},
		{"a@b.co", "a@b. co"}, {"mailto:a@b.co", "mailto: a@b. co"}, {"tel:+12025550143", "tel: +12025550143"}, {"12.50", "12.50"}, {"12.50 each.", "12.50 each."}, {"Dr. Smith", "Dr. Smith"}, {"3.5", "3.5"}, {"J.R.R. Tolkien", "J. R. R. Tolkien"},
		{"St.Gallen", "St. Gallen"}, {"12:30", "12:30"}, {"Table: 5", "Table: 5"}, {"No.5", "No. 5"}, {"$.50", "$.50"}, {"25.11.2026", "25.11.2026"}, {"192.168.0.1", "192. 168. 0. 1"},
		{"пример.рф", "пример. рф"}, {"例え．テスト", "例え． テスト"}, {"です。次", "です。次"}, {"evil。com", "evil。 com"}, {"evil․com", "evil․ com"}, {"❤.ws", "❤. ws"}, {"t.me/x", "t. me/x"}, {"(a).b", "(a). b"}, {"3.com", "3. com"},
		{"Wait...", "Wait..."}, {".", "."}, {"", ""}, {"HTTP://x", "HTTP: //x"}, {"h2://x", "h2: //x"},
		{"mailto:?to=a@b", "mailto: ?to=a@b"}, {"mailto:!", "mailto: !"}, {"tel:12025550143", "tel: 12025550143"}, {"TEL:*21#", "TEL: *21#"}, {"tel:(202)", "tel: (202)"}, {"javascript:'x'", "javascript: 'x'"}, {"data:,x", "data: ,x"},
		{"sms:&body=x", "sms: &body=x"}, {"Order:#12", "Order: #12"}, {"Order:", "Order:"}, {"1:⁄⁄x", "1: ⁄⁄x"}, {"1:∕/x", "1: ∕/x"}, {":)", ":)"}, {"5:)", "5:)"},
		{"evil.×yz", "evil. ×yz"}, {"evil．×yz", "evil． ×yz"}, {"2.×", "2. ×"}, {"例え。×yz", "例え。 ×yz"}, {"пример。com", "пример。 com"}, {"例え。com", "例え。 com"}, {"evil。рф", "evil。 рф"}, {"Latte。次", "Latte。次"}, {"です。3個", "です。3個"},
	} {
		if got := PlainLink(tt.text); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.text, got, tt.want)
		}
	}
}

// links is what any program might take for a link: more than any does. The look-alikes of PlainMarks are letters to Unicode alone.
var links = regexp.MustCompile(`(?i)[^\s.．]+[.．․﹒][^\PLˋˍ][\pL\pN-]*|[^\s.][。｡][a-z]{2,}|://|:\\|www\.[^\s.]|\b(mailto|tel|sms|javascript|data):[^\s]|\b\d{1,3}(\.\d{1,3}){3}\b`)

func FuzzPlainLink(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Add("mailto:!")                 // a scheme before what is neither a letter nor a slash
	f.Add("evil.×yz evil。×yz 例え。com") // a text message has an x there
	f.Add("a.`b")                     // a look-alike that is a letter to Unicode
	f.Add("www…")                     // a text message has three dots there
	f.Fuzz(func(t *testing.T, s string) {
		s = Clean(s, 200)
		got := PlainLink(s)
		if link := links.FindString(got); link != "" {
			t.Fatalf("%q becomes %q: %q is a link", s, got, link)
		}
		if PlainLink(got) != got || strings.Contains(got, "  ") {
			t.Fatalf("%q becomes %q, and that %q", s, got, PlainLink(got))
		}
		letters := strings.NewReplacer(" ", "", ".", "").Replace
		if letters(got) != letters(s) {
			t.Fatalf("%q becomes %q", s, got)
		}
		if isGSM7(s) != isGSM7(got) {
			t.Fatalf("%q becomes %q: it needs UCS-2", s, got)
		}
		// What the other steps do to a text makes no link of it again.
		for _, after := range []string{GSM7(got), PlainMarks(got)} {
			if link := links.FindString(after); link != "" {
				t.Fatalf("%q becomes %q, and that %q: %q is a link", s, got, after, link)
			}
		}
	})
}

func TestLink(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"https://pay.example.com/r/1?x=a%20b&y=[1]#z", "HTTPS://Example.com", "https://example.com:8443/r", "https://xn--bcher-kva.example/", "https://example.com./",
		"https://example.com/" + strings.Repeat("a", 1980),
	} {
		if got := Link(s); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
	if got := Link(" https://example.com/r\r\n"); got != "https://example.com/r" {
		t.Errorf("white space around: %q", got)
	}
	for _, s := range []string{
		"", "http://example.com", "example.com", "//example.com/x", "https:example.com", "https://", "https:///x", "https://user@example.com", "https://a:b@example.com/", "https://@example.com/", "javascript:alert(1)",
		"https://localhost/", "https://192.0.2.1/", "https://[2001:db8::1]/", "https://exa mple.com/", "https://example.com/a b", "https://example.com/\n", "https://example.com/\u202e", "https://bücher.example/",
		"https://-a.example/", "https://a..example/", "https://.example/", "https://example.com:0/", "https://example.com:99999/", "https://example.com:/", "https://example.com/\\x", `https://example.com/"x"`,
		"https://example.com/<x>", "https://example.com\\@evil.example/", "https://example.com/%zz", "https://a_b.example/", "https://" + strings.Repeat("a", 64) + ".example/",
		"https://example.com/" + strings.Repeat("a", 1981), "ftp://example.com", "https://example.123/",
	} {
		// White space at the ends is passed over.
		if got := Link(s); got != "" && got != strings.TrimSpace(s) || got != "" && !strings.HasSuffix(s, "\n") {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}
