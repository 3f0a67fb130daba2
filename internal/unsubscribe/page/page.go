// Package page is where unsubscribe links lead: it takes a person off a shop's e-mails with one click (RFC 8058), or back onto them.
package page

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/internal/unsubscribe"
)

// Sink applies what people want: the queue. It is safe for concurrent use; an error means that nothing was changed.
type Sink interface {
	Accept(context.Context, report.Update) error
}

// Options are what the page is made of. All are required but Now.
type Options struct {
	Business string // the shop's name, as messages show it
	Links    *unsubscribe.Links
	Sink     Sink
	Log      *slog.Logger
	Now      func() time.Time // nil is time.Now
}

// Pattern is where the page is served: {token} is a value of the path.
const Pattern = unsubscribe.Path + "/{token}"

const (
	// maxBody is above the longest form: one short pair, in any of the encodings that mail providers use.
	maxBody = 4 << 10
	// applyTimeout is for the queue: mail providers wait some ten seconds, and people less.
	applyTimeout = 5 * time.Second
	// retryAfter is the pause that a caller is asked for when nothing was changed, in seconds.
	retryAfter = 30
	// An address may change its wishes wishRate times per second, wishBurst at once: more than a person who changes their mind, and a mail
	// provider that repeats itself. Without a limit, one link at hand could fill the queue.
	wishRate  = 0.1
	wishBurst = 10
)

// The pairs that are posted: by a mail program (RFC 8058, section 3.2), and by the page's own buttons.
const (
	oneClickField, oneClick = "List-Unsubscribe", "One-Click"
	wishField               = "wish"
	wishOut, wishIn         = "unsubscribe", "resubscribe"
)

// page answers for links.
type page struct {
	Options
	wishes *inbound.Rates // by address: a person has a link in every e-mail
}

// New returns the handler of Pattern. A GET shows what can be done and does nothing, since programs that look for dangerous links
// follow all of them; a POST does it.
func New(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &page{o, inbound.NewRates(wishRate, wishBurst)}
}

// view is what the template shows.
type view struct {
	State     string // ask, out, in, lost, failed
	Business  string
	Address   string // masked
	RetryWish string // of the state failed: what to post once more
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		inbound.New(http.StatusMethodNotAllowed, "", "this address takes GET, HEAD and POST").Write(w)
		return
	}
	to, err := p.Links.Open(r.PathValue("token"))
	if err != nil {
		p.show(w, r, http.StatusNotFound, view{State: "lost"})
		return
	}
	if r.Method != http.MethodPost {
		p.show(w, r, http.StatusOK, view{State: "ask", Address: to.String()})
		return
	}
	p.change(w, r, to)
}

// change does what was posted for an address.
func (p *page) change(w http.ResponseWriter, r *http.Request, to message.Address) {
	var refused *inbound.Problem
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseMultipartForm(maxBody); errors.As(err, &refused) { //nolint:gosec // the line above bounds it
		refused.Write(w)
		return
	}
	wish := r.PostFormValue(wishField)
	if r.PostFormValue(oneClickField) == oneClick {
		wish = wishOut
	}
	var kind suppress.Kind
	var why suppress.Why
	state := "out"
	switch wish {
	case wishOut:
		kind, why = suppress.OptOut, suppress.Unsubscribe
	case wishIn:
		kind, why, state = suppress.OptIn, suppress.Unsubscribe, "in"
	default:
		// Neither a mail program's nor the page's form. A person may still use the button.
		p.show(w, r, http.StatusBadRequest, view{State: "ask", Address: to.String()})
		return
	}
	if !p.wishes.Allow(to.Reveal()) {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		p.show(w, r, http.StatusTooManyRequests, view{State: "failed", Address: to.String(), RetryWish: wish})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), applyTimeout)
	defer cancel()
	err := p.Sink.Accept(ctx, report.Update{Preferences: []suppress.Preference{{
		// The same link may be used once more, after an opt-in between: each use is an event of its own.
		EventID: rand.Text(), Provider: report.Own, Channel: message.Email, Address: to, Kind: kind, Why: why, At: p.Now(),
	}}})
	if err != nil {
		p.Log.Error("preference not applied", "wish", wish, "to", to, "error", err)
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		p.show(w, r, http.StatusServiceUnavailable, view{State: "failed", Address: to.String(), RetryWish: wish})
		return
	}
	p.Log.Info("preference applied", "wish", wish, "to", to)
	// No redirect: a mail program follows none (RFC 8058, section 3.1).
	p.show(w, r, http.StatusOK, view{State: state, Address: to.String()})
}

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// policy allows the page's own style, by its hash, and its forms. The page loads nothing.
var policy = func() string {
	_, rest, _ := strings.Cut(pageText, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	hash := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}()

func (p *page) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.Business = p.Business
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		p.Log.Error("page not rendered", "error", err)
		inbound.AsProblem(err).Write(w)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(b.Len()))
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Robots-Tag", "noindex")
	// The address of the page has the person's token.
	header.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // the client may be gone
	}
}
