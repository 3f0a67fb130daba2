package pages_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
)

// access says who may send a request to a route.
type access int

const (
	public access = iota // whoever asks
	looks                // each operator
	acts                 // operators with ADMIN_TOKEN, or by a proxy
)

// routes are all that the operators' port serves. A new route says here who it is for.
var routes = map[string]access{
	"GET /": public, "GET /admin/login": public, "POST /admin/login": public, "POST /admin/logout": public, "GET /admin/static/*": public,
	"GET /outbox": looks, "POST /outbox": looks, "GET /admin": looks, "GET /admin/queues": looks, "GET /admin/history": looks, "GET /admin/api/history": looks, "GET /admin/queues/{channel}/{state}": looks, "POST /admin/list": looks, "GET /admin/api/queues/{channel}/{state}/export": looks, "GET /admin/job": looks,
	"GET /admin/senders": looks, "POST /admin/senders/replay": acts, "POST /admin/senders/delete": acts, "GET /admin/api/senders": looks, "POST /admin/api/senders/replay": acts,
	"POST /admin/api/senders/delete": acts, "POST /admin/api/senders/body": acts,
	"POST /admin/job/reveal": acts, "GET /admin/search": looks, "POST /admin/search": looks, "GET /admin/audit": looks, "GET /admin/spending": looks,
	"GET /admin/preview": looks, "POST /admin/preview": looks, "POST /admin/preview/confirm": acts, "POST /admin/preview/send": acts, "GET /admin/suppressed": looks, "POST /admin/suppressed": looks, "POST /admin/suppressed/add": acts,
	"POST /admin/suppressed/remove": acts, "POST /admin/suppressed/import": acts, "POST /admin/suppressed/export": acts, "GET /admin/confirm": looks,
	"POST /admin/confirm": acts, "POST /admin/do": acts,
	"GET /admin/api/openapi.yaml": looks, "GET /admin/api/queues": looks, "GET /admin/api/verdict": looks, "GET /admin/api/latest": looks, "GET /admin/api/queues/{channel}/{state}": looks, "GET /admin/api/job": looks,
	"POST /admin/api/search": looks, "GET /admin/api/audit": looks, "GET /admin/api/spending": looks, "POST /admin/api/preview": looks, "POST /admin/api/preview/send": acts, "POST /admin/api/actions": acts,
	"POST /admin/api/forget": acts, "GET /admin/api/suppressed/{channel}": looks, "POST /admin/api/suppressed/check": looks, "POST /admin/api/suppressed/add": acts,
	"POST /admin/api/suppressed/remove": acts, "POST /admin/api/suppressed/import": acts, "POST /admin/api/suppressed/export": acts,
}

// methods are those of RFC 9110, PATCH, and one that does not exist.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "FROB"}

// TestRoles asks for every route by every method as every kind of client.
func TestRoles(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right", ViewToken: "look", TrustedProxy: []string{"10.0.3.1"}, Reveal: true})
	served, ok := d.Handler.(chi.Routes)
	if !ok {
		t.Fatalf("%T", d.Handler)
	}
	found := map[string]bool{}
	d.Must(chi.Walk(served, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if route != "/admin/static/*" || method == http.MethodGet {
			found[method+" "+strings.Replace(route, "/*/", "/", 1)] = true
		}
		return nil
	}))
	if got, want := slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(routes)); !slices.Equal(got, want) {
		t.Fatalf("served are\n%s\nand this test knows\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	actor, viewer := signIn(d, "right"), signIn(d, "look")
	clients := map[string]struct {
		may     access
		cookie  *http.Cookie
		headers []string
	}{
		"nobody":                        {may: public},
		"a wrong token":                 {may: public, headers: []string{"Authorization", "Bearer wrong"}},
		"a forged session":              {may: public, cookie: &http.Cookie{Name: actor.Name, Value: strings.Repeat("A", 43)}},
		"a proxy that is not named":     {may: public, headers: []string{"X-Forwarded-Email", "eve@example.com", "X-Forwarded-User", "eve"}},
		"ADMIN_VIEW_TOKEN":              {may: looks, headers: []string{"Authorization", "Bearer look"}},
		"a session of ADMIN_VIEW_TOKEN": {may: looks, cookie: viewer},
		"ADMIN_TOKEN":                   {may: acts, headers: []string{"Authorization", "Bearer right"}},
		"a session of ADMIN_TOKEN":      {may: acts, cookie: actor},
		"a proxy":                       {may: acts, headers: []string{"X-Forwarded-Email", "ann@example.com"}},
	}
	addresses := 0
	for route, lowest := range routes {
		_, pattern, _ := strings.Cut(route, " ")
		path := strings.NewReplacer("{channel}", "sms", "{state}", "failed", "*", "style.css").Replace(pattern)
		for name, c := range clients {
			for _, method := range methods {
				need, exists := routes[method+" "+pattern]
				addresses++
				d.From, d.Cookies = fmt.Sprintf("10.9.%d.%d", addresses>>8, addresses&255), nil // each wrong token from an address of its own
				if name == "a proxy" {
					d.From = "10.0.3.1"
				}
				if c.cookie != nil && path != "/admin/logout" {
					d.Cookies = []*http.Cookie{c.cookie}
				}
				w := d.Ask(method, path, "", append([]string{"Sec-Fetch-Site", "same-origin"}, c.headers...)...)
				refused := w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden || w.Code == http.StatusTooManyRequests || w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), admin.LoginPage)
				switch {
				case strings.HasPrefix(path, "/admin/login") || path == "/admin/logout":
					if !exists && w.Code != http.StatusMethodNotAllowed {
						t.Errorf("%s %s as %s: HTTP %d", method, path, name, w.Code)
					}
				case exists && need > c.may && !refused:
					t.Errorf("%s %s as %s: HTTP %d", method, path, name, w.Code)
				case exists && need <= c.may && (refused || w.Code >= 500):
					t.Errorf("%s %s as %s: HTTP %d %s", method, path, name, w.Code, w.Body)
				case !exists && lowest != public && w.Code < 400 && !refused:
					t.Errorf("%s %s as %s: HTTP %d", method, path, name, w.Code)
				}
			}
		}
	}
}
