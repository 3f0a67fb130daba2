package format

import (
	"strings"
	"testing"
	"time"
)

func TestDates(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 1, 2, 15, 4, 5, 0, time.UTC)
	for _, tt := range []struct{ locale, date, both string }{
		{"en", "Jan 2, 2024", "Jan 2, 2024, 3:04 PM"},
		{"en-US", "Jan 2, 2024", "Jan 2, 2024, 3:04 PM"},
		{"en-GB", "2 Jan 2024", "2 Jan 2024, 15:04"},
		{"en-AU", "2 Jan 2024", "2 Jan 2024, 3:04 pm"},
		{"es", "2 ene. 2024", "2 ene. 2024, 15:04"},
		{"es-MX", "2 ene. 2024", "2 ene. 2024, 15:04"},
		{"fr", "2 janv. 2024", "2 janv. 2024, 15:04"},
		{"de", "02.01.2024", "02.01.2024, 15:04"},
		{"it-CH", "2 gen 2024", "2 gen 2024, 15:04"},
		{"pt-BR", "2 de jan. de 2024", "2 de jan. de 2024, 15:04"},
		{"pt-AO", "02/01/2024", "02/01/2024, 15:04"},
		{"nl", "2 jan. 2024", "2 jan. 2024, 15:04"},
		{"pl", "2 sty 2024", "2 sty 2024, 15:04"},
		{"tr", "2 Oca 2024", "2 Oca 2024 15:04"},
		{"ar", "02\u200f/01\u200f/2024", "02\u200f/01\u200f/2024، 3:04 م"},
		{"ar-EG", "٠٢\u200f/٠١\u200f/٢٠٢٤", "٠٢\u200f/٠١\u200f/٢٠٢٤، ٣:٠٤ م"},
		{"ja", "2024/01/02", "2024/01/02 15:04"},
		{"zh-CN", "2024年1月2日", "2024年1月2日 15:04"},
		{"zh-TW", "2024年1月2日", "2024年1月2日 下午3:04"},
		{"sw", "2024-01-02", "2024-01-02 15:04"},
	} {
		l := in(t, tt.locale)
		if date, both := Date(at, l), DateTime(at, l); date != tt.date || both != tt.both {
			t.Errorf("%s: %q, %q", tt.locale, date, both)
		}
	}
	if date, both := Date(at, Locale{}), DateTime(at, Locale{}); date != "2024-01-02" || both != "2024-01-02 15:04" {
		t.Errorf("without a locale: %q, %q", date, both)
	}
	if date, both := Date(time.Time{}, in(t, "en")), DateTime(time.Time{}, in(t, "en")); date != "" || both != "" {
		t.Errorf("the zero time: %q, %q", date, both)
	}
	if got := DateTime(at.In(time.FixedZone("", -16*3600)), in(t, "de")); got != "01.01.2024, 23:04" {
		t.Errorf("in another zone: %q", got)
	}
}

// TestDatesAreUnambiguous: every minute of a day, and every day of a year, is written as no other; a library's data may lack words for a.m.
func TestDatesAreUnambiguous(t *testing.T) {
	t.Parallel()
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for name := range dates {
		l := in(t, name)
		seen := map[string]bool{}
		for minute := range 24 * 60 {
			seen[DateTime(start.Add(time.Duration(minute)*time.Minute), l)] = true
		}
		for day := range 366 {
			seen[Date(start.AddDate(0, 0, day), l)] = true
		}
		if len(seen) != 24*60+366 {
			t.Errorf("%s: %d texts", name, len(seen))
		}
		for text := range seen {
			if text != strings.TrimSpace(text) || Clean(text, 100) == "" {
				t.Errorf("%s: %q", name, text)
			}
		}
	}
}

func BenchmarkDate(b *testing.B) {
	for _, name := range []string{"en", "pt-AO", "ar-EG"} {
		b.Run(name, func(b *testing.B) {
			l, at := in(b, name), time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)
			b.ReportAllocs()
			for b.Loop() {
				DateTime(at, l)
			}
		})
	}
}
