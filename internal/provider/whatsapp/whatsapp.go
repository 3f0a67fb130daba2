// Package whatsapp sends through the WhatsApp Business Cloud API. Meta has no Go SDK; one POST and one GET need none.
package whatsapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/secret"
)

// Config has the sender and its token.
type Config struct {
	// PhoneNumberID of the WhatsApp number that messages come from: digits, from the app's API setup page.
	PhoneNumberID string `env:"WHATSAPP_PHONE_NUMBER_ID"`
	// AccessToken of a WhatsApp system user.
	AccessToken secret.String `env:"WHATSAPP_ACCESS_TOKEN"`
	// BaseURL of Meta's Graph API, of a proxy or of an emulator.
	BaseURL string `env:"WHATSAPP_BASE_URL, default=https://graph.facebook.com"`
}

// version of the Graph API (developers.facebook.com/docs/graph-api/changelog).
const version = "v23.0"

var digits = regexp.MustCompile(`^[0-9]{5,20}$`)

// Provider sends through the Cloud API.
type Provider struct {
	token  secret.String
	number string   // its id
	url    *url.URL // of the phone number
	client *transport.Client
}

// New returns the provider of WhatsApp messages. The error has every setting that cannot work, each with its variable.
func New(c Config, client *transport.Client) (*Provider, error) {
	var errs []error
	if !digits.MatchString(c.PhoneNumberID) {
		errs = append(errs, fmt.Errorf("WHATSAPP_PHONE_NUMBER_ID is %q: set the id of digits from the app's API setup page; it is not the number itself",
			c.PhoneNumberID))
	}
	if c.AccessToken == "" || strings.ContainsFunc(c.AccessToken.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		errs = append(errs, errors.New("WHATSAPP_ACCESS_TOKEN is empty or has a space: set a system user's token"))
	}
	base, err := transport.BaseURL("WHATSAPP_BASE_URL", c.BaseURL, "https://graph.facebook.com")
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return &Provider{token: c.AccessToken, number: c.PhoneNumberID, url: base.JoinPath(version, c.PhoneNumberID), client: client}, nil
}

// Traits says from which number messages come, by its id.
func (p *Provider) Traits() provider.Traits {
	return provider.Traits{Sender: p.number, Reports: true, NamesMessage: true}
}

// outgoing is what is posted to /{phone-number-id}/messages (developers.facebook.com/docs/whatsapp/cloud-api/reference/messages).
type outgoing struct {
	Product       string    `json:"messaging_product"`
	RecipientType string    `json:"recipient_type"`
	To            string    `json:"to"`
	Type          string    `json:"type"`
	Text          *text     `json:"text,omitempty"`
	Template      *template `json:"template,omitempty"`
}

type text struct {
	Body string `json:"body"`
}

type template struct {
	Name       string      `json:"name"`
	Language   language    `json:"language"`
	Components []component `json:"components,omitempty"`
}

type language struct {
	Policy string `json:"policy"`
	Code   string `json:"code"`
}

type component struct {
	Type       string      `json:"type"`
	Parameters []parameter `json:"parameters"`
}

type parameter struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func write(m message.Message) outgoing {
	out := outgoing{Product: "whatsapp", RecipientType: "individual", To: m.To.Reveal(), Type: "text"}
	if m.Template == nil {
		out.Text = &text{Body: m.Text}
		return out
	}
	out.Type = "template"
	out.Template = &template{Name: m.Template.Name, Language: language{Policy: "deterministic", Code: m.Template.Language}}
	if len(m.Template.Parameters) > 0 {
		body := component{Type: "body"}
		for _, value := range m.Template.Parameters {
			body.Parameters = append(body.Parameters, parameter{Type: "text", Text: value})
		}
		out.Template.Components = []component{body}
	}
	return out
}

func (p *Provider) do(ctx context.Context, method string, target *url.URL, body []byte) *transport.Call {
	call := p.client.Call(ctx, nil)
	r, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return call // not sent, and says so
	}
	r.Header.Set("Authorization", "Bearer "+p.token.Reveal())
	r.Header.Set("Content-Type", "application/json")
	// The call has the answer, or why there is none.
	if resp, err := call.RoundTrip(r); err == nil {
		_ = resp.Body.Close()
	}
	return call
}

// Send posts a text, or an approved template.
func (p *Provider) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	body, err := json.Marshal(write(m))
	if err != nil {
		return provider.Receipt{}, &provider.Error{Class: provider.Permanent, Reason: provider.ReasonContent, Detail: "it cannot be written as JSON"}
	}
	call := p.do(ctx, http.MethodPost, p.url.JoinPath("messages"), body)
	if call.Failure != nil || call.Status != http.StatusOK {
		return provider.Receipt{}, failure(call)
	}
	var answer struct {
		// message_status may say that Meta holds the message for an assessment of the template: it has it, and reports what follows.
		Messages []struct {
			ID string `json:"id"`
		} `json:"messages"`
	}
	if json.Unmarshal(call.Body, &answer) != nil || len(answer.Messages) == 0 || answer.Messages[0].ID == "" {
		return provider.Receipt{}, call.Unclear()
	}
	return provider.Receipt{MessageID: answer.Messages[0].ID}, nil
}

