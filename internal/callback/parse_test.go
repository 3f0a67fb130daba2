package callback

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringup.dev/ringup/internal/delivery"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
)

// received is when the callbacks of these tests come in; happened when a provider says that things were.
var (
	received = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	happened = time.Date(2024, 11, 15, 21, 22, 1, 0, time.UTC) // 1731705721
)

// compare shows how news differ. What a detail says in words is nobody's contract.
func compare(t *testing.T, want, got delivery.News) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(provider.Error{}, "Detail"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sound(t, got)
}

func reports(r ...delivery.Report) delivery.News { return delivery.News{Reports: r} }

func preferences(p ...delivery.Preference) delivery.News { return delivery.News{Preferences: p} }

func TestTwilioCallbacks(t *testing.T) {
	t.Parallel()
	const sms, chat = "webhook_1:sms:1", "webhook:2:whatsapp:12"
	status := func(fields string) string {
		return "MessageSid=SM1&AccountSid=AC1&From=%2B15005550006&To=%2B12025550143&" + fields
	}
	report := func(state delivery.State, status string, why *provider.Error) delivery.Report {
		return delivery.Report{EventID: "SM1:" + status, Provider: "twilio", Channel: message.SMS, JobID: sms, MessageID: "SM1", State: state, Err: why}
	}
	failed := func(class provider.Class, reason provider.Reason, code string) delivery.News {
		return reports(report(delivery.Failed, "undelivered", &provider.Error{Class: class, Reason: reason, Code: code}))
	}
	answer := func(kind delivery.Kind, why delivery.Why) delivery.Preference {
		return delivery.Preference{EventID: "SM2:" + string(kind), Provider: "twilio", Channel: message.SMS, Address: "+12025550143", Sender: "+15005550006",
			Kind: kind, Why: why, At: received}
	}
	inbound := func(fields string) string {
		return "MessageSid=SM2&SmsStatus=received&From=%2B12025550143&To=%2B15005550006&NumMedia=0&" + fields
	}
	ofService, onWhatsApp := answer(delivery.OptOut, delivery.StopWord), answer(delivery.OptOut, delivery.StopWord)
	ofService.Sender, onWhatsApp.Channel = "MG9752274e9e519418a7406176694466fa", message.WhatsApp
	elsewhere := report(delivery.Delivered, "delivered", nil)
	elsewhere.JobID = ""
	read := delivery.Report{EventID: "SM1:read", Provider: "twilio", Channel: message.WhatsApp, JobID: chat, MessageID: "SM1", State: delivery.Read}
	refused := report(delivery.Failed, "failed", &provider.Error{Class: provider.Permanent, Reason: provider.ReasonOptedOut, Suppress: true, Code: "21610"})
	for name, tt := range map[string]struct {
		job, form string
		want      delivery.News
		inbound   bool
	}{
		"sent":                      {sms, status("MessageStatus=sent"), reports(report(delivery.Sent, "sent", nil)), false},
		"delivered":                 {sms, status("MessageStatus=delivered&RawDlrDoneDate=2411152122"), reports(report(delivery.Delivered, "delivered", nil)), false},
		"partially":                 {sms, status("MessageStatus=partially_delivered"), reports(report(delivery.Delivered, "partially_delivered", nil)), false},
		"still Twilio's own affair": {sms, status("MessageStatus=queued"), delivery.News{}, false},
		"nothing that is known":     {sms, status("MessageStatus=teleported"), delivery.News{}, false},
		"read on WhatsApp":          {chat, strings.ReplaceAll(status("MessageStatus=read&ChannelPrefix=whatsapp"), "=%2B", "=whatsapp%3A%2B"), reports(read), false},
		"without a job":             {"", status("MessageStatus=delivered"), reports(elsewhere), false},
		"a job that is none":        {"order 7", status("MessageStatus=delivered"), reports(elsewhere), false},
		"a job of another channel":  {"webhook_1:email:1", status("MessageStatus=delivered"), reports(elsewhere), false},

		"the handset is off":     {sms, status("MessageStatus=undelivered&ErrorCode=30003"), failed(provider.Transient, provider.ReasonRecipient, "30003"), false},
		"no such number":         {sms, status("MessageStatus=undelivered&ErrorCode=30005"), failed(provider.Permanent, provider.ReasonRecipient, "30005"), false},
		"a landline":             {sms, status("MessageStatus=undelivered&ErrorCode=30006"), failed(provider.Permanent, provider.ReasonRecipient, "30006"), false},
		"filtered":               {sms, status("MessageStatus=undelivered&ErrorCode=30007"), failed(provider.Permanent, provider.ReasonContent, "30007"), false},
		"the network says no":    {sms, status("MessageStatus=undelivered&ErrorCode=30008"), failed(provider.Transient, provider.ReasonOutage, "30008"), false},
		"the account":            {sms, status("MessageStatus=undelivered&ErrorCode=30002"), failed(provider.Account, provider.ReasonSuspended, "30002"), false},
		"a code nobody knows":    {sms, status("MessageStatus=undelivered&ErrorCode=39999"), failed(provider.Permanent, provider.ReasonUnreadable, "39999"), false},
		"no code":                {sms, status("MessageStatus=undelivered"), failed(provider.Permanent, provider.ReasonUnreadable, ""), false},
		"a code that is no code": {sms, status("MessageStatus=undelivered&ErrorCode=abc"), failed(provider.Permanent, provider.ReasonUnreadable, ""), false},
		"canceled": {sms, status("MessageStatus=canceled"), reports(report(delivery.Failed, "canceled",
			&provider.Error{Class: provider.Permanent, Reason: provider.ReasonRequest})), false},
		"opted out at Twilio": {sms, status("MessageStatus=failed&ErrorCode=21610"), delivery.News{Reports: []delivery.Report{refused},
			Preferences: []delivery.Preference{
				{EventID: "SM1:failed:opt_out", Provider: "twilio", Channel: message.SMS, Address: "+12025550143", Sender: "+15005550006", Kind: delivery.OptOut,
					Why: delivery.Refused, At: received}}}, false},
		"another product's": {sms, "CallSid=CA1&CallStatus=completed", delivery.News{}, false},
		"nothing in it":     {sms, "", delivery.News{}, false},

		"STOP":                   {"", inbound("Body=STOP"), preferences(answer(delivery.OptOut, delivery.StopWord)), true},
		"a stop word of another": {"", inbound("Body=Arr%C3%AAt+%21"), preferences(answer(delivery.OptOut, delivery.StopWord)), true},
		"START":                  {"", inbound("Body=start"), preferences(answer(delivery.OptIn, "")), true},
		"anything else":          {"", inbound("Body=Thank+you%2C+please+do+not+stop"), delivery.News{}, true},
		"to a service":           {"", inbound("Body=STOP&MessagingServiceSid=" + ofService.Sender), preferences(ofService), true},
		"on WhatsApp":            {"", strings.ReplaceAll(inbound("Body=STOP"), "=%2B", "=whatsapp%3A%2B"), preferences(onWhatsApp), true},
		"Advanced Opt-Out":       {"", inbound("Body=genug&OptOutType=STOP"), preferences(answer(delivery.OptOut, delivery.StopWord)), true},
		"Advanced, in again":     {"", inbound("Body=ja&OptOutType=START"), preferences(answer(delivery.OptIn, "")), true},
		"Advanced, help":         {"", inbound("Body=stop&OptOutType=HELP"), delivery.News{}, true},
		"from a short code":      {"", "MessageSid=SM2&SmsStatus=received&From=12345&To=%2B15005550006&Body=STOP", delivery.News{}, true},
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
	report := func(state delivery.State, why *provider.Error) delivery.Report {
		return delivery.Report{EventID: "e1", Provider: "sendgrid", Channel: message.Email, JobID: "webhook_1:email:1", MessageID: "m1", State: state, At: happened, Err: why}
	}
	prefer := func(kind delivery.Kind, why delivery.Why) delivery.Preference {
		return delivery.Preference{EventID: "e1", Provider: "sendgrid", Channel: message.Email, Address: "jane.roe@example.com", Kind: kind, Why: why, At: happened}
	}
	failed := func(class provider.Class, reason provider.Reason, code string) delivery.News {
		return reports(report(delivery.Failed, &provider.Error{Class: class, Reason: reason, Code: code}))
	}
	listed := func(reason provider.Reason, code string, why delivery.Why) delivery.News {
		return delivery.News{Reports: []delivery.Report{report(delivery.Failed, &provider.Error{Class: provider.Permanent, Reason: reason, Code: code, Suppress: true})},
			Preferences: []delivery.Preference{prefer(delivery.OptOut, why)}}
	}
	for name, tt := range map[string]struct {
		fields string
		want   delivery.News
	}{
		"processed":       {`"event":"processed"`, reports(report(delivery.Sent, nil))},
		"delivered":       {`"event":"delivered","response":"250 OK"`, reports(report(delivery.Delivered, nil))},
		"deferred":        {`"event":"deferred","response":"400 try again later","attempt":"5"`, delivery.News{}},
		"opened":          {`"event":"open","sg_machine_open":false`, reports(report(delivery.Read, nil))},
		"opened by Apple": {`"event":"open","sg_machine_open":true`, delivery.News{}},
		"clicked":         {`"event":"click","url":"https://example.com"`, reports(report(delivery.Read, nil))},

		"bounced":             {`"event":"bounce","type":"bounce","status":"5.1.1","reason":"550 jane.roe@example.com unknown"`, listed(provider.ReasonRecipient, "5.1.1", delivery.HardBounce)},
		"bounced, in words":   {`"event":"bounce","status":"550 jane.roe@example.com unknown"`, listed(provider.ReasonRecipient, "", delivery.HardBounce)},
		"blocked":             {`"event":"bounce","type":"blocked","status":"4.7.0"`, failed(provider.Transient, provider.ReasonRecipient, "4.7.0")},
		"blocked, as content": {`"event":"bounce","type":"blocked","bounce_classification":"Content"`, failed(provider.Permanent, provider.ReasonContent, "")},
		"blocked, reputation": {`"event":"bounce","type":"blocked","bounce_classification":"Reputation"`, failed(provider.Transient, provider.ReasonSender, "")},
		"blocked, too many":   {`"event":"bounce","type":"blocked","bounce_classification":"Frequency or Volume Too High"`, failed(provider.Transient, provider.ReasonRateLimit, "")},
		"blocked, technical":  {`"event":"bounce","type":"blocked","bounce_classification":"Technical Failure"`, failed(provider.Transient, provider.ReasonNetwork, "")},

		"dropped: bounced":      {`"event":"dropped","reason":"Bounced Address"`, listed(provider.ReasonRecipient, "", delivery.HardBounce)},
		"dropped: unsubscribed": {`"event":"dropped","reason":"Unsubscribed Address"`, listed(provider.ReasonOptedOut, "", delivery.Unsubscribe)},
		"dropped: spam report":  {`"event":"dropped","reason":"Spam Reporting Address"`, listed(provider.ReasonOptedOut, "", delivery.Complaint)},
		"dropped: invalid":      {`"event":"dropped","reason":"Invalid"`, listed(provider.ReasonRecipient, "", delivery.HardBounce)},
		"dropped: quota":        {`"event":"dropped","reason":"Recipient List over Package Quota"`, failed(provider.Account, provider.ReasonQuota, "")},
		"dropped: spam":         {`"event":"dropped","reason":"Spam Content (if Spam Checker app is enabled)"`, failed(provider.Permanent, provider.ReasonContent, "")},
		"dropped: header":       {`"event":"dropped","reason":"Invalid SMTPAPI header"`, failed(provider.Permanent, provider.ReasonRequest, "")},
		"dropped: whatever":     {`"event":"dropped","reason":"?"`, failed(provider.Permanent, provider.ReasonUnreadable, "")},

		"called spam":        {`"event":"spamreport"`, preferences(prefer(delivery.OptOut, delivery.Complaint))},
		"unsubscribed":       {`"event":"unsubscribe"`, preferences(prefer(delivery.OptOut, delivery.Unsubscribe))},
		"unsubscribed group": {`"event":"group_unsubscribe","asm_group_id":10`, preferences(prefer(delivery.OptOut, delivery.Unsubscribe))},
		"subscribed again":   {`"event":"group_resubscribe","asm_group_id":10`, preferences(prefer(delivery.OptIn, ""))},
		"of the account":     {`"event":"account_status_change","type":"compliance_suspend"`, delivery.News{}},
		"new":                {`"event":"teleported"`, delivery.News{}},
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
	anonymous, foreign := prefer(delivery.OptOut, delivery.Unsubscribe), report(delivery.Delivered, nil)
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
	compare(t, delivery.News{Reports: []delivery.Report{report(delivery.Delivered, nil), foreign}, Preferences: []delivery.Preference{anonymous}}, news)
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
	report := func(state delivery.State, why *provider.Error) delivery.Report {
		return delivery.Report{EventID: "n1", Provider: "aws", Channel: message.Email, JobID: "webhook_1:email:1", MessageID: "m1", State: state, At: happened, Err: why}
	}
	untimed := func(r delivery.Report) delivery.Report { r.At = time.Time{}; return r }
	prefer := func(id string, kind delivery.Kind, why delivery.Why) delivery.Preference {
		return delivery.Preference{EventID: id, Provider: "aws", Channel: message.Email, Address: "jane.roe@example.com", Kind: kind, Why: why, At: happened}
	}
	bounce := func(kind, sub string) string {
		return `{"eventType":"Bounce",` + mail + `,"bounce":{"bounceType":"` + kind + `","bounceSubType":"` + sub + `",` + at +
			`,"bouncedRecipients":[{"emailAddress":"jane.roe@example.com","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 unknown"}]}}`
	}
	failed := func(class provider.Class, reason provider.Reason) delivery.News {
		return reports(report(delivery.Failed, &provider.Error{Class: class, Reason: reason, Code: "5.1.1"}))
	}
	listed := func(why delivery.Why) delivery.News {
		return delivery.News{Reports: []delivery.Report{report(delivery.Failed, &provider.Error{Class: provider.Permanent, Reason: provider.ReasonRecipient, Code: "5.1.1", Suppress: true})},
			Preferences: []delivery.Preference{prefer("n1:1", delivery.OptOut, why)}}
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
		want delivery.News
	}{
		"sent":              {`{"eventType":"Send",` + mail + `,"send":{}}`, reports(report(delivery.Sent, nil))},
		"delivered":         {`{"eventType":"Delivery",` + mail + `,"delivery":{` + at + `,"smtpResponse":"250 OK"}}`, reports(report(delivery.Delivered, nil))},
		"an identity's own": {`{"notificationType":"Delivery",` + mail + `,"delivery":{` + at + `}}`, reports(report(delivery.Delivered, nil))},
		"no time":           {`{"eventType":"Delivery",` + mail + `,"delivery":{"timestamp":"yesterday"}}`, reports(untimed(report(delivery.Delivered, nil)))},
		"opened":            {`{"eventType":"Open",` + mail + `,"open":{` + at + `}}`, reports(report(delivery.Read, nil))},
		"clicked":           {`{"eventType":"Click",` + mail + `,"click":{` + at + `}}`, reports(report(delivery.Read, nil))},
		"delayed":           {`{"eventType":"DeliveryDelay",` + mail + `,"deliveryDelay":{` + at + `}}`, delivery.News{}},
		"rejected": {`{"eventType":"Reject",` + mail + `,"reject":{"reason":"Bad content"}}`,
			reports(untimed(report(delivery.Failed, &provider.Error{Class: provider.Permanent, Reason: provider.ReasonContent})))},
		"not rendered": {`{"eventType":"Rendering Failure",` + mail + `,"failure":{"errorMessage":"x","templateName":"y"}}`,
			reports(untimed(report(delivery.Failed, &provider.Error{Class: provider.Permanent, Reason: provider.ReasonTemplate})))},

		"bounced":               {bounce("Permanent", "General"), listed(delivery.HardBounce)},
		"no such mailbox":       {bounce("Permanent", "NoEmail"), listed(delivery.HardBounce)},
		"on the account's list": {bounce("Permanent", "OnAccountSuppressionList"), listed(delivery.OptOutList)},
		"on Amazon's list":      {bounce("Permanent", "Suppressed"), listed(delivery.OptOutList)},
		"full":                  {bounce("Transient", "MailboxFull"), failed(provider.Transient, provider.ReasonRecipient)},
		"for now":               {bounce("Transient", "General"), failed(provider.Transient, provider.ReasonRecipient)},
		"too large":             {bounce("Transient", "MessageTooLarge"), failed(provider.Permanent, provider.ReasonContent)},
		"content":               {bounce("Transient", "ContentRejected"), failed(provider.Permanent, provider.ReasonContent)},
		"nobody knows why":      {bounce("Undetermined", "Undetermined"), failed(provider.Permanent, provider.ReasonUnreadable)},

		"called spam": {complaint(`,"complaintFeedbackType":"abuse"`), preferences(prefer("n1:1", delivery.OptOut, delivery.Complaint))},
		"called spam, before": {complaint(`,"complaintSubType":"OnAccountSuppressionList"`), delivery.News{
			Reports:     []delivery.Report{report(delivery.Failed, &provider.Error{Class: provider.Permanent, Reason: provider.ReasonOptedOut, Suppress: true})},
			Preferences: []delivery.Preference{prefer("n1:1", delivery.OptOut, delivery.Complaint)}}},
		"called good":          {complaint(`,"complaintFeedbackType":"not-spam"`), delivery.News{}},
		"unsubscribed":         {subscription("false", "true"), preferences(prefer("n1:1", delivery.OptOut, delivery.Unsubscribe))},
		"subscribed again":     {subscription("true", "false"), preferences(prefer("n1:1", delivery.OptIn, ""))},
		"of one topic only":    {subscription("false", "false"), delivery.News{}},
		"SES begins with this": {"Successfully validated SNS topic for Amazon SES event publishing.", delivery.News{}},
		"new":                  {`{"eventType":"Teleported",` + mail + `}`, delivery.News{}},
		"somebody else's":      {`{"eventType":"Delivery","mail":{}}`, delivery.News{}},
		"nothing":              {`{}`, delivery.News{}},
		"garbage":              {`[[[`, delivery.News{}},
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
	report := func(state delivery.State, why *provider.Error) delivery.Report {
		return delivery.Report{EventID: "wamid.1:" + string(state), Provider: "business", Channel: message.WhatsApp, MessageID: "wamid.1", State: state, At: happened, Err: why}
	}
	failed := func(class provider.Class, reason provider.Reason, code string) delivery.News {
		return reports(report(delivery.Failed, &provider.Error{Class: class, Reason: reason, Code: code}))
	}
	text := func(part string) string {
		return change("messages", `"contacts":[{"profile":{"name":"Jane"},"wa_id":"12025550143"}],"messages":[{"from":"12025550143","id":"wamid.2",`+
			`"timestamp":"1731705721",`+part+`}]`)
	}
	prefer := func(id string, kind delivery.Kind, why delivery.Why) delivery.Preference {
		return delivery.Preference{EventID: id, Provider: "business", Channel: message.WhatsApp, Address: "+12025550143", Sender: "106540352242922", Kind: kind, Why: why, At: happened}
	}
	marketing := func(value string) string {
		return change("user_preferences", `"contacts":[{"wa_id":"12025550143"}],"user_preferences":[{"wa_id":"12025550143","detail":"User requested to `+value+
			` marketing messages","category":"marketing_messages","value":"`+value+`","timestamp":1731705721}]`)
	}
	unclear := report(delivery.Failed, &provider.Error{Class: provider.Permanent, Reason: provider.ReasonUnreadable})
	late := prefer("wamid.2:opt_out", delivery.OptOut, delivery.StopWord)
	late.At = received
	for name, tt := range map[string]struct {
		body string
		want delivery.News
	}{
		"sent":      {statusOf("sent", `,"conversation":{"id":"c","origin":{"type":"utility"}},"pricing":{"billable":true}`), reports(report(delivery.Sent, nil))},
		"delivered": {statusOf("delivered", ""), reports(report(delivery.Delivered, nil))},
		"read":      {statusOf("read", ""), reports(report(delivery.Read, nil))},
		"deleted":   {statusOf("deleted", ""), delivery.News{}},
		"not on WhatsApp": {statusOf("failed", `,"errors":[{"code":131026,"title":"Message undeliverable","error_data":{"details":"+12025550143"}}]`),
			failed(provider.Permanent, provider.ReasonRecipient, "131026")},
		"outside the window": {statusOf("failed", `,"errors":[{"code":131047}]`), failed(provider.Permanent, provider.ReasonTemplate, "131047")},
		"Meta's own fault":   {statusOf("failed", `,"errors":[{"code":131000}]`), failed(provider.Transient, provider.ReasonOutage, "131000")},
		"the account":        {statusOf("failed", `,"errors":[{"code":131042}]`), failed(provider.Account, provider.ReasonBalance, "131042")},
		"no marketing":       {statusOf("failed", `,"errors":[{"code":131050}]`), failed(provider.Permanent, provider.ReasonOptedOut, "131050")},
		"no reason":          {statusOf("failed", ""), reports(unclear)},
		"no code":            {statusOf("failed", `,"errors":[{"title":"x"}]`), reports(unclear)},
		"one that cannot be read": {change("messages", `"statuses":[7,{"id":["x"]},{"id":"","status":"read"},{"id":"wamid.1","status":"read","timestamp":1731705721}]`),
			reports(report(delivery.Read, nil))},

		"STOP":                {text(`"type":"text","text":{"body":"Stop"}`), preferences(prefer("wamid.2:opt_out", delivery.OptOut, delivery.StopWord))},
		"START":               {text(`"type":"text","text":{"body":"START"}`), preferences(prefer("wamid.2:opt_in", delivery.OptIn, ""))},
		"anything else":       {text(`"type":"text","text":{"body":"Where is my order?"}`), delivery.News{}},
		"a template's button": {text(`"type":"button","button":{"payload":"p","text":"Stop"}`), preferences(prefer("wamid.2:opt_out", delivery.OptOut, delivery.StopWord))},
		"a button": {text(`"type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"1","title":"STOP"}}`),
			preferences(prefer("wamid.2:opt_out", delivery.OptOut, delivery.StopWord))},
		"a picture": {text(`"type":"image","image":{"caption":"stop","id":"1"}`), delivery.News{}},
		"without a time": {change("messages", `"messages":[{"from":"12025550143","id":"wamid.2","timestamp":"soon","type":"text","text":{"body":"stop"}},`+
			`{"from":"12025550143","id":"wamid.2","text":{"body":"stop"}}]`),
			preferences(late, late)},
		"from nobody":        {change("messages", `"messages":[{"id":"wamid.2","text":{"body":"stop"}},{"from":"12025550143","text":{"body":"stop"}}]`), delivery.News{}},
		"no offers":          {marketing("stop"), preferences(prefer("digest", delivery.OptOut, delivery.Unsubscribe))},
		"offers again":       {marketing("resume"), preferences(prefer("digest", delivery.OptIn, ""))},
		"of another thing":   {strings.Replace(marketing("stop"), "marketing_messages", "calls", 1), delivery.News{}},
		"of another kind":    {marketing("pause"), delivery.News{}},
		"a template's state": {change("message_template_status_update", `"event":"APPROVED"`), delivery.News{}},
		"another product":    {`{"object":"page","entry":[{"changes":[{"value":{"statuses":[{"id":"a","status":"read"}]}}]}]}`, delivery.News{}},
		"nothing":            {`{"object":"whatsapp_business_account","entry":[{"changes":[{},{"value":7}]},{}]}`, delivery.News{}},
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
