package value

import (
	"strconv"
	"strings"
	"time"
)

// Time reads when something happened: a time by RFC 3339, with its zone or, where it has none, in the zone that is given. T and Z may be small and
// T a space (section 5.6), and a leap second is the second after it. Offsets without a colon or minutes, as ISO 8601 and many libraries write them, are
// read, too, and so is the number of seconds or milliseconds since 1970. ok is false for any other text, and for a time before 1970: the clock of a
// till that was never set, or the zero of its language.
func Time(text string, zone *time.Location) (at time.Time, ok bool) {
	text = strings.TrimSpace(text)
	if at, ok = unixTime(text); !ok {
		at, ok = dateTime(text, zone)
	}
	return at, ok && at.Unix() > 0
}

// unixTime reads seconds of ten digits, which they have from 2001 to 2286, or milliseconds of thirteen.
func unixTime(text string) (at time.Time, ok bool) {
	const seconds, milliseconds = 10, 13
	if len(text) != seconds && len(text) != milliseconds {
		return time.Time{}, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || text[0] < '0':
		return time.Time{}, false
	case len(text) == seconds:
		return time.Unix(n, 0).UTC(), true
	}
	return time.UnixMilli(n).UTC(), true
}

// form is how a time begins: 0 for a digit, and T for what may stand between date and time.
const form = "0000-00-00T00:00:00"

func dateTime(text string, zone *time.Location) (at time.Time, ok bool) {
	if len(text) < len(form) {
		return time.Time{}, false
	}
	for i := range len(form) {
		c := text[i]
		switch form[i] {
		case '0':
			ok = c >= '0' && c <= '9'
		case 'T':
			ok = c == 'T' || c == 't' || c == ' '
		default:
			ok = c == form[i]
		}
		if !ok {
			return time.Time{}, false
		}
	}
	year, month, day := 100*two(text)+two(text[2:]), two(text[5:]), two(text[8:])
	hour, minute, second := two(text[11:]), two(text[14:]), two(text[17:])
	nanos, rest, ok := fraction(text[len(form):])
	if !ok || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	if rest != "" {
		if zone, ok = offset(rest); !ok {
			return time.Time{}, false
		}
	}
	if time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() != day {
		return time.Time{}, false // the month has no such day
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, zone), true
}

// two reads the two digits that a text begins with.
func two(text string) int { return 10*int(text[0]-'0') + int(text[1]-'0') }

// fraction reads the part of a second that a text begins with, if it does; what is smaller than a nanosecond is dropped.
func fraction(text string) (nanos int, rest string, ok bool) {
	if text == "" || text[0] != '.' {
		return 0, text, true
	}
	rest = strings.TrimLeft(text[1:], "0123456789")
	digits := text[1 : len(text)-len(rest)]
	if digits == "" {
		return 0, "", false
	}
	for i := range 9 {
		nanos *= 10
		if i < len(digits) {
			nanos += int(digits[i] - '0')
		}
	}
	return nanos, rest, true
}

// offset reads Z, or the distance from UTC: +hh:mm, +hhmm or +hh.
func offset(text string) (zone *time.Location, ok bool) {
	if text == "Z" || text == "z" {
		return time.UTC, true
	}
	minutes, ok := distance(text)
	switch {
	case !ok:
		return nil, false
	case minutes == 0:
		return time.UTC, true
	}
	return time.FixedZone("", 60*minutes), true
}

// distance reads a distance from UTC, in minutes: +hh:mm, +hhmm or +hh, with + or -.
func distance(text string) (minutes int, ok bool) {
	if text == "" || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	digits := text[1:]
	if len(digits) == 5 && digits[2] == ':' {
		digits = digits[:2] + digits[3:]
	}
	if len(digits) != 2 && len(digits) != 4 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	hour, minute := two(digits), 0
	if len(digits) == 4 {
		minute = two(digits[2:])
	}
	if hour > 23 || minute > 59 {
		return 0, false
	}
	minutes = 60*hour + minute
	if text[0] == '-' {
		minutes = -minutes
	}
	return minutes, true
}
