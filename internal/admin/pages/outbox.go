package pages

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
)

// Outbox has the messages that the sandbox took, the latest first.
type Outbox interface {
	List(context.Context) ([]sandbox.Entry, error)
}

// shownMessages is how many messages the page has: each e-mail is a document of its own.
const shownMessages = 50

// shownBytes is how large the messages of the page are together at most, since the page is fetched again every two seconds; the newest is shown however
// large it is.
const shownBytes = 4 << 20

type outboxView struct {
	Posted               bool          // the filter came in a form
	Channel, Event, Text string        // the filter; "" for all
	person               *admin.Person // of Text; nil for any other text
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

// Head is the head of an e-mail, as far as it is known here.
func (e *outboxEntry) Head() []string {
	return append([]string{"To: " + e.To, "Subject: " + e.Subject, "Date: " + e.SentAt.UTC().Format(time.RFC1123Z)}, e.Headers...)
}

// outbox serves the messages, as their recipients would see them; or JSON to a client that accepts it. Recipients are masked from whom they are
// masked elsewhere, and cannot be searched for either. The page's form is posted, since what is searched for may be a person's. An id leads on to
// a link with the same names, to which a browser can come back.
func (p *pages) outbox(outbox Outbox) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := form(w, r, maxForm)
		if err != nil {
			p.failed(w, r, err)
			return
		}
		asJSON, posted := strings.Contains(r.Header.Get("Accept"), "application/json"), r.Method == http.MethodPost
		switch {
		case !posted:
			q = r.URL.Query()
		case !asJSON && isID(q.Get("q")):
			http.Redirect(w, r, link("/outbox", "channel", q.Get("channel"), "event", q.Get("event"), "q", q.Get("q")), http.StatusSeeOther)
			return
		}
		at := page{Title: "Outbox", Section: "outbox", Live: true}
		entries, err := outbox.List(r.Context())
		if partial, is := errors.AsType[*queue.PartialError](err); is && !asJSON {
			at.Problem, err = unavailable(partial.Channels), nil
		}
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
		v := outboxView{Posted: posted, Channel: q.Get("channel"), Event: q.Get("event"), Text: strings.TrimSpace(q.Get("q")), Channels: message.Channels, Events: event.Types}
		if person, err := admin.ParsePerson(v.Text, p.Region); err == nil && p.CanReveal(r.Context()) {
			v.person = &person
		}
		entries = slices.DeleteFunc(entries, func(e sandbox.Entry) bool { return !v.matches(&e) })
		w.Header().Set("Vary", "Accept")
		if asJSON {
			if entries == nil {
				entries = []sandbox.Entry{}
			}
			inbound.WriteJSON(w, http.StatusOK, inbound.JSON, entries)
			return
		}
		v.Total, v.Entries = int64(len(entries)), newest(entries)
		w.Header().Set("Content-Security-Policy", mailPolicy)
		at.Data = v
		p.show(w, r, http.StatusOK, "outbox", at)
	}
}

// newest returns the first entries, as many as one page has.
func newest(entries []sandbox.Entry) (shown []outboxEntry) {
	size := 0
	for _, e := range entries[:min(len(entries), shownMessages)] {
		if size += len(e.Subject) + len(e.Text) + 2*len(e.HTML); size > shownBytes && len(shown) > 0 {
			break
		}
		shown = append(shown, outboxEntry{e, fmt.Sprintf("%s@%d", e.JobID, e.SentAt.UnixNano())})
	}
	return shown
}

// matches says whether a message passes the filter. Text is searched for in any case, and a whole address in any spelling.
func (v *outboxView) matches(e *sandbox.Entry) bool {
	if v.Channel != "" && string(e.Channel) != v.Channel || v.Event != "" && e.EventType != v.Event {
		return false
	}
	if v.person != nil && v.person.Owns(message.Address(e.To), nil) {
		return true
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
