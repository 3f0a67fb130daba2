// Package value reads what people and tills write into the fields of a sale: numbers, times, time zones, currencies, countries and names, in every way
// that tills are known to write them. It is for every sender.
//
// A value never costs a customer the message. What cannot be read is left out of the event, and the sender is told by a Note.
package value

import (
	"strings"

	"github.com/bojanz/currency"
	"golang.org/x/text/language"
)

// Note says that a value could not be read and was left out. It does not quote the value.
type Note struct {
	Path    string `json:"path"` // as data.items[0].price
	Message string `json:"message"`
}

// Currency returns a currency's code by ISO 4217, in capitals; the text may be in any case, and have spaces around. ok is false for any other text.
func Currency(text string) (code string, ok bool) {
	const length = 3 // IsValid takes "", too
	if len(text) == length && currency.IsValid(text) {
		return text, true
	}
	if code = strings.ToUpper(strings.TrimSpace(text)); len(code) != length || !currency.IsValid(code) {
		return "", false
	}
	return code, true
}

// Region returns a country's code of two letters by ISO 3166-1, in capitals. The text may be in any case, have spaces around, and be the code of
// three letters or UK. ok is false for any other text.
func Region(text string) (code string, ok bool) {
	region, err := language.ParseRegion(strings.TrimSpace(text))
	if err != nil || !region.IsCountry() {
		return "", false
	}
	code = region.Canonicalize().String()
	return code, len(code) == 2
}

// LastFour returns the last four digits of a card's number, of which more may be written, or masked with other characters. ok is false for a
// text with fewer.
func LastFour(text string) (digits string, ok bool) {
	last := make([]byte, 4)
	at := len(last)
	for i := len(text) - 1; i >= 0 && at > 0; i-- {
		if text[i] >= '0' && text[i] <= '9' {
			at--
			last[at] = text[i]
		}
	}
	if at > 0 {
		return "", false
	}
	return string(last), true
}
