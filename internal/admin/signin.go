package admin

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/proxies"
)

// The pages that a browser is sent to.
const (
	LoginPage = "/admin/login"
	FirstPage = "/admin/queues"
)

// maxName bounds an operator's name, in characters.
const maxName = 80

// role is what an operator may do.
type role int

const (
	nobody role = iota
	viewer      // may look
	actor       // may look, change and reveal, as far as the settings allow it
)

// operator is who a request comes from; the zero operator is nobody.
type operator struct {
	name    string
	role    role
	ambient bool // a browser adds the credentials by itself, whatever page the request comes from
	session bool
}

type operatorKey struct{}

func operatorOf(ctx context.Context) operator {
	o, _ := ctx.Value(operatorKey{}).(operator)
	return o
}

// Operator is the name of the operator that a request comes from; "" before RequireSignIn.
func Operator(ctx context.Context) string { return operatorOf(ctx).name }

// HasSession says that a request comes with a session, which can be signed out of.
func HasSession(ctx context.Context) bool { return operatorOf(ctx).session }

// CanChange says that the operator may change things.
func (a *Admin) CanChange(ctx context.Context) bool {
	return operatorOf(ctx).role == actor && !a.Config.ReadOnly
}

// CanReveal says that the operator may see whole addresses.
func (a *Admin) CanReveal(ctx context.Context) bool {
	return operatorOf(ctx).role == actor && a.Config.Reveal
}

// Open says that there is nothing to sign in with, so that this machine is let in.
func (a *Admin) Open() bool { return a.Config.open() }

// Use replaces the tokens by those of a configuration, of which it uses nothing else: sessions of another token end. It returns the problem of one
// that is invalid, and changes nothing then.
func (a *Admin) Use(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	list := newCredentials(&c)
	a.credentials.Store(&list)
	return nil
}

// lookingPosts are the paths that are posted to without a change, since an address or a payload does not belong into a URL.
var lookingPosts = map[string]bool{
	"/outbox": true, "/admin/list": true, "/admin/search": true, "/admin/api/search": true, "/admin/suppressed": true, "/admin/api/suppressed/check": true, "/admin/preview": true, "/admin/api/preview": true,
}

// RequireSignIn passes requests on that come with a token, in a header or by a session, or from a proxy that signs operators in. A browser without
// is sent to LoginPage; any other client gets 401. Where there is nothing to sign in with, only requests from this machine are passed on, and
// others get 403. So do changes by ADMIN_VIEW_TOKEN, and requests of a session that do not say which page they come from.
func (a *Admin) RequireSignIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o, err := a.identify(r)
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case err != nil:
			a.Problem(err).Write(w)
		case o.role == nobody && a.Open():
			a.deny(w, r, o, "without ADMIN_TOKEN only this machine is let in, as localhost")
		case o.role == nobody && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && r.Header.Get("Authorization") == "":
			http.Redirect(w, r, LoginPage+"?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		case o.role == nobody:
			w.Header().Set("WWW-Authenticate", `Basic realm="ringup", charset="UTF-8"`)
			inbound.New(http.StatusUnauthorized, "", "sign in with ADMIN_TOKEN, as a bearer token or as the password of any name").Write(w)
		case o.ambient && !reads && !fromThisSite(r):
			a.deny(w, r, o, "a change has to come from a page of this site, as a browser says by Origin; programs sign in with a bearer token")
		case o.role == viewer && !reads && !lookingPosts[r.URL.Path]:
			a.deny(w, r, o, "ADMIN_VIEW_TOKEN shows, and changes and reveals nothing: sign in with ADMIN_TOKEN")
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), operatorKey{}, o)))
		}
	})
}

// deny answers 403, and logs and counts the request.
func (a *Admin) deny(w http.ResponseWriter, r *http.Request, o operator, detail string) {
	a.guard.deny(a.client(r), o.name, r.Method, clip(r.URL.Path, maxTarget))
	inbound.New(http.StatusForbidden, "", detail).Write(w)
}

// DenyElsewhere answers a request that a page of another site has a browser send.
func (a *Admin) DenyElsewhere(w http.ResponseWriter, r *http.Request) {
	a.deny(w, r, operator{}, "this request comes from a page of another site")
}

var crossOrigin = http.NewCrossOriginProtection()

// fromThisSite says that a request comes from a page of this site, as a browser says it. A request that says nothing does not: every browser of
// today says where a POST comes from.
func fromThisSite(r *http.Request) bool {
	said := r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != ""
	return said && crossOrigin.Check(r) == nil
}

