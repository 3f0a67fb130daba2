package format

import (
	"math/big"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/bojanz/currency"
	"pgregory.net/rapid"
)

// builtIn are the locales that ringup has words for, and some that it has not, with digits, signs and directions of their own.
var builtIn = strings.Fields("en es fr de it pt-BR pt-PT nl pl tr ar ja zh-Hans " +
	"en-GB en-IN en-ZA es-MX es-ES fr-CA fr-CH de-CH de-AT pt-AO nl-BE ar-EG ar-AE zh-Hant zh-TW fa he hi bn mr my ne sl sv nb lv ru uk ko th vi")

func TestMoney(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ literal, code, locale, want string }{
		{"34.116425", "USD", "en", "$34.12"},
		{"1234.5", "JPY", "en", "¥1,235"},
		{"1234.5", "JPY", "ja", "￥1,235"},
		{"-0.00", "USD", "en", "$0.00"},
		{"-0.004", "USD", "en", "$0.00"},
		{"-0.005", "USD", "en", "-$0.01"},
		{"0.30000000000000004", "", "en", "0.30"},
		{"125.5", "", "en", "125.50"},
		{"1234567.5", "", "de", "1.234.567,50"},
		{"-1234.5", "", "en", "-1,234.50"},
		{"-3", "", "de-CH", "-3.00"},
		{"-3", "", "nl", "-3,00"},
		{"3", "", "he", "3.00"},
		{"-3", "", "ar", "\u200e-3.00"},
		{"125.5", "USD", "ar", "\u200f125.50\u00a0US$\u200e"}, {"125.5", "EUR", "ar", "\u200f125.50\u00a0€"}, {"125.5", "AUD", "he", "\u200f125.50\u00a0\u200fA$\u200e"}, {"125.5", "CHF", "ar", "\u200f125.50\u00a0CHF"},
		{"125.5", "usd", "en", "$125.50"},
		{"123456.5", "MXN", "es-MX", "$123,456.50"},
		{"123456.5", "MXN", "es", "123.456,50\u00a0MX$"},
		{"1234.5", "EUR", "de-AT", "€\u00a01.234,50"},
		{"1234.5", "EUR", "fr", "1\u202f234,50\u00a0€"},
		{"1234567.891", "INR", "en-IN", "₹12,34,567.89"},
		{"1.2345", "KWD", "en", "KWD\u00a01.235"},
		{"1.25E7", "USD", "en", "$12,500,000.00"},
		{"1E+2", "USD", "en", "$100.00"},
		{"1e14", "USD", "en", "$100,000,000,000,000.00"},
		{"1E+30", "USD", "en", "$1,000,000,000,000,000,000,000,000,000,000.00"},
		{"1E+40", "USD", "en", "1" + strings.Repeat("0", 40) + ".00 $"},
		{"1.5E-3", "USD", "en", "$0.00"},
		{"12.5", "XXQ", "en", "XXQ\u00a012.50"},
		{"1234.5", "XXQ", "de", "1.234,50\u00a0XXQ"},
		{"12.5", "€", "en", "€12.50"},
		{"12.5", "evil.com", "en", "12.50"},
		{"12.5", "0.00", "en", "12.50"},
		{"5", "USD", "", "$5.00"},
		{"", "USD", "en", ""}, {"NaN", "USD", "en", ""}, {"Infinity", "USD", "en", ""}, {"1,5", "USD", "en", ""}, {"$5", "USD", "en", ""},
		{"1_000", "USD", "en", ""}, {"0x10", "USD", "en", ""}, {".", "USD", "en", ""}, {"1e", "USD", "en", ""}, {"-", "USD", "en", ""}, {"1e999999999999", "USD", "en", ""},
		{" 5", "USD", "en", ""}, {"1.2.3", "USD", "en", ""}, {strings.Repeat("9", maxLiteral+1), "USD", "en", ""},
	} {
		l, _ := ParseLocale(tt.locale)
		if got := Money(tt.literal, tt.code, l); got != tt.want {
			t.Errorf("%s %s in %s is %q, want %q", tt.literal, tt.code, tt.locale, got, tt.want)
		}
	}
}

func TestUnitPrice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ literal, code, locale, want string }{
		{"0.0349", "USD", "en", "$0.0349"},
		{"0.03", "USD", "en", "$0.03"},
		{"3.25", "USD", "en", "$3.25"},
		{"3.2500", "USD", "en", "$3.25"},
		{"3.125", "USD", "en", "$3.125"},
		{"0.30000000000000004", "USD", "en", "$0.30"},
		{"0.03495", "EUR", "de", "0,035\u00a0€"},
		{"12.5", "JPY", "en", "¥12.5"},
		{"1.2345", "KWD", "en", "KWD\u00a01.2345"},
		{"1.5", "", "en", "1.50"},
		{"x", "USD", "en", ""},
	} {
		if got := UnitPrice(tt.literal, tt.code, in(t, tt.locale)); got != tt.want {
			t.Errorf("%s %s in %s is %q, want %q", tt.literal, tt.code, tt.locale, got, tt.want)
		}
	}
}

