package message

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"+12025550143": "+•••0143", "(202) 555-0143": "•••0143", "2025550143\r\n": "•••0143", "+1 202 555 0143 ext 5": "+•••1435",
		"jane@example.com": "j•••@example.com", "Ünal@example.com": "Ü•••@example.com", "7@example.com": "7•••@example.com", "a@xn--bcher-kva.example": "a•••@xn--bcher-kva.example",
		"jane@163.com": "j•••@163.com", "jo@mail-2.example.co.uk": "j•••@mail-2.example.co.uk",
		"\"jo\"@example.com": "•••@example.com", "@example.com": "•••@example.com", "\u202ejo@example.com": "•••@example.com", "\xff@example.com": "•••@example.com",
		// What stands behind the @ is no domain, or is a number.
		"jo@example.com / 202 555 0143": hidden, "j@x / 202 555 0143": hidden, "jo@12 Main Street": hidden, "jo@localhost": hidden, "jo@": hidden, "@": hidden,
		"jo@2025550143.example": hidden, "5@a1234.example": hidden, "jo@192.0.2.1": hidden, "jo@-x.example": hidden, "jo@x..example": hidden, "jo@example.com\n": hidden,
		"jo@bücher.example": hidden, "jo@" + strings.Repeat("a", 64) + ".example": hidden, "jo@" + strings.Repeat("a.", 130) + "example": hidden,
		"": hidden, "12": hidden, "555014": hidden, "Jane Roe": hidden, "٠٢٠٢٥٥٥٠١٤٣": hidden,
	} {
		if got := Mask(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzMask: a mask is one line, and has at most four digits and one letter of what stands before the domain.
func FuzzMask(f *testing.F) {
	for _, text := range []string{"+12025550143", "jane@example.com", "j@x / 202 555 0143", "\xff1@2.3", "jo@\u202e.com", "1234567890@1.a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mask := Mask(text)
		digits := 0
		for _, r := range mask {
			if unicode.IsDigit(r) {
				digits++
			}
			if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Errorf("%q: %q has %U", text, mask, r)
			}
		}
		if digits > shownDigits || !utf8.ValidString(mask) {
			t.Errorf("%q: %q", text, mask)
		}
		if before, domain, found := strings.Cut(mask, "@"); found {
			first := strings.TrimSuffix(before, hidden)
			if utf8.RuneCountInString(first) > 1 || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, "@"+domain) || !isDomain(domain) {
				t.Errorf("%q: %q", text, mask)
			}
		} else if strings.Trim(mask, "+•0123456789") != "" {
			t.Errorf("%q: %q", text, mask)
		}
	})
}
