package pages

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
)

// The outcomes, besides the names of actions, that a page tells of.
const (
	doneSuppressed      = "suppressed"
	doneSuppressedSame  = "suppressed-already"
	doneUnsuppressed    = "unsuppressed"
	doneUnsuppressedNot = "not-suppressed"
	doneUnsuppressedOne = "entry-unsuppressed"
	doneImported        = "imported"
	doneTest            = "test"
	doneReplayed        = "replayed"
	doneDropped         = "aside-deleted"
)

// outcome is what a page tells of after a change. It travels in the address of the page, as <what>.<channel>.<numbers>: a code, since a
// stranger who makes an address may put any text into it.
type outcome struct {
	what    string
	channel message.Channel
	n, rest int // jobs or addresses; rest is above 0 where there may be more, or of an import: that were on the list
}

// String is the code.
func (o outcome) String() string {
	return fmt.Sprintf("%s.%s.%d.%d", o.what, o.channel, o.n, o.rest)
}

// parseOutcome reads a code; false for any other text.
func parseOutcome(code string) (o outcome, ok bool) {
	parts := strings.Split(code, ".")
	if len(parts) != 4 {
		return o, false
	}
	var errs [3]error
	o.what = parts[0]
	o.channel, errs[0] = message.ParseChannel(parts[1])
	o.n, errs[1] = strconv.Atoi(parts[2])
	o.rest, errs[2] = strconv.Atoi(parts[3])
	return o, errs == [3]error{} && o.n >= 0 && o.rest >= 0
}

// doneText is what a page's address says has been done; "" when it says nothing.
func doneText(q url.Values) string {
	o, ok := parseOutcome(q.Get("done"))
	if !ok {
		return ""
	}
	more := ""
	if o.rest > 0 {
		more = " There may be more: do it again."
	}
	switch o.what {
	case admin.ActionRetry:
		return admin.Plural(o.n, "job") + " put back to be sent." + more
	case admin.ActionSendAgain:
		if o.n == 0 {
			return "The message is in the queue already."
		}
		return "The message is in the queue again: this is its job."
	case admin.ActionDelete, admin.ActionPurge:
		return admin.Plural(o.n, "job") + " deleted." + more
	case admin.ActionPause:
		return fmt.Sprintf("%s is paused.", o.channel)
	case admin.ActionResume:
		return fmt.Sprintf("%s is resumed.", o.channel)
	case admin.ActionOpenBreaker:
		return fmt.Sprintf("The breaker is open on %s.", o.channel)
	case admin.ActionCloseBreaker:
		return fmt.Sprintf("The breaker is closed on %s.", o.channel)
	case doneSuppressed:
		return fmt.Sprintf("The address is suppressed on %s from now on.", o.channel)
	case doneSuppressedSame:
		return fmt.Sprintf("The address was suppressed on %s already.", o.channel)
	case doneUnsuppressed:
		return fmt.Sprintf("The address is not suppressed on %s any more.", o.channel)
	case doneUnsuppressedOne:
		return fmt.Sprintf("The entry is not on the list of %s any more.", o.channel)
	case doneUnsuppressedNot:
		return fmt.Sprintf("The address was not suppressed on %s.", o.channel)
	case doneTest:
		return fmt.Sprintf("The test is in the queue of %s.", o.channel)
	case doneReplayed:
		return admin.Plural(o.n, "webhook") + " will be read again within a second or two. What still cannot be read stays here."
	case doneDropped:
		return admin.Plural(o.n, "webhook") + " deleted."
	case doneImported:
		return fmt.Sprintf("%s added; on the list already: %s.", admin.Plural(o.n, "address"), admin.Thousands(int64(o.rest)))
	}
	return ""
}
