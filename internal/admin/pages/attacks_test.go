package pages_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
)

// signIn signs ann in, and returns her cookie.
func signIn(d *admintest.Fixture, token string) *http.Cookie {
	d.Helper()
	w := d.Ask(http.MethodPost, "/admin/login", "name=ann&token="+token)
	d.Want(http.StatusSeeOther, w)
	return w.Result().Cookies()[0]
}

// TestGuessedTokens: by any of the ways to give a token, an address has ten guesses, and then waits; another one is let in meanwhile.
func TestGuessedTokens(t *testing.T) {
	t.Parallel()
	basic := httptest.NewRequest(http.MethodGet, "/", nil)
	basic.SetBasicAuth("ann\u202e", "guess")
	for name, ask := range map[string]func(d *admintest.Fixture) *httptest.ResponseRecorder{
		"bearer": func(d *admintest.Fixture) *httptest.ResponseRecorder {
			return d.Ask(http.MethodGet, "/admin/api/queues", "", "Authorization", "Bearer guess", "X-Operator", "a\u202eb\u0085c")
		},
		"basic": func(d *admintest.Fixture) *httptest.ResponseRecorder {
			return d.Ask(http.MethodGet, "/outbox", "", "Authorization", basic.Header.Get("Authorization"))
		},
		"page": func(d *admintest.Fixture) *httptest.ResponseRecorder {
			return d.Ask(http.MethodPost, "/admin/login", "token=guess&name="+strings.Repeat("n", 5000))
		},
	} {
		d := admintest.Open(t, admin.Config{Token: "right"})
		limited := 0
		for range 50 {
			switch w := ask(d); w.Code {
			case http.StatusTooManyRequests:
				if limited++; w.Header().Get("Retry-After") != "1" && w.Header().Get("Retry-After") != "2" {
					t.Errorf("%s: to wait %q", name, w.Header().Get("Retry-After"))
				}
			case http.StatusUnauthorized:
			default:
				t.Errorf("%s: HTTP %d", name, w.Code)
			}
		}
		if limited < 35 {
			t.Errorf("%s: %d of 50 guesses were limited", name, limited)
		}
		d.Want(http.StatusTooManyRequests, d.Ask(http.MethodGet, "/admin/queues", "", admintest.Bearer...))
		d.From = "198.51.100.7"
		d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues", "", admintest.Bearer...))
		log := d.Log.String()
		if n := strings.Count(log, "sign-in refused"); n != 50-limited || !strings.Contains(log, "from=192.0.2.1") || len(log) > 15*400 || strings.ContainsAny(log, "\u202e\u0085") {
			t.Errorf("%s: %d lines: %s", name, n, log)
		}
	}
}

// TestSignOut: a session ends with it in every replica, also for a thief of its cookie.
func TestSignOut(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right", ViewToken: "look"})
	stolen, other, looks := signIn(d, "right"), signIn(d, "right"), signIn(d, "look")
	status := func(c *http.Cookie, want int) {
		t.Helper()
		d.Cookies = []*http.Cookie{c}
		d.Want(want, d.Ask(http.MethodGet, "/admin/queues", ""))
	}
	if stolen.Value == other.Value {
		t.Error("two sessions are one")
	}
	for _, key := range d.Redis.Client().Keys(t.Context(), "*session*").Val() {
		if strings.Contains(key, stolen.Value) || d.Redis.Client().Get(t.Context(), key).Val() != "ann" {
			t.Errorf("Redis has %s", key)
		}
	}
	for _, c := range []*http.Cookie{stolen, looks} {
		status(c, http.StatusOK)
		w := d.Ask(http.MethodPost, "/admin/logout", "")
		d.Want(http.StatusSeeOther, w)
		if gone := w.Result().Cookies()[0]; gone.Name != c.Name || gone.MaxAge >= 0 || !gone.Secure || gone.Path != "/" {
			t.Errorf("the cookie stays: %+v", gone)
		}
		status(c, http.StatusSeeOther)
		status(other, http.StatusOK)
	}
	// Whoever may write to Redis, and does not know the token, makes no session.
	d.Must(d.Store.SaveSession(t.Context(), "forged", "eve", time.Hour))
	status(&http.Cookie{Name: stolen.Name, Value: "forged"}, http.StatusSeeOther)
	// Another token ends all sessions. What a session may do is what its token may.
	d.Must(d.Admin.Use(admin.Config{Token: "another"}))
	status(other, http.StatusSeeOther)
	d.Must(d.Admin.Use(admin.Config{Token: "another", ViewToken: "right"}))
	status(other, http.StatusOK)
	d.Want(http.StatusForbidden, d.Ask(http.MethodPost, "/admin/do", "action=pause&channel=sms"))
	d.Must(d.Admin.Use(admin.Config{Token: "right"}))
	status(other, http.StatusOK)
	d.Redis.Kill()
	status(other, http.StatusServiceUnavailable)
	d.Want(http.StatusServiceUnavailable, d.Ask(http.MethodPost, "/admin/logout", ""))
	d.Want(http.StatusServiceUnavailable, d.Ask(http.MethodPost, "/admin/login", "name=ann&token=right"))
}

