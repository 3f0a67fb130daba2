package pages

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/queue"
)

// listView is a part of the jobs of a state.
type listView struct {
	admin.ListRequest
	*admin.JobList
	States              []queue.State
	From, To            int
	Previous, Following string // offsets, "" for none
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
	v := listView{ListRequest: q, JobList: list, States: queue.States}
	v.From, v.To, v.Previous, v.Following = part(q.Offset, len(list.Jobs), list.Total)
	p.show(w, r, http.StatusOK, "list", page{Title: string(q.Channel) + ": " + admin.StateName(q.State), Section: "queues", Live: true, Data: v})
}
