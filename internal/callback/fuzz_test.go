package callback

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/suppress"
)

// Whatever a provider signs, or somebody who stole its key: it is read without a panic, and what comes of it is sound.

func FuzzTwilio(f *testing.F) {
	w := builtIn(f)
	f.Add("webhook_1:sms:1", "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003&To=%2B12025550143&From=%2B15005550006")
	f.Add("x:whatsapp:1", "MessageSid=SM1&MessageStatus=failed&ErrorCode=21610&To=whatsapp%3A%2B12025550143")
	f.Add("", "MessageSid=SM2&SmsStatus=received&From=%2B12025550143&Body=STOP&OptOutType=STOP&MessagingServiceSid=MG1")
	f.Fuzz(func(t *testing.T, job, form string) {
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		news, _ := parseTwilio(job, values, w, received)
		sound(t, news)
	})
}

// FuzzTwilioJSON reads bodies that come as JSON.
func FuzzTwilioJSON(f *testing.F) {
	f.Add(`{"MessageSid":"SM1","MessageStatus":"delivered","ErrorCode":30003,"x":[{}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		form, err := flat([]byte(body))
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

// FuzzTwilioSignature: nobody without the token has a signature.
func FuzzTwilioSignature(f *testing.F) {
	f.Add("job=a&bodySHA256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "application/json", "{}", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("job=a", "application/x-www-form-urlencoded; charset=UTF-8", "a=b&a=c", "vOEb5UThFn24KEfnOFLQY2AE5FY=")
	f.Fuzz(func(t *testing.T, query, kind, body, signature string) {
		r := httptest.NewRequest("POST", PathTwilio, strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", kind)
		r.Header.Set("X-Twilio-Signature", signature)
		verifier := &twilio{tokens: [][]byte{[]byte("a token that nobody guesses")}, urls: []string{"https://hooks.example.com" + PathTwilio}}
		if _, err := verifier.verify(r, []byte(body)); status(err) != 403 && status(err) != 400 {
			t.Errorf("%v", err)
		}
	})
}

func FuzzSendGrid(f *testing.F) {
	f.Add(sendgridBody)
	f.Add(`[{"event":"bounce","type":"blocked","status":"5.1.1","email":"a@b.example","timestamp":"1","ringup_job":"x:email:1"},{"event":"group_resubscribe","email":"a@b.example"}]`)
	f.Add(`[{"event":"open","sg_machine_open":1},null,7,{"timestamp":99999999999999999999}]`)
	f.Fuzz(func(t *testing.T, body string) {
		news, err := parseSendGrid([]byte(body), received)
		if err != nil && status(err) != 400 {
			t.Errorf("%v", err)
		}
		sound(t, news)
	})
}

// FuzzSendGridKey: a key of any kind is read or refused.
func FuzzSendGridKey(f *testing.F) {
	f.Add(sendgridKey, sendgridSignature)
	f.Add("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA", "MEUC")
	f.Add("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", sendgridSignature) // Ed25519, of RFC 8410
	f.Fuzz(func(t *testing.T, key, signature string) {
		keys, err := publicKeys([]string{key})
		if err != nil {
			if !strings.Contains(err.Error(), "SENDGRID_WEBHOOK_PUBLIC_KEY") {
				t.Errorf("%v", err)
			}
			return
		}
		for _, key := range keys {
			if key == nil || key.Curve == nil {
				t.Error("a key that is none")
			}
		}
	})
}

func FuzzSES(f *testing.F) {
	f.Add(`{"eventType":"Bounce","mail":{"messageId":"m","tags":{"ringup_job":["a.3aemail.3a1"]}},"bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"a@b.example"}]}}`)
	f.Add(`{"notificationType":"Complaint","mail":{"destination":["x <a@b.example>"]},"complaint":{"complaintSubType":"OnAccountSuppressionList","complainedRecipients":[{}]}}`)
	f.Add(`{"eventType":"Subscription","mail":{"destination":["a@b.example"]},"subscription":{"newTopicPreferences":{"unsubscribeAll":true}}}`)
	f.Fuzz(func(t *testing.T, text string) { sound(t, parseSES("n1", []byte(text), received)) })
}

// FuzzSNS: no envelope makes a request to anybody but Amazon, and none is believed without Amazon's signature.
func FuzzSNS(f *testing.F) {
	for _, name := range []string{"notification-v1.json", "notification-v2.json", "subscription-v2.json", "unsubscribe-v1.json"} {
		f.Add(string(testdata(f, "sns/"+name)))
	}
	certificate := testdata(f, "sns/elliptic.pem") // so that nothing can be signed
	f.Fuzz(func(t *testing.T, body string) {
		var asked []string
		reader := sesReader(vectorTopic, vectorTime, amazonAt(&asked, certificate))
		_, _, err := reader.read(httptest.NewRequest("POST", PathSES, nil), []byte(body))
		if status(err) != 403 && status(err) != 400 {
			t.Errorf("%v", err)
		}
		for _, address := range asked {
			u, err := url.Parse(strings.TrimPrefix(address, "GET "))
			if err != nil || u.Scheme != "https" || !strings.HasPrefix(u.Host, "sns.") || !strings.HasSuffix(u.Host, ".amazonaws.com") && !strings.HasSuffix(u.Host, ".amazonaws.com.cn") {
				t.Errorf("asked %s", address)
			}
		}
	})
}

func FuzzWhatsApp(f *testing.F) {
	w := builtIn(f)
	f.Add(`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1"},` +
		`"statuses":[{"id":"a","status":"failed","timestamp":"1","errors":[{"code":131026}]}],"messages":[{"from":"12025550143","id":"b","text":{"body":"stop"}}]}}]}]}`)
	f.Add(`{"object":"whatsapp_business_account","entry":[{"changes":[{"value":{"user_preferences":[{"wa_id":"12025550143","category":"marketing_messages","value":"resume","timestamp":-1}]}}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		news, err := parseWhatsApp([]byte(body), w, received)
		if err != nil && status(err) != 400 {
			t.Errorf("%v", err)
		}
		sound(t, news)
	})
}

// FuzzWords: a message that is a word stays one however it is written, and a folded one is as it should be.
func FuzzWords(f *testing.F) {
	w := builtIn(f)
	for _, text := range []string{"STOP", " Arrêt! ", "ＳＴＯＰ", "إيقاف", "수신거부", "\u1e9e\u0130", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		folded := fold(text)
		if again := fold(folded); len(folded) <= maxWord && again != folded {
			t.Errorf("%q is folded to %q, and that to %q", text, folded, again)
		}
		kind, found := w.meaning(text)
		if found != (kind == suppress.OptOut || kind == suppress.OptIn) {
			t.Errorf("%q: %q, %t", text, kind, found)
		}
		if around, _ := w.meaning("  ¡" + text + "! "); len(text)+6 <= maxWord && around != kind {
			t.Errorf("%q is %q, and with marks around it %q", text, kind, around)
		}
	})
}
