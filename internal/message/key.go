package message

import (
	"strings"

	"golang.org/x/net/idna"
)

// Key returns the one spelling that stands for all of a person's: two addresses are one person's when their keys are equal. It is for
// comparing alone; a message goes to the address itself. A number has the spellings of keyOfNumber. An e-mail address is in small letters, its domain
// in ASCII (RFC 5890): RFC 5321 lets a server tell capitals apart before the @, and no large provider does, so nobody has two mailboxes that
// differ in that alone. Any other text is its own key. A key is the key of itself.
func (r Address) Key() Address {
	text := string(r)
	if strings.HasPrefix(text, "+") {
		return Address(keyOfNumber(text))
	}
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return r
	}
	domain := text[at+1:]
	for i := range len(domain) {
		if domain[i] >= 0x80 {
			if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
				domain = ascii
			}
			break
		}
	}
	return Address(strings.ToLower(text[:at+1] + domain))
}

// keyOfNumber returns the spelling of a number in E.164 that its country's numbering plan has today. Where a plan has changed, both spellings are one
// person's, and WhatsApp goes on using the older one for accounts that are older than the change, in what it reports, too. The rules are by length
// and first digits alone:
//
//   - Mexico (52): mobile numbers had a 1 before the ten digits until August 2019.
//   - Brazil (55): mobile numbers, which begin with 6 to 9 behind the area code of two digits, got a 9 before their eight digits between 2012 and 2016.
//   - Argentina (54): from abroad a mobile number has a 9 before its area code; at home it has a 15 behind it instead, and some write that with the 54, too.
//   - Benin (229): all numbers of eight digits got 01 before them in November 2024.
func keyOfNumber(number string) string {
	for i := 1; i < len(number); i++ {
		if number[i] < '0' || number[i] > '9' {
			return number
		}
	}
	switch {
	case strings.HasPrefix(number, "+521") && len(number) == len("+521")+10:
		return "+52" + number[len("+521"):]
	case strings.HasPrefix(number, "+55") && len(number) == len("+55")+10 && number[len("+55")+2] >= '6':
		return number[:len("+55")+2] + "9" + number[len("+55")+2:]
	case strings.HasPrefix(number, "+54"):
		return "+54" + argentine(number[len("+54"):])
	case strings.HasPrefix(number, "+229") && len(number) == len("+229")+8:
		return "+22901" + number[len("+229"):]
	}
	return number
}

// argentine returns a number of Argentina without the marks of a mobile: the 9 in front, or the 15 behind the area code. The area codes have two
// digits (11 alone), three or four and begin with 1 to 3; with the subscriber's number they make ten.
func argentine(national string) string {
	const digits, mark = 10, "15"
	if n := len(national); (n == digits+1 || n == digits+1+len(mark)) && national[0] == '9' {
		national = national[1:]
	}
	if len(national) != digits+len(mark) {
		return national
	}
	lengths := []int{3, 4}
	if strings.HasPrefix(national, "11") {
		lengths = []int{2}
	}
	for _, area := range lengths {
		if strings.HasPrefix(national[area:], mark) {
			return national[:area] + national[area+len(mark):]
		}
	}
	return national
}
