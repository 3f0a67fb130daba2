package gate

import (
	"fmt"
	"regexp"
	"time"
)

// window is a part of the day, in minutes since midnight by the local clock; one that ends before it begins goes past midnight.
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

// horizon is how far ahead open looks: after two days the hours of all zones repeat.
const horizon = 48 * time.Hour

// open returns the first moment from now on that is quiet in none of the zones; found is false when there is no such moment.
func (w window) open(zones []*time.Location, now time.Time) (at time.Time, found bool) {
	at = now
	for at.Sub(now) < horizon {
		before := at
		for _, zone := range zones {
			at = w.after(at, zone)
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

// undisturbed is how far away a change of the clocks has to be for a night to be like any other.
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

// instants returns the first and the last moment at which a zone's clocks show a time. Clocks that are put back show it twice: quiet hours
// begin with the first and end with the last. Clocks that are put forward may skip it: then both are the moment of the change.
func instants(year int, month time.Month, day, minute int, zone *time.Location) (first, last time.Time) {
	// time.Date does not say which of two it returns, or on which side of the gap, so the periods before and after count too.
	guess := time.Date(year, month, day, 0, minute, 0, 0, zone)
	shown := time.Date(year, month, day, 0, minute, 0, 0, time.UTC)
	begin, end := guess.ZoneBounds()
	periods := []time.Time{guess}
	if !begin.IsZero() {
		periods = []time.Time{begin.Add(-time.Second), guess}
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
	// Skipped: it is one of the period's changes that jumps over it.
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
	return guess, guess
}
