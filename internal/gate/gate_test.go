package gate

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/suppress"
)

// settings reads variables as a program does.
func settings(t testing.TB, env map[string]string) Config {
	t.Helper()
	var c Config
	if err := config.Read(t.Context(), envconfig.MapLookuper(env), &c); err != nil {
		t.Fatal(err)
	}
	c.Quiet.DefaultTimezone = cmp.Or(env["DEFAULT_TIMEZONE"], "UTC")
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// night is in the quiet hours of Berlin, with QUIET_HOURS=21:00-08:00, and ended is when they end.
var (
	night = time.Date(2026, 1, 15, 22, 30, 0, 0, time.UTC)
	ended = time.Date(2026, 1, 16, 7, 0, 0, 0, time.UTC)
)

// order is a message about an order to a customer in Berlin, accepted a minute ago, which no stage objects to by day.
func order() Input {
	return Input{Now: night, AcceptedAt: night.Add(-time.Minute), Event: event.OrderUpdate, Audience: message.Customer, Recipient: "+4930901820",
		Source: "till-1", Sender: "+15005550006", Cost: 10_000}
}

// open returns a gate by variables, those of pricing included.
func open(t testing.TB, env map[string]string) *Gate {
	t.Helper()
	var p pricing.Config
	if err := config.Read(t.Context(), envconfig.MapLookuper(env), &p); err != nil {
		t.Fatal(err)
	}
	caps, err := pricing.NewCaps(p)
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(settings(t, env), pricing.NewBudget(message.SMS, caps, pricing.NewSources(caps)))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ask asks a stage, which may be nil.
func ask(stage Stage, in Input) Verdict {
	if stage == nil {
		return Verdict{}
	}
	return stage(in)
}

// TestOrder: of all stages that object, the first gives the reason. Each row takes away the objection of the one before.
func TestOrder(t *testing.T) {
	t.Parallel()
	g := open(t, map[string]string{"MESSAGE_TTL": "order_update:48h", "QUIET_HOURS": "21:00-08:00", "DAILY_CAP": "sms=0.005"})
	in := order()
	in.AcceptedAt = night.Add(-72 * time.Hour)
	in.Suppressions = []suppress.Entry{{Why: suppress.StopWord}}
	in.LimitedUntil = night.Add(20 * time.Minute)
	for _, tt := range []struct {
		want   Reason
		remove func()
	}{
		{Expired, func() { in.AcceptedAt = night.Add(-time.Minute) }},
		{Suppressed, func() { in.Suppressions = nil }},
		{QuietHours, func() { in.Audience = message.Staff }},
		{RecipientLimit, func() { in.LimitedUntil = time.Time{} }},
		{DailyCap, func() { in.Cost = 5_000 }},
		{"", func() {}},
	} {
		if got := g.Check(in); got.Reason != tt.want {
			t.Errorf("%+v, want %q", got, tt.want)
		}
		tt.remove()
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env    map[string]string
		change func(*Input)
		want   Verdict
	}{
		"nothing is configured": {nil, func(in *Input) { in.AcceptedAt = night.AddDate(-1, 0, 0) }, Verdict{}},
		"held, and the text says until when": {map[string]string{"QUIET_HOURS": "21:00-08:00"}, func(*Input) {},
			Verdict{Action: Hold, Until: ended, Reason: QuietHours, Text: "quiet hours where the customer is, until 2026-01-16T07:00:00Z"}},
		"a hold to the last moment of MESSAGE_TTL": {map[string]string{"MESSAGE_TTL": "order_update:21m"}, func(in *Input) { in.LimitedUntil = night.Add(20 * time.Minute) },
			Verdict{Action: Hold, Until: night.Add(20 * time.Minute), Reason: RecipientLimit,
				Text: "the customer got RECIPIENT_LIMIT messages within an hour, until 2026-01-15T22:50:00Z"}},
		"a hold past MESSAGE_TTL is a drop": {map[string]string{"MESSAGE_TTL": "order_update:21m"}, func(in *Input) { in.LimitedUntil = night.Add(20*time.Minute + time.Millisecond) },
			Verdict{Action: Drop, Reason: Expired,
				Text: "it would be older than MESSAGE_TTL when it may go out: the customer got RECIPIENT_LIMIT messages within an hour"}},
		"a hold is at least a second": {map[string]string{"MESSAGE_TTL": "order_update:1m"}, func(in *Input) { in.LimitedUntil = night.Add(-time.Hour) },
			Verdict{Action: Drop, Reason: Expired,
				Text: "it would be older than MESSAGE_TTL when it may go out: the customer got RECIPIENT_LIMIT messages within an hour"}},
		"a drop for the cap names it": {map[string]string{"MESSAGE_TTL": "order_update:1h", "DAILY_CAP": "sms/till-1=0.001"}, func(*Input) {},
			Verdict{Action: Drop, Reason: Expired, Text: "it would be older than MESSAGE_TTL when it may go out: the daily cap of sms/till-1 is reached", Cap: "sms/till-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := order()
			tt.change(&in)
			if got := open(t, tt.env).Check(in); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	for until, want := range map[time.Duration]time.Duration{-time.Hour: time.Second, 0: time.Second, time.Millisecond: time.Second, time.Minute: time.Minute} {
		if got := (Verdict{Until: night.Add(until)}).Delay(night); got != want {
			t.Errorf("%s ahead: %s, want %s", until, got, want)
		}
	}
}

func minutes(t *rapid.T, name string, of ...int) time.Duration {
	return time.Duration(rapid.SampledFrom(of).Draw(t, name)) * time.Minute
}

// drawInput draws a message for which every stage may object or not.
func drawInput(t *rapid.T) Input {
	in := Input{
		Now:      night.Add(time.Duration(rapid.IntRange(0, 48*60).Draw(t, "minutes")) * time.Minute),
		Event:    rapid.SampledFrom(event.Types).Draw(t, "event"),
		Audience: rapid.SampledFrom(message.Audiences).Draw(t, "audience"),
		Recipient: rapid.SampledFrom([]message.Address{"+4930901820", "+12125550143", "+18005550143", "jane@example.com"}).Draw(t,
			"recipient"),
		Timezone: rapid.SampledFrom([]string{"", "Asia/Tokyo", "Middle/Earth"}).Draw(t, "time zone"),
		Source:   rapid.SampledFrom([]string{"", "till-1", "kiosk-7"}).Draw(t, "source"),
		Sender:   rapid.SampledFrom([]string{"+15005550006", "+15005550007"}).Draw(t, "sender"),
		Cost:     pricing.Micros(rapid.SampledFrom([]int{0, 1, 10_000, 60_000}).Draw(t, "cost")),
	}
	in.AcceptedAt = in.Now.Add(-minutes(t, "age", 0, 1, 4, 20, 60, 300, 1500))
	if rapid.Bool().Draw(t, "suppressed") {
		in.Suppressions = []suppress.Entry{{Why: suppress.StopWord, Sender: rapid.SampledFrom([]string{"", "+15005550006"}).Draw(t, "said to")}}
	}
	if rapid.Bool().Draw(t, "limited") {
		in.LimitedUntil = in.Now.Add(time.Duration(rapid.IntRange(-5, 60).Draw(t, "limited for")) * time.Minute)
	}
	return in
}

// TestTheGateIsItsStages: whatever the configuration and the message, nothing passes that a stage forbids, the first stage in the order gives
// the reason, a hold that would outlive MESSAGE_TTL is a drop, and only what passes is reserved within the budget.
func TestTheGateIsItsStages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		c := Config{
			MessageTTL:  map[event.Type]time.Duration{event.OrderUpdate: minutes(t, "ttl", 2, 30, 120, 1440), event.POSSave: minutes(t, "ttl", 2, 30, 120, 1440)},
			OptOutScope: pick("scope", ScopeChannel, ScopeSender), RecipientLimitAction: pick("limit's action", LimitHold, LimitDrop),
			Quiet: QuietConfig{Window: pick("quiet hours", "", "21:00-08:00", "12:00-12:30"), Events: []event.Type{event.OrderCreate, event.OrderUpdate},
				DefaultTimezone: "America/New_York"},
		}
		if rapid.Bool().Draw(t, "exempt") {
			c.SuppressionExempt = []event.Type{event.PaymentComplete}
		}
		caps, err := pricing.NewCaps(pricing.Config{DailyCap: []string{"sms=0.1", "sms/kiosk-7=0.05"}})
		if err != nil {
			t.Fatal(err)
		}
		hours, err := newSchedule(c.Quiet)
		if err != nil {
			t.Fatal(err)
		}
		// The model reserves from a budget of its own, so that both decide by the same state.
		g, err := New(c, pricing.NewBudget(message.SMS, caps, pricing.NewSources(caps)))
		if err != nil {
			t.Fatal(err)
		}
		model := []stage{
			{Expired, expiry(c.MessageTTL)}, {Suppressed, suppression(c.SuppressionExempt, c.OptOutScope)}, {QuietHours, quietHours(hours)},
			{RecipientLimit, recipientLimit(c.RecipientLimitAction)}, {DailyCap, dailyCap(pricing.NewBudget(message.SMS, caps, pricing.NewSources(caps)))},
		}
		for range rapid.IntRange(1, 8).Draw(t, "messages") {
			in := drawInput(t)
			got := g.Check(in)
			if problem := disagrees(c, model, in, got); problem != "" {
				t.Fatalf("%s: the gate says %+v of %+v", problem, got, in)
			}
		}
	})
}

// stage is a stage of the model, and the reason that it gives.
type stage struct {
	reason Reason
	ask    Stage
}

// disagrees compares a verdict of the gate with the stages in their order, and says how they differ.
func disagrees(c Config, stages []stage, in Input, got Verdict) string {
	for _, one := range stages {
		first := ask(one.ask, in)
		if first.Action == Pass {
			continue
		}
		ttl := c.MessageTTL[in.Event]
		outlives := ttl > 0 && in.Now.Add(first.Delay(in.Now)).Sub(in.AcceptedAt) > ttl
		switch {
		case first.Reason != one.reason:
			return fmt.Sprintf("the stage of %s objects as %s", one.reason, first.Reason)
		case got.Action == Pass:
			return "it passes what " + string(first.Reason) + " forbids"
		case first.Action == Hold && outlives:
			if got.Action != Drop || got.Reason != Expired || !strings.Contains(got.Text, first.Text) {
				return "a hold that outlives MESSAGE_TTL"
			}
		case got.Action != first.Action || got.Reason != first.Reason || !got.Until.Equal(first.Until) || !strings.HasPrefix(got.Text, first.Text):
			return "the first objection is " + string(first.Reason)
		}
		return ""
	}
	if got != (Verdict{}) {
		return "it holds back what no stage forbids"
	}
	return ""
}
