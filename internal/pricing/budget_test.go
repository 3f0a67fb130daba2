package pricing

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
)

func budget(t *testing.T, caps string) *Budget {
	t.Helper()
	c, err := NewCaps(read(t, map[string]string{"DAILY_CAP": caps}))
	if err != nil {
		t.Fatal(err)
	}
	return NewBudget(message.SMS, c, NewSources(c))
}

func reachedNames(b *Budget) []string {
	var names []string
	for _, one := range b.Reached() {
		names = append(names, one.Name())
	}
	slices.Sort(names)
	return names
}

func TestBudget(t *testing.T) {
	t.Parallel()
	b := budget(t, "sms=1,sms/kiosk-7=0.3")
	now := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	reserve := func(source string, cost Micros, want string) {
		t.Helper()
		got, over := b.Reserve(source, cost, now)
		if over != (want != "") || over && got.Name() != want {
			t.Errorf("%s from %q: over (%t) %+v, want %q", cost, source, over, got, want)
		}
	}
	reserve("kiosk-7", 200_000, "")
	reserve("kiosk-7", 200_000, "sms/kiosk-7") // what is under way counts
	reserve("till-1", 700_000, "")
	reserve("till-1", 200_000, "sms")
	reserve("till-1", 0, "") // a message that costs nothing fits
	b.Release("till-1", 700_000)
	reserve("till-1", 200_000, "")

	// A settled message has moved: it counts once.
	b.Settle("kiosk-7", 200_000)
	reserve("kiosk-7", 100_000, "")
	b.Settle("kiosk-7", 100_000)
	if got := reachedNames(b); !slices.Equal(got, []string{"sms/kiosk-7"}) {
		t.Errorf("reached: %v", got)
	}

	// Other workers spent most of the day's money, and the 0.2 of till-1 are still under way here.
	b.Refresh(700_000, map[string]Micros{"kiosk-7": 100_000, "none": 600_000}, now)
	reserve("till-2", 200_000, "sms")
	reserve("kiosk-7", 100_000, "")
	if got := reachedNames(b); len(got) != 0 {
		t.Errorf("reached: %v", got)
	}
	b.Refresh(1_000_000, map[string]Micros{"kiosk-7": 300_000}, now)
	if got := reachedNames(b); !slices.Equal(got, []string{"sms"}) {
		t.Errorf("reached: %v, want the channel's alone", got)
	}

	// A new day has all of it again.
	now = now.Add(12 * time.Hour)
	reserve("kiosk-7", 300_000, "")
	reserve("kiosk-7", 1, "sms/kiosk-7")

	// What was asked for on the day before comes late.
	b.Refresh(1_000_000, map[string]Micros{"kiosk-7": 300_000}, now.Add(-12*time.Hour))
	reserve("kiosk-7", 1, "sms/kiosk-7") // the 0.3 are still under way
	reserve("till-1", 700_000, "")
}

func TestNoBudget(t *testing.T) {
	t.Parallel()
	for name, caps := range map[string]string{"no caps": "", "another channel's": "email=1"} {
		b := budget(t, caps)
		if b != nil {
			t.Errorf("%s: %+v", name, b)
		}
		if _, over := b.Reserve("till-1", 1e9, time.Now()); over || len(b.Reached()) > 0 {
			t.Errorf("%s: reached", name)
		}
		b.Settle("till-1", 1)
		b.Release("till-1", 1)
		b.Refresh(1, nil, time.Now())
	}
}

// TestBudgetIsShared: senders that reserve at once do not go over the cap together.
func TestBudgetIsShared(t *testing.T) {
	t.Parallel()
	b := budget(t, "sms=1")
	now := time.Now()
	var fit atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if _, over := b.Reserve("till-1", 10_000, now); !over {
					fit.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if fit.Load() != 100 {
		t.Errorf("%d fit, want 100", fit.Load())
	}
}

// TestEachCapCountsItsSource: also where more sources have caps than there are labels for other sources.
func TestEachCapCountsItsSource(t *testing.T) {
	t.Parallel()
	var caps []string
	for i := range 3 * maxSources {
		caps = append(caps, fmt.Sprintf("sms/kiosk-%d=1", i))
	}
	b, now := budget(t, strings.Join(caps, ",")), time.Now()
	for i := range caps {
		if reached, over := b.Reserve(fmt.Sprintf("kiosk-%d", i), 1_000_000, now); over {
			t.Fatalf("kiosk-%d: %s is reached by other sources", i, reached.Name())
		}
	}
}
