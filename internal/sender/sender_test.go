package sender_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
)

func TestID(t *testing.T) {
	t.Parallel()
	if got := sender.ID("woocommerce", "store.example.com", "727", "paid"); got != "woocommerce/store.example.com/727/paid" {
		t.Error(got)
	}
	long := strings.Repeat("é", 120)
	if a, b := sender.ID("shopify", long, "1"), sender.ID("shopify", long, "2"); a == b || !strings.HasPrefix(a, "shopify/é") {
		t.Errorf("%q, %q", a, b)
	}
}

// TestAnyIDIsValid: whatever an account or an object is called, the id is one that an event may have, and names it alone.
func TestAnyIDIsValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		account, object := rapid.String().Draw(t, "account"), string(rapid.SliceOf(rapid.Byte()).Draw(t, "object"))
		id := sender.ID("shopify", account, object, "paid")
		if len(id) > event.MaxID || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
			t.Fatalf("%q", id)
		}
		if again := sender.ID("shopify", account, object, "paid"); again != id {
			t.Fatalf("%q, %q", id, again)
		}
		if other := sender.ID("shopify", account, object, "created"); other == id {
			t.Fatalf("%q twice", id)
		}
	})
}

func TestRecent(t *testing.T) {
	t.Parallel()
	said := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]bool{0: true, sender.RecentWindow - time.Second: true, sender.RecentWindow: false, -time.Hour: true, 1000 * time.Hour: false} {
		if sender.Recent(said.Add(-ago), said) != want {
			t.Errorf("%s ago: %t", ago, !want)
		}
	}
	if !sender.Recent(time.Time{}, said) {
		t.Error("no time")
	}
}

func TestSubtotal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sale    event.Sale
		amounts []string
		want    string
	}{
		"tax on top":            {event.Sale{Tax: "1.85", Total: "29.35"}, []string{"27.50"}, "27.50"},
		"tax in it":             {event.Sale{Tax: "1.85", TaxIncluded: true, Total: "27.50"}, []string{"25.65", "27.50"}, "27.50"},
		"after the discount":    {event.Sale{Discount: "2.50", Total: "25.00"}, []string{"25.00"}, ""},
		"before it":             {event.Sale{Discount: "2.50", Total: "25.00"}, []string{"25.00", "27.50"}, "27.50"},
		"a discount with minus": {event.Sale{Discount: "-2.50", Total: "25.00"}, []string{"27.50"}, "27.50"},
		"a tip":                 {event.Sale{Tip: "4.0", Total: "31.50"}, []string{"27.5"}, "27.5"},
		"shipping":              {event.Sale{Total: "32.50"}, []string{"27.50"}, ""},
		"no total":              {event.Sale{}, []string{"27.50", ""}, ""},
		"nothing":               {event.Sale{Total: "0.00"}, []string{""}, ""},
	} {
		if got := sender.Subtotal(&tt.sale, tt.amounts...); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
