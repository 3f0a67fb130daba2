package aws_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/aws"
	"ringup.dev/ringup/internal/provider/aws/send"
	"ringup.dev/ringup/internal/provider/providertest"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/test/emulator"
)

func TestCallback(t *testing.T) {
	t.Parallel()
	providertest.RunCallback(t, providertest.Callback{
		Dialect: "ses", Channel: message.Email, Correlates: true, Reply: http.StatusOK, Window: time.Hour + 5*time.Minute,
		Send: func(url string, client *transport.Client) (provider.Provider, error) {
			return send.NewSES(send.SESConfig{AWS: send.Config{Region: emulator.AWSRegion, AccessKeyID: emulator.AWSAccessKeyID,
				SecretAccessKey: emulator.AWSSecretAccessKey, EndpointURL: url}, From: "hello@example.com", ConfigurationSet: "ringup"}, client)
		},
		New: func(ctx context.Context, env envconfig.Lookuper, amazon http.RoundTripper, now func() time.Time) (provider.Callback, error) {
			var c aws.CallbackConfig
			if err := config.Read(ctx, env, &c); err != nil {
				return provider.Callback{}, err
			}
			return aws.NewCallback(c, amazon, slog.New(slog.DiscardHandler), now)
		},
		Events: []emulator.EventKind{emulator.EventSent, emulator.EventDelivered, emulator.EventRead},
		// The time of a Send is the e-mail's own, by SES's clock.
		Untimed: []emulator.EventKind{emulator.EventSent},
		Ends: []providertest.End{
			{Event: emulator.Event{Kind: emulator.EventBounce}, Class: failure.Permanent, Why: suppress.HardBounce},
			{Event: emulator.Event{Kind: emulator.EventSoftBounce}, Class: failure.Transient},
			{Event: emulator.Event{Kind: emulator.EventDropped}, Class: failure.Permanent, Why: suppress.OptOutList},
			{Event: emulator.Event{Kind: emulator.EventComplaint}, Why: suppress.Complaint},
			{Event: emulator.Event{Kind: emulator.EventFailed}, Class: failure.Permanent},
			{Event: emulator.Event{Kind: emulator.EventUnsubscribe}, Why: suppress.Unsubscribe},
		},
	})
}
