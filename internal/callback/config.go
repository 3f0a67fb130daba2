package callback

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"ringup.dev/ringup/internal/config/secret"
)

// Config says which providers may report, and how each is known. One that nothing is set for is answered 404.
type Config struct {
	// PublicURL is what the world calls ingest by, as https://hooks.example.com: delivery reports come there, and unsubscribe links lead there.
	PublicURL string `env:"PUBLIC_URL"`
	// TwilioAuthToken is the token of the Twilio account; while it changes, the new and the old one with a comma between: the first is sent
	// with, either may have signed a callback.
	TwilioAuthToken secret.String `env:"TWILIO_AUTH_TOKEN"`
	// SendGridPublicKeys are the verification keys of SendGrid's signed event webhook, with commas between: base64, as its settings page shows them.
	SendGridPublicKeys []string `env:"SENDGRID_WEBHOOK_PUBLIC_KEY"`
	// WhatsAppAppSecret is the secret of the Meta app that the WhatsApp number belongs to; while it changes, the new and the old one with a comma between.
	WhatsAppAppSecret secret.String `env:"WHATSAPP_APP_SECRET"`
	// WhatsAppVerifyToken is a text of your own, which Meta's page asks for when the address of callbacks is entered there.
	WhatsAppVerifyToken secret.String `env:"WHATSAPP_VERIFY_TOKEN"`
	// SESTopics are the ARNs of the Amazon SNS topics that SES's events come through, with commas between.
	SESTopics []string `env:"SES_TOPIC_ARN"`
	// StopWords are what people answer to get no more messages, in the place of the built-in words; with + before the first, beside them.
	StopWords []string `env:"STOP_WORDS"`
	// StartWords are what people answer to get messages again, in the place of the built-in words; with + before the first, beside them.
	StartWords []string `env:"START_WORDS"`
}

// topicARN is of docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html, in any of Amazon's partitions.
var topicARN = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	var errs []error
	if _, err := publicURLs(c.PublicURL); err != nil {
		errs = append(errs, err)
	}
	if _, err := publicKeys(c.SendGridPublicKeys); err != nil {
		errs = append(errs, err)
	}
	if c.WhatsAppVerifyToken != "" && len(split(c.WhatsAppAppSecret)) == 0 {
		errs = append(errs, errors.New("WHATSAPP_VERIFY_TOKEN is set without a WHATSAPP_APP_SECRET: set the secret of the app, which Meta signs callbacks with"))
	}
	for _, arn := range trimmed(c.SESTopics) {
		if !topicARN.MatchString(arn) {
			errs = append(errs, fmt.Errorf("SES_TOPIC_ARN has %q: set the ARN of an SNS topic, as arn:aws:sns:eu-west-1:123456789012:ses-events", arn))
		}
	}
	if _, err := newWords(c.StopWords, c.StartWords); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// publicURLs returns the ways to write the public address that Twilio may have signed: as it is set, without a port, and with the standard
// one (twilio.com/docs/usage/security says that it differs). None when it is not set.
func publicURLs(value string) ([]string, error) {
	if value == "" {
		return nil, nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("PUBLIC_URL is not the address of a host: set it as https://hooks.example.com")
	}
	u = u.JoinPath() // as whoever tells Twilio the address cleans it
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	bare := strings.TrimSuffix(u.Host, ":"+u.Port())
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	out := []string{u.Scheme + "://" + u.Host + path}
	if u.Host != bare {
		out = append(out, u.Scheme+"://"+bare+path)
	}
	if u.Host != bare+port {
		out = append(out, u.Scheme+"://"+bare+port+path)
	}
	return out, nil
}

// publicKeys reads keys in base64 of their PKIX form.
func publicKeys(values []string) ([]*ecdsa.PublicKey, error) {
	var out []*ecdsa.PublicKey
	for i, value := range trimmed(values) {
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

// trimmed leaves out what is empty.
func trimmed(values []string) []string {
	var out []string
	for _, value := range values {
		if value = strings.TrimSpace(value); value != "" {
			out = append(out, value)
		}
	}
	return out
}

// split returns the secrets of a list.
func split(s secret.String) [][]byte {
	var out [][]byte
	for _, one := range trimmed(strings.Split(s.Reveal(), ",")) {
		out = append(out, []byte(one))
	}
	return out
}
