package gate

import (
	"slices"

	"ringup.dev/ringup/internal/event"
)

// suppression ends a message to a recipient who is on the suppression list. SUPPRESSION_EXEMPT_EVENTS go out all the same, and with
// OPT_OUT_SCOPE=sender an entry that names one of our senders holds for that one alone.
func suppression(exempt []event.Type, scope string) Stage {
	return func(in Input) Verdict {
		entry := in.Suppression
		if entry == nil || slices.Contains(exempt, in.Event) {
			return Verdict{}
		}
		if scope == ScopeSender && entry.Sender != "" && entry.Sender != in.Sender {
			return Verdict{}
		}
		return Verdict{Action: Suppress, Reason: Suppressed, Text: "the recipient is on the suppression list: " + string(entry.Why)}
	}
}