// TestWithoutTLS: a browser would not take the cookie, so the page says so before the operator wonders.
func TestWithoutTLS(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	ask := func(f *admintest.Fixture, origin string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, origin+"/admin/login", strings.NewReader("name=ann&token=right"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		r.Header.Set("X-Forwarded-Proto", "https")
		w := httptest.NewRecorder()
		f.Handler.ServeHTTP(w, r)
		return w
	}
	for origin, want := range map[string]int{"http://admin.example": 403, "http://10.0.0.7:8080": 403, "http://localhost:8080": 303, "http://127.0.0.1": 303, "https://admin.example": 303} {
		w := ask(d, origin)
		d.Want(want, w)
		if want == 403 && (len(w.Result().Cookies()) > 0 || !strings.Contains(w.Body.String(), "ADMIN_INSECURE_COOKIES")) {
			t.Errorf("%s: %s", origin, w.Body)
		}
	}
	insecure := admintest.Open(t, admin.Config{Token: "right", InsecureCookies: true})
	w := ask(insecure, "http://admin.example")
	insecure.Want(http.StatusSeeOther, w)
	if c := w.Result().Cookies()[0]; c.Secure || c.Name != "ringup_session" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("%+v", c)
	}
}

// TestWhereAChangeComesFrom: a session's POST says which page it comes from, a token's need not, and none comes from another site.
func TestWhereAChangeComesFrom(t *testing.T) {
	t.Parallel()
	const from, site = "Origin", "Sec-Fetch-Site"
	d := admintest.Open(t, admin.Config{Token: "right", TrustedProxy: []string{"10.0.3.1"}})
	session := signIn(d, "right")
	basic := httptest.NewRequest(http.MethodGet, "/", nil)
	basic.SetBasicAuth("ann", "right")
	for name, tt := range map[string]struct {
		by      string
		headers []string
		want    int
	}{
		"a session, neither":                         {"session", []string{site, ""}, 403},
		"a session, the same site":                   {"session", nil, 303},
		"a session, Origin":                          {"session", []string{site, "", from, "http://localhost:8080"}, 303},
		"a session, another Origin":                  {"session", []string{site, "", from, "http://evil.example"}, 403},
		"a session, an Origin of null":               {"session", []string{site, "", from, "null"}, 403},
		"a session, another site":                    {"session", []string{site, "cross-site"}, 403},
		"a session, another host":                    {"session", []string{site, "same-site"}, 403},
		"a proxy, neither":                           {"proxy", []string{site, ""}, 403},
		"a proxy, the same site":                     {"proxy", nil, 303},
		"a proxy, another site":                      {"proxy", []string{site, "cross-site"}, 403},
		"a proxy that adds its token, another site":  {"proxy", []string{site, "cross-site", "Authorization", "Bearer the-proxy's"}, 403},
		"a proxy that adds its token, neither":       {"proxy", []string{site, "", "Authorization", "Bearer the-proxy's"}, 403},
		"a proxy that adds its token, the same site": {"proxy", []string{"Authorization", "Bearer the-proxy's"}, 303},
		"a token, neither":                           {"", []string{site, "", "Authorization", "Bearer right"}, 303},
		"a token, another site":                      {"", []string{site, "cross-site", "Authorization", "Bearer right"}, 303},
		"a password, neither":                        {"", []string{site, "", "Authorization", basic.Header.Get("Authorization")}, 303},
		"a password, another site":                   {"", []string{site, "cross-site", "Authorization", basic.Header.Get("Authorization")}, 403},
		"nobody":                                     {"", nil, 401},
		"a proxy's header, from others":              {"", []string{"X-Forwarded-Email", "eve@example.com"}, 401},
	} {
		d.Cookies, d.From = nil, ""
		headers := tt.headers
		switch tt.by {
		case "session":
			d.Cookies = []*http.Cookie{session}
		case "proxy":
			d.From = "10.0.3.1"
			headers = append([]string{"X-Forwarded-Email", "ann@example.com"}, headers...)
		}
		if w := d.Ask(http.MethodPost, "/admin/do", "action=pause&channel=sms", headers...); w.Code != tt.want {
			t.Errorf("%s: HTTP %d, want %d: %s", name, w.Code, tt.want, w.Body)
		}
	}
}

