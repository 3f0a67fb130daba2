// Package quiet knows when not to write to a customer: quiet hours, by the clock where they are.
package quiet

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// Config says when customers are left alone.
type Config struct {
	// Window is when customers get no messages, by the clock where they are, as 21:00-08:00; empty for no quiet hours.
	Window string `env:"QUIET_HOURS"`
	// Events that wait for the end of the quiet hours; the others, receipts unless said otherwise, go out at any hour.
	Events []string `env:"QUIET_HOURS_EVENTS, default=order_create,order_update"`
	// DefaultTimezone is the IANA name of the zone of customers whose own is not known, as Europe/Berlin.
	DefaultTimezone string `env:"DEFAULT_TIMEZONE, default=UTC"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	var errs []error
	if c.Window != "" {
		_, err := parse(c.Window)
		errs = append(errs, err)
	}
	for _, name := range c.Events {
		if !event.Type(name).Known() {
			errs = append(errs, fmt.Errorf("QUIET_HOURS_EVENTS names the event %q: there are %s", name, event.Names()))
		}
	}
	if _, err := load(c.DefaultTimezone); err != nil {
		errs = append(errs, fmt.Errorf("DEFAULT_TIMEZONE is %q: set the IANA name of a zone, as Europe/Berlin or UTC", c.DefaultTimezone))
	}
	return errors.Join(errs...)
}

// window is a part of the day, in minutes since midnight by the local clock; one that ends before it begins goes over midnight.
type window struct{ begin, end int }

var windowForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])$`)

// parse reads QUIET_HOURS.
func parse(text string) (window, error) {
	if !windowForm.MatchString(text) {
		return window{}, fmt.Errorf("QUIET_HOURS is %q: set when they begin and end, as 21:00-08:00", text)
	}
	minutes := func(clock string) int {
		return 600*int(clock[0]-'0') + 60*int(clock[1]-'0') + 10*int(clock[3]-'0') + int(clock[4]-'0')
	}
	w := window{minutes(text[:5]), minutes(text[6:])}
	if w.begin == w.end {
		return window{}, fmt.Errorf("QUIET_HOURS is %q, which ends when it begins: set a part of the day, as 21:00-08:00, or nothing for no quiet hours", text)
	}
	return w, nil
}

func (w window) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.begin/60, w.begin%60, w.end/60, w.end%60)
}

// Hours are the quiet ones. It is safe for concurrent use; the nil one has none.
type Hours struct {
	window   window
	events   []string
	fallback *time.Location
	zones    sync.Map // locations by name; as many as there are zones
}

// New returns the quiet hours of a configuration; nil when it has none.
func New(c Config) (*Hours, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Window == "" {
		return nil, nil
	}
	w, err := parse(c.Window)
	if err != nil {
		return nil, err
	}
	fallback, err := load(c.DefaultTimezone)
	if err != nil {
		return nil, err
	}
	return &Hours{window: w, events: slices.Clone(c.Events), fallback: fallback}, nil
}

// Opens says whether a message has to wait, and until when; at is now when it has not. Staff is never spared. Where somebody is: in
// payloadZone (the payload's data.timezone) if there is such a zone, else in one of the zones of their number, else in DEFAULT_TIMEZONE. A
// number of several zones is quiet while it is quiet in any of them; zones so far apart that there is always one with quiet hours say
// nothing, and DEFAULT_TIMEZONE decides.
func (h *Hours) Opens(event string, audience message.Audience, to message.Address, payloadZone string, now time.Time) (at time.Time, quiet bool) {
	if h == nil || audience != message.Customer || !slices.Contains(h.events, event) {
		return now, false
	}
	at, found := h.open(h.where(to, payloadZone), now)
	if !found {
		at, _ = h.open([]*time.Location{h.fallback}, now)
	}
	return at, at.After(now)
}

// where returns the zones that somebody may be in, one at least.
func (h *Hours) where(to message.Address, payloadZone string) []*time.Location {
	if zone := h.zone(payloadZone); zone != nil {
		return []*time.Location{zone}
	}
	var zones []*time.Location
	for _, name := range zonesOf(to.Reveal()) {
		if zone := h.zone(name); zone != nil {
			zones = append(zones, zone)
		}
	}
	if len(zones) == 0 {
		zones = []*time.Location{h.fallback}
	}
	return zones
}

// zone returns a zone by name; nil when there is none.
func (h *Hours) zone(name string) *time.Location {
	if zone, known := h.zones.Load(name); known {
		return zone.(*time.Location) //nolint:forcetypeassert // stored below
	}
	zone, err := load(name)
	if err != nil {
		return nil
	}
	h.zones.Store(name, zone)
	return zone
}

