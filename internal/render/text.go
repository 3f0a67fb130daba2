package render

import (
	"strings"
	"sync"

	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/message"
)

const (
	// maxField is how much of a name, a status or an id a message shows.
	maxField = 80
	// maxSMS and maxWhatsApp are what the providers take at most: Twilio and SNS 1,600 characters, the Cloud API 4,096.
	maxSMS, maxWhatsApp, maxSubject = 1600, 4096, 200
	// maxItems is how many lines of an order a message lists.
	maxItems = 50
)

// field prepares a value for a channel.
func field(channel message.Channel, s string) string {
	s = format.Clean(s, maxField)
	switch channel {
	case message.WhatsApp:
		return format.PlainLink(format.PlainMarks(s))
	case message.SMS:
		return format.PlainLink(s)
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
	l, _ := format.ParseLocale(locale)
	text = format.Money(literal, code, l)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) >= maxPrices {
		clear(p.seen)
	}
	// Clones: the key's texts may be parts of a whole payload.
	p.seen[[3]string{strings.Clone(literal), strings.Clone(code), locale}] = text
	return text
}
