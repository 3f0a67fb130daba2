package gate

import (
	"slices"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/suppress"
)

// suppression ends a message to a recipient who is on the suppression list. SUPPRESSION_EXEMPT_EVENTS go out all the same. With
// OPT_OUT_SCOPE=sender an entry holds for its own sender account alone; with channel it holds for all, until the person opts in at any of them.
func suppression(exempt []event.Type, scope string) Stage {
	return func(in Input) Verdict {
		if slices.Contains(exempt, in.Event) {
			return Verdict{}
		}
		for i := range in.Suppressions {
			if one := &in.Suppressions[i]; holds(one, scope, in.Sender) {
				return Verdict{Action: Suppress, Reason: Suppressed, Text: "the recipient is on the suppression list: " + string(one.Why)}
			}
		}
		return Verdict{}
	}
}

func holds(e *suppress.Entry, scope, sender string) bool {
	if scope == ScopeSender {
		return e.Of(sender)
	}
	return e.OptedIn.IsZero()
}
