package sendgrid_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/providertest"
	"ringup.dev/ringup/internal/provider/sendgrid"
	"ringup.dev/ringup/internal/provider/sendgrid/send"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/test/emulator"
)

func TestCallback(t *testing.T) {
	t.Parallel()
	providertest.RunCallback(t, providertest.Callback{
		Dialect: "sendgrid", Channel: message.Email, Correlates: true, Reply: http.StatusOK, Signature: "X-Twilio-Email-Event-Webhook-Signature",
		Window: time.Hour + 5*time.Minute,
		Send: func(url string, client *transport.Client) (provider.Provider, error) {
			return send.New(send.Config{APIKey: emulator.SendGridAPIKey, From: "hello@example.com", BaseURL: url}, client)
		},
		New: func(ctx context.Context, env envconfig.Lookuper, _ http.RoundTripper, now func() time.Time) (provider.Callback, error) {
			var c sendgrid.CallbackConfig
			if err := config.Read(ctx, env, &c); err != nil {
				return provider.Callback{}, err
			}
			return sendgrid.NewCallback(c, now)
		},
		Events: []emulator.EventKind{emulator.EventSent, emulator.EventDelivered, emulator.EventRead},
		Ends: []providertest.End{
			{Event: emulator.Event{Kind: emulator.EventBounce}, Class: failure.Permanent, Why: suppress.HardBounce},
			{Event: emulator.Event{Kind: emulator.EventSoftBounce}, Class: failure.Transient},
			{Event: emulator.Event{Kind: emulator.EventDropped, Code: "Spam Reporting Address"}, Class: failure.Permanent, Why: suppress.Complaint},
			{Event: emulator.Event{Kind: emulator.EventComplaint}, Why: suppress.Complaint},
			{Event: emulator.Event{Kind: emulator.EventUnsubscribe}, Why: suppress.Unsubscribe},
		},
	})
}
