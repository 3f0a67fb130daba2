package admin

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/store"
	"ringup.dev/ringup/internal/suppress"
)

//go:embed templates
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

const (
	// pageSize is how many jobs a page lists.
	pageSize = 100
	// maxFound is how many jobs a search shows.
	maxFound = 100
	// minSearch is the shortest text that is searched for: shorter ones are everywhere.
	minSearch = 3
)

func static() http.Handler {
	sub, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // embedded above
	}
	files := http.StripPrefix("/admin/static/", http.FileServerFS(sub))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=300")
		files.ServeHTTP(w, r)
	})
}

var functions = template.FuncMap{
	"ago": ago, "clock": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"iso": func(t time.Time) string { return t.UTC().Format(time.RFC3339) }, "stateName": stateName, "number": thousands,
	"perSecond": func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }, "eventsOf": eventsOf,
	"link": func(path string, pairs ...string) string {
		q := url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i+1] != "" {
				q.Set(pairs[i], pairs[i+1])
			}
		}
		return path + "?" + q.Encode()
	},
	"reported": func(what string) string { return reported[what] }, "movedTo": movedTo, "tone": statusTone, "whyName": func(w suppress.Why) string { return whyNames[w] },
	"text": func(v any) string { return fmt.Sprint(v) }, "add": func(a, b int) int { return a + b },
}

var pages = func() map[string]*template.Template {
	out := map[string]*template.Template{}
	layout := template.Must(template.New("layout").Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	for _, name := range []string{"login", "queues", "list", "job", "search", "audit", "confirm", "problem", "suppressed", "spending"} {
		out[name] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return out
}()

// ago says how long ago something was, or how long until it is, in the largest unit that fits.
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

// thousands groups digits: 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func stateName(p queue.State) string {
	return map[queue.State]string{
		queue.Waiting: "waiting", queue.Retrying: "waiting for its next attempt", queue.Scheduled: "held", queue.InFlight: "being sent", queue.Failed: "failed", queue.Completed: "sent",
	}[p]
}

// eventsOf names the events of a priority.
func eventsOf(priority int) string {
	var names []string
	for _, t := range event.Types {
		if store.DefaultPriorities[t] == priority {
			names = append(names, string(t))
		}
	}
	return strings.Join(names, ", ")
}

// page is what every page is made of.
type page struct {
	Title, Section          string
	Problem, Notice, Next   string
	Operator                string
	SignedIn, ReadOnly, Can bool // Can: change things
	Live                    bool // is fetched again every few seconds, where scripts run
	Query                   string
	Data                    any
}

func (a *Admin) page(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Operator = operator(r.Context())
	p.SignedIn = p.Operator != "" && !a.sessions.open
	p.ReadOnly = a.Config.ReadOnly
	p.Can = !a.Config.ReadOnly
	p.Notice = or(p.Notice, r.URL.Query().Get("done"))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := pages[name].ExecuteTemplate(w, "layout", p); err != nil {
		a.Log.Debug("page not written", "page", name, "error", err)
	}
}

// fail answers what went wrong: as a page, or to a program as a problem.
func (a *Admin) fail(w http.ResponseWriter, r *http.Request, status int, text string) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		problem(w, status, text)
		return
	}
	a.page(w, r, status, "problem", page{Title: http.StatusText(status), Problem: text})
}

// failed answers an error of the queue or of the operator.
func (a *Admin) failed(w http.ResponseWriter, r *http.Request, err error) {
	var unknown *queue.NotFoundError
	switch {
	case errors.As(err, &unknown):
		a.fail(w, r, http.StatusNotFound, unknown.Error())
	case isRefusal(err):
		a.fail(w, r, http.StatusUnprocessableEntity, err.Error())
	default:
		a.Log.Error("the queue cannot be asked", "error", err)
		a.fail(w, r, http.StatusServiceUnavailable, "Redis does not answer. Nothing was changed; try again in a moment.")
	}
}

