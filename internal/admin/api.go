package admin

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// Description is the API in OpenAPI 3.1.
//
//go:embed openapi.yaml
var Description []byte

// api serves what the pages show and do, to programs.
func (a *Admin) api(r chi.Router) {
	r.Get("/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(Description) // the client may be gone
	})
	r.Get("/queues", a.apiQueues)
	r.Get("/queues/{channel}/{place}", a.apiList)
	r.Get("/job", a.apiJob)
	r.Get("/search", a.apiSearch)
	r.Get("/audit", a.apiAudit)
	r.Post("/actions", a.apiAction)
	r.Post("/forget", a.apiForget)
	r.Get("/spending", a.apiSpending)
	r.Route("/suppressed", a.suppressedAPI)
}

func (a *Admin) apiQueues(w http.ResponseWriter, r *http.Request) {
	type channel struct {
		*queue.ChannelState
		SentPerSecond   float64 `json:"sent_per_second"`
		ErrorsPerSecond float64 `json:"errors_per_second"`
		spentAndSuppressed
	}
	out := map[message.Channel]channel{}
	for _, name := range message.Channels {
		state, err := a.Queues.State(r.Context(), name)
		if err != nil {
			a.failed(w, r, err)
			return
		}
		more, err := a.spentAndSuppressed(r.Context(), name)
		if err != nil {
			a.failed(w, r, err)
			return
		}
		rates := a.samples.rates(name)
		out[name] = channel{state, rates.Sent, rates.Errors, more}
	}
	answer(w, out)
}

func (a *Admin) apiList(w http.ResponseWriter, r *http.Request) {
	q, err := readList(r)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	jobs, all, err := a.list(r.Context(), q)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	answer(w, map[string]any{"total": all, "offset": q.Offset, "jobs": jobs})
}

func (a *Admin) apiJob(w http.ResponseWriter, r *http.Request) {
	d, _, err := a.detail(r.Context(), r.URL.Query().Get("id"))
	if err != nil {
		if isRefusal(err) {
			problem(w, http.StatusNotFound, err.Error())
			return
		}
		a.failed(w, r, err)
		return
	}
	answer(w, d)
}

func (a *Admin) apiSearch(w http.ResponseWriter, r *http.Request) {
	v, err := a.search(r.Context(), r.URL.Query().Get("q"))
	if err != nil {
		a.failed(w, r, err)
		return
	}
	if v.Notifications == nil {
		v.Notifications = []queue.Notification{}
	}
	answer(w, map[string]any{"jobs": v.Jobs, "notifications": v.Notifications, "more": v.Full})
}

func (a *Admin) apiAudit(w http.ResponseWriter, r *http.Request) {
	entries, err := a.Queues.Audit(r.Context(), pageSize)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	if entries == nil {
		entries = []queue.AuditEntry{}
	}
	answer(w, map[string]any{"entries": entries})
}

// apiAction does something, or with dry_run says to how many jobs it would be done.
func (a *Admin) apiAction(w http.ResponseWriter, r *http.Request) {
	var x struct {
		action
		DryRun bool `json:"dry_run"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&x); err != nil {
		problem(w, http.StatusBadRequest, "the body is not an action: "+err.Error())
		return
	}
	if err := x.validate(); err != nil {
		a.failed(w, r, err)
		return
	}
	run := a.do
	if x.DryRun {
		run = a.count
	}
	n, err := run(r.Context(), &x.action)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	answer(w, map[string]any{"action": x.Name, "channel": x.Channel, "jobs": n, "dry_run": x.DryRun})
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// problem answers by RFC 9457.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail}) // as above
}
