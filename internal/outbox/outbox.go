// Package outbox shows what the sandbox provider took, as the people would see it who would have got it.
package outbox

import (
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"regexp"
	"strings"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Lister has the messages, newest first.
type Lister interface {
	List(context.Context) ([]queue.OutboxEntry, error)
}

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"whatsapp": formatted}).Parse(pageSource))

// view is what the page shows.
type view struct {
	Channel  string
	Channels []message.Channel
	Entries  []queue.OutboxEntry
}

// Handler serves the messages: a page, or JSON to who accepts that.
func Handler(lister Lister) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entries, err := lister.List(r.Context())
		if err != nil {
			http.Error(w, "the outbox cannot be read: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		channel := r.URL.Query().Get("channel")
		if channel != "" {
			var some []queue.OutboxEntry
			for _, e := range entries {
				if string(e.Channel) == channel {
					some = append(some, e)
				}
			}
			entries = some
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Vary", "Accept")
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			w.Header().Set("Content-Type", "application/json")
			if entries == nil {
				entries = []queue.OutboxEntry{}
			}
			_ = json.NewEncoder(w).Encode(entries) // the client may be gone
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// The e-mails' own styles are inline; nothing else may be loaded or run.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "+
			"form-action 'none'; base-uri 'none'; frame-ancestors 'none'")
		_ = page.Execute(w, view{Channel: channel, Channels: message.Channels, Entries: entries})
	})
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
