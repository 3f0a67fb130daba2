package gate

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

func hours(t testing.TB, quiet, zone string) *schedule {
	t.Helper()
	h, err := newSchedule(QuietConfig{Window: quiet, Events: []event.Type{event.OrderCreate, event.OrderUpdate}, DefaultTimezone: zone})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestOpens(t *testing.T) {
	t.Parallel()
	const berlin, newYork = "+4930901820", "+12125550143"
	for _, tt := range []struct {
		name, window    string
		to              message.Address
		zone, now, want string // want is "" when it is not quiet
	}{
		{"a number's zone, at night", "21:00-08:00", berlin, "", "2026-01-15T22:30:00Z", "2026-01-16T07:00:00Z"},
		{"after midnight", "21:00-08:00", berlin, "", "2026-01-16T03:00:00Z", "2026-01-16T07:00:00Z"},
		{"by day", "21:00-08:00", berlin, "", "2026-01-15T12:00:00Z", ""},
		{"the first moment is quiet", "21:00-08:00", berlin, "", "2026-01-15T20:00:00Z", "2026-01-16T07:00:00Z"},
		{"the moment before is not", "21:00-08:00", berlin, "", "2026-01-15T19:59:59Z", ""},
		{"the last moment is quiet", "21:00-08:00", berlin, "", "2026-01-16T06:59:59Z", "2026-01-16T07:00:00Z"},
		{"the end is not", "21:00-08:00", berlin, "", "2026-01-16T07:00:00Z", ""},
		{"in summer time", "21:00-08:00", berlin, "", "2026-07-15T20:00:00Z", "2026-07-16T06:00:00Z"},
		{"another zone", "21:00-08:00", newYork, "", "2026-01-16T07:00:00Z", "2026-01-16T13:00:00Z"},
		{"the payload's zone goes before the number's", "21:00-08:00", berlin, "Asia/Tokyo", "2026-01-15T12:00:00Z", "2026-01-15T23:00:00Z"},
		{"an unknown zone does not", "21:00-08:00", berlin, "Middle/Earth", "2026-01-15T12:00:00Z", ""},
		{"the machine's zone is invalid", "21:00-08:00", berlin, "Local", "2026-01-15T22:30:00Z", "2026-01-16T07:00:00Z"},
		{"a path is invalid", "21:00-08:00", berlin, "../zoneinfo/Asia/Tokyo", "2026-01-15T12:00:00Z", ""},
		{"an e-mail address has the default", "21:00-08:00", "jane@example.com", "", "2026-01-15T10:30:00Z", "2026-01-15T19:00:00Z"},
		{"a number that says nothing, too", "21:00-08:00", "+999123456", "", "2026-01-15T10:30:00Z", "2026-01-15T19:00:00Z"},
		{"half an hour off", "21:00-08:00", "+919812345678", "", "2026-01-15T16:00:00Z", "2026-01-16T02:30:00Z"},
		{"within a day", "12:30-14:00", berlin, "", "2026-01-15T12:00:00Z", "2026-01-15T13:00:00Z"},
		{"within a day, before", "12:30-14:00", berlin, "", "2026-01-15T11:00:00Z", ""},
		{"to midnight", "22:00-00:00", berlin, "", "2026-01-15T21:30:00Z", "2026-01-15T23:00:00Z"},
		{"from midnight", "00:00-06:00", berlin, "", "2026-01-15T23:30:00Z", "2026-01-16T05:00:00Z"},
		{"over the year", "21:00-08:00", berlin, "", "2026-12-31T22:00:00Z", "2027-01-01T07:00:00Z"},

		// Boise or Los Angeles, an hour apart: quiet from the first to begin until the last to end.
		{"two zones, quiet in one", "21:00-08:00", "+12083300143", "", "2026-01-16T04:30:00Z", "2026-01-16T16:00:00Z"},
		{"two zones, still quiet in one", "21:00-08:00", "+12083300143", "", "2026-01-16T15:30:00Z", "2026-01-16T16:00:00Z"},
		{"two zones, open in both", "21:00-08:00", "+12083300143", "", "2026-01-16T16:00:00Z", ""},
		// North America with its islands, from Guam to Saint John's, is awake together for two and a half hours a day; with longer nights
		// never, and the default (Auckland) decides.
		{"a number of the whole continent", "21:00-08:00", "+18005550143", "", "2026-01-15T01:00:00Z", "2026-01-15T22:00:00Z"},
		{"zones that are never open together", "20:00-10:00", "+18005550143", "", "2026-01-15T10:30:00Z", "2026-01-15T21:00:00Z"},
		{"zones that are never open together, by day", "20:00-10:00", "+18005550143", "", "2026-01-15T22:00:00Z", ""},

		// Berlin, 29 March 2026: 02:00 is followed by 03:00, at 01:00 UTC.
		{"the night is an hour shorter", "21:00-08:00", berlin, "", "2026-03-28T22:00:00Z", "2026-03-29T06:00:00Z"},
		{"the end is skipped", "21:00-02:30", berlin, "", "2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z"},
		{"the end is skipped, then", "21:00-02:30", berlin, "", "2026-03-29T01:00:00Z", ""},
		{"the begin is skipped", "02:30-08:00", berlin, "", "2026-03-29T01:00:00Z", "2026-03-29T06:00:00Z"},
		{"the begin is skipped, before", "02:30-08:00", berlin, "", "2026-03-29T00:59:59Z", ""},
		{"all of it is skipped", "02:00-03:00", berlin, "", "2026-03-29T01:00:00Z", ""},
		{"all of it is skipped, before", "02:00-03:00", berlin, "", "2026-03-29T00:59:59Z", ""},
		// Berlin, 25 October 2026: 03:00 is followed by 02:00, at 01:00 UTC. 02:30 is at 00:30 and at 01:30 UTC.
		{"the night is an hour longer", "21:00-08:00", berlin, "", "2026-10-24T22:00:00Z", "2026-10-25T07:00:00Z"},
		{"the end comes twice", "21:00-02:30", berlin, "", "2026-10-25T00:15:00Z", "2026-10-25T01:30:00Z"},
		{"the end comes twice, between", "21:00-02:30", berlin, "", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z"},
		{"the end comes twice, after", "21:00-02:30", berlin, "", "2026-10-25T01:30:00Z", ""},
		{"the begin comes twice", "02:30-08:00", berlin, "", "2026-10-25T00:29:00Z", ""},
		{"the begin comes twice, the first", "02:30-08:00", berlin, "", "2026-10-25T00:30:00Z", "2026-10-25T07:00:00Z"},
		{"the begin comes twice, between", "02:30-08:00", berlin, "", "2026-10-25T01:15:00Z", "2026-10-25T07:00:00Z"},
		// Beirut, 29 March 2026: 00:00 is followed by 01:00.
		{"midnight is skipped", "21:00-00:00", "", "Asia/Beirut", "2026-03-28T20:00:00Z", "2026-03-28T22:00:00Z"},
		{"midnight is skipped, as the begin", "00:00-08:00", "", "Asia/Beirut", "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"},
		// Samoa had no 30 December 2011.
		{"a day is skipped", "21:00-08:00", "", "Pacific/Apia", "2011-12-30T09:30:00Z", "2011-12-30T18:00:00Z"},
		// Lord Howe moves by half an hour, at 02:00.
		{"half an hour is skipped", "21:00-02:15", "", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := at(t, tt.now)
			got, quiet := hours(t, tt.window, "Pacific/Auckland").opens("order_update", message.Customer, tt.to, tt.zone, now)
			if tt.want == "" {
				if quiet || !got.Equal(now) {
					t.Errorf("quiet (%t) until %s", quiet, got.UTC().Format(time.RFC3339))
				}
				return
			}
			if !quiet || !got.Equal(at(t, tt.want)) {
				t.Errorf("quiet (%t) until %s, want %s", quiet, got.UTC().Format(time.RFC3339), tt.want)
			}
		})
	}
}

func TestWhoIsSpared(t *testing.T) {
	t.Parallel()
	night := at(t, "2026-01-15T22:30:00Z")
	h := hours(t, "21:00-08:00", "UTC")
	for _, tt := range []struct {
		event    event.Type
		audience message.Audience
		quiet    bool
	}{
		{"order_create", message.Customer, true},
		{"order_update", message.Customer, true},
		{"payment_complete", message.Customer, false},
		{"pos_save", message.Customer, false},
		{"order_create", message.Staff, false},
	} {
		if _, quiet := h.opens(tt.event, tt.audience, "jane@example.com", "", night); quiet != tt.quiet {
			t.Errorf("%s for %s: quiet is %t", tt.event, tt.audience, quiet)
		}
	}
	if h, err := newSchedule(QuietConfig{DefaultTimezone: "UTC"}); h != nil || err != nil {
		t.Errorf("no quiet hours: %v, %v", h, err)
	}
}

// TestZonesKeepNoEvent: a name that is remembered is a copy, since the event's is a piece of all its bytes.
func TestZonesKeepNoEvent(t *testing.T) {
	t.Parallel()
	h := hours(t, "21:00-08:00", "UTC")
	raw := []byte("Europe/Berlin")
	name := unsafe.String(&raw[0], len(raw))
	h.opens("order_create", message.Customer, "jane@example.com", name, at(t, "2026-01-15T22:30:00Z"))
	h.zones.Range(func(known, _ any) bool {
		if unsafe.StringData(known.(string)) == unsafe.StringData(name) { //nolint:forcetypeassert // as zone stores it
			t.Errorf("%s is the event's own", known)
		}
		return true
	})
}

// TestAnyNight: whatever the zone, the window and the moment, nobody is written to while their clock shows a quiet time, and nobody waits
// longer than that, but for the hours in which clocks are changed.
func TestAnyNight(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	zones := []string{"Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
		"Asia/Beirut", "America/Havana", "Antarctica/Troll", "UTC", "Pacific/Kiritimati"}
	first := at(t, "2010-01-01T00:00:00Z")
	for range 10000 {
		zone, err := load(zones[random.IntN(len(zones))])
		if err != nil {
			t.Fatal(err)
		}
		w := window{random.IntN(1440), random.IntN(1440)}
		if w.begin == w.end {
			continue
		}
		now := first.Add(time.Duration(random.IntN(20*365*24*60)) * time.Minute)
		if from, to := now.In(zone).ZoneBounds(); random.IntN(2) == 0 && !from.IsZero() && !to.IsZero() {
			now = from.Add(time.Duration(random.IntN(4*24*60)-2*24*60) * time.Minute)
		}
		quietAt := func(t time.Time) bool {
			minute := t.In(zone).Hour()*60 + t.In(zone).Minute()
			if w.begin < w.end {
				return w.begin <= minute && minute < w.end
			}
			return w.begin <= minute || minute < w.end
		}
		h := &schedule{window: w, events: []event.Type{event.OrderCreate}, fallback: zone}
		opens, quiet := h.opens("order_create", message.Customer, "", "", now)
		if quietAt(now) && !quiet || quietAt(opens) {
			t.Fatalf("%s, %s, %s: opens %s", w, zone, now.In(zone), opens.In(zone))
		}
		if byDates, found := w.afterByDates(now, zone), w.after(now, zone); !found.Equal(byDates) {
			t.Fatalf("%s, %s, %s: %s by the clock, %s by dates", w, zone, now.In(zone), found.In(zone), byDates.In(zone))
		}
		changed := func(t time.Time) bool { // within three hours of t
			_, before := t.Add(-3 * time.Hour).In(zone).Zone()
			_, after := t.Add(3 * time.Hour).In(zone).Zone()
			return before != after
		}
		for moment := now; moment.Before(opens); moment = moment.Add(time.Minute) {
			if !quietAt(moment) && !changed(moment) {
				t.Fatalf("%s, %s, %s: opens %s, and %s is not quiet", w, zone, now.In(zone), opens.In(zone), moment.In(zone))
			}
		}
	}
}

func TestQuietConfig(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"21:00-21:00", "21-08", "9:00-17:00", "24:00-08:00", "21:00-08:60", "21:00–08:00", "21:00-08:00 ", "now"} {
		err := (&QuietConfig{Window: text, DefaultTimezone: "UTC"}).Validate()
		if err == nil || !strings.Contains(err.Error(), "QUIET_HOURS") {
			t.Errorf("%q: %v", text, err)
		}
	}
	err := (&QuietConfig{Window: "x", Events: []event.Type{event.OrderCreate, "refund"}, DefaultTimezone: "Local"}).Validate()
	for _, want := range []string{"QUIET_HOURS is", "QUIET_HOURS_EVENTS", "refund", "DEFAULT_TIMEZONE"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if _, err := newSchedule(QuietConfig{Window: "x"}); err == nil {
		t.Error("accepted")
	}
}

// FuzzWindow: what is read is written the same.
func FuzzWindow(f *testing.F) {
	for _, text := range []string{"21:00-08:00", "00:00-23:59", "8:00-9:00", "21:00-21:00", "29:00-08:00", "ab:cd-ef:gh", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := parse(text)
		if err != nil {
			return
		}
		if w.String() != text || w.begin == w.end || max(w.begin, w.end) >= 24*60 || min(w.begin, w.end) < 0 {
			t.Errorf("%q was read as %s", text, w)
		}
	})
}