// Probe reads the phone number.
func (p *Provider) Probe(ctx context.Context) error {
	target := *p.url
	target.RawQuery = "fields=id"
	call := p.do(ctx, http.MethodGet, &target, nil)
	if call.Failure != nil || call.Status != http.StatusOK {
		return failure(call)
	}
	var answer struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(call.Body, &answer) != nil || answer.ID == "" {
		return call.Unclear()
	}
	return nil
}

// answered is the error of an answer.
type answered struct {
	Code      *int `json:"code"`
	Subcode   int  `json:"error_subcode"`
	Transient bool `json:"is_transient"`
}

// parse reads the error of an answer; own is false when it is none of Meta's.
func parse(body []byte) (e answered, own bool) {
	var answer struct {
		Error answered `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error.Code == nil {
		return answered{}, false
	}
	return answer.Error, true
}

// failure classifies by Meta's code, as Meta asks for; the HTTP status only decides where the code is not a known one.
func failure(call *transport.Call) *provider.Error {
	if call.Failure != nil {
		return call.Failure
	}
	answer, own := parse(call.Body)
	if !own {
		return call.ByStatus()
	}
	code := *answer.Code
	meaning, known := codes[code]
	switch {
	case code == invalidParameter && answer.Subcode == noSuchObject:
		meaning = provider.Error{Class: provider.Account, Reason: provider.ReasonSender,
			Detail: "WHATSAPP_PHONE_NUMBER_ID does not exist, or the token may not use it"}
	case known:
	case code >= 200 && code <= 299:
		meaning = credentials
	case answer.Transient, call.Status >= 500:
		meaning = outage
	default:
		meaning = *call.ByStatus()
	}
	return call.Known(meaning, strconv.Itoa(code))
}

const (
	invalidParameter = 100
	noSuchObject     = 33
)

// pairPause is the pace of messages to one person: one in six seconds (Cloud API overview, "Pair rate limits").
const pairPause = 6 * time.Second

// What the codes mean.
var (
	recipient   = provider.Error{Class: provider.Permanent, Reason: provider.ReasonRecipient}
	content     = provider.Error{Class: provider.Permanent, Reason: provider.ReasonContent}
	request     = provider.Error{Class: provider.Permanent, Reason: provider.ReasonRequest}
	approved    = provider.Error{Class: provider.Permanent, Reason: provider.ReasonTemplate}
	region      = provider.Error{Class: provider.Permanent, Reason: provider.ReasonRegion}
	outage      = provider.Error{Class: provider.Transient, Reason: provider.ReasonOutage}
	throttled   = provider.Error{Class: provider.Throttled, Reason: provider.ReasonRateLimit}
	credentials = provider.Error{Class: provider.Account, Reason: provider.ReasonCredentials}
	suspended   = provider.Error{Class: provider.Account, Reason: provider.ReasonSuspended}
	sender      = provider.Error{Class: provider.Account, Reason: provider.ReasonSender}
)

// codes are Meta's (developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes).
var codes = map[int]provider.Error{
	131021: recipient, 131026: recipient, 130472: recipient,
	invalidParameter: request, 131008: request, 131009: request,
	131051: content, 131052: content, 131053: content, 135000: content,

	131047: {Class: provider.Permanent, Reason: provider.ReasonTemplate, Detail: "outside the 24-hour window: an approved template is needed"},
	132000: approved, 132001: approved, 132005: approved, 132007: approved, 132012: approved, 132015: approved, 132016: approved,
	132068: approved, 132069: approved,

	// They stopped marketing; receipts and the like are another category, so the person is not suppressed.
	131050: {Class: provider.Permanent, Reason: provider.ReasonOptedOut, Detail: "the person stopped marketing messages"},
	// Meta asks to wait a day at least, after which no till's message is of use.
	131049: {Class: provider.Permanent, Reason: provider.ReasonQuota, Detail: "Meta delivers no more marketing messages to this person for now"},
	130497: region,

	1: outage, 2: outage, 131000: outage, 131016: outage, 131057: outage, 133004: outage,

	4: throttled, 80007: throttled, 130429: throttled,
	131056: {Class: provider.Throttled, Reason: provider.ReasonRateLimit, RecipientOnly: true, RetryAfter: pairPause},

	0: credentials, 3: credentials, 10: credentials, 190: credentials, 131005: credentials,
	368: suspended, 131031: suspended,
	131042: {Class: provider.Account, Reason: provider.ReasonBalance},
	131048: {Class: provider.Account, Reason: provider.ReasonQuota, Detail: "the number's spam limit is reached"},
	33:     sender, 131045: sender, 133010: sender,
}
