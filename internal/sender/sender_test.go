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
