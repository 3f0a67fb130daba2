// Package address turns what was typed at a till into an address that a provider takes: E.164 numbers and e-mail addresses.
package address

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"ringup.dev/ringup/internal/address/email"
	"ringup.dev/ringup/internal/message"
)

// Config says how numbers without a country code are read.
type Config struct {
	// DefaultRegion is the country, by ISO 3166-1, of a number that does not begin with +.
	DefaultRegion string `env:"DEFAULT_REGION, default=US"`
}

// Validate reports a region that does not exist.
func (c *Config) Validate() error {
	if phonenumbers.GetCountryCodeForRegion(c.DefaultRegion) == 0 {
		return fmt.Errorf("DEFAULT_REGION is %q: set a country by ISO 3166-1, as US or DE", c.DefaultRegion)
	}
	return nil
}

// The errors of a text that is no address of a person; answers and records show them.
var (
	ErrPhone       = errors.New("not a phone number: use + and 7 to 15 digits, or a valid number of the default region with its area code")
	ErrEmail       = email.Err
	ErrPlaceholder = email.ErrPlaceholder
)

// Read returns the address of a channel: a number in E.164, or for e-mails an address. Errors: those of Phone and Email.
func Read(channel message.Channel, raw, region string) (message.Address, error) {
	if channel == message.Email {
		return Email(raw)
	}
	return Phone(raw, region)
}

// Email returns a bare e-mail address, as email.Parse does. Errors: ErrEmail, ErrPlaceholder.
func Email(raw string) (message.Address, error) {
	to, err := email.Parse(raw)
	if err == nil && email.Placeholder(to) {
		return "", ErrPlaceholder
	}
	return to, err
}

const (
	// ITU-T E.164 allows 15 digits; the shortest international numbers in use have 7.
	minDigits, maxDigits = 7, 15
	// maxText is the length of the longest text that the library reads, and maxNumbers how many numbers of a text are tried.
	maxText, maxNumbers = 250, 8
)

// Phone returns a number in E.164.
//
// One with its country's code (behind +, 00 or 011) has to have a length that the country's numbers have; behind a + other numbers of 7 to 15 digits are
// taken as they were typed. Any other number is one of the region, and has to be valid there with its area code: otherwise it would be a
// stranger's. A zero in brackets behind the country's code is dropped where the country does. An extension, a label in front (tel:) and a
// note behind the number are passed over. Of several numbers the first that can be used counts. Errors: ErrPhone, ErrPlaceholder.
func Phone(raw, region string) (message.Address, error) {
	text := message.Clean(raw)
	if number, plain := international(text); plain {
		return number, nil
	}
	return typed(text, region)
}

// typed reads a clean text as Phone does.
func typed(text, region string) (message.Address, error) {
	if digits := digitsOf(text); digits != sample && isPlaceholder(digits) {
		return "", ErrPlaceholder
	}
	read := func(one string) (message.Address, error) {
		parsed := parse(one, region, func(p *phonenumbers.PhoneNumber) bool {
			return phonenumbers.IsValidNumber(p) && !mayLackAreaCode(p, digitsOf(one), region)
		})
		switch {
		case parsed == nil:
			return "", ErrPhone
		case isPlaceholder(phonenumbers.GetNationalSignificantNumber(parsed)):
			return "", ErrPlaceholder
		}
		return e164(parsed)
	}
	number, err := first(text, read)
	if errors.Is(err, ErrPhone) {
		return asTyped(text, read)
	}
	return number, err
}

// Possible returns the address that a text may stand for. It is for finding a person whose address is written somewhere, by an older release
// too, and not for writing to them: a national number needs only a possible length, and an address may be a placeholder. Errors: ErrPhone, ErrEmail.
func Possible(channel message.Channel, raw, region string) (message.Address, error) {
	if channel == message.Email {
		return email.Parse(raw)
	}
	text := message.Clean(raw)
	read := func(one string) (message.Address, error) {
		if parsed := parse(one, region, phonenumbers.IsPossibleNumber); parsed != nil {
			return e164(parsed)
		}
		return "", ErrPhone
	}
	number, err := first(text, read)
	if err != nil {
		return asTyped(text, read)
	}
	return number, nil
}

// first reads a text as one number, and then the numbers that it may have, and returns the first that can be used. Where none can it returns
// ErrPlaceholder if one was a placeholder, and otherwise ErrPhone.
func first(text string, read func(one string) (message.Address, error)) (message.Address, error) {
	if len(text) > maxText {
		return "", ErrPhone
	}
	number, refused := read(trim(text))
	if refused == nil {
		return number, nil
	}
	for _, one := range divide(text, read) {
		number, err := read(trim(one))
		if err == nil {
			return number, nil
		}
		if errors.Is(err, ErrPlaceholder) {
			refused = err
		}
	}
	return "", refused
}

