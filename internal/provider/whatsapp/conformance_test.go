package whatsapp_test

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
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/provider/whatsapp"
	"ringup.dev/ringup/internal/provider/whatsapp/send"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/test/emulator"
)

func TestCallback(t *testing.T) {
	t.Parallel()
	providertest.RunCallback(t, providertest.Callback{
		Dialect: "whatsapp", Channel: message.WhatsApp, Reply: http.StatusOK, Signature: "X-Hub-Signature-256",
		Send: func(url string, client *transport.Client) (provider.Provider, error) {
			return send.New(send.Config{PhoneNumberID: emulator.WhatsAppNumberID, AccessToken: emulator.WhatsAppToken, BaseURL: url}, client)
		},
		New: func(ctx context.Context, env envconfig.Lookuper, _ http.RoundTripper, now func() time.Time) (provider.Callback, error) {
			var c whatsapp.CallbackConfig
			if err := config.Read(ctx, env, &c); err != nil {
				return provider.Callback{}, err
			}
			words, err := suppress.NewWords(suppress.WordsConfig{})
			if err != nil {
				return provider.Callback{}, err
			}
			c.VerifyToken = "" // it needs the secret that the suite leaves out
			return whatsapp.NewCallback(c, words, now)
		},
		Events: []emulator.EventKind{emulator.EventSent, emulator.EventDelivered, emulator.EventRead},
		Ends:   []providertest.End{{Event: emulator.Event{Kind: emulator.EventFailed, Code: "131026"}, Class: failure.Permanent}},
	})
}
