package format

import (
	"cmp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/bojanz/currency"
	"github.com/go-playground/locales"
	"github.com/go-playground/locales/ar"
	"github.com/go-playground/locales/de"
	"github.com/go-playground/locales/en"
	"github.com/go-playground/locales/en_001"
	"github.com/go-playground/locales/en_150"
	"github.com/go-playground/locales/en_CA"
	"github.com/go-playground/locales/en_GB"
	"github.com/go-playground/locales/en_IE"
	"github.com/go-playground/locales/en_IN"
	"github.com/go-playground/locales/en_ZA"
	"github.com/go-playground/locales/es"
	"github.com/go-playground/locales/es_419"
	"github.com/go-playground/locales/es_US"
	"github.com/go-playground/locales/fr"
	"github.com/go-playground/locales/fr_CA"
	"github.com/go-playground/locales/it"
	"github.com/go-playground/locales/ja"
	"github.com/go-playground/locales/nl"
	"github.com/go-playground/locales/pl"
	"github.com/go-playground/locales/pt"
	"github.com/go-playground/locales/pt_PT"
	"github.com/go-playground/locales/tr"
	"github.com/go-playground/locales/zh"
	"github.com/go-playground/locales/zh_Hant"
)

// dates are the locales whose dates are known: those with built-in words, and regions that write dates otherwise. Other regions come to one of them
// by Locale.Chain. Each is made when it is first used. The library's en_AU has no words for a.m. and p.m.: Australia's dates are en_001's.
var dates = map[string]func() locales.Translator{
	"ar": sync.OnceValue(ar.New), "de": sync.OnceValue(de.New), "fr": sync.OnceValue(fr.New), "fr-CA": sync.OnceValue(fr_CA.New),
	"en": sync.OnceValue(en.New), "en-001": sync.OnceValue(en_001.New), "en-150": sync.OnceValue(en_150.New), "en-CA": sync.OnceValue(en_CA.New),
	"en-GB": sync.OnceValue(en_GB.New), "en-IE": sync.OnceValue(en_IE.New), "en-IN": sync.OnceValue(en_IN.New), "en-ZA": sync.OnceValue(en_ZA.New),
	"es": sync.OnceValue(es.New), "es-419": sync.OnceValue(es_419.New), "es-US": sync.OnceValue(es_US.New),
	"it": sync.OnceValue(it.New), "ja": sync.OnceValue(ja.New), "nl": sync.OnceValue(nl.New), "pl": sync.OnceValue(pl.New),
	"pt": sync.OnceValue(pt.New), "pt-PT": sync.OnceValue(pt_PT.New), "tr": sync.OnceValue(tr.New),
	"zh-Hans": sync.OnceValue(zh.New), "zh-Hant": sync.OnceValue(zh_Hant.New),
}

// Date formats a day at CLDR's medium length, as "Jan 1, 2024"; in a locale whose dates are not known, as 2024-01-01. The zone is that of t. It is ""
// for the zero time.
func Date(t time.Time, l Locale) string {
	return date(t, l, time.DateOnly, locales.Translator.FmtDateMedium)
}

// between is what stands between date and time by CLDR (dateTimeFormats, medium), where it is not a comma.
var between = map[string]string{"ar": "، ", "ja": " ", "tr": " ", "zh-Hans": " ", "zh-Hant": " "}

// DateTime is Date with the time of day, without seconds.
func DateTime(t time.Time, l Locale) string {
	return date(t, l, "2006-01-02 15:04", func(in locales.Translator, t time.Time) string {
		clock := in.FmtTimeShort(t)
		switch l.dates {
		case "en": // the library has small letters
			clock = strings.ToUpper(clock)
		case "zh-Hans": // 24 hours, since CLDR 38
			clock = t.Format("15:04")
		}
		return in.FmtDateMedium(t) + cmp.Or(between[l.dates], ", ") + clock
	})
}

func date(t time.Time, l Locale, iso string, format func(locales.Translator, time.Time) string) string {
	if t.IsZero() {
		return ""
	}
	in := dates[l.dates]
	if in == nil {
		return t.Format(iso)
	}
	text := format(in(), t)
	if l.digits == "" {
		return text
	}
	return localDigits(text, l.digits)
}

// ownDigits returns the digits of a locale's amounts, 0 to 9, where they are not ASCII's, as in Egypt's Arabic; "" elsewhere.
func ownDigits(figures currency.Locale) string {
	a, err := currency.NewAmount("1023456789", carrier)
	if err != nil {
		return ""
	}
	f := currency.NewFormatter(figures)
	f.NoGrouping, f.MinDigits, f.CurrencyDisplay = true, 0, currency.DisplayNone
	digits := []rune(strings.TrimFunc(f.Format(a), func(r rune) bool { return !unicode.IsDigit(r) }))
	if len(digits) != 10 || digits[0] == '1' {
		return ""
	}
	digits[0], digits[1] = digits[1], digits[0] // no number begins with 0
	return string(digits)
}

// localDigits replaces the ASCII digits of a text by ten others.
func localDigits(text, digits string) string {
	own := []rune(digits)
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return r
		}
		return own[r-'0']
	}, text)
}
