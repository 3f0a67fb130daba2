// Package address turns what was typed at a till into an address that a provider takes: E.164 numbers and e-mail addresses.
package address

import (
	"errors"
	"fmt"
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

// The errors of a text that is not a phone number or not an e-mail address; answers and records show them.
var (
	ErrPhone = errors.New("not a phone number: use + and 7 to 15 digits, or a number of the default region")
	ErrEmail = email.Err
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

// Email returns a bare e-mail address, as email.Parse does. Errors: ErrEmail.
func Email(raw string) (message.Address, error) { return email.Parse(raw) }
