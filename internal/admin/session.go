package admin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
)

const (
	sessionCookie = "ringup_session"
	sessionTime   = 12 * time.Hour // a shift
	maxName       = 40
)

// sessions are kept by the browser, signed with a key made of the token: another token ends them all.
type sessions struct {
	token [sha256.Size]byte
	key   []byte
	open  bool // without a token, everybody on this machine is let in
}

func newSessions(token secret.String) sessions {
	key := sha256.Sum256([]byte("ringup admin session\x00" + token.Reveal()))
	return sessions{token: sha256.Sum256([]byte(token.Reveal())), key: key[:], open: token == ""}
}

// knows compares hashes, so that not even the length of the token shows.
func (s *sessions) knows(token string) bool {
	got := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], s.token[:]) == 1
}

func (s *sessions) sign(text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// cookie makes a session for an operator.
func (s *sessions) cookie(name string, now time.Time, secure bool) *http.Cookie {
	text := base64.RawURLEncoding.EncodeToString([]byte(name)) + "." + strconv.FormatInt(now.Add(sessionTime).Unix(), 10)
	return &http.Cookie{ //nolint:gosec // secure wherever the operator's own connection is
		Name: sessionCookie, Value: text + "." + s.sign(text), Path: "/", MaxAge: int(sessionTime.Seconds()), HttpOnly: true, Secure: secure,
		SameSite: http.SameSiteStrictMode,
	}
}

// name returns who a session is of; "" when it is none, or over.
func (s *sessions) name(value string, now time.Time) string {
	i := strings.LastIndexByte(value, '.')
	if i < 0 || subtle.ConstantTimeCompare([]byte(value[i+1:]), []byte(s.sign(value[:i]))) != 1 {
		return ""
	}
	encoded, until, _ := strings.Cut(value[:i], ".")
	seconds, err := strconv.ParseInt(until, 10, 64)
	name, nameErr := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || nameErr != nil || now.Unix() >= seconds {
		return ""
	}
	return string(name)
}

type operatorKey struct{}

// operator is who asks.
func operator(ctx context.Context) string {
	name, _ := ctx.Value(operatorKey{}).(string)
	return name
}

// signedIn lets those in who know the token: by a header, or by a session.
func (a *Admin) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := a.who(r)
		switch {
		case name != "":
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), operatorKey{}, name)))
		case a.sessions.open:
			problem(w, http.StatusForbidden, "without ADMIN_TOKEN only this machine is let in, as localhost")
		case r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("Authorization") == "":
			http.Redirect(w, r, "/admin/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="ringup", charset="UTF-8"`)
			problem(w, http.StatusUnauthorized, "sign in with ADMIN_TOKEN, as a bearer token or as the password of any name")
		}
	})
}

func (a *Admin) who(r *http.Request) string {
	if a.sessions.open {
		// A page from elsewhere may have made its own name point here.
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host == "localhost" || ip != nil && ip.IsLoopback() {
			return clip(or(r.Header.Get("X-Operator"), "local"), maxName)
		}
		return ""
	}
	if token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found {
		if a.sessions.knows(token) {
			return clip(or(r.Header.Get("X-Operator"), "API"), maxName)
		}
		return ""
	}
	if name, password, found := r.BasicAuth(); found {
		if a.sessions.knows(password) {
			return clip(or(name, "somebody"), maxName)
		}
		return ""
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		return a.sessions.name(cookie.Value, time.Now())
	}
	return ""
}

func or(text, otherwise string) string {
	if strings.TrimSpace(text) == "" {
		return otherwise
	}
	return strings.TrimSpace(text)
}

// clip cuts a text that a person typed, and takes control characters out.
func clip(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	runes := []rune(text)
	return string(runes[:min(len(runes), limit)])
}

func (a *Admin) loginPage(w http.ResponseWriter, r *http.Request) {
	if a.who(r) != "" {
		http.Redirect(w, r, "/admin/queues", http.StatusSeeOther)
		return
	}
	a.page(w, r, http.StatusOK, "login", page{Title: "Sign in", Next: r.URL.Query().Get("next")})
}

func (a *Admin) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	name, next := clip(or(r.PostFormValue("name"), "somebody"), maxName), r.PostFormValue("next")
	if a.sessions.open || !a.sessions.knows(r.PostFormValue("token")) {
		a.Log.Warn("sign-in refused", "name", name, "from", r.RemoteAddr)
		a.page(w, r, http.StatusUnauthorized, "login", page{Title: "Sign in", Next: next, Problem: "That is not the token. It is the value of ADMIN_TOKEN."})
		return
	}
	a.Log.Info("signed in", "name", name, "from", r.RemoteAddr)
	http.SetCookie(w, a.sessions.cookie(name, time.Now(), r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"))
	http.Redirect(w, r, local(next), http.StatusSeeOther) //nolint:gosec // local keeps it on this site
}

// local keeps a way back on this site.
func local(path string) string {
	if u, err := url.Parse(path); err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, "\\") {
		return "/admin/queues"
	}
	return path
}

func (a *Admin) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // it carries nothing
	http.Redirect(w, r, "/admin/login", http.StatusSeeOther)
}
