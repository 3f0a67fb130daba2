// Package format writes values for people: money, quantities, dates and statuses by locale, and texts from tills, made fit for a message.
package format

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/bojanz/currency"
	"golang.org/x/text/language"
)

// Locale is a language as some people write it: what words are chosen and figures are formatted by. It is comparable. In the zero
// Locale numbers are formatted as in English, dates as in ISO 8601.
type Locale struct {
	name    string
	figures currency.Locale
	rtl     bool
	dates   string // the locale of dates that formats its dates; "" for none
	digits  string // its digits, 0 to 9, where they are not ASCII's
}

// maxLocale is the longest text that is read as a locale; that of RFC 5646, section 4.4.1, for tags without extensions.
const maxLocale = 35

// rightToLeft are the scripts that are written from right to left and are in use today (CLDR's scriptMetadata).
var rightToLeft = []string{"Arab", "Aran", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg", "Mand", "Samr", "Yezi"}

// mainLocales are the locales whose words stand for a whole language, for languages that have words by region only.
var mainLocales = map[string]string{"pt": "pt-BR"}

// usual is how a language is written today: "he" for "iw", without the script that it always has.
const usual = language.DeprecatedBase | language.SuppressScript

// maxParsed bounds the memory of parsed: a shop's customers have few locales, which come again and again.
const maxParsed = 256

// parsed remembers locales by their texts; to read one costs as much as a text message.
var parsed = struct {
	mu   sync.RWMutex
	seen map[string]Locale // the zero Locale for an invalid text
}{seen: map[string]Locale{}}

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
	parsed.mu.RLock()
	l, known := parsed.seen[s]
	parsed.mu.RUnlock()
	if !known {
		l = parseLocale(s)
		parsed.mu.Lock()
		defer parsed.mu.Unlock()
		if len(parsed.seen) >= maxParsed {
			clear(parsed.seen)
		}
		parsed.seen[strings.Clone(s)] = l // s may be a part of a whole payload
	}
	return l, l != Locale{}
}

func parseLocale(s string) Locale {
	tag, err := language.Raw.Parse(s)
	var unknown language.ValueError
	if err != nil && !errors.As(err, &unknown) {
		return Locale{}
	}
	l, _ := localeOf(tag)
	for _, name := range l.Chain() {
		if dates[name] != nil {
			l.dates = name
			break
		}
	}
	l.digits = ownDigits(l.figures)
	return l
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
