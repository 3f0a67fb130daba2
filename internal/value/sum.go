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
