// Package api serves the operators' side to programs, in JSON: openapi.yaml describes it, and package admin has its types. Errors are
// application/problem+json.
package api

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/preview"
)

// Path is where the API is.
const Path = "/admin/api"

// Description is the API in OpenAPI 3.1.
//
//go:embed openapi.yaml
var Description []byte

const (
	// maxBody bounds a request's body: one that names ten thousand jobs fits.
	maxBody = 1 << 20
	// maxSmallBody bounds the bodies that name an address.
	maxSmallBody = 64 << 10
)

type api struct{ *admin.Admin }

// Handler serves the API below Path, to requests that are signed in already: see admin.RequireSignIn.
func Handler(a *admin.Admin) http.Handler {
	s := api{a}
	r := chi.NewRouter()
	r.Get("/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(Description) // the client may be gone
	})
	r.Get("/verdict", s.verdict)
	r.Get("/history", s.history)
	r.Get("/queues", s.queues)
	r.Get("/queues/{channel}/{state}", s.list)
	r.Get("/queues/{channel}/{state}/export", s.exportJobs)
	r.Get("/job", s.job)
	r.Post("/search", s.search)
	r.Get("/latest", s.latest)
	r.Get("/audit", s.audit)
	r.Get("/spending", s.spending)
	r.Post("/preview", s.preview)
	r.Post("/preview/send", s.sendTest)
	r.Post("/actions", s.action)
	r.Post("/forget", s.forget)
	r.Get("/suppressed/{channel}", s.suppressions)
	r.Post("/suppressed/check", s.checkSuppressed)
	r.Post("/suppressed/add", s.suppress)
	r.Post("/suppressed/remove", s.unsuppress)
	r.Post("/suppressed/import", s.importFile)
	r.Post("/suppressed/export", s.export)
	r.Get("/senders", s.senders)
	r.Post("/senders/replay", s.changeAside(s.ReplayAside))
	r.Post("/senders/delete", s.changeAside(s.DropAside))
	r.Post("/senders/body", s.asideBody)
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		inbound.New(http.StatusNotFound, "", "there is nothing here").Write(w)
	})
	return r
}

// answer writes a result, or the problem that its error is.
func (s *api) answer(w http.ResponseWriter, result any, err error) {
	if err != nil {
		s.Problem(err).Write(w)
		return
	}
	inbound.WriteJSON(w, http.StatusOK, inbound.JSON, result)
}

// read reads a body of one JSON value whose names are all known, and each there once: of two dry_run, one would be passed over. It answers a body that is
// invalid, and never quotes it: there may be addresses in it.
func read(w http.ResponseWriter, r *http.Request, limit int64, into any) bool {
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, limit), into, json.RejectUnknownMembers(true))
	if err == nil {
		return true
	}
	if large, is := errors.AsType[*http.MaxBytesError](err); is {
		inbound.New(http.StatusRequestEntityTooLarge, inbound.OutcomeTooLarge, fmt.Sprintf("the body has more than %d KiB", large.Limit>>10)).Write(w)
		return false
	}
	inbound.Malformed("the body is not the JSON that " + Path + "/openapi.yaml asks for here").Write(w)
	return false
}

func (s *api) verdict(w http.ResponseWriter, r *http.Request) {
	s.answer(w, s.Verdict(r.Context()), nil)
}

func (s *api) history(w http.ResponseWriter, r *http.Request) {
	q, err := admin.ParseHistoryRequest(r.URL.Query().Get("range"), r.URL.Query().Get("channel"))
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	s.answer(w, s.History(r.Context(), q), nil)
}

func (s *api) queues(w http.ResponseWriter, r *http.Request) {
	channels, err := s.Channels(r.Context())
	out := map[message.Channel]admin.Channel{}
	for _, c := range channels {
		out[c.Name] = c
	}
	s.answer(w, out, err)
}

func (s *api) list(w http.ResponseWriter, r *http.Request) {
	q, err := admin.ParseListRequest(chi.URLParam(r, "channel"), chi.URLParam(r, "state"), r.URL.Query())
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	list, err := s.List(r.Context(), q)
	s.answer(w, list, err)
}

// exportJobs answers with all jobs of a list, as CSV or JSON.
func (s *api) exportJobs(w http.ResponseWriter, r *http.Request) {
	q, err := admin.ParseListRequest(chi.URLParam(r, "channel"), chi.URLParam(r, "state"), r.URL.Query())
	if err == nil {
		err = s.ServeJobs(w, r, q, r.URL.Query().Get("format"))
	}
	if err != nil {
		s.answer(w, nil, err)
	}
}

// job answers 404 for a job that is not known, so that a program can tell it from a mistake.
func (s *api) job(w http.ResponseWriter, r *http.Request) {
	d, err := s.Detail(r.Context(), r.URL.Query().Get("id"))
	if admin.Refused(err) {
		inbound.New(http.StatusNotFound, "", err.Error()).Write(w)
		return
	}
	s.answer(w, d, err)
}

func (s *api) search(w http.ResponseWriter, r *http.Request) {
	var x admin.SearchRequest
	if !read(w, r, maxSmallBody, &x) {
		return
	}
	found, err := s.Search(r.Context(), &x)
	s.answer(w, found, err)
}

func (s *api) latest(w http.ResponseWriter, r *http.Request) {
	found, err := s.Latest(r.Context())
	s.answer(w, found, err)
}

func (s *api) audit(w http.ResponseWriter, r *http.Request) {
	entries, err := s.AuditLog(r.Context())
	s.answer(w, entries, err)
}

func (s *api) spending(w http.ResponseWriter, r *http.Request) {
	days, err := admin.ParseDays(r.URL.Query().Get("days"))
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	costs, err := s.Spending(r.Context(), days)
	s.answer(w, costs, err)
}

func (s *api) preview(w http.ResponseWriter, r *http.Request) {
	var x preview.Request
	if !read(w, r, maxBody, &x) {
		return
	}
	shown, err := s.Preview(&x)
	s.answer(w, shown, err)
}

func (s *api) sendTest(w http.ResponseWriter, r *http.Request) {
	var x admin.TestRequest
	if !read(w, r, maxBody, &x) {
		return
	}
	sent, err := s.SendTest(r.Context(), &x)
	s.answer(w, sent, err)
}

func (s *api) action(w http.ResponseWriter, r *http.Request) {
	var x admin.ActionRequest
	if !read(w, r, maxBody, &x) {
		return
	}
	if x.DryRun {
		result, err := s.DryRun(r.Context(), &x.Action)
		s.answer(w, result, err)
		return
	}
	n, more, err := s.Do(r.Context(), &x.Action)
	s.answer(w, admin.ActionResult{Action: x.Name, Channel: x.Channel, Jobs: n, More: more, Job: x.Again()}, err)
}

func (s *api) forget(w http.ResponseWriter, r *http.Request) {
	var x admin.ForgetRequest
	if !read(w, r, maxSmallBody, &x) {
		return
	}
	found, err := s.Forget(r.Context(), &x)
	s.answer(w, found, err)
}
