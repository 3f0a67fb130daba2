package admin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"time"

	"ringup.dev/ringup/internal/config/secret"
)

const (
	// secureCookie has the prefix by which browsers take a cookie only over https (or from localhost), for all paths, and from this host alone
	// (RFC 6265bis, section 4.1.3.2). plainCookie takes its place with ADMIN_INSECURE_COOKIES.
	secureCookie, plainCookie = "__Host-ringup_session", "ringup_session"

	sessionTime = 12 * time.Hour // a shift
)

// SessionStore stores who is signed in, where every replica finds it. Its ids are not the browsers'. Every method returns queue.ErrUnavailable
// when the store does not answer.
type SessionStore interface {
	// SaveSession stores the operator's name under an id, for so long.
	SaveSession(ctx context.Context, id, name string, ttl time.Duration) error
	// Session returns "" for an id that is not known.
	Session(ctx context.Context, id string) (name string, err error)
	// EndSession is harmless for an id that is not known.
	EndSession(ctx context.Context, id string) error
}

// credential is a token, and what is made of it.
type credential struct {
	sum  [sha256.Size]byte // compared, so that not even the length of the token shows
	key  []byte            // of signatures
	role role
}

func newCredential(token secret.Key, r role) credential {
	key := sha256.Sum256([]byte("ringup admin session\x00" + token.Reveal()))
	return credential{sum: sha256.Sum256([]byte(token.Reveal())), key: key[:], role: r}
}

// credentials are those that are set: an empty token does not count.
type credentials []credential

func newCredentials(c *Config) credentials {
	var out credentials
	if c.Token != "" {
		out = append(out, newCredential(c.Token, actor))
	}
	if c.ViewToken != "" {
		out = append(out, newCredential(c.ViewToken, viewer))
	}
	return out
}

// find returns the credential of a token; one of nobody's role for any other text.
func (c credentials) find(token string) (found credential) {
	got := sha256.Sum256([]byte(token))
	for i := range c {
		if subtle.ConstantTimeCompare(got[:], c[i].sum[:]) == 1 {
			found = c[i]
		}
	}
	return found
}

// sign is the signature of a text by a token.
func (c *credential) sign(text string) []byte {
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// sign is the signature of a text for the API's clients to bring back; of this process alone where there is no token.
func (a *Admin) sign(text string) string {
	c := &a.own
	if list := *a.credentials.Load(); len(list) > 0 {
		c = &list[0]
	}
	return base64.RawURLEncoding.EncodeToString(c.sign("progress\x00" + text))
}

// sessionID is the id in the store of what a browser has. Without the token nobody makes one, whatever they may write to Redis; another token
// ends all sessions.
func (c *credential) sessionID(cookie string) string {
	return hex.EncodeToString(c.sign("id\x00" + cookie))
}

// cookieName is the name of the session's cookie.
func (a *Admin) cookieName() string {
	if a.Config.InsecureCookies {
		return plainCookie
	}
	return secureCookie
}

// setCookie gives the browser a session's cookie; an empty value takes it away.
func (a *Admin) setCookie(w http.ResponseWriter, value string) {
	age := int(sessionTime.Seconds())
	if value == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // not secure only with ADMIN_INSECURE_COOKIES
		Name: a.cookieName(), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: !a.Config.InsecureCookies, SameSite: http.SameSiteStrictMode,
	})
}

// startSession stores a new session of a token, and gives the browser its cookie: 32 bytes at random. Errors: queue.ErrUnavailable.
func (a *Admin) startSession(w http.ResponseWriter, r *http.Request, c *credential, name string) error {
	var id [32]byte
	_, _ = rand.Read(id[:]) // it never fails
	value := base64.RawURLEncoding.EncodeToString(id[:])
	if err := a.Queues.SaveSession(r.Context(), c.sessionID(value), name, sessionTime); err != nil {
		return err
	}
	a.setCookie(w, value)
	return nil
}

// session returns the operator of a request's session; nobody when it has none that is known. Errors: queue.ErrUnavailable.
func (a *Admin) session(r *http.Request) (operator, error) {
	cookie, err := r.Cookie(a.cookieName())
	if err != nil {
		return operator{}, nil //nolint:nilerr // http.ErrNoCookie
	}
	for _, c := range *a.credentials.Load() {
		name, err := a.Queues.Session(r.Context(), c.sessionID(cookie.Value))
		if err != nil || name != "" {
			return operator{name: name, role: c.role, ambient: true, session: true}, err
		}
	}
	return operator{}, nil
}

// SignOut ends the session of a request, wherever its cookie has been copied to. Errors: queue.ErrUnavailable; the session goes on then.
func (a *Admin) SignOut(w http.ResponseWriter, r *http.Request) error {
	if err := a.endSession(r); err != nil {
		return err
	}
	a.setCookie(w, "")
	return nil
}

// endSession ends the session of a request, if it has one.
func (a *Admin) endSession(r *http.Request) error {
	cookie, err := r.Cookie(a.cookieName())
	if err != nil {
		return nil //nolint:nilerr // http.ErrNoCookie
	}
	for _, c := range *a.credentials.Load() {
		if err := a.Queues.EndSession(r.Context(), c.sessionID(cookie.Value)); err != nil {
			return err
		}
	}
	return nil
}
