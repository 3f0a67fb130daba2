package whatsapp

import (
	"strconv"
	"time"

	"ringup.dev/ringup/internal/failure"
)

// InvalidParameter is the code of several failures; its subcode tells them apart.
const InvalidParameter = 100

// pairPause is the pace of messages to one person: one in six seconds (Cloud API overview, "Pair rate limits").
const pairPause = 6 * time.Second

// AnswerCode says what a code means; false for an unknown code.
func AnswerCode(code int) (failure.Error, bool) {
	meaning, known := codes[code]
	if !known && code >= 200 && code <= 299 {
		return credentials, true // permissions
	}
	return meaning, known
}

// UnknownCode says what an unknown code of an answer is likely to be about: the number that messages come from, by the range in which Meta numbers
// the codes of registration. Then it may concern every message, so that it counts towards the breaker; but it may also concern one, so that it is
// tried again, and spends attempts. False for any other code.
func UnknownCode(code int) (failure.Error, bool) {
	if code >= 133000 && code < 134000 {
		return failure.Error{Class: failure.Transient, Reason: failure.ReasonSender, Detail: "an unknown code, perhaps of the number"}, true
	}
	return failure.Error{}, false
}

// ReportCode says what a code means in the status of a message that failed, the code included. An unknown code is permanent, since nothing says
// that another try would help.
func ReportCode(code int) failure.Error {
	meaning, known := AnswerCode(code)
	if !known {
		meaning = failure.Error{Class: failure.Permanent, Reason: failure.ReasonUnreadable, Detail: "it failed for an unknown reason"}
	}
	meaning.Code = strconv.Itoa(code)
	return meaning
}

// The meanings of the codes.
var (
	recipient   = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
	content     = failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent}
	request     = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}
	approved    = failure.Error{Class: failure.Permanent, Reason: failure.ReasonTemplate}
	region      = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRegion}
	outage      = failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
	throttled   = failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}
	credentials = failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}
	suspended   = failure.Error{Class: failure.Account, Reason: failure.ReasonSuspended}
	sender      = failure.Error{Class: failure.Account, Reason: failure.ReasonSender}
)

// codes are Meta's (developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes), as of 2026-05-15. TestTheList says which
// of them are not here.
var codes = map[int]failure.Error{
	131021: recipient, 131026: recipient, 130472: recipient,
	InvalidParameter: request, 131008: request, 131009: request,
	131051: content, 131052: content, 131053: content, 135000: content,

	131047: {Class: failure.Permanent, Reason: failure.ReasonTemplate, Detail: "outside the 24-hour window: an approved template is needed"},
	132000: approved, 132001: approved, 132005: approved, 132007: approved, 132012: approved, 132015: approved, 132016: approved,
	132018: approved, 132068: approved, 132069: approved, 134102: approved,

	// They stopped marketing; receipts and the like are another category, so the person is not suppressed.
	131050: {Class: failure.Permanent, Reason: failure.ReasonOptedOut, Detail: "the person stopped marketing messages"},
	// Meta asks to wait a day at least, after which no till's message is of use.
	131049: {Class: failure.Permanent, Reason: failure.ReasonQuota, Detail: "Meta delivers no more marketing messages to this person for now"},
	130497: region,

	1: outage, 2: outage, 131000: outage, 131016: outage, 131057: outage, 133004: outage,

	4: throttled, 80007: throttled, 130429: throttled,
	131056: {Class: failure.Throttled, Reason: failure.ReasonRateLimit, RecipientOnly: true, RetryAfter: pairPause},

	0: credentials, 3: credentials, 10: credentials, 190: credentials, 131005: credentials,
	368: suspended, 131031: suspended,
	131042: {Class: failure.Account, Reason: failure.ReasonBalance},
	131048: {Class: failure.Account, Reason: failure.ReasonQuota, Detail: "the number's spam limit is reached"},
	131037: {Class: failure.Account, Reason: failure.ReasonSender, Detail: "the number's display name is not approved"},
	33:     sender, 131045: sender, 133010: sender,
}
