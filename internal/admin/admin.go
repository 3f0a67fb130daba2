// Package admin is what the shop's operators use: the state of the queues, pausing, the outbox. It is never routed from outside.
package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/outbox"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/secret"
)

// Config is where the operators' pages are, and who may see them.
type Config struct {
	// Port serves the operators' pages. 0 takes a free one.
	Port int `env:"ADMIN_PORT, default=8080"`
	// Token that operators sign in with: as a bearer token, or as the password of any name. Without one, only this machine is let in.
	Token secret.String `env:"ADMIN_TOKEN"`
}

// Validate reports every setting that cannot work, each with its variable.
func (c *Config) Validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("ADMIN_PORT is %d: set a port, as 8080", c.Port)
	}
	return nil
}

// Address is where to listen: on this machine alone when there is no token.
func (c *Config) Address() string {
	if c.Token == "" {
		return fmt.Sprintf("127.0.0.1:%d", c.Port)
	}
	return fmt.Sprintf(":%d", c.Port)
}

// Queues is what the pages need of the queue.
type Queues interface {
	Depth(context.Context, message.Channel) (queue.Depth, error)
	Pause(ctx context.Context, channel message.Channel, by, why string) error
	Resume(context.Context, message.Channel) error
}

// Options are what the pages are made of. All are required.
type Options struct {
	Config Config
	Queues Queues
	Outbox outbox.Lister
	Log    *slog.Logger
}

type handler struct{ Options }

// Handler serves the pages and the API.
func Handler(o Options) http.Handler {
	h := &handler{o}
	r := chi.NewRouter()
	r.Use(h.signedIn, http.NewCrossOriginProtection().Handler)
	r.Method(http.MethodGet, "/", http.RedirectHandler("/outbox", http.StatusFound))
	r.Method(http.MethodGet, "/outbox", outbox.Handler(o.Outbox))
	r.Get("/admin/api/queues", h.queues)
	r.Post("/admin/api/queues/{channel}/pause", h.pause)
	r.Post("/admin/api/queues/{channel}/resume", h.resume)
	return r
}

// signedIn lets those in who know the token. Hashes are compared, so that not even its length shows.
func (h *handler) signedIn(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(h.Config.Token.Reveal()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer {
			_, given, _ = r.BasicAuth()
		}
		got := sha256.Sum256([]byte(given))
		if h.Config.Token != "" && subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="ringup", charset="UTF-8"`)
			problem(w, http.StatusUnauthorized, "sign in with ADMIN_TOKEN, as a bearer token or as the password of any name")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *handler) queues(w http.ResponseWriter, r *http.Request) {
	out := map[message.Channel]queue.Depth{}
	for _, channel := range message.Channels {
		depth, err := h.Queues.Depth(r.Context(), channel)
		if err != nil {
			problem(w, http.StatusServiceUnavailable, "Redis does not answer")
			return
		}
		out[channel] = depth
	}
	answer(w, http.StatusOK, out)
}

func (h *handler) pause(w http.ResponseWriter, r *http.Request) {
	var why struct {
		By  string `json:"by"`
		Why string `json:"why"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&why); err != nil || why.By == "" {
		problem(w, http.StatusBadRequest, `send who pauses it, and why: {"by": "…", "why": "…"}`)
		return
	}
	h.change(w, r, "paused", func(c message.Channel) error { return h.Queues.Pause(r.Context(), c, why.By, why.Why) }, "by", why.By, "why", why.Why)
}

func (h *handler) resume(w http.ResponseWriter, r *http.Request) {
	h.change(w, r, "resumed", func(c message.Channel) error { return h.Queues.Resume(r.Context(), c) })
}

// change does something to the channel that the path names, and says so in the log.
func (h *handler) change(w http.ResponseWriter, r *http.Request, what string, do func(message.Channel) error, details ...any) {
	channel, err := message.ParseChannel(chi.URLParam(r, "channel"))
	if err != nil {
		problem(w, http.StatusNotFound, err.Error())
		return
	}
	if err := do(channel); err != nil {
		problem(w, http.StatusServiceUnavailable, "Redis does not answer")
		return
	}
	h.Log.Info("channel "+what, append([]any{"channel", channel}, details...)...)
	answer(w, http.StatusOK, map[string]string{"channel": string(channel), "status": what})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// problem answers by RFC 9457.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail}) // as above
}
