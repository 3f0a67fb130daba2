package pages

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
)

// Outbox has the messages that the sandbox took, the latest first.
type Outbox interface {
	List(context.Context) ([]sandbox.Entry, error)
}

// shownMessages is how many messages the page has: each e-mail is a document of its own.
const shownMessages = 50

type outboxView struct {
	Channel, Event, Text string // the filter; "" for all
	Channels             []message.Channel
	Events               []event.Type
	Total                int64
	Entries              []outboxEntry
}

// outboxEntry is a message with the name of its part of the page.
type outboxEntry struct {
	sandbox.Entry
	Key string
}

// outbox serves the messages, as their recipients would see them; or JSON to a client that accepts it. Recipients are masked from whom they are
// masked elsewhere, and cannot be searched for either.
func (p *pages) outbox(outbox Outbox) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		entries, err := outbox.List(r.Context())
		if err != nil {
			p.Log.Error("outbox not read", "error", err)
			inbound.Unavailable("the outbox cannot be read: Redis does not answer").Write(w)
			return
		}
		if !p.CanReveal(r.Context()) {
			for i := range entries {
				entries[i].To = message.Address(entries[i].To).String()
			}
		}
		q := r.URL.Query()
		v := outboxView{Channel: q.Get("channel"), Event: q.Get("event"), Text: strings.TrimSpace(q.Get("q")), Channels: message.Channels, Events: event.Types}
		entries = slices.DeleteFunc(entries, func(e sandbox.Entry) bool { return !v.matches(&e) })
		w.Header().Set("Vary", "Accept")
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			if entries == nil {
				entries = []sandbox.Entry{}
			}
			inbound.WriteJSON(w, http.StatusOK, inbound.JSON, entries)
			return
		}
		v.Total = int64(len(entries))
		for _, e := range entries[:min(len(entries), shownMessages)] {
			v.Entries = append(v.Entries, outboxEntry{e, fmt.Sprintf("%s@%d", e.JobID, e.SentAt.UnixNano())})
		}
		w.Header().Set("Content-Security-Policy", mailPolicy)
		p.show(w, r, http.StatusOK, "outbox", page{Title: "Outbox", Section: "outbox", Live: true, Data: v})
	}
}

// matches says whether a message passes the filter. Text is searched for in any case.
func (v *outboxView) matches(e *sandbox.Entry) bool {
	if v.Channel != "" && string(e.Channel) != v.Channel || v.Event != "" && e.EventType != v.Event {
		return false
	}
	wanted := strings.ToLower(v.Text)
	return slices.ContainsFunc([]string{e.JobID, e.To, e.Subject, e.Text}, func(s string) bool { return strings.Contains(strings.ToLower(s), wanted) })
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
