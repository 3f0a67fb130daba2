package pages

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// confirmView is an action before it is carried out.
type confirmView struct {
	admin.Action
	Question string
	Back     string
	Nothing  bool        // there is no job to change
	Examples []admin.Job // of the jobs that would be changed
	More     bool        // there are other jobs than those
	Words    []string    // of the filter
	Where    string      // the filter, as it is in addresses
	Pick     string
	Once     string // of send-again
	Gone     int    // how many of the selected jobs are not there any more
}

// The values of pick, in a form of a list: which jobs are meant.
const (
	pickSelected = "selected" // those whose boxes are ticked: id
	pickPage     = "page"     // all on the page: page
	pickAll      = "all"      // all that the filter means: where
)

// picked returns the ids that a form means, nil for all. A form that names none of its jobs is refused: without ids, all would be meant, and so they would without the filter.
func picked(form url.Values) ([]string, error) {
	var ids []string
	switch form.Get("pick") {
	case "":
		return form["id"], nil // nil without a selection
	case pickAll:
		if !form.Has("where") {
			return nil, inbound.New(http.StatusUnprocessableEntity, "", "the form has no filter: nothing was done")
		}
		return nil, nil
	case pickSelected:
		ids = form["id"]
	case pickPage:
		ids = form["page"]
	}
	if len(ids) == 0 {
		return nil, inbound.New(http.StatusUnprocessableEntity, "", "no job is selected: go back, and tick some, or choose all on this page or all that match")
	}
	return ids, nil
}

// readAction reads an action from a page's form or link. A priority that is no number is refused: without it, all would be meant.
func readAction(form url.Values) (*admin.Action, error) {
	get := form.Get
	x := &admin.Action{
		Name: get("action"), Channel: message.Channel(get("channel")), State: queue.State(get("place")), Filter: get("filter"), Provider: get("provider"), Why: get("why"), Once: get("once"),
	}
	var err error
	if x.IDs, err = picked(form); err != nil {
		return nil, err
	}
	if len(x.IDs) > 0 && x.Channel == "" {
		_, x.Channel, _, _ = job.ParseID(x.IDs[0])
	}
	where, err := url.ParseQuery(get("where"))
	if err != nil {
		return nil, inbound.New(http.StatusUnprocessableEntity, "", "the filter cannot be read: nothing was done")
	}
	if len(x.IDs) == 0 {
		if x.Where, err = admin.ParseJobFilter(where); err != nil {
			return nil, err
		}
	}
	if text := get("priority"); text != "" {
		if x.Priority, err = strconv.Atoi(text); err != nil {
			return nil, inbound.New(http.StatusUnprocessableEntity, "", "priority is 1 to 4, or 0 for all")
		}
	}
	return x, nil
}

// confirm asks about an action. A filter, which may be an address, comes in a form and never in the page's address.
func (p *pages) confirm(w http.ResponseWriter, r *http.Request) {
	form, err := form(w, r, maxSelection)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	if r.Method != http.MethodPost {
		if form = r.URL.Query(); form.Get("filter") != "" {
			p.fail(w, r, http.StatusUnprocessableEntity, "a filter is sent by the form of the list")
			return
		}
	}
	x, err := readAction(form)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	result, err := p.DryRun(r.Context(), x)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	v := confirmView{Action: *x, Question: question(x, result.Jobs, result.More), Back: onThisSite(form.Get("back")), Examples: result.Examples, More: result.Jobs > len(result.Examples),
		Words: x.Where.Words(), Where: x.Where.Query().Encode(), Pick: pickAll, Gone: len(x.IDs) - result.Jobs}
	if len(x.IDs) > 0 {
		v.Pick = pickSelected
	}
	switch x.Name {
	case admin.ActionRetry:
		v.Nothing = result.Jobs == 0
		if scheduled, err := p.ChangesScheduled(r.Context(), x); err == nil && scheduled {
			v.Question += " Quiet hours, limits, caps and the suppression list are checked again: a job that they still stop is scheduled again, or ends unsent."
		}
	case admin.ActionDelete, admin.ActionPurge:
		v.Nothing = result.Jobs == 0
	case admin.ActionSendAgain:
		v.Once = rand.Text()
	}
	p.show(w, r, http.StatusOK, "confirm", page{Title: "Confirm", Section: "queues", Data: v})
}

// question asks whether to carry an action out that changes n jobs, of which there may be more.
func question(x *admin.Action, n int, more bool) string {
	jobs := admin.Plural(n, "job")
	if more {
		jobs = "the first " + jobs
	}
	switch x.Name {
	case admin.ActionRetry:
		return fmt.Sprintf("Retry %s of %s?", jobs, x.Channel)
	case admin.ActionDelete:
		return fmt.Sprintf("Delete %s of %s? They are not sent, and cannot be brought back.", jobs, x.Channel)
	case admin.ActionPurge:
		return fmt.Sprintf("Delete %s that wait on %s? They are not sent, and cannot be brought back.", jobs, x.Channel)
	case admin.ActionSendAgain:
		return fmt.Sprintf("Send this message of %s again, to the same recipient? It goes out although it was sent before; the suppression list, quiet hours, limits and caps hold.", x.Channel)
	case admin.ActionPause:
		return fmt.Sprintf("Pause %s? Webhooks are still accepted, and nothing is sent until you resume it.", x.Channel)
	case admin.ActionResume:
		return fmt.Sprintf("Resume %s? Waiting jobs are sent at once, at the channel's rate.", x.Channel)
	case admin.ActionOpenBreaker:
		return fmt.Sprintf("Open the breaker of %s on %s? Nothing goes out through it until you close it; messages go to the next provider, or wait.", x.Provider, x.Channel)
	}
	return fmt.Sprintf("Close the breaker of %s on %s? Messages go out through it at once, without a probe.", x.Provider, x.Channel)
}

func (p *pages) do(w http.ResponseWriter, r *http.Request) {
	form, err := form(w, r, maxSelection)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	x, err := readAction(form)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	n, more, err := p.Do(r.Context(), x)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	back, err := url.Parse(onThisSite(form.Get("back")))
	if err != nil {
		back = &url.URL{Path: admin.FirstPage}
	}
	o := outcome{what: x.Name, channel: x.Channel, n: n}
	if more {
		o.rest = 1
	}
	if id := x.Again(); id != "" {
		back = &url.URL{Path: "/admin/job", RawQuery: url.Values{"id": {id}}.Encode()}
	}
	q := back.Query()
	q.Set("done", o.String())
	back.RawQuery = q.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther) //nolint:gosec // it stays on this site
}