// channelView is a channel on the overview.
type channelView struct {
	Name message.Channel
	*queue.ChannelState
	Rates      rates
	Priorities []priorityView
	Providers  []providerView
	Limit      float64 // a second; 0 for none
	Paused     bool
	spentAndSuppressed
}

type priorityView struct {
	Number  int
	Event   string
	Waiting int64
	Oldest  string
}

type providerView struct {
	Name, State, Reason string
	Until               time.Time
	Closed              bool
}

func (a *Admin) channels(ctx context.Context) ([]channelView, error) {
	var out []channelView
	for _, name := range message.Channels {
		state, err := a.Queues.State(ctx, name)
		if err != nil {
			return nil, err
		}
		v := channelView{Name: name, ChannelState: state, Rates: a.samples.rates(name), Paused: strings.HasPrefix(state.Halted, "paused ")}
		for i, n := range state.Waiting {
			p := priorityView{Number: i + 1, Event: eventsOf(i + 1), Waiting: n}
			if n > 0 {
				p.Oldest = length(state.Oldest[i])
			}
			v.Priorities = append(v.Priorities, p)
		}
		for _, name := range providersOf(state) {
			b, known := state.Breakers[name]
			p := providerView{Name: name, State: "closed", Closed: true}
			if known {
				p = providerView{Name: name, State: b.State, Reason: b.Reason, Until: b.Until, Closed: b.State == "held" || b.State == "recovering"}
			}
			v.Providers = append(v.Providers, p)
		}
		if v.spentAndSuppressed, err = a.spentAndSuppressed(ctx, name); err != nil {
			return nil, err
		}
		for _, w := range state.Workers {
			v.Limit = max(v.Limit, w.RateLimit)
		}
		out = append(out, v)
	}
	return out, nil
}

func (a *Admin) queuesPage(w http.ResponseWriter, r *http.Request) {
	channels, err := a.channels(r.Context())
	if err != nil {
		a.failed(w, r, err)
		return
	}
	a.page(w, r, http.StatusOK, "queues", page{Title: "Queues", Section: "queues", Live: true, Data: channels})
}

// jobView is a job, as the pages and the API show it.
type jobView struct {
	ID         string          `json:"id"`
	WebhookID  string          `json:"webhook_id"`
	Channel    message.Channel `json:"channel"`
	State      queue.State     `json:"place"`
	At         time.Time       `json:"at,omitzero"` // next attempt due, lease ends, or ended
	Event      string          `json:"event"`
	Priority   int             `json:"priority"`
	Attempts   int             `json:"attempts"`
	Crashes    int             `json:"crashes"`
	Uncertain  bool            `json:"uncertain"`
	AcceptedAt time.Time       `json:"accepted_at"`
	Audience   string          `json:"audience"`
	Recipient  string          `json:"recipient"` // masked
	LastError  string          `json:"last_error,omitempty"`
}

func view(k *queue.Stored) jobView {
	v := jobView{Channel: k.Channel, State: k.State, At: k.At}
	if k.Job == nil {
		v.ID, v.LastError = "unreadable", k.Err.Error()
		return v
	}
	j := k.Job
	v.ID, v.WebhookID, v.Event, v.Priority, v.Attempts, v.Crashes = j.ID(), j.WebhookID, string(j.Type), j.Priority, j.Attempts, j.Crashes
	if k.State == queue.Completed {
		v.Attempts++ // a job counts those that did not succeed
	}
	v.Uncertain, v.AcceptedAt, v.Audience, v.Recipient, v.LastError = j.Uncertain, j.AcceptedAt, j.Audience.String(), j.Recipient.String(), j.LastError
	return v
}

func views(jobs []queue.Stored) []jobView {
	out := make([]jobView, len(jobs))
	for i := range jobs {
		out[i] = view(&jobs[i])
	}
	return out
}

// listRequest is which jobs are asked for.
type listRequest struct {
	Channel          message.Channel
	State            queue.State
	Priority, Offset int
}

