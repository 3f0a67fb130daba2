package value

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	forty := strings.Repeat("9", 40)
	for text, want := range map[string]string{
		"0": "0", "2": "2", "125.50": "125.50", "3.0": "3.0", "-1": "-1", "-20.00": "-20.00", "-0": "0", "-0.00": "0", "0.00": "0.00", "-0.5": "-0.5",
		"1.25E7": "12500000", "1E+2": "100", "1e-3": "0.001", "1.5e0": "1.5", "-1.25e1": "-12.5", "12.50E1": "125.0", "12345e-2": "123.45", "0e999999999999999999999": "0",
		"0.0E-50": "0", "2.0700000000000003": "2.0700000000000003", "0.30000000000000004": "0.30000000000000004",
		" 12.50 ": "12.50", "\u00a012.50": "12.50", "+5": "5", "007": "7", "-007.10": "-7.10", ".5": "0.5", "-.5": "-0.5", "5.": "5",
		forty: forty, "-" + forty + "." + forty: "-" + forty + "." + forty, "1e39": "1" + strings.Repeat("0", 39), "1e-40": "0." + strings.Repeat("0", 39) + "1",
		"0.5" + strings.Repeat("0", 60): "0.5", strings.Repeat("0", 60) + "7": "7", "0." + strings.Repeat("0", 60) + "1e60": "0.1",
	} {
		if got, ok := Number(text); !ok || got != want {
			t.Errorf("%q: %q, %t; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{"", " ", "-", "+", ".", "-.", "e5", "1e", "1e+", "1e1.5", "1e+-1", "1_000", "0x10", "1,50", "1,234.50", "$5", "five", "NaN", "Infinity", "--1", "1-",
		"1e5e5", "1.2.3", "١٢", "1 2", "1\x00", forty + "9", "0." + forty + "9", "1e40", "1e-41", "1e999999", "1e-999999", "1e99999999999999999999", "1e-99999999999999999999", "1e99999999999x"} {
		if got, ok := Number(text); ok || got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"12,50": "12.50", "1.234,50 €": "1234.50", "€ 1.234,50": "1234.50", "$12.50": "12.50", "US$ 12.50": "12.50", "12.50 USD": "12.50", "EUR 5": "5", "CHF 1'234.50": "1234.50", "1 234,50 zł": "1234.50",
		"1\u202f234,5\u00a0€": "1234.5", "12,34,567.89": "1234567.89", "1,234,567": "1234567", "1.234.567": "1234567", "(20.00)": "-20.00", "($20.00)": "-20.00", "-$20.00": "-20.00", "$-20": "-20", "20,00-": "-20.00", "−5": "-5",
		"١٢٫٥٠": "12.50", "１２.５０": "12.50", "0,245": "0.245", "2,5": "2.5", "1,2345": "1.2345", "Rs. 1,234.50": "1234.50", "20,00 kr.": "20.00", "(-20)": "-20", "¥1,234,000": "1234000", "1,234.5": "1234.5", "5 €": "5",
	} {
		if got, ok := Written(text); !ok || got != want {
			t.Errorf("%q: %q, %t; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-", "twelve", "1,234", "€1.234", "SALE10", "SUMMER10", "VAT 20%", "20%", "12:30", "1.2.3", "1,2,3", "1.234,56,78", "12 50", "1  234", "(20", "20)", "-20-", "1,234.567.8", "5 kg", "x2", "1'234 567",
		"4111 1111 1111 1111", "12,", ",5,", strings.Repeat("9", 41), strings.Repeat("1,", 500)} {
		if got, ok := Written(text); ok || got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestWrittenAsFormatted: a number is read as the locales of the built-in languages write it, but for one without decimals whose mark could be the point.
func TestWrittenAsFormatted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(-1e12, 1e12).Draw(t, "cents")
		plain := big.NewRat(cents, 100).FloatString(2)
		marks := rapid.SampledFrom([][2]string{{",", "."}, {".", ","}, {" ", ","}, {"\u00a0", ","}, {"\u202f", ","}, {"'", "."}, {"’", "."}, {"", "."}, {"", ","}}).Draw(t, "marks")
		whole, decimals, _ := strings.Cut(strings.TrimPrefix(plain, "-"), ".")
		grouped := ""
		for i, digit := range whole {
			if i > 0 && (len(whole)-i)%3 == 0 {
				grouped += marks[0]
			}
			grouped += string(digit)
		}
		text := rapid.SampledFrom([]string{"%s", "$%s", "%s €", "EUR %s"}).Draw(t, "currency")
		text = strings.Replace(text, "%s", grouped+marks[1]+decimals, 1)
		if cents < 0 {
			text = "-" + text
		}
		want, _ := Number(plain)
		if got, ok := Written(text); !ok || got != want {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
	})
}

// TestNumbersKeepTheirValue: whatever JSON calls a number is read with its value, or refused because it is too long; what is read is plain, and
// stays as it is.
func TestNumbersKeepTheirValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,44})(\.[0-9]{1,44})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is no number of JSON", text)
		}
		want, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		got, ok := Number(text)
		if !ok {
			// Too long: more than 40 digits before the point, or a value that is no multiple of 10^-40.
			limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(40), nil)
			if scaled := new(big.Rat).Mul(want, new(big.Rat).SetInt(limit)); scaled.IsInt() && new(big.Rat).Abs(want).Cmp(new(big.Rat).SetInt(limit)) < 0 {
				t.Fatalf("%s was not read", text)
			}
			return
		}
		read, isNumber := new(big.Rat).SetString(got)
		if !isNumber || read.Cmp(want) != 0 || !json.Valid([]byte(got)) || strings.ContainsAny(got, "eE+") || strings.HasPrefix(got, "-") && want.Sign() == 0 {
			t.Fatalf("%s became %s", text, got)
		}
		whole, fraction, _ := strings.Cut(strings.TrimPrefix(got, "-"), ".")
		if len(whole) > maxDigits || len(fraction) > maxDigits {
			t.Fatalf("%s became %s", text, got)
		}
		if again, ok := Number(got); !ok || again != got {
			t.Fatalf("%s became %s", got, again)
		}
	})
}

