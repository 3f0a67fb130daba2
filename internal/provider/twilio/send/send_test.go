package send_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/providertest"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/provider/twilio"
	"ringup.dev/ringup/internal/provider/twilio/send"
	"ringup.dev/ringup/test/emulator"
)

func config(url string, tokens ...secret.Key) send.Config {
	return send.Config{AccountSID: emulator.TwilioAccountSID, SMSFrom: "+15005550006", WhatsAppFrom: "+14155238886", BaseURL: url,
		Callback: twilio.CallbackConfig{AuthToken: tokens, PublicURL: "https://hooks.example.com/shop/"}}
}

// failures are of twilio.com/docs/api/errors.
func failures(class failure.Class, reason failure.Reason, suppress bool, codes ...int) []providertest.Failure {
	var out []providertest.Failure
	for _, code := range codes {
		out = append(out, providertest.Failure{
			Answer: emulator.Refusal{Status: http.StatusBadRequest, Code: strconv.Itoa(code), Text: "Refused"},
			Want:   failure.Error{Class: class, Reason: reason, Suppress: suppress},
		})
	}
	return out
}

func documented() []providertest.Failure {
	limited := emulator.Refusal{Status: http.StatusTooManyRequests, Code: "20429", Header: http.Header{"Retry-After": {"3"}}}
	out := []providertest.Failure{
		{Answer: limited, Want: failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit, RetryAfter: 3 * time.Second}},
		{Answer: emulator.Refusal{Status: 401, Code: "20003"}, Want: failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}},
		{Answer: emulator.Refusal{Status: 403, Code: "20403"}, Want: failure.Error{Class: failure.Account, Reason: failure.ReasonSuspended}},
		{Answer: emulator.Refusal{Status: 503, Code: "20503"}, Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}},
		// Unknown codes go by the status.
		{Answer: emulator.Refusal{Status: 400, Code: "29999"}, Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}},
		{Answer: emulator.Refusal{Status: 500, Code: "59999"}, Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}},
		{Answer: emulator.Refusal{Status: 500, Code: "63999"}, Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}},
		{Answer: emulator.Refusal{Status: 408, Code: "29999"}, Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}},
		{Answer: emulator.Refusal{Status: 429, Code: "63999"}, Want: failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}},
	}
	for _, status := range []int{401, 403} {
		out = append(out, providertest.Failure{Answer: emulator.Refusal{Status: status, Code: "20399"}, Want: failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}})
	}
	// But for the ranges of the account and of the sender.
	out = append(out, failures(failure.Transient, failure.ReasonCredentials, false, 10999, 20399, 90999)...)
	out = append(out, failures(failure.Transient, failure.ReasonSender, false, 21699, 21799, 30999, 63999)...)
	out = append(out, failures(failure.Account, failure.ReasonSender, false, 21659, 21660, 21661, 21701, 21703, 21705, 21910, 63112)...)
	out = append(out, failures(failure.Permanent, failure.ReasonRecipient, false, 21211, 21217, 21604, 21608, 21266, 21612, 21614, 21635, 63003, 63015, 63024, 63031)...)
	out = append(out, failures(failure.Permanent, failure.ReasonOptedOut, true, 21610, 63014)...)
	out = append(out, failures(failure.Permanent, failure.ReasonContent, false, 21602, 21617, 21658, 30007, 30044, 63013)...)
	out = append(out, failures(failure.Permanent, failure.ReasonTemplate, false, 21654, 21655, 21656, 63016, 63027, 63028)...)
	out = append(out, failures(failure.Permanent, failure.ReasonRegion, false, 21408)...)
	out = append(out, failures(failure.Transient, failure.ReasonOutage, false, 63012, 63023)...)
	out = append(out, failures(failure.Throttled, failure.ReasonRateLimit, false, 21611, 30022, 63017, 63018)...)
	out = append(out, failures(failure.Account, failure.ReasonSender, false, 21606, 21212, 30034, 63007)...)
	out = append(out, failures(failure.Account, failure.ReasonBalance, false, 20005)...)
	out = append(out, failures(failure.Account, failure.ReasonQuota, false, 30023, 63038)...)
	out = append(out, failures(failure.Permanent, failure.ReasonQuota, false, 63049)...)
	out = append(out, failures(failure.Permanent, failure.ReasonRequest, false, 20404)...)
	return append(out, failures(failure.Account, failure.ReasonSuspended, false, 10001, 90010)...)
}

