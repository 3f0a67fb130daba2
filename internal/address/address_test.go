package address

import (
	"errors"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/message"
)

type phoneCase struct {
	raw, region, want string // want "": it is refused
	err               error  // nil: ErrPhone
}

func checkPhones(t *testing.T, cases []phoneCase) {
	t.Helper()
	for _, tt := range cases {
		want := tt.err
		if want == nil && tt.want == "" {
			want = ErrPhone
		}
		if got, err := Phone(tt.raw, tt.region); got.Reveal() != tt.want || !errors.Is(err, want) {
			t.Errorf("Phone(%q, %s) = %q, %v, want %q, %v", tt.raw, tt.region, got.Reveal(), err, tt.want, want)
		}
	}
}

// TestInternational: a number with its country's code is read as the country writes it, from wherever it was typed.
func TestInternational(t *testing.T) {
	t.Parallel()
	checkPhones(t, []phoneCase{
		{raw: "+1234567890", region: "US", want: "+1234567890"}, // ringup's own sample: no such number, and taken all the same
		{raw: "+1234567890", region: "DE", want: "+1234567890"},
		{raw: "+1 (234) 567-890", region: "US", want: "+1234567890"},
		{raw: "+15550100123", region: "US", want: "+15550100123"}, // no such area code
		{raw: "+49 151 2345-6789", region: "US", want: "+4915123456789"},
		// A zero that is dialled at home alone.
		{raw: "+44 (0)7700 900123", region: "US", want: "+447700900123"},
		{raw: "+44 07700 900123", region: "US", want: "+447700900123"},
		{raw: "+4407700900123", region: "GB", want: "+447700900123"},
		{raw: "+49 (0) 151 23456789", region: "US", want: "+4915123456789"},
		{raw: "+33 (0)6 12 34 56 78", region: "US", want: "+33612345678"},
		{raw: "+61 (0)412 345 678", region: "US", want: "+61412345678"},
		{raw: "+31(0)612345678", region: "US", want: "+31612345678"},
		{raw: "+7 (8) 912 345-67-89", region: "US", want: "+79123456789"}, // Russia dials 8
		{raw: "+36 (06) 20 123 4567", region: "US", want: "+36201234567"}, // Hungary 06
		// A zero that is part of the number.
		{raw: "+39 06 1234 5678", region: "US", want: "+390612345678"},
		{raw: "+39 (0)6 1234 5678", region: "US", want: "+390612345678"},
		{raw: "+225 01 23 45 67 80", region: "US", want: "+2250123456780"},
		{raw: "+241 06 03 12 34", region: "US", want: "+24106031234"},
		// Dialled instead of +.
		{raw: "0044 7700 900123", region: "US", want: "+447700900123"},
		{raw: "0044 (0)7700 900123", region: "DE", want: "+447700900123"},
		{raw: "011 44 7700 900123", region: "US", want: "+447700900123"},
		{raw: "011 44 7700 900123", region: "FR", want: "+447700900123"},
		{raw: "0011 44 7700 900123", region: "AU", want: "+447700900123"},
		{raw: "+0044 7700 900123", region: "US", want: "+447700900123"},
		{raw: "+0151 23456789", region: "DE", want: "+4915123456789"},
		{raw: "001 202 555 0143", region: "DE", want: "+12025550143"},
		// Not a number.
		{raw: "+123456", region: "US"}, {raw: "+1234567890123456", region: "US"}, {raw: "+0654321", region: "US"}, {raw: "+49 (0)", region: "DE"},
		{raw: "++14155552671", region: "US", want: "+14155552671"}, {raw: "+", region: "US"}, {raw: "+abcdefgh", region: "US"},
	})
}