func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"1.25E7", "-0", "+.5e-3", "1e99999999999999999999", "007", "", "1.2.3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := Number(text)
		if ok && (!json.Valid([]byte(got)) || len(got) > 2*maxDigits+2) || !ok && got != "" {
			t.Errorf("%q: %q, %t", text, got, ok)
		}
	})
}

func TestTime(t *testing.T) {
	t.Parallel()
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2024-01-01T12:00:00Z": "2024-01-01T12:00:00Z", "2024-01-01T12:00:00.25+02:00": "2024-01-01T12:00:00.25+02:00",
		"2024-01-01t12:00:00z": "2024-01-01T12:00:00Z", "2024-01-01 12:00:00Z": "2024-01-01T12:00:00Z", "2024-01-01T12:00:00-00:00": "2024-01-01T12:00:00Z",
		"2016-12-31T23:59:60Z": "2017-01-01T00:00:00Z", "1990-12-31T15:59:60-08:00": "1990-12-31T16:00:00-08:00",
		"2024-01-01T12:00:00.123456789123Z": "2024-01-01T12:00:00.123456789Z", "2024-01-01T23:59:59+23:59": "2024-01-01T23:59:59+23:59",
		"2026-11-25T12:00:00": "2026-11-25T12:00:00+09:00", "2026-11-25 12:00:00.5": "2026-11-25T12:00:00.5+09:00",
		"2024-01-01T12:00:00+0200": "2024-01-01T12:00:00+02:00", "2024-01-01T12:00:00-03": "2024-01-01T12:00:00-03:00",
		" 2024-02-29T00:00:00Z\n": "2024-02-29T00:00:00Z", "1704110400": "2024-01-01T12:00:00Z", "1704110400123": "2024-01-01T12:00:00.123Z",
	} {
		got, ok := Time(text, tokyo)
		if !ok || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %s, %t; want %s", text, got.Format(time.RFC3339Nano), ok, want)
		}
	}
	for _, text := range []string{"", "now", "2024-01-01", "2024-01-01T5:00:00Z", "2024-01-01T05:00Z", "2024-01-01T12:00:00+24:00", "2024-01-01T12:00:00+02:60", "2024-01-01T12:00:00+2:00",
		"2024-01-01T12:00:00.Z", "2024-01-01T12:00:00,5Z", "2024-01-01T12:00:00 Z", "2024-01-01T12:00:61Z", "2024-01-01T12:60:00Z", "2024-01-01T24:00:00Z", "2024-02-30T12:00:00Z",
		"2023-02-29T12:00:00Z", "2024-00-01T12:00:00Z", "2024-13-01T12:00:00Z", "2024-01-00T12:00:00Z", "2024/01/01T12:00:00Z", "2024-01-01X12:00:00Z", "0001-01-01T00:00:00Z",
		"1969-12-31T23:59:59Z", "0000000000", "-170411040", "+170411040", "170411040", "17041104001234", "2024-01-01T12:00:00Zjunk", "２０２４-01-01T12:00:00Z"} {
		if got, ok := Time(text, time.UTC); ok {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// TestTimesByRFC3339: what Go writes by RFC 3339 is read as it was.
func TestTimesByRFC3339(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := time.Unix(rapid.Int64Range(86400, 253402214400).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanos")).
			In(time.FixedZone("", 60*rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "minutes")))
		text := want.Format(time.RFC3339Nano)
		if got, ok := Time(text, nil); !ok || !got.Equal(want) || got.Format(time.RFC3339Nano) != text {
			t.Fatalf("%s: %s, %t", text, got, ok)
		}
	})
}

