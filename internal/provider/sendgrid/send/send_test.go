package send_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/providertest"
	"ringup.dev/ringup/internal/provider/sendgrid/send"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/test/emulator"
)

func TestEmail(t *testing.T) {
	t.Parallel()
	providertest.Run(t, adapter())
}

func FuzzAnswer(f *testing.F) {
	f.Add(uint16(400), `{"errors":[{"field":{"a":[1]}}]}`, "")
	providertest.Fuzz(f, adapter())
}

func adapter() providertest.Adapter {
	// twilio.com/docs/sendgrid/api-reference: "Errors", "Rate limits".
	refusal := func(status int, field, text string) emulator.Refusal {
		return emulator.Refusal{Status: status, Field: field, Text: text}
	}
	reset := refusal(429, "", "too many requests")
	reset.Header = http.Header{"X-Ratelimit-Reset": {strconv.FormatInt(time.Now().Add(10*time.Hour).Unix(), 10)}}
	return providertest.Adapter{
		Dialect: "sendgrid", Channel: message.Email, Correlates: true, Secret: emulator.SendGridAPIKey,
		New: func(url, key string, client *transport.Client) (provider.Provider, error) {
			return send.New(send.Config{APIKey: secret.String(key), From: "Luna Coffee <hello@example.com>", BaseURL: url}, client)
		},
		Failures: []providertest.Failure{
			{Answer: refusal(400, "personalizations.0.to.0.email", "Does not contain a valid address."),
				Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}},
			{Answer: refusal(400, "from.email", "The from email does not contain a valid address."),
				Want: failure.Error{Class: failure.Account, Reason: failure.ReasonSender}},
			{Answer: refusal(400, "content.0.value", "The content value must be a string."),
				Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent}},
			{Answer: refusal(400, "", "Bad Request"), Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest}},
			{Answer: refusal(401, "", "The provided authorization grant is invalid, expired, or revoked"),
				Want: failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}},
			{Answer: refusal(401, "", "Maximum credits exceeded"), Want: failure.Error{Class: failure.Account, Reason: failure.ReasonBalance}},
			{Answer: refusal(403, "from", "The from address does not match a verified Sender Identity."),
				Want: failure.Error{Class: failure.Account, Reason: failure.ReasonSender}},
			{Answer: refusal(403, "", "access forbidden"), Want: failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials}},
			{Answer: refusal(413, "", "Payload too large"), Want: failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent}},
			// No longer than the transport's bound, however far away the reset is.
			{Answer: reset, Want: failure.Error{Class: failure.Throttled, Reason: failure.ReasonRateLimit, RetryAfter: time.Hour}},
			{Answer: refusal(503, "", "unavailable"), Want: failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}},
		},
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	_, err := send.New(send.Config{APIKey: "SG.two words", From: "nobody", BaseURL: "sendgrid"}, transport.New(1))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"SENDGRID_API_KEY", "EMAIL_FROM", "SENDGRID_BASE_URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "two words") {
		t.Errorf("gives the key away: %v", err)
	}
}
