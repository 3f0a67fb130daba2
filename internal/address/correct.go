package address

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"ringup.dev/ringup/internal/message"
)

// formerPrefixes are what was dialled before a number, by country, until the plan gave it up, and is written still. The numbers themselves are the same.
var formerPrefixes = map[string][]string{
	"MX": {"01", "044", "045", "1"}, // 2019
}

// correct reads a number that the numbering plans do not know, in the ways in which people write too much: a zero that the country does not dial
// (+39 0347…), its code without a + (49 151…), a prefix that it has given up (044 55…). The result has to be a valid number; without its country's code
// that of a mobile phone, which has no area code to be left out. It returns nil for any other text.
func correct(text, region string) *phonenumbers.PhoneNumber {
	digits := digitsOf(text)
	if strings.ContainsFunc(text, isLetter) {
		return nil
	}
	for _, prefix := range []string{"+", "00", "011"} {
		if rest, found := strings.CutPrefix(text, prefix); found && !strings.HasPrefix(rest, "0") {
			return firstValid(withCode(digitsOf(rest)), func(*phonenumbers.PhoneNumber) bool { return true })
		}
	}
	home := phonenumbers.GetCountryCodeForRegion(region)
	if home == 0 {
		return nil
	}
	code := strconv.Itoa(home)
	var written []string
	for _, prefix := range append([]string{"0"}, formerPrefixes[region]...) {
		if national, found := strings.CutPrefix(digits, prefix); found {
			written = append(written, "+"+code+national)
		}
	}
	if strings.HasPrefix(digits, code) {
		written = append(append(written, "+"+digits, message.Address("+"+digits).Key().Reveal()), withCode(digits)...)
	}
	return firstValid(written, isMobile)
}

// withCode returns other ways to write the digits of a number with its country's code: without a zero behind the code, which Argentina's mobile numbers
// have behind their 9.
func withCode(digits string) []string {
	code, national := callingCode(digits)
	if code == 0 {
		return nil
	}
	plus := "+" + strconv.Itoa(code)
	written := []string{plus + strings.TrimPrefix(national, "0")}
	if rest, found := strings.CutPrefix(national, "90"); found && code == argentina {
		written = append(written, plus+"9"+rest)
	}
	return written
}

const argentina = 54

// firstValid returns the first number that is valid, and that a function takes; nil where none is.
func firstValid(written []string, takes func(*phonenumbers.PhoneNumber) bool) *phonenumbers.PhoneNumber {
	for _, number := range written {
		if parsed, err := phonenumbers.Parse(number, ""); err == nil && phonenumbers.IsValidNumber(parsed) && takes(parsed) {
			return parsed
		}
	}
	return nil
}

func isMobile(parsed *phonenumbers.PhoneNumber) bool {
	kind := phonenumbers.GetNumberType(parsed)
	return kind == phonenumbers.MOBILE || kind == phonenumbers.FIXED_LINE_OR_MOBILE
}
