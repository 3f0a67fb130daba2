package sendgrid

import (
	"strings"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/suppress"
)

// bounce says why an e-mail came back. A blocked one is refused this time only; SendGrid puts the address of any other on its list and drops
// later messages (twilio.com/docs/sendgrid/ui/sending-email/bounces).
func (e *event) bounce() *failure.Error {
	why := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: failure.Code(e.Status), Suppress: true, Detail: "it bounced"}
	if e.Type != "blocked" {
		return why
	}
	why.Class, why.Suppress, why.Detail = failure.Transient, false, "the receiving server refused it for now"
	switch strings.ToLower(e.Classification) {
	case "content":
		// The same text would be refused again.
		why.Class, why.Reason = failure.Permanent, failure.ReasonContent
	case "reputation":
		why.Reason = failure.ReasonSender
	case "frequency or volume too high", "frequency/volume":
		why.Reason = failure.ReasonRateLimit
	case "technical", "technical failure":
		why.Reason = failure.ReasonNetwork
	}
	return why
}

// drop says why SendGrid did not even try. Where the address is on one of SendGrid's lists, it says why it is to be suppressed; otherwise "".
func (e *event) drop() (*failure.Error, suppress.Why) {
	why := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
	listed := func(reason failure.Reason, list suppress.Why, detail string) (*failure.Error, suppress.Why) {
		why.Reason, why.Suppress, why.Detail = reason, true, detail
		return why, list
	}
	switch reason := strings.ToLower(e.Reason); {
	case strings.Contains(reason, "unsubscribed"):
		return listed(failure.ReasonOptedOut, suppress.Unsubscribe, "the address is on SendGrid's list of unsubscribes")
	case strings.Contains(reason, "spam reporting"):
		return listed(failure.ReasonOptedOut, suppress.Complaint, "the address is on SendGrid's list of spam reports")
	case strings.Contains(reason, "bounced address"):
		return listed(failure.ReasonRecipient, suppress.HardBounce, "the address is on SendGrid's list of bounces")
	case reason == "invalid":
		return listed(failure.ReasonRecipient, suppress.HardBounce, "the address is on SendGrid's list of invalid addresses")
	case strings.Contains(reason, "package quota"):
		why.Class, why.Reason, why.Detail = failure.Account, failure.ReasonQuota, "more recipients than the package has"
	case strings.Contains(reason, "spam content"):
		why.Reason, why.Detail = failure.ReasonContent, "SendGrid's spam checker refused it"
	case strings.Contains(reason, "smtpapi"):
		why.Reason, why.Detail = failure.ReasonRequest, "SendGrid cannot read the request"
	default:
		why.Reason, why.Detail = failure.ReasonUnreadable, "SendGrid dropped it"
	}
	return why, ""
}