func TestSMSMoney(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ literal, code, locale, want string }{
		{"12.5", "CHF", "en", "CHF 12.50"},
		{"12.5", "USD", "en", "$12.50"},
		{"12.5", "EUR", "de", "12,50 €"},
		{"1234.5", "EUR", "fr", "1 234,50 €"},
		{"1234.5", "JPY", "ja", "¥1,235"},
		{"12.5", "INR", "en", "INR 12.50"},
		{"12.5", "PLN", "pl", "12,50 PLN"},
		{"12.5", "TRY", "tr", "TRY 12,50"},
		{"12.5", "XOF", "fr", "13 F CFA"},
		{"-12.5", "SEK", "sv", "-12,50 kr"},
		{"-12.5", "AED", "en", "-AED 12.50"},
		{"1", "₿", "en", "₿1.00"},
		{"x", "USD", "en", ""},
	} {
		if got := SMSMoney(tt.literal, tt.code, in(t, tt.locale)); got != tt.want {
			t.Errorf("%s %s in %s is %q, want %q", tt.literal, tt.code, tt.locale, got, tt.want)
		}
	}
}

// beyondGSM7 are the locales of builtIn whose digits or marks are in no text message of one septet a character.
var beyondGSM7 = map[string]bool{"ar": true, "ar-EG": true, "ar-AE": true, "fa": true, "he": true, "bn": true, "mr": true, "my": true, "ne": true}

// digitsOf are the digits of a text, those of other scripts too, without leading zeros.
func digitsOf(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsDigit(r) {
			zero := r
			for unicode.IsDigit(zero-1) && r-zero < 9 {
				zero--
			}
			b.WriteByte(byte('0' + r - zero))
		}
	}
	return strings.TrimLeft(b.String(), "0")
}

// rounding is an amount at so many decimals by arithmetic of another kind: half up, away from zero.
func rounding(t testing.TB, literal string, digits uint8) (plain string, negative bool) {
	t.Helper()
	r, ok := new(big.Rat).SetString(literal)
	if !ok {
		t.Fatalf("%q is no number", literal)
	}
	plain = new(big.Rat).Abs(r).FloatString(int(digits)) // rounds half away from zero
	return strings.TrimLeft(strings.ReplaceAll(plain, ".", ""), "0"), r.Sign() < 0 && strings.Trim(plain, "0.") != ""
}

// TestEveryCurrencyInEveryLocale: no symbol has a digit, so every digit that is shown is the number's.
func TestEveryCurrencyInEveryLocale(t *testing.T) {
	t.Parallel()
	literals := []string{"0", "-0", "0.005", "0.0049999", "1", "-1", "12.5", "125.50", "-1234.565", "999.995", "1234567.891", "1E+2", "1.25E7", "1e20", "99999999999999999999.995",
		"0.30000000000000004", "-0.001", "1E+45", "-1E+60", "1E-40", "5E-324", "1.7976931348623157e308"}
	type rounded struct {
		literal string
		digits  uint8
	}
	type shown struct {
		digits   string
		negative bool
	}
	wants := map[rounded]shown{}
	for _, literal := range literals {
		for digits := range uint8(5) { // CLF has four
			plain, negative := rounding(t, literal, digits)
			wants[rounded{literal, digits}] = shown{plain, negative}
		}
	}
	for _, name := range builtIn {
		l := in(t, name)
		for _, code := range append([]string{"", "XXQ"}, currency.GetCurrencyCodes()...) {
			digits, known := currency.GetDigits(code)
			if !known {
				digits = plainDigits
			}
			for _, literal := range literals {
				want, known := wants[rounded{literal, digits}]
				if !known {
					t.Fatalf("%s has %d digits", code, digits)
				}
				money, sms := Money(literal, code, l), SMSMoney(literal, code, l)
				for _, got := range []string{money, sms} {
					if digitsOf(got) != want.digits || strings.ContainsAny(got, "-−") != want.negative || strings.TrimSpace(got) != got || strings.Contains(got, "NaN") {
						t.Errorf("%s %s in %s is %q, want the digits %s, negative %t", literal, code, name, got, want.digits, want.negative)
					}
				}
				if !beyondGSM7[name] && !isGSM7(sms) || strings.ContainsAny(sms, "\u00a0\u202f\u2009") {
					t.Errorf("%s %s in %s is %q in a text message", literal, code, name, sms)
				}
				if code != "" && !strings.ContainsFunc(strings.Trim(money, "\u200e\u200f\u061c-−"), func(r rune) bool { return unicode.IsLetter(r) || unicode.Is(unicode.Sc, r) }) {
					t.Errorf("%s %s in %s is %q: no currency", literal, code, name, money)
				}
			}
		}
	}
}

