package aws

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringup.dev/ringup/internal/report/reporttest"
)

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
		"version 1":      {file: "notification-v1.json", asked: []string{path}},
		"version 2":      {file: "notification-v2.json", asked: []string{path}},
		"a subscription": {file: "subscription-v2.json", asked: []string{path, confirm}},
		"the end of one": {file: "unsubscribe-v1.json", asked: []string{path}},
		"an hour later":  {file: "notification-v2.json", now: vectorTime.Add(time.Hour), asked: []string{path}},
		"unknown fields": {file: "notification-v2.json", change: add(`"New": {"a": [1]},`), asked: []string{path}},

		"subscribed elsewhere":   {file: "subscription-elsewhere-v2.json", want: 403, asked: []string{path}},
		"subscribed to another":  {file: "subscription-another-v2.json", want: 403, asked: []string{path}},
		"a replay":               {file: "notification-v2.json", now: vectorTime.Add(2 * time.Hour), want: 403},
		"from the future":        {file: "notification-v2.json", now: vectorTime.Add(-2 * time.Hour), want: 403},
		"another topic":          {file: "notification-v2.json", topic: vectorTopic + "2", want: 403},
		"the message changed":    {file: "notification-v2.json", change: replace("jane.roe", "john.roe"), want: 403, asked: []string{path}},
		"the subject removed":    {file: "notification-v1.json", change: replace(`"Subject"`, `"Subjekt"`), want: 403, asked: []string{path}},
		"a subject put in":       {file: "notification-v2.json", change: add(`"Subject": "x",`), want: 403, asked: []string{path}},
		"called another type":    {file: "subscription-v2.json", change: replace("SubscriptionConfirmation", "UnsubscribeConfirmation"), want: 403, asked: []string{path}},
		"version 1 called 2":     {file: "notification-v1.json", change: replace(`"SignatureVersion": "1"`, `"SignatureVersion": "2"`), want: 403, asked: []string{path}},
		"version 3":              {file: "notification-v2.json", change: replace(`"SignatureVersion": "2"`, `"SignatureVersion": "3"`), want: 403},
		"no version":             {file: "notification-v2.json", change: replace(`"SignatureVersion"`, `"Version"`), want: 403},
		"no signature":           {file: "notification-v2.json", change: replace(`"Signature":`, `"Sign":`), want: 403},
		"an invalid signature":   {file: "notification-v2.json", change: replace(`"Signature": "`, `"Signature": "?`), want: 403},
		"half a signature":       {file: "notification-v2.json", change: replace(`"Signature": "`, `"Signature": "AAAA", "Old": "`), want: 403, asked: []string{path}},
		"no timestamp":           {file: "notification-v2.json", change: replace(`"Timestamp"`, `"Time"`), want: 403},
		"an elliptic key":        {file: "notification-v2.json", certificate: testdata(t, "sns/elliptic.pem"), want: 403, asked: []string{path}},
		"a short key":            {file: "notification-v2.json", certificate: testdata(t, "sns/short.pem"), want: 403, asked: []string{path}},
		"a certificate to come":  {file: "notification-v2.json", certificate: notYet(t), want: 403, asked: []string{path}},
		"no certificate":         {file: "notification-v2.json", certificate: []byte("<html>"), want: 403, asked: []string{path}},
		"an endless certificate": {file: "notification-v2.json", certificate: bytes.Repeat([]byte("-"), 1<<20), want: 403, asked: []string{path}},
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
			_, _, err := reader.read(httptest.NewRequest(http.MethodPost, CallbackPath, nil), []byte(body))
			if reporttest.Answered(err) != tt.want {
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

func certificateOf(t *testing.T, key *rsa.PrivateKey, from, until time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func sesReader(topic string, now time.Time, amazon roundTrip) *callback {
	clock := func() time.Time { return now }
	return &callback{sns: newSNS([]string{topic}, amazon, clock), log: slog.New(slog.DiscardHandler), now: clock}
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
		s := newSNS([]string{vectorTopic}, amazonAt(&asked, testdata(t, "sns/certificate.pem")), func() time.Time { return vectorTime })
		if _, err := s.key(t.Context(), address); (err == nil) != want || (len(asked) > 0) != want {
			t.Errorf("%s: %v, asked for %q", address, err, asked)
		}
	}
}

// TestCertificatesAreCached: fetched once, until they are old; and no more of them than a bound.
func TestCertificatesAreCached(t *testing.T) {
	t.Parallel()
	now := vectorTime
	var asked []string
	s := newSNS(nil, amazonAt(&asked, testdata(t, "sns/certificate.pem")), func() time.Time { return now })
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
	if len(s.cached) > maxCertificates {
		t.Errorf("%d are cached", len(s.cached))
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
			if _, _, err := reader.read(httptest.NewRequest(http.MethodPost, CallbackPath, nil), body); reporttest.Answered(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
		})
	}
}

