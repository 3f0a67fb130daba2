package admin

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ringup.dev/ringup/internal/inbound"
)

// The pages that a browser is sent to.
const (
	LoginPage = "/admin/login"
	FirstPage = "/admin/queues"
)

// maxName bounds an operator's name, in characters.
const maxName = 40

type operatorKey struct{}

// Operator is the name of the operator that a request comes from; "" before RequireSignIn.
func Operator(ctx context.Context) string {
	name, _ := ctx.Value(operatorKey{}).(string)
	return name
}

// Open says that there is no token, so that this machine is let in and there is nothing to sign out of.
func (a *Admin) Open() bool { return a.sessions.open }

// RequireSignIn passes requests on that come with the token, in a header or by a session. A browser without it is sent to LoginPage; any other
// client gets 401. Without ADMIN_TOKEN only requests from this machine are passed on, and others get 403.
func (a *Admin) RequireSignIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := a.Identify(r)
		switch {
		case name != "":
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), operatorKey{}, name)))
		case a.Open():
			inbound.New(http.StatusForbidden, "", "without ADMIN_TOKEN only this machine is let in, as localhost").Write(w)
		case r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("Authorization") == "":
			http.Redirect(w, r, LoginPage+"?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="ringup", charset="UTF-8"`)
			inbound.New(http.StatusUnauthorized, "", "sign in with ADMIN_TOKEN, as a bearer token or as the password of any name").Write(w)
		}
	})
}

// Identify returns the name of the operator that a request comes from; "" for a request without a valid token or session. Programs name their
// operator in X-Operator.
func (a *Admin) Identify(r *http.Request) string {
	if a.Open() {
		if !local(r.Host) {
			return "" // a page from elsewhere may have made its own name point here
		}
		return operatorName(r.Header.Get("X-Operator"), "local")
	}
	if token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found {
		if a.sessions.knows(token) {
			return operatorName(r.Header.Get("X-Operator"), "API")
		}
		return ""
	}
	if name, password, found := r.BasicAuth(); found {
		if a.sessions.knows(password) {
			return operatorName(name, "unnamed")
		}
		return ""
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		return a.sessions.name(cookie.Value, time.Now())
	}
	return ""
}

// local says that a request's host names this machine.
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// operatorName is a name as it is recorded.
func operatorName(given, otherwise string) string {
	return clip(cmp.Or(strings.TrimSpace(given), otherwise), maxName)
}

// SignIn starts a session for an operator with the right token, by a cookie on the answer. It returns false for a wrong one, and when there is
// no token to sign in with.
func (a *Admin) SignIn(w http.ResponseWriter, r *http.Request, name, token string) bool {
	name = operatorName(name, "unnamed")
	if a.Open() || !a.sessions.knows(token) {
		a.Log.Warn("sign-in refused", "name", name, "from", r.RemoteAddr)
		return false
	}
	a.Log.Info("signed in", "name", name, "from", r.RemoteAddr)
	http.SetCookie(w, a.sessions.cookie(name, time.Now(), r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"))
	return true
}

// SignOut deletes the session's cookie.
func (a *Admin) SignOut(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // it carries nothing
}
