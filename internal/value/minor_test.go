package value_test

import (
	"math/big"
	"testing"

	"github.com/bojanz/currency"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/value"
)

func TestMinor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ amount, currency, want string }{
		{"2935", "USD", "29.35"}, {"5", "USD", "0.05"}, {"0", "USD", "0.00"}, {"-1000", "EUR", "-10.00"}, {"-5", "EUR", "-0.05"},
		{"1500", "JPY", "1500"}, {"2935", "KWD", "2.935"}, {"2935.0", "USD", "29.35"}, {"1e3", "USD", "10.00"},
		{"29.35", "USD", ""}, {"", "USD", ""}, {"ten", "USD", ""}, {"2935", "", ""}, {"2935", "usd", ""}, {"2935", "XXY", ""},
	} {
		if got := value.Minor(tt.amount, tt.currency); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.amount, tt.currency, got, tt.want)
		}
	}
}

// TestMinorIsExact: as many of the smallest unit as there were, in every currency.
func TestMinorIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom(currency.GetCurrencyCodes()).Draw(t, "code")
		amount := rapid.Int64().Draw(t, "amount")
		got, ok := new(big.Rat).SetString(value.Minor(big.NewInt(amount).String(), code))
		digits, _ := currency.GetDigits(code)
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
		if !ok || got.Cmp(new(big.Rat).SetFrac(big.NewInt(amount), unit)) != 0 {
			t.Fatalf("%d of %s: %v", amount, code, got)
		}
	})
}

func TestSum(t *testing.T) {
	t.Parallel()
	for want, amounts := range map[string][]string{
		"": {"", "ten"}, "29.35": {"27.50", "1.85"}, "0.30": {"0.1", "0.20"}, "-5": {"10", "-15"}, "3.25": {"3.25", "", "x"}, "0.00": {"0.00"},
	} {
		if got := value.Sum(amounts...); got != want {
			t.Errorf("%q: %q, want %q", amounts, got, want)
		}
	}
}

func TestComparisons(t *testing.T) {
	t.Parallel()
	for amount, want := range map[string]struct {
		minus, absolute string
		zero, some      bool
	}{
		"": {}, "0": {"0", "0", true, false}, "0.00": {"0.00", "0.00", true, false}, "-0.00": {"0.00", "0.00", true, false},
		"3.25": {"-3.25", "3.25", false, true}, "-10": {"10", "10", false, true}, "0.10": {"-0.10", "0.10", false, true},
	} {
		if value.Minus(amount) != want.minus || value.Absolute(amount) != want.absolute || value.Zero(amount) != want.zero || value.Some(amount) != want.some {
			t.Errorf("%q: %q, %q, %t, %t", amount, value.Minus(amount), value.Absolute(amount), value.Zero(amount), value.Some(amount))
		}
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{{"5", "5.00", true}, {"-5", "-5.0", true}, {"5", "-5", false}, {"", "", false}, {"", "0", false}, {"0", "-0.00", true}, {"0.1", "0.10000000001", false}} {
		if value.Equal(tt.a, tt.b) != tt.want || value.Equal(tt.b, tt.a) != tt.want {
			t.Errorf("%q and %q: %t", tt.a, tt.b, !tt.want)
		}
	}
}
