package render

import (
	"strings"
	"sync"
	"unicode"

	"github.com/bojanz/currency"

	"ringup.dev/ringup/internal/message"
)

const (
	// maxField is how much of a name, a status or an id a message shows.
	maxField = 80
	// maxSMS and maxWhatsApp are what the providers take at most: Twilio and SNS 1,600 characters, the Cloud API 4,096.
	maxSMS, maxWhatsApp, maxSubject = 1600, 4096, 200
	// maxItems is how many lines of an order a message lists.
	maxItems = 50

	zeroWidthJoiner = '\u200d' // holds an emoji together; every other format character may mislead
)

// clean makes a field fit to be shown: one line, no control or invisible characters, no text that turns the rest of the line around, at
// most limit characters. Writing from right to left and emoji stay as they are.
func clean(s string, limit int) string {
	if plain(s, limit) {
		return s
	}
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			space = b.Len() > 0
			continue
		case r == zeroWidthJoiner && b.Len() > 0:
		case unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs), r == unicode.ReplacementChar:
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return shorten(b.String(), limit)
}

// plain says that there is nothing to clean: printable ASCII, one space at a time, and short enough. Most fields are.
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

// shorten cuts a text to at most limit characters, never between a character and what is combined with it.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	cut := limit - 1
	joined := func(r rune) bool {
		return unicode.In(r, unicode.M) || r == zeroWidthJoiner || (r >= 0x1f3fb && r <= 0x1f3ff)
	}
	for cut > 0 && (joined(runes[cut]) || runes[cut-1] == zeroWidthJoiner) {
		cut--
	}
	return strings.TrimSpace(string(runes[:cut])) + "…"
}

// plainMarks replaces the characters that WhatsApp takes for formatting by ones that look alike, but for those inside a word, as in
// ORD_1, which it takes as they are.
func plainMarks(s string) string {
	if !strings.ContainsAny(s, "*_~`") {
		return s
	}
	runes := []rune(s)
	word := func(i int) bool {
		return i >= 0 && i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]))
	}
	for i, r := range runes {
		alike := r
		switch r {
		case '*':
			alike = '∗'
		case '_':
			alike = 'ˍ'
		case '~':
			alike = '∼'
		case '`':
			alike = 'ˋ'
		}
		if alike != r && (!word(i-1) || !word(i+1)) {
			runes[i] = alike
		}
	}
	return string(runes)
}

// plainLink keeps an address in a field from becoming a link that seems to come from the shop.
func plainLink(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "://", ": //"), "www.", "www ")
}

// field prepares a value for a channel.
func field(channel message.Channel, s string) string {
	s = clean(s, maxField)
	switch channel {
	case message.WhatsApp:
		return plainLink(plainMarks(s))
	case message.SMS:
		return plainLink(s)
	}
	return s
}

// maxPrices bounds the memory of prices: a shop's are few, and come again and again.
const maxPrices = 4096

// prices remembers how amounts are formatted, which costs as much as the rest of a text message.
type prices struct {
	mu   sync.RWMutex
	seen map[[3]string]string
}

func (p *prices) format(literal, code, locale string) string {
	key := [3]string{literal, code, locale}
	p.mu.RLock()
	text, known := p.seen[key]
	p.mu.RUnlock()
	if known {
		return text
	}
	text = money(literal, code, locale)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) >= maxPrices {
		clear(p.seen)
	}
	// Clones: the key's texts may be parts of a whole event.
	p.seen[[3]string{strings.Clone(literal), strings.Clone(code), strings.Clone(locale)}] = text
	return text
}

// money formats an amount, kept as it was written, by currency and locale. An unknown currency is shown by its code.
func money(literal, code, locale string) string {
	if literal == "" {
		return ""
	}
	code = strings.ToUpper(code)
	amount, err := currency.NewAmount(literal, code)
	if err != nil {
		return strings.TrimSpace(literal + " " + code)
	}
	formatter := currency.NewFormatter(currency.NewLocale(locale))
	if digits, ok := currency.GetDigits(code); ok {
		formatter.MinDigits = digits
	}
	return formatter.Format(amount)
}
