package api

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/inbound"
)

func (s *api) suppressions(w http.ResponseWriter, r *http.Request) {
	channel, offset, err := admin.ParseOffset(chi.URLParam(r, "channel"), r.URL.Query().Get("offset"))
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	list, err := s.Suppressions(r.Context(), channel, offset)
	s.answer(w, list, err)
}

// Addresses are in bodies, never in a request's own address, which many log.

func (s *api) checkSuppressed(w http.ResponseWriter, r *http.Request) {
	var x admin.SuppressionChange
	if !read(w, r, maxSmallBody, &x) {
		return
	}
	check, err := s.CheckSuppressed(r.Context(), &x)
	s.answer(w, check, err)
}

func (s *api) suppress(w http.ResponseWriter, r *http.Request) { s.change(w, r, s.Suppress) }

func (s *api) unsuppress(w http.ResponseWriter, r *http.Request) { s.change(w, r, s.Unsuppress) }

func (s *api) change(w http.ResponseWriter, r *http.Request, do func(context.Context, *admin.SuppressionChange) (bool, error)) {
	var x admin.SuppressionChange
	if !read(w, r, maxSmallBody, &x) {
		return
	}
	changed, err := do(r.Context(), &x)
	s.answer(w, admin.SuppressionChanged{Channel: x.Channel, Changed: changed}, err)
}

// refusedImport is the problem of a file that was not imported, with every wrong line.
type refusedImport struct {
	*inbound.Problem
	Wrong []admin.WrongLine `json:"wrong"`
}

func (s *api) importFile(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	result, err := s.Import(r.Context(), http.MaxBytesReader(w, r.Body, admin.MaxImportBytes),
		admin.ImportOptions{Channel: q.Get("channel"), Why: q.Get("why"), Partial: q.Get("partial") == "true"})
	if err == nil && !result.Imported {
		problem := inbound.New(http.StatusUnprocessableEntity, "", admin.Plural(len(result.Wrong), "wrong line")+": nothing was imported")
		inbound.WriteJSON(w, problem.Status, inbound.ProblemJSON, refusedImport{problem, result.Wrong})
		return
	}
	s.answer(w, result, err)
}

func (s *api) export(w http.ResponseWriter, r *http.Request) {
	var x admin.ExportRequest
	if !read(w, r, maxSmallBody, &x) {
		return
	}
	if err := s.ServeExport(w, r, x); err != nil {
		s.Problem(err).Write(w)
	}
}
