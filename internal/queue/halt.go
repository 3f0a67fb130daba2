package queue

import "strings"

// HaltKind is what keeps a channel from being claimed from.
type HaltKind string

// The kinds of Halt.
const (
	NotHalted     HaltKind = ""
	HaltedPause   HaltKind = "paused"  // an operator paused the channel
	HaltedBreaker HaltKind = "breaker" // the breaker of every provider is open
	HaltedForeign HaltKind = "foreign" // keys of the channel are of another type than ringup's
	HaltedUnknown HaltKind = "unknown" // the channel could not be asked, and others could
)

// Halt says why nothing may be claimed from a channel. The zero Halt says that nothing is in the way. In JSON it is one text, String's.
type Halt struct {
	Kind HaltKind
	Why  string // for people: the operator, the time and the reason; the provider and its error; the keys
}

// The texts that tell one kind from another: only this file reads them.
const (
	pausedPrefix  = "paused "
	foreignPrefix = "not ringup's, by its type: "
	unknownPrefix = "nothing is known: "
)

// ForeignKeys returns h with the names of keys that are not ringup's; h itself when there are none. A channel that is halted already keeps
// its kind.
func (h Halt) ForeignKeys(names []string) Halt {
	if len(names) == 0 {
		return h
	}
	keys := strings.Join(names, ", ")
	if h.Kind == NotHalted {
		return Halt{HaltedForeign, keys}
	}
	h.Why += "; " + foreignPrefix + keys
	return h
}

// String is the halt for people, as "paused by ann at 2026-01-31T12:00:00Z: wrong text"; "" when nothing is in the way.
func (h Halt) String() string {
	switch h.Kind {
	case HaltedPause:
		return pausedPrefix + h.Why
	case HaltedForeign:
		return foreignPrefix + h.Why
	case HaltedUnknown:
		return unknownPrefix + h.Why
	}
	return h.Why
}

// MarshalText implements encoding.TextMarshaler.
func (h Halt) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: it reads what String wrote. Every text that is not empty is a halt.
func (h *Halt) UnmarshalText(text []byte) error {
	*h = Halt{HaltedBreaker, string(text)}
	if h.Why == "" {
		*h = Halt{}
	} else if why, found := strings.CutPrefix(h.Why, pausedPrefix); found {
		*h = Halt{HaltedPause, why}
	} else if why, found := strings.CutPrefix(h.Why, foreignPrefix); found {
		*h = Halt{HaltedForeign, why}
	} else if why, found := strings.CutPrefix(h.Why, unknownPrefix); found {
		*h = Halt{HaltedUnknown, why}
	}
	return nil
}
