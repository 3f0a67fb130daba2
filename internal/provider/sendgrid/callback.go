// Package sendgrid is SendGrid, for e-mail: what its bounces and drops mean, and the callback of its event webhook. Package send below it sends.
package sendgrid

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/report"
)

// Name is the catalog's.
const Name = "sendgrid"

// CallbackPath is where SendGrid posts its events, below PUBLIC_URL.
const CallbackPath = "/callbacks/sendgrid"

const (
	// maxBody is above a batch: SendGrid sends one when it has 768 KB, or 30 s have passed (…/tracking-events/getting-started-event-webhook).
	maxBody = 2 << 20
	// window is how far a signed timestamp may be from now. SendGrid repeats what it could not deliver for a day; that of an hour is taken, so that an
	// outage of ours loses nothing, and clocks differ. A replay within it is known by its events' ids. SendGrid's own library does not check it.
	window = time.Hour + 5*time.Minute
)

// CallbackConfig has the keys that SendGrid signs with.
type CallbackConfig struct {
	// PublicKeys are the verification keys of SendGrid's signed event webhook, with commas between: base64, as its settings page shows them.
	PublicKeys []string `env:"SENDGRID_WEBHOOK_PUBLIC_KEY"`
}

// Validate reports a key that cannot work. The list may be empty: then no events are accepted.
func (c *CallbackConfig) Validate() error {
	_, err := c.keys()
	return err
}

// keys reads keys in base64 of their PKIX form.
func (c *CallbackConfig) keys() ([]*ecdsa.PublicKey, error) {
	var out []*ecdsa.PublicKey
	for i, value := range config.NonEmpty(c.PublicKeys) {
		der, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("SENDGRID_WEBHOOK_PUBLIC_KEY: number %d is not base64: copy it whole from the settings of the event webhook", i+1)
		}
		parsed, err := x509.ParsePKIXPublicKey(der)
		key, is := parsed.(*ecdsa.PublicKey)
		if err != nil || !is {
			return nil, fmt.Errorf("SENDGRID_WEBHOOK_PUBLIC_KEY: number %d is not an ECDSA key: copy it from the settings of the event webhook", i+1)
		}
		out = append(out, key)
	}
	return out, nil
}

// callback verifies and reads the signed event webhook
// (twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features).
type callback struct {
	keys []*ecdsa.PublicKey
	now  func() time.Time
}

// NewCallback returns the callback of SendGrid's events. now is the clock. Errors are of the configuration.
func NewCallback(c CallbackConfig, now func() time.Time) (provider.Callback, error) {
	keys, err := c.keys()
	if err != nil {
		return provider.Callback{}, err
	}
	out := provider.Callback{
		Provider: Name, Path: CallbackPath, Settings: []string{"SENDGRID_WEBHOOK_PUBLIC_KEY"},
		Body: inbound.Body{MediaTypes: []string{inbound.JSON}, Limit: maxBody},
	}
	if len(keys) > 0 {
		out.Read = (&callback{keys: keys, now: now}).read
	}
	return out, nil
}

func (c *callback) read(r *http.Request, body []byte) (report.Update, inbound.Reply, error) {
	if err := c.verify(r.Header, body); err != nil {
		return report.Update{}, inbound.Reply{}, err
	}
	update, err := parse(body, c.now())
	return update, inbound.OK, err
}

// verify checks the signature: ECDSA, ASN.1 in base64, over the SHA-256 of the timestamp and the body.
func (c *callback) verify(h http.Header, body []byte) error {
	stamp := h.Get("X-Twilio-Email-Event-Webhook-Timestamp")
	signature, err := base64.StdEncoding.DecodeString(h.Get("X-Twilio-Email-Event-Webhook-Signature"))
	if err != nil || len(signature) == 0 || stamp == "" {
		return provider.Forged("X-Twilio-Email-Event-Webhook-Signature or -Timestamp is missing or invalid")
	}
	hash := sha256.New()
	hash.Write([]byte(stamp))
	hash.Write(body)
	sum, good := hash.Sum(nil), false
	for _, key := range c.keys {
		good = good || ecdsa.VerifyASN1(key, sum, signature)
	}
	if !good {
		return provider.Forged("X-Twilio-Email-Event-Webhook-Signature does not fit the body")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || c.now().Sub(time.Unix(seconds, 0)).Abs() > window {
		return provider.Forged("X-Twilio-Email-Event-Webhook-Timestamp is more than " + window.String() + " from now")
	}
	return nil
}