// TestNational: a number without its country's code has to be a valid one of the region.
func TestNational(t *testing.T) {
	t.Parallel()
	checkPhones(t, []phoneCase{
		{raw: "(415) 555-2671", region: "US", want: "+14155552671"},
		{raw: "1-415-555-2671", region: "US", want: "+14155552671"},
		{raw: "604-555-2671", region: "US", want: "+16045552671"}, // Canada, dialled as at home
		{raw: "0151 23456789", region: "DE", want: "+4915123456789"},
		{raw: "030/123456", region: "DE", want: "+4930123456"},
		{raw: "030 123456", region: "DE", want: "+4930123456"},
		{raw: "06 12 34 56 78", region: "FR", want: "+33612345678"},
		{raw: "06 1234 5678", region: "IT", want: "+390612345678"},
		{raw: "55 1234 5678", region: "MX", want: "+525512345678"},
		{raw: "011 15-2345-6789", region: "AR", want: "+5491123456789"},
		{raw: "(11) 98765-4321", region: "BR", want: "+5511987654321"},
		{raw: "1137654321", region: "BR", want: "+551137654321"}, {raw: "15123456789", region: "DE", want: "+4915123456789"}, {raw: "7911123456", region: "GB", want: "+447911123456"},
		{raw: "082-234567", region: "MY", want: "+6082234567"}, {raw: "4930123456", region: "DE", want: "+4930123456"}, {raw: "27 12 34 56", region: "LU", want: "+35227123456"},
		{raw: "090-1234-5678", region: "JP", want: "+819012345678"},
		{raw: "98765 43211", region: "IN", want: "+919876543211"},
		// Without the area code, cut short, or a service's.
		{raw: "5551234", region: "US"}, {raw: "555-1234", region: "CA"}, {raw: "5551234", region: "DE"}, {raw: "79460958", region: "GB"}, {raw: "87654321", region: "BR"},
		{raw: "30123456", region: "DE"}, {raw: "3012345678", region: "DE"}, {raw: "82234567", region: "MY"}, {raw: "12345670", region: "SE"},
		{raw: "110", region: "DE"}, {raw: "112", region: "FR"}, {raw: "911", region: "US"}, {raw: "999", region: "GB", err: ErrPlaceholder},
		{raw: "12", region: "US"}, {raw: "415555267", region: "US"}, {raw: "41555526711", region: "US"}, {raw: "(555) 010-0123", region: "US"},
		{raw: "", region: "US"}, {raw: "n/a", region: "US"}, {raw: "-", region: "US"}, {raw: "none", region: "DE"}, {raw: "(0)", region: "DE"},
	})
}

// TestPlaceholders: what is typed where there is no number.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	var cases []phoneCase
	for _, raw := range []string{
		"0000000000", "000-000-0000", "1111111111", "5555555555", "9999999999", "7777777777", "000", "0000000", "1234567", "12345678", "123456789", "0123456789", "9876543210",
		"987 654 3210", "+0000000", "+1111111111", "+11111111111", "+1 000 000 0000", "+49 0000000000", "+91 9876543210", "+1 (123) 456-7890", "+1 999 999 9999",
	} {
		for _, region := range []string{"US", "DE", "IN", "GB"} {
			cases = append(cases, phoneCase{raw: raw, region: region, err: ErrPlaceholder})
		}
	}
	checkPhones(t, append(cases, phoneCase{raw: "1234567890", region: "US"}, // no area code 123
		phoneCase{raw: "+12345678901", region: "US", want: "+12345678901"}, // Ohio has 234
		phoneCase{raw: "+447777777770", region: "US", want: "+447777777770"}))
}

// TestPasted: what comes along with a number, or stands in front of it or behind.
func TestPasted(t *testing.T) {
	t.Parallel()
	checkPhones(t, []phoneCase{
		{raw: "2025550143\r\n", region: "US", want: "+12025550143"},
		{raw: "+1\ufe0d-202-555-0143", region: "US", want: "+12025550143"},
		{raw: "\ufeff+1 202 555 0143", region: "US", want: "+12025550143"},
		{raw: "\u202a+1\u00a0415\u2011555\u20112671\u202c", region: "US", want: "+14155552671"},
		{raw: "+1415555\r\n2671", region: "US", want: "+14155552671"},
		{raw: "٤١٥٥٥٥٢٦٧١", region: "US", want: "+14155552671"},
		{raw: "＋４９ １５１ ２３４５６７８９", region: "US", want: "+4915123456789"},
		{raw: "+९१ ९८७६५ ४३२११", region: "US", want: "+919876543211"},
		{raw: "+1 (555) 010-0123 ext. 5", region: "US", want: "+15550100123"},
		{raw: "415-555-2671 ext 5", region: "US", want: "+14155552671"}, {raw: "415-555-2671x5", region: "US", want: "+14155552671"}, {raw: "415-555-2671 #5", region: "US", want: "+14155552671"},
		{raw: "tel:+1-415-555-2671", region: "DE", want: "+14155552671"}, {raw: "tel:+14155552671;ext=5", region: "DE", want: "+14155552671"},
		{raw: "Tel. 415-555-2671", region: "US", want: "+14155552671"}, {raw: "415-555-2671 (home)", region: "US", want: "+14155552671"}, {raw: "415-555-2671 John", region: "US", want: "+14155552671"},
		{raw: "whatsapp:+4915123456789", region: "US", want: "+4915123456789"},
		{raw: "2025550143@example.com", region: "US"}, {raw: "+12025550143@example.com", region: "US"},
		{raw: "415-555-2671 (after 5pm)", region: "US", want: "+14155552671"}, {raw: "0151 23456789 ab 18 Uhr", region: "DE", want: "+4915123456789"}, {raw: "11 15 2345-6789 casa", region: "AR", want: "+5491123456789"},
		{raw: "03-1234-5678 内線12", region: "JP", want: "+81312345678"}, {raw: "090ー1234ー5678", region: "JP", want: "+819012345678"}, {raw: "9 1234 567 apt 5", region: "US"},
		// Marks that the numbering plans do not have.
		{raw: "202_555_0143", region: "US", want: "+12025550143"}, {raw: "202·555·0143", region: "US", want: "+12025550143"}, {raw: "06,12,34,56,78", region: "FR", want: "+33612345678"},
		{raw: "06'12'34'56'78", region: "FR", want: "+33612345678"}, {raw: "+41’79’123’45’67", region: "US", want: "+41791234567"}, {raw: "(202)_555_0143", region: "US", want: "+12025550143"},
		{raw: "5551,2345", region: "DE"}, {raw: "+1 415 555 2671 <jo@example.com>", region: "US", want: "+14155552671"},
		// A name makes no digits.
		{raw: "415555 John", region: "US"}, {raw: "1-800-FLOWERS", region: "US"}, {raw: "415 JOE 2671", region: "US"}, {raw: "apt 5 415 555 2671", region: "US"},
		{raw: "030 12345O78", region: "DE"}, {raw: "030 12345 O78", region: "DE"}, {raw: "+1 2O2 555 0143", region: "US"},
	})
}

