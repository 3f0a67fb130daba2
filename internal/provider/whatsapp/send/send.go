// Package send sends through the WhatsApp Business Cloud API. Meta has no Go SDK; one POST and one GET need none.
package send

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

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/provider/whatsapp"
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
	base, err := client.BaseURL("WHATSAPP_BASE_URL", c.BaseURL, "https://graph.facebook.com")
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return &Provider{token: c.AccessToken, number: c.PhoneNumberID, url: base.JoinPath(version, c.PhoneNumberID), client: client}, nil
}

// Traits names the number that messages come from, by its id.
func (p *Provider) Traits() provider.Traits {
	return provider.Traits{Sender: p.number, Reports: true, NamesMessage: true, MaxText: whatsapp.MaxText}
}

// outgoing is the body of a POST to /{phone-number-id}/messages (developers.facebook.com/docs/whatsapp/cloud-api/reference/messages).
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

func (p *Provider) do(ctx context.Context, call *transport.Call, method string, target *url.URL, body []byte) {
	r, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return // the call was not sent, and says so
	}
	r.Header.Set("Authorization", "Bearer "+p.token.Reveal())
	r.Header.Set("Content-Type", "application/json")
	// The call has the answer, or the failure.
	if resp, err := call.RoundTrip(r); err == nil {
		_ = resp.Body.Close()
	}
}

// Send posts a text, or an approved template.
func (p *Provider) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	body, err := json.Marshal(write(m))
	if err != nil {
		return provider.Receipt{}, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent, Detail: "it cannot be written as JSON"}
	}
	call := p.client.Call(ctx, nil)
	p.do(ctx, call, http.MethodPost, p.url.JoinPath("messages"), body)
	if call.Failure != nil || call.Status != http.StatusOK {
		return provider.Receipt{}, classify(call)
	}
	var answer struct {
		// message_status may say that Meta holds the message for an assessment of the template: it has accepted it, and reports the rest.
		Messages []struct {
			ID string `json:"id"`
		} `json:"messages"`
		// The number by which WhatsApp knows the recipient (developers.facebook.com/docs/whatsapp/cloud-api/reference/messages#responses).
		Contacts []struct {
			ID string `json:"wa_id"`
		} `json:"contacts"`
	}
	if json.Unmarshal(call.Body, &answer) != nil || len(answer.Messages) == 0 || answer.Messages[0].ID == "" {
		return provider.Receipt{}, classify(call)
	}
	receipt := provider.Receipt{MessageID: answer.Messages[0].ID}
	if len(answer.Contacts) == 1 {
		receipt.KnownAs, _ = message.ParseE164("+" + strings.TrimPrefix(answer.Contacts[0].ID, "+"))
	}
	return receipt, nil
}

// Probe reads the phone number.
func (p *Provider) Probe(ctx context.Context) error {
	target := *p.url
	target.RawQuery = "fields=id"
	call := p.client.Probe(ctx, nil)
	p.do(ctx, call, http.MethodGet, &target, nil)
	if call.Failure != nil || call.Status != http.StatusOK {
		return classify(call)
	}
	var answer struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(call.Body, &answer) != nil || answer.ID == "" {
		return classify(call)
	}
	return nil
}

// answered is the error of an answer.
type answered struct {
	Code      failure.Number `json:"code"`
	Type      string         `json:"type"`
	Subcode   failure.Number `json:"error_subcode"`
	Transient bool           `json:"is_transient"`
}

// parse reads the error of an answer; own is false where the answer is not Meta's: all of Meta's have a code and a type.
func parse(body []byte) (e answered, own bool) {
	var answer struct {
		Error answered `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // the error may say that another field has another type
	return answer.Error, answer.Error.Code.Given && answer.Error.Type != ""
}

// noSuchObject is the subcode of whatsapp.InvalidParameter for a wrong id.
const noSuchObject = 33

// classify classifies by Meta's code, as Meta asks for; the HTTP status only decides where the code is not a known one.
func classify(call *transport.Call) *failure.Error {
	answer, own := parse(call.Body)
	if call.Failure != nil || !own {
		return call.Foreign()
	}
	code := answer.Code.Value
	meaning, known := whatsapp.AnswerCode(code)
	switch {
	case code == whatsapp.InvalidParameter && answer.Subcode.Value == noSuchObject:
		meaning = failure.Error{Class: failure.Account, Reason: failure.ReasonSender,
			Detail: "WHATSAPP_PHONE_NUMBER_ID does not exist, or the token may not use it"}
	case known:
	case answer.Transient:
		meaning = failure.Error{Class: failure.Transient, Reason: failure.ReasonOutage}
	default:
		// Where the status says what it is about, the range says nothing more.
		refused := call.Refused(strconv.Itoa(code))
		if meaning, known = whatsapp.UnknownCode(code); !known || refused.Class != failure.Permanent {
			return refused
		}
	}
	return call.Known(meaning, strconv.Itoa(code))
}
