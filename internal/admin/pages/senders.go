package pages

import (
	"context"
	"fmt"
	"net/http"

	"ringup.dev/ringup/internal/admin"
)

// senders shows whether the systems that post webhooks reach ringup.
func (p *pages) senders(w http.ResponseWriter, r *http.Request) { p.showSenders(w, r, "") }

func (p *pages) showSenders(w http.ResponseWriter, r *http.Request, notice string) {
	logs, err := p.SenderLogs(r.Context())
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.show(w, r, http.StatusOK, "senders", page{Title: "Senders", Section: "senders", Notice: notice, Data: logs})
}

// changeAside replays or deletes webhooks that are set aside: the one whose id is in the form, or all.
func (p *pages) changeAside(change func(context.Context, *admin.AsideRequest) (*admin.AsideResult, error), outcome string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, err := form(w, r, maxForm)
		if err != nil {
			p.failed(w, r, err)
			return
		}
		var x admin.AsideRequest
		if id := form.Get("id"); id != "" {
			x.IDs = []string{id}
		}
		result, err := change(r.Context(), &x)
		if err != nil {
			p.failed(w, r, err)
			return
		}
		p.showSenders(w, r, fmt.Sprintf("%d of the webhooks that were set aside: %s", result.Count, outcome))
	}
}
