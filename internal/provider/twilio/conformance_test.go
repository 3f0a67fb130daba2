package twilio_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/providertest"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/provider/twilio"
	"ringup.dev/ringup/internal/provider/twilio/send"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/test/emulator"
)

func sendConfig(url string) send.Config {
	return send.Config{AccountSID: emulator.TwilioAccountSID, SMSFrom: "+15005550006", WhatsAppFrom: "+14155238886", BaseURL: url,
		Callback: twilio.CallbackConfig{AuthToken: secret.Keys{emulator.TwilioAuthToken}, PublicURL: providertest.Public}}
}

func callback(channel message.Channel) providertest.Callback {
	return providertest.Callback{
		Dialect: "twilio", Channel: channel, Correlates: true, Reply: http.StatusNoContent, Signature: "X-Twilio-Signature",
		New: func(ctx context.Context, env envconfig.Lookuper, _ http.RoundTripper, now func() time.Time) (provider.Callback, error) {
			var c twilio.CallbackConfig
			if err := config.Read(ctx, env, &c); err != nil {
				return provider.Callback{}, err
			}
			words, err := suppress.NewWords(suppress.WordsConfig{})
			if err != nil {
				return provider.Callback{}, err
			}
			return twilio.NewCallback(c, words, now)
		},
		Ends: []providertest.End{
			{Event: emulator.Event{Kind: emulator.EventFailed, Code: "30003"}, Class: failure.Transient},
			{Event: emulator.Event{Kind: emulator.EventFailed, Code: "21610"}, Class: failure.Permanent, Why: suppress.Refused},
		},
	}
}

func TestSMSCallback(t *testing.T) {
	t.Parallel()
	c := callback(message.SMS)
	c.Send = func(url string, client *transport.Client) (provider.Provider, error) {
		return send.NewSMS(sendConfig(url), client)
	}
	c.Events = []emulator.EventKind{emulator.EventSent, emulator.EventDelivered}
	c.Untimed = c.Events
	providertest.RunCallback(t, c)
}

func TestWhatsAppCallback(t *testing.T) {
	t.Parallel()
	c := callback(message.WhatsApp)
	c.Send = func(url string, client *transport.Client) (provider.Provider, error) {
		return send.NewWhatsApp(sendConfig(url), client)
	}
	c.Events = []emulator.EventKind{emulator.EventSent, emulator.EventDelivered, emulator.EventRead}
	c.Untimed = c.Events
	providertest.RunCallback(t, c)
}
