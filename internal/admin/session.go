package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
)

const (
	sessionCookie = "ringup_session"
	sessionTime   = 12 * time.Hour // a shift
)

// sessions are stored by the browser, signed with a key made of the token: another token ends them all.
type sessions struct {
	token [sha256.Size]byte
	key   []byte
	open  bool // there is no token: this machine is let in
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

// cookie makes a session for an operator: <name, base64>.<end, Unix seconds>.<signature>.
func (s *sessions) cookie(name string, now time.Time, secure bool) *http.Cookie {
	text := base64.RawURLEncoding.EncodeToString([]byte(name)) + "." + strconv.FormatInt(now.Add(sessionTime).Unix(), 10)
	return &http.Cookie{ //nolint:gosec // secure wherever the operator's own connection is
		Name: sessionCookie, Value: text + "." + s.sign(text), Path: "/", MaxAge: int(sessionTime.Seconds()), HttpOnly: true, Secure: secure,
		SameSite: http.SameSiteStrictMode,
	}
}

// name returns the operator of a session; "" when it is forged or over.
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
