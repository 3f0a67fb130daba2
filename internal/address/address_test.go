package address

import (
	"strings"
	"testing"
)

func TestPhone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ raw, region, want string }{
		{"+1234567890", "US", "+1234567890"}, // ringup's own sample: no such number, and taken all the same
		{"+49 (0)", "DE", ""},
		{"+49 151 2345-6789", "US", "+4915123456789"},
		{"(415) 555-2671", "US", "+14155552671"},
		{"0151 23456789", "DE", "+4915123456789"},
		{"\u202a+1\u00a0415\u2011555\u20112671\u202c", "US", "+14155552671"},
		{"", "US", ""}, {"n/a", "US", ""}, {"+123456", "US", ""}, {"+1234567890123456", "US", ""}, {"12", "US", ""},
		{"++14155552671", "US", ""}, {"+1415555\r\n2671", "US", ""}, {"415-555-2671 ext 5", "US", ""}, {"٤١٥٥٥٥٢٦٧١", "US", ""},
	} {
		got, err := Phone(tt.raw, tt.region)
		if got.Reveal() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Phone(%q, %s) = %q, %v, want %q", tt.raw, tt.region, got.Reveal(), err, tt.want)
		}
	}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ raw, want string }{
		{"john.doe@example.com", "john.doe@example.com"},
		{"  a+b@example.co.uk ", "a+b@example.co.uk"},
		{"a@bücher.example", "a@xn--bcher-kva.example"},
		{"", ""}, {"john", ""}, {"john@", ""}, {"john@localhost", ""}, {"John <john@example.com>", ""}, {"a@b.c, d@e.f", ""},
		{"a@example.com\r\nBcc: b@example.com", ""}, {"a@exa mple.com", ""}, {"jö@example.com", ""}, {"a@example.com.", ""},
		{strings.Repeat("a", 65) + "@example.com", ""}, {strings.Repeat("a", 250) + "@example.com", ""},
	} {
		got, err := Email(tt.raw)
		if got.Reveal() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("Email(%q) = %q, %v, want %q", tt.raw, got.Reveal(), err, tt.want)
		}
	}
}

// Fuzz: what is taken has the form that is promised, and is taken again as it is.
func FuzzPhone(f *testing.F) {
	f.Add("+1234567890")
	f.Add("(415) 555-2671")
	f.Fuzz(func(t *testing.T, raw string) {
		number, err := Phone(raw, "US")
		if err != nil {
			return
		}
		if again, err := Phone(number.Reveal(), "DE"); err != nil || again != number {
			t.Errorf("Phone(%q) = %q, again %q, %v", raw, number.Reveal(), again.Reveal(), err)
		}
	})
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