func TestCurrency(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"USD": "USD", "usd": "USD", "usd ": "USD", " Eur\t": "EUR", "jpy": "JPY", "SLE": "SLE"} {
		if got, ok := Currency(text); !ok || got != want {
			t.Errorf("%q: %q, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", " ", "dollar", "$", "US", "USDT", "840", "XXX", "ABC", "U S D", "ＵＳＤ", "€"} {
		if got, ok := Currency(text); ok {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestRegion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"US": "US", "de": "DE", " GB ": "GB", "uk": "GB", "USA": "US", "840": "US"} {
		if got, ok := Region(text); !ok || got != want {
			t.Errorf("%q: %q, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "U", "EU", "001", "419", "ZZ", "XX", "United States", "12"} {
		if got, ok := Region(text); ok {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestLastFour(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"4242": "4242", "0042": "0042", "**** **** **** 4242": "4242", "5555 5555 5555 4444": "4444", "x1y2z3-4": "1234"} {
		if got, ok := LastFour(text); !ok || got != want {
			t.Errorf("%q: %q, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "42", "****", "١٢٣٤"} {
		if got, ok := LastFour(text); ok || got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Jo Roe": "Jo Roe", " Jo\n": "Jo", "O&#039;Brien": "O'Brien", "O&#x27;Brien": "O'Brien", "Fish &amp; Chips": "Fish & Chips", "&lt;b&gt;": "<b>", "Z&ouml;e": "Zöe",
		"&amp;lt;": "&lt;", "&amp;#39;": "&#39;", "Fish & Chips": "Fish & Chips", "AT&T": "AT&T", "R&D;": "R&D;", "Black&copy": "Black&copy", "&unknown;": "&unknown;", "&": "",
		"Jennifer Null": "Jennifer Null", "Null-Set": "Null-Set", "Nan": "Nan", "Na Na": "Na Na", "Nil": "Nil", "None Other": "None Other", "Undefined Ltd": "Undefined Ltd", "7": "7",
		"🌸": "🌸", "محمد": "محمد", "Guest": "Guest",
		"": "", " ": "", "null": "", "NULL": "", "undefined": "", "undefined undefined": "", "null  null": "", "None": "", "none none": "", "N/A": "", "n/a N/A": "", "(null)": "",
		"[object Object]": "", "nan": "", "NaN": "", "-": "", "--": "", "- -": "", ".": "", "?": "", "***": "", "null,": "null,", "&nbsp;": "", "&#45;": "", "null undefined": "",
	} {
		if got := Name(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	got := &event.Event{
		Sale: event.Sale{OrderName: "null", Place: "Bar &amp; Grill", Status: "Pr&ecirc;t", OrderID: "undefined", TransactionID: "N/A",
			Payment: event.Payment{Brand: "null", LastFour: "4242"}},
		Customer: event.Customer{Name: " Walk-In Customer", Email: "O&#039;Brien@example.com"},
		Items:    []event.Item{{Name: "Guest"}, {Name: "Mac &amp; Cheese", Options: []string{"none", "Jalape&ntilde;o"}}, {Name: "undefined"}},
	}
	Clean(got)
	want := &event.Event{
		Sale:     event.Sale{Place: "Bar & Grill", Status: "Prêt", Payment: event.Payment{LastFour: "4242"}},
		Customer: event.Customer{Email: "O&#039;Brien@example.com"},
		Items:    []event.Item{{Name: "Guest"}, {Name: "Mac & Cheese", Options: []string{"", "Jalapeño"}}, {}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"Guest", "guest", "GUEST CUSTOMER", "Unknown", "anonymous", "false", "Cash Customer", "undefined", "Kunde", "CONSUMIDOR FINAL", "Gość", "お客様"} {
		e := &event.Event{Customer: event.Customer{Name: name}}
		if Clean(e); e.Customer.Name != "" {
			t.Errorf("%q is a name", name)
		}
	}
	for name, want := range map[string]string{"Zoe undefined": "Zoe", "undefined Roe": "Roe", "Zoe null": "Zoe", "null Roe": "Roe", "null undefined": "", "undefined": ""} {
		e := &event.Event{Customer: event.Customer{Name: name}}
		if Clean(e); e.Customer.Name != want {
			t.Errorf("%q became %q", name, e.Customer.Name)
		}
	}
	for _, name := range []string{"Jennifer Null", "Zoe Undefined", "Christopher Guest", "Jo Customer", "Nan", "True Love"} {
		e := &event.Event{Customer: event.Customer{Name: name}}
		if Clean(e); e.Customer.Name != name {
			t.Errorf("%q became %q", name, e.Customer.Name)
		}
	}
}

// TestCardNumbersAreHidden: what a message says of how it was paid has at most four digits of a card's number.
func TestCardNumbersAreHidden(t *testing.T) {
	t.Parallel()
	for brand, want := range map[string]event.Payment{
		"Visa 4242 4242 4242 4242": {Brand: "Visa", LastFour: "4242"}, "4111111111111111": {LastFour: "1111"}, "American Express: 3782-822463-10005": {Brand: "American Express", LastFour: "0005"},
		"Maestro (676770838968)": {Brand: "Maestro", LastFour: "8968"}, "Visa ****1234": {Brand: "Visa ****1234"}, "Visa 4242": {Brand: "Visa 4242"}, "Carte bleue": {Brand: "Carte bleue"},
	} {
		e := &event.Event{Sale: event.Sale{Payment: event.Payment{Brand: brand}}}
		if Clean(e); e.Sale.Payment != want {
			t.Errorf("%q: %+v", brand, e.Sale.Payment)
		}
	}
	e := &event.Event{Sale: event.Sale{Payment: event.Payment{Brand: "Visa 4242424242424242", LastFour: "1881"}}}
	if Clean(e); e.Sale.Payment != (event.Payment{Brand: "Visa", LastFour: "1881"}) {
		t.Errorf("%+v", e.Sale.Payment)
	}
}

func TestWordsAreFound(t *testing.T) {
	t.Parallel()
	longest := 0
	for _, words := range []map[string]bool{noValue, strangers} {
		for word := range words {
			longest = max(longest, len(word))
			if !isOneOf(words, strings.ToUpper(word)) {
				t.Errorf("%q is not found", word)
			}
			if got := Name(word); noValue[word] && got != "" {
				t.Errorf("%q is a name", got)
			}
		}
	}
	if longest != longestWord {
		t.Errorf("the longest has %d bytes", longest)
	}
}
