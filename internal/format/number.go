package format

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bojanz/currency"
	"github.com/cockroachdb/apd/v3"
)

const (
	// maxLiteral and maxExponent bound the numbers that are read; every float64 that a program writes is within.
	maxLiteral, maxExponent = 400, 400
	// maxGrouped is how many digits currency.Formatter takes: it computes with 39.
	maxGrouped = 38
	// maxUnitPriceDigits and maxQuantityDigits are how many decimals are shown.
	maxUnitPriceDigits, maxQuantityDigits = 4, 3
	// plainDigits are the decimals of an amount whose currency is not known.
	plainDigits = 2
	// maxCode is the longest name of a currency that is shown, in characters.
	maxCode = 8
	// carrier is the currency under which numbers without one, or with one that the library does not know, go through the library.
	carrier = "USD"
)

// exact computes without loss: more digits than two numbers of maxLiteral can make.
var exact = apd.Context{Precision: 4 * (maxLiteral + maxExponent), MaxExponent: apd.MaxExponent, MinExponent: apd.MinExponent, Rounding: apd.RoundHalfUp}

// parse reads a decimal number: digits with at most one point, a sign, an exponent. "NaN", "1,5", "0x1" and numbers out of bounds are invalid.
func parse(literal string) (*apd.Decimal, bool) {
	odd := func(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) }
	if len(literal) > maxLiteral || strings.ContainsFunc(literal, odd) {
		return nil, false
	}
	d, condition, err := new(apd.Decimal).SetString(literal)
	if err != nil || condition.Any() || d.Form != apd.Finite || d.Exponent > maxExponent || d.Exponent < -maxExponent {
		return nil, false
	}
	return d, true
}

// rounded rounds half up, away from zero, to so many decimals. There is no minus before a zero.
func rounded(d *apd.Decimal, digits uint8) *apd.Decimal {
	var r apd.Decimal
	_, _ = exact.Quantize(&r, d, -int32(digits)) // it fails for lack of precision, or beyond the exponents; parse rules out both
	r.Negative = r.Negative && !r.IsZero()
	return &r
}

const (
	latin       = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	leftToRight = "\u200e"
)

// Money formats an amount by currency and locale: rounded half up to the currency's digits, with its symbol. The literal is a decimal number as JSON
// writes it, the code one of ISO 4217 in any case. Without a code the amount is a number with two decimals; a code that is not known is shown as
// it is, at two decimals. It returns "" if the literal is not a number.
func Money(literal, code string, l Locale) string {
	return amount(literal, code, l, 0, currency.GetSymbol)
}

// UnitPrice is Money with up to four decimals, where the literal has them: $0.0349.
func UnitPrice(literal, code string, l Locale) string {
	return amount(literal, code, l, maxUnitPriceDigits, currency.GetSymbol)
}

// SMSMoney is Money for text messages: the code takes the place of a symbol that is not in the GSM 7-bit alphabet, spaces are plain ones.
func SMSMoney(literal, code string, l Locale) string {
	return forGSM7(amount(literal, code, l, 0, func(code string, in currency.Locale) (string, bool) {
		symbol, ok := currency.GetSymbol(code, in)
		if symbol = forGSM7(symbol, false); !isGSM7(symbol) {
			return code, ok
		}
		return symbol, ok
	}), l.rtl)
}

// amount formats an amount with at least the currency's digits and at most as many as given, if these are more.
func amount(literal, code string, l Locale, digits uint8, symbolOf func(string, currency.Locale) (string, bool)) string {
	d, ok := parse(literal)
	if !ok {
		return ""
	}
	code = currencyName(code)
	least, known := currency.GetDigits(code)
	symbol := code
	if known {
		if s, _ := symbolOf(code, l.figures); s != "" {
			symbol = s
		}
	} else {
		least = plainDigits
	}
	text := number(d, l, least, max(least, digits), symbol)
	if !l.rtl {
		return strings.TrimSuffix(text, ".") // "20,00 kr." would end a sentence, and have a second full stop at its end
	}
	if strings.HasSuffix(text, symbol) && strings.ContainsAny(symbol, latin) && !strings.ContainsAny(symbol[len(symbol)-1:], latin) {
		text += leftToRight // or the sign would change places with the letters: $US
	}
	return text
}

// currencyName returns what is shown of a currency that is not known: letters and digits, or a currency sign. "" for anything else.
func currencyName(code string) string {
	code = strings.ToUpper(strings.TrimSpace(code))
	odd := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Sc, r) }
	if utf8.RuneCountInString(code) > maxCode || strings.ContainsFunc(code, odd) {
		return ""
	}
	return code
}

// Quantity formats a number of things: three decimals at most, no trailing zeros. It returns "" if the literal is not a number.
func Quantity(literal string, l Locale) string {
	d, ok := parse(literal)
	if !ok {
		return ""
	}
	return number(d, l, 0, maxQuantityDigits, "")
}

// number formats a number with a symbol, or without one. Numbers too long for the library are neither grouped nor localized.
func number(d *apd.Decimal, l Locale, least, most uint8, symbol string) string {
	d = rounded(d, most)
	text := d.Text('f')
	if d.NumDigits() > maxGrouped {
		whole, decimals, _ := strings.Cut(text, ".")
		for len(decimals) > int(least) && strings.HasSuffix(decimals, "0") {
			decimals = decimals[:len(decimals)-1]
		}
		return strings.TrimSpace(strings.TrimSuffix(whole+"."+decimals, ".") + " " + symbol)
	}
	a, err := currency.NewAmount(text, carrier)
	if err != nil {
		return text
	}
	f := currency.NewFormatter(l.figures)
	f.MinDigits, f.MaxDigits = least, most
	if symbol != "" {
		f.SymbolMap[carrier] = symbol
		return f.Format(a)
	}
	f.CurrencyDisplay = currency.DisplayNone
	// What patterns have around a symbol stays there without one. A mark before a minus is the minus's own.
	return strings.TrimRight(strings.TrimLeft(f.Format(a), "\u00a0\u200f"), "\u00a0\u200e\u200f")
}

// Sum returns the sum of decimal numbers, exactly, as a plain decimal number. Texts that are not numbers are passed over.
func Sum(literals []string) string {
	var sum apd.Decimal
	for _, literal := range literals {
		if d, ok := parse(literal); ok {
			_, _ = exact.Add(&sum, &sum, d) // it fails beyond the exponents alone, and parse rules them out
		}
	}
	return sum.Text('f')
}

// LineTotal returns quantity × unit price, exactly, as a plain decimal number; "" if one of them is not a number.
func LineTotal(quantity, unitPrice string) string {
	q, ok := parse(quantity)
	p, also := parse(unitPrice)
	if !ok || !also {
		return ""
	}
	var total apd.Decimal
	if _, err := exact.Mul(&total, q, p); err != nil {
		return ""
	}
	total.Negative = total.Negative && !total.IsZero()
	return total.Text('f')
}