// SignedIn says whether a request comes from an operator who is signed in.
func (a *Admin) SignedIn(r *http.Request) bool {
	o, err := a.identify(r)
	return err == nil && o.role != nobody
}

// identify returns the operator that a request comes from; nobody for one without a token, a session or a proxy's word. Programs name their
// operator in X-Operator. Errors: a refusal, queue.ErrUnavailable.
func (a *Admin) identify(r *http.Request) (operator, error) {
	if a.Open() {
		if !local(r.Host) {
			return operator{}, nil // a page from elsewhere may have made its own name point here
		}
		return operator{name: operatorName(r.Header.Get("X-Operator"), "local"), role: actor}, nil
	}
	if a.proxies.Has(proxies.PeerOf(r.RemoteAddr)) {
		// As oauth2-proxy passes them on (--pass-user-headers). An Authorization beside them may be the proxy's own (--pass-authorization-header).
		if name := proven(r.Header); name != "" {
			return operator{name: name, role: actor, ambient: true}, nil
		}
	}
	if token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found {
		o, _, err := a.byToken(r, operatorName(r.Header.Get("X-Operator"), "API"), token)
		return o, err
	}
	if name, password, found := r.BasicAuth(); found {
		o, _, err := a.byToken(r, operatorName(name, "unnamed"), password)
		return o, err
	}
	return a.session(r)
}

// proven is the name that a proxy has proven; "" when there is none. Where a header comes more than once, one of its values may be the client's, so that
// none counts.
func proven(h http.Header) string {
	email, user := h.Values("X-Forwarded-Email"), h.Values("X-Forwarded-User")
	if len(email) > 1 || len(user) > 1 {
		return ""
	}
	return operatorName(strings.Join(email, ""), operatorName(strings.Join(user, ""), ""))
}

// byToken returns the operator with a token, and its credential; nobody with a wrong one. Errors: a refusal, when there were too many wrong ones.
func (a *Admin) byToken(r *http.Request, name, token string) (operator, credential, error) {
	var c credential
	got, wait := a.guard.ask(a.client(r), name, func() role {
		c = a.credentials.Load().find(token)
		return c.role
	})
	if wait > 0 {
		wait = time.Duration(math.Ceil(wait.Seconds())) * time.Second
		p := inbound.New(http.StatusTooManyRequests, "", fmt.Sprintf("too many wrong tokens: try again in %s", wait))
		p.RetryAfter = wait
		return operator{}, c, p
	}
	return operator{name: name, role: got}, c, nil
}

// client is the address that a request comes from: behind trusted proxies, the last one that is not theirs.
func (a *Admin) client(r *http.Request) netip.Addr {
	return a.proxies.Client(proxies.PeerOf(r.RemoteAddr), r.Header)
}

// local says that a request's host names this machine.
func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// operatorName is a name as it is recorded; otherwise another one, for one in which there is nothing to see.
func operatorName(given, otherwise string) string {
	return cmp.Or(strings.TrimSpace(clip(strings.TrimSpace(given), maxName)), otherwise)
}

// SignIn starts a session for an operator with a right token, by a cookie on the answer, and ends the one that the browser had. Errors: a refusal, also where a browser would not take
// the cookie; queue.ErrUnavailable.
func (a *Admin) SignIn(w http.ResponseWriter, r *http.Request, name, token string) error {
	if origin, err := url.Parse(r.Header.Get("Origin")); err == nil && origin.Scheme == "http" && !local(r.Host) && !a.Config.InsecureCookies {
		return inbound.New(http.StatusForbidden, "", "Browsers stay signed in only over https, or at localhost: open this page by https or through a port-forward. "+
			"ADMIN_INSECURE_COOKIES=true allows http, where nobody else sees the traffic.")
	}
	o, c, err := a.byToken(r, operatorName(name, "unnamed"), token)
	if err != nil {
		return err
	}
	if o.role == nobody {
		return inbound.New(http.StatusUnauthorized, "", "That is not the token. It is the value of ADMIN_TOKEN, or of ADMIN_VIEW_TOKEN.")
	}
	if err := a.endSession(r); err != nil {
		return err
	}
	if err := a.startSession(w, r, &c, o.name); err != nil {
		return err
	}
	a.Log.Info("signed in", "name", o.name, "from", a.client(r))
	return nil
}
