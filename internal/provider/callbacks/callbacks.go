// Package callbacks is the list of the providers that call back. To add one is a field of Config, and a line in Validate and New. Package
// catalog is the list of the providers that send; this one is apart from it, since ingest mounts callbacks and links no SDK.
package callbacks

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/aws"
	"ringup.dev/ringup/internal/provider/sendgrid"
	"ringup.dev/ringup/internal/provider/twilio"
	"ringup.dev/ringup/internal/provider/whatsapp"
	"ringup.dev/ringup/internal/suppress"
)

// Config says which providers may call back, and what each signs with. A provider that nothing is set for is answered 404.
type Config struct {
	Words    suppress.WordsConfig
	Twilio   twilio.CallbackConfig
	SendGrid sendgrid.CallbackConfig
	AWS      aws.CallbackConfig
	WhatsApp whatsapp.CallbackConfig
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	return errors.Join(c.Twilio.Validate(), c.SendGrid.Validate(), c.WhatsApp.Validate(), c.AWS.Validate(), c.Words.Validate())
}

// Dependencies are what callbacks share.
type Dependencies struct {
	Log *slog.Logger
	Now func() time.Time // nil is time.Now
	// Amazon is the way to Amazon SNS; nil is http.DefaultTransport. See aws.NewCallback.
	Amazon http.RoundTripper
}

// New returns the callbacks, those that are not configured too. The error has every setting that cannot work, each with its variable.
func New(c Config, d Dependencies) ([]provider.Callback, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	words, wordsErr := suppress.NewWords(c.Words)
	var out []provider.Callback
	errs := []error{wordsErr}
	add := func(one provider.Callback, err error) {
		out, errs = append(out, one), append(errs, err)
	}
	add(twilio.NewCallback(c.Twilio, words, d.Now))
	add(sendgrid.NewCallback(c.SendGrid, d.Now))
	add(aws.NewCallback(c.AWS, d.Amazon, d.Log, d.Now))
	add(whatsapp.NewCallback(c.WhatsApp, words, d.Now))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}
