// Package address turns what was typed at a till into an address that a provider takes: E.164 numbers and e-mail addresses.
package address

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

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
	if !HasNumbers(c.DefaultRegion) {
		return fmt.Errorf("DEFAULT_REGION is %q: set a country by ISO 3166-1, as US or DE", c.DefaultRegion)
	}
	return nil
}

// HasNumbers says whether a country, by ISO 3166-1, has phone numbers of its own.
func HasNumbers(region string) bool { return phonenumbers.GetCountryCodeForRegion(region) != 0 }

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

// Email returns a bare e-mail address, as email.Parse does. A name beside it and a full stop behind it are passed over, and of several addresses the first that can be
// used counts. Errors: ErrEmail, ErrPlaceholder.
func Email(raw string) (message.Address, error) {
	to, err := usable(email.Parse(raw))
	if err == nil || len(raw) > MaxRaw {
		return to, err
	}
	whole := message.Clean(raw)
	for _, one := range append([]string{whole}, strings.FieldsFunc(whole, func(r rune) bool { return strings.ContainsRune(",;/|", r) })...) {
		to, ofOne := usable(email.ParseHeader(strings.Trim(one, " .")))
		if ofOne == nil {
			return to, nil
		}
		if errors.Is(ofOne, ErrPlaceholder) {
			err = ofOne
		}
	}
	return "", err
}

// usable refuses placeholders.
func usable(to message.Address, err error) (message.Address, error) {
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
	// MaxRaw is the length of the longest text that is looked at, in bytes: what is longer is no address, and cleaning it may take ten times its length.
	MaxRaw = 4 * maxText
	// maxGroup is how many digits stand together in a number that is written in groups, and minWhole how many in one that is written without any.
	maxGroup, minWhole = 4, 9
)

// Phone returns a number in E.164.
//
// One with its country's code (behind +, 00 or 011) has to have a length that the country's numbers have; behind a + other numbers of 7 to 15 digits are
// taken as they were typed. Any other number is one of the region, and has to be valid there with its area code: otherwise it would be a
// stranger's. A zero in brackets behind the country's code is dropped where the country does, and one that the country never dials as well. An extension, a
// label in front (tel:) and a note behind the number are passed over. Of several numbers the first that can be used counts. Errors: ErrPhone, ErrPlaceholder.
func Phone(raw, region string) (message.Address, error) {
	text := clean(raw)
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
		if parsed != nil && isPlaceholder(phonenumbers.GetNationalSignificantNumber(parsed)) {
			return "", ErrPlaceholder
		}
		if parsed == nil || keepsZero(parsed) {
			parsed = correct(one, region)
		}
		if parsed == nil {
			return "", ErrPhone
		}
		return e164(parsed)
	}
	number, err := first(text, read)
	if errors.Is(err, ErrPhone) {
		return asTyped(text, read)
	}
	return number, err
}

// clean returns a text as message.Clean does; "" for one that is too long to be an address.
func clean(raw string) string {
	if len(raw) > MaxRaw {
		return ""
	}
	return message.Clean(raw)
}

// Possible returns the address that a text may stand for. It is for finding a person whose address is written somewhere, by an older release
// too, and not for writing to them: where Phone finds no number, a national number needs only a possible length, and an address may be a placeholder.
// Errors: ErrPhone, ErrEmail.
func Possible(channel message.Channel, raw, region string) (message.Address, error) {
	if channel == message.Email {
		return email.Parse(raw)
	}
	if number, err := Phone(raw, region); err == nil {
		return number, nil
	}
	text := clean(raw)
	read := func(one string) (message.Address, error) {
		if parsed := parse(one, region, phonenumbers.IsPossibleNumber); parsed != nil && !keepsZero(parsed) {
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
	seen := []string{trim(text)}
	number, refused := read(seen[0])
	if refused == nil {
		return number, nil
	}
	for _, one := range append(divide(text, read), otherwise(text)...) {
		if one = trim(one); slices.Contains(seen, one) {
			continue
		}
		seen = append(seen, one)
		number, err := read(one)
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

// otherwise returns what may be the number of a text that is not one as a whole, and has none between its marks: what is in front of a note, groups of digits with
// other marks between than the numbering plans have (06,12,34,56,78 and 202_555_0143), and what is in front of a space.
func otherwise(text string) []string {
	var out []string
	number := strings.TrimLeftFunc(text, func(r rune) bool { return !isDigit(r) && r != '+' })
	if end := strings.IndexFunc(number, isLetter); end >= 0 && isNote(number[end:]) {
		out = append(out, number[:end])
	}
	groups := strings.FieldsFunc(number, func(r rune) bool { return !isDigit(r) && !isLetter(r) && r != '+' && r != '(' && r != ')' })
	if !slices.ContainsFunc(groups, func(group string) bool { return len(digitsOf(group)) > maxGroup }) {
		out = append(out, strings.Join(groups, " "))
	}
	for one := range strings.FieldsSeq(number) {
		if len(digitsOf(one)) >= minWhole && len(out) < maxNumbers {
			out = append(out, one)
		}
	}
	return out
}

// isNote says whether a text that begins with a letter is a note, and not the rest of a number in which a letter was typed for a digit (O123).
func isNote(text string) bool {
	letters := strings.IndexFunc(text+" ", func(r rune) bool { return !isLetter(r) })
	return utf8.RuneCountInString(text[:letters]) > 1
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

// e164 returns a number as it is sent to. Errors: ErrPhone, for one that is shorter than the plans' shortest.
func e164(parsed *phonenumbers.PhoneNumber) (message.Address, error) {
	number, valid := message.ParseE164(phonenumbers.Format(parsed, phonenumbers.E164))
	if !valid {
		return "", ErrPhone
	}
	return number, nil
}

// keepsZero says whether a number has a zero behind the country's code that no number there has: it is dialled at home, or nowhere.
func keepsZero(parsed *phonenumbers.PhoneNumber) bool {
	return parsed.GetItalianLeadingZero() && !phonenumbers.IsValidNumber(parsed)
}

// hidesLetters says whether the digits of a number were made of letters, as those of 1-800-FLOWERS, or have one among them, as 2O2: so would be those of a
// name behind a number. The letters of an extension make none.
func hidesLetters(text string, parsed *phonenumbers.PhoneNumber) bool {
	if !strings.ContainsFunc(text, isLetter) {
		return false
	}
	written := strings.Map(func(r rune) rune {
		if isDigit(r) || isLetter(r) {
			return r
		}
		return -1
	}, text)
	return !strings.Contains(written, phonenumbers.GetNationalSignificantNumber(parsed))
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

// isLetter says whether a character is a letter, and not Japan's long-vowel mark, which stands for a dash.
func isLetter(r rune) bool { return unicode.IsLetter(r) && r != 'ー' }

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
