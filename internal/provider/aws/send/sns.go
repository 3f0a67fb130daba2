package send

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	amazon "ringup.dev/ringup/internal/provider/aws"
	"ringup.dev/ringup/internal/provider/transport"
)

// SNSConfig is for SMS through Amazon SNS.
type SNSConfig struct {
	AWS Config
	// SenderID that SMS show where a country allows one: up to 11 letters, digits and hyphens, with a letter.
	SenderID string `env:"AWS_SNS_SENDER_ID"`
}

// senderID as SNS documents AWS.SNS.SMS.SenderID.
var senderID = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z-]{0,9}[0-9A-Za-z])?$`)

// anySender stands for the numbers of which SNS chooses one when there is no sender ID.
const anySender = "sns"

// SNS sends SMS.
type SNS struct {
	api        *sns.Client
	client     *transport.Client
	sender     string
	attributes map[string]types.MessageAttributeValue
}

// NewSNS returns the provider of SMS.
func NewSNS(c SNSConfig, client *transport.Client) (*SNS, error) {
	loaded, err := c.AWS.load(client)
	var senderErr error
	if c.SenderID != "" && (!senderID.MatchString(c.SenderID) || strings.Trim(c.SenderID, "0123456789-") == "") {
		senderErr = fmt.Errorf("AWS_SNS_SENDER_ID is %q: set 1 to 11 letters, digits and hyphens, at least one of them a letter", c.SenderID)
	}
	if err := errors.Join(err, senderErr); err != nil {
		return nil, err
	}
	text := func(value string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	// Transactional: delivered first, and not delayed by the rules for marketing (docs.aws.amazon.com/sns, "Publishing to a mobile phone").
	p := &SNS{api: sns.NewFromConfig(loaded), client: client, sender: anySender, attributes: map[string]types.MessageAttributeValue{
		"AWS.SNS.SMS.SMSType": text("Transactional"),
	}}
	if err := c.AWS.checkEndpoint(client, "AWS_ENDPOINT_URL_SNS", p.api.Options().BaseEndpoint); err != nil {
		return nil, err
	}
	if c.SenderID != "" {
		p.sender = c.SenderID
		p.attributes["AWS.SNS.SMS.SenderID"] = text(c.SenderID)
	}
	return p, nil
}

// Send publishes to a phone number.
func (p *SNS) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	call := p.client.Call(ctx, noBase)
	out, err := p.api.Publish(ctx, &sns.PublishInput{
		PhoneNumber: aws.String(m.To.Reveal()), Message: aws.String(m.Text), MessageAttributes: p.attributes,
	}, func(o *sns.Options) { o.HTTPClient = call })
	switch {
	case err != nil:
		return provider.Receipt{}, classify(call, err, ownXML, amazon.SNSCode)
	case aws.ToString(out.MessageId) == "":
		return provider.Receipt{}, call.Unclear()
	}
	return provider.Receipt{MessageID: *out.MessageId}, nil
}

// Probe reads the account's SMS settings: SNS has no cheaper call that the same credentials may make.
func (p *SNS) Probe(ctx context.Context) error {
	call := p.client.Probe(ctx, noBase)
	_, err := p.api.GetSMSAttributes(ctx, &sns.GetSMSAttributesInput{}, func(o *sns.Options) { o.HTTPClient = call })
	switch {
	case err != nil:
		return classify(call, err, ownXML, amazon.SNSCode)
	case !answers(call, "GetSMSAttributes"):
		return call.Unclear()
	}
	return nil
}

// answers reports whether an answer is of SNS to that action. The SDK takes a text without any XML, as another program's JSON, for one with nothing in
// it.
func answers(call *transport.Call, action string) bool {
	var answer struct{ XMLName xml.Name }
	return xml.Unmarshal(call.Body, &answer) == nil && answer.XMLName.Local == action+"Response"
}

// ownXML reports whether an answer is of SNS: an ErrorResponse with a code (smithy.io/2.0/aws/protocols, "AWS query: Operation error serialization").
func ownXML(call *transport.Call) bool {
	var answer struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Code    string   `xml:"Error>Code"`
	}
	return xml.Unmarshal(call.Body, &answer) == nil && answer.Code != ""
}

// Traits names the sender of SMS. SNS reports deliveries to CloudWatch only.
func (p *SNS) Traits() provider.Traits {
	return provider.Traits{Sender: p.sender, MaxText: amazon.MaxSMS}
}

// OptedOut lists the numbers that have answered STOP: a Publish to them is answered 200, and nothing is sent. A page has up to 100
// (docs.aws.amazon.com/sns/latest/api/API_ListPhoneNumbersOptedOut.html).
func (p *SNS) OptedOut(ctx context.Context, each func(message.Address) error) error {
	var next *string
	for {
		call := p.client.Call(ctx, noBase)
		page, err := p.api.ListPhoneNumbersOptedOut(ctx, &sns.ListPhoneNumbersOptedOutInput{NextToken: next}, func(o *sns.Options) { o.HTTPClient = call })
		if err != nil {
			return classify(call, err, ownXML, amazon.SNSCode)
		}
		if !answers(call, "ListPhoneNumbersOptedOut") {
			return call.Unclear() // an empty list would take everybody off the suppression list
		}
		for _, number := range page.PhoneNumbers {
			address, valid := message.ParseE164(number)
			if !valid {
				continue // an answer of another service in Amazon's place
			}
			if err := each(address); err != nil {
				return err
			}
		}
		switch {
		case aws.ToString(page.NextToken) == "":
			return nil
		case aws.ToString(page.NextToken) == aws.ToString(next):
			return call.Unclear() // a list without end
		}
		next = page.NextToken
	}
}
