// Package format writes values for people: money, quantities, dates and statuses by locale, and texts from tills, made fit for a message.
package format

import (
	"errors"
	"slices"
	"strings"

	"github.com/bojanz/currency"
	"golang.org/x/text/language"
)

// Locale is a language as some people write it: what words are chosen and figures are formatted by. It is comparable. In the zero
// Locale numbers are formatted as in English, dates as in ISO 8601.
type Locale struct {
	name    string
	figures currency.Locale
	rtl     bool
}

// maxLocale is the longest text that is read as a locale; that of RFC 5646, section 4.4.1, for tags without extensions.
const maxLocale = 35

// rightToLeft are the scripts that are written from right to left and are in use today (CLDR's scriptMetadata).
var rightToLeft = []string{"Arab", "Aran", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg", "Mand", "Samr", "Yezi"}

// mainLocales are the locales whose words stand for a whole language, for languages that have words by region only.
var mainLocales = map[string]string{"pt": "pt-BR"}

// usual is how a language is written today: "he" for "iw", without the script that it always has.
const usual = language.DeprecatedBase | language.SuppressScript

// ParseLocale reads a BCP 47 tag or a POSIX locale: "pt_BR", "zh-Hans-CN", "en.UTF-8". A region or a variant that is not known is left out. It
// returns false if the language is not known, as for "" and "POSIX".
func ParseLocale(s string) (Locale, bool) {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, ".@"); i >= 0 { // POSIX: language[_territory][.codeset][@modifier]
		s = s[:i]
	}
	if len(s) > maxLocale {
		return Locale{}, false
	}
	tag, err := language.Raw.Parse(s)
	var unknown language.ValueError
	if err != nil && !errors.As(err, &unknown) {
		return Locale{}, false
	}
	return localeOf(tag)
}

// localeOf keeps language, script and region of a tag. The script is left out where the language has only one that is usual; Chinese always has
// it, since its region alone says which one.
func localeOf(tag language.Tag) (Locale, bool) {
	tag, _ = usual.Canonicalize(tag) // it fails for no tag
	base, script, region := tag.Raw()
	if base.String() == "und" || base.String() == "mul" {
		return Locale{}, false
	}
	full, _ := tag.Script()
	l := Locale{figures: currency.Locale{Language: base.String()}, rtl: slices.Contains(rightToLeft, full.String())}
	if base.String() == "zh" {
		script = full
	}
	if script.String() != "Zzzz" {
		l.figures.Script = script.String()
	}
	if region.String() != "ZZ" {
		l.figures.Territory = region.String()
	}
	l.name = l.figures.String()
	return l, true
}

// String returns the locale as a BCP 47 tag, as "pt-BR"; "" for the zero Locale.
func (l Locale) String() string { return l.name }

// RTL says whether the locale's script is written from right to left.
func (l Locale) RTL() bool { return l.rtl }

// Chain returns the locales in which words are looked for, by CLDR's rules of inheritance: "pt-AO", "pt-PT", "pt"; "es-MX", "es-419", "es". A
// script is never replaced by another: after "zh-Hant-TW" comes "zh-Hant", and no "zh-Hans". English, the end of every chain, is not in it unless
// it is the locale's own language. It is nil for the zero Locale.
func (l Locale) Chain() []string {
	var chain []string
	for tag, ok := language.Raw.Make(l.name), l.name != ""; ok; tag = tag.Parent() {
		var one Locale
		if one, ok = localeOf(tag); ok && !slices.Contains(chain, one.name) {
			chain = append(chain, one.name)
		}
	}
	if main := mainLocales[l.figures.Language]; main != "" && !slices.Contains(chain, main) {
		chain = append(chain, main)
	}
	return chain
}
