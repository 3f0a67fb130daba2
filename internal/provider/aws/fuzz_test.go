package aws

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/report/reporttest"
)

func FuzzSES(f *testing.F) {
	f.Add(`{"eventType":"Bounce","mail":{"messageId":"m","tags":{"ringup_job":["a.3aemail.3a1"]}},"bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"a@b.example"}]}}`)
	f.Add(`{"notificationType":"Complaint","mail":{"destination":["x <a@b.example>"]},"complaint":{"complaintSubType":"OnAccountSuppressionList","complainedRecipients":[{}]}}`)
	f.Add(`{"eventType":"Subscription","mail":{"destination":["a@b.example"]},"subscription":{"newTopicPreferences":{"unsubscribeAll":true}}}`)
	f.Fuzz(func(t *testing.T, text string) { reporttest.Sound(t, parseSES("n1", []byte(text), received)) })
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
		_, _, err := reader.read(httptest.NewRequest("POST", CallbackPath, nil), []byte(body))
		if reporttest.Answered(err) != 403 && reporttest.Answered(err) != 400 {
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
