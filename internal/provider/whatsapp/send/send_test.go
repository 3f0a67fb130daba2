package send_test

import (
	"io"
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
	"ringup.dev/ringup/internal/provider/whatsapp/send"
	"ringup.dev/ringup/test/emulator"
)

// failures are of developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes. Meta's statuses differ between its own pages:
// every code is tried with two.
func failures(want failure.Error, codes ...int) []providertest.Failure {
	var out []providertest.Failure
	for _, code := range codes {
		for _, status := range []int{400, 500} {
			out = append(out, providertest.Failure{Answer: emulator.Refusal{Status: status, Code: strconv.Itoa(code), Text: "(#1) Refused"}, Want: want})
		}
	}
	return out
}

func documented() []providertest.Failure {
	out := []providertest.Failure{
		{Answer: emulator.Refusal{Status: 400, Code: "100", Subcode: 33}, Want: failure.Error{Class: failure.Account, Reason: failure.ReasonSender}},
		{Answer: emulator.Refusal{Status: 400, Code: "999999", Flag: true}, Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}},
		{Answer: emulator.Refusal{Status: 400, Code: "999998"}, Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}},
		{Answer: emulator.Refusal{Status: 500, Code: "999997"}, Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}},
		{Answer: emulator.Refusal{Status: 400, Code: "133999"}, Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonSender}},
		{Answer: emulator.Refusal{Status: 500, Code: "133999"}, Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}},
		{Answer: emulator.Refusal{Status: 408, Code: "133999"}, Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}},
		{Answer: emulator.Refusal{Status: 401, Code: "133999"}, Want: failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}},
		{Answer: emulator.Refusal{Status: 401, Code: "999996"}, Want: failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}},
	}
	permanent := func(reason failure.Reason) failure.Error {
		return failure.Error{Class: failure.Permanent, Reason: reason}
	}
	account := func(reason failure.Reason) failure.Error {
		return failure.Error{Class: failure.Account, Reason: reason}
	}
	out = append(out, failures(permanent(failure.ReasonRecipient), 131021, 131026, 130472)...)
	out = append(out, failures(permanent(failure.ReasonRequest), 100, 131008, 131009)...)
	out = append(out, failures(permanent(failure.ReasonContent), 131051, 135000)...)
	out = append(out, failures(permanent(failure.ReasonTemplate), 131047, 132000, 132001, 132015, 132016, 132018, 134102)...)
	out = append(out, failures(permanent(failure.ReasonOptedOut), 131050)...)
	out = append(out, failures(permanent(failure.ReasonQuota), 131049)...)
	out = append(out, failures(permanent(failure.ReasonRegion), 130497)...)
	out = append(out, failures(failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}, 1, 2, 131000, 131016, 131057, 133004)...)
	out = append(out, failures(failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit}, 4, 80007, 130429)...)
	// To one person, one in six seconds; everybody else's messages go on.
	out = append(out, failures(failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit, RecipientOnly: true, RetryAfter: 6 * time.Second}, 131056)...)
	out = append(out, failures(account(failure.ReasonCredentials), 0, 3, 10, 190, 200, 299, 131005)...)
	out = append(out, failures(account(failure.ReasonSuspended), 368, 131031)...)
	out = append(out, failures(account(failure.ReasonBalance), 131042)...)
	out = append(out, failures(account(failure.ReasonQuota), 131048)...)
	return append(out, failures(account(failure.ReasonSender), 33, 131037, 131045, 133010)...)
}

func TestWhatsApp(t *testing.T) {
	t.Parallel()
	providertest.Run(t, adapter())
}

func FuzzAnswer(f *testing.F) {
	f.Add(uint16(500), `{"error":{"code":null}}`, "")
	f.Add(uint16(401), `{"error":[]}`, "")
	providertest.Fuzz(f, adapter())
}

func adapter() providertest.Adapter {
	return providertest.Adapter{
		Dialect: "whatsapp", Channel: message.WhatsApp, Secret: emulator.WhatsAppToken, Failures: documented(),
		Template: &message.Template{Name: "order_ready", Language: "en_US", Parameters: []string{"Jane", "$12.50"}},
		New: func(url, token string, client *transport.Client) (provider.Provider, error) {
			return send.New(send.Config{PhoneNumberID: emulator.WhatsAppNumberID, AccessToken: secret.String(token), BaseURL: url}, client)
		},
	}
}

// TestFormsOfCodes: a code means the same as a number, a text and a float, whatever a gateway on the way has made of the status.
func TestFormsOfCodes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]failure.Error{
		`{"error":{"code":131026,"type":"OAuthException"}}`:                                     {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "131026"},
		`{"error":{"code":"131026","type":"OAuthException"}}`:                                   {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "131026"},
		`{"error":{"code":131026.0,"type":"OAuthException","error_subcode":null}}`:              {Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: "131026"},
		`{"error":{"code":"100","type":"GraphMethodException","error_subcode":"33"}}`:           {Class: failure.Account, Reason: failure.ReasonSender, Code: "100"},
		`{"error":{"code":190,"type":"OAuthException","is_transient":"no","error_subcode":{}}}`: {Class: failure.Account, Reason: failure.ReasonCredentials, Code: "190"},
		`{"error":{"code":190,"type":"OAuthException","error_subcode":[]}}`:                     {Class: failure.Account, Reason: failure.ReasonCredentials, Code: "190"},
	} {
		for _, status := range []int{200, 400} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			}))
			p, err := send.New(send.Config{PhoneNumberID: emulator.WhatsAppNumberID, AccessToken: "token", BaseURL: server.URL}, transport.New(1))
			if err != nil {
				t.Fatal(err)
			}
			want.Status = status
			_, sendErr := p.Send(t.Context(), message.Message{JobID: "a:whatsapp:1", Channel: message.WhatsApp, To: "+12025550143", Text: "x"})
			for _, err := range []error{sendErr, p.Probe(t.Context())} {
				got := *failure.AsError(err)
				if got.Detail = ""; got != want {
					t.Errorf("HTTP %d %s: %+v, want %+v", status, body, got, want)
				}
			}
			server.Close()
		}
	}
}

// TestKnownAs: the number by which WhatsApp knows the recipient, where the answer has one.
func TestKnownAs(t *testing.T) {
	t.Parallel()
	for contacts, want := range map[string]message.Address{
		`[{"input":"+5215512345678","wa_id":"5215512345678"}]`: "+5215512345678", `[{"wa_id":"+12025550143"}]`: "+12025550143", `[{"wa_id":"US.2"}]`: "", `[{"input":"+12025550143"}]`: "",
		`[]`: "", `[{"wa_id":"12025550143"},{"wa_id":"12025550144"}]`: "",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"contacts":`+contacts+`,"messages":[{"id":"wamid.1"}]}`)
		}))
		t.Cleanup(server.Close)
		p, err := adapter().New(server.URL, emulator.WhatsAppToken, transport.New(1))
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := p.Send(t.Context(), message.Message{To: "+525512345678", Text: "hello"})
		if err != nil || receipt.KnownAs != want || receipt.MessageID != "wamid.1" {
			t.Errorf("%s: %+v, %v", contacts, receipt, err)
		}
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	_, err := send.New(send.Config{PhoneNumberID: "+1 202 555 0143", AccessToken: "two words", BaseURL: "ftp://graph"}, transport.New(1))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"WHATSAPP_PHONE_NUMBER_ID", "WHATSAPP_ACCESS_TOKEN", "WHATSAPP_BASE_URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "two words") {
		t.Errorf("gives the token away: %v", err)
	}
}
