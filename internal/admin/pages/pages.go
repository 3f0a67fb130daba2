// Package pages serves the operators' side to browsers: pages that work without scripts, and stay up to date with them. It also serves the
// outbox of the sandbox.
package pages

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

//go:embed static
var staticFiles embed.FS

// logoutPath is what the button of every page posts to.
const logoutPath = "/admin/logout"

type pages struct{ *admin.Admin }

// Handler serves everything on the operators' own port: the pages, the outbox, and, behind the same sign-in, api below apiPath.
func Handler(a *admin.Admin, outbox Outbox, apiPath string, api http.Handler) http.Handler {
	p := pages{a}
	r := chi.NewRouter()
	r.Use(secureHeaders, p.fromElsewhere)
	r.Method(http.MethodGet, "/", http.RedirectHandler(admin.FirstPage, http.StatusFound))
	r.Handle("/admin/static/*", static())
	r.Get(admin.LoginPage, p.loginForm)
	r.Post(admin.LoginPage, p.login)
	r.Post(logoutPath, p.logout)
	r.Group(func(r chi.Router) {
		r.Use(a.RequireSignIn)
		r.Get("/outbox", p.outbox(outbox))
		r.Post("/outbox", p.outbox(outbox))
		r.Method(http.MethodGet, "/admin", http.RedirectHandler(admin.FirstPage, http.StatusFound))
		r.Get("/admin/queues", p.overview)
		r.Get("/admin/history", p.history)
		r.Get("/admin/queues/{channel}/{state}", p.list)
		r.Post("/admin/list", p.filterList)
		r.Get("/admin/job", p.job)
		r.Post("/admin/job/reveal", p.reveal)
		r.Get("/admin/search", p.searchForm)
		r.Post("/admin/search", p.search)
		r.Get("/admin/audit", p.auditLog)
		r.Get("/admin/spending", p.costs)
		r.Get("/admin/senders", p.senders)
		r.Post("/admin/senders/replay", p.changeAside(p.ReplayAside, doneReplayed))
		r.Post("/admin/senders/delete", p.changeAside(p.DropAside, doneDropped))
		r.Get("/admin/preview", p.previewSample)
		r.Post("/admin/preview", p.previewPayload)
		r.Post("/admin/preview/confirm", p.confirmTest)
		r.Post("/admin/preview/send", p.sendTest)
		r.Get("/admin/suppressed", p.suppressions)
		r.Post("/admin/suppressed", p.checkSuppressed)
		r.Post("/admin/suppressed/add", p.suppress)
		r.Post("/admin/suppressed/remove", p.unsuppress)
		r.Post("/admin/suppressed/import", p.importFile)
		r.Post("/admin/suppressed/export", p.export)
		r.Get("/admin/confirm", p.confirm)
		r.Post("/admin/confirm", p.confirm)
		r.Post("/admin/do", p.do)
		r.Mount(apiPath, api)
	})
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, http.StatusNotFound, "there is nothing here")
	})
	return r
}

// secureHeaders tell browsers to load nothing from elsewhere, to run no script that is in a page, and to store nothing.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // without a referrer, browsers hide the Origin of forms, too
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// fromElsewhere refuses what a page of another site has a browser send. No browser adds a bearer token by itself; where a proxy does,
// RequireSignIn looks once more, and pages that it does not stand before make no exception.
func (p *pages) fromElsewhere(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(p.DenyElsewhere))
	protected := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") && r.URL.Path != admin.LoginPage && r.URL.Path != logoutPath {
			next.ServeHTTP(w, r)
			return
		}
		protected.ServeHTTP(w, r)
	})
}

func static() http.Handler {
	sub, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // embedded above
	}
	const prefix = "/admin/static/"
	files := http.StripPrefix(prefix, http.FileServerFS(sub))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := strings.TrimPrefix(r.URL.Path, prefix); !fs.ValidPath(name) || name == "." {
			http.NotFound(w, r) // the file server would answer 500, or lead to ./ with the query
			return
		}
		w.Header().Set("Cache-Control", "max-age=300")
		files.ServeHTTP(w, r)
	})
}

func (p *pages) loginForm(w http.ResponseWriter, r *http.Request) {
	if p.SignedIn(r) {
		http.Redirect(w, r, admin.FirstPage, http.StatusSeeOther)
		return
	}
	p.show(w, r, http.StatusOK, "login", page{Title: "Sign in", Next: r.URL.Query().Get("next")})
}