// TestSeveral: of several numbers the first that can be used counts.
func TestSeveral(t *testing.T) {
	t.Parallel()
	checkPhones(t, []phoneCase{
		{raw: "+12025550143 / +12025550144", region: "US", want: "+12025550143"}, {raw: "+12025550143/+12025550144", region: "US", want: "+12025550143"},
		{raw: "+12025550143 +4915123456789", region: "US", want: "+12025550143"}, {raw: "202-555-0143, 202-555-0144", region: "US", want: "+12025550143"},
		{raw: "2025550143;2025550144", region: "US", want: "+12025550143"}, {raw: "2025550143 / 2025550144", region: "US", want: "+12025550143"},
		{raw: "2025550143\n+2025550144", region: "US", want: "+12025550143"}, {raw: "5551234 / 2025550143", region: "US", want: "+12025550143"},
		{raw: "030/123456 / 0151/23456789", region: "DE", want: "+4930123456"}, {raw: "0000000000 / 2025550143", region: "US", want: "+12025550143"},
		{raw: "jo99@example.com / 202 555 0143", region: "US", want: "+12025550143"}, {raw: "5551234 / 5551235", region: "US"}, {raw: strings.Repeat("5551234 / ", 300), region: "US"},
		// What is longer than a text that is looked at is no number and no placeholder, whatever is in it.
		{raw: strings.Repeat("\xe1", MaxRaw-3) + "000", region: "US", err: ErrPlaceholder}, {raw: strings.Repeat("\xe1", MaxRaw-2) + "000", region: "US"},
		{raw: strings.Repeat(" ", MaxRaw-12) + "+12025550143", region: "US", want: "+12025550143"}, {raw: strings.Repeat(" ", MaxRaw-11) + "+12025550143", region: "US"},
		{raw: "2025550143 2025550144", region: "US", want: "+12025550143"}, {raw: "+12025550143 12025550144", region: "US", want: "+12025550143"},
		{raw: "202-555-0143 or 202-555-0144", region: "US", want: "+12025550143"}, {raw: "Home: 202-555-0143 Cell: 202-555-0144", region: "US", want: "+12025550143"}, {raw: "5551234 5551235", region: "US"},
		{raw: "2025550143/2025550144", region: "US", want: "+12025550143"}, {raw: "0151/23456789/12345", region: "DE"}, {raw: "0151/2345678/0151/2345679", region: "DE"},
	})
}

