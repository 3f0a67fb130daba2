package gate

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
)

// budget returns what is left of caps.
func budget(t testing.TB, caps ...string) *pricing.Budget {
	t.Helper()
	c, err := pricing.NewCaps(pricing.Config{DailyCap: caps})
	if err != nil {
		t.Fatal(err)
	}
	return pricing.NewBudget(message.SMS, c, pricing.NewSources(c))
}

func TestDailyCap(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 1, 16, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		caps []string // a message costs 0.01
		now  time.Time
		want Verdict
	}{
		{"no DAILY_CAP", nil, night, Verdict{}},
		{"another channel's DAILY_CAP", []string{"email=0.001"}, night, Verdict{}},
		{"it fits", []string{"sms=0.01", "sms/till-1=0.01"}, night, Verdict{}},
		{"the channel's cap", []string{"sms=0.009"}, night,
			Verdict{Action: Hold, Until: midnight, Reason: DailyCap, Text: "the daily cap of sms is reached", Cap: "sms"}},
		{"the source's cap", []string{"sms=1", "sms/till-1=0.009"}, night,
			Verdict{Action: Hold, Until: midnight, Reason: DailyCap, Text: "the daily cap of sms/till-1 is reached", Cap: "sms/till-1"}},
		{"another source's cap", []string{"sms=1", "sms/till-2=0.009"}, night, Verdict{}},
		{"the last moment of a day", []string{"sms=0.009"}, midnight.Add(-time.Nanosecond),
			Verdict{Action: Hold, Until: midnight, Reason: DailyCap, Text: "the daily cap of sms is reached", Cap: "sms"}},
		{"the first moment of a day", []string{"sms=0.009"}, midnight,
			Verdict{Action: Hold, Until: midnight.Add(24 * time.Hour), Reason: DailyCap, Text: "the daily cap of sms is reached", Cap: "sms"}},
	} {
		in := order()
		in.Now = tt.now
		if got := ask(dailyCap(budget(t, tt.caps...)), in); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestDailyCapReserves: DAILY_CAP bounds what one worker has under way at a time, and what is released fits again.
func TestDailyCapReserves(t *testing.T) {
	t.Parallel()
	left := budget(t, "sms=0.02")
	g, err := New(Config{}, left)
	if err != nil {
		t.Fatal(err)
	}
	in := order() // costs 0.01
	for i, want := range []Action{Pass, Pass, Hold, Hold} {
		if got := g.Check(in); got.Action != want {
			t.Errorf("message %d: %+v", i, got)
		}
	}
	left.Release(in.Source, in.Cost)
	if got := g.Check(in); got.Action != Pass {
		t.Errorf("after a release: %+v", got)
	}
	in.Now = in.Now.Add(2 * time.Hour)
	if got := g.Check(in); got.Action != Pass {
		t.Errorf("on the next day: %+v", got)
	}
}
