// Package pricing has the prices of messages, and the daily caps on what they may cost.
package pricing

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bojanz/currency"

	"ringup.dev/ringup/internal/message"
)

// Config has the prices, and how much a day may cost.
type Config struct {
	// Prices of a message (of a segment, for SMS): by channel, or by channel and the numbers' prefix, of which the longest counts, as
	// sms=0.0079,sms:+44=0.04,email=0.0004. What is not named costs nothing.
	Prices []string `env:"PRICES"`
	// Currency of prices and caps, by ISO 4217.
	Currency string `env:"PRICE_CURRENCY, default=USD"`
	// DailyCap is the most that a channel, or a webhook's source on a channel, may cost from midnight to midnight UTC, as
	// sms=50,sms/kiosk-7=10.
	DailyCap []string `env:"DAILY_CAP"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	table, priceErr := NewTable(*c)
	caps, capErr := NewCaps(*c)
	errs := []error{priceErr, capErr}
	if !currency.IsValid(c.Currency) {
		errs = append(errs, fmt.Errorf("PRICE_CURRENCY is %q: set a currency by ISO 4217, as USD or EUR", c.Currency))
	}
	if priceErr == nil && capErr == nil {
		for _, channel := range message.Channels {
			if caps.Limits(channel) && !table.priced(channel) {
				errs = append(errs, fmt.Errorf("DAILY_CAP limits %s, which costs nothing by PRICES: set its price, as %s=0.01", channel, channel))
			}
		}
	}
	return errors.Join(errs...)
}

// Table has the prices. It is safe for concurrent use; the nil one has none.
type Table struct {
	channels map[message.Channel]Micros
	prefixes map[message.Channel]map[string]Micros // of numbers, without the +
	longest  int                                   // digits of the longest prefix
}

// priceForm is an entry of PRICES: the channel, the prefix, the price.
var priceForm = regexp.MustCompile(`^([^:=]*)(?::\+([0-9]{1,15}))?=([^=]*)$`)

// NewTable reads PRICES. The error names every wrong entry.
func NewTable(c Config) (*Table, error) {
	t := &Table{channels: map[message.Channel]Micros{}, prefixes: map[message.Channel]map[string]Micros{}}
	var errs []error
	for _, entry := range c.Prices {
		entry = strings.TrimSpace(entry)
		parts := priceForm.FindStringSubmatch(entry)
		if parts == nil {
			errs = append(errs, fmt.Errorf("PRICES has %q: set a channel or a channel and a prefix, and a price, as sms=0.0079 or sms:+44=0.04", entry))
			continue
		}
		channel, channelErr := message.ParseChannel(parts[1])
		price, priceErr := parse(parts[3])
		prefix := parts[2]
		of := t.prefixes[channel]
		if of == nil {
			of = map[string]Micros{}
		}
		_, twice := of[prefix]
		if prefix == "" {
			_, twice = t.channels[channel]
		}
		switch {
		case channelErr != nil:
			errs = append(errs, fmt.Errorf("PRICES has %q: %w", entry, channelErr))
		case priceErr != nil:
			errs = append(errs, fmt.Errorf("PRICES has %q: set a price from 0 to %d, with six decimal places at most, as 0.0079", entry, maxUnits))
		case prefix != "" && channel == message.Email:
			errs = append(errs, fmt.Errorf("PRICES has %q: an e-mail address has no prefix: set email=", entry))
		case twice:
			errs = append(errs, fmt.Errorf("PRICES has %q, and another price for the same", entry))
		case prefix == "":
			t.channels[channel] = price
		default:
			of[prefix] = price
			t.prefixes[channel] = of
			t.longest = max(t.longest, len(prefix))
		}
	}
	return t, errors.Join(errs...)
}

// priced says whether any message of a channel costs something.
func (t *Table) priced(channel message.Channel) bool {
	for _, price := range t.prefixes[channel] {
		if price > 0 {
			return true
		}
	}
	return t.channels[channel] > 0
}

// Cost is the price of a message; of all its segments, for SMS.
func (t *Table) Cost(channel message.Channel, to message.Address, segments int) Micros {
	if t == nil {
		return 0
	}
	price := t.price(channel, to.Reveal())
	if channel == message.SMS {
		price *= Micros(max(1, segments))
	}
	return price
}

func (t *Table) price(channel message.Channel, to string) Micros {
	if digits, is := strings.CutPrefix(to, "+"); is && t.prefixes[channel] != nil {
		for n := min(len(digits), t.longest); n > 0; n-- {
			if price, found := t.prefixes[channel][digits[:n]]; found {
				return price
			}
		}
	}
	return t.channels[channel]
}

// Cap is the most that something may cost a day.
type Cap struct {
	Channel message.Channel
	Source  string // "" for the whole channel
	Most    Micros
}

// Name is the cap's as DAILY_CAP has it: sms, or sms/kiosk-7.
func (c Cap) Name() string {
	if c.Source == "" {
		return string(c.Channel)
	}
	return string(c.Channel) + "/" + c.Source
}

// Caps are all of them. They are safe for concurrent use; the nil ones limit nothing.
type Caps struct {
	channels map[message.Channel]Cap
	sources  map[message.Channel]map[string]Cap
}

// NewCaps reads DAILY_CAP. The error names every wrong entry.
func NewCaps(c Config) (*Caps, error) {
	caps := &Caps{channels: map[message.Channel]Cap{}, sources: map[message.Channel]map[string]Cap{}}
	var errs []error
	for _, entry := range c.DailyCap {
		entry = strings.TrimSpace(entry)
		// A source's name may have anything in it, so the last = counts.
		equals := strings.LastIndexByte(entry, '=')
		if equals < 0 {
			errs = append(errs, fmt.Errorf("DAILY_CAP has %q: set a channel, or a channel and a source, and an amount, as sms=50 or sms/kiosk-7=10", entry))
			continue
		}
		name, source, ofSource := strings.Cut(entry[:equals], "/")
		channel, channelErr := message.ParseChannel(name)
		most, amountErr := parse(entry[equals+1:])
		_, twice := caps.sources[channel][source]
		if !ofSource {
			_, twice = caps.channels[channel]
		}
		switch {
		case channelErr != nil:
			errs = append(errs, fmt.Errorf("DAILY_CAP has %q: %w", entry, channelErr))
		case amountErr != nil || most == 0:
			errs = append(errs, fmt.Errorf("DAILY_CAP has %q: set an amount above 0, up to %d, with six decimal places at most, as 50", entry, maxUnits))
		case ofSource && source == "":
			errs = append(errs, fmt.Errorf("DAILY_CAP has %q: set the source after the /, as sms/kiosk-7=10", entry))
		case twice:
			errs = append(errs, fmt.Errorf("DAILY_CAP has %q, and another amount for the same", entry))
		case !ofSource:
			caps.channels[channel] = Cap{Channel: channel, Most: most}
		default:
			if caps.sources[channel] == nil {
				caps.sources[channel] = map[string]Cap{}
			}
			caps.sources[channel][source] = Cap{Channel: channel, Source: source, Most: most}
		}
	}
	return caps, errors.Join(errs...)
}

// Limits says whether a channel, or any source on it, has a cap: without one nothing has to be known of what was spent.
func (c *Caps) Limits(channel message.Channel) bool {
	if c == nil {
		return false
	}
	_, whole := c.channels[channel]
	return whole || len(c.sources[channel]) > 0
}

// Of returns the caps that a message of a source on a channel is under: the channel's first.
func (c *Caps) Of(channel message.Channel, source string) []Cap {
	if c == nil {
		return nil
	}
	var out []Cap
	if whole, found := c.channels[channel]; found {
		out = append(out, whole)
	}
	if one, found := c.sources[channel][source]; found {
		out = append(out, one)
	}
	return out
}

// List returns all caps of a channel: its own first, then its sources', by name.
func (c *Caps) List(channel message.Channel) []Cap {
	out := c.Of(channel, "")
	if c == nil {
		return out
	}
	for _, source := range slices.Sorted(maps.Keys(c.sources[channel])) {
		out = append(out, c.sources[channel][source])
	}
	return out
}

// Spent is what was spent since midnight UTC.
type Spent struct {
	Channel Micros // by all sources together
	Source  Micros // by the source that a message comes from
}

// Reached says whether a message of that cost would go over a cap, and over which; the channel's when over both. One that costs nothing
// never does.
func (c *Caps) Reached(channel message.Channel, source string, spent Spent, cost Micros) (Cap, bool) {
	if cost <= 0 {
		return Cap{}, false
	}
	for _, one := range c.Of(channel, source) {
		sum := spent.Channel
		if one.Source != "" {
			sum = spent.Source
		}
		if sum > one.Most-cost {
			return one, true
		}
	}
	return Cap{}, false
}

// Day names the day of a moment, by UTC. Costs are added up by day.
func Day(at time.Time) string { return at.UTC().Format(time.DateOnly) }

// DayEnds is when the day of a moment is over, and caps begin anew.
func DayEnds(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour) }
