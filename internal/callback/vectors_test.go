package callback

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// status is the one that a refusal has; 0 for none.
func status(err error) int {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.status
	}
	if err != nil {
		return -1
	}
	return 0
}

// TestTwilioVectors has the examples of Twilio's documentation (twilio.com/docs/usage/security: the first) and of its SDK
// (twilio-go, client/request_validator_test.go: the others).
func TestTwilioVectors(t *testing.T) {
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
		token, base, query, kind, body, signature string
		want                                      int
	}{
		"documentation":                   {"12345", page, "foo=1&bar=2", form, call.Encode(), "RSOYDt4T1cUTdK1PDd93/VVr8B8=", 0},
		"form":                            {"12345", page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 0},
		"the second token":                {"99999, 12345", page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 0},
		"signed without our port":         {"12345", "https://mycompany.com:1234/myapp.php", "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 0},
		"http":                            {"12345", plain, "foo=1&bar=2", form, conference.Encode(), "n2xBNyzSW7rfYStDtOFiFMv7qNo=", 0},
		"http, without our port":          {"12345", "http://mycompany.com:1234/myapp.php", "foo=1&bar=2", form, conference.Encode(), "n2xBNyzSW7rfYStDtOFiFMv7qNo=", 0},
		"a short form":                    {"12345", page, "foo=1&bar=2", form, "property=value&boolean=true", "NBdBDr/T/lgjI+tlgpXjKZQZs/k=", 0},
		"JSON":                            {"12345", page, "foo=1&bar=2&bodySHA256=" + bodyHash, jsonType, jsonBody, "a9nBmqA0ju/hNViExpshrM61xv4=", 0},
		"JSON, nothing else in the query": {"12345", page, "bodySHA256=" + bodyHash, jsonType, jsonBody, "y77kIzt2vzLz71DgmJGsen2scGs=", 0},
		"sorted wrongly":                  {"12345", page, "foo=1&bar=2", form, conference.Encode(), "95+Bu0JVPi0r/SsESZCVf0dWAjw=", 403},
		"another token":                   {"54321", page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"another address":                 {"12345", "https://mycompany.com/other.php", "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"another host":                    {"12345", "https://other.com/myapp.php", "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"another query":                   {"12345", page, "foo=1&bar=3", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"a field changed":                 {"12345", page, "foo=1&bar=2", form, conference.Encode() + "5", "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"a field more":                    {"12345", page, "foo=1&bar=2", form, conference.Encode() + "&a=b", "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"a field less":                    {"12345", page, "foo=1&bar=2", form, call.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5FY=", 403},
		"JSON changed":                    {"12345", page, "foo=1&bar=2&bodySHA256=" + bodyHash, jsonType, jsonBody + " ", "a9nBmqA0ju/hNViExpshrM61xv4=", 403},
		"JSON without a hash":             {"12345", page, "foo=1&bar=2", jsonType, jsonBody, "a9nBmqA0ju/hNViExpshrM61xv4=", 403},
		"JSON that is none":               {"12345", page, "foo=1&bar=2&bodySHA256=" + bodyHash, jsonType, "[", "a9nBmqA0ju/hNViExpshrM61xv4=", 400},
		"a hash that is none":             {"12345", page, "bodySHA256=zz", jsonType, jsonBody, "y77kIzt2vzLz71DgmJGsen2scGs=", 403},
		"no signature":                    {"12345", page, "foo=1&bar=2", form, conference.Encode(), "", 403},
		"half a signature":                {"12345", page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQ", 403},
		"not base64":                      {"12345", page, "foo=1&bar=2", form, conference.Encode(), "vOEb5UThFn24KEfnOFLQY2AE5F?=", 403},
		"a form that is none":             {"12345", page, "foo=1&bar=2", form, "a=%zz", "vOEb5UThFn24KEfnOFLQY2AE5FY=", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			urls, err := publicURLs(tt.base)
			if err != nil {
				t.Fatal(err)
			}
			verifier := &twilio{tokens: split(secretOf(tt.token)), urls: urls}
			// Behind a proxy the request has another host, and no TLS.
			r := httptest.NewRequest(http.MethodPost, "http://10.0.0.7:3000/callbacks/twilio?"+tt.query, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			r.Header.Set("X-Twilio-Signature", tt.signature)
			if _, err := verifier.verify(r, []byte(tt.body)); status(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
		})
	}
}

// The example of SendGrid's SDK (sendgrid-go, helpers/eventwebhook/eventwebhook_test.go).
const (
	sendgridKey       = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
	sendgridSignature = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
	sendgridTimestamp = "1600112502"
	sendgridBody      = `[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",` +
		`"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",` +
		`"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]` + "\r\n"
)

func TestSendGridVector(t *testing.T) {
	t.Parallel()
	signed := time.Unix(1600112502, 0)
	other := otherKey(t)
	for name, tt := range map[string]struct {
		keys                       []string
		signature, timestamp, body string
		now                        time.Time
		want                       int
	}{
		"the SDK's example":      {[]string{sendgridKey}, sendgridSignature, sendgridTimestamp, sendgridBody, signed, 0},
		"the second key":         {[]string{other, " " + sendgridKey}, sendgridSignature, sendgridTimestamp, sendgridBody, signed, 0},
		"five minutes later":     {[]string{sendgridKey}, sendgridSignature, sendgridTimestamp, sendgridBody, signed.Add(5 * time.Minute), 0},
		"a replay":               {[]string{sendgridKey}, sendgridSignature, sendgridTimestamp, sendgridBody, signed.Add(5*time.Minute + time.Second), 403},
		"from the future":        {[]string{sendgridKey}, sendgridSignature, sendgridTimestamp, sendgridBody, signed.Add(-5*time.Minute - time.Second), 403},
		"another key":            {[]string{other}, sendgridSignature, sendgridTimestamp, sendgridBody, signed, 403},
		"without the line's end": {[]string{sendgridKey}, sendgridSignature, sendgridTimestamp, strings.TrimSpace(sendgridBody), signed, 403},
		"another timestamp":      {[]string{sendgridKey}, sendgridSignature, "1600112503", sendgridBody, signed, 403},
		"a timestamp with zeros": {[]string{sendgridKey}, sendgridSignature, "01600112502", sendgridBody, signed, 403},
		"no timestamp":           {[]string{sendgridKey}, sendgridSignature, "", sendgridBody, signed, 403},
		"no signature":           {[]string{sendgridKey}, "", sendgridTimestamp, sendgridBody, signed, 403},
		"half a signature":       {[]string{sendgridKey}, sendgridSignature[:40], sendgridTimestamp, sendgridBody, signed, 403},
		"not base64":             {[]string{sendgridKey}, sendgridSignature + "?", sendgridTimestamp, sendgridBody, signed, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := publicKeys(tt.keys)
			if err != nil {
				t.Fatal(err)
			}
			verifier := &sendgrid{keys: keys, now: func() time.Time { return tt.now }}
			h := http.Header{}
			h.Set("X-Twilio-Email-Event-Webhook-Signature", tt.signature)
			h.Set("X-Twilio-Email-Event-Webhook-Timestamp", tt.timestamp)
			if err := verifier.verify(h, []byte(tt.body)); status(err) != tt.want {
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

// TestWhatsAppVectors: Meta publishes no example with its secret. The header is the one that GitHub uses too, whose documentation has one
// (docs.github.com, "Validating webhook deliveries"), and the algorithm's own are in RFC 4231, section 4.3.
func TestWhatsAppVectors(t *testing.T) {
	t.Parallel()
	const (
		github = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
		rfc    = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	)
	for name, tt := range map[string]struct {
		secrets, signature, body string
		want                     int
	}{
		"GitHub's example":         {"It's a Secret to Everybody", github, "Hello, World!", 0},
		"the RFC's second":         {"Jefe", rfc, "what do ya want for nothing?", 0},
		"the second secret":        {"another,Jefe", rfc, "what do ya want for nothing?", 0},
		"in capitals":              {"Jefe", "sha256=" + strings.ToUpper(rfc[len("sha256="):]), "what do ya want for nothing?", 0},
		"another secret":           {"jefe", rfc, "what do ya want for nothing?", 403},
		"another body":             {"Jefe", rfc, "what do ya want for nothing!", 403},
		"escaped otherwise":        {"It's a Secret to Everybody", github, `Hello, \u0057orld!`, 403},
		"without its name":         {"Jefe", rfc[len("sha256="):], "what do ya want for nothing?", 403},
		"of the old algorithm":     {"Jefe", "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", "what do ya want for nothing?", 403},
		"half a signature":         {"Jefe", rfc[:39], "what do ya want for nothing?", 403},
		"not hexadecimal":          {"Jefe", rfc[:len(rfc)-1] + "g", "what do ya want for nothing?", 403},
		"no signature":             {"Jefe", "", "what do ya want for nothing?", 403},
		"an empty body, unsigned":  {"Jefe", "sha256=", "", 403},
		"a prefix that is not one": {"Jefe", "sha256" + rfc[len("sha256="):], "what do ya want for nothing?", 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := &whatsapp{secrets: split(secretOf(tt.secrets))}
			if err := verifier.verify(http.Header{"X-Hub-Signature-256": {tt.signature}}, []byte(tt.body)); status(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
		})
	}
}

// roundTrip is a way to Amazon that answers as a test wants.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, header http.Header, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body))}
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// vectorTime is when the messages in testdata/sns were signed.
var vectorTime = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

const vectorTopic = "arn:aws:sns:eu-west-1:123456789012:ses-events"

// amazonAt serves a certificate at the address that the messages name, and counts what is asked for.
func amazonAt(asked *[]string, certificate []byte) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		*asked = append(*asked, r.Method+" "+r.URL.String())
		if strings.HasSuffix(r.URL.Path, ".pem") {
			return answer(200, nil, certificate), nil
		}
		return answer(200, nil, []byte("<ConfirmSubscriptionResponse/>")), nil
	}
}

// TestSNSVectors has messages that OpenSSL signed; testdata/sns/README.md says how.
func TestSNSVectors(t *testing.T) {
	t.Parallel()
	certificate := testdata(t, "sns/certificate.pem")
	const path = "GET https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
	const confirm = "GET https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:123456789012:ses-events&Token=2336412f37"
	for name, tt := range map[string]struct {
		file        string
		change      func(body string) string
		topic       string
		now         time.Time
		certificate []byte
		want        int
		asked       []string
	}{
		"version 1":           {file: "notification-v1.json", asked: []string{path}},
		"version 2":           {file: "notification-v2.json", asked: []string{path}},
		"a subscription":      {file: "subscription-v2.json", asked: []string{path, confirm}},
		"the end of one":      {file: "unsubscribe-v1.json", asked: []string{path}},
		"an hour later":       {file: "notification-v2.json", now: vectorTime.Add(time.Hour), asked: []string{path}},
		"fields nobody knows": {file: "notification-v2.json", change: add(`"New": {"a": [1]},`), asked: []string{path}},

		"subscribed elsewhere":     {file: "subscription-elsewhere-v2.json", want: 403, asked: []string{path}},
		"subscribed to another":    {file: "subscription-another-v2.json", want: 403, asked: []string{path}},
		"a replay":                 {file: "notification-v2.json", now: vectorTime.Add(2 * time.Hour), want: 403},
		"from the future":          {file: "notification-v2.json", now: vectorTime.Add(-2 * time.Hour), want: 403},
		"another topic":            {file: "notification-v2.json", topic: vectorTopic + "2", want: 403},
		"the message changed":      {file: "notification-v2.json", change: replace("jane.roe", "john.roe"), want: 403, asked: []string{path}},
		"the subject taken away":   {file: "notification-v1.json", change: replace(`"Subject"`, `"Subjekt"`), want: 403, asked: []string{path}},
		"a subject put in":         {file: "notification-v2.json", change: add(`"Subject": "x",`), want: 403, asked: []string{path}},
		"called another type":      {file: "subscription-v2.json", change: replace("SubscriptionConfirmation", "UnsubscribeConfirmation"), want: 403, asked: []string{path}},
		"version 1 called 2":       {file: "notification-v1.json", change: replace(`"SignatureVersion": "1"`, `"SignatureVersion": "2"`), want: 403, asked: []string{path}},
		"version 3":                {file: "notification-v2.json", change: replace(`"SignatureVersion": "2"`, `"SignatureVersion": "3"`), want: 403},
		"no version":               {file: "notification-v2.json", change: replace(`"SignatureVersion"`, `"Version"`), want: 403},
		"no signature":             {file: "notification-v2.json", change: replace(`"Signature":`, `"Sign":`), want: 403},
		"a signature that is none": {file: "notification-v2.json", change: replace(`"Signature": "`, `"Signature": "?`), want: 403},
		"half a signature":         {file: "notification-v2.json", change: replace(`"Signature": "`, `"Signature": "AAAA", "Old": "`), want: 403, asked: []string{path}},
		"no timestamp":             {file: "notification-v2.json", change: replace(`"Timestamp"`, `"Time"`), want: 403},
		"an elliptic key":          {file: "notification-v2.json", certificate: testdata(t, "sns/elliptic.pem"), want: 403, asked: []string{path}},
		"a short key":              {file: "notification-v2.json", certificate: testdata(t, "sns/short.pem"), want: 403, asked: []string{path}},
		"a certificate to come":    {file: "notification-v2.json", certificate: notYet(t), want: 403, asked: []string{path}},
		"no certificate":           {file: "notification-v2.json", certificate: []byte("<html>"), want: 403, asked: []string{path}},
		"an endless certificate":   {file: "notification-v2.json", certificate: bytes.Repeat([]byte("-"), 1<<20), want: 403, asked: []string{path}},
		"garbage in a certificate": {file: "notification-v2.json", certificate: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), want: 403,
			asked: []string{path}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.now.IsZero() {
				tt.now = vectorTime
			}
			if tt.topic == "" {
				tt.topic = vectorTopic
			}
			if tt.certificate == nil {
				tt.certificate = certificate
			}
			body := string(testdata(t, "sns/"+tt.file))
			if tt.change != nil {
				if changed := tt.change(body); changed != body {
					body = changed
				} else {
					t.Fatal("the message is as it was: the test changes nothing")
				}
			}
			var asked []string
			reader := sesReader(tt.topic, tt.now, amazonAt(&asked, tt.certificate))
			_, _, err := reader.read(httptest.NewRequest(http.MethodPost, PathSES, nil), []byte(body))
			if status(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
			if strings.Join(asked, "\n") != strings.Join(tt.asked, "\n") {
				t.Errorf("asked for %q, want %q", asked, tt.asked)
			}
		})
	}
}

func replace(old, with string) func(string) string {
	return func(body string) string { return strings.Replace(body, old, with, 1) }
}

func add(field string) func(string) string {
	return func(body string) string { return "{" + field + strings.TrimPrefix(body, "{") }
}

// notYet is a certificate that begins to be valid later.
func notYet(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return certificateOf(t, key, vectorTime.Add(time.Minute), vectorTime.Add(time.Hour))
}

// TestCertificateAddress: nothing but Amazon's own host is asked for a certificate, whatever an address looks like.
func TestCertificateAddress(t *testing.T) {
	t.Parallel()
	const good = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
	for address, want := range map[string]bool{
		good: true,
		"https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123456789abcdef.pem":  true,
		"https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem":  true,
		"http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem":       false,
		"https://sns.eu-west-1.amazonaws.com:443/SimpleNotificationService-0123456789abcdef.pem":  false,
		"https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123456789abcdef.pem": false,
		"https://x@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem":    false,
		"https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-01.pem":       false,
		"https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-01.pem":       false,
		"https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem":       false,
		"https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem":       false,
		"https://sns.s3.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem":   false,
		"https://sns.eu-west-1xamazonaws.com/SimpleNotificationService-0123456789abcdef.pem":      false,
		"https://sns.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem":                false,
		"https://sns.eu-west-1.amazonaws.com/other.pem":                                           false,
		"https://sns.eu-west-1.amazonaws.com/a/SimpleNotificationService-0123456789abcdef.pem":    false,
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-../x.pem":                  false,
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService%2D01.pem":                  false,
		good + "?Action=Publish": false, good + "#x": false, good + "?": false, "": false, "::": false, "file:///etc/passwd": false,
	} {
		var asked []string
		s := newSNS([]string{vectorTopic}, &Options{Now: func() time.Time { return vectorTime }, Transport: amazonAt(&asked, testdata(t, "sns/certificate.pem"))})
		if _, err := s.key(t.Context(), address); (err == nil) != want || (len(asked) > 0) != want {
			t.Errorf("%s: %v, asked for %q", address, err, asked)
		}
	}
}

// TestCertificatesAreKept: fetched once, until they are old; and no more of them than a bound.
func TestCertificatesAreKept(t *testing.T) {
	t.Parallel()
	now := vectorTime
	var asked []string
	s := newSNS(nil, &Options{Now: func() time.Time { return now }, Transport: amazonAt(&asked, testdata(t, "sns/certificate.pem"))})
	fetch := func(n int) {
		t.Helper()
		if _, err := s.key(t.Context(), "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-"+strings.Repeat("a", n)+".pem"); err != nil {
			t.Fatal(err)
		}
	}
	fetch(1)
	fetch(1)
	if len(asked) != 1 {
		t.Errorf("asked %d times", len(asked))
	}
	now = now.Add(certificateAge)
	fetch(1)
	if len(asked) != 2 {
		t.Errorf("asked %d times after a day", len(asked))
	}
	for n := range 3 * maxCertificates {
		fetch(n + 1)
	}
	if len(s.kept) > maxCertificates {
		t.Errorf("%d are kept", len(s.kept))
	}
}

// TestAmazonIsAway: what cannot be looked at now is asked for again; what Amazon does not have, or sends elsewhere for, is not believed.
func TestAmazonIsAway(t *testing.T) {
	t.Parallel()
	body := testdata(t, "sns/subscription-v2.json")
	certificate := testdata(t, "sns/certificate.pem")
	broken := errors.New("no route to host")
	for name, tt := range map[string]struct {
		certificate, confirmation func() (*http.Response, error)
		want                      int
	}{
		"no connection": {certificate: func() (*http.Response, error) { return nil, broken }, want: 503},
		"an error":      {certificate: func() (*http.Response, error) { return answer(500, nil, nil), nil }, want: 503},
		"no such file":  {certificate: func() (*http.Response, error) { return answer(404, nil, nil), nil }, want: 403},
		"a redirect": {certificate: func() (*http.Response, error) {
			return answer(302, http.Header{"Location": {"https://evil.example/a.pem"}}, nil), nil
		}, want: 503},
		"not confirmed":  {confirmation: func() (*http.Response, error) { return answer(500, nil, nil), nil }, want: 503},
		"cannot confirm": {confirmation: func() (*http.Response, error) { return nil, broken }, want: 503},
		"confirm by a hop": {confirmation: func() (*http.Response, error) {
			return answer(301, http.Header{"Location": {"https://evil.example/"}}, nil), nil
		}, want: 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader := sesReader(vectorTopic, vectorTime, func(r *http.Request) (*http.Response, error) {
				switch {
				case r.URL.Host != "sns.eu-west-1.amazonaws.com":
					t.Errorf("asked %s", r.URL)
					return nil, broken
				case strings.HasSuffix(r.URL.Path, ".pem") && tt.certificate != nil:
					return tt.certificate()
				case strings.HasSuffix(r.URL.Path, ".pem"):
					return answer(200, nil, certificate), nil
				}
				return tt.confirmation()
			})
			if _, _, err := reader.read(httptest.NewRequest(http.MethodPost, PathSES, nil), body); status(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
		})
	}
}
