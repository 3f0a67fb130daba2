package pages

import (
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
)

// Outbox has the messages that the sandbox took, the latest first.
type Outbox interface {
	List(context.Context) ([]sandbox.Entry, error)
}

//go:embed outbox.html
var outboxSource string

// outboxTemplate is a page of its own, without the layout: it is for developers, and shows whole e-mails.
var outboxTemplate = template.Must(template.New("outbox").Funcs(template.FuncMap{"whatsapp": formatted}).Parse(outboxSource))

type outboxView struct {
	Channel  string // "" for all
	Channels []message.Channel
	Entries  []sandbox.Entry
}

// outbox serves the messages, as their recipients would see them; or JSON to a client that accepts it. Recipients are masked from whom they are
// masked elsewhere.
func (p *pages) outbox(outbox Outbox) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		entries, err := outbox.List(r.Context())
		if err != nil {
			p.Log.Error("outbox not read", "error", err)
			inbound.Unavailable("the outbox cannot be read: Redis does not answer").Write(w)
			return
		}
		channel := r.URL.Query().Get("channel")
		if channel != "" {
			entries = slices.DeleteFunc(entries, func(e sandbox.Entry) bool { return string(e.Channel) != channel })
		}
		if !p.CanReveal(r.Context()) {
			for i := range entries {
				entries[i].To = message.Address(entries[i].To).String()
			}
		}
		w.Header().Set("Vary", "Accept")
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			if entries == nil {
				entries = []sandbox.Entry{}
			}
			inbound.WriteJSON(w, http.StatusOK, inbound.JSON, entries)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// The e-mails' own styles are inline; nothing else may be loaded or run.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "+
			"form-action 'none'; base-uri 'none'; frame-ancestors 'none'")
		_ = outboxTemplate.Execute(w, outboxView{Channel: channel, Channels: message.Channels, Entries: entries}) // the client may be gone
	}
}

var (
	bold   = regexp.MustCompile(`\*([^\s*](?:[^*\n]*[^\s*])?)\*`)
	italic = regexp.MustCompile(`\b_([^\s_](?:[^_\n]*[^\s_])?)_\b`)
)

// formatted shows WhatsApp's formatting as WhatsApp does.
func formatted(text string) template.HTML {
	safe := template.HTMLEscapeString(text)
	safe = bold.ReplaceAllString(safe, "<b>$1</b>")
	return template.HTML(italic.ReplaceAllString(safe, "<i>$1</i>")) //nolint:gosec // escaped above
}
