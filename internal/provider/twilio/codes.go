package twilio

import (
	"strconv"

	"ringup.dev/ringup/internal/failure"
)

// AnswerCode says what a code means in an answer of the API; false for an unknown code, which goes by the HTTP status.
func AnswerCode(code int) (failure.Error, bool) {
	meaning, known := answers[code]
	return meaning, known
}

// ReportCode says what a code means in a status callback of a message that failed, the code included; 0 stands for no code. By then Twilio has
// tried: a passing fault may be over at another try. An unknown code is permanent, since nothing says that another try would help.
func ReportCode(code int) failure.Error {
	meaning, known := reports[code]
	if !known {
		meaning, known = answers[code]
	}
	if !known {
		meaning = failure.Error{Class: failure.Permanent, Reason: failure.ReasonUnreadable, Detail: "it failed for an unknown reason"}
	}
	if code != 0 {
		meaning.Code = strconv.Itoa(code)
	}
	return meaning
}

// The meanings of the codes.
var (
	recipient   = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
	content     = failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent}
	template    = failure.Error{Class: failure.Permanent, Reason: failure.ReasonTemplate}
	optedOut    = failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true}
	outage      = failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
	throttled   = failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}
	credentials = failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}
	suspended   = failure.Error{Class: failure.Account, Reason: failure.ReasonSuspended}
	quota       = failure.Error{Class: failure.Account, Reason: failure.ReasonQuota}
	sender      = failure.Error{Class: failure.Account, Reason: failure.ReasonSender}
)

// detailed is a meaning with an explanation.
func detailed(meaning failure.Error, detail string) failure.Error {
	meaning.Detail = detail
	return meaning
}

// answers are the codes that an answer can have (twilio.com/docs/api/errors).
var answers = map[int]failure.Error{
	21211: recipient, 21217: recipient, 21604: recipient, 21612: recipient, 21614: recipient, 21619: recipient,
	63003: recipient, 63024: recipient, 63031: recipient, 63032: recipient,
	// A trial account, or an account without an approved profile, reaches verified numbers only; those still work.
	21608: detailed(recipient, "the number is not verified, and the account may send to verified ones only"),
	63015: detailed(recipient, "the number has not joined the WhatsApp sandbox"),

	21602: content, 21617: content, 21620: content, 30007: content, 63005: content, 63006: content, 63013: content, 63021: content,

	21610: optedOut, 63014: optedOut,

	21408: {Class: failure.Permanent, Reason: failure.ReasonRegion, Detail: "the country is not enabled in Geo Permissions"},

	63016: detailed(template, "outside the 24-hour window: an approved template is needed"),
	63027: template, 63028: template, 63029: template, 63030: template,

	20500: outage, 20503: outage, 63012: outage, 63023: outage,

	// "Never processed and always safe to retry" (20429).
	20429: throttled, 21611: throttled, 30022: throttled, 63017: throttled, 63018: throttled,

	20003: credentials, 20006: credentials, 20008: credentials, 70051: credentials, 63001: credentials,
	10001: suspended, 20403: suspended, 90010: suspended, 63020: suspended,
	20005: {Class: failure.Account, Reason: failure.ReasonBalance, Detail: "the account is inactive or without funds"},
	30023: quota, 63038: quota,

	21212: sender, 21601: sender, 21603: sender, 21606: sender, 30034: sender, 63002: sender, 63007: sender, 63022: sender,
	// No message would go out until the setting is right, so they wait.
	21609: detailed(sender, "PUBLIC_URL is no address that Twilio can report to"),
}

// reports are the codes that only a status callback has (twilio.com/docs/sms/api/message-resource, "Delivery-related errors").
var reports = map[int]failure.Error{
	30001: detailed(throttled, "the sender's queue was full"),
	30002: detailed(suspended, "the account was suspended after the message was queued"),
	30003: {Class: failure.Transient, Reason: failure.ReasonRecipient, Detail: "the handset is off or out of reach"},
	30004: detailed(recipient, "the number blocks the message, or may not get any"),
	30005: detailed(recipient, "the number is not in use"),
	30006: detailed(recipient, "a landline, or a network that cannot be reached"),
	30007: detailed(content, "filtered as spam, by Twilio or by the network"),
	30008: detailed(outage, "the network gave no reason"),
}
