package inbound

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// TestQuietKeysAreForgotten: made-up names do not take the place of others for ever.
func TestQuietKeysAreForgotten(t *testing.T) {
	t.Parallel()
	l := NewRates(0.001, 1)
	for i := range maxRates {
		if !l.Allow(fmt.Sprint("made up ", i)) {
			t.Fatalf("key %d was refused its first event", i)
		}
	}
	if !l.Allow("shop 1") || l.Allow("shop 2") || l.limiters["shop 1"] != nil {
		t.Error("beyond the bound the new ones share one limiter")
	}
	for _, limiter := range l.limiters {
		limiter.SetLimit(rate.Inf) // as if long ago
	}
	l.cleared = time.Time{}
	if !l.Allow("shop 1") || l.Allow("shop 1") || !l.Allow("shop 2") || len(l.limiters) != 2 {
		t.Errorf("%d keys are remembered; each has to have its own limiter again", len(l.limiters))
	}
}

// TestLongKeys: a key is remembered in few bytes, however long it is, and is told apart from another that begins as it does.
func TestLongKeys(t *testing.T) {
	t.Parallel()
	l := NewRates(0.001, 1)
	for n := range 300 {
		key := strings.Repeat("x", n+1)
		if !l.Allow(key) || l.Allow(key) {
			t.Errorf("a key of %d bytes", len(key))
		}
	}
	for key := range l.limiters {
		if len(key) > maxKey {
			t.Errorf("a key of %d bytes is remembered", len(key))
		}
	}
}
