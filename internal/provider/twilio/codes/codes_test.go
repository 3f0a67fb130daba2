package codes_test

import (
	"testing"

	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/twilio/codes"
)

// TestReport: what the codes of a status callback mean (twilio.com/docs/api/errors).
func TestReport(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]provider.Error{
		30001: {Class: provider.Throttled, Reason: provider.ReasonRateLimit, Code: "30001"},
		30002: {Class: provider.Account, Reason: provider.ReasonSuspended, Code: "30002"},
		30003: {Class: provider.Transient, Reason: provider.ReasonRecipient, Code: "30003"},
		30004: {Class: provider.Permanent, Reason: provider.ReasonRecipient, Code: "30004"},
		30005: {Class: provider.Permanent, Reason: provider.ReasonRecipient, Code: "30005"},
		30006: {Class: provider.Permanent, Reason: provider.ReasonRecipient, Code: "30006"},
		30007: {Class: provider.Permanent, Reason: provider.ReasonContent, Code: "30007"},
		30008: {Class: provider.Transient, Reason: provider.ReasonOutage, Code: "30008"},
		// Those of an answer arrive later too.
		21610: {Class: provider.Permanent, Reason: provider.ReasonOptedOut, Suppress: true, Code: "21610"},
		63016: {Class: provider.Permanent, Reason: provider.ReasonTemplate, Code: "63016"},
		63018: {Class: provider.Throttled, Reason: provider.ReasonRateLimit, Code: "63018"},
		// Nothing says that another try would help.
		39999: {Class: provider.Permanent, Reason: provider.ReasonUnreadable, Code: "39999"},
		0:     {Class: provider.Permanent, Reason: provider.ReasonUnreadable},
	} {
		got := codes.Report(code)
		got.Detail = ""
		if got != want {
			t.Errorf("%d: %+v, want %+v", code, got, want)
		}
	}
}

// TestAnswer: an answer has no codes of the network; those that nobody knows are left to the HTTP status.
func TestAnswer(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]bool{21610: true, 21609: true, 30007: true, 30003: false, 39999: false, 0: false} {
		if _, known := codes.Answer(code); known != want {
			t.Errorf("%d is known: %t", code, known)
		}
	}
}
