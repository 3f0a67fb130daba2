package twilio

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/report/reporttest"
	"ringup.dev/ringup/internal/suppress"
)

// received is when the callbacks of these tests come in.
var received = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func words(t testing.TB) *suppress.Words {
	t.Helper()
	w, err := suppress.NewWords(suppress.WordsConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestSignatures has the examples of Twilio's documentation (twilio.com/docs/usage/security: the first) and of its SDK
// (twilio-go, client/request_validator_test.go: the others).
func TestSignatures(t *testing.T) {
	t.Parallel()
	call := url.Values{"Digits": {"1234"}, "CallSid": {"CA1234567890ABCDE"}, "To": {"+18005551212"}, "Caller": {"+14158675309"}, "From": {"+14158675309"}}
	conference := url.Values{"ReasonConferenceEnded": {"test"}, "Reason": {"Participant"}}
	for name, values := range call {
		conference[name] = values
	}
	const (
		form     = "application/x-www-form-urlencoded; charset=UTF-8"
		jsonType = "application/json"
		bodyHash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
		jsonBody = `{"property": "value", "boolean": true}`
		page     = "https://mycompany.com/myapp.php"
		plain    = "http://mycompany.com/myapp.php"
	)
	for name, tt := range map[string]struct {
		tokens                             secret.Keys
		base, query, kind, body, signature string
		want                               int
	}{
		"documentation":                   {secret.Keys{"12345"}, page, "foo=1&bar=2", form, call.Encode(), "RSOYDt4T1cUTdK1PDd93/VVr8B8=", 0},
		"form":                            {secret.Keys{"12345"}, page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 0},
		"the second token":                {secret.Keys{"99999", "12345"}, page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 0},
		"signed without our port":         {secret.Keys{"12345"}, "https://mycompany.com:1234/myapp.php", "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 0},
		"http":                            {secret.Keys{"12345"}, plain, "foo=1&bar=2", form, conference.Encode(), "n2xBNyzSW7rfYStDtOFiFMv7qNo=", 0},
		"http, without our port":          {secret.Keys{"12345"}, "http://mycompany.com:1234/myapp.php", "foo=1&bar=2", form, conference.Encode(), "n2xBNyzSW7rfYStDtOFiFMv7qNo=", 0},
		"a short form":                    {secret.Keys{"12345"}, page, "foo=1&bar=2", form, "property=value&boolean=true", "NBdBDr/T/lgjI+tlgpXjKZQZs/k=", 0},
		"JSON":                            {secret.Keys{"12345"}, page, "foo=1&bar=2&bodySHA256=" + bodyHash, jsonType, jsonBody, "a9nBmqA0ju/hNViExpshrM61xv4=", 0},
		"JSON, nothing else in the query": {secret.Keys{"12345"}, page, "bodySHA256=" + bodyHash, jsonType, jsonBody, "y77kIzt2vzLz71DgmJGsen2scGs=", 0},
		"sorted wrongly":                  {secret.Keys{"12345"}, page, "foo=1&bar=2", form, conference.Encode(), "95+Bu0JVPi0r/SsESZCVf0dWAjw=", 403},
		"another token":                   {secret.Keys{"54321"}, page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"another address":                 {secret.Keys{"12345"}, "https://mycompany.com/other.php", "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"another host":                    {secret.Keys{"12345"}, "https://other.com/myapp.php", "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"another query":                   {secret.Keys{"12345"}, page, "foo=1&bar=3", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"a field changed":                 {secret.Keys{"12345"}, page, "foo=1&bar=2", form, conference.Encode() + "5", "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"a field more":                    {secret.Keys{"12345"}, page, "foo=1&bar=2", form, conference.Encode() + "&a=b", "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"a field less":                    {secret.Keys{"12345"}, page, "foo=1&bar=2", form, call.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"JSON changed":                    {secret.Keys{"12345"}, page, "foo=1&bar=2&bodySHA256=" + bodyHash, jsonType, jsonBody + " ", "a9nBmqA0ju/hNViExpshrM61xv4=", 403},
		"JSON without a hash":             {secret.Keys{"12345"}, page, "foo=1&bar=2", jsonType, jsonBody, "a9nBmqA0ju/hNViExpshrM61xv4=", 403},
		"invalid JSON":                    {secret.Keys{"12345"}, page, "foo=1&bar=2&bodySHA256=" + bodyHash, jsonType, "[", "a9nBmqA0ju/hNViExpshrM61xv4=", 400},
		"an invalid hash":                 {secret.Keys{"12345"}, page, "bodySHA256=zz", jsonType, jsonBody, "y77kIzt2vzLz71DgmJGsen2scGs=", 403},
		"no signature":                    {secret.Keys{"12345"}, page, "foo=1&bar=2", form, conference.Encode(), "", 403},
		"half a signature":                {secret.Keys{"12345"}, page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQ", 403},
		"not base64":                      {secret.Keys{"12345"}, page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5F?=", 403},
		"an invalid form":                 {secret.Keys{"12345"}, page, "foo=1&bar=2", form, "a=%zz", "vOEb5UThFn24KEfnOFLQY2AE5FY=", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			urls := []string{tt.base}
			if bare := strings.Replace(tt.base, ":1234", "", 1); bare != tt.base {
				urls = append(urls, bare)
			}
			verifier := &callback{tokens: tt.tokens, urls: urls}
			// Behind a proxy the request has another host, and no TLS.
			r := httptest.NewRequest(http.MethodPost, "http://10.0.0.7:3000"+CallbackPath+"?"+tt.query, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			r.Header.Set("X-Twilio-Signature", tt.signature)
			if _, err := verifier.verify(r, []byte(tt.body)); reporttest.Answered(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	const sms, chat = "webhook_1:sms:1", "webhook:2:whatsapp:12"
	status := func(fields string) string {
		return "MessageSid=SM1&AccountSid=AC1&From=%2B15005550006&To=%2B12025550143&" + fields
	}
	dlr := func(state report.State, status string, why *failure.Error) report.Report {
		return report.Report{EventID: "SM1:" + status, Provider: "twilio", Channel: message.SMS, JobID: sms, MessageID: "SM1", State: state, Err: why}
	}
	failed := func(class failure.Class, reason failure.Reason, code string) report.Update {
		return reporttest.Reports(dlr(report.Failed, "undelivered", &failure.Error{Class: class, Reason: reason, Code: code}))
	}
	answer := func(kind suppress.Kind, why suppress.Why) suppress.Preference {
		return suppress.Preference{EventID: "SM2:" + string(kind), Provider: "twilio", Channel: message.SMS, Address: "+12025550143", Sender: "+15005550006",
			Kind: kind, Why: why, At: received}
	}
	person := func(fields string) string {
		return "MessageSid=SM2&SmsStatus=received&From=%2B12025550143&To=%2B15005550006&NumMedia=0&" + fields
	}
	ofService, onWhatsApp := answer(suppress.OptOut, suppress.StopWord), answer(suppress.OptOut, suppress.StopWord)
	ofService.Sender, onWhatsApp.Channel = "MG9752274e9e519418a7406176694466fa", message.WhatsApp
	ofService.Also = []string{"+15005550006"}
	toAgent := answer(suppress.OptOut, suppress.StopWord)
	toAgent.Sender = "luna_agent"
	read := report.Report{EventID: "SM1:read", Provider: "twilio", Channel: message.WhatsApp, JobID: chat, MessageID: "SM1", State: report.Read}
	refused := dlr(report.Failed, "failed", &failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true, Code: "21610"})
	for name, tt := range map[string]struct {
		job, form  string
		want       report.Update
		fromPerson bool
	}{
		"sent":                      {sms, status("MessageStatus=sent"), reporttest.Reports(dlr(report.Sent, "sent", nil)), false},
		"delivered":                 {sms, status("MessageStatus=delivered&RawDlrDoneDate=2411152122"), reporttest.Reports(dlr(report.Delivered, "delivered", nil)), false},
		"partially":                 {sms, status("MessageStatus=partially_delivered"), reporttest.Reports(dlr(report.Delivered, "partially_delivered", nil)), false},
		"still Twilio's own affair": {sms, status("MessageStatus=queued"), report.Update{}, false},
		"an unknown status":         {sms, status("MessageStatus=teleported"), report.Update{}, false},
		"read on WhatsApp":          {chat, strings.ReplaceAll(status("MessageStatus=read&ChannelPrefix=whatsapp"), "=%2B", "=whatsapp%3A%2B"), reporttest.Reports(read), false},
		"without a job":             {"", status("MessageStatus=delivered"), report.Update{Foreign: 1}, false},
		"not a job's id":            {"order 7", status("MessageStatus=delivered"), report.Update{Foreign: 1}, false},
		"a job of another channel":  {"webhook_1:email:1", status("MessageStatus=delivered"), report.Update{Foreign: 1}, false},

		"the handset is off":     {sms, status("MessageStatus=undelivered&ErrorCode=30003"), failed(failure.Transient, failure.ReasonRecipient, "30003"), false},
		"no such number":         {sms, status("MessageStatus=undelivered&ErrorCode=30005"), failed(failure.Permanent, failure.ReasonRecipient, "30005"), false},
		"a landline":             {sms, status("MessageStatus=undelivered&ErrorCode=30006"), failed(failure.Permanent, failure.ReasonRecipient, "30006"), false},
		"filtered":               {sms, status("MessageStatus=undelivered&ErrorCode=30007"), failed(failure.Permanent, failure.ReasonContent, "30007"), false},
		"the network says no":    {sms, status("MessageStatus=undelivered&ErrorCode=30008"), failed(failure.Transient, failure.ReasonOutage, "30008"), false},
		"the account":            {sms, status("MessageStatus=undelivered&ErrorCode=30002"), failed(failure.Account, failure.ReasonSuspended, "30002"), false},
		"an unknown code":        {sms, status("MessageStatus=undelivered&ErrorCode=39999"), failed(failure.Permanent, failure.ReasonUnreadable, "39999"), false},
		"no code":                {sms, status("MessageStatus=undelivered"), failed(failure.Permanent, failure.ReasonUnreadable, ""), false},
		"a code as a float":      {sms, status("MessageStatus=undelivered&ErrorCode=30005.0"), failed(failure.Permanent, failure.ReasonRecipient, "30005"), false},
		"a code that is no code": {sms, status("MessageStatus=undelivered&ErrorCode=abc"), failed(failure.Permanent, failure.ReasonUnreadable, ""), false},
		"canceled": {sms, status("MessageStatus=canceled"), reporttest.Reports(dlr(report.Failed, "canceled",
			&failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest})), false},
		"opted out at Twilio": {sms, status("MessageStatus=failed&ErrorCode=21610"), report.Update{Reports: []report.Report{refused},
			Preferences: []suppress.Preference{
				{EventID: "SM1:failed:opt_out", Provider: "twilio", Channel: message.SMS, Address: "+12025550143", Sender: "+15005550006", Kind: suppress.OptOut,
					Why: suppress.Refused, At: received}}}, false},
		"opted out of another program's messages": {"", status("MessageStatus=failed&ErrorCode=21610"), report.Update{Foreign: 1, Preferences: []suppress.Preference{
			{EventID: "SM1:failed:opt_out", Provider: "twilio", Channel: message.SMS, Address: "+12025550143", Sender: "+15005550006", Kind: suppress.OptOut,
				Why: suppress.Refused, At: received}}}, false},
		"another product's": {sms, "CallSid=CA1&CallStatus=completed", report.Update{}, false},
		"nothing in it":     {sms, "", report.Update{}, false},

		"STOP":                     {"", person("Body=STOP"), reporttest.Preferences(answer(suppress.OptOut, suppress.StopWord)), true},
		"a stop word of another":   {"", person("Body=Arr%C3%AAt+%21"), reporttest.Preferences(answer(suppress.OptOut, suppress.StopWord)), true},
		"START":                    {"", person("Body=start"), reporttest.Preferences(answer(suppress.OptIn, suppress.StopWord)), true},
		"anything else":            {"", person("Body=Thank+you%2C+please+do+not+stop"), report.Update{}, true},
		"to a service":             {"", person("Body=STOP&MessagingServiceSid=" + ofService.Sender), reporttest.Preferences(ofService), true},
		"on WhatsApp":              {"", strings.ReplaceAll(person("Body=STOP"), "=%2B", "=whatsapp%3A%2B"), reporttest.Preferences(onWhatsApp), true},
		"Advanced Opt-Out":         {"", person("Body=genug&OptOutType=STOP"), reporttest.Preferences(answer(suppress.OptOut, suppress.StopWord)), true},
		"Advanced, in again":       {"", person("Body=ja&OptOutType=START"), reporttest.Preferences(answer(suppress.OptIn, suppress.StopWord)), true},
		"Advanced, help":           {"", person("Body=stop&OptOutType=HELP"), report.Update{}, true},
		"from a short code":        {"", "MessageSid=SM2&SmsStatus=received&From=12345&To=%2B15005550006&Body=STOP", report.Update{Unread: []string{"SM2:opt_out"}}, true},
		"thanks from a short code": {"", "MessageSid=SM2&SmsStatus=received&From=12345&To=%2B15005550006&Body=thanks", report.Update{}, true},
		"on RCS":                   {"", strings.ReplaceAll(person("Body=STOP"), "=%2B", "=rcs%3A%2B"), reporttest.Preferences(answer(suppress.OptOut, suppress.StopWord)), true},
		"to an RCS agent":          {"", strings.ReplaceAll(strings.ReplaceAll(person("Body=STOP"), "From=", "From=rcs%3A"), "%2B15005550006", "rcs%3Aluna_agent"), reporttest.Preferences(toAgent), true},
		"a button":                 {"", person("Body=&ButtonText=Stop&ButtonPayload=x"), reporttest.Preferences(answer(suppress.OptOut, suppress.StopWord)), true},
		"an entry of a list":       {"", person("Body=&ListTitle=STOP&ListId=1"), reporttest.Preferences(answer(suppress.OptOut, suppress.StopWord)), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form, err := url.ParseQuery(tt.form)
			if err != nil {
				t.Fatal(err)
			}
			got, fromPerson := parse(tt.job, form, words(t), received)
			reporttest.Equal(t, tt.want, got)
			if fromPerson != tt.fromPerson {
				t.Errorf("a person's message: %t", fromPerson)
			}
		})
	}
}