func readList(r *http.Request) (listRequest, error) {
	var q listRequest
	var err error
	if q.Channel, err = message.ParseChannel(chi.URLParam(r, "channel")); err != nil {
		return q, refuse("%v", err)
	}
	q.State = queue.State(chi.URLParam(r, "place"))
	if stateName(q.State) == "" {
		return q, refuse("there is no place %q: there are waiting, retry, held, sending, failed, completed", q.State)
	}
	for name, into := range map[string]*int{"priority": &q.Priority, "offset": &q.Offset} {
		if text := r.URL.Query().Get(name); text != "" {
			if *into, err = strconv.Atoi(text); err != nil || *into < 0 {
				return q, refuse("%s is %q: it has to be a number", name, text)
			}
		}
	}
	if q.Priority > 4 {
		return q, refuse("priority is 1 to 4, or 0 for all")
	}
	return q, nil
}

// total is how many jobs are in a place.
func total(state *queue.ChannelState, place queue.State, priority int) (n int64) {
	switch place {
	case queue.Retrying:
		return state.Retry
	case queue.Scheduled:
		return state.Held
	case queue.InFlight:
		return state.Inflight
	case queue.Failed:
		return state.Failed
	case queue.Completed:
		return state.Completed
	}
	for i, waiting := range state.Waiting {
		if priority == 0 || priority == i+1 {
			n += waiting
		}
	}
	return n
}

type listView struct {
	listRequest
	States              []queue.State
	Jobs                []jobView
	Total               int64
	From, To            int
	Previous, Following string // offsets, "" for none
}

// list returns a page of jobs, and how many there are in all.
func (a *Admin) list(ctx context.Context, q listRequest) (jobs []jobView, all int64, err error) {
	state, err := a.Queues.State(ctx, q.Channel)
	if err != nil {
		return nil, 0, err
	}
	kept, err := a.Queues.List(ctx, q.Channel, q.State, q.Priority, q.Offset, pageSize)
	return views(kept), total(state, q.State, q.Priority), err
}

func (a *Admin) listPage(w http.ResponseWriter, r *http.Request) {
	q, err := readList(r)
	if err != nil {
		a.fail(w, r, http.StatusNotFound, err.Error())
		return
	}
	jobs, all, err := a.list(r.Context(), q)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	v := listView{listRequest: q, States: queue.States, Jobs: jobs, Total: all, From: q.Offset + 1, To: q.Offset + len(jobs)}
	if q.Offset > 0 {
		v.Previous = strconv.Itoa(max(0, q.Offset-pageSize))
	}
	if int64(v.To) < v.Total && len(jobs) > 0 {
		v.Following = strconv.Itoa(q.Offset + pageSize)
	}
	a.page(w, r, http.StatusOK, "list", page{Title: string(q.Channel) + ": " + stateName(q.State), Section: "queues", Live: true, Data: v})
}

// jobDetail is all that is known of a job.
type jobDetail struct {
	ID           string              `json:"id"`
	Job          *jobView            `json:"job,omitempty"` // where it lies; nothing when it has left the queue
	Notification *queue.Notification `json:"notification,omitempty"`
	Message      *shownMessage       `json:"message,omitempty"`
	MovedFrom    string              `json:"moved_from,omitempty"` // the job on another channel that this one takes over from

	Delivery  *deliveryView `json:"-"` // the notification's history has it all
	Revealed  string        `json:"-"`
	MayReveal bool          `json:"-"`
}

