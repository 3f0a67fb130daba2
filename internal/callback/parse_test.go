package callback

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// received is when the callbacks of these tests come in; happened when a provider says that things were.
var (
	received = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	happened = time.Date(2024, 11, 15, 21, 22, 1, 0, time.UTC) // 1731705721
)

// compare shows how news differ. What a detail says in words is nobody's contract.
func compare(t *testing.T, want, got report.Update) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(failure.Error{}, "Detail"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sound(t, got)
}

func reports(r ...report.Report) report.Update { return report.Update{Reports: r} }

func preferences(p ...suppress.Preference) report.Update { return report.Update{Preferences: p} }

func TestTwilioCallbacks(t *testing.T) {
	t.Parallel()
	const sms, chat = "webhook_1:sms:1", "webhook:2:whatsapp:12"
	status := func(fields string) string {
		return "MessageSid=SM1&AccountSid=AC1&From=%2B15005550006&To=%2B12025550143&" + fields
	}
	dlr := func(state report.State, status string, why *failure.Error) report.Report {
		return report.Report{EventID: "SM1:" + status, Provider: "twilio", Channel: message.SMS, JobID: sms, MessageID: "SM1", State: state, Err: why}
	}
	failed := func(class failure.Class, reason failure.Reason, code string) report.Update {
		return reports(dlr(report.Failed, "undelivered", &failure.Error{Class: class, Reason: reason, Code: code}))
	}
	answer := func(kind suppress.Kind, why suppress.Why) suppress.Preference {
		return suppress.Preference{EventID: "SM2:" + string(kind), Provider: "twilio", Channel: message.SMS, Address: "+12025550143", Sender: "+15005550006",
			Kind: kind, Why: why, At: received}
	}
	inbound := func(fields string) string {
		return "MessageSid=SM2&SmsStatus=received&From=%2B12025550143&To=%2B15005550006&NumMedia=0&" + fields
	}
	ofService, onWhatsApp := answer(suppress.OptOut, suppress.StopWord), answer(suppress.OptOut, suppress.StopWord)
	ofService.Sender, onWhatsApp.Channel = "MG9752274e9e519418a7406176694466fa", message.WhatsApp
	elsewhere := dlr(report.Delivered, "delivered", nil)
	elsewhere.JobID = ""
	read := report.Report{EventID: "SM1:read", Provider: "twilio", Channel: message.WhatsApp, JobID: chat, MessageID: "SM1", State: report.Read}
	refused := dlr(report.Failed, "failed", &failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true, Code: "21610"})
	for name, tt := range map[string]struct {
		job, form string
		want      report.Update
		inbound   bool
	}{
		"sent":                      {sms, status("MessageStatus=sent"), reports(dlr(report.Sent, "sent", nil)), false},
		"delivered":                 {sms, status("MessageStatus=delivered&RawDlrDoneDate=2411152122"), reports(dlr(report.Delivered, "delivered", nil)), false},
		"partially":                 {sms, status("MessageStatus=partially_delivered"), reports(dlr(report.Delivered, "partially_delivered", nil)), false},
		"still Twilio's own affair": {sms, status("MessageStatus=queued"), report.Update{}, false},
		"nothing that is known":     {sms, status("MessageStatus=teleported"), report.Update{}, false},
		"read on WhatsApp":          {chat, strings.ReplaceAll(status("MessageStatus=read&ChannelPrefix=whatsapp"), "=%2B", "=whatsapp%3A%2B"), reports(read), false},
		"without a job":             {"", status("MessageStatus=delivered"), reports(elsewhere), false},
		"a job that is none":        {"order 7", status("MessageStatus=delivered"), reports(elsewhere), false},
		"a job of another channel":  {"webhook_1:email:1", status("MessageStatus=delivered"), reports(elsewhere), false},

		"the handset is off":     {sms, status("MessageStatus=undelivered&ErrorCode=30003"), failed(failure.Transient, failure.ReasonRecipient, "30003"), false},
		"no such number":         {sms, status("MessageStatus=undelivered&ErrorCode=30005"), failed(failure.Permanent, failure.ReasonRecipient, "30005"), false},
		"a landline":             {sms, status("MessageStatus=undelivered&ErrorCode=30006"), failed(failure.Permanent, failure.ReasonRecipient, "30006"), false},
		"filtered":               {sms, status("MessageStatus=undelivered&ErrorCode=30007"), failed(failure.Permanent, failure.ReasonContent, "30007"), false},
		"the network says no":    {sms, status("MessageStatus=undelivered&ErrorCode=30008"), failed(failure.Transient, failure.ReasonOutage, "30008"), false},
		"the account":            {sms, status("MessageStatus=undelivered&ErrorCode=30002"), failed(failure.Account, failure.ReasonSuspended, "30002"), false},
		"a code nobody knows":    {sms, status("MessageStatus=undelivered&ErrorCode=39999"), failed(failure.Permanent, failure.ReasonUnreadable, "39999"), false},
		"no code":                {sms, status("MessageStatus=undelivered"), failed(failure.Permanent, failure.ReasonUnreadable, ""), false},
		"a code that is no code": {sms, status("MessageStatus=undelivered&ErrorCode=abc"), failed(failure.Permanent, failure.ReasonUnreadable, ""), false},
		"canceled": {sms, status("MessageStatus=canceled"), reports(dlr(report.Failed, "canceled",
			&failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest})), false},
		"opted out at Twilio": {sms, status("MessageStatus=failed&ErrorCode=21610"), report.Update{Reports: []report.Report{refused},
			Preferences: []suppress.Preference{
				{EventID: "SM1:failed:opt_out", Provider: "twilio", Channel: message.SMS, Address: "+12025550143", Sender: "+15005550006", Kind: suppress.OptOut,
					Why: suppress.Refused, At: received}}}, false},
		"another product's": {sms, "CallSid=CA1&CallStatus=completed", report.Update{}, false},
		"nothing in it":     {sms, "", report.Update{}, false},

		"STOP":                   {"", inbound("Body=STOP"), preferences(answer(suppress.OptOut, suppress.StopWord)), true},
		"a stop word of another": {"", inbound("Body=Arr%C3%AAt+%21"), preferences(answer(suppress.OptOut, suppress.StopWord)), true},
		"START":                  {"", inbound("Body=start"), preferences(answer(suppress.OptIn, "")), true},
		"anything else":          {"", inbound("Body=Thank+you%2C+please+do+not+stop"), report.Update{}, true},
		"to a service":           {"", inbound("Body=STOP&MessagingServiceSid=" + ofService.Sender), preferences(ofService), true},
		"on WhatsApp":            {"", strings.ReplaceAll(inbound("Body=STOP"), "=%2B", "=whatsapp%3A%2B"), preferences(onWhatsApp), true},
		"Advanced Opt-Out":       {"", inbound("Body=genug&OptOutType=STOP"), preferences(answer(suppress.OptOut, suppress.StopWord)), true},
		"Advanced, in again":     {"", inbound("Body=ja&OptOutType=START"), preferences(answer(suppress.OptIn, "")), true},
		"Advanced, help":         {"", inbound("Body=stop&OptOutType=HELP"), report.Update{}, true},
		"from a short code":      {"", "MessageSid=SM2&SmsStatus=received&From=12345&To=%2B15005550006&Body=STOP", report.Update{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form, err := url.ParseQuery(tt.form)
			if err != nil {
				t.Fatal(err)
			}
			news, inbound := parseTwilio(tt.job, form, builtIn(t), received)
			compare(t, tt.want, news)
			if inbound != tt.inbound {
				t.Errorf("somebody's message: %t", inbound)
			}
		})
	}
}

