package ingest

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/queue"
)

// Notifier reads the state of a webhook's notifications. Errors: *queue.NotFoundError, queue.ErrUnavailable.
type Notifier interface {
	Notifications(ctx context.Context, webhookID string) (*queue.Notifications, error)
}

// notifications answers with the state of a webhook's messages. It takes the token, even where webhooks are only signed: a GET has no signature.
func (h *handler) notifications(w http.ResponseWriter, r *http.Request) {
	if h.Verifier == nil {
		inbound.New(http.StatusUnauthorized, "", "nobody may ask this: ingest has no WEBHOOK_AUTH_TOKEN").Write(w)
		return
	}
	if err := h.Verifier.Bearer(r.Header); err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		inbound.New(http.StatusUnauthorized, "", err.Error()).Write(w)
		return
	}
	id, err := pathID(r)
	if err != nil {
		inbound.New(http.StatusBadRequest, "", "the id is not escaped as a segment of a path").Write(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), enqueueTimeout)
	defer cancel()
	found, err := h.Notifier.Notifications(ctx, id)
	var unknown *queue.NotFoundError
	switch {
	case errors.As(err, &unknown):
		inbound.New(http.StatusNotFound, "", "nothing is known of this webhook: it was never accepted, or longer ago than STATUS_TTL").Write(w)
	case err != nil:
		h.Log.Error("notifications not read", "webhook", id, "error", err)
		inbound.New(http.StatusServiceUnavailable, "", "the queue cannot be asked now; try again").Write(w)
	default:
		w.Header().Set("Cache-Control", "no-store")
		inbound.WriteJSON(w, http.StatusOK, inbound.JSON, found)
	}
}

// pathID returns the id in the path of a request, decoded once. The router matches the path as it was written where net/url keeps that, which is where
// it says more than the decoded path (a%2Fb); everywhere else the decoded one.
func pathID(r *http.Request) (string, error) {
	id := chi.URLParam(r, "id")
	if r.URL.RawPath == "" {
		return id, nil
	}
	return url.PathUnescape(id)
}
