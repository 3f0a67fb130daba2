// Package send sends SMS and WhatsApp messages through Twilio's Programmable Messaging API.
package send

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"

	"github.com/twilio/twilio-go/client"
	openapi "github.com/twilio/twilio-go/rest/api/v2010"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/provider/twilio"
)

// Config has the account, and the senders of its messages.
type Config struct {
	// AccountSID of the Twilio account: AC and 32 hexadecimal digits.
	AccountSID string `env:"TWILIO_ACCOUNT_SID"`
	// SMSFrom is the number that SMS come from, as +15005550006; or set TWILIO_MESSAGING_SERVICE_SID.
	SMSFrom string `env:"TWILIO_SMS_FROM"`
	// MessagingServiceSID is the service that chooses the number an SMS comes from: MG and 32 hexadecimal digits.
	MessagingServiceSID string `env:"TWILIO_MESSAGING_SERVICE_SID"`
	// WhatsAppFrom is the number that WhatsApp messages come from, as +14155238886.
	WhatsAppFrom string `env:"TWILIO_WHATSAPP_FROM"`
	// Callback has the token, and where Twilio reports to.
	Callback twilio.CallbackConfig
	// BaseURL of a proxy or an emulator in Twilio's place.
	BaseURL string `env:"TWILIO_BASE_URL"`
}

