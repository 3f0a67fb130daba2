package format

import (
	"slices"
	"strings"
	"testing"
)

// in is the locale of a text that is one.
func in(t testing.TB, s string) Locale {
	t.Helper()
	l, ok := ParseLocale(s)
	if !ok {
		t.Fatalf("%q is no locale", s)
	}
	return l
}

func TestLocales(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, name, chain string
		rtl               bool
	}{
		{"en", "en", "en", false},
		{" EN_us ", "en-US", "en-US en", false},
		{"en.UTF-8", "en", "en", false},
		{"de_DE@euro", "de-DE", "de-DE de", false},
		{"pt_BR", "pt-BR", "pt-BR pt", false},
		{"pt", "pt", "pt pt-BR", false},
		{"pt-AO", "pt-AO", "pt-AO pt-PT pt pt-BR", false},
		{"es-MX", "es-MX", "es-MX es-419 es", false},
		{"es-419", "es-419", "es-419 es", false},
		{"en-GB", "en-GB", "en-GB en-001 en", false},
		{"en-Latn-US", "en-US", "en-US en", false},
		{"en-US-u-hc-h12", "en-US", "en-US en", false},
		{"ca-ES-valencia", "ca-ES", "ca-ES ca", false},
		{"en-QQQQ", "en", "en", false},
		{"zh", "zh-Hans", "zh-Hans", false},
		{"zh-CN", "zh-Hans-CN", "zh-Hans-CN zh-Hans", false},
		{"zh-Hans-CN", "zh-Hans-CN", "zh-Hans-CN zh-Hans", false},
		{"zh_TW", "zh-Hant-TW", "zh-Hant-TW zh-Hant", false},
		{"zh-HK", "zh-Hant-HK", "zh-Hant-HK zh-Hant", false},
		{"sr-Latn-RS", "sr-Latn-RS", "sr-Latn-RS sr-Latn", false},
		{"ar-EG", "ar-EG", "ar-EG ar", true},
		{"iw", "he", "he", true},
		{"fa_IR", "fa-IR", "fa-IR fa", true},
		{"ur", "ur", "ur", true},
		{"pa-Arab", "pa-Arab", "pa-Arab", true},
		{"uz-Cyrl", "uz-Cyrl", "uz-Cyrl", false},
	} {
		l, ok := ParseLocale(tt.text)
		if got := strings.Join(l.Chain(), " "); !ok || l.String() != tt.name || got != tt.chain || l.RTL() != tt.rtl {
			t.Errorf("%q: %q with the chain %q, rtl %t, %t", tt.text, l, got, l.RTL(), ok)
		}
		if again, ok := ParseLocale(l.String()); !ok || again != l {
			t.Errorf("%q is read as %+v, and its name as %+v", tt.text, l, again)
		}
	}
	for _, s := range []string{"", " ", "C", "C.UTF-8", "POSIX", "und", "root", "mul", "english", "e", "qq-", "-", "en-US-" + strings.Repeat("x", 40), "{{.}}", "\xff", "123"} {
		if l, ok := ParseLocale(s); ok || l != (Locale{}) || l.Chain() != nil || l.RTL() || l.String() != "" {
			t.Errorf("%q is read as %+v", s, l)
		}
	}
}

func FuzzParseLocale(f *testing.F) {
	for _, s := range []string{"pt_BR", "zh-Hant-TW", "en.UTF-8", "x-klingon", "i-default", "sl-rozaj-biske-1994", "en-a-bbb-x-a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, ok := ParseLocale(s)
		if !ok {
			return
		}
		chain := l.Chain()
		if len(chain) == 0 || chain[0] != l.String() || len(chain) > 6 || len(slices.Compact(slices.Sorted(slices.Values(chain)))) != len(chain) {
			t.Fatalf("%q: the chain of %q is %q", s, l, chain)
		}
		for _, name := range chain {
			if one, ok := ParseLocale(name); !ok || one.String() != name {
				t.Fatalf("%q: %q of its chain is read as %q", s, name, one)
			}
		}
	})
}

func BenchmarkLocale(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ParseLocale("pt-AO")
	}
}