// shownMessage is a message as its recipient sees it.
type shownMessage struct {
	Subject  string `json:"subject,omitempty"`
	Text     string `json:"text"`
	Segments int    `json:"segments,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

func (a *Admin) detail(ctx context.Context, id string) (*jobDetail, *queue.Stored, error) {
	webhookID, _, _, err := job.ParseID(id)
	if err != nil {
		return nil, nil, refuse("%v", err)
	}
	d := &jobDetail{ID: id}
	var accepted time.Time
	n, err := a.Queues.Notifications(ctx, webhookID)
	var unknown *queue.NotFoundError
	switch {
	case err == nil:
		accepted = n.AcceptedAt
		for i := range n.Notifications {
			if n.Notifications[i].ID == id {
				d.Notification = &n.Notifications[i]
			}
		}
		d.Delivery, d.MovedFrom = deliveryOf(d.Notification), movedFrom(n.Notifications, id)
	case !errors.As(err, &unknown):
		return nil, nil, err
	}
	k, err := a.Queues.Locate(ctx, id, accepted)
	if err != nil {
		return nil, nil, err
	}
	if k == nil && d.Notification == nil {
		return nil, nil, refuse("nothing is known of job %s: it was never accepted, or longer ago than STATUS_TTL", id)
	}
	if k != nil {
		v := view(k)
		d.Job = &v
		if m, err := a.Renderer.Render(k.Job); err != nil {
			d.Message = &shownMessage{Problem: err.Error()}
		} else {
			d.Message = &shownMessage{Subject: m.Subject, Text: m.Text, Segments: m.Segments}
		}
	}
	return d, k, nil
}

func (a *Admin) jobPage(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	d, k, err := a.detail(r.Context(), id)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	d.MayReveal = a.Config.Reveal && k != nil
	a.page(w, r, http.StatusOK, "job", page{Title: "Job " + id, Section: "queues", Live: true, Data: d})
}

// revealPage is the job's page with the whole address: asked for, allowed, and on record.
func (a *Admin) revealPage(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("id")
	d, k, err := a.detail(r.Context(), id)
	switch {
	case err != nil:
		a.failed(w, r, err)
		return
	case !a.Config.Reveal || k == nil || k.Job == nil:
		a.fail(w, r, http.StatusForbidden, "addresses stay masked here: ADMIN_REVEAL is not set")
		return
	}
	a.record(r.Context(), &action{Name: "reveal", Channel: k.Channel, IDs: []string{id}}, operator(r.Context()), 1)
	d.Revealed = k.Job.Recipient.Reveal()
	a.page(w, r, http.StatusOK, "job", page{Title: "Job " + id, Section: "queues", Data: d})
}

type searchView struct {
	Text          string
	Jobs          []jobView
	Notifications []queue.Notification // of the webhook of that id
	Full          bool
}

// search finds a webhook by its id, and jobs by what is in them.
func (a *Admin) search(ctx context.Context, text string) (*searchView, error) {
	text = strings.TrimSpace(text)
	v := &searchView{Text: text}
	if len(text) < minSearch {
		return v, refuse("give at least %d characters: a webhook's id, a job's id, a transaction, a recipient, a provider's message id", minSearch)
	}
	id := text
	if webhookID, _, _, err := job.ParseID(text); err == nil {
		id = webhookID
	}
	n, err := a.Queues.Notifications(ctx, id)
	var unknown *queue.NotFoundError
	switch {
	case err == nil:
		v.Notifications = n.Notifications
	case !errors.As(err, &unknown):
		return v, err
	}
	jobs, err := a.Queues.Search(ctx, text, maxFound)
	if err != nil {
		return v, err
	}
	v.Jobs, v.Full = views(jobs), len(jobs) >= maxFound
	return v, nil
}

func (a *Admin) searchPage(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("q")
	p := page{Title: "Search", Section: "search", Query: text}
	status := http.StatusOK
	v, err := a.search(r.Context(), text)
	switch {
	case isRefusal(err):
		if text != "" {
			p.Problem = err.Error()
		}
	case err != nil:
		a.failed(w, r, err)
		return
	}
	p.Data = v
	a.page(w, r, status, "search", p)
}

func (a *Admin) auditPage(w http.ResponseWriter, r *http.Request) {
	entries, err := a.Queues.Audit(r.Context(), pageSize)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	a.page(w, r, http.StatusOK, "audit", page{Title: "What operators did", Section: "audit", Data: entries})
}

// confirmView is an action before it is done.
type confirmView struct {
	action
	Question string
	Back     string
	Count    int
	Nothing  bool // there is no job to do it to
}

// readAction reads an action from a page's form or link.
func readAction(get func(string) string) *action {
	x := &action{Name: get("action"), Channel: message.Channel(get("channel")), State: queue.State(get("place")), Filter: get("filter"), Provider: get("provider"), Why: get("why")}
	if id := get("id"); id != "" {
		x.IDs = []string{id}
		if x.Channel == "" {
			_, x.Channel, _, _ = job.ParseID(id)
		}
	}
	x.Priority, _ = strconv.Atoi(get("priority"))
	return x
}

func (a *Admin) confirmPage(w http.ResponseWriter, r *http.Request) {
	x := readAction(r.URL.Query().Get)
	if err := x.validate(); err != nil {
		a.failed(w, r, err)
		return
	}
	n, err := a.count(r.Context(), x)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	v := confirmView{action: *x, Count: n, Back: local(r.URL.Query().Get("back"))}
	jobs := "1 job"
	if n != 1 {
		jobs = thousands(int64(n)) + " jobs"
	}
	switch x.Name {
	case actRetry:
		v.Question, v.Nothing = fmt.Sprintf("Retry %s of %s?", jobs, x.Channel), n == 0
		if held, err := a.concernsHeld(r.Context(), x); err == nil && held {
			v.Question += " Quiet hours, limits, caps and the list of those who get nothing are asked again: what they still stand in the way of is held again."
		}
	case actDelete:
		v.Question, v.Nothing = fmt.Sprintf("Delete %s of %s? They are not sent, and cannot be brought back.", jobs, x.Channel), n == 0
	case actPurge:
		v.Question, v.Nothing = fmt.Sprintf("Delete %s that wait on %s? They are not sent, and cannot be brought back.", jobs, x.Channel), n == 0
	case actPause:
		v.Question = fmt.Sprintf("Pause %s? Webhooks are still accepted, and nothing is sent until you resume it.", x.Channel)
	case actResume:
		v.Question = fmt.Sprintf("Resume %s? What waits is sent at once, at the channel's rate.", x.Channel)
	case actOpen:
		v.Question = fmt.Sprintf("Open the breaker of %s on %s? Nothing goes out through it until you close it; messages go to the next provider, or wait.", x.Provider, x.Channel)
	case actClose:
		v.Question = fmt.Sprintf("Close the breaker of %s on %s? Messages go out through it at once, without a trial.", x.Provider, x.Channel)
	}
	a.page(w, r, http.StatusOK, "confirm", page{Title: "Confirm", Section: "queues", Data: v})
}

func (a *Admin) doPage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	x := readAction(r.PostFormValue)
	n, err := a.do(r.Context(), x)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	done := map[string]string{
		actRetry: "%s put back to be sent.", actDelete: "%s deleted.", actPurge: "%s deleted.",
	}[x.Name]
	if done != "" {
		jobs := "1 job"
		if n != 1 {
			jobs = thousands(int64(n)) + " jobs"
		}
		done = fmt.Sprintf(done, jobs)
		if n >= maxJobs && len(x.IDs) == 0 {
			done += " There may be more: do it again."
		}
	} else {
		done = fmt.Sprintf(map[string]string{
			actPause: "%s is paused.", actResume: "%s goes on.", actOpen: "The breaker is open on %s.", actClose: "The breaker is closed on %s.",
		}[x.Name], x.Channel)
	}
	back, err := url.Parse(local(r.PostFormValue("back")))
	if err != nil {
		back = &url.URL{Path: "/admin/queues"}
	}
	q := back.Query()
	q.Set("done", done)
	back.RawQuery = q.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther) //nolint:gosec // local keeps it on this site
}