// TestTrustedProxy: a named proxy says who the operator is, and where the client is; nobody else does.
func TestTrustedProxy(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{TrustedProxy: []string{"10.0.3.0/24"}})
	for _, from := range []string{"10.0.4.1", "127.0.0.1", "::1", "192.0.2.1"} {
		d.From = from
		for _, header := range []string{"X-Forwarded-Email", "X-Forwarded-User", "X-Auth-Request-Email"} {
			d.Want(http.StatusUnauthorized, d.Ask(http.MethodGet, "/admin/queues", "", header, "eve@example.com", "Accept", "application/json", "X-Forwarded-For", "10.0.3.1"))
		}
	}
	d.From = "10.0.3.1"
	d.Want(http.StatusSeeOther, d.Ask(http.MethodGet, "/admin/queues", ""))
	page := d.Ask(http.MethodGet, "/admin/queues", "", "X-Forwarded-Email", "ann@example.com", "X-Forwarded-User", "1234")
	d.Want(http.StatusOK, page, "Pause sms")
	if strings.Contains(page.Body.String(), "Sign out") {
		t.Error("there is a session to sign out of")
	}
	d.Want(http.StatusSeeOther, d.Ask(http.MethodPost, "/admin/do", "action=pause&channel=sms", "X-Forwarded-User", "bob\u202e\n"))
	d.Want(http.StatusSeeOther, d.Ask(http.MethodPost, "/admin/do", "action=pause&channel=sms", "X-Forwarded-Email", "ann@example.com", "X-Operator", "eve"))
	entries, err := d.Store.Audit(t.Context(), 10)
	d.Must(err)
	if len(entries) != 2 || entries[0].By != "ann@example.com" || strings.TrimSpace(entries[1].By) != "bob" {
		t.Errorf("%+v", entries)
	}
	for i := range 30 {
		d.Ask(http.MethodGet, "/admin/queues", "", "Authorization", "Bearer guess", "X-Forwarded-For", fmt.Sprintf("10.9.9.%d, 198.51.100.7", i))
	}
	if n := strings.Count(d.Log.String(), "from=198.51.100.7"); n != 10 {
		t.Errorf("%d guesses of the client", n)
	}
}

// TestViewToken: whatever it posts, nothing changes and no address is shown.
func TestViewToken(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right", ViewToken: "look", Reveal: true})
	d.Failed("a", "TXN_1", "x")
	d.Must(d.Store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: message.SMS, To: admintest.Customer.Reveal()}))
	looking := []string{"Authorization", "Bearer look"}
	before := d.Redis.Client().Dump(t.Context(), "{ringup:sms}:failed").Val()
	routes, ok := d.Handler.(chi.Routes)
	if !ok {
		t.Fatalf("%T", d.Handler)
	}
	var posts []string
	d.Must(chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method == http.MethodPost && route != "/admin/login" && route != "/admin/logout" && !strings.HasPrefix(route, "/admin/static/") {
			posts = append(posts, strings.ReplaceAll(route, "/*", ""))
		}
		return nil
	}))
	if len(posts) < 16 {
		t.Fatalf("the POSTs are %q", posts)
	}
	for _, path := range posts {
		want := http.StatusForbidden
		form, object := "q=TXN_1&channel=sms&address=(555)+010-4242&action=delete&place=failed&id=a:sms:1&text=%2B15550104243", `{"text":"TXN_1"}`
		switch path {
		case "/admin/search", "/admin/suppressed", "/admin/preview", "/admin/api/search":
			want = http.StatusOK
		case "/outbox", "/admin/list":
			want = http.StatusSeeOther
		case "/admin/api/preview":
			want, object = http.StatusOK, `{}`
		case "/admin/api/suppressed/check":
			want, object = http.StatusOK, `{"channel":"sms","address":"+15550104242"}`
		}
		body := form
		if strings.HasPrefix(path, "/admin/api/") {
			body = object
		}
		w := d.Ask(http.MethodPost, path, body, looking...)
		if w.Code != want || strings.Contains(w.Body.String(), "5550104242") {
			t.Errorf("%s: HTTP %d, want %d: %s", path, w.Code, want, w.Body)
		}
	}
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues", "", looking...), "read only")
	for _, path := range []string{"/outbox", "/admin/job?id=a:sms:1", "/admin/suppressed?channel=sms"} {
		w := d.Ask(http.MethodGet, path, "", looking...)
		d.Want(http.StatusOK, w)
		if body := w.Body.String(); strings.Contains(body, "5550104242") || strings.Contains(body, "Show the whole address") {
			t.Errorf("%s: %s", path, body)
		}
	}
	if after := d.Redis.Client().Dump(t.Context(), "{ringup:sms}:failed").Val(); after != before || d.Redis.Client().Exists(t.Context(), "{ringup:sms}:audit").Val() != 0 {
		t.Error("something was changed")
	}
}

