package address

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"
)

// examples are the example numbers of every region and every calling code without one, of each type, in E.164.
var examples = sync.OnceValue(func() []string {
	var out []string
	add := func(number *phonenumbers.PhoneNumber) {
		if number != nil {
			out = append(out, phonenumbers.Format(number, phonenumbers.E164))
		}
	}
	for _, region := range slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions())) {
		for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
			add(phonenumbers.GetExampleNumberForType(region, kind))
		}
	}
	for _, code := range slices.Sorted(maps.Keys(phonenumbers.GetSupportedCallingCodes())) {
		add(phonenumbers.GetExampleNumberForNonGeoEntity(code))
	}
	return out
})

// sameAsTyped reports a text that is read otherwise than the library reads it.
func sameAsTyped(t interface{ Errorf(string, ...any) }, raw, region string) {
	want, wantErr := typed(clean(raw), region)
	if got, err := Phone(raw, region); got != want || !errors.Is(err, wantErr) {
		t.Errorf("Phone(%q, %s) = %q, %v, want %q, %v", raw, region, got.Reveal(), err, want.Reveal(), wantErr)
	}
}

// mutate changes a number in the ways in which people and tills do, and in those that the plans look at.
func mutate(t *rapid.T, number string) string {
	code, national := callingCode(number[1:])
	if code == 0 {
		return number
	}
	prefix := strings.TrimSuffix(number, national)
	digit := rapid.StringMatching(`[0-9]`)
	switch rapid.IntRange(0, 7).Draw(t, "mutation") {
	case 1: // what is dialled at home, and the marks of mobile numbers that some write
		return prefix + rapid.SampledFrom([]string{"0", "00", "06", "1", "8", "9", "15", "44", "45", "02"}).Draw(t, "prefix") + national
	case 2:
		return number + rapid.StringMatching(`[0-9]{1,5}`).Draw(t, "more")
	case 3:
		return number[:rapid.IntRange(1, len(number)).Draw(t, "length")]
	case 4:
		return prefix + digit.Draw(t, "first") + national[1:]
	case 5:
		return prefix + rapid.StringMatching(`[0-9]{1,14}`).Draw(t, "national")
	case 6:
		return "+" + rapid.StringMatching(`[0-9]{1,16}`).Draw(t, "digits")
	case 7:
		return prefix + strings.Repeat(digit.Draw(t, "digit"), len(national))
	}
	return number
}

// space writes a number with spaces and hyphens, and sometimes with other characters.
func space(t *rapid.T, number string) string {
	var b strings.Builder
	for _, c := range number {
		b.WriteRune(c)
		if rapid.IntRange(0, 4).Draw(t, "separate") == 0 {
			b.WriteString(rapid.SampledFrom([]string{" ", "-", " - ", "--", ".", "(0)", "x", "/", "+", "\u00a0"}).Draw(t, "separator"))
		}
	}
	return b.String()
}

// TestInternationalIsTheLibrarys: what is read without the library is read as the library reads it, in every region, and most numbers are.
func TestInternationalIsTheLibrarys(t *testing.T) {
	t.Parallel()
	read := 0
	for _, number := range examples() {
		sameAsTyped(t, number, "US")
		if _, plain := international(number); plain {
			read++
		}
	}
	if read*10 < len(examples())*9 {
		t.Errorf("the table knows %d of %d example numbers", read, len(examples()))
	}
	regions := slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions()))
	rapid.Check(t, func(t *rapid.T) {
		number := mutate(t, rapid.SampledFrom(examples()).Draw(t, "example"))
		if rapid.Bool().Draw(t, "separated") {
			number = space(t, number)
		}
		sameAsTyped(t, number, rapid.SampledFrom(regions).Draw(t, "region"))
	})
}

// TestInternationalKnows: numbers that the table must, and must not, know.
func TestInternationalKnows(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]bool{
		"+12025550143": true, "+1 202-555-0143": true, "+4915123456789": true, "+525512345678": true, "+5491123456789": true, "+5511987654321": true,
		"+8613812345678": true, "+393123456789": true, "+447700900123": true, "+918123456789": true,
		"+390612345678": false, "+4407700900123": false, "+5215512345678": false, "+541115123456789": false, "+1234567890": false, "+11111111111": false,
		"+1202555014": false, "+1 (202) 555-0143": false, "12025550143": false, "+": false, "": false, "+999123456789": false,
	} {
		if _, plain := international(number); plain != want {
			t.Errorf("%s: known %t", number, plain)
		}
	}
}

func FuzzInternational(f *testing.F) {
	for i, number := range examples() {
		if i%50 == 0 {
			f.Add(number)
		}
	}
	f.Add("+521 55-1234 5678")
	f.Add(strings.Repeat("\xe1", MaxRaw) + "000") // a placeholder, behind more than is looked at
	f.Fuzz(func(t *testing.T, raw string) { sameAsTyped(t, raw, "DE") })
}

// BenchmarkInternational compares the table with the library in one run: ns/op is a number by the table, library/table how many times as long the
// library takes.
func BenchmarkInternational(b *testing.B) {
	numbers := []string{"+12025550143", "+4915123456789", "+5511987654321", "+8613812345678", "+44 7700 900123"}
	each := func(n int, read func(string)) time.Duration {
		start := time.Now()
		for i := range n {
			read(numbers[i%len(numbers)])
		}
		return time.Since(start) / time.Duration(n)
	}
	library := each(5000, func(number string) { _, _ = typed(number, "US") })
	_, _ = international(numbers[0])
	b.ResetTimer()
	table := each(b.N, func(number string) { _, _ = international(number) })
	b.ReportMetric(float64(library)/float64(max(table, 1)), "library/table")
}