func TestSMS(t *testing.T) {
	t.Parallel()
	providertest.Run(t, sms())
}

func FuzzAnswer(f *testing.F) {
	f.Add(uint16(400), `{"code":"21211","message":7}`, "")
	f.Add(uint16(201), `{"sid":null}`, "")
	providertest.Fuzz(f, sms())
}

func sms() providertest.Adapter {
	return providertest.Adapter{
		Dialect: "twilio", Channel: message.SMS, Correlates: true, Secret: emulator.TwilioAuthToken, Failures: documented(),
		New: func(url, token string, client *transport.Client) (provider.Provider, error) {
			return send.NewSMS(config(url, secret.Key(token)), client)
		},
	}
}

func TestSMSThroughAMessagingService(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Adapter{
		Dialect: "twilio", Channel: message.SMS, Secret: emulator.TwilioAuthToken, Failures: documented()[:1],
		New: func(url, token string, client *transport.Client) (provider.Provider, error) {
			c := config(url, secret.Key(token))
			c.SMSFrom, c.MessagingServiceSID = "", "MG"+strings.Repeat("0", 32)
			return send.NewSMS(c, client)
		},
	})
}

func TestWhatsApp(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Adapter{
		Dialect: "twilio", Channel: message.WhatsApp, Correlates: true, Secret: emulator.TwilioAuthToken, Failures: documented(),
		Template: &message.Template{Name: "HX" + strings.Repeat("a", 32), Parameters: []string{"Jane", "$12.50"}},
		New: func(url, token string, client *transport.Client) (provider.Provider, error) {
			return send.NewWhatsApp(config(url, secret.Key(token)), client)
		},
	})
}

// TestFormsOfCodes: a code means the same as a number, a text and a float, whatever a gateway on the way has made of the status; other fields, strange
// ones too, do not matter.
func TestFormsOfCodes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]failure.Error{
		`{"code":21211,"message":"x","status":400}`:                {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "21211"},
		`{"code":"21211","message":"x","status":"400"}`:            {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "21211"},
		`{"code":21211.0,"message":{"en":"x"},"more_info":null}`:   {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "21211"},
		`{"code":"20003","detail":[]}`:                             {Class: failure.Account, Reason: failure.ReasonCredentials, Code: "20003"},
		`{"code":2.0429e4}`:                                        {Class: failure.Throttled, Reason: failure.ReasonRateLimit, Code: "20429"},
		`{"sid":null,"status":"failed","code":21610,"message":""}`: {Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true, Code: "21610"},
	} {
		for _, status := range []int{200, 201, 400} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			}))
			p, err := send.NewSMS(config(server.URL, emulator.TwilioAuthToken), transport.New(1))
			if err != nil {
				t.Fatal(err)
			}
			want.Status = status
			_, err = p.Send(t.Context(), message.Message{JobID: "a:sms:1", Channel: message.SMS, To: "+12025550143", Text: "x"})
			if got := failure.AsError(err); *got != want {
				t.Errorf("HTTP %d %s: %+v, want %+v", status, body, got, want)
			}
			server.Close()
		}
	}
}

