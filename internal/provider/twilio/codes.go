package twilio

import (
	"strconv"

	"ringup.dev/ringup/internal/failure"
)

// AnswerCode says what a code means in an answer of the API; false for an unknown code, which goes by UnknownCode, and then by the HTTP status.
func AnswerCode(code int) (failure.Error, bool) {
	meaning, known := answers[code]
	return meaning, known
}

// UnknownCode says what an unknown code of an answer is likely to be about: the account or the sender, by the ranges that Twilio numbers such codes
// in. Then it may concern every message, so that it counts towards the breaker; but it may also concern one, so that it is tried again, and spends
// attempts. False for any other code.
func UnknownCode(code int) (failure.Error, bool) {
	switch {
	case code >= 10000 && code < 11000, code >= 20002 && code < 20400, code >= 90000 && code < 91000:
		return unknownAccount, true
	// Phone numbers and messaging services, campaigns and brands, channels and their senders.
	case code >= 21630 && code < 21900, code >= 30400 && code < 31000, code >= 63000 && code < 64000:
		return unknownSender, true
	}
	return failure.Error{}, false
}

var (
	unknownAccount = failure.Error{Class: failure.Transient, Reason: failure.ReasonCredentials, Detail: "an unknown code, perhaps of the account"}
	unknownSender  = failure.Error{Class: failure.Transient, Reason: failure.ReasonSender, Detail: "an unknown code, perhaps of the sender"}
)

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
	request     = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}
	template    = failure.Error{Class: failure.Permanent, Reason: failure.ReasonTemplate}
	optedOut    = failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true}
	outage      = failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
	throttled   = failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}
	credentials = failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}
	suspended   = failure.Error{Class: failure.Account, Reason: failure.ReasonSuspended}
	quota       = failure.Error{Class: failure.Account, Reason: failure.ReasonQuota}
	sender      = failure.Error{Class: failure.Account, Reason: failure.ReasonSender}
	service     = detailed(sender, "the messaging service cannot send")
	registered  = failure.Error{Class: failure.Permanent, Reason: failure.ReasonSender, Detail: "the network wants the sender registered in that country"}
)

// detailed is a meaning with an explanation.
func detailed(meaning failure.Error, detail string) failure.Error {
	meaning.Detail = detail
	return meaning
}

// answers are the codes that an answer can have, of Twilio's list of codes (twilio.com/docs/api/errors) as of 2025-02-22, and of its pages of later
// codes. TestTheList says which codes of the list for messaging are not here.
var answers = map[int]failure.Error{
	21211: recipient, 21214: recipient, 21217: recipient, 21266: recipient, 21604: recipient, 21612: recipient, 21614: recipient, 21635: recipient,
	63003: recipient, 63024: recipient, 63031: recipient, 63032: recipient, 63036: recipient,
	// A trial account, or an account without an approved profile, reaches verified numbers only; those still work.
	21608: detailed(recipient, "the number is not verified, and the account may send to verified ones only"),
	63015: detailed(recipient, "the number has not joined the WhatsApp sandbox"),

	21602: content, 21605: content, 21617: content, 21618: content, 21619: content, 21620: content, 21623: content, 21652: content, 21658: content,
	30007: content, 30011: content, 30019: content, 30038: content, 30039: content, 30044: content,
	63005: content, 63006: content, 63013: content, 63019: content, 63021: content, 63026: content, 63034: content, 63037: content,

	21610: optedOut, 30630: optedOut, 63014: optedOut, 63033: optedOut,

	21408: {Class: failure.Permanent, Reason: failure.ReasonRegion, Detail: "the country is not enabled in Geo Permissions"},

	63016: detailed(template, "outside the 24-hour window: an approved template is needed"),
	21654: template, 21655: template, 21656: template, 63027: template, 63028: template, 63029: template, 63030: template, 63040: template,
	63041: template, 63042: template, 63052: template, 216602: template,

	20001: request, 20404: request, 20410: request, 20413: request, 20422: request, 20423: request, 21624: request, 21626: request, 21627: request, 21902: request, 30010: request,
	21218: request, 21653: request, 30012: request, 30013: request, 30014: request, 30015: request, 30016: request, 30028: request, 30029: request,
	30030: request, 30031: request, 63011: request,

	20500: outage, 20503: outage, 20504: outage, 21730: detailed(outage, "Twilio is under maintenance"), 30500: outage,
	63009: outage, 63010: outage, 63012: outage, 63023: outage,

	// "Never processed and always safe to retry" (20429).
	20429: throttled, 21611: throttled, 30022: throttled, 63017: throttled, 63018: throttled,

	20003: credentials, 20006: credentials, 20008: credentials, 20010: credentials, 20101: credentials, 20151: credentials, 70051: credentials,
	63001: credentials,
	10001: suspended, 20403: suspended, 30002: suspended, 30037: suspended, 63020: suspended, 63051: suspended, 90010: suspended,
	20005: {Class: failure.Account, Reason: failure.ReasonBalance, Detail: "the account is inactive or without funds"},
	30023: quota, 30027: quota, 30454: quota, 63038: quota,
	// Meta's cap on marketing to one person, which opens after a day at the earliest.
	63049: {Class: failure.Permanent, Reason: failure.ReasonQuota, Detail: "Meta delivers no more marketing messages to this person for now"},

	21212: sender, 21601: sender, 21603: sender, 21606: sender, 21607: sender, 21613: sender, 21616: sender, 21621: sender, 21622: sender, 21657: sender, 21659: sender,
	21660: sender, 21661: sender, 30032: sender, 30033: sender, 30034: sender, 30035: sender, 63002: sender, 63007: sender, 63008: sender,
	63022: sender, 63109: sender, 63111: sender,
	21701: service, 21702: service, 21703: service, 21704: service, 21705: service, 21708: service, 21709: service, 21715: service,
	21910: detailed(sender, "the sender is of another channel than the recipient"),
	63112: detailed(sender, "Meta disabled the WhatsApp account of the sender"),
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
	30020: outage, 30021: outage,
	30017: detailed(outage, "the network is congested"),
	30036: detailed(outage, "the network did not take it in time"),
	30410: detailed(outage, "the network did not answer in time"),
	// The network wants the sender's name or number registered with it, as it does of every message of the sender to that country.
	30018: registered, 30024: registered, 30040: registered, 30041: registered, 30042: registered,
}
