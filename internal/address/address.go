// Package address turns what was typed at a till into an address that a provider takes: E.164 numbers and e-mail addresses.
package address

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
)

// Config says how numbers without a country code are read.
type Config struct {
	// DefaultRegion is the country, by ISO 3166-1, of a number that does not begin with +.
	DefaultRegion string `env:"DEFAULT_REGION, default=US"`
}

// Validate reports a region that is none.
func (c *Config) Validate() error {
	if phonenumbers.GetCountryCodeForRegion(c.DefaultRegion) == 0 {
		return fmt.Errorf("DEFAULT_REGION is %q: set a country by ISO 3166-1, as US or DE", c.DefaultRegion)
	}
	return nil
}

// The reasons why a number or an address is none; answers and records show them.
var (
	ErrPhone = errors.New("not a phone number: use + and 7 to 15 digits, or a number of the default region")
	ErrEmail = errors.New("not an e-mail address")
)

// Read returns the address of a channel: a number in E.164, or for e-mails an address. Errors: ErrPhone, ErrEmail.
func Read(channel message.Channel, raw, region string) (message.Address, error) {
	if channel == message.Email {
		return Email(raw)
	}
	return Phone(raw, region)
}

// ITU-T E.164 allows 15 digits; the shortest international numbers in use have 7.
const minDigits, maxDigits = 7, 15

// Phone returns a number in E.164. One that begins with + and has 7 to 15 digits is taken as it is, whatever the numbering plans
// say; any other is read as one of the region. Errors: ErrPhone.
func Phone(raw, region string) (message.Address, error) {
	var digits strings.Builder
	plus := false
	for _, r := range raw {
		switch {
		case r >= '0' && r <= '9':
			digits.WriteRune(r)
		case r == '+' && digits.Len() == 0 && !plus:
			plus = true
		case strings.ContainsRune(" -.()/", r), unicode.In(r, unicode.Zs, unicode.Cf, unicode.Pd):
			// What people put between digits, or paste along with them.
		default:
			return "", ErrPhone
		}
	}
	if plus {
		if n := digits.Len(); n < minDigits || n > maxDigits {
			return "", ErrPhone
		}
		return message.Address("+" + digits.String()), nil
	}
	number, err := phonenumbers.Parse(digits.String(), region)
	if err != nil || !phonenumbers.IsPossibleNumber(number) {
		return "", ErrPhone
	}
	return message.Address(phonenumbers.Format(number, phonenumbers.E164)), nil
}

// Email returns a bare address (RFC 5322 addr-spec), its domain in ASCII (RFC 5891). Errors: ErrEmail.
func Email(raw string) (message.Address, error) {
	raw = strings.TrimSpace(raw)
	if len(raw) > job.MaxRecipient || strings.ContainsFunc(raw, unicode.IsControl) || strings.ContainsAny(raw, "<>\" ,;") {
		return "", ErrEmail
	}
	parsed, err := mail.ParseAddress(raw)
	if err != nil || parsed.Name != "" || parsed.Address != raw {
		return "", ErrEmail
	}
	at := strings.LastIndexByte(raw, '@')
	local, domain := raw[:at], raw[at+1:]
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || !strings.Contains(strings.Trim(ascii, "."), ".") || strings.HasSuffix(ascii, ".") || len(local) > 64 {
		return "", ErrEmail
	}
	if strings.ContainsFunc(local, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", ErrEmail // SMTPUTF8, which none of the providers takes
	}
	return message.Address(local + "@" + ascii), nil
}