func TestSendGridEvents(t *testing.T) {
	t.Parallel()
	event := func(fields string) string {
		return `{"email":"jane.roe@example.com","timestamp":1731705721,"sg_event_id":"e1","sg_message_id":"m1.filter0001.16648.5515E0B88.0",` +
			`"ringup_job":"webhook_1:email:1",` + fields + `}`
	}
	dlr := func(state report.State, why *failure.Error) report.Report {
		return report.Report{EventID: "e1", Provider: "sendgrid", Channel: message.Email, JobID: "webhook_1:email:1", MessageID: "m1", State: state, At: happened, Err: why}
	}
	prefer := func(kind suppress.Kind, why suppress.Why) suppress.Preference {
		return suppress.Preference{EventID: "e1", Provider: "sendgrid", Channel: message.Email, Address: "jane.roe@example.com", Kind: kind, Why: why, At: happened}
	}
	failed := func(class failure.Class, reason failure.Reason, code string) report.Update {
		return reports(dlr(report.Failed, &failure.Error{Class: class, Reason: reason, Code: code}))
	}
	listed := func(reason failure.Reason, code string, why suppress.Why) report.Update {
		return report.Update{Reports: []report.Report{dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: reason, Code: code, Suppress: true})},
			Preferences: []suppress.Preference{prefer(suppress.OptOut, why)}}
	}
	for name, tt := range map[string]struct {
		fields string
		want   report.Update
	}{
		"processed":       {`"event":"processed"`, reports(dlr(report.Sent, nil))},
		"delivered":       {`"event":"delivered","response":"250 OK"`, reports(dlr(report.Delivered, nil))},
		"deferred":        {`"event":"deferred","response":"400 try again later","attempt":"5"`, report.Update{}},
		"opened":          {`"event":"open","sg_machine_open":false`, reports(dlr(report.Read, nil))},
		"opened by Apple": {`"event":"open","sg_machine_open":true`, report.Update{}},
		"clicked":         {`"event":"click","url":"https://example.com"`, reports(dlr(report.Read, nil))},

		"bounced":             {`"event":"bounce","type":"bounce","status":"5.1.1","reason":"550 jane.roe@example.com unknown"`, listed(failure.ReasonRecipient, "5.1.1", suppress.HardBounce)},
		"bounced, in words":   {`"event":"bounce","status":"550 jane.roe@example.com unknown"`, listed(failure.ReasonRecipient, "", suppress.HardBounce)},
		"blocked":             {`"event":"bounce","type":"blocked","status":"4.7.0"`, failed(failure.Transient, failure.ReasonRecipient, "4.7.0")},
		"blocked, as content": {`"event":"bounce","type":"blocked","bounce_classification":"Content"`, failed(failure.Permanent, failure.ReasonContent, "")},
		"blocked, reputation": {`"event":"bounce","type":"blocked","bounce_classification":"Reputation"`, failed(failure.Transient, failure.ReasonSender, "")},
		"blocked, too many":   {`"event":"bounce","type":"blocked","bounce_classification":"Frequency or Volume Too High"`, failed(failure.Transient, failure.ReasonRateLimit, "")},
		"blocked, technical":  {`"event":"bounce","type":"blocked","bounce_classification":"Technical Failure"`, failed(failure.Transient, failure.ReasonNetwork, "")},

		"dropped: bounced":      {`"event":"dropped","reason":"Bounced Address"`, listed(failure.ReasonRecipient, "", suppress.HardBounce)},
		"dropped: unsubscribed": {`"event":"dropped","reason":"Unsubscribed Address"`, listed(failure.ReasonOptedOut, "", suppress.Unsubscribe)},
		"dropped: spam report":  {`"event":"dropped","reason":"Spam Reporting Address"`, listed(failure.ReasonOptedOut, "", suppress.Complaint)},
		"dropped: invalid":      {`"event":"dropped","reason":"Invalid"`, listed(failure.ReasonRecipient, "", suppress.HardBounce)},
		"dropped: quota":        {`"event":"dropped","reason":"Recipient List over Package Quota"`, failed(failure.Account, failure.ReasonQuota, "")},
		"dropped: spam":         {`"event":"dropped","reason":"Spam Content (if Spam Checker app is enabled)"`, failed(failure.Permanent, failure.ReasonContent, "")},
		"dropped: header":       {`"event":"dropped","reason":"Invalid SMTPAPI header"`, failed(failure.Permanent, failure.ReasonRequest, "")},
		"dropped: whatever":     {`"event":"dropped","reason":"?"`, failed(failure.Permanent, failure.ReasonUnreadable, "")},

		"called spam":        {`"event":"spamreport"`, preferences(prefer(suppress.OptOut, suppress.Complaint))},
		"unsubscribed":       {`"event":"unsubscribe"`, preferences(prefer(suppress.OptOut, suppress.Unsubscribe))},
		"unsubscribed group": {`"event":"group_unsubscribe","asm_group_id":10`, preferences(prefer(suppress.OptOut, suppress.Unsubscribe))},
		"subscribed again":   {`"event":"group_resubscribe","asm_group_id":10`, preferences(prefer(suppress.OptIn, ""))},
		"of the account":     {`"event":"account_status_change","type":"compliance_suspend"`, report.Update{}},
		"new":                {`"event":"teleported"`, report.Update{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// What cannot be read stands beside it, and holds nothing up.
			news, err := parseSendGrid([]byte(`[7, null, {"event":[]}, `+event(tt.fields)+`, {"event":"delivered","email":{}}]`), received)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, tt.want, news)
		})
	}
	// A batch of two, one of them without ids and time; and somebody else's, who uses the same account.
	news, err := parseSendGrid([]byte(`[`+event(`"event":"delivered"`)+`,{"event":"unsubscribe","email":"Jane Roe <jane.roe@EXAMPLE.com>"},`+
		`{"event":"delivered","email":"x@example.com"},{"event":"delivered","ringup_job":"order 7","sg_message_id":"m2","timestamp":"1731705721"}]`), received)
	if err != nil {
		t.Fatal(err)
	}
	anonymous, foreign := prefer(suppress.OptOut, suppress.Unsubscribe), dlr(report.Delivered, nil)
	anonymous.EventID, anonymous.At, foreign.EventID, foreign.JobID, foreign.MessageID = "same", received, "same", "", "m2"
	for i := range news.Preferences {
		if len(news.Preferences[i].EventID) != 32 || strings.Contains(news.Preferences[i].EventID, "jane") {
			t.Errorf("the event is called %q", news.Preferences[i].EventID)
		}
		news.Preferences[i].EventID = "same"
	}
	if len(news.Reports) == 2 {
		news.Reports[1].EventID = "same"
	}
	compare(t, report.Update{Reports: []report.Report{dlr(report.Delivered, nil), foreign}, Preferences: []suppress.Preference{anonymous}}, news)
	for _, body := range []string{"", "{}", "[", `"x"`, "[1", "\xff"} {
		if _, err := parseSendGrid([]byte(body), received); status(err) != 400 {
			t.Errorf("%q: %v", body, err)
		}
	}
}

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
		return reports(dlr(report.Failed, &failure.Error{Class: class, Reason: reason, Code: "5.1.1"}))
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
		"sent":              {`{"eventType":"Send",` + mail + `,"send":{}}`, reports(dlr(report.Sent, nil))},
		"delivered":         {`{"eventType":"Delivery",` + mail + `,"delivery":{` + at + `,"smtpResponse":"250 OK"}}`, reports(dlr(report.Delivered, nil))},
		"an identity's own": {`{"notificationType":"Delivery",` + mail + `,"delivery":{` + at + `}}`, reports(dlr(report.Delivered, nil))},
		"no time":           {`{"eventType":"Delivery",` + mail + `,"delivery":{"timestamp":"yesterday"}}`, reports(untimed(dlr(report.Delivered, nil)))},
		"opened":            {`{"eventType":"Open",` + mail + `,"open":{` + at + `}}`, reports(dlr(report.Read, nil))},
		"clicked":           {`{"eventType":"Click",` + mail + `,"click":{` + at + `}}`, reports(dlr(report.Read, nil))},
		"delayed":           {`{"eventType":"DeliveryDelay",` + mail + `,"deliveryDelay":{` + at + `}}`, report.Update{}},
		"rejected": {`{"eventType":"Reject",` + mail + `,"reject":{"reason":"Bad content"}}`,
			reports(untimed(dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent})))},
		"not rendered": {`{"eventType":"Rendering Failure",` + mail + `,"failure":{"errorMessage":"x","templateName":"y"}}`,
			reports(untimed(dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonTemplate})))},

		"bounced":               {bounce("Permanent", "General"), listed(suppress.HardBounce)},
		"no such mailbox":       {bounce("Permanent", "NoEmail"), listed(suppress.HardBounce)},
		"on the account's list": {bounce("Permanent", "OnAccountSuppressionList"), listed(suppress.OptOutList)},
		"on Amazon's list":      {bounce("Permanent", "Suppressed"), listed(suppress.OptOutList)},
		"full":                  {bounce("Transient", "MailboxFull"), failed(failure.Transient, failure.ReasonRecipient)},
		"for now":               {bounce("Transient", "General"), failed(failure.Transient, failure.ReasonRecipient)},
		"too large":             {bounce("Transient", "MessageTooLarge"), failed(failure.Permanent, failure.ReasonContent)},
		"content":               {bounce("Transient", "ContentRejected"), failed(failure.Permanent, failure.ReasonContent)},
		"nobody knows why":      {bounce("Undetermined", "Undetermined"), failed(failure.Permanent, failure.ReasonUnreadable)},

		"called spam": {complaint(`,"complaintFeedbackType":"abuse"`), preferences(prefer("n1:1", suppress.OptOut, suppress.Complaint))},
		"called spam, before": {complaint(`,"complaintSubType":"OnAccountSuppressionList"`), report.Update{
			Reports:     []report.Report{dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true})},
			Preferences: []suppress.Preference{prefer("n1:1", suppress.OptOut, suppress.Complaint)}}},
		"called good":          {complaint(`,"complaintFeedbackType":"not-spam"`), report.Update{}},
		"unsubscribed":         {subscription("false", "true"), preferences(prefer("n1:1", suppress.OptOut, suppress.Unsubscribe))},
		"subscribed again":     {subscription("true", "false"), preferences(prefer("n1:1", suppress.OptIn, ""))},
		"of one topic only":    {subscription("false", "false"), report.Update{}},
		"SES begins with this": {"Successfully validated SNS topic for Amazon SES event publishing.", report.Update{}},
		"new":                  {`{"eventType":"Teleported",` + mail + `}`, report.Update{}},
		"somebody else's":      {`{"eventType":"Delivery","mail":{}}`, report.Update{}},
		"nothing":              {`{}`, report.Update{}},
		"garbage":              {`[[[`, report.Update{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compare(t, tt.want, parseSES("n1", []byte(tt.text), received))
		})
	}
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "x", "[]", "{}", `{"Type":"Notification"}`, `{"Type":"Other","MessageId":"1"}`, `{"Type":["Notification"],"MessageId":"1"}`} {
		if _, err := parseEnvelope([]byte(body)); status(err) != 400 {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// The webhooks are after developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples.
func TestWhatsAppWebhooks(t *testing.T) {
	t.Parallel()
	change := func(field, value string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":` +
			`{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},` + value + `},"field":"` + field + `"}]}]}`
	}
	statusOf := func(state, more string) string {
		return change("messages", `"statuses":[{"id":"wamid.1","status":"`+state+`","timestamp":"1731705721","recipient_id":"12025550143"`+more+`}]`)
	}
	dlr := func(state report.State, why *failure.Error) report.Report {
		return report.Report{EventID: "wamid.1:" + string(state), Provider: "business", Channel: message.WhatsApp, MessageID: "wamid.1", State: state, At: happened, Err: why}
	}
	failed := func(class failure.Class, reason failure.Reason, code string) report.Update {
		return reports(dlr(report.Failed, &failure.Error{Class: class, Reason: reason, Code: code}))
	}
	text := func(part string) string {
		return change("messages", `"contacts":[{"profile":{"name":"Jane"},"wa_id":"12025550143"}],"messages":[{"from":"12025550143","id":"wamid.2",`+
			`"timestamp":"1731705721",`+part+`}]`)
	}
	prefer := func(id string, kind suppress.Kind, why suppress.Why) suppress.Preference {
		return suppress.Preference{EventID: id, Provider: "business", Channel: message.WhatsApp, Address: "+12025550143", Sender: "106540352242922", Kind: kind, Why: why, At: happened}
	}
	marketing := func(value string) string {
		return change("user_preferences", `"contacts":[{"wa_id":"12025550143"}],"user_preferences":[{"wa_id":"12025550143","detail":"User requested to `+value+
			` marketing messages","category":"marketing_messages","value":"`+value+`","timestamp":1731705721}]`)
	}
	unclear := dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonUnreadable})
	late := prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord)
	late.At = received
	for name, tt := range map[string]struct {
		body string
		want report.Update
	}{
		"sent":      {statusOf("sent", `,"conversation":{"id":"c","origin":{"type":"utility"}},"pricing":{"billable":true}`), reports(dlr(report.Sent, nil))},
		"delivered": {statusOf("delivered", ""), reports(dlr(report.Delivered, nil))},
		"read":      {statusOf("read", ""), reports(dlr(report.Read, nil))},
		"deleted":   {statusOf("deleted", ""), report.Update{}},
		"not on WhatsApp": {statusOf("failed", `,"errors":[{"code":131026,"title":"Message undeliverable","error_data":{"details":"+12025550143"}}]`),
			failed(failure.Permanent, failure.ReasonRecipient, "131026")},
		"outside the window": {statusOf("failed", `,"errors":[{"code":131047}]`), failed(failure.Permanent, failure.ReasonTemplate, "131047")},
		"Meta's own fault":   {statusOf("failed", `,"errors":[{"code":131000}]`), failed(failure.Transient, failure.ReasonOutage, "131000")},
		"the account":        {statusOf("failed", `,"errors":[{"code":131042}]`), failed(failure.Account, failure.ReasonBalance, "131042")},
		"no marketing":       {statusOf("failed", `,"errors":[{"code":131050}]`), failed(failure.Permanent, failure.ReasonOptedOut, "131050")},
		"no reason":          {statusOf("failed", ""), reports(unclear)},
		"no code":            {statusOf("failed", `,"errors":[{"title":"x"}]`), reports(unclear)},
		"one that cannot be read": {change("messages", `"statuses":[7,{"id":["x"]},{"id":"","status":"read"},{"id":"wamid.1","status":"read","timestamp":1731705721}]`),
			reports(dlr(report.Read, nil))},

		"STOP":                {text(`"type":"text","text":{"body":"Stop"}`), preferences(prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord))},
		"START":               {text(`"type":"text","text":{"body":"START"}`), preferences(prefer("wamid.2:opt_in", suppress.OptIn, ""))},
		"anything else":       {text(`"type":"text","text":{"body":"Where is my order?"}`), report.Update{}},
		"a template's button": {text(`"type":"button","button":{"payload":"p","text":"Stop"}`), preferences(prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord))},
		"a button": {text(`"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"1","title":"STOP"}}`),
			preferences(prefer("wamid.2:opt_out", suppress.OptOut, suppress.StopWord))},
		"a picture": {text(`"type":"image","image":{"caption":"stop","id":"1"}`), report.Update{}},
		"without a time": {change("messages", `"messages":[{"from":"12025550143","id":"wamid.2","timestamp":"soon","type":"text","text":{"body":"stop"}},`+
			`{"from":"12025550143","id":"wamid.2","text":{"body":"stop"}}]`),
			preferences(late, late)},
		"from nobody":        {change("messages", `"messages":[{"id":"wamid.2","text":{"body":"stop"}},{"from":"12025550143","text":{"body":"stop"}}]`), report.Update{}},
		"no offers":          {marketing("stop"), preferences(prefer("digest", suppress.OptOut, suppress.Unsubscribe))},
		"offers again":       {marketing("resume"), preferences(prefer("digest", suppress.OptIn, ""))},
		"of another thing":   {strings.Replace(marketing("stop"), "marketing_messages", "calls", 1), report.Update{}},
		"of another kind":    {marketing("pause"), report.Update{}},
		"a template's state": {change("message_template_status_update", `"event":"APPROVED"`), report.Update{}},
		"another product":    {`{"object":"page","entry":[{"changes":[{"value":{"statuses":[{"id":"a","status":"read"}]}}]}]}`, report.Update{}},
		"nothing":            {`{"object":"whatsapp_business_account","entry":[{"changes":[{},{"value":7}]},{}]}`, report.Update{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			news, err := parseWhatsApp([]byte(tt.body), builtIn(t), received)
			if err != nil {
				t.Fatal(err)
			}
			for i := range news.Preferences {
				if id := news.Preferences[i].EventID; len(id) == 32 && !strings.Contains(id, "12025550143") {
					news.Preferences[i].EventID = "digest"
				}
			}
			compare(t, tt.want, news)
		})
	}
	for _, body := range []string{"", "[]", "{", `{"entry":{}}`, `{"object":7}`, "\xff"} {
		if _, err := parseWhatsApp([]byte(body), builtIn(t), received); status(err) != 400 {
			t.Errorf("%q: %v", body, err)
		}
	}
}
