package message

import "regexp"

// e164 is a number by ITU-T E.164, with + in front. The shortest international numbers in use have 7 digits.
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// ParseE164 returns the address of a number as providers write it; false where text has another form. Package address reads what people type.
func ParseE164(text string) (Address, bool) {
	if !e164.MatchString(text) {
		return "", false
	}
	return Address(text), true
}
