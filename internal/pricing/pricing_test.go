package pricing

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/message"
)

// read reads the variables as a program does.
func read(t *testing.T, env map[string]string) Config {
	t.Helper()
	var c Config
	if err := config.Read(t.Context(), envconfig.MapLookuper(env), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMicros(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Micros{
		"0": 0, "0.0079": 7900, "0.000001": 1, "50": 50e6, "12.5": 12_500_000, "0.10": 100_000, "007": 7e6, "1000000000": 1e15,
	} {
		if got, err := parse(text); err != nil || got != want {
			t.Errorf("%s is %d, want %d: %v", text, got, want, err)
		}
	}
	for _, text := range []string{"", ".", ".5", "5.", "-1", "+1", "1e3", "0.0000001", "1,5", " 1", "1000000000.000001", "99999999999", "0x1", "NaN", "１", "1.2.3"} {
		if got, err := parse(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
	for micros, want := range map[Micros]string{0: "0", 7900: "0.0079", 1: "0.000001", 50e6: "50", 12_500_000: "12.5", -7900: "-0.0079",
		math.MaxInt64: "9223372036854.775807", math.MinInt64: "-9223372036854.775808"} {
		if got := micros.String(); got != want {
			t.Errorf("%d is written %s, want %s", int64(micros), got, want)
		}
	}
	if got := Micros(7900).Units(); got != 0.0079 {
		t.Errorf("%g", got)
	}
}

func FuzzMicros(f *testing.F) {
	for _, text := range []string{"0.0079", "50", "1000000000", "0.0000001", "5.", "١"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parse(text)
		if err != nil {
			return
		}
		if again, err := parse(m.String()); err != nil || again != m || m < 0 || m > maxUnits*unit {
			t.Errorf("%q is %s, and that is %s: %v", text, m, again, err)
		}
	})
}

func TestCost(t *testing.T) {
	t.Parallel()
	table, err := NewTable(read(t, map[string]string{"PRICES": "sms=0.0079, sms:+44=0.04,sms:+447=0.05,sms:+1=0.0075,email=0.0004,whatsapp=0.005,whatsapp:+91=0"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		channel  message.Channel
		to       message.Address
		segments int
		want     Micros
	}{
		{message.SMS, "+4930901820", 1, 7900},
		{message.SMS, "+4930901820", 3, 23_700},
		{message.SMS, "+4930901820", 0, 7900},
		{message.SMS, "+442071838750", 2, 80_000},
		{message.SMS, "+447911123456", 1, 50_000},
		{message.SMS, "+12025550143", 1, 7500},
		{message.Email, "jane@example.com", 0, 400},
		{message.Email, "+1@example.com", 5, 400},
		{message.WhatsApp, "+4930901820", 7, 5000},
		{message.WhatsApp, "+919812345678", 1, 0},
		{message.WhatsApp, "+12025550143", 1, 5000},
	} {
		if got := table.Cost(tt.channel, tt.to, tt.segments); got != tt.want {
			t.Errorf("%s to %s, %d segments: %s, want %s", tt.channel, tt.to, tt.segments, got, tt.want)
		}
	}
	for _, free := range []*Table{nil, {}} {
		if got := free.Cost(message.SMS, "+12025550143", 1); got != 0 {
			t.Errorf("no prices: %s", got)
		}
	}
}

func TestCaps(t *testing.T) {
	t.Parallel()
	caps, err := NewCaps(read(t, map[string]string{"DAILY_CAP": "sms=50,sms/kiosk-7=10, sms/a=b/c=1,whatsapp/kiosk-7=0.5"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name            string
		caps            *Caps
		channel         message.Channel
		source          string
		channelSpent    Micros
		sourceSpent     Micros
		cost            Micros
		want            string // "" when none is reached
		limits, ofCause bool
	}{
		{"nothing spent", caps, message.SMS, "till", 0, 0, 7900, "", true, true},
		{"exactly the cap", caps, message.SMS, "till", 50e6 - 7900, 50e6 - 7900, 7900, "", true, true},
		{"a millionth more", caps, message.SMS, "till", 50e6 - 7899, 0, 7900, "sms", true, true},
		{"the source's", caps, message.SMS, "kiosk-7", 20e6, 10e6, 1, "sms/kiosk-7", true, true},
		{"another source's is no matter", caps, message.SMS, "kiosk-8", 20e6, 10e6, 1, "", true, true},
		{"both: the channel's", caps, message.SMS, "kiosk-7", 50e6, 10e6, 1, "sms", true, true},
		{"a source of any name", caps, message.SMS, "a=b/c", 1e6, 1e6, 1, "sms/a=b/c", true, true},
		{"only a source is limited", caps, message.WhatsApp, "till", 90e6, 90e6, 1, "", true, false},
		{"only a source is limited, and it is this", caps, message.WhatsApp, "kiosk-7", 90e6, 500_000, 1, "whatsapp/kiosk-7", true, true},
		{"a channel without", caps, message.Email, "kiosk-7", 90e6, 90e6, 1, "", false, false},
		{"what costs nothing goes", caps, message.SMS, "kiosk-7", 90e6, 90e6, 0, "", true, true},
		{"none at all", nil, message.SMS, "kiosk-7", 90e6, 90e6, 1, "", false, false},
		{"no overflow", caps, message.SMS, "till", math.MaxInt64, 0, 1, "sms", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, reached := tt.caps.Reached(tt.channel, tt.source, Spent{Channel: tt.channelSpent, Source: tt.sourceSpent}, tt.cost)
			if reached != (tt.want != "") || reached && got.Name() != tt.want {
				t.Errorf("reached (%t): %+v", reached, got)
			}
			if limits := tt.caps.Limits(tt.channel); limits != tt.limits {
				t.Errorf("Limits is %t", limits)
			}
			if of := tt.caps.Of(tt.channel, tt.source); (len(of) > 0) != tt.ofCause {
				t.Errorf("is under %v", of)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	c := read(t, map[string]string{
		"PRICES":         "sms,fax=1,sms=cheap,sms=1,sms=2,sms:44=1,sms:+1=1,sms:+1=2,email:+1=1,whatsapp=0.0000001,sms:+=1",
		"DAILY_CAP":      "sms,fax=1,sms=0,sms/=1,sms/a=1,sms/a=2,sms=-1",
		"PRICE_CURRENCY": "dollars",
	})
	err := c.Validate()
	for _, want := range []string{`PRICES has "sms":`, `"fax=1"`, `"sms=cheap"`, `"sms=2"`, `"sms:44=1"`, `"sms:+1=2"`, `"email:+1=1"`, `"whatsapp=0.0000001"`, `"sms:+=1"`,
		`DAILY_CAP has "sms":`, `DAILY_CAP has "fax=1"`, `"sms=0"`, `"sms/=1"`, `"sms/a=2"`, `"sms=-1"`, `PRICE_CURRENCY is "dollars"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in:\n%v", want, err)
		}
	}
	for _, right := range []string{`"sms=1"`, `"sms:+1=1"`, `"sms/a=1"`} {
		if strings.Contains(err.Error(), right) {
			t.Errorf("%s is right, and is in:\n%v", right, err)
		}
	}
	// A cap on what costs nothing would never be reached.
	c = read(t, map[string]string{"PRICES": "sms=0,email=0.0004", "DAILY_CAP": "sms=50,email=1"})
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "DAILY_CAP limits sms") || strings.Contains(err.Error(), "limits email") {
		t.Errorf("a cap without a price: %v", err)
	}
	for _, env := range []map[string]string{{}, {"PRICES": "sms:+44=0.04", "DAILY_CAP": "sms=50", "PRICE_CURRENCY": "EUR"}} {
		c := read(t, env)
		if err := c.Validate(); err != nil {
			t.Errorf("%v: %v", env, err)
		}
	}
}

func TestListOfCaps(t *testing.T) {
	t.Parallel()
	caps, err := NewCaps(Config{DailyCap: []string{"sms/kiosk-7=10", "sms=50", "sms/kiosk-1=1"}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, one := range caps.List(message.SMS) {
		names = append(names, one.Name()+"="+one.Most.String())
	}
	if got := strings.Join(names, " "); got != "sms=50 sms/kiosk-1=1 sms/kiosk-7=10" {
		t.Errorf("listed %s", got)
	}
	var none *Caps
	if n := len(caps.List(message.Email)) + len(none.List(message.SMS)); n != 0 {
		t.Errorf("%d caps of nothing", n)
	}
}

func TestDay(t *testing.T) {
	t.Parallel()
	// 20:30 in New York on the 14th is the 15th.
	at := time.Date(2026, 1, 14, 20, 30, 0, 0, time.FixedZone("", -5*3600))
	if got := Day(at); got != "2026-01-15" {
		t.Errorf("the day is %s", got)
	}
	for _, at := range []time.Time{at, time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 15, 23, 59, 59, 999, time.UTC)} {
		if got := DayEnds(at); !got.Equal(time.Date(2026, 1, 16, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("the day of %s ends %s", at, got)
		}
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	caps, err := NewCaps(Config{DailyCap: []string{"sms/kiosk-7=10"}})
	if err != nil {
		t.Fatal(err)
	}
	s := NewSources(caps)
	labels := make(chan string, 4*500)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				labels <- s.Label(fmt.Sprintf("till-%d", i))
			}
		})
	}
	wg.Wait()
	close(labels)
	distinct := map[string]bool{}
	for label := range labels {
		distinct[label] = true
	}
	// 99 beside the one with a cap, and the one for all others.
	if len(distinct) != maxSources || !distinct[otherSources] {
		t.Errorf("%d labels", len(distinct))
	}
	for source, want := range map[string]string{"kiosk-7": "kiosk-7", "late": "other", "": "none"} {
		if got := s.Label(source); got != want {
			t.Errorf("the label of %q is %q", source, got)
		}
	}
	fresh := NewSources(nil)
	if got := fresh.Label("caf\xe9"); got != "caf" {
		t.Errorf("not UTF-8: %q", got)
	}
	if got := fresh.Label(strings.Repeat("é", 100)); got != strings.Repeat("é", 32) {
		t.Errorf("a long one: %q", got)
	}
}

// TestLabelsKeepNoPayload: a label is a copy, the first time and later, since a source's name is a piece of its payload and labels stay.
func TestLabelsKeepNoPayload(t *testing.T) {
	t.Parallel()
	s := NewSources(nil)
	raw := []byte("till-1")
	source := unsafe.String(&raw[0], len(raw))
	first := s.Label(source)
	for _, label := range []string{first, s.Label(source)} {
		if label != "till-1" || unsafe.StringData(label) == unsafe.StringData(source) || unsafe.StringData(label) != unsafe.StringData(first) {
			t.Errorf("%q is not the one copy", label)
		}
	}
}

func BenchmarkCost(b *testing.B) {
	table, err := NewTable(Config{Prices: []string{"sms=0.0079", "sms:+44=0.04"}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		table.Cost(message.SMS, "+442071838750", 1)
	}
}
