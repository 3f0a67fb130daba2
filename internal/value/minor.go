package value

import (
	"strings"

	"github.com/bojanz/currency"
)

// Minor returns an amount in a currency's smallest unit as a plain decimal: 2935 of USD is 29.35, of JPY 2935, of KWD 2.935. The currency's code is in
// capitals. "" for what is no whole number, or where the currency is not known: how large the unit is cannot be told then.
func Minor(amount, code string) string {
	plain, ok := Number(amount)
	digits, known := currency.GetDigits(code)
	if !ok || !known {
		return ""
	}
	whole, fraction, _ := strings.Cut(plain, ".")
	if strings.Trim(fraction, "0") != "" {
		return ""
	}
	sign := ""
	if rest, negative := strings.CutPrefix(whole, "-"); negative {
		sign, whole = "-", rest
	}
	n := int(digits)
	if n == 0 {
		return sign + whole
	}
	if len(whole) <= n {
		whole = strings.Repeat("0", n+1-len(whole)) + whole
	}
	return sign + whole[:len(whole)-n] + "." + whole[len(whole)-n:]
}
