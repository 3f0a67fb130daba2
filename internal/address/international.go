package address

import (
	"regexp"
	"sync"

	"github.com/nyaruka/phonenumbers"

	"ringup.dev/ringup/internal/message"
)

// plan is as much of a calling code's numbering plan as it takes to see that a number is written as it is sent to.
type plan struct {
	lengths uint32         // bit n: numbers of n digits behind the code are possible
	prefix  *regexp.Regexp // what is dialled before a number at home; nil for nothing
}

// plans are the plans by calling code, nil where no country has it. Of a code that several countries share it is the plan of the main one, which
// the library reads all of its numbers by.
var plans = sync.OnceValue(func() *[1000]*plan {
	out := &[1000]*plan{}
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		return out // the table is part of the program
	}
	for _, region := range all.GetMetadata() {
		code, numbers := int(region.GetCountryCode()), region.GetGeneralDesc()
		if code >= len(out) || region.GetId() != phonenumbers.GetRegionCodeForCountryCode(code) || numbers.GetNationalNumberPattern() == "" {
			continue
		}
		one := &plan{}
		for _, n := range numbers.GetPossibleLength() {
			if n > 0 && n <= maxDigits {
				one.lengths |= 1 << n
			}
		}
		if prefix := region.GetNationalPrefixForParsing(); prefix != "" {
			if one.prefix, err = regexp.Compile("^(?:" + prefix + ")"); err != nil {
				continue
			}
		}
		out[code] = one
	}
	return out
})

// maxPlain is how long a number with spaces and hyphens is at most.
const maxPlain = 2 * maxDigits

// international returns a number that is written as it is sent to: + and digits, perhaps with spaces and hyphens between them, of a length that
// the country's numbers have, and with nothing in front that is dialled at home alone. typed answers the same (a test holds it to that), and takes
// some twenty times as long, and most numbers are written so. False: ask typed, which knows the rest.
func international(text string) (message.Address, bool) {
	if len(text) <= minDigits || len(text) > maxPlain || text[0] != '+' || !isDigit(rune(text[1])) || text[1] == '0' || !isDigit(rune(text[len(text)-1])) {
		return "", false
	}
	number := [1 + maxDigits]byte{'+'}
	n := 1
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case isDigit(rune(c)) && n < len(number):
			number[n] = c
			n++
		case c != ' ' && c != '-':
			return "", false
		}
	}
	if n <= minDigits {
		return "", false
	}
	address := text
	if n != len(text) {
		address = string(number[:n])
	}
	digits, code := address[1:], 0
	for i := 0; i < 3; i++ {
		code = 10*code + int(digits[i]-'0')
		of := plans()[code]
		if of == nil {
			continue // no code is the beginning of another one
		}
		national := digits[i+1:]
		if of.lengths>>len(national)&1 == 0 || national[0] == '0' || of.strips(national) || isPlaceholder(digits) || isPlaceholder(national) {
			return "", false
		}
		return message.Address(address), true
	}
	return "", false
}

// strips says whether a number begins with what is dialled at home alone, or seems to.
func (p *plan) strips(national string) bool {
	if p.prefix == nil {
		return false
	}
	at := p.prefix.FindStringIndex(national)
	return at != nil && at[1] > 0
}
