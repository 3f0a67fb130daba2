package admin

import (
	"cmp"
	"strconv"
	"strings"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/store"
)

// stateNames are the states as operators read them.
var stateNames = map[queue.State]string{
	queue.Waiting: "waiting", queue.Retrying: "retrying", queue.Scheduled: "scheduled", queue.InFlight: "in flight", queue.Failed: "failed", queue.Completed: "completed",
}

// StateName is a state as operators read it, as "in flight"; "" for a text that is no state.
func StateName(s queue.State) string { return stateNames[s] }

// StatusName is the status of a notification as operators read it, as "in flight".
func StatusName(s queue.Status) string {
	switch s {
	case queue.StatusScheduled:
		return "scheduled"
	case queue.StatusSending:
		return "in flight"
	}
	return string(s)
}

// reported are the events that providers report, as operators read them.
var reported = map[string]string{"handed_on": "handed on", "delivered": "delivered", "read": "read", "undelivered": "not delivered"}

// otherEvents are events that operators read by another name than programs.
var otherEvents = map[string]string{"held": "scheduled", "moved": "fell back to another channel", "lost": "worker lost"}

// EventName is an event of a history as operators read it, as "handed on".
func EventName(what string) string { return cmp.Or(reported[what], otherEvents[what], what) }

// Reported says whether an event of a history is one that providers report.
func Reported(what string) bool { return reported[what] != "" }

// MovedTo returns the job on another channel that a message fell back to; "" for none.
func MovedTo(n *queue.Notification) string {
	for _, e := range n.History {
		if e.What != "moved" {
			continue
		}
		if e.Channel == "" {
			return e.Error // 0.1.0 wrote the job's id there, and no channel
		}
		return job.ID(n.ID, e.Channel, 1)
	}
	return ""
}

// stateList lists states as the API calls them.
func stateList(states ...queue.State) string {
	var names []string
	for _, s := range states {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// EventNames are the event types that have a priority by default, with commas between; "" for a priority that none has.
func EventNames(priority int) string {
	var names []string
	for _, t := range event.Types {
		if store.DefaultPriorities[t] == priority {
			names = append(names, string(t))
		}
	}
	return strings.Join(names, ", ")
}

// Thousands groups digits: 1,234,567.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural counts things, as "1 address" and "2,000 addresses".
func Plural(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "s"):
		thing += "es"
	default:
		thing += "s"
	}
	return Thousands(int64(n)) + " " + thing
}

// clip cuts a text that a person typed, and takes control characters out.
func clip(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	runes := []rune(text)
	return string(runes[:min(len(runes), limit)])
}

// BreakerName is the state of a provider's breaker as operators read it, as "breaker open"; a provider that answered 429 is "throttled".
func BreakerName(b queue.BreakerState) string {
	if b.State == queue.BreakerThrottled {
		return "throttled"
	}
	return "breaker " + b.State
}
