package codes_test

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/whatsapp/codes"
)

// TestReport: what the codes in statuses mean (developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes).
func TestReport(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]provider.Error{
		131026: {Class: provider.Permanent, Reason: provider.ReasonRecipient, Code: "131026"},
		131047: {Class: provider.Permanent, Reason: provider.ReasonTemplate, Code: "131047"},
		131049: {Class: provider.Permanent, Reason: provider.ReasonQuota, Code: "131049"},
		131050: {Class: provider.Permanent, Reason: provider.ReasonOptedOut, Code: "131050"},
		131053: {Class: provider.Permanent, Reason: provider.ReasonContent, Code: "131053"},
		131056: {Class: provider.Throttled, Reason: provider.ReasonRateLimit, RecipientOnly: true, RetryAfter: 6 * time.Second, Code: "131056"},
		131000: {Class: provider.Transient, Reason: provider.ReasonOutage, Code: "131000"},
		131042: {Class: provider.Account, Reason: provider.ReasonBalance, Code: "131042"},
		0:      {Class: provider.Account, Reason: provider.ReasonCredentials, Code: "0"},
		217:    {Class: provider.Account, Reason: provider.ReasonCredentials, Code: "217"},
		// Nothing says that another try would help.
		999999: {Class: provider.Permanent, Reason: provider.ReasonUnreadable, Code: "999999"},
	} {
		got := codes.Report(code)
		got.Detail = ""
		if got != want {
			t.Errorf("%d: %+v, want %+v", code, got, want)
		}
	}
	if _, known := codes.Answer(999999); known {
		t.Error("999999 is known")
	}
}
