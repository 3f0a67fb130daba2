package pages_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	for _, path := range []string{"/outbox", "/admin/queues", "/admin/queues/sms/failed", "/admin/job?id=a:sms:1", "/admin/search", "/admin/audit", "/admin/confirm?action=pause&channel=sms", "/admin/api/queues"} {
		if w := d.Ask(http.MethodGet, path, ""); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/admin/login?next=%2F") {
			t.Errorf("%s without a session: %d", path, w.Code)
		}
		for i, token := range []string{"wrong", "righ", "rightt"} {
			d.From = fmt.Sprintf("198.51.100.%d", i)
			if w := d.Ask(http.MethodGet, path, "", "Authorization", "Bearer "+token); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: %d", path, token, w.Code)
			}
		}
	}
	d.From = ""
	for _, path := range []string{"/admin/do", "/admin/job/reveal", "/admin/api/actions"} {
		d.Want(http.StatusUnauthorized, d.Ask(http.MethodPost, path, ""))
	}
	basic := httptest.NewRequest(http.MethodGet, "/", nil)
	basic.SetBasicAuth("ann", "right")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues", "", "Authorization", basic.Header.Get("Authorization")))
	d.Want(http.StatusUnauthorized, d.Ask(http.MethodPost, "/admin/login", "name=ann&token=wrong"), "That is not the token")
	w := d.Ask(http.MethodPost, "/admin/login", "name=ann&token=right&next=%2Fadmin%2Faudit")
	d.Want(http.StatusSeeOther, w)
	session := w.Result().Cookies()[0]
	if w.Header().Get("Location") != "/admin/audit" || !session.HttpOnly || session.SameSite != http.SameSiteStrictMode || !session.Secure ||
		session.Name != "__Host-ringup_session" || session.Path != "/" || session.Domain != "" || len(session.Value) != 43 {
		t.Errorf("to %s with %+v", w.Header().Get("Location"), session)
	}
	if w := d.Ask(http.MethodPost, "/admin/login", "name=ann&token=right&next=https%3A%2F%2Fevil.example%2F"); w.Header().Get("Location") != "/admin/queues" {
		t.Errorf("sent elsewhere: %s", w.Header().Get("Location"))
	}
	d.Cookies = []*http.Cookie{session}
	w = d.Ask(http.MethodGet, "/admin/queues", "")
	d.Want(http.StatusOK, w, "ann", "Sign out")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	for _, forged := range []string{session.Value[:len(session.Value)-2] + "AA", "YW5u.9999999999.", "x", ""} {
		d.Cookies = []*http.Cookie{{Name: session.Name, Value: forged}}
		d.Want(http.StatusSeeOther, d.Ask(http.MethodGet, "/admin/queues", ""))
	}
	if strings.Contains(d.Log.String(), "right") {
		t.Error("the token is in the log")
	}
}

func TestWithoutATokenOnlyThisMachine(t *testing.T) {
	t.Parallel()
	for token, want := range map[secret.Key]string{"": "127.0.0.1:8080", "x": ":8080"} {
		if at := (&admin.Config{Port: 8080, Token: token}).Address(""); at != want {
			t.Errorf("listens on %s", at)
		}
	}
	d := admintest.Open(t, admin.Config{})
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues", ""))
	r := httptest.NewRequest(http.MethodGet, "http://rebound.example:8080/admin/queues", nil)
	w := httptest.NewRecorder()
	d.Handler.ServeHTTP(w, r)
	d.Want(http.StatusForbidden, w)
}

// TestAnotherSite has a page of another site use an operator's browser.
func TestAnotherSite(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	d.Want(http.StatusForbidden, d.Ask(http.MethodPost, "/admin/do", "action=pause&channel=sms", "Sec-Fetch-Site", "cross-site"))
	if s, err := d.Store.State(t.Context(), message.SMS); err != nil || s.Halted.Kind != queue.NotHalted {
		t.Errorf("%+v, %v", s, err)
	}
}