// TestTooMuch: what people write too much, in front of a number or behind its country's code.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	checkPhones(t, []phoneCase{
		// A zero that the country does not dial.
		{raw: "+39 0347 1234567", region: "US", want: "+393471234567"}, {raw: "+39 (0)347 1234567", region: "US", want: "+393471234567"}, {raw: "0039 0347 1234567", region: "DE", want: "+393471234567"},
		{raw: "0347 1234567", region: "IT", want: "+393471234567"}, {raw: "+34 0612 345 678", region: "US", want: "+34612345678"}, {raw: "+1 0202 555 0143", region: "DE", want: "+12025550143"},
		{raw: "0 202 555 0143", region: "US", want: "+12025550143"}, {raw: "+54 9 011 2345-6789", region: "US", want: "+5491123456789"}, {raw: "+65 09123 4567", region: "US", want: "+6591234567"},
		// The country's code without a +.
		{raw: "49 151 23456789", region: "DE", want: "+4915123456789"}, {raw: "39 0347 1234567", region: "IT", want: "+393471234567"}, {raw: "521 55 1234 5678", region: "MX", want: "+525512345678"},
		{raw: "5511987654321", region: "BR", want: "+5511987654321"},
		// A prefix of before 2019.
		{raw: "044 55 1234 5678", region: "MX", want: "+525512345678"}, {raw: "01 55 1234 5678", region: "MX", want: "+525512345678"}, {raw: "1 55 1234 5678", region: "MX", want: "+525512345678"},
		{raw: "+52 1 55 1234 5678", region: "US", want: "+5215512345678"}, // as typed: message.Address.Key knows that it is the same
		// A number that is short stays one.
		{raw: "0 5551234", region: "US"}, {raw: "49 5551234", region: "DE"}, {raw: "52 5551234", region: "MX"}, {raw: "044 5551234", region: "MX"},
	})
	tried := 0
	for region := range phonenumbers.GetSupportedRegions() {
		example := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
		national := phonenumbers.GetNationalSignificantNumber(example)
		if example == nil || isPlaceholder(national) {
			continue
		}
		want := phonenumbers.Format(example, phonenumbers.E164)
		for form, from := range map[string]string{want[1:]: region, strings.TrimSuffix(want, national) + "0" + national: "US"} {
			// Where the country has such a number, as Como's 031 in Italy, it is that one.
			asWritten, err := phonenumbers.Parse(form, from)
			if err != nil || phonenumbers.IsValidNumber(asWritten) || form[0] == '+' && phonenumbers.IsPossibleNumber(asWritten) {
				continue
			}
			tried++
			if got, err := Phone(form, from); err != nil || got.Reveal() != want {
				t.Errorf("%s: Phone(%q, %s) = %q, %v, want %q", region, form, from, got.Reveal(), err, want)
			}
		}
	}
	if tried < 50 {
		t.Errorf("%d forms are no numbers as they are written", tried)
	}
}

// TestPossible finds a number that is not written to, as an older release took it, or did not.
func TestPossible(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"(555) 010-4242": "+15550104242", "+15550104242": "+15550104242", "0000000000": "", "+1111111111": "+1111111111", "9876543210": "+19876543210", "5551234": "+15551234", "12": "", "Jane": "", "0 202 555 0143": "+12025550143",
	} {
		if got, err := Possible(message.SMS, raw, "US"); got.Reveal() != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", raw, got.Reveal(), err, want)
		}
	}
	if got, err := Possible(message.Email, "none@none.com", "US"); got != "none@none.com" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// TestEveryRegion: the example of a mobile number of each region is read as it is written at home and abroad.
func TestEveryRegion(t *testing.T) {
	t.Parallel()
	for region := range phonenumbers.GetSupportedRegions() {
		example := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
		if example == nil {
			continue
		}
		want := phonenumbers.Format(example, phonenumbers.E164)
		if isPlaceholder(phonenumbers.GetNationalSignificantNumber(example)) {
			continue // as 9999 9999 may be somewhere
		}
		for form, from := range map[string]string{
			phonenumbers.Format(example, phonenumbers.E164): "US", phonenumbers.Format(example, phonenumbers.INTERNATIONAL): "US",
			phonenumbers.Format(example, phonenumbers.RFC3966): "US", phonenumbers.GetNationalSignificantNumber(example): region,
			"00" + want[1:]: "FR", "011" + want[1:]: "US",
		} {
			if got, err := Phone(form, from); err != nil || got.Reveal() != want {
				t.Errorf("%s: Phone(%q, %s) = %q, %v, want %q", region, form, from, got.Reveal(), err, want)
			}
		}
	}
}

// TestNothingBehindPlusIsZero draws texts of digits and marks: what is taken has the form that is promised, and stands for itself.
func TestNothingBehindPlusIsZero(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.StringMatching(`(\+|\+0|00|011|\(|)[0-9 ().+/,;x-]{0,24}`).Draw(t, "raw")
		checkTaken(t, raw, rapid.SampledFrom([]string{"US", "DE", "IT", "GB", "BR", "AR", "MX", "JP"}).Draw(t, "region"))
	})
}