// TestFieldsOfOtherTypes: a message that Twilio has taken is not sent again because of a field that matters to nobody, and one that it gave up at once
// is not taken.
func TestFieldsOfOtherTypes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]failure.Error{
		`{"sid":"SM1","status":"queued","num_segments":1,"price":0.0075,"date_created":7,"subresource_uris":[]}`: {},
		`{"sid":"SM1","status":["queued"],"error_code":"","account_sid":null}`:                                   {},
		`{"sid":"SM1","status":"failed","error_code":30007}`:                                                     {Class: failure.Permanent, Reason: failure.ReasonContent, Code: "30007", Status: 201, Detail: "filtered as spam, by Twilio or by the network"},
		`{"sid":"SM1","status":"undelivered","error_code":"30008"}`:                                              {Class: failure.Transient, Reason: failure.ReasonOutage, Code: "30008", Status: 201, Detail: "the network gave no reason"},
		`{"sid":["SM1"],"status":"queued"}`:                                                                      {Class: failure.Ambiguous, Reason: failure.ReasonUnreadable, Status: 201},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = w.Write([]byte(`{"sid":"AC1","status":"active","date_created":7,"type":[],"subresource_uris":"none"}`))
				return
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(body))
		}))
		p, err := send.NewSMS(config(server.URL, emulator.TwilioAuthToken), transport.New(1))
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := p.Send(t.Context(), message.Message{JobID: "a:sms:1", Channel: message.SMS, To: "+12025550143", Text: "x"})
		switch {
		case want == failure.Error{} && (err != nil || receipt.MessageID != "SM1"):
			t.Errorf("%s: %+v, %v", body, receipt, err)
		case want != failure.Error{} && (err == nil || *failure.AsError(err) != want):
			t.Errorf("%s: %+v, want %+v", body, err, want)
		}
		if err := p.Probe(t.Context()); err != nil {
			t.Errorf("probe: %v", err)
		}
		server.Close()
	}
}

// TestStatusCallback: what Twilio is told to call, and with which token; without a public address it is told nothing.
func TestStatusCallback(t *testing.T) {
	t.Parallel()
	provider := emulator.New()
	server := httptest.NewServer(provider)
	defer server.Close()
	for public, want := range map[string]string{
		"":                             "",
		"https://hooks.example.com":    "https://hooks.example.com/callbacks/twilio?job=a_20b_2f_c3_a9_3asms_3a1",
		"http://127.0.0.1:3000/ringup": "http://127.0.0.1:3000/ringup/callbacks/twilio?job=a_20b_2f_c3_a9_3asms_3a1",
	} {
		c := config(server.URL, emulator.TwilioAuthToken, "theoldtoken")
		c.Callback.PublicURL = public
		p, err := send.NewSMS(c, transport.New(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Send(t.Context(), message.Message{JobID: "a b/é:sms:1", Channel: message.SMS, To: "+12025550143", Text: "x"}); err != nil {
			t.Fatal(err)
		}
		taken := provider.Messages()
		if got := taken[len(taken)-1].StatusCallback; got != want {
			t.Errorf("%q: %q, want %q", public, got, want)
		}
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	sms := func(c send.Config) error { _, err := send.NewSMS(c, transport.New(1)); return err }
	whatsApp := func(c send.Config) error { _, err := send.NewWhatsApp(c, transport.New(1)); return err }
	for name, c := range map[string]struct {
		build  func(send.Config) error
		change func(*send.Config)
		want   []string
	}{
		"nothing is set": {sms, func(c *send.Config) { *c = send.Config{} },
			[]string{"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_SMS_FROM", "TWILIO_MESSAGING_SERVICE_SID"}},
		"both senders":       {sms, func(c *send.Config) { c.MessagingServiceSID = "MG" + strings.Repeat("0", 32) }, []string{"set one of them"}},
		"a number without +": {sms, func(c *send.Config) { c.SMSFrom = "abc$" }, []string{"TWILIO_SMS_FROM"}},
		"a service of another kind": {sms, func(c *send.Config) { c.SMSFrom, c.MessagingServiceSID = "", "AC1" },
			[]string{"TWILIO_MESSAGING_SERVICE_SID", "MG and 32"}},
		"WhatsApp without a sender":          {whatsApp, func(c *send.Config) { c.WhatsAppFrom = "" }, []string{"TWILIO_WHATSAPP_FROM"}},
		"no host":                            {sms, func(c *send.Config) { c.BaseURL = "proxy:8080" }, []string{"TWILIO_BASE_URL"}},
		"no public host":                     {sms, func(c *send.Config) { c.Callback.PublicURL = "hooks.example.com" }, []string{"PUBLIC_URL"}},
		"a second token of other characters": {sms, func(c *send.Config) { c.Callback.AuthToken = secret.Keys{"abc", "s3cret-!"} }, []string{"TWILIO_AUTH_TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := config("", "s3cret-!")
			c.change(&config)
			err := c.build(config)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("gives the token away: %v", err)
			}
		})
	}
}
