package api

import (
	"context"
	"net/http"

	"ringup.dev/ringup/internal/admin"
)

func (s *api) senders(w http.ResponseWriter, r *http.Request) {
	logs, err := s.SenderLogs(r.Context())
	s.answer(w, logs, err)
}

func (s *api) changeAside(change func(context.Context, *admin.AsideRequest) (*admin.AsideResult, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var x admin.AsideRequest
		if !read(w, r, maxSmallBody, &x) {
			return
		}
		result, err := change(r.Context(), &x)
		s.answer(w, result, err)
	}
}

func (s *api) asideBody(w http.ResponseWriter, r *http.Request) {
	var x struct {
		ID string `json:"id"`
	}
	if !read(w, r, maxSmallBody, &x) {
		return
	}
	body, err := s.ShowAside(r.Context(), x.ID)
	s.answer(w, body, err)
}