// divide returns the parts of a text that may be numbers. A slash also stands within one number, so it divides only what has spaces around it, or
// is a number on each side.
func divide(text string, read func(one string) (message.Address, error)) []string {
	text = strings.NewReplacer("+", "\n+", " / ", "\n").Replace(text)
	split := func(marks string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(marks, r) })
	}
	parts, all := split(";,|&\n"), split(";,|&\n/")
	parts, all = parts[:min(len(parts), maxNumbers)], all[:min(len(all), maxNumbers)]
	incomplete := func(one string) bool { _, err := read(trim(one)); return err != nil }
	if len(all) != len(parts) && !slices.ContainsFunc(all, incomplete) {
		return all
	}
	if len(parts) < 2 {
		return nil // it has been read as a whole
	}
	return parts
}

// parse reads one number with the numbering plans; national says whether one without its country's code is taken. It returns nil where there is no
// number.
func parse(text, region string, national func(*phonenumbers.PhoneNumber) bool) *phonenumbers.PhoneNumber {
	if strings.HasPrefix(text, "+0") {
		text = text[1:] // a keyboard's 0 and + are one key
	}
	if !strings.HasPrefix(text, "+") {
		parsed, err := phonenumbers.Parse(text, region)
		abroad := err == nil && int(parsed.GetCountryCode()) != phonenumbers.GetCountryCodeForRegion(region) // with the prefix of the region
		if err == nil && (national(parsed) || abroad && phonenumbers.IsPossibleNumber(parsed)) && !hidesLetters(text, parsed) {
			return parsed
		}
	}
	for _, prefix := range []string{"+", "00", "011"} {
		rest, found := strings.CutPrefix(text, prefix)
		if !found || strings.HasPrefix(rest, "0") {
			continue
		}
		if parsed, err := phonenumbers.Parse("+"+rest, ""); err == nil && phonenumbers.IsPossibleNumber(parsed) && !hidesLetters(text, parsed) {
			return parsed
		}
	}
	return nil
}

// e164 returns a number as it is sent to. Errors: ErrPhone, for one that is shorter than the plans' shortest, or keeps a zero behind the country's code that no
// number there has.
func e164(parsed *phonenumbers.PhoneNumber) (message.Address, error) {
	number, valid := message.ParseE164(phonenumbers.Format(parsed, phonenumbers.E164))
	if !valid || parsed.GetItalianLeadingZero() && !phonenumbers.IsValidNumber(parsed) {
		return "", ErrPhone
	}
	return number, nil
}

// hidesLetters says whether the digits of a number were made of letters, as those of 1-800-FLOWERS: so would be those of a name behind a number.
// The letters of an extension make none.
func hidesLetters(text string, parsed *phonenumbers.PhoneNumber) bool {
	if !strings.ContainsFunc(text, unicode.IsLetter) {
		return false
	}
	return !strings.Contains(digitsOf(text), phonenumbers.GetNationalSignificantNumber(parsed))
}

// asTyped returns a number behind a + by its digits, which the numbering plans do not know: they are younger than the plans, or samples. Errors:
// ErrPhone.
func asTyped(text string, read func(one string) (message.Address, error)) (message.Address, error) {
	digits := digitsOf(strings.ReplaceAll(text, "(0)", ""))
	only := func(r rune) bool {
		return !isDigit(r) && !strings.ContainsRune("+ .()/", r) && !unicode.Is(unicode.Pd, r)
	}
	if !strings.HasPrefix(text, "+") || strings.Count(text, "+") > 1 || strings.ContainsFunc(text, only) ||
		len(digits) < minDigits || len(digits) > maxDigits || digits[0] == '0' {
		return "", ErrPhone
	}
	// Without its brackets it may be one that they know.
	if "+"+digits != text {
		if number, err := read("+" + digits); !errors.Is(err, ErrPhone) {
			return number, err
		}
	}
	return message.Address("+" + digits), nil
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// digitsOf returns the digits of a clean text.
func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		if isDigit(r) {
			return r
		}
		return -1
	}, text)
}

// trim takes what is before the first digit or + and behind the last digit away: a label, brackets, a note. An e-mail address is no note behind a
// number.
func trim(text string) string {
	if strings.Contains(text, "@") {
		return ""
	}
	text = strings.TrimLeftFunc(text, func(r rune) bool { return !isDigit(r) && r != '+' })
	return strings.TrimRightFunc(text, func(r rune) bool { return !isDigit(r) })
}
