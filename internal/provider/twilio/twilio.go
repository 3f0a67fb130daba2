// Package twilio is Twilio's Programmable Messaging, for SMS and WhatsApp: what its error codes mean, and its callbacks. Package send below it
// sends.
package twilio

import (
	"errors"
	"net/url"
	"strings"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
)

// Name is the catalog's.
const Name = "twilio"

// MaxText is the longest Body of a message, SMS or WhatsApp; error 21617 counts UTF-16 code units (twilio.com/docs/api/errors/21617).
var MaxText = message.Limit{Units: 1600}

// CallbackPath is where Twilio calls back, below PUBLIC_URL.
const CallbackPath = "/callbacks/twilio"

// jobParameter is the part of the callback's address that has the job's id.
const jobParameter = "job"

// CallbackConfig says how Twilio calls back, and what it signs with. Both directions need it: the address goes along with each message, and
// is part of what is signed.
type CallbackConfig struct {
	// PublicURL is what the world calls ingest by, as https://hooks.example.com: delivery reports come there, and unsubscribe links lead there.
	PublicURL string `env:"PUBLIC_URL"`
	// AuthToken is the token of the Twilio account; while it changes, the new and the old one with a comma between: the first is sent with, either
	// may have signed a callback.
	AuthToken secret.Keys `env:"TWILIO_AUTH_TOKEN"`
}

// Validate reports every setting that cannot work, each with its variable. Both may be empty: then Twilio does not call back.
func (c *CallbackConfig) Validate() error {
	_, err := c.signedURLs()
	return err
}

// URL returns the address that Twilio calls back; "" without a valid PUBLIC_URL.
func (c *CallbackConfig) URL() string {
	urls, err := c.signedURLs()
	if err != nil || len(urls) == 0 {
		return ""
	}
	return urls[0]
}

// StatusCallback returns the address that Twilio reports the status of a job's message to. Twilio calls it as it is, so it has the job's id. It is
// part of what Twilio signs, so it has only characters that no program on the way writes differently.
func StatusCallback(callbackURL, jobID string) string {
	return callbackURL + "?" + jobParameter + "=" + report.EncodeJob(jobID)
}

// signedURLs returns the forms in which Twilio may have signed the callback's address: with the port as it is set, without a port, and with the
// standard port (twilio.com/docs/usage/security says that it differs). There are none without a PUBLIC_URL.
func (c *CallbackConfig) signedURLs() ([]string, error) {
	if c.PublicURL == "" {
		return nil, nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("PUBLIC_URL is not the address of a host: set it as https://hooks.example.com")
	}
	path := strings.TrimSuffix(u.JoinPath().EscapedPath(), "/") + CallbackPath
	bare := strings.TrimSuffix(u.Host, ":"+u.Port())
	hosts := []string{u.Host}
	if u.Host != bare {
		hosts = append(hosts, bare)
	}
	if standard := bare + map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; u.Host != standard {
		hosts = append(hosts, standard)
	}
	var out []string
	for _, host := range hosts {
		out = append(out, u.Scheme+"://"+host+path)
	}
	return out, nil
}