func (p *pages) login(w http.ResponseWriter, r *http.Request) {
	form, err := form(w, r, maxForm)
	next := form.Get("next")
	if err == nil {
		err = p.SignIn(w, r, form.Get("name"), form.Get("token"))
	}
	if err != nil {
		problem := p.Problem(err)
		if problem.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(problem.RetryAfter.Seconds())))
		}
		p.show(w, r, problem.Status, "login", page{Title: "Sign in", Next: next, Problem: problem.Detail})
		return
	}
	http.Redirect(w, r, onThisSite(next), http.StatusSeeOther) //nolint:gosec // it stays on this site
}

func (p *pages) logout(w http.ResponseWriter, r *http.Request) {
	if err := p.SignOut(w, r); err != nil {
		p.failed(w, r, err)
		return
	}
	http.Redirect(w, r, admin.LoginPage, http.StatusSeeOther)
}

// searchForm is the page before a search, and where a browser comes back to after one for an id.
func (p *pages) searchForm(w http.ResponseWriter, r *http.Request) {
	if text := r.URL.Query().Get("q"); text != "" && isID(text) {
		p.showFound(w, r, page{Query: text}, &admin.SearchRequest{Text: text})
		return
	}
	asked := &admin.SearchRequest{Channel: message.Channel(r.URL.Query().Get("channel"))} // as a point of the history leads here
	asked.From, _ = time.Parse(time.RFC3339, r.URL.Query().Get("from"))
	asked.To, _ = time.Parse(time.RFC3339, r.URL.Query().Get("to"))
	p.show(w, r, http.StatusOK, "search", page{Title: "Search", Section: "search", Data: foundView{&admin.SearchResult{End: true}, asked}})
}

// search takes what is searched for from a form: it may be a person's address, which does not belong into the page's. A page of an id gets an address.
func (p *pages) search(w http.ResponseWriter, r *http.Request) {
	form, err := form(w, r, maxForm)
	if err != nil {
		p.failed(w, r, err)
		return
	}
	at := page{Query: form.Get("q")}
	if at.Query != "" && isID(at.Query) {
		at.Address = link("/admin/search", "q", at.Query)
	}
	request := &admin.SearchRequest{Text: at.Query, Channel: message.Channel(form.Get("channel")), Status: queue.Status(form.Get("status")), Provider: form.Get("provider")}
	request.From, _ = time.Parse(time.RFC3339, form.Get("from"))
	if back := form.Get("to"); back != "" {
		if request.To, err = time.Parse(time.RFC3339Nano, back); err != nil {
			p.fail(w, r, http.StatusUnprocessableEntity, "the time up to which the search has come is not one: search again")
			return
		}
	}
	p.showFound(w, r, at, request)
}

// foundView is what a search found, and what was asked for.
type foundView struct {
	*admin.SearchResult
	Asked *admin.SearchRequest
}

// Statuses are those that can be searched for.
func (foundView) Statuses() []queue.Status {
	return []queue.Status{queue.StatusQueued, queue.StatusScheduled, queue.StatusSending, queue.StatusSent, queue.StatusDelivered, queue.StatusRead, queue.StatusFailed, queue.StatusSuppressed, "superseded", "stale"}
}

func (foundView) Channels() []message.Channel { return message.Channels }

// showFound searches for a page's query, and shows what is found.
func (p *pages) showFound(w http.ResponseWriter, r *http.Request, at page, request *admin.SearchRequest) {
	at.Title, at.Section = "Search", "search"
	found, err := p.Search(r.Context(), request)
	switch {
	case admin.Refused(err):
		found = &admin.SearchResult{End: true}
		if at.Query != "" {
			at.Problem = err.Error()
		}
	case err != nil:
		p.failed(w, r, err)
		return
	}
	if at.Data = (foundView{found, request}); len(found.Unavailable) > 0 {
		at.Problem = unavailable(found.Unavailable)
	}
	p.show(w, r, http.StatusOK, "search", at)
}

func (p *pages) auditLog(w http.ResponseWriter, r *http.Request) {
	log, err := p.AuditLog(r.Context())
	if err != nil {
		p.failed(w, r, err)
		return
	}
	at := page{Title: "Audit log", Section: "audit", Data: log.Entries}
	if len(log.Unavailable) > 0 {
		at.Problem = unavailable(log.Unavailable)
	}
	p.show(w, r, http.StatusOK, "audit", at)
}

// unavailable says that a page lacks what is on some channels.
func unavailable(channels []message.Channel) string {
	return fmt.Sprintf("Redis does not answer for %v: what is on these channels is missing here.", channels)
}
