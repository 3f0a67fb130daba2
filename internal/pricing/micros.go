package pricing

import (
	"errors"
	"strconv"
	"strings"
)

// Micros is money: millionths of the currency's unit, so that sums of the smallest prices are exact.
type Micros int64

const unit Micros = 1e6

// maxUnits bounds a price or a cap, so that no sum of a day's messages overflows.
const maxUnits = 1_000_000_000

var errAmount = errors.New("no amount")

// parse reads an amount as 0.0079: digits, and after a point up to six more. Errors: errAmount.
func parse(text string) (Micros, error) {
	whole, fraction, point := strings.Cut(text, ".")
	if whole == "" || len(whole) > 10 || len(fraction) > 6 || point && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, errAmount
	}
	units, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, errAmount
	}
	micros, err := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	if err != nil {
		return 0, errAmount
	}
	if sum := Micros(units)*unit + Micros(micros); sum <= maxUnits*unit {
		return sum, nil
	}
	return 0, errAmount
}

// String writes the amount exactly, as 0.0079, without a currency.
func (m Micros) String() string {
	sign, n := "", uint64(m)
	if m < 0 {
		sign, n = "-", -n
	}
	whole, fraction := strconv.FormatUint(n/uint64(unit), 10), strconv.FormatUint(n%uint64(unit)+uint64(unit), 10)[1:]
	if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
		return sign + whole
	}
	return sign + whole + "." + fraction
}

// Units is the amount as metrics have it; add up Micros, not these.
func (m Micros) Units() float64 { return float64(m) / float64(unit) }