// TestMoneyOfAnyNumber: what JSON writers make of amounts, in any locale and with any text as currency.
func TestMoneyOfAnyNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.OneOf(
			rapid.StringMatching(`-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?`),
			rapid.Custom(func(t *rapid.T) string {
				return strconv.FormatFloat(rapid.Float64().Draw(t, "f"), byte(rapid.SampledFrom([]rune("feg")).Draw(t, "verb")), -1, 64)
			}),
		).Draw(t, "literal")
		code := rapid.OneOf(rapid.SampledFrom(currency.GetCurrencyCodes()), rapid.String()).Draw(t, "code")
		l, _ := ParseLocale(rapid.SampledFrom(append([]string{""}, builtIn...)).Draw(t, "locale"))
		d, ok := parse(literal)
		for _, got := range []string{Money(literal, code, l), UnitPrice(literal, code, l), SMSMoney(literal, code, l), Quantity(literal, l)} {
			if (got != "") != ok || strings.ContainsAny(got, "\n\r") {
				t.Fatalf("%q: %q", literal, got)
			}
		}
		if ok && d.NumDigits() <= 40 && strings.Trim(code, "0123456789") == code {
			name := currencyName(code)
			digits, known := currency.GetDigits(name)
			if !known {
				digits = plainDigits
			}
			r, _ := new(big.Rat).SetString(literal)
			want := strings.TrimLeft(strings.ReplaceAll(r.Abs(r).FloatString(int(digits)), ".", ""), "0")
			if got := digitsOf(strings.ReplaceAll(Money(literal, code, l), name, "")); got != want {
				t.Fatalf("%q %q in %s: the digits are %s, want %s", literal, code, l, got, want)
			}
		}
	})
}

func TestQuantity(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ literal, locale, want string }{
		{"1.0", "en", "1"}, {"1", "de", "1"}, {"2.0700000000000003", "en", "2.07"}, {"2.0700000000000003", "de", "2,07"}, {"0.3335", "en", "0.334"}, {"1e3", "en", "1,000"},
		{"-1", "en", "-1"}, {"-0.0", "en", "0"}, {"-1.50", "de-CH", "-1.5"}, {"1234.5", "de", "1.234,5"}, {"1.0E1", "fr", "10"}, {"0.5", "ar-EG", "٠٫٥"}, {"2", "he", "2"},
		{"100", "en", "100"}, {"1E45", "en", "1" + strings.Repeat("0", 45)}, {"zwei", "de", ""}, {"", "en", ""}, {"1/2", "en", ""},
	} {
		if got := Quantity(tt.literal, in(t, tt.locale)); got != tt.want {
			t.Errorf("%s in %s is %q, want %q", tt.literal, tt.locale, got, tt.want)
		}
	}
}

func TestLineTotal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ quantity, unitPrice, want string }{
		{"2", "3.25", "6.50"}, {"-1", "3.25", "-3.25"}, {"0.333", "0.0349", "0.0116217"}, {"1.25E7", "1E+2", "1250000000"}, {"2.0700000000000003", "10.59", "21.921300000000003177"},
		{"-0", "5", "0"}, {"0", "-5", "0"}, {"", "5", ""}, {"1", "", ""}, {"x", "5", ""},
	} {
		if got := LineTotal(tt.quantity, tt.unitPrice); got != tt.want {
			t.Errorf("%s × %s is %q, want %q", tt.quantity, tt.unitPrice, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`-?[0-9]{1,100}(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,2})?`)
		q, p := number.Draw(t, "quantity"), number.Draw(t, "price")
		x, _ := new(big.Rat).SetString(q)
		y, _ := new(big.Rat).SetString(p)
		got, ok := new(big.Rat).SetString(LineTotal(q, p))
		if !ok || got.Cmp(x.Mul(x, y)) != 0 {
			t.Fatalf("%s × %s is %s", q, p, LineTotal(q, p))
		}
	})
}

func BenchmarkMoney(b *testing.B) {
	l := in(b, "en")
	b.ReportAllocs()
	for b.Loop() {
		Money("125.50", "USD", l)
	}
}
