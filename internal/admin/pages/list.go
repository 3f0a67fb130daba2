package pages

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/queue"
)

// listView is a part of the jobs of a state.
type listView struct {
	admin.ListRequest
	*admin.JobList
	States              []queue.State
	Events              []event.Type
	Words               []string // of the filter
	Where               string   // the filter, as it is in addresses
	Here                string   // the address of this part
	From, To            int
	Previous, Following string // addresses, "" for none
	CSV, JSON           string // addresses of exports
	Retry, Delete       bool   // what can be done to the jobs
}

// listPath is the address of a list.
func listPath(q *admin.ListRequest) string {
	return "/admin/queues/" + string(q.Channel) + "/" + string(q.State)
}

// withQuery adds a query to a path, and where they are not "" one more name and value.
func withQuery(path string, query url.Values, name, value string) string {
	if value != "" {
		query.Set(name, value)
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// fieldTime is a time as a browser's date field has it.
func fieldTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}

func (p *pages) list(w http.ResponseWriter, r *http.Request) {
	q, err := admin.ParseListRequest(chi.URLParam(r, "channel"), chi.URLParam(r, "state"), r.URL.Query())
	if err != nil {
		p.fail(w, r, http.StatusNotFound, err.Error())
		return
	}
	list, err := p.List(r.Context(), q)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	v := listView{ListRequest: q, JobList: list, States: queue.States, Events: event.Types, Words: q.Filter.Words(), Where: q.Filter.Query().Encode()}
	v.From, v.To, v.Previous, v.Following = part(q.Offset, len(list.Jobs), list.Total)
	path := listPath(&q)
	offset := ""
	if q.Offset > 0 {
		offset = strconv.Itoa(q.Offset)
	}
	v.Here = withQuery(path, q.Query(), "offset", offset)
	if v.Previous != "" {
		v.Previous = withQuery(path, q.Query(), "offset", v.Previous)
	}
	if v.Following != "" {
		v.Following = withQuery(path, q.Query(), "offset", v.Following)
	}
	export := "/admin/api/queues/" + string(q.Channel) + "/" + string(q.State) + "/export"
	v.CSV, v.JSON = withQuery(export, q.Query(), "format", "csv"), withQuery(export, q.Query(), "format", "json")
	v.Retry = slices.Contains([]queue.State{queue.Failed, queue.Retrying, queue.Scheduled}, q.State)
	v.Delete = v.Retry || q.State == queue.Completed
	live := q.Filter.IsZero() // otherwise thousands of jobs would be looked through every two seconds
	p.show(w, r, http.StatusOK, "list", page{Title: string(q.Channel) + ": " + admin.StateName(q.State), Section: "queues", Live: live, Data: v})
}

// filterList takes a filter from the form of a list, and goes to the list with the filter in its address. What is an address or a number is refused before it gets there.
func (p *pages) filterList(w http.ResponseWriter, r *http.Request) {
	form, err := form(w, r, maxForm)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	q, err := admin.ParseListRequest(form.Get("channel"), form.Get("place"), form)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	http.Redirect(w, r, withQuery(listPath(&q), q.Query(), "", ""), http.StatusSeeOther) //nolint:gosec // to a list of this site
}
