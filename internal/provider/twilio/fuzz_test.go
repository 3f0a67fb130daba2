package twilio

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/report/reporttest"
)

// A callback that is signed, or that is sent by a thief of the key: it is read without a panic, and the update is sound.

func FuzzParse(f *testing.F) {
	known := words(f)
	f.Add("webhook_1:sms:1", "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003&To=%2B12025550143&From=%2B15005550006")
	f.Add("x:whatsapp:1", "MessageSid=SM1&MessageStatus=failed&ErrorCode=21610&To=whatsapp%3A%2B12025550143")
	f.Add("", "MessageSid=SM2&SmsStatus=received&From=%2B12025550143&Body=STOP&OptOutType=STOP&MessagingServiceSid=MG1")
	f.Fuzz(func(t *testing.T, job, form string) {
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		update, _ := parse(job, values, known, received)
		reporttest.Sound(t, update)
	})
}

// FuzzFormOfJSON reads bodies that come as JSON.
func FuzzFormOfJSON(f *testing.F) {
	f.Add(`{"MessageSid":"SM1","MessageStatus":"delivered","ErrorCode":30003,"x":[{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		form, err := formOfJSON([]byte(body))
		if err != nil {
			return
		}
		for name, values := range form {
			if len(values) != 1 {
				t.Errorf("%q has %q", name, values)
			}
		}
	})
}

// FuzzSignature: no signature is valid that was made without the token.
func FuzzSignature(f *testing.F) {
	f.Add("job=a&bodySHA256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "application/json", "{}", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("job=a", "application/x-www-form-urlencoded; charset=UTF-8", "a=b&a=c", "vOEb5UThFn24KEfnOFLQY2AE5FY=")
	f.Fuzz(func(t *testing.T, query, kind, body, signature string) {
		r := httptest.NewRequest("POST", CallbackPath, strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", kind)
		r.Header.Set("X-Twilio-Signature", signature)
		verifier := &callback{tokens: secret.Keys{"a token that cannot be guessed"}, urls: []string{"https://hooks.example.com" + CallbackPath}}
		if _, err := verifier.verify(r, []byte(body)); reporttest.Answered(err) != 403 && reporttest.Answered(err) != 400 {
			t.Errorf("%v", err)
		}
	})
}