// TestOutboxIsMasked, but where addresses may be seen; and says nothing of where Redis is.
func TestOutboxIsMasked(t *testing.T) {
	t.Parallel()
	for _, reveal := range []bool{false, true} {
		d := admintest.Open(t, admin.Config{Reveal: reveal})
		d.Must(d.Store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: message.SMS, To: admintest.Customer.Reveal(), Text: "Hi"}))
		for _, accept := range []string{"text/html", "application/json"} {
			w := d.Ask(http.MethodGet, "/outbox", "", "Accept", accept)
			d.Want(http.StatusOK, w, "4242")
			if shown := strings.Contains(w.Body.String(), "5550104242"); shown != reveal {
				t.Errorf("as %s: %s", accept, w.Body)
			}
		}
		d.Redis.Kill()
		w := d.Ask(http.MethodGet, "/outbox", "")
		d.Want(http.StatusServiceUnavailable, w)
		if host, _, _ := strings.Cut(d.Redis.Addr(), ":"); strings.Contains(w.Body.String(), host) {
			t.Errorf("the answer: %s", w.Body)
		}
	}
}

// TestSearchIsNoOracle: no part of an address finds anything, by any of the ways to search; the whole one does, however it is written.
func TestSearchIsNoOracle(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Reveal: true, Token: "right"})
	const address, email = "15550104242", "roe.42@luna.test"
	_, err := d.Producer.Enqueue(t.Context(), &queue.Submission{Priority: 1, AcceptedAt: time.Now(), Event: &event.Event{ID: "a", Store: event.DefaultStore, Sender: event.SenderPOS,
		Type: event.PaymentComplete, Sale: event.Sale{TransactionID: "TXN_1", Total: "12.50"}, Customer: event.Customer{Name: "John Doe", Phone: "(555) 010-4242", Email: email},
		Extra: `{"contact":"+15550104242","table":"T-17"}`},
		Channels: []queue.ChannelSubmission{{Channel: message.SMS, Recipients: []message.Recipient{{Address: admintest.Customer, Audience: message.Customer}}}}})
	d.Must(err)
	d.Settle(queue.Settlement{Outcome: queue.Fail{Error: "permanent: invalid_recipient"}})
	found := func(text string) bool {
		t.Helper()
		body, err := json.Marshal(admin.SearchRequest{Text: text})
		d.Must(err)
		w := d.Ask(http.MethodPost, "/admin/api/search", string(body), admintest.Bearer...)
		d.Want(http.StatusOK, w)
		var result admin.SearchResult
		d.Must(json.Unmarshal(w.Body.Bytes(), &result))
		filter, err := json.Marshal(admin.ActionRequest{Action: admin.Action{Name: admin.ActionDelete, Channel: message.SMS, State: queue.Failed, Filter: text}, DryRun: true})
		d.Must(err)
		w = d.Ask(http.MethodPost, "/admin/api/actions", string(filter), admintest.Bearer...)
		d.Want(http.StatusOK, w)
		var matched admin.ActionResult
		d.Must(json.Unmarshal(w.Body.Bytes(), &matched))
		if len(result.Jobs) != matched.Jobs {
			t.Errorf("%q: a search finds %d, a filter %d", text, len(result.Jobs), matched.Jobs)
		}
		return matched.Jobs > 0
	}
	for text, want := range map[string]bool{
		"+" + address: true, "(555) 010-4242": true, "5550104242": true, "TXN_1": true, "invalid_recip": true, "John": true, "a:sms:1": true, "12.50": true, "payment": true, "T-17": true, "Roe.42@LUNA.test": true,
		"roe.42": false, "@luna.test": false, "luna.test": false, "roe.42@luna.tes": false, "010-4242": false, "(555)": false, "contact": true,
		"+1555010424": false, "+155501042422": false, "0104242": false, "4242": false, "TXN_2": false,
	} {
		if found(text) != want {
			t.Errorf("%q is found: %t", text, !want)
		}
	}
	for _, whole := range []string{address, email} {
		for i := range whole {
			for j := i + 3; j <= len(whole) && j-i < 10; j++ {
				if found(whole[i:j]) {
					t.Errorf("%q is found", whole[i:j])
				}
			}
		}
	}
	w := d.Ask(http.MethodGet, "/admin/confirm?action=retry&channel=sms&place=failed&filter=%2B15550104242", "", admintest.Bearer...)
	d.Want(http.StatusUnprocessableEntity, w, "by the form")
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/confirm", "action=retry&channel=sms&place=failed&filter=TXN_1", admintest.Bearer...), "Retry 1 job")
	d.Want(http.StatusMethodNotAllowed, d.Ask(http.MethodGet, "/admin/api/search?q=TXN_1", "", admintest.Bearer...))
	for _, page := range []string{"/admin/queues", "/admin/search", "/admin/queues/sms/failed", "/outbox", "/admin/suppressed"} {
		body := d.Ask(http.MethodGet, page, "", "Authorization", "Bearer right").Body.String()
		for _, form := range strings.Split(body, "<form")[1:] {
			if tag, _, _ := strings.Cut(form, ">"); !strings.Contains(tag, `method="post"`) {
				t.Errorf("%s: what is typed goes into the address: %s", page, tag)
			}
		}
	}
}

