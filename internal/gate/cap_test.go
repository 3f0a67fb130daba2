package gate

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
)

func TestDailyCap(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 1, 16, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		now  time.Time
		over pricing.Cap
		want Verdict
	}{
		{"it fits", night, pricing.Cap{}, Verdict{}},
		{"the channel's cap", night, pricing.Cap{Channel: message.SMS, Most: 1},
			Verdict{Action: Hold, Until: midnight, Reason: DailyCap, Text: "the daily cap of sms is reached", Cap: "sms"}},
		{"a source's cap", night, pricing.Cap{Channel: message.SMS, Source: "till-1", Most: 1},
			Verdict{Action: Hold, Until: midnight, Reason: DailyCap, Text: "the daily cap of sms/till-1 is reached", Cap: "sms/till-1"}},
		{"a day begins at midnight, by UTC", midnight, pricing.Cap{Channel: message.SMS, Most: 1},
			Verdict{Action: Hold, Until: midnight.Add(24 * time.Hour), Reason: DailyCap, Text: "the daily cap of sms is reached", Cap: "sms"}},
	} {
		in := order()
		in.Now = tt.now
		got := dailyCap(func(source string, cost pricing.Micros, now time.Time) (pricing.Cap, bool) {
			if source != in.Source || cost != in.Cost || !now.Equal(in.Now) {
				t.Errorf("%s: it asked for %s from %s at %s", tt.name, cost, source, now)
			}
			return tt.over, tt.over != (pricing.Cap{})
		})(in)
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestDailyCapReserves: DAILY_CAP bounds what one worker has under way at a time, and what is released fits again.
func TestDailyCapReserves(t *testing.T) {
	t.Parallel()
	caps, err := pricing.NewCaps(pricing.Config{DailyCap: []string{"sms=0.02"}})
	if err != nil {
		t.Fatal(err)
	}
	budget := pricing.NewBudget(message.SMS, caps, pricing.NewSources(caps))
	g, err := New(Config{}, budget)
	if err != nil {
		t.Fatal(err)
	}
	in := order() // costs 0.01
	for i, want := range []Action{Pass, Pass, Hold, Hold} {
		if got := g.Check(in); got.Action != want {
			t.Errorf("message %d: %+v", i, got)
		}
	}
	budget.Release(in.Source, in.Cost)
	if got := g.Check(in); got.Action != Pass {
		t.Errorf("after a release: %+v", got)
	}
	in.Now = in.Now.Add(2 * time.Hour)
	if got := g.Check(in); got.Action != Pass {
		t.Errorf("on the next day: %+v", got)
	}
}
