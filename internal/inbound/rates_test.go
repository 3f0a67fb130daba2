package inbound

import (
	"fmt"
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
