package aws

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/report"
)

// CallbackPath is where SNS posts SES's events, below PUBLIC_URL.
const CallbackPath = "/callbacks/ses"

// maxBody is above an envelope: SNS takes messages of 256 KB, which escaping makes larger.
const maxBody = 1 << 20

// CallbackConfig names the topics that SES's events come through.
type CallbackConfig struct {
	// SESTopics are the ARNs of the Amazon SNS topics that SES's events come through, with commas between.
	SESTopics []string `env:"SES_TOPIC_ARN"`
}

// topicARN is of docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html, in any of Amazon's partitions.
var topicARN = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)

// Validate reports every topic that cannot work. No topic is valid: then no events are accepted.
func (c *CallbackConfig) Validate() error {
	var errs []error
	for _, arn := range config.NonEmpty(c.SESTopics) {
		if !topicARN.MatchString(arn) {
			errs = append(errs, fmt.Errorf("SES_TOPIC_ARN has %q: set the ARN of an SNS topic, as arn:aws:sns:eu-west-1:123456789012:ses-events", arn))
		}
	}
	return errors.Join(errs...)
}

// callback reads the events that a configuration set of SES publishes through SNS.
type callback struct {
	sns *sns
	log *slog.Logger
	now func() time.Time
}

// NewCallback returns the callback of SES's events. amazon is the way to Amazon, for the certificates that SNS signs with and to confirm a
// subscription; nil is http.DefaultTransport. A test puts another server in Amazon's place; what is asked for, and what is trusted, stays the
// same. now is the clock. Errors are of the configuration.
func NewCallback(c CallbackConfig, amazon http.RoundTripper, log *slog.Logger, now func() time.Time) (provider.Callback, error) {
	if err := c.Validate(); err != nil {
		return provider.Callback{}, err
	}
	out := provider.Callback{
		Provider: Name, Path: CallbackPath, Settings: []string{"SES_TOPIC_ARN"},
		// SNS says text/plain of its JSON.
		Body: inbound.Body{MediaTypes: []string{"text/plain", "application/json"}, Limit: maxBody},
	}
	if topics := config.NonEmpty(c.SESTopics); len(topics) > 0 {
		out.Read = (&callback{sns: newSNS(topics, amazon, now), log: log, now: now}).read
	}
	return out, nil
}

// read verifies an envelope of SNS and reads the event in it. A topic's request to subscribe is confirmed.
func (c *callback) read(r *http.Request, body []byte) (report.Update, inbound.Reply, error) {
	if r.Header.Get("X-Amz-Sns-Rawdelivery") == "true" {
		return report.Update{}, inbound.Reply{}, inbound.Malformed("the subscription has raw message delivery, which removes the signature: turn it off")
	}
	e, err := parseEnvelope(body)
	if err != nil {
		return report.Update{}, inbound.Reply{}, err
	}
	if err := c.sns.verify(r.Context(), e); err != nil {
		return report.Update{}, inbound.Reply{}, err
	}
	switch e.Type {
	case snsSubscribe:
		if err := c.sns.confirm(r.Context(), e); err != nil {
			return report.Update{}, inbound.Reply{}, err
		}
		c.log.Info("subscription confirmed", "provider", Name, "topic", e.TopicARN)
		return report.Update{}, inbound.OK, nil
	case snsUnsubscribe:
		c.log.Warn("subscription ended", "provider", Name, "topic", e.TopicARN)
		return report.Update{}, inbound.OK, nil
	}
	return parseSES(e.MessageID, []byte(e.Message), c.now()), inbound.OK, nil
}
