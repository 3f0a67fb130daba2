package admin

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/queue"
)

// JobFilter says which jobs of a state are meant; the zero value means all. Nothing of it is in a job's body, so no shared body is read for it.
type JobFilter struct {
	// From and To bound when a job ended, is due, or its lease ends; of a waiting job, when it was accepted. From is the first moment, and To the first one after.
	From     time.Time  `json:"from,omitzero"`
	To       time.Time  `json:"to,omitzero"`
	Event    event.Type `json:"event,omitempty"`
	Store    string     `json:"store,omitempty"`    // its id
	Provider string     `json:"provider,omitempty"` // of the latest attempt
	Why      string     `json:"why,omitempty"`      // a part of the last error, in any case
}

var (
	// filterName has the names of stores and providers.
	filterName = regexp.MustCompile(`^[\pL\pN._-]{1,64}$`)
	// number is the digits of a telephone number, however it is written: seven or more, as the shortest of E.164 that are in use.
	number = regexp.MustCompile(`(?:[0-9][ ()/.-]*){7,}`)
)

// maxFilterWhy is how many bytes a filter's text has: job.MaxError.
const maxFilterWhy = 200

// filterTimes are the forms of a filter's times: RFC 3339, and those of a browser's date fields, which are UTC as the pages' times are.
var filterTimes = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly}

func parseFilterTime(name, text string) (time.Time, error) {
	for _, form := range filterTimes {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, refuse("%s is not a time, as 2026-01-31T12:00:00Z, or 2026-01-31T12:00 in UTC", name)
}

// ParseJobFilter reads a filter from the query of an address: from, to, event, store, provider and why, which may be missing.
func ParseJobFilter(q url.Values) (JobFilter, error) {
	get := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	f := JobFilter{Event: event.Type(get("event")), Store: get("store"), Provider: get("provider"), Why: get("why")}
	var err error
	if text := get("from"); text != "" {
		if f.From, err = parseFilterTime("from", text); err != nil {
			return f, err
		}
	}
	if text := get("to"); text != "" {
		if f.To, err = parseFilterTime("to", text); err != nil {
			return f, err
		}
	}
	return f, f.Validate()
}

// Validate refuses a filter that no job passes, and one with an address in it: filters are in the addresses of pages, which many log.
func (f *JobFilter) Validate() error {
	switch {
	case f.Event != "" && !f.Event.Known():
		return refuse("there is no event %q: there are %s", f.Event, event.Names())
	case f.Store != "" && (!filterName.MatchString(f.Store) || number.MatchString(f.Store)):
		return refuse("store is not the id of a store")
	case f.Provider != "" && (!filterName.MatchString(f.Provider) || number.MatchString(f.Provider)):
		return refuse("provider is not the name of a provider")
	case len(f.Why) > maxFilterWhy:
		return refuse("why has more than %d bytes", maxFilterWhy)
	case strings.Contains(f.Why, "@") || number.MatchString(f.Why):
		return refuse("why is a part of an error, as invalid_recipient: search for a number or an e-mail address")
	case !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To):
		return refuse("from is not before to")
	}
	return nil
}

// IsZero says that all jobs are meant.
func (f *JobFilter) IsZero() bool { return *f == JobFilter{} }

// Query is the filter as ParseJobFilter reads it.
func (f *JobFilter) Query() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if !f.From.IsZero() {
		set("from", f.From.UTC().Format(time.RFC3339))
	}
	if !f.To.IsZero() {
		set("to", f.To.UTC().Format(time.RFC3339))
	}
	set("event", string(f.Event))
	set("store", f.Store)
	set("provider", f.Provider)
	set("why", f.Why)
	return q
}

// Words are the parts of the filter for people; none for the zero value.
func (f *JobFilter) Words() (words []string) {
	const clock = "2006-01-02 15:04:05 UTC"
	if !f.From.IsZero() {
		words = append(words, "from "+f.From.UTC().Format(clock))
	}
	if !f.To.IsZero() {
		words = append(words, "before "+f.To.UTC().Format(clock))
	}
	for _, one := range []struct{ name, value string }{{"event", string(f.Event)}, {"store", f.Store}, {"provider", f.Provider}} {
		if one.value != "" {
			words = append(words, one.name+" "+one.value)
		}
	}
	if f.Why != "" {
		words = append(words, fmt.Sprintf("why has %q", clip(f.Why, maxFilterWhy)))
	}
	return words
}

// timeOf is the time that lists are in the order of.
func timeOf(k *queue.Stored) time.Time {
	if k.At.IsZero() && k.Job != nil {
		return k.Job.AcceptedAt
	}
	return k.At
}

// passes says whether the filter means a job, as far as its bytes tell.
func (f *JobFilter) passes(k *queue.Stored) bool {
	if f.IsZero() {
		return true
	}
	at := timeOf(k)
	switch {
	case k.Job == nil:
		return false
	case !f.From.IsZero() && at.Before(f.From), !f.To.IsZero() && !at.Before(f.To):
		return false
	case f.Event != "" && k.Job.Type != f.Event, f.Store != "" && k.Job.Store != f.Store:
		return false
	}
	return f.Why == "" || strings.Contains(strings.ToLower(k.Job.LastError), strings.ToLower(f.Why))
}

// filtered returns those of the jobs that a filter means.
func (a *Admin) filtered(ctx context.Context, jobs []queue.Stored, f *JobFilter) ([]queue.Stored, error) {
	var out []queue.Stored
	for i := range jobs {
		if f.passes(&jobs[i]) {
			out = append(out, jobs[i])
		}
	}
	if f.Provider == "" || len(out) == 0 {
		return out, nil
	}
	if err := a.Queues.Providers(ctx, out); err != nil {
		return nil, err
	}
	through := out[:0]
	for _, k := range out {
		if k.Provider == f.Provider {
			through = append(through, k)
		}
	}
	return through, nil
}
