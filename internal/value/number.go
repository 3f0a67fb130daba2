package value

import (
	"errors"
	"strconv"
	"strings"
)

// maxDigits is how many digits a number may have on either side of the point: more than any amount has. Without a bound an exponent could stand
// for more digits than there are atoms.
const maxDigits = 40

// maxExponent bounds an exponent that is looked at: beyond it no number of a payload that can be read comes back within maxDigits.
const maxExponent = 1 << 20

// Number returns a number as plain decimals, by the grammar of JSON's: a minus where it is negative, digits, and perhaps a point and more digits.
// An exponent is carried out, a plus, spaces around and leading zeros are dropped, and a zero has no sign. Trailing zeros stay. ok is false
// for any other text, and for a number of more than 40 digits before or after its point.
func Number(text string) (plain string, ok bool) {
	if isPlain(text) {
		return text, true
	}
	rest := strings.TrimSpace(text)
	negative := strings.HasPrefix(rest, "-")
	if rest != "" && (negative || rest[0] == '+') {
		rest = rest[1:]
	}
	mantissa, exponent := rest, 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(rest[i+1:]); err != nil && !errors.Is(err, strconv.ErrRange) {
			return "", false
		}
		mantissa = rest[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	significant := strings.TrimLeft(digits, "0")
	if significant == "" {
		return "0", true
	}
	if exponent > maxExponent || exponent < -maxExponent {
		return "", false
	}
	plain, ok = decimals(significant, len(whole)-(len(digits)-len(significant))+exponent)
	if ok && negative {
		plain = "-" + plain
	}
	return plain, ok
}

// isPlain says whether a text is a number in the form of the answer already, and not negative: nearly every one.
func isPlain(text string) bool {
	point := -1
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
		case c == '.' && point < 0:
			point = i
		default:
			return false
		}
	}
	whole, fraction := len(text), 0
	if point >= 0 {
		whole, fraction = point, len(text)-point-1
		if fraction == 0 {
			return false
		}
	}
	return whole > 0 && whole <= maxDigits && fraction <= maxDigits && (whole == 1 || text[0] != '0')
}

// decimals writes digits, of which the first is not 0, with a point behind the first n of them; n may be negative, or more than there are.
func decimals(digits string, n int) (plain string, ok bool) {
	if len(digits)-n > maxDigits {
		digits = strings.TrimRight(digits, "0")
	}
	switch {
	case n > maxDigits || len(digits)-n > maxDigits:
		return "", false
	case n <= 0:
		return "0." + strings.Repeat("0", -n) + digits, true
	case n >= len(digits):
		return digits + strings.Repeat("0", n-len(digits)), true
	}
	return digits[:n] + "." + digits[n:], true
}
