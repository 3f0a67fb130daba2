package ingest

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/queue"
)

// Notifier knows the state of a webhook's notifications. Errors: *queue.NotFoundError, queue.ErrUnavailable.
type Notifier interface {
	Notifications(ctx context.Context, webhookID string) (*queue.Notifications, error)
}

// notifications answers what became of a webhook. It takes the token, even where webhooks are only signed: a GET has no signature.
func (h *handler) notifications(w http.ResponseWriter, r *http.Request) {
	if err := h.Verifier.Bearer(r.Header); err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		problem(http.StatusUnauthorized, "", err.Error()).write(w)
		return
	}
	id, err := url.PathUnescape(chi.URLParam(r, "id"))
	if err != nil {
		problem(http.StatusBadRequest, "", "the id is not escaped as a part of a path is").write(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), enqueueTimeout)
	defer cancel()
	found, err := h.Notifier.Notifications(ctx, id)
	var unknown *queue.NotFoundError
	switch {
	case errors.As(err, &unknown):
		problem(http.StatusNotFound, "", "nothing is known of this webhook: it was never accepted, or longer ago than STATUS_TTL").write(w)
	case err != nil:
		h.Log.Error("state of a webhook not read: the queue is unavailable", "webhook", id, "error", err)
		problem(http.StatusServiceUnavailable, "", "the queue cannot be asked now; try again").later().write(w)
	default:
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusOK, "application/json", found)
	}
}

// notAllowed names the methods that an address takes.
func notAllowed(w http.ResponseWriter, r *http.Request) {
	allowed := http.MethodGet
	if chi.RouteContext(r.Context()).Routes.Match(chi.NewRouteContext(), http.MethodPost, r.URL.Path) {
		allowed = http.MethodPost
	}
	w.Header().Set("Allow", allowed)
	problem(http.StatusMethodNotAllowed, "", "this address takes "+allowed).write(w)
}