// TestHeadersThatComeTwice: where a proxy adds its header to the client's, neither counts.
func TestHeadersThatComeTwice(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{TrustedProxy: []string{"10.0.3.1"}})
	for _, headers := range []http.Header{
		{"X-Forwarded-Email": {"eve@example.com", "ann@example.com"}}, {"X-Forwarded-User": {"eve", "ann"}}, {"X-Forwarded-Email": {"", "ann@example.com"}},
		{"X-Forwarded-Email": {"eve@example.com", "ann@example.com"}, "X-Forwarded-User": {"ann"}}, {"X-Forwarded-Email": {" \u202e"}}, {},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost:8080/admin/api/queues", nil)
		r.RemoteAddr, r.Header = "10.0.3.1:4242", headers
		w := httptest.NewRecorder()
		d.Handler.ServeHTTP(w, r)
		d.Want(http.StatusUnauthorized, w)
	}
}

// TestDeniedRequestsAreLogged: a change that an operator may not make, and one from another site, leave a line with who and where from; a flood of them
// does not fill the log.
func TestDeniedRequestsAreLogged(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string][]string{
		"an operator who may look": {"Authorization", "Bearer look", "X-Operator", "eve"},
		"another site":             {"Sec-Fetch-Site", "cross-site"},
	} {
		d := admintest.Open(t, admin.Config{Token: "right", ViewToken: "look"})
		for range 1000 {
			d.Want(http.StatusForbidden, d.Ask(http.MethodPost, "/admin/do?to=%2B15550104242", "action=pause&channel=sms", headers...))
		}
		log := d.Log.String()
		if n := strings.Count(log, "request denied"); n < 100 || n > 300 || !strings.Contains(log, "from=192.0.2.1") || !strings.Contains(log, "path=/admin/do ") && !strings.Contains(log, "path=/admin/do\n") || strings.Contains(log, "5550104242") {
			t.Errorf("%s: %d lines: %.300s", name, n, log)
		}
	}
	// A token that a proxy adds makes no exception for the pages in front of the sign-in.
	d := admintest.Open(t, admin.Config{Token: "right"})
	for _, path := range []string{"/admin/login", "/admin/logout"} {
		d.Want(http.StatusForbidden, d.Ask(http.MethodPost, path, "name=ann&token=right", "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer the-proxy's"))
	}
}
