// Package whatsapp is the WhatsApp Business Cloud API: what its error codes mean, and its callback. Package send below it sends.
package whatsapp

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// Name is the catalog's.
const Name = "business"

// MaxText is the longest text of a message (developers.facebook.com/docs/whatsapp/cloud-api/reference/messages, "Text object").
var MaxText = message.Limit{Units: 4096}

// CallbackPath is where Meta posts its webhooks, below PUBLIC_URL.
const CallbackPath = "/callbacks/whatsapp"

const (
	// maxBody is Meta's own limit: "Webhooks payloads can be up to 3 MB" (developers.facebook.com/docs/whatsapp/cloud-api/webhooks).
	maxBody = 3 << 20
	// maxChallenge bounds the text that is given back to a caller who knows the token; Meta's challenges have some ten digits.
	maxChallenge = 256
)

// CallbackConfig has the secrets that Meta calls with.
type CallbackConfig struct {
	// AppSecret is the secret of the Meta app that the WhatsApp number belongs to; while it changes, the new and the old one with a comma between.
	AppSecret secret.Keys `env:"WHATSAPP_APP_SECRET"`
	// VerifyToken is a text of your own, which Meta's page asks for when the address of callbacks is entered there.
	VerifyToken secret.Key `env:"WHATSAPP_VERIFY_TOKEN"`
}

// Validate reports settings that cannot work together. Both may be empty: then no webhooks are taken.
func (c *CallbackConfig) Validate() error {
	if c.VerifyToken != "" && len(c.AppSecret) == 0 {
		return errors.New("WHATSAPP_VERIFY_TOKEN is set without a WHATSAPP_APP_SECRET: set the secret of the app, which Meta signs callbacks with")
	}
	return nil
}

// callback verifies and reads the webhooks of the Cloud API (developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks).
type callback struct {
	secrets secret.Keys
	words   *suppress.Words
	now     func() time.Time
}

// NewCallback returns the callback of the Cloud API: statuses of messages, and messages of people, in which the words are looked for. now is the
// clock. Errors are of the configuration.
func NewCallback(c CallbackConfig, words *suppress.Words, now func() time.Time) (provider.Callback, error) {
	if err := c.Validate(); err != nil {
		return provider.Callback{}, err
	}
	out := provider.Callback{
		Provider: Name, Path: CallbackPath, Settings: []string{"WHATSAPP_APP_SECRET"},
		Body:      inbound.Body{MediaTypes: []string{inbound.JSON}, Limit: maxBody},
		Challenge: &provider.Challenge{Settings: []string{"WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN"}},
	}
	if len(c.AppSecret) > 0 {
		out.Read = (&callback{secrets: c.AppSecret, words: words, now: now}).read
	}
	if c.VerifyToken != "" {
		out.Challenge.Answer = challenge(c.VerifyToken)
	}
	return out, nil
}

// challenge answers Meta's question whether this is the right address: a caller who knows the token gets the challenge back.
func challenge(token secret.Key) func(*http.Request) (inbound.Reply, error) {
	want := sha256.Sum256([]byte(token.Reveal()))
	return func(r *http.Request) (inbound.Reply, error) {
		query := r.URL.Query()
		// Digests have one length, whatever the token's.
		given := sha256.Sum256([]byte(query.Get("hub.verify_token")))
		text := query.Get("hub.challenge")
		if subtle.ConstantTimeCompare(given[:], want[:]) != 1 || query.Get("hub.mode") != "subscribe" || len(text) > maxChallenge {
			return inbound.Reply{}, provider.Forged("hub.mode is not subscribe, or hub.verify_token is not valid")
		}
		// Plain text, which no browser reads as anything else.
		return inbound.Reply{Status: http.StatusOK, MediaType: "text/plain; charset=utf-8", Body: text}, nil
	}
}

func (c *callback) read(r *http.Request, body []byte) (report.Update, inbound.Reply, error) {
	if err := c.verify(r.Header, body); err != nil {
		return report.Update{}, inbound.Reply{}, err
	}
	update, err := parse(body, c.words, c.now())
	return update, inbound.OK, err
}

// verify checks the signature: HMAC-SHA256 of the raw body under the app's secret, in hex.
func (c *callback) verify(h http.Header, body []byte) error {
	text, found := strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256=")
	given, err := hex.DecodeString(text)
	if !found || err != nil || len(given) != sha256.Size {
		return provider.Forged("X-Hub-Signature-256 is missing, or is not sha256= and the hex of an HMAC-SHA256")
	}
	good := 0
	for _, key := range c.secrets {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write(body)
		good |= subtle.ConstantTimeCompare(mac.Sum(nil), given)
	}
	if good != 1 {
		return provider.Forged("X-Hub-Signature-256 does not fit the body")
	}
	return nil
}
