package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// hidden stands for what a mask does not show.
const hidden = "•••"

const (
	// shownDigits is how many digits of an address a mask shows at most.
	shownDigits = 4
	// minNumber is how many digits a number has at least, for its last four not to be most of it.
	minNumber = 7
	// maxDomain is the length of a name in the DNS (RFC 1035, section 2.3.4, without the root).
	maxDomain = 253
)

// Mask hides most of what a person could be found by, and leaves enough to recognise an address one already knows: of a number the last four
// digits, of an e-mail address the first letter and the domain. The text may be anything that was typed. What looks like an e-mail
// address and has no domain behind the @ is hidden whole, and so is any other text with fewer than seven digits. The mask is one line of
// valid UTF-8, and has at most four of the text's digits.
func Mask(address string) string {
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return maskEmail(address[:at], address[at+1:])
	}
	var digits []byte
	for i := range len(address) {
		if isDigit(address[i]) {
			digits = append(digits, address[i])
		}
	}
	if len(digits) < minNumber {
		return hidden
	}
	masked := hidden + string(digits[len(digits)-shownDigits:])
	if strings.HasPrefix(address, "+") {
		masked = "+" + masked
	}
	return masked
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// maskEmail masks the two parts of an e-mail address.
func maskEmail(local, domain string) string {
	digits := 0
	for i := range len(domain) {
		if isDigit(domain[i]) {
			digits++
		}
	}
	first, size := utf8.DecodeRuneInString(local)
	if first == utf8.RuneError || !unicode.IsLetter(first) && !unicode.IsDigit(first) {
		size = 0 // a mark or a quote tells nobody apart
	}
	if unicode.IsDigit(first) {
		digits++
	}
	if digits > shownDigits || !isDomain(domain) {
		return hidden
	}
	return local[:size] + hidden + "@" + domain
}

// isDomain says whether a text is a host's name of at least two labels (RFC 1123, section 2.1), in ASCII. The last one is not a number, so an IP
// address is no domain.
func isDomain(text string) bool {
	labels := strings.Split(text, ".")
	if len(text) > maxDomain || len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !isDigit(c) && c != '-' && (c|0x20 < 'a' || c|0x20 > 'z') {
				return false
			}
		}
	}
	return !isDigit(labels[len(labels)-1][0])
}
