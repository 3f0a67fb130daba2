package sendgrid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/report/reporttest"
	"ringup.dev/ringup/internal/suppress"
)

// received is when the callbacks of these tests come in; happened is the time that SendGrid's events have.
var (
	received = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	happened = time.Date(2024, 11, 15, 21, 22, 1, 0, time.UTC) // 1731705721
)

// The example of SendGrid's SDK (sendgrid-go, helpers/eventwebhook/eventwebhook_test.go).
const (
	exampleKey       = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
	exampleSignature = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
	exampleTimestamp = "1600112502"
	exampleBody      = `[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",` +
		`"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",` +
		`"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]` + "\r\n"
)

func TestSignatures(t *testing.T) {
	t.Parallel()
	signed := time.Unix(1600112502, 0)
	other := otherKey(t)
	for name, tt := range map[string]struct {
		keys                       []string
		signature, timestamp, body string
		now                        time.Time
		want                       int
	}{
		"the SDK's example":      {[]string{exampleKey}, exampleSignature, exampleTimestamp, exampleBody, signed, 0},
		"the second key":         {[]string{other, " " + exampleKey}, exampleSignature, exampleTimestamp, exampleBody, signed, 0},
		"an hour later":          {[]string{exampleKey}, exampleSignature, exampleTimestamp, exampleBody, signed.Add(time.Hour), 0},
		"a replay":               {[]string{exampleKey}, exampleSignature, exampleTimestamp, exampleBody, signed.Add(window + time.Second), 403},
		"from the future":        {[]string{exampleKey}, exampleSignature, exampleTimestamp, exampleBody, signed.Add(-window - time.Second), 403},
		"another key":            {[]string{other}, exampleSignature, exampleTimestamp, exampleBody, signed, 403},
		"without the line's end": {[]string{exampleKey}, exampleSignature, exampleTimestamp, strings.TrimSpace(exampleBody), signed, 403},
		"another timestamp":      {[]string{exampleKey}, exampleSignature, "1600112503", exampleBody, signed, 403},
		"a timestamp with zeros": {[]string{exampleKey}, exampleSignature, "01600112502", exampleBody, signed, 403},
		"no timestamp":           {[]string{exampleKey}, exampleSignature, "", exampleBody, signed, 403},
		"no signature":           {[]string{exampleKey}, "", exampleTimestamp, exampleBody, signed, 403},
		"half a signature":       {[]string{exampleKey}, exampleSignature[:40], exampleTimestamp, exampleBody, signed, 403},
		"not base64":             {[]string{exampleKey}, exampleSignature + "?", exampleTimestamp, exampleBody, signed, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := (&CallbackConfig{PublicKeys: tt.keys}).keys()
			if err != nil {
				t.Fatal(err)
			}
			verifier := &callback{keys: keys, now: func() time.Time { return tt.now }}
			h := http.Header{}
			h.Set("X-Twilio-Email-Event-Webhook-Signature", tt.signature)
			h.Set("X-Twilio-Email-Event-Webhook-Timestamp", tt.timestamp)
			if err := verifier.verify(h, []byte(tt.body)); reporttest.Answered(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
		})
	}
}

// otherKey is an ECDSA key in the form that SendGrid shows.
func otherKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return encoded(t, &key.PublicKey)
}

