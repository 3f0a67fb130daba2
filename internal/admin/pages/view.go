package pages

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/format"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/preview"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/internal/verdict"
)

//go:embed templates
var templateFiles embed.FS

var functions = template.FuncMap{
	"ago": ago, "clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"isoExact": func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"number":   admin.Thousands, "stateName": admin.StateName, "eventsOf": admin.EventNames,
	"perSecond":  func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) },
	"statusName": admin.StatusName, "tone": statusTone, "eventName": admin.EventName,
	"movedTo":  func(n queue.Notification) string { return admin.MovedTo(&n) },
	"whyName":  func(w suppress.Why) string { return cmp.Or(whyNames[w], string(w)) },
	"advice":   func(w suppress.Why) string { return advice[w] },
	"whatsapp": formatted, "inLanguage": inLanguage, "dir": direction,
	"levelTone": levelTone, "channelTitle": verdict.Title,
	"providerPage": func(provider string) string { return providerPages[provider] },
	"fieldTime":    fieldTime, "number64": func(n int) string { return admin.Thousands(int64(n)) },
	"selectable": func(jobs []admin.Job) jobTable { return jobTable{jobs, true} }, "plainJobs": func(jobs []admin.Job) jobTable { return jobTable{jobs, false} },
	"add": func(a, b int) int { return a + b }, "markTone": markTone,
	"link": link, "text": func(v any) string { return fmt.Sprint(v) },
}

// link makes an address of a path and the names and values of a query; empty values are left out.
func link(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return path + "?" + q.Encode()
}

// direction returns how a message is written, ltr or rtl. A browser that finds out itself looks into isolates, too: "Luna Coffee" before Arabic words.
func direction(text string) string {
	if format.RTL(text) {
		return "rtl"
	}
	return "ltr"
}

// jobTable is a table of jobs, of which some can be selected.
type jobTable struct {
	Jobs   []admin.Job
	Select bool
}

// shownMessage is a message of a preview, and the language that it is in; "" where that is not known.
type shownMessage struct {
	preview.Message
	Lang string
}

func inLanguage(m preview.Message, lang string) shownMessage { return shownMessage{m, lang} }

// templates has each page in its layout.
var templates = func() map[string]*template.Template {
	out := map[string]*template.Template{}
	layout := template.Must(template.New("layout").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/message.html", "templates/graph.html"))
	for _, name := range []string{"login", "queues", "list", "job", "search", "audit", "confirm", "problem", "suppressions", "costs", "preview", "test", "senders", "outbox", "history"} {
		out[name] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return out
}()

// page is what every page has.
type page struct {
	Title, Section          string
	Problem, Notice, Next   string
	Operator                string
	SignedIn, ReadOnly, Can bool // Can: change things
	Trouble                 int  // how many lines of the verdict are not well
	Live                    bool // fetched again every few seconds, where scripts run
	Every                   int  // that often, in seconds; 0 for two
	Query                   string
	Address                 string // that a browser comes back to, where the page came for a form; "" for none
	Data                    any
}

// show answers with a page.
func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, name string, at page) {
	at.Operator = admin.Operator(r.Context())
	at.SignedIn, at.Can = admin.HasSession(r.Context()), p.CanChange(r.Context())
	at.ReadOnly = at.Operator != "" && !at.Can
	at.Notice = cmp.Or(at.Notice, doneText(r.URL.Query()))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := templates[name].ExecuteTemplate(w, "layout", at); err != nil {
		p.Log.Debug("page not written", "page", name, "error", err)
	}
}

// fail answers with a refusal: a page for a browser, and problem+json for any other client.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		inbound.New(status, "", text).Write(w)
		return
	}
	p.show(w, r, status, "problem", page{Title: http.StatusText(status), Problem: text})
}

// failed answers with an error of an operation.
func (p *pages) failed(w http.ResponseWriter, r *http.Request, err error) {
	problem := p.Problem(err)
	p.fail(w, r, problem.Status, problem.Detail)
}

// onThisSite returns a path to go back to; the first page for an address elsewhere.
func onThisSite(path string) string {
	if u, err := url.Parse(path); err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, "\\") {
		return admin.FirstPage
	}
	return path
}

// part says which entries of a list are shown, counted from 1, and the offsets of the parts before and after; "" for none.
func part(offset, shown int, total int64) (from, to int, previous, following string) {
	from, to = offset+1, offset+shown
	if offset > 0 {
		previous = strconv.Itoa(max(0, offset-admin.PageSize))
	}
	if shown > 0 && int64(to) < total {
		following = strconv.Itoa(offset + admin.PageSize)
	}
	return from, to, previous, following
}

// ago says how long ago a time was, or how long until it comes, in the largest unit that fits.
func ago(t time.Time) string {
	d := time.Since(t)
	if d < 0 {
		return "in " + length(-d)
	}
	return length(d) + " ago"
}

// length is a duration for people.
func length(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.Itoa(int(d.Milliseconds())) + " ms"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	case d < 5*365*24*time.Hour:
		return strconv.Itoa(int(d.Hours()/24)) + " days"
	}
	return "years"
}
