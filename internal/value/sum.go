package value

import (
	"math/big"
	"strings"
)

// Sum returns the sum of plain decimals, with as many places as the longest has; "" where none of them is a number.
func Sum(amounts ...string) string {
	total, places, found := new(big.Rat), 0, false
	for _, amount := range amounts {
		plain, ok := Number(amount)
		if !ok {
			continue
		}
		one, ok := new(big.Rat).SetString(plain)
		if !ok {
			continue
		}
		_, fraction, _ := strings.Cut(plain, ".")
		places, found = max(places, len(fraction)), true
		total.Add(total, one)
	}
	if !found {
		return ""
	}
	return total.FloatString(places)
}

// Minus returns a plain decimal with the other sign, which a zero has not; "" for "".
func Minus(amount string) string {
	if positive, negative := strings.CutPrefix(amount, "-"); negative || !Some(amount) {
		return positive
	}
	return "-" + amount
}

// Absolute returns a plain decimal without its sign.
func Absolute(amount string) string { return strings.TrimPrefix(amount, "-") }

// Zero reports whether a plain decimal is 0. A number that is missing is not.
func Zero(amount string) bool { return amount != "" && strings.Trim(amount, "-0.") == "" }

// Some reports whether there is a plain decimal that is not 0.
func Some(amount string) bool { return strings.Trim(amount, "-0.") != "" }

// Equal reports whether two plain decimals are the same number; false where one is missing.
func Equal(a, b string) bool { return a != "" && b != "" && Zero(Sum(a, Minus(b))) }