// zoneName is the form of an IANA name (theory.html of the tz database, "Timezone identifiers"). Nothing else reaches the file system, nor
// the names by which Go means the machine's own zone.
var zoneName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]{1,31}(/[A-Za-z0-9_+-]{1,31}){0,2}$`)

func load(name string) (*time.Location, error) {
	if !zoneName.MatchString(name) || name == "Local" {
		return nil, errors.New("no name of a zone")
	}
	return time.LoadLocation(name)
}

// horizon is how far ahead a moment is sought that is quiet in none of some zones: after two days nothing new comes.
const horizon = 48 * time.Hour

// open returns the first moment from now on that is quiet in none of the zones; found is false when there is none.
func (h *Hours) open(zones []*time.Location, now time.Time) (at time.Time, found bool) {
	at = now
	for at.Sub(now) < horizon {
		before := at
		for _, zone := range zones {
			at = h.window.after(at, zone)
		}
		if at.Equal(before) {
			return at, true
		}
	}
	return now, false
}

// after returns t itself, or, when it is quiet in a zone then, the end of the quiet hours.
func (w window) after(t time.Time, zone *time.Location) time.Time {
	begin, end := t.In(zone).ZoneBounds()
	if (begin.IsZero() || t.Sub(begin) > undisturbed) && (end.IsZero() || end.Sub(t) > undisturbed) {
		return w.afterByClock(t, zone)
	}
	return w.afterByDates(t, zone)
}

// undisturbed is how far away the clocks have to be changed for a night to be like any other.
const undisturbed = 48 * time.Hour

// afterByClock is after where the clocks are not changed about then: nearly always, and ten times as fast.
func (w window) afterByClock(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second +
		time.Duration(local.Nanosecond())
	begin, end := time.Duration(w.begin)*time.Minute, time.Duration(w.end)*time.Minute
	switch {
	case clock < end && (begin <= clock || end < begin):
		return t.Add(end - clock)
	case begin <= clock && end < begin:
		return t.Add(24*time.Hour - clock + end)
	}
	return t
}

// afterByDates is after, whatever the clocks do.
func (w window) afterByDates(t time.Time, zone *time.Location) time.Time {
	year, month, today := t.In(zone).Date()
	// The quiet hours that t can be in began yesterday or today; one day more on either side where one is skipped (Samoa, 2011).
	for day := today - 2; day <= today+1; day++ {
		next := day
		if w.end < w.begin {
			next++
		}
		begin, _ := instants(year, month, day, w.begin, zone)
		_, end := instants(year, month, next, w.end, zone)
		if !t.Before(begin) && t.Before(end) {
			return end
		}
	}
	return t
}

// instants returns the first and the last moment at which a zone's clocks show a time. When clocks are put back they show it twice: quiet
// hours begin with the first and end with the last. When they are put forward they may skip it: then both are the moment of that.
func instants(year int, month time.Month, day, minute int, zone *time.Location) (first, last time.Time) {
	// Which of two it is, or on which side of the gap, is not said: the neighbours of its period have to be looked at.
	near := time.Date(year, month, day, 0, minute, 0, 0, zone)
	shown := time.Date(year, month, day, 0, minute, 0, 0, time.UTC)
	begin, end := near.ZoneBounds()
	periods := []time.Time{near}
	if !begin.IsZero() {
		periods = []time.Time{begin.Add(-time.Second), near}
	}
	if !end.IsZero() {
		periods = append(periods, end)
	}
	for _, in := range periods {
		_, offset := in.Zone()
		t := shown.Add(-time.Duration(offset) * time.Second).In(zone)
		if from, to := in.ZoneBounds(); t.Before(from) || !to.IsZero() && !t.Before(to) {
			continue
		}
		if first.IsZero() {
			first = t
		}
		last = t
	}
	if !first.IsZero() {
		return first, last
	}
	// Skipped: at whichever change of the period's clocks jump over it.
	for _, change := range []time.Time{begin, end} {
		if change.IsZero() {
			continue
		}
		_, before := change.Add(-time.Second).Zone()
		_, after := change.Zone()
		jump := shown.Sub(change)
		if jump >= time.Duration(before)*time.Second && jump < time.Duration(after)*time.Second {
			return change, change
		}
	}
	return near, near
}

// zonesOf returns the names of the zones that a number may be in; none when it is no number, or one that says nothing of it.
func zonesOf(number string) []string {
	digits, is := strings.CutPrefix(number, "+")
	if !is {
		return nil
	}
	for n := min(len(digits), longestPrefix); n > 0; n-- {
		if names, found := find(digits[:n]); found {
			return strings.Split(names, ",")
		}
	}
	return nil
}
