package send

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	amazon "ringup.dev/ringup/internal/provider/aws"
	"ringup.dev/ringup/internal/provider/transport"
)

// SESConfig is for e-mail through Amazon SES.
type SESConfig struct {
	AWS Config
	// From is the address that e-mails come from, as Luna Coffee <hello@example.com>; the provider has to have verified it.
	From string `env:"EMAIL_FROM"`
	// ConfigurationSet of SES that reports deliveries.
	ConfigurationSet string `env:"AWS_SES_CONFIGURATION_SET"`
}

// SES sends e-mail.
type SES struct {
	api    *sesv2.Client
	client *transport.Client
	from   *mail.Address
	set    *string
}

// NewSES returns the provider of e-mail.
func NewSES(c SESConfig, client *transport.Client) (*SES, error) {
	loaded, err := c.AWS.load(client)
	from, fromErr := mail.ParseAddress(c.From)
	if fromErr != nil {
		fromErr = fmt.Errorf("EMAIL_FROM is %q: set the address that e-mails come from, as Luna Coffee <hello@example.com>", c.From)
	}
	if err := errors.Join(err, fromErr); err != nil {
		return nil, err
	}
	p := &SES{api: sesv2.NewFromConfig(loaded), client: client, from: from}
	if err := c.AWS.checkEndpoint(client, "AWS_ENDPOINT_URL_SESV2", p.api.Options().BaseEndpoint); err != nil {
		return nil, err
	}
	if c.ConfigurationSet != "" {
		p.set = aws.String(c.ConfigurationSet)
	}
	return p, nil
}

// Traits names the address that e-mails come from. Reports come by way of a configuration set: this one, or the identity's default.
func (p *SES) Traits() provider.Traits {
	return provider.Traits{Sender: p.from.Address, Reports: true}
}

// Send hands over an e-mail with a text and an HTML part.
func (p *SES) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	utf8 := func(text string) *types.Content {
		return &types.Content{Data: aws.String(text), Charset: aws.String("UTF-8")}
	}
	// SES returns the tags with its events, where there is a configuration set that publishes them.
	var correlation []types.MessageTag
	for _, tag := range amazon.EncodeTags(m.JobID) {
		correlation = append(correlation, types.MessageTag{Name: aws.String(tag.Name), Value: aws.String(tag.Value)})
	}
	var replyTo []string
	if m.ReplyTo != "" {
		replyTo = []string{m.ReplyTo}
	}
	call := p.client.Call(ctx, noBase)
	out, err := p.api.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: aws.String(p.from.String()),
		ReplyToAddresses: replyTo,
		Destination:      &types.Destination{ToAddresses: []string{m.To.Reveal()}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: utf8(m.Subject), Body: &types.Body{Text: utf8(m.Text), Html: utf8(m.HTML)}, Headers: headers(m),
		}},
		ConfigurationSetName: p.set,
		EmailTags:            correlation,
	}, func(o *sesv2.Options) { o.HTTPClient = call })
	switch {
	case err != nil:
		return provider.Receipt{}, classify(call, err, ownJSON, p.code)
	case aws.ToString(out.MessageId) == "":
		return provider.Receipt{}, call.Unclear()
	}
	return provider.Receipt{MessageID: *out.MessageId}, nil
}

// Probe asks whether the account may send. SES allows one such call a second for the whole account: cache it.
func (p *SES) Probe(ctx context.Context) error {
	call := p.client.Probe(ctx, noBase)
	out, err := p.api.GetAccount(ctx, &sesv2.GetAccountInput{}, func(o *sesv2.Options) { o.HTTPClient = call })
	var answer struct {
		SendingEnabled *bool
	}
	switch {
	case err != nil:
		return classify(call, err, ownJSON, p.code)
	case json.Unmarshal(call.Body, &answer) != nil || answer.SendingEnabled == nil:
		return call.Unclear() // which the SDK takes for an account that may not send
	case !out.SendingEnabled, aws.ToString(out.EnforcementStatus) == "SHUTDOWN":
		return &failure.Error{Class: failure.Account, Reason: failure.ReasonSuspended, Status: call.Status, Detail: "sending is disabled for the account"}
	}
	return nil
}

func headers(m message.Message) []types.MessageHeader {
	var out []types.MessageHeader
	for _, header := range m.Headers() {
		out = append(out, types.MessageHeader{Name: aws.String(header.Name), Value: aws.String(header.Value)})
	}
	return out
}

// ownJSON reports whether an answer is of SES: its errors name their type in a header, or in __type (smithy.io/2.0/aws/protocols,
// "REST JSON 1.0: Operation error serialization"). Other programs' JSON has a code or a message, too.
func ownJSON(call *transport.Call) bool {
	var answer struct {
		Type string `json:"__type"`
	}
	return json.Unmarshal(call.Body, &answer) == nil && (call.Header.Get("X-Amzn-Errortype") != "" || answer.Type != "")
}

func (p *SES) code(code, text string) (failure.Error, bool) {
	return amazon.SESCode(code, text, p.from.Address)
}
