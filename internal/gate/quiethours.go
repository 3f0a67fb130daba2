package gate

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

// QuietConfig says when customers get no messages.
type QuietConfig struct {
	// Window is when customers get no messages, by the clock where they are, as 21:00-08:00; empty for no quiet hours.
	Window string `env:"QUIET_HOURS"`
	// Events that wait for the end of the quiet hours; the others, receipts unless set otherwise, go out at any hour.
	Events []event.Type `env:"QUIET_HOURS_EVENTS, default=order_create,order_update"`
	// DefaultTimezone is the IANA name of the time zone of customers whose own is not known, as Europe/Berlin.
	DefaultTimezone string `env:"DEFAULT_TIMEZONE, default=UTC"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *QuietConfig) Validate() error {
	var errs []error
	if c.Window != "" {
		_, err := parse(c.Window)
		errs = append(errs, err)
	}
	for _, name := range c.Events {
		errs = append(errs, known("QUIET_HOURS_EVENTS", name))
	}
	if _, err := load(c.DefaultTimezone); err != nil {
		errs = append(errs, fmt.Errorf("DEFAULT_TIMEZONE is %q: set the IANA name of a time zone, as Europe/Berlin or UTC", c.DefaultTimezone))
	}
	return errors.Join(errs...)
}

// quietHours holds a message until the quiet hours where its customer is have ended. The nil schedule has no quiet hours.
func quietHours(s *schedule) Stage {
	if s == nil {
		return nil
	}
	return func(in Input) Verdict {
		until, quiet := s.opens(in.Event, in.Audience, in.Recipient, in.Timezone, in.Now)
		if !quiet {
			return Verdict{}
		}
		return Verdict{Action: Hold, Until: until, Reason: QuietHours, Text: "quiet hours where the customer is"}
	}
}

// schedule is the quiet hours of a configuration. It is safe for concurrent use.
type schedule struct {
	window   window
	events   []event.Type
	fallback *time.Location
	zones    sync.Map // locations by name, as many as there are time zones
}

// newSchedule returns the quiet hours of a valid configuration; nil when it has none. Errors: as QuietConfig.Validate.
func newSchedule(c QuietConfig) (*schedule, error) {
	if c.Window == "" {
		return nil, nil
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	w, _ := parse(c.Window) // Validate has read both
	fallback, _ := load(c.DefaultTimezone)
	return &schedule{window: w, events: slices.Clone(c.Events), fallback: fallback}, nil
}

// opens says whether a message has to wait, and until when; at is now when it does not. Messages to staff never wait. The customer is in
// payloadZone (the event's time zone) if that is valid, else in one of the time zones of their number, else in DEFAULT_TIMEZONE. A number
// of several zones is quiet while it is quiet in any of them. Where those are so far apart that it is always quiet in one of them,
// DEFAULT_TIMEZONE decides.
func (s *schedule) opens(name event.Type, audience message.Audience, to message.Address, payloadZone string, now time.Time) (at time.Time, quiet bool) {
	if audience != message.Customer || !slices.Contains(s.events, name) {
		return now, false
	}
	at, found := s.window.open(s.where(to, payloadZone), now)
	if !found {
		at, _ = s.window.open([]*time.Location{s.fallback}, now)
	}
	return at, at.After(now)
}

// where returns the zones that a customer may be in, at least one.
func (s *schedule) where(to message.Address, payloadZone string) []*time.Location {
	if zone := s.zone(payloadZone); zone != nil {
		return []*time.Location{zone}
	}
	var zones []*time.Location
	for _, name := range zonesOf(to.Reveal()) {
		if zone := s.zone(name); zone != nil {
			zones = append(zones, zone)
		}
	}
	if len(zones) == 0 {
		zones = []*time.Location{s.fallback}
	}
	return zones
}

// zone returns a zone by name; nil for an invalid name.
func (s *schedule) zone(name string) *time.Location {
	if zone, known := s.zones.Load(name); known {
		return zone.(*time.Location) //nolint:forcetypeassert // stored below
	}
	zone, err := load(name)
	if err != nil {
		return nil
	}
	s.zones.Store(strings.Clone(name), zone) // the caller's string may be a piece of a whole event
	return zone
}

// zoneName is the form of an IANA name (theory.html of the tz database, "Timezone identifiers"). Nothing else reaches the file system, nor
// the names by which Go means the machine's own zone.
var zoneName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]{1,31}(/[A-Za-z0-9_+-]{1,31}){0,2}$`)

func load(name string) (*time.Location, error) {
	if !zoneName.MatchString(name) || name == "Local" {
		return nil, errors.New("invalid name of a time zone")
	}
	return time.LoadLocation(name)
}
