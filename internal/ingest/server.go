package ingest

import (
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/inbound"
)

// Server returns the public server around a handler, with its limits.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: closeAfterChunked(h), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// closeAfterChunked ends the connection after a chunked request. A request that gives its length, too, is read by its chunks, and net/http
// forgets the length. A proxy in front may have used the length, and the next bytes on the connection may be a smuggled request (RFC 9112,
// section 6.1, asks for the connection to be closed).
func closeAfterChunked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// notAllowed names the methods that an address takes.
func notAllowed(w http.ResponseWriter, r *http.Request) {
	allowed := http.MethodGet
	if chi.RouteContext(r.Context()).Routes.Match(chi.NewRouteContext(), http.MethodPost, r.URL.Path) {
		allowed = http.MethodPost
	}
	w.Header().Set("Allow", allowed)
	inbound.New(http.StatusMethodNotAllowed, "", "this address takes "+allowed).Write(w)
}