func checkTaken(t interface{ Errorf(string, ...any) }, raw, region string) {
	number, err := Phone(raw, region)
	if err != nil {
		return
	}
	if _, valid := message.ParseE164(number.Reveal()); !valid {
		t.Errorf("Phone(%q, %s) = %q", raw, region, number.Reveal())
	}
	if again, err := Phone(number.Reveal(), "DE"); err != nil || again != number {
		t.Errorf("Phone(%q, %s) = %q, again %q, %v", raw, region, number.Reveal(), again.Reveal(), err)
	}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ raw, want string }{
		{"john.doe@example.com", "john.doe@example.com"},
		{"  a+b@example.co.uk ", "a+b@example.co.uk"},
		{"a@bücher.example", "a@xn--bcher-kva.example"},
		{"\ufeffjo@example.com\r\n", "jo@example.com"}, {"jo\u200b@example.com", "jo@example.com"}, {"\u00a0jo@example.com", "jo@example.com"},
		{"jo＠example．com", "jo@example.com"}, {"jo٢@example.com", "jo2@example.com"}, {"mailto:jo@example.com", "jo@example.com"}, {"Mailto:jo@example.com", "jo@example.com"},
		{"", ""}, {"john", ""}, {"john@", ""}, {"john@localhost", ""}, {"John <john@example.com>", "john@example.com"}, {"<john@example.com>", "john@example.com"}, {`"Doe, John" <john@example.com>`, "john@example.com"}, {"Doe, John <john@example.com>", "john@example.com"},
		{"a@b.c, d@e.f", "a@b.c"}, {"n/a; jo@example.com", "jo@example.com"}, {"noreply@shop.com / jo@example.com", "jo@example.com"}, {"a@b, c", ""}, {"<a@example.com> <b@example.com>", ""},
		{"a@example.com\r\nBcc: b@example.com", ""}, {"a@exa mple.com", ""}, {"jö@example.com", ""}, {"a@example.com.", "a@example.com"}, {"mailto:", ""},
		{"jo@1.2.3.4", ""}, {"jo@example.123", ""}, {"jo@1and1.com", "jo@1and1.com"}, {"jo@" + strings.Repeat("ü.", 80) + "com", ""},
		{strings.Repeat("a", 65) + "@example.com", ""}, {strings.Repeat("a", 250) + "@example.com", ""},
	} {
		got, err := Email(tt.raw)
		if got.Reveal() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Email(%q) = %q, %v, want %q", tt.raw, got.Reveal(), err, tt.want)
		}
	}
}

func TestEmailPlaceholders(t *testing.T) {
	t.Parallel()
	for raw, is := range map[string]bool{
		"none@none.com": true, "None@gmail.com": true, "noemail@shop.example.com": true, "no-email@x.com": true, "no.email@gmail.com": true, "no_reply@shop.com": true, "noreply@shop.com": true,
		"test@test.com": true, "na@na.com": true, "no@email.com": true, "customer@email.com": true, "a@a.com": true, "xxx@xxx.net": true, "1@1.com": true, "jane@shop.invalid": true, "null@null.co.uk": true,
		"jane@example.com": false, "test@example.com": false, "na@lee.com": false, "no@lee.com": false, "john@john.com": false, "aa@bb.com": false, "info@shop.com": false,
		"nonette@gmail.com": false, "test@shop.com": false, "mail@jane-roe.com": false, "bob@bob.com": false,
	} {
		_, err := Email(raw)
		if errors.Is(err, ErrPlaceholder) != is || !is && err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// Fuzz: what is taken has the form that is promised, and is taken again as it is.
func FuzzPhone(f *testing.F) {
	for _, raw := range []string{"+1234567890", "(415) 555-2671", "+44 (0)7700 900123", "tel:+1;ext=5", "٤١٥", "+0 / +1"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) { checkTaken(t, raw, "US") })
}

func FuzzEmail(f *testing.F) {
	f.Add("a@example.com")
	f.Add("a@bücher.example")
	f.Fuzz(func(t *testing.T, raw string) {
		address, err := Email(raw)
		if err != nil {
			return
		}
		if strings.ContainsAny(address.Reveal(), "\r\n<> ,") || len(address) > 320 {
			t.Errorf("Email(%q) = %q", raw, address.Reveal())
		}
		if again, err := Email(address.Reveal()); err == nil && again != address {
			t.Errorf("Email(%q) = %q, again %q", raw, address.Reveal(), again.Reveal())
		}
	})
}
