package aws

import (
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/report/reporttest"
	"ringup.dev/ringup/internal/suppress"
)

// received is when the callbacks of these tests come in; happened is the time that SES's events have.
var (
	received = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	happened = time.Date(2024, 11, 15, 21, 22, 1, 0, time.UTC)
)

func TestSESEvents(t *testing.T) {
	t.Parallel()
	const mail = `"mail":{"timestamp":"2024-11-15T21:22:01.000Z","messageId":"m1","destination":["Jane Roe <jane.roe@example.com>"],` +
		`"tags":{"ses:configuration-set":["ringup"],"ringup_job":["webhook_1.3aemail.3a1"]}}`
	const at = `"timestamp":"2024-11-15T21:22:01.000Z"`
	dlr := func(state report.State, why *failure.Error) report.Report {
		return report.Report{EventID: "n1", Provider: "aws", Channel: message.Email, JobID: "webhook_1:email:1", MessageID: "m1", State: state, At: happened, Err: why}
	}
	untimed := func(r report.Report) report.Report { r.At = time.Time{}; return r }
	prefer := func(id string, kind suppress.Kind, why suppress.Why) suppress.Preference {
		return suppress.Preference{EventID: id, Provider: "aws", Channel: message.Email, Address: "jane.roe@example.com", Kind: kind, Why: why, At: happened}
	}
	bounce := func(kind, sub string) string {
		return `{"eventType":"Bounce",` + mail + `,"bounce":{"bounceType":"` + kind + `","bounceSubType":"` + sub + `",` + at +
			`,"bouncedRecipients":[{"emailAddress":"jane.roe@example.com","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 unknown"}]}}`
	}
	failed := func(class failure.Class, reason failure.Reason) report.Update {
		return reporttest.Reports(dlr(report.Failed, &failure.Error{Class: class, Reason: reason, Code: "5.1.1"}))
	}
	listed := func(why suppress.Why) report.Update {
		return report.Update{Reports: []report.Report{dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "5.1.1", Suppress: true})},
			Preferences: []suppress.Preference{prefer("n1:1", suppress.OptOut, why)}}
	}
	complaint := func(more string) string {
		return `{"eventType":"Complaint",` + mail + `,"complaint":{` + at + more + `,"complainedRecipients":[{"emailAddress":"jane.roe@example.com"}]}}`
	}
	subscription := func(old, now string) string {
		return `{"eventType":"Subscription",` + mail + `,"subscription":{"contactList":"l",` + at + `,"source":"UnsubscribeHeader","newTopicPreferences":{"unsubscribeAll":` + now +
			`,"topicSubscriptionStatus":[{"topicName":"t","subscriptionStatus":"OptOut"}]},"oldTopicPreferences":{"unsubscribeAll":` + old + `}}}`
	}
	for name, tt := range map[string]struct {
		text string
		want report.Update
	}{
		"sent":              {`{"eventType":"Send",` + mail + `,"send":{}}`, reporttest.Reports(dlr(report.Sent, nil))},
		"delivered":         {`{"eventType":"Delivery",` + mail + `,"delivery":{` + at + `,"smtpResponse":"250 OK"}}`, reporttest.Reports(dlr(report.Delivered, nil))},
		"an identity's own": {`{"notificationType":"Delivery",` + mail + `,"delivery":{` + at + `}}`, reporttest.Reports(dlr(report.Delivered, nil))},
		"no time":           {`{"eventType":"Delivery",` + mail + `,"delivery":{"timestamp":"yesterday"}}`, reporttest.Reports(untimed(dlr(report.Delivered, nil)))},
		"opened":            {`{"eventType":"Open",` + mail + `,"open":{` + at + `}}`, reporttest.Reports(dlr(report.Read, nil))},
		"clicked":           {`{"eventType":"Click",` + mail + `,"click":{` + at + `}}`, reporttest.Reports(dlr(report.Read, nil))},
		"delayed":           {`{"eventType":"DeliveryDelay",` + mail + `,"deliveryDelay":{` + at + `}}`, report.Update{}},
		"rejected": {`{"eventType":"Reject",` + mail + `,"reject":{"reason":"Bad content"}}`,
			reporttest.Reports(untimed(dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent})))},
		"not rendered": {`{"eventType":"Rendering Failure",` + mail + `,"failure":{"errorMessage":"x","templateName":"y"}}`,
			reporttest.Reports(untimed(dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonTemplate})))},

		"bounced":               {bounce("Permanent", "General"), listed(suppress.HardBounce)},
		"no such mailbox":       {bounce("Permanent", "NoEmail"), listed(suppress.HardBounce)},
		"on the account's list": {bounce("Permanent", "OnAccountSuppressionList"), listed(suppress.OptOutList)},
		"on Amazon's list":      {bounce("Permanent", "Suppressed"), listed(suppress.OptOutList)},
		"full":                  {bounce("Transient", "MailboxFull"), failed(failure.Transient, failure.ReasonRecipient)},
		"for now":               {bounce("Transient", "General"), failed(failure.Transient, failure.ReasonRecipient)},
		"too large":             {bounce("Transient", "MessageTooLarge"), failed(failure.Permanent, failure.ReasonContent)},
		"content":               {bounce("Transient", "ContentRejected"), failed(failure.Permanent, failure.ReasonContent)},
		"for unknown reasons":   {bounce("Undetermined", "Undetermined"), failed(failure.Permanent, failure.ReasonUnreadable)},

		"called spam": {complaint(`,"complaintFeedbackType":"abuse"`), reporttest.Preferences(prefer("n1:1", suppress.OptOut, suppress.Complaint))},
		"called spam, before": {complaint(`,"complaintSubType":"OnAccountSuppressionList"`), report.Update{
			Reports:     []report.Report{dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true})},
			Preferences: []suppress.Preference{prefer("n1:1", suppress.OptOut, suppress.Complaint)}}},
		"called spam, among fields of other types": {strings.NewReplacer(`["ringup"]`, `"ringup"`, `["Jane Roe <jane.roe@example.com>"]`, `"Jane"`).Replace(
			complaint(`,"complaintFeedbackType":7,"complaintSubType":[]`)), reporttest.Preferences(prefer("n1:1", suppress.OptOut, suppress.Complaint))},
		"called good":          {complaint(`,"complaintFeedbackType":"not-spam"`), report.Update{}},
		"unsubscribed":         {subscription("false", "true"), reporttest.Preferences(prefer("n1:1", suppress.OptOut, suppress.Unsubscribe))},
		"subscribed again":     {subscription("true", "false"), reporttest.Preferences(prefer("n1:1", suppress.OptIn, suppress.Unsubscribe))},
		"of one topic only":    {subscription("false", "false"), report.Update{}},
		"SES begins with this": {"Successfully validated SNS topic for Amazon SES event publishing.", report.Update{}},
		"new":                  {`{"eventType":"Teleported",` + mail + `}`, report.Update{}},
		"of another program":   {`{"eventType":"Delivery","mail":{}}`, report.Update{Foreign: 1}},
		"nothing":              {`{}`, report.Update{}},
		"garbage":              {`[[[`, report.Update{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reporttest.Equal(t, tt.want, parseSES("n1", []byte(tt.text), received))
		})
	}
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "x", "[]", "{}", `{"Type":"Notification"}`, `{"Type":"Other","MessageId":"1"}`, `{"Type":["Notification"],"MessageId":"1"}`} {
		if _, err := parseEnvelope([]byte(body)); reporttest.Answered(err) != 400 {
			t.Errorf("%q: %v", body, err)
		}
	}
}
