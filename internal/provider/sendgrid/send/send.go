// Package send sends e-mail through SendGrid's v3 API.
package send

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	netmail "net/mail"
	"net/url"
	"slices"
	"strings"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/provider/transport"
	"ringup.dev/ringup/internal/report"
)

// Config has the key, and the sender of e-mails.
type Config struct {
	// APIKey of SendGrid with the permission mail.send.
	APIKey secret.String `env:"SENDGRID_API_KEY"`
	// From is the address that e-mails come from, as Luna Coffee <hello@example.com>; the provider has to have verified it.
	From string `env:"EMAIL_FROM"`
	// BaseURL of SendGrid's host in the EU (https://api.eu.sendgrid.com), of a proxy or of an emulator.
	BaseURL string `env:"SENDGRID_BASE_URL"`
}

const standardURL = "https://api.sendgrid.com"

// Provider sends through SendGrid.
type Provider struct {
	key    secret.String
	from   *mail.Email
	base   *url.URL
	client *transport.Client
}

// New returns the provider of e-mail. The error has every setting that cannot work, each with its variable.
func New(c Config, client *transport.Client) (*Provider, error) {
	var keyErr error
	if c.APIKey == "" || strings.ContainsFunc(c.APIKey.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		keyErr = errors.New("SENDGRID_API_KEY is empty or has a space: set a key with the permission mail.send")
	}
	from, fromErr := netmail.ParseAddress(c.From)
	if fromErr != nil {
		fromErr = fmt.Errorf("EMAIL_FROM is %q: set the address that e-mails come from, as Luna Coffee <hello@example.com>", c.From)
	}
	base, baseErr := client.BaseURL("SENDGRID_BASE_URL", c.BaseURL, standardURL)
	if err := errors.Join(keyErr, fromErr, baseErr); err != nil {
		return nil, err
	}
	return &Provider{key: c.APIKey, from: mail.NewEmail(from.Name, from.Address), base: base, client: client}, nil
}

// do makes a request with a client of its own: the SDK's keeps the last body in itself, and its default one has no timeout.
func (p *Provider) do(ctx context.Context, call *transport.Call, method rest.Method, path string, body []byte) {
	client := rest.Client{HTTPClient: call.HTTPClient()}
	// What the SDK returns is in the call, and more.
	_, _ = client.SendWithContext(ctx, rest.Request{
		Method: method, BaseURL: p.base.JoinPath(path).String(), Body: body,
		Headers: map[string]string{"Authorization": "Bearer " + p.key.Reveal(), "Accept": "application/json"},
	})
}

// Send posts to /v3/mail/send. SendGrid answers 202 with the id in a header.
func (p *Provider) Send(ctx context.Context, m message.Message) (provider.Receipt, error) {
	call := p.client.Call(ctx, nil)
	p.do(ctx, call, rest.Post, "/v3/mail/send", mail.GetRequestBody(p.mail(m)))
	if call.Failure != nil || call.Status != http.StatusAccepted {
		return provider.Receipt{}, classify(call)
	}
	id := call.Header.Get("X-Message-Id")
	if _, _, own := parse(call.Body); own || id == "" && len(bytes.TrimSpace(call.Body)) > 0 {
		return provider.Receipt{}, classify(call) // firewalls answer 202, too, with a page; SendGrid's has no body
	}
	if id == "" {
		// Accepted without a name: delivery reports will find it by the job's id.
		id = m.JobID
	}
	return provider.Receipt{MessageID: id}, nil
}

func (p *Provider) mail(m message.Message) *mail.SGMailV3 {
	to := mail.NewPersonalization()
	to.AddTos(mail.NewEmail("", m.To.Reveal()))
	// In the personalization: the specification has custom_args at the top as a string.
	to.SetCustomArg(report.JobField, report.EncodeJob(m.JobID))
	v3 := mail.NewV3Mail()
	v3.SetFrom(p.from)
	v3.Subject = m.Subject
	if m.ReplyTo != "" {
		v3.SetReplyTo(mail.NewEmail("", m.ReplyTo))
	}
	for _, header := range m.Headers() {
		to.SetHeader(header.Name, header.Value)
	}
	// text/plain has to come first.
	return v3.AddPersonalizations(to).AddContent(mail.NewContent("text/plain", m.Text), mail.NewContent("text/html", m.HTML))
}

// Probe asks for the key's permissions.
func (p *Provider) Probe(ctx context.Context) error {
	call := p.client.Probe(ctx, nil)
	p.do(ctx, call, rest.Get, "/v3/scopes", nil)
	if call.Failure != nil || call.Status != http.StatusOK {
		return classify(call)
	}
	var answer struct {
		Scopes []string `json:"scopes"`
	}
	if json.Unmarshal(call.Body, &answer) != nil || answer.Scopes == nil {
		return call.Unclear()
	}
	if !slices.Contains(answer.Scopes, "mail.send") {
		return &failure.Error{Class: failure.Account, Reason: failure.ReasonCredentials, Status: call.Status,
			Detail: "the key lacks the permission mail.send"}
	}
	return nil
}

// Traits names the address that e-mails come from.
func (p *Provider) Traits() provider.Traits {
	return provider.Traits{Sender: p.from.Address, Reports: true}
}

// classify classifies by the HTTP status, and where that means several things by the message
// (twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses). An answer without SendGrid's errors is not SendGrid's.
func classify(call *transport.Call) *failure.Error {
	field, text, own := parse(call.Body)
	if call.Failure != nil || !own {
		return reset(call, call.Foreign())
	}
	e := reset(call, call.Refused(""))
	switch {
	case call.Status == http.StatusUnauthorized && strings.Contains(text, "Maximum credits exceeded"):
		e.Reason = failure.ReasonBalance
	case call.Status == http.StatusForbidden && strings.Contains(text, "Sender Identity"):
		e.Reason, e.Detail = failure.ReasonSender, "EMAIL_FROM is not a verified sender"
	case call.Status == http.StatusRequestEntityTooLarge:
		e.Reason = failure.ReasonContent
	case call.Status == http.StatusBadRequest && strings.HasPrefix(field, "personalizations") && strings.Contains(field, ".to"):
		e.Reason = failure.ReasonRecipient
	case call.Status == http.StatusBadRequest && strings.HasPrefix(field, "from"):
		e.Class, e.Reason, e.Detail = failure.Account, failure.ReasonSender, "EMAIL_FROM is refused"
	case call.Status == http.StatusBadRequest && (strings.HasPrefix(field, "content") || field == "subject"):
		e.Reason = failure.ReasonContent
	}
	return e
}

// reset adds when a 429's limit ends. Retry-After is not documented, this header is (…/rate-limits).
func reset(call *transport.Call, e *failure.Error) *failure.Error {
	if e.Class == failure.Throttled && e.RetryAfter == 0 {
		e.RetryAfter = call.Until("X-RateLimit-Reset")
	}
	return e
}

// parse reads the first error of an answer; own is false where the answer is not SendGrid's: its errors have a message and a field, which may be
// null.
func parse(body []byte) (field, text string, own bool) {
	var answer struct {
		Errors []struct {
			Message string          `json:"message"`
			Field   json.RawMessage `json:"field"`
		} `json:"errors"`
	}
	_ = json.Unmarshal(body, &answer) // the error may say that another field has another type
	if len(answer.Errors) == 0 || answer.Errors[0].Message == "" || answer.Errors[0].Field == nil {
		return "", "", false
	}
	_ = json.Unmarshal(answer.Errors[0].Field, &field) // null is no field
	return field, answer.Errors[0].Message, true
}