func encoded(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// TestConfiguration: the error names the variable, and which of the keys is wrong.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := CallbackConfig{PublicKeys: []string{exampleKey, encoded(t, &weak.PublicKey)}}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "SENDGRID_WEBHOOK_PUBLIC_KEY: number 2 is not an ECDSA key") {
		t.Errorf("%v", err)
	}
	for _, key := range []string{"MFkw", "?", exampleKey + "corrupting the public key"} {
		if err := (&CallbackConfig{PublicKeys: []string{key}}).Validate(); err == nil || !strings.Contains(err.Error(), "SENDGRID_WEBHOOK_PUBLIC_KEY") {
			t.Errorf("%s: %v", key, err)
		}
	}
	for _, keys := range [][]string{nil, {""}, {exampleKey}} {
		if err := (&CallbackConfig{PublicKeys: keys}).Validate(); err != nil {
			t.Errorf("%q: %v", keys, err)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	one := func(fields string) string {
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
		return reporttest.Reports(dlr(report.Failed, &failure.Error{Class: class, Reason: reason, Code: code}))
	}
	listed := func(reason failure.Reason, code string, why suppress.Why) report.Update {
		return report.Update{Reports: []report.Report{dlr(report.Failed, &failure.Error{Class: failure.Permanent, Reason: reason, Code: code, Suppress: true})},
			Preferences: []suppress.Preference{prefer(suppress.OptOut, why)}}
	}
	for name, tt := range map[string]struct {
		fields string
		want   report.Update
	}{
		"processed":       {`"event":"processed"`, reporttest.Reports(dlr(report.Sent, nil))},
		"delivered":       {`"event":"delivered","response":"250 OK"`, reporttest.Reports(dlr(report.Delivered, nil))},
		"deferred":        {`"event":"deferred","response":"400 try again later","attempt":"5"`, report.Update{}},
		"opened":          {`"event":"open","sg_machine_open":false`, reporttest.Reports(dlr(report.Read, nil))},
		"opened by Apple": {`"event":"open","sg_machine_open":true`, report.Update{}},
		"unsubscribed, among fields of other types": {`"event":"unsubscribe","type":7,"reason":{},"status":5.1,"bounce_classification":[],"sg_machine_open":"no"`,
			reporttest.Preferences(prefer(suppress.OptOut, suppress.Unsubscribe))},
		"clicked": {`"event":"click","url":"https://example.com"`, reporttest.Reports(dlr(report.Read, nil))},

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

		"called spam":        {`"event":"spamreport"`, reporttest.Preferences(prefer(suppress.OptOut, suppress.Complaint))},
		"unsubscribed":       {`"event":"unsubscribe"`, reporttest.Preferences(prefer(suppress.OptOut, suppress.Unsubscribe))},
		"unsubscribed group": {`"event":"group_unsubscribe","asm_group_id":10`, reporttest.Preferences(prefer(suppress.OptOut, suppress.Unsubscribe))},
		"subscribed again":   {`"event":"group_resubscribe","asm_group_id":10`, reporttest.Preferences(prefer(suppress.OptIn, suppress.Unsubscribe))},
		"of the account":     {`"event":"account_status_change","type":"compliance_suspend"`, report.Update{}},
		"new":                {`"event":"teleported"`, report.Update{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// What cannot be read stands beside it, and holds nothing up.
			got, err := parse([]byte(`[7, null, {"event":[]}, `+one(tt.fields)+`, {"event":"delivered","email":{}}]`), received)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.Foreign = 1 // the last one, which names no job of ours
			reporttest.Equal(t, want, got)
		})
	}
	// A batch of two, one of them without ids and time; and events of another program that uses the same account.
	got, err := parse([]byte(`[`+one(`"event":"delivered"`)+`,{"event":"unsubscribe","email":"Jane Roe <jane.roe@EXAMPLE.com>"},`+
		`{"event":"delivered","email":"x@example.com"},{"event":"delivered","ringup_job":"order 7","sg_message_id":"m2","timestamp":"1731705721"}]`), received)
	if err != nil {
		t.Fatal(err)
	}
	anonymous := prefer(suppress.OptOut, suppress.Unsubscribe)
	anonymous.EventID, anonymous.At = "same", received
	for i := range got.Preferences {
		if len(got.Preferences[i].EventID) != 32 || strings.Contains(got.Preferences[i].EventID, "jane") {
			t.Errorf("the event is called %q", got.Preferences[i].EventID)
		}
		got.Preferences[i].EventID = "same"
	}
	reporttest.Equal(t, report.Update{Reports: []report.Report{dlr(report.Delivered, nil)}, Preferences: []suppress.Preference{anonymous}, Foreign: 2}, got)
	for _, body := range []string{"", "{}", "[", `"x"`, "[1", "\xff"} {
		if _, err := parse([]byte(body), received); reporttest.Answered(err) != 400 {
			t.Errorf("%q: %v", body, err)
		}
	}
}
