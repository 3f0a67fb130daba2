package whatsapp_test

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/provider/whatsapp"
)

// TestReportCode: what the codes in statuses mean (developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes).
func TestReportCode(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]failure.Error{
		131026: {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "131026"},
		131047: {Class: failure.Permanent, Reason: failure.ReasonTemplate, Code: "131047"},
		131049: {Class: failure.Permanent, Reason: failure.ReasonQuota, Code: "131049"},
		131050: {Class: failure.Permanent, Reason: failure.ReasonOptedOut, Code: "131050"},
		131053: {Class: failure.Permanent, Reason: failure.ReasonContent, Code: "131053"},
		131056: {Class: failure.Throttled, Reason: failure.ReasonRateLimit, RecipientOnly: true, RetryAfter: 6 * time.Second, Code: "131056"},
		131000: {Class: failure.Transient, Reason: failure.ReasonOutage, Code: "131000"},
		131042: {Class: failure.Account, Reason: failure.ReasonBalance, Code: "131042"},
		0:      {Class: failure.Account, Reason: failure.ReasonCredentials, Code: "0"},
		217:    {Class: failure.Account, Reason: failure.ReasonCredentials, Code: "217"},
		// Nothing says that another try would help.
		999999: {Class: failure.Permanent, Reason: failure.ReasonUnreadable, Code: "999999"},
	} {
		got := whatsapp.ReportCode(code)
		got.Detail = ""
		if got != want {
			t.Errorf("%d: %+v, want %+v", code, got, want)
		}
	}
	if _, known := whatsapp.AnswerCode(999999); known {
		t.Error("999999 is known")
	}
}
