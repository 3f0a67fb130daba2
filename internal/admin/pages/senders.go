package pages

import (
	"context"
	"net/http"

	"ringup.dev/ringup/internal/admin"
)

// senders shows whether the systems that post webhooks reach ringup.
func (p *pages) senders(w http.ResponseWriter, r *http.Request) {
	logs, err := p.SenderLogs(r.Context())
	if err != nil {
		p.failed(w, r, err)
		return
	}
	p.show(w, r, http.StatusOK, "senders", page{Title: "Senders", Section: "senders", Data: logs})
}

// changeAside replays or deletes webhooks that are set aside, the one whose id is in the form, or all, and goes back to the page.
func (p *pages) changeAside(change func(context.Context, *admin.AsideRequest) (*admin.AsideResult, error), done string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, err := form(w, r, maxForm)
		if err != nil {
			p.failed(w, r, err)
			return
		}
		x := admin.AsideRequest{IDs: form["id"]}
		result, err := change(r.Context(), &x)
		if err != nil {
			p.failed(w, r, err)
			return
		}
		http.Redirect(w, r, link("/admin/senders", "done", outcome{what: done, channel: admin.AnyChannel, n: result.Count}.String()), http.StatusSeeOther)
	}
}