// FuzzOpens: any number and any zone of a payload come to a moment, and soon.
func FuzzOpens(f *testing.F) {
	for _, zone := range []string{"Europe/Berlin", "Local", "", "../../etc/passwd", "posix/UTC", "Etc/GMT+12"} {
		f.Add("+4930901820", zone, int64(1800000000))
	}
	h := hours(f, "21:00-08:00", "UTC")
	f.Fuzz(func(t *testing.T, to, zone string, unix int64) {
		now := time.Unix(unix%(1<<33), 0)
		if at, quiet := h.opens("order_create", message.Customer, message.Address(to), zone, now); at.Before(now) || at.Sub(now) > 2*horizon || quiet != at.After(now) {
			t.Errorf("%s: %s, %t", now, at, quiet)
		}
	})
}

func BenchmarkOpens(b *testing.B) {
	h := hours(b, "21:00-08:00", "UTC")
	now := at(b, "2026-01-15T22:30:00Z")
	for _, number := range []message.Address{"+4930901820", "+18005550143"} {
		b.Run(string(number[:3]), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.opens("order_create", message.Customer, number, "", now)
			}
		})
	}
}

func TestQuietHours(t *testing.T) {
	t.Parallel()
	const berlin = "+4930901820"
	for _, tt := range []struct {
		name string
		env  map[string]string
		to   message.Address
		want time.Time // zero when the message may go out
	}{
		{"no QUIET_HOURS", nil, berlin, time.Time{}},
		{"QUIET_HOURS", map[string]string{"QUIET_HOURS": "21:00-08:00"}, berlin, ended},
		{"QUIET_HOURS by day", map[string]string{"QUIET_HOURS": "12:00-14:00"}, berlin, time.Time{}},
		{"QUIET_HOURS_EVENTS, the event", map[string]string{"QUIET_HOURS": "21:00-08:00", "QUIET_HOURS_EVENTS": "order_update"}, berlin, ended},
		{"QUIET_HOURS_EVENTS, another event", map[string]string{"QUIET_HOURS": "21:00-08:00", "QUIET_HOURS_EVENTS": "pos_save"}, berlin, time.Time{}},
		{"DEFAULT_TIMEZONE, a number says more", map[string]string{"QUIET_HOURS": "21:00-08:00", "DEFAULT_TIMEZONE": "Asia/Tokyo"}, berlin, ended},
		{"DEFAULT_TIMEZONE is UTC", map[string]string{"QUIET_HOURS": "21:00-08:00"}, "jane@example.com", ended.Add(time.Hour)},
		{"DEFAULT_TIMEZONE", map[string]string{"QUIET_HOURS": "21:00-08:00", "DEFAULT_TIMEZONE": "Europe/Berlin"}, "jane@example.com", ended},
		{"DEFAULT_TIMEZONE, where it is day", map[string]string{"QUIET_HOURS": "21:00-08:00", "DEFAULT_TIMEZONE": "America/New_York"}, "jane@example.com", time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := newSchedule(settings(t, tt.env).Quiet)
			if err != nil {
				t.Fatal(err)
			}
			want := Verdict{}
			if !tt.want.IsZero() {
				want = Verdict{Action: Hold, Until: tt.want, Reason: QuietHours, Text: "quiet hours where the customer is"}
			}
			in := order()
			in.Recipient = tt.to
			got := ask(quietHours(s), in)
			if !got.Until.Equal(want.Until) {
				t.Errorf("until %s, want %s", got.Until, want.Until)
			}
			if got.Until = want.Until; got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}
