package twilio_test

import (
	"testing"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/provider/twilio"
)

// TestReportCode: what the codes of a status callback mean (twilio.com/docs/api/errors).
func TestReportCode(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]failure.Error{
		30001: {Class: failure.Throttled, Reason: failure.ReasonRateLimit, Code: "30001"},
		30002: {Class: failure.Account, Reason: failure.ReasonSuspended, Code: "30002"},
		30003: {Class: failure.Transient, Reason: failure.ReasonRecipient, Code: "30003"},
		30004: {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "30004"},
		30005: {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "30005"},
		30006: {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "30006"},
		30007: {Class: failure.Permanent, Reason: failure.ReasonContent, Code: "30007"},
		30008: {Class: failure.Transient, Reason: failure.ReasonOutage, Code: "30008"},
		// Those of an answer arrive later too.
		21610: {Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true, Code: "21610"},
		63016: {Class: failure.Permanent, Reason: failure.ReasonTemplate, Code: "63016"},
		63018: {Class: failure.Throttled, Reason: failure.ReasonRateLimit, Code: "63018"},
		// Nothing says that another try would help.
		39999: {Class: failure.Permanent, Reason: failure.ReasonUnreadable, Code: "39999"},
		0:     {Class: failure.Permanent, Reason: failure.ReasonUnreadable},
	} {
		got := twilio.ReportCode(code)
		got.Detail = ""
		if got != want {
			t.Errorf("%d: %+v, want %+v", code, got, want)
		}
	}
}

// TestAnswerCode: an answer has no codes of the network; unknown ones are left to the HTTP status.
func TestAnswerCode(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]bool{21610: true, 21609: true, 30007: true, 30003: false, 39999: false, 0: false} {
		if _, known := twilio.AnswerCode(code); known != want {
			t.Errorf("%d is known: %t", code, known)
		}
	}
}
