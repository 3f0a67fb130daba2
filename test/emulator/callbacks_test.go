package emulator_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"
	"github.com/twilio/twilio-go/client"

	"ringup.dev/ringup/test/emulator"
)

const public = "https://hooks.example.com/shop"

// open returns providers that have accepted one message each, and their callbacks.
func open(t *testing.T, ingest string) (*emulator.Server, *emulator.Callbacks) {
	t.Helper()
	s := emulator.New()
	c, err := s.Callbacks(emulator.CallbackOptions{Ingest: ingest, Public: public})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	providers := httptest.NewServer(s)
	t.Cleanup(providers.Close)
	send := func(path, contentType, body string, header http.Header) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, providers.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("User-Agent", "ringup/1.2.3")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode >= 300 {
			t.Fatalf("%s: %d", path, resp.StatusCode)
		}
	}
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(emulator.TwilioAccountSID, emulator.TwilioAuthToken)
	send("/2010-04-01/Accounts/"+emulator.TwilioAccountSID+"/Messages.json", "application/x-www-form-urlencoded",
		url.Values{"To": {"+12025550143"}, "From": {"+15005550006"}, "Body": {"x"}, "StatusCallback": {public + "/callbacks/twilio?job=a_20b"}}.Encode(), basic.Header)
	send("/v3/mail/send", "application/json", `{"from":{"email":"a@example.com"},"subject":"s","personalizations":[{"to":[{"email":"b@example.com"}],`+
		`"custom_args":{"ringup_job":"a_3aemail_3a1"}}],"content":[{"type":"text/plain","value":"x"}]}`, http.Header{"Authorization": {"Bearer " + emulator.SendGridAPIKey}})
	return s, c
}

// TestSignatures: the providers' own libraries accept the emulator's signatures, and refuse forged ones.
func TestSignatures(t *testing.T) {
	t.Parallel()
	s, c := open(t, "http://127.0.0.1:1")
	key, err := eventwebhook.ConvertPublicKeyBase64ToECDSA(c.Environment()["SENDGRID_WEBHOOK_PUBLIC_KEY"])
	if err != nil {
		t.Fatal(err)
	}
	validator := client.NewRequestValidator(emulator.TwilioAuthToken)
	believed := func(cb emulator.Callback) bool {
		if cb.Provider == "twilio" {
			return validator.ValidateBody(cb.URL, cb.Body, cb.Header.Get("X-Twilio-Signature"))
		}
		good, err := eventwebhook.VerifySignature(key, cb.Body, cb.Header.Get(eventwebhook.VerificationHTTPHeader), cb.Header.Get(eventwebhook.TimestampHTTPHeader))
		return good && err == nil
	}
	seen := 0
	for _, m := range s.Messages() {
		callbacks, err := c.Report(m, emulator.Event{Kind: emulator.EventDelivered})
		if err != nil {
			t.Fatal(err)
		}
		inbound, err := c.Receive(emulator.Inbound{Provider: "twilio", From: "+12025550143", To: "+15005550006", Text: "Stop ☕ & go"})
		if err != nil {
			t.Fatal(err)
		}
		for _, cb := range append(callbacks, inbound) {
			seen++
			if !believed(cb) || !believed(c.SignedAt(cb, time.Unix(1, 0))) {
				t.Errorf("%s: the library refuses %s", cb.Provider, cb.Body)
			}
			if believed(cb.Forged()) || believed(cb.WithBody(append(cb.Body, '1'))) {
				t.Errorf("%s: the library accepts a forged callback", cb.Provider)
			}
		}
	}
	if seen != 4 {
		t.Errorf("%d callbacks were checked", seen)
	}
}

// TestPlan: callbacks go to the path that ingest has behind a proxy, and the answers are counted.
func TestPlan(t *testing.T) {
	t.Parallel()
	var paths []string
	ingest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.RequestURI)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer ingest.Close()
	s, _ := open(t, ingest.URL)
	server := httptest.NewServer(s)
	defer server.Close()
	post := func(body string) (int, string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/_emulator/callbacks", strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	for _, tt := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"events":[{"kind":"delivered"},{"kind":"sent"}],"repeat":2}`, 200, `{"messages":2,"callbacks":6,"answers":{"418":6}}`},
		{`{"provider":"sendgrid","events":[{"kind":"bounce"}],"shuffle":3,"forge":true}`, 200, `{"messages":1,"callbacks":1,"answers":{"418":1}}`},
		{`{"inbound":{"provider":"whatsapp","channel":"whatsapp","from":"+12025550143","to":"1","text":"stop"}}`, 200, `{"messages":0,"callbacks":1,"answers":{"418":1}}`},
		{`{"provider":"twilio","events":[{"kind":"bounce"}]}`, 422, "twilio does not report"},
		{`{"inbound":{"provider":"ses"}}`, 422, "ses takes no messages"},
		{`{"evnts":[]}`, 400, "evnts"},
	} {
		if status, answer := post(tt.body); status != tt.status || !strings.Contains(answer, tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.body, status, answer, tt.status, tt.want)
		}
	}
	if len(paths) != 8 || paths[0] != "POST /callbacks/twilio?job=a_20b" || paths[7] != "POST /callbacks/whatsapp" {
		t.Errorf("%q", paths)
	}
}

// TestWithoutIngest: without ingest's address there are no callbacks.
func TestWithoutIngest(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	emulator.New().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_emulator/callbacks", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

// TestAmazon: the server that stands in for Amazon has a certificate for SNS's host alone, which only a client with its authority accepts.
func TestAmazon(t *testing.T) {
	t.Parallel()
	_, c := open(t, "http://127.0.0.1:1")
	get := func(transport http.RoundTripper, address string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	if err := get(c.Amazon(), "https://sns.eu-west-1.amazonaws.com/"); err != nil {
		t.Error(err)
	}
	var wrong *tls.CertificateVerificationError
	if err := get(c.Amazon(), "https://sns.us-east-1.amazonaws.com/"); !errors.As(err, &wrong) {
		t.Errorf("another host: %v", err)
	}
	stranger, is := c.Amazon().(*http.Transport)
	if !is {
		t.Fatal("the transport is not an *http.Transport")
	}
	stranger = stranger.Clone()
	stranger.TLSClientConfig.RootCAs = nil
	if err := get(stranger, "https://sns.eu-west-1.amazonaws.com/"); !errors.As(err, &wrong) {
		t.Errorf("without its authority: %v", err)
	}
}