// TestCertificatesThatThereAreNot: strangers name certificates that there are not, and Amazon does not answer. Only a bounded number of them is
// waited for, in their topic's region; callbacks with a known certificate do not wait for them; and what Amazon denied is not asked for again.
func TestCertificatesThatThereAreNot(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var asked atomic.Int64
	certificate := testdata(t, "sns/certificate.pem")
	reader := sesReader(vectorTopic, vectorTime, func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "0123456789abcdef") {
			return answer(200, nil, certificate), nil
		}
		asked.Add(1)
		<-release
		return answer(404, nil, nil), nil
	})
	read := func(body string) int {
		_, _, err := reader.read(httptest.NewRequest(http.MethodPost, CallbackPath, nil), []byte(body))
		return reporttest.Answered(err)
	}
	good := string(testdata(t, "sns/notification-v2.json"))
	if status := read(good); status != 0 {
		t.Fatalf("the real one: %d", status)
	}
	named := func(i int) string {
		return strings.Replace(good, "0123456789abcdef", fmt.Sprintf("aaaaaaaa%d", i), 1)
	}
	const flood = 200
	answers := make(chan int, flood)
	for i := range flood {
		go func() { answers <- read(named(i)) }()
	}
	counts := map[int]int{}
	for range flood - maxFetches { // some at once, the others after fetchPatience
		counts[<-answers]++
	}
	if asked.Load() != maxFetches || counts[503] != flood-maxFetches {
		t.Errorf("%d certificates were asked for at a time, want %d; answers: %v", asked.Load(), maxFetches, counts)
	}
	if status := read(good); status != 0 {
		t.Errorf("the real one, during it: %d", status)
	}
	close(release)
	for range maxFetches {
		counts[<-answers]++
	}
	if counts[403] != maxFetches {
		t.Errorf("answers: %v", counts)
	}
	before := asked.Load()
	for i := range flood {
		if status := read(named(i)); status != 403 {
			t.Errorf("%d: %d", i, status)
		}
	}
	for i := range flood {
		read(named(i))
	}
	if again := asked.Load() - before; again != flood-maxFetches {
		t.Errorf("asked for %d certificates, want %d: each once", again, flood-maxFetches)
	}
	elsewhere := asked.Load()
	if status := read(strings.Replace(named(0), "sns.eu-west-1", "sns.us-east-1", 1)); status != 403 || asked.Load() != elsewhere {
		t.Errorf("a certificate of another region: %d", status)
	}
}

// TestConfiguration: the error has the topic that cannot work.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	c := CallbackConfig{SESTopics: []string{vectorTopic, "ringup-events"}}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `SES_TOPIC_ARN has "ringup-events"`) || strings.Contains(err.Error(), `has "`+vectorTopic) {
		t.Errorf("%v", err)
	}
	for _, topics := range [][]string{nil, {""}, {vectorTopic, "arn:aws-cn:sns:cn-north-1:123456789012:events", ""}} {
		if err := (&CallbackConfig{SESTopics: topics}).Validate(); err != nil {
			t.Errorf("%q: %v", topics, err)
		}
	}
}

// TestRawDelivery: the refusal of a message without a signature says which setting removed it.
func TestRawDelivery(t *testing.T) {
	t.Parallel()
	callback, err := NewCallback(CallbackConfig{SESTopics: []string{vectorTopic}}, nil, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"eventType":"Delivery","mail":{"messageId":"m1"}}`
	r := httptest.NewRequest(http.MethodPost, CallbackPath, strings.NewReader(body))
	r.Header.Set("x-amz-sns-rawdelivery", "true")
	update, _, err := callback.Read(r, []byte(body))
	if reporttest.Answered(err) != 400 || !strings.Contains(err.Error(), "raw message delivery") || !update.Empty() {
		t.Errorf("%+v, %v", update, err)
	}
}