var (
	accountSID = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	serviceSID = regexp.MustCompile(`^MG[0-9a-fA-F]{32}$`)
	// The SDK refuses other tokens before it sends anything (client.validateCredentials).
	authToken = regexp.MustCompile(`^[0-9a-zA-Z]+$`)
	// A number, or a short code, or an alphanumeric sender of up to 11 characters (twilio.com/docs/glossary/what-alphanumeric-sender-id).
	smsFrom = regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|[0-9A-Za-z][0-9A-Za-z &+_-]{0,10})$`)
)

// validate reports every setting of a channel that cannot work, each with its variable.
func (c *Config) validate(channel message.Channel) error {
	var errs []error
	if !accountSID.MatchString(c.AccountSID) {
		errs = append(errs, fmt.Errorf("TWILIO_ACCOUNT_SID is %q: set AC and 32 hexadecimal digits, from the console's first page", c.AccountSID))
	}
	if len(c.Callback.AuthToken) == 0 || slices.ContainsFunc(c.Callback.AuthToken, func(s secret.Key) bool { return !authToken.MatchString(s.Reveal()) }) {
		errs = append(errs, errors.New("TWILIO_AUTH_TOKEN is empty, or not of letters and digits: set it from the console's first page"))
	}
	switch {
	case channel == message.WhatsApp:
		if _, valid := message.ParseE164(c.WhatsAppFrom); !valid {
			errs = append(errs, fmt.Errorf("TWILIO_WHATSAPP_FROM is %q: set the sender's number, as +14155238886", c.WhatsAppFrom))
		}
	case c.SMSFrom == "" && c.MessagingServiceSID == "":
		errs = append(errs, errors.New("TWILIO_SMS_FROM is empty: set the number that SMS come from, or TWILIO_MESSAGING_SERVICE_SID"))
	case c.SMSFrom != "" && c.MessagingServiceSID != "":
		errs = append(errs, errors.New("TWILIO_SMS_FROM and TWILIO_MESSAGING_SERVICE_SID are both set: set one of them"))
	case c.SMSFrom != "" && !smsFrom.MatchString(c.SMSFrom):
		errs = append(errs, fmt.Errorf("TWILIO_SMS_FROM is %q: set a number, as +15005550006, a short code or an alphanumeric sender", c.SMSFrom))
	case c.MessagingServiceSID != "" && !serviceSID.MatchString(c.MessagingServiceSID):
		errs = append(errs, fmt.Errorf("TWILIO_MESSAGING_SERVICE_SID is %q: set MG and 32 hexadecimal digits", c.MessagingServiceSID))
	}
	return errors.Join(append(errs, c.Callback.Validate())...)
}

// Provider sends through Twilio.
type Provider struct {
	config  Config
	channel message.Channel
	client  *transport.Client
	base    *url.URL
	token   string
	// callback is the address that statuses are reported to; "" for none.
	callback string
}

// NewSMS returns the provider of SMS.
func NewSMS(c Config, client *transport.Client) (*Provider, error) {
	return build(c, message.SMS, client)
}

// NewWhatsApp returns the provider of WhatsApp messages.
func NewWhatsApp(c Config, client *transport.Client) (*Provider, error) {
	return build(c, message.WhatsApp, client)
}

func build(c Config, channel message.Channel, client *transport.Client) (*Provider, error) {
	base, err := client.BaseURL("TWILIO_BASE_URL", c.BaseURL, "")
	if err := errors.Join(c.validate(channel), err); err != nil {
		return nil, err
	}
	return &Provider{config: c, channel: channel, client: client, base: base, token: c.Callback.AuthToken.First().Reveal(), callback: c.Callback.URL()}, nil
}

// api is the SDK, bound to one call: it takes no context, and hides the status and headers of an answer.
func (p *Provider) api(call *transport.Call) *openapi.ApiService {
	c := &client.Client{Credentials: client.NewCredentials(p.config.AccountSID, p.token), HTTPClient: call.HTTPClient()}
	c.SetAccountSid(p.config.AccountSID)
	return openapi.NewApiServiceWithClient(c)
}

// Send creates a message (POST /2010-04-01/Accounts/{sid}/Messages.json).
func (p *Provider) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	params, err := p.params(m)
	if err != nil {
		return provider.Receipt{}, err
	}
	call := p.client.Call(ctx, p.base)
	// The call has the answer. The SDK gives none where any field of it has another type than it had once, and the message would be sent again.
	_, _ = p.api(call).CreateMessage(params)
	var created struct {
		SID       string         `json:"sid"`
		Status    string         `json:"status"`
		ErrorCode failure.Number `json:"error_code"`
	}
	if taken(call) {
		_ = json.Unmarshal(call.Body, &created) // the error says which field has another type
	}
	switch {
	case created.SID == "":
		return provider.Receipt{}, classify(call)
	case created.Status == "failed" || created.Status == "undelivered" || created.Status == "canceled":
		meaning := twilio.ReportCode(created.ErrorCode.Value)
		return provider.Receipt{}, call.Known(meaning, meaning.Code)
	}
	return provider.Receipt{MessageID: created.SID}, nil
}

// taken reports whether an answer has a status of success.
func taken(call *transport.Call) bool {
	return call.Failure == nil && call.Status >= 200 && call.Status < 300
}

func (p *Provider) params(m message.Message) (*openapi.CreateMessageParams, error) {
	params := &openapi.CreateMessageParams{}
	switch {
	case p.channel == message.WhatsApp:
		params.SetTo("whatsapp:" + m.To.Reveal()).SetFrom("whatsapp:" + p.config.WhatsAppFrom)
	case p.config.MessagingServiceSID != "":
		params.SetTo(m.To.Reveal()).SetMessagingServiceSid(p.config.MessagingServiceSID)
	default:
		params.SetTo(m.To.Reveal()).SetFrom(p.config.SMSFrom)
	}
	if p.callback != "" {
		params.SetStatusCallback(twilio.StatusCallback(p.callback, m.JobID))
	}
	if m.Template == nil {
		return params.SetBody(m.Text), nil
	}
	variables := map[string]string{}
	for i, value := range m.Template.Parameters {
		variables[strconv.Itoa(i+1)] = value
	}
	text, err := json.Marshal(variables)
	if err != nil {
		return nil, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonTemplate, Detail: "its parameters cannot be written as JSON"}
	}
	return params.SetContentSid(m.Template.Name).SetContentVariables(string(text)), nil
}

// Probe fetches the account, and fails where it is not active.
func (p *Provider) Probe(ctx context.Context) error {
	call := p.client.Probe(ctx, p.base)
	_, _ = p.api(call).FetchAccount(p.config.AccountSID) // as in Send
	var account struct {
		SID    string `json:"sid"`
		Status string `json:"status"`
	}
	if taken(call) {
		_ = json.Unmarshal(call.Body, &account)
	}
	switch {
	case account.SID == "" || account.Status == "":
		return classify(call)
	case account.Status != "active":
		return &failure.Error{Class: failure.Account, Reason: failure.ReasonSuspended, Status: call.Status, Detail: "the account is not active"}
	}
	return nil
}

// Traits names the number that messages come from, or the messaging service that chooses it.
func (p *Provider) Traits() provider.Traits {
	sender := p.config.SMSFrom + p.config.MessagingServiceSID // one of them
	if p.channel == message.WhatsApp {
		sender = p.config.WhatsAppFrom
	}
	return provider.Traits{Sender: sender, Reports: p.callback != "", MaxText: twilio.MaxText}
}

// leastCode is the smallest code of an answer of Twilio's API (twilio.com/docs/api/errors). A gateway's own JSON often has the HTTP status as its
// code.
const leastCode = 10000

// classify classifies by Twilio's code, which the SDK reads only as a number, and not behind a 2xx. An answer without one is not Twilio's.
func classify(call *transport.Call) *failure.Error {
	var answer struct {
		Code failure.Number `json:"code"`
	}
	if !call.Sent() || call.Failure != nil || json.Unmarshal(call.Body, &answer) != nil || answer.Code.Value < leastCode {
		return call.Foreign()
	}
	code := strconv.Itoa(answer.Code.Value)
	meaning, known := twilio.AnswerCode(answer.Code.Value)
	if !known {
		// Where the status says what it is about, the range says nothing more.
		if meaning, known = twilio.UnknownCode(answer.Code.Value); call.Refused(code).Class != failure.Permanent {
			known = false
		}
	}
	if !known {
		return call.Refused(code)
	}
	return call.Known(meaning, code)
}
