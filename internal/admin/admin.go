// Package admin is what the shop's operators use: pages and an API to see the queues, to find a job, and to mend what went wrong. It is
// never routed from outside.
package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/outbox"
	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
)

// Config is where the operators' pages are, and who may do what there.
type Config struct {
	// Port serves the operators' pages. 0 takes a free one.
	Port int `env:"ADMIN_PORT, default=8080"`
	// Token that operators sign in with: on the page, as a bearer token, or as the password of any name. Without one, only this machine is let in.
	Token secret.String `env:"ADMIN_TOKEN"`
	// ReadOnly shows everything and changes nothing.
	ReadOnly bool `env:"ADMIN_READ_ONLY, default=false"`
	// Reveal lets operators see a recipient's whole address, which is logged each time; otherwise it stays masked.
	Reveal bool `env:"ADMIN_REVEAL, default=false"`
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
	State(context.Context, message.Channel) (*queue.ChannelState, error)
	List(ctx context.Context, channel message.Channel, place queue.State, priority, offset, limit int) ([]queue.Stored, error)
	Locate(ctx context.Context, id string, acceptedAt time.Time) (*queue.Stored, error)
	Search(ctx context.Context, text string, limit int) ([]queue.Stored, error)
	Notifications(ctx context.Context, webhookID string) (*queue.Notifications, error)
	Retry(ctx context.Context, jobs []queue.Stored, by string) (int, error)
	Delete(ctx context.Context, jobs []queue.Stored, by string) (int, error)
	Purge(ctx context.Context, channel message.Channel, priority int, by string) (int, error)
	Pause(ctx context.Context, channel message.Channel, by, why string) error
	Resume(context.Context, message.Channel) error
	OpenBreaker(ctx context.Context, channel message.Channel, provider, by string, only bool) error
	CloseBreaker(ctx context.Context, channel message.Channel, provider string) error
	Forget(context.Context, queue.ForgetRequest) (queue.Forgotten, error)
	Record(context.Context, queue.AuditEntry) error
	Audit(ctx context.Context, limit int) ([]queue.AuditEntry, error)
	Suppressions
	Spending(ctx context.Context, channel message.Channel, at time.Time) (map[string]int64, error)
}

// Renderer makes the message of a job, to show it.
type Renderer interface {
	Render(*job.Job) (message.Message, error)
}

// Options are what the pages are made of. All are required but Caps.
type Options struct {
	Config   Config
	Region   string // DEFAULT_REGION
	Currency string // PRICE_CURRENCY
	Caps     *pricing.Caps
	Queues   Queues
	Outbox   outbox.Lister
	Renderer Renderer
	Log      *slog.Logger
}

// Admin has the pages.
type Admin struct {
	Options
	sessions sessions
	samples  samples
	atMost   int // jobs that one request to forget looks at
}

// New returns the pages; Run keeps their charts going.
func New(o Options) *Admin {
	return &Admin{Options: o, sessions: newSessions(o.Config.Token), atMost: forgetAtMost}
}

// Handler serves the pages and the API.
func (a *Admin) Handler() http.Handler {
	r := chi.NewRouter()
	r.Use(a.headers, http.NewCrossOriginProtection().Handler)
	r.Method(http.MethodGet, "/", http.RedirectHandler("/admin/queues", http.StatusFound))
	r.Handle("/admin/static/*", static())
	r.Get("/admin/login", a.loginPage)
	r.Post("/admin/login", a.login)
	r.Post("/admin/logout", a.logout)
	r.Group(func(r chi.Router) {
		r.Use(a.signedIn)
		r.Method(http.MethodGet, "/outbox", outbox.Handler(a.Outbox))
		r.Method(http.MethodGet, "/admin", http.RedirectHandler("/admin/queues", http.StatusFound))
		r.Get("/admin/queues", a.queuesPage)
		r.Get("/admin/queues/{channel}/{place}", a.listPage)
		r.Get("/admin/job", a.jobPage)
		r.Post("/admin/job/reveal", a.revealPage)
		r.Get("/admin/search", a.searchPage)
		r.Get("/admin/audit", a.auditPage)
		r.Get("/admin/spending", a.spendingPage)
		r.Route("/admin/suppressed", a.suppressedPages)
		r.Get("/admin/confirm", a.confirmPage)
		r.Post("/admin/do", a.doPage)
		r.Route("/admin/api", a.api)
	})
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, http.StatusNotFound, "there is nothing here")
	})
	return r
}

// headers tells browsers to load nothing from elsewhere, to run nothing that is in a page, and to keep nothing.
func (a *Admin) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
