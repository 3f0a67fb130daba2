package value

import (
	"strings"

	"github.com/bojanz/currency"
)

// Minor returns an amount in a currency's smallest unit as a plain decimal: 2935 of USD is 29.35, of JPY 2935, of KWD 2.935. The currency's code is in
// capitals. "" for what is no whole number, or where the currency is not known: how large the unit is cannot be told then.
func Minor(amount, code string) string {
	digits, known := currency.GetDigits(code)
	if !known {
		return ""
	}
	return Shift(amount, int(digits))
}

// Shift returns a whole number with its decimal point moved to the left by a number of digits, from 0: 2935 by 2 is 29.35. "" for what is no whole number.
func Shift(amount string, digits int) string {
	plain, ok := Number(amount)
	whole, fraction, _ := strings.Cut(plain, ".")
	if !ok || strings.Trim(fraction, "0") != "" {
		return ""
	}
	sign := ""
	if rest, negative := strings.CutPrefix(whole, "-"); negative {
		sign, whole = "-", rest
	}
	if digits == 0 {
		return sign + whole
	}
	if len(whole) <= digits {
		whole = strings.Repeat("0", digits+1-len(whole)) + whole
	}
	return sign + whole[:len(whole)-digits] + "." + whole[len(whole)-digits:]
}
