package pages

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/preview"
)

// maxPreviewForm bounds the form with a payload, in bytes.
const maxPreviewForm = 1 << 20

// mailPolicy is that of pages that show whole e-mails, in frames without scripts: their styles are inline, and their pictures may be anywhere.
const mailPolicy = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data: https:; connect-src 'self'; frame-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// previewView is what was asked for, and what would go out.
type previewView struct {
	preview.Request
	*admin.Preview        // nil where the request was refused
	Shown          string // the event type
	Lang           string // of the messages; "" where it is not known
	Short, Mails   []preview.Message
	Events         []event.Type
	Channels       []message.Channel
	Audiences      []message.Audience
	Locales        []string
	DefaultLocale  string
	Sample         string // a payload to change
}

// testView is a test message before it is sent.
type testView struct {
	admin.TestRequest
	*admin.TestResult
	Whole string // the address, as it was read
	Back  string
}

// previewSample shows what the query asks for; at first the messages to the customer of a receipt.
func (p *pages) previewSample(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	asked := preview.Request{Event: event.Type(q.Get("event")), Channel: q.Get("channel"), Audience: q.Get("audience"), Locale: q.Get("locale"), Bare: q.Get("bare") != ""}
	if !q.Has("audience") {
		asked.Audience = message.Customer.String()
	}
	p.showPreview(w, r, asked)
}

// previewPayload shows a payload that was typed.
func (p *pages) previewPayload(w http.ResponseWriter, r *http.Request) {
	form, err := form(w, r, maxPreviewForm)
	if _, is := errors.AsType[*http.MaxBytesError](err); is {
		p.fail(w, r, http.StatusRequestEntityTooLarge, "the payload is larger than this form takes: use ringup render")
		return
	}
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.showPreview(w, r, preview.Request{Channel: form.Get("channel"), Audience: form.Get("audience"), Locale: form.Get("locale"), Payload: strings.TrimSpace(form.Get("payload"))})
}

// readTest reads a test message from a form.
func readTest(w http.ResponseWriter, r *http.Request) (*admin.TestRequest, error) {
	form, err := form(w, r, maxPreviewForm)
	if err != nil {
		return nil, err
	}
	x := &admin.TestRequest{Request: preview.Request{Event: event.Type(form.Get("event")), Channel: form.Get("channel"), Audience: form.Get("audience"), Locale: form.Get("locale"),
		Payload: form.Get("payload"), Bare: form.Get("bare") != ""}, Address: form.Get("address"), Test: form.Get("test")}
	if x.Payload != "" {
		x.Event = "" // the payload says it
	}
	return x, nil
}

// confirmTest shows what would go out to an address, and asks.
func (p *pages) confirmTest(w http.ResponseWriter, r *http.Request) {
	x, err := readTest(w, r)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	x.Test, x.DryRun = "", true
	result, err := p.SendTest(r.Context(), x)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	p.show(w, r, http.StatusOK, "test", page{Title: "Send a test", Section: "preview", Data: testView{TestRequest: *x, TestResult: result, Whole: result.To.Reveal(),
		Back: link("/admin/preview", "event", string(x.Event), "channel", x.Channel, "audience", x.Audience, "locale", x.Locale)}})
}

// sendTest sends a test message, and goes to its job.
func (p *pages) sendTest(w http.ResponseWriter, r *http.Request) {
	x, err := readTest(w, r)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	result, err := p.SendTest(r.Context(), x)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	http.Redirect(w, r, link("/admin/job", "id", result.Job, "done", outcome{what: doneTest, channel: result.Message.Channel, n: 1}.String()), http.StatusSeeOther)
}

func (p *pages) showPreview(w http.ResponseWriter, r *http.Request, asked preview.Request) {
	v := previewView{Request: asked, Events: event.Types, Channels: message.Channels, Audiences: message.Audiences, Locales: p.Renderer.Locales(), DefaultLocale: p.Store.Locale}
	at, status := page{Title: "Preview", Section: "preview"}, http.StatusOK
	result, err := p.Preview(&asked)
	switch {
	case admin.Refused(err):
		at.Problem, status = err.Error(), http.StatusUnprocessableEntity
	case err != nil:
		p.failed(w, r, err)
		return
	default:
		v.Preview, v.Shown = result, string(result.Event)
		for _, m := range result.Messages {
			if m.Channel == message.Email {
				v.Mails = append(v.Mails, m)
			} else {
				v.Short = append(v.Short, m)
			}
		}
	}
	if locale := cmp.Or(asked.Locale, p.Store.Locale); asked.Payload == "" && slices.Contains(v.Locales, locale) {
		v.Lang = locale
	}
	v.Shown = cmp.Or(v.Shown, string(asked.Event), string(event.POSSave))
	v.Sample = cmp.Or(asked.Payload, preview.Sample(event.Type(v.Shown)))
	w.Header().Set("Content-Security-Policy", mailPolicy)
	at.Data = v
	p.show(w, r, status, "preview", at)
}
