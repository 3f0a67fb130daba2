package message

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestKeySpellings: the spellings of a person have one key, and another person has another.
func TestKeySpellings(t *testing.T) {
	t.Parallel()
	owner := map[Address]int{}
	for person, spellings := range [][]Address{
		{"+525512345678", "+5215512345678"},  // Mexico City
		{"+525512345679", "+5215512345679"},  // their neighbour
		{"+523312345678", "+5213312345678"},  // Guadalajara
		{"+5511987654321", "+551187654321"},  // São Paulo
		{"+5521987654321", "+552187654321"},  // Rio
		{"+5511967654321", "+551167654321"},  // 6 is the lowest first digit of a mobile
		{"+551137654321"}, {"+551157654321"}, // fixed lines: no ninth digit
		{"+5511937654321"}, // begins with 9 and then 3: a mobile that never had eight digits
		{"+541123456789", "+5491123456789", "+54111523456789", "+549111523456789"}, // Buenos Aires
		{"+542212345678", "+5492212345678", "+54221152345678", "+549221152345678"}, // La Plata, three digits
		{"+542966412345", "+5492966412345", "+54296615412345", "+549296615412345"}, // Río Gallegos, four
		{"+541115234567"}, {"+541152345678", "+5491152345678", "+54111552345678"}, // a subscriber's number that begins with 15, or 5
		{"+543715412345", "+54371515412345"}, // an area code that ends in 15
		{"+2290197123456", "+22997123456"},   // Benin
		{"+12025550143"}, {"+12025550144"}, {"+1234567890"}, {"+447700900123"}, {"+390612345678"}, {"+521234567"}, {"+54"}, {"+549"}, {"+"},
		{"jane.roe@example.com", "Jane.Roe@Example.COM"}, {"jane@example.org"},
		{"a@xn--bcher-kva.example", "A@bücher.example", "a@BÜCHER.example"},
		{"a@bucher.example"}, {"not an address"}, {"Not an address"}, {""},
	} {
		for _, one := range spellings {
			key := one.Key()
			if key != spellings[0] {
				t.Errorf("the key of %q is %q, want %q", one.Reveal(), key.Reveal(), spellings[0].Reveal())
			}
			if other, taken := owner[key]; taken && other != person {
				t.Errorf("%q and person %d have one key", one.Reveal(), other)
			}
			owner[key] = person
		}
	}
}

// addressLike draws numbers of the countries with several spellings, others, e-mail addresses and texts.
func addressLike() *rapid.Generator[string] {
	digits := func(atLeast, atMost int) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), atLeast, atMost, -1)
	}
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string {
			country := rapid.SampledFrom([]string{"+52", "+521", "+55", "+5511", "+54", "+549", "+5411", "+54911", "+229", "+1", "+"}).Draw(t, "country")
			mark := rapid.SampledFrom([]string{"", "15"}).Draw(t, "mark")
			return country + digits(0, 4).Draw(t, "area") + mark + digits(4, 9).Draw(t, "rest")
		}),
		rapid.Custom(func(t *rapid.T) string {
			return rapid.StringN(0, 8, -1).Draw(t, "local") + "@" + rapid.StringN(0, 12, -1).Draw(t, "domain") + ".example"
		}),
		rapid.String(),
	)
}

// TestKeyOfAKey: a key is its own.
func TestKeyOfAKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := Address(addressLike().Draw(t, "address")).Key()
		if again := key.Key(); again != key {
			t.Errorf("%q has the key %q", key.Reveal(), again.Reveal())
		}
	})
}

// TestKeysOfManyNumbers: each spelling that a country has is found, and only the numbers that differ by such a spelling share a key.
func TestKeysOfManyNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		national := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), 10, 10, -1).Draw(t, "national")
		for _, spellings := range [][]string{{"+52" + national, "+521" + national}, {"+54" + national, "+549" + national}} {
			if a, b := Address(spellings[0]).Key(), Address(spellings[1]).Key(); a != b {
				t.Errorf("%s and %s have the keys %s and %s", spellings[0], spellings[1], a.Reveal(), b.Reveal())
			}
		}
		short, long := Address("+55"+national).Key(), Address("+55"+national[:2]+"9"+national[2:]).Key()
		if mobile := national[2] >= '6'; (short == long) != mobile {
			t.Errorf("+55%s: %s and %s", national, short.Reveal(), long.Reveal())
		}
		// Somebody whose number differs in one digit is somebody else.
		at := rapid.IntRange(0, 9).Draw(t, "at")
		other := national[:at] + string('0'+(national[at]-'0'+1)%10) + national[at+1:]
		for _, country := range []string{"+52", "+521", "+54", "+549", "+55", "+1", "+44"} {
			if Address(country+national).Key() == Address(country+other).Key() {
				t.Errorf("%s%s and %s have one key", country, national, other)
			}
		}
	})
}

// TestKeyPrintsMasked: a key is as personal as an address.
func TestKeyPrintsMasked(t *testing.T) {
	t.Parallel()
	if text := fmt.Sprintf("%v", Address("+5215512345678").Key()); strings.Contains(text, "5512") {
		t.Errorf("it prints %s", text)
	}
}
