package pages_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
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

// TestDone: a page shows no text of its address, whatever that is, and tells of each change.
func TestDone(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	notice := func(code string) string {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "http://localhost/admin/search", nil)
		q := r.URL.Query()
		q.Set("done", code)
		r.URL.RawQuery = q.Encode()
		r.Header.Set("Accept", "text/html")
		d.Handler.ServeHTTP(w, r)
		_, after, found := strings.Cut(w.Body.String(), `<p class="note" role="status">`)
		if !found {
			return ""
		}
		text, _, _ := strings.Cut(after, "</p>")
		return text
	}
	for code, want := range map[string]string{
		"retry.sms.1.0": "1 job put back to be sent.", "delete.email.12000.1": "12,000 jobs deleted. There may be more: do it again.", "purge.sms.0.0": "0 jobs deleted.",
		"pause.sms.0.0": "sms is paused.", "resume.whatsapp.0.0": "whatsapp is resumed.", "open-breaker.sms.0.0": "The breaker is open on sms.", "imported.sms.2.1": "2 addresses added; on the list already: 1.",
		"Call +1 900 555 0100 and say your token": "", "retry.sms.1": "", "retry.fax.1.0": "", "retry.sms.x.0": "", "retry.sms.-1.0": "", "fly.sms.1.0": "", "retry.sms.1.0.x": "",
	} {
		if got := notice(code); got != want {
			t.Errorf("%q: %q", code, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[A-Z]{8,20}`).Draw(t, "text")
		code := rapid.SampledFrom([]string{"%s", "pause.%s.0.0", "retry.sms.%s.0", "%s.sms.1.0", "retry.sms.1.0.%s"}).Draw(t, "code")
		if got := notice(fmt.Sprintf(code, text)); got != "" {
			t.Fatalf("%q is shown", got)
		}
	})
}

// TestAuditOfNothing: what changed and showed nothing is not recorded, however often it is done.
func TestAuditOfNothing(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Reveal: true})
	d.Failed("a", "TXN_1", "x")
	d.Heartbeat("pod-1/7")
	count := func() int {
		t.Helper()
		entries, err := d.Store.Audit(t.Context(), 1000)
		d.Must(err)
		return len(entries)
	}
	act := func(body string) {
		t.Helper()
		d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/api/actions", body, "Accept", "application/json"))
	}
	for _, tt := range []struct {
		body  string
		again bool // it is something the second time, too
	}{
		{`{"action":"pause","channel":"sms"}`, false}, {`{"action":"pause","channel":"sms","why":"wrong text"}`, false}, {`{"action":"resume","channel":"sms"}`, false},
		{`{"action":"open-breaker","channel":"sms","provider":"aws"}`, false}, {`{"action":"close-breaker","channel":"sms","provider":"aws"}`, false},
		{`{"action":"retry","channel":"sms","place":"failed"}`, false}, {`{"action":"purge","channel":"sms"}`, false},
	} {
		before := count()
		act(tt.body)
		if n := count(); n != before+1 {
			t.Errorf("%s: %d entries for a change", tt.body, n-before)
		}
		for range 3 {
			act(tt.body)
		}
		if n := count(); n != before+1 {
			t.Errorf("%s: %d entries for nothing", tt.body, n-before-1)
		}
	}
	before := count()
	for path, body := range map[string]string{
		"/admin/api/forget":            `{"who":"+15550109999"}`,
		"/admin/api/suppressed/remove": `{"channel":"sms","address":"+15550109999"}`,
		"/admin/api/suppressed/export": `{}`,
		"/admin/api/actions":           `{"action":"delete","channel":"sms","place":"failed","filter":"nowhere"}`,
	} {
		d.Want(http.StatusOK, d.Ask(http.MethodPost, path, body, "Accept", "application/json"))
	}
	add := func() {
		d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/api/suppressed/import?channel=sms", "+15550109999\n", "Content-Type", "text/csv", "Accept", "application/json"))
	}
	if n := count(); n != before {
		t.Errorf("%d entries for nothing", n-before)
	}
	add()
	add()
	if n := count(); n != before+1 {
		t.Errorf("%d entries for one address", n-before)
	}
}

// TestOneValue: a body of the API is one JSON value that can be read in one way.
func TestOneValue(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	for body, want := range map[string]int{
		`{"action":"pause","channel":"sms"}`: 200, ` {"action":"resume","channel":"sms"} ` + "\n": 200,
		`{"action":"resume","channel":"sms"}{"action":"purge","channel":"sms"}`: 400, `{"action":"resume","channel":"sms"} null`: 400, `{"action":"resume","channel":"sms"}]`: 400,
		`{"action":"purge","channel":"sms","dry_run":true,"dry_run":false}`: 400, `{"action":"purge","channel":"sms","dry_run":true,"Dry_Run":false}`: 400, `{"Action":"resume","channel":"sms"}`: 400,
		`{"action":"purge","channel":"sms","dry_run":true,"dry_r\u0075n":false}`: 400, `{"action":"pause","channel":"sms","why":"` + "\xff" + `"}`: 400, `[{"action":"resume","channel":"sms"}]`: 400,
		`{"action":"purge","channel":"sms","priority":1e0}`: 400, `{"action":"purge","channel":"sms","priority":"4"}`: 400, `null`: 422, `{"action":"pause","channel":"sms","why":{}}`: 400,
		`{"action":"resume","channel":"sms"}x`: 400, `{"action":"resume","channel":"sms"},`: 400, ``: 400,
	} {
		if w := d.Ask(http.MethodPost, "/admin/api/actions", body, admintest.Bearer...); w.Code != want {
			t.Errorf("%s: HTTP %d, want %d", body, w.Code, want)
		}
	}
}

// TestFormsOfWhichAPartIsMissing: what narrows a change down is read, or nothing is changed; also where the action would pass it over.
func TestFormsOfWhichAPartIsMissing(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	d.Failed("a", "TXN_1", "x")
	d.Failed("b", "TXN_2", "y")
	_, err := d.Producer.Enqueue(t.Context(), &queue.Submission{Priority: 1, AcceptedAt: time.Now(), Event: &event.Event{ID: "waits", Store: event.DefaultStore, Sender: event.SenderPOS, Type: event.PaymentComplete},
		Channels: []queue.ChannelSubmission{{Channel: message.SMS, Recipients: []message.Recipient{{Address: admintest.Customer, Audience: message.Customer}}}}})
	d.Must(err)
	for _, body := range []string{
		"action=delete&channel=sms&place=failed&filter=100%", "action=delete&channel=sms&place=failed&filter=a;b", "action=delete&channel=sms&place=failed&fil%ter=x",
		"action=purge&channel=sms&priority=4x", "action=purge&channel=sms&priority=%34%", "action=purge&channel=sms&priority= 4", "action=purge&channel=sms&filter=TXN_9",
		"action=purge&channel=sms&place=failed", "action=purge&channel=sms&id=b:sms:1", "action=purge&channel=sms&provider=aws", "action=delete&channel=sms&place=failed&priority=4",
		"action=delete&id=a:sms:1&filter=TXN_9", "action=pause&channel=sms&filter=x", "action=delete&channel=sms&place=failed&filter=" + strings.Repeat("x", 200<<10),
	} {
		for _, path := range []string{"/admin/do", "/admin/confirm"} {
			if w := d.Ask(http.MethodPost, path, body, admintest.Bearer...); w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusRequestEntityTooLarge {
				t.Errorf("%s %.80s: HTTP %d", path, body, w.Code)
			}
		}
	}
	for _, body := range []string{
		`{"action":"delete","channel":"sms","place":"failed","ids":[]}`, `{"action":"delete","channel":"sms","ids":[]}`, `{"action":"purge","channel":"sms","filter":"TXN_9"}`,
		`{"action":"purge","channel":"sms","ids":["b:sms:1"]}`, `{"action":"purge","channel":"sms","place":"failed"}`, `{"action":"delete","channel":"sms","place":"failed","priority":4}`,
		`{"action":"delete","channel":"sms","ids":["a:sms:1"],"filter":"TXN_9"}`, `{"action":"delete","channel":"sms","place":"failed","provider":"aws"}`,
		`{"action":"purge","channel":"sms","priority":"4"}`, `{"action":"delete","channel":"sms","place":"failed","filters":"TXN_9"}`,
	} {
		for _, dry := range []string{"", `,"dry_run":true`} {
			if w := d.Ask(http.MethodPost, "/admin/api/actions", strings.TrimSuffix(body, "}")+dry+"}", admintest.Bearer...); w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusBadRequest {
				t.Errorf("%s: HTTP %d %s", body, w.Code, w.Body)
			}
		}
	}
	if s, err := d.Store.State(t.Context(), message.SMS); err != nil || s.Failed != 2 || s.Waiting[0] != 1 || s.Halted.Kind != queue.NotHalted {
		t.Errorf("something was changed: %+v, %v", s, err)
	}
	d.Want(http.StatusRequestEntityTooLarge, d.Ask(http.MethodPost, "/admin/api/search", `{"text":"`+strings.Repeat("x", 70<<10)+`"}`, admintest.Bearer...), "64 KiB")
}

// silentLog is a queue whose audit log cannot be written.
type silentLog struct{ admin.Queues }

func (silentLog) Record(context.Context, queue.AuditEntry) error { return queue.ErrUnavailable }

// TestNothingIsShownUnrecorded: what shows addresses or keys is recorded first, or it does not happen.
func TestNothingIsShownUnrecorded(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right", Reveal: true})
	d.Failed("a", "TXN_1", "x")
	_, err := d.Store.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: admintest.Customer, Why: suppress.StopWord, At: time.Now()}})
	d.Must(err)
	ask := map[string]string{"/admin/job/reveal": "id=a:sms:1", "/admin/suppressed/export": "channel=sms", "/admin/api/suppressed/export": "{}"}
	for path, body := range ask {
		d.Want(http.StatusOK, d.Ask(http.MethodPost, path, body, admintest.Bearer...))
	}
	d.Admin.Queues = silentLog{d.Store}
	for path, body := range ask {
		w := d.Ask(http.MethodPost, path, body, admintest.Bearer...)
		d.Want(http.StatusServiceUnavailable, w)
		if strings.Contains(w.Body.String(), "4242") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}

// TestSignInAgain: the session that a browser had before ends, and no value that the browser chose becomes a session.
func TestSignInAgain(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right", ViewToken: "look"})
	first := signIn(d, "right")
	d.Cookies = []*http.Cookie{first}
	second := signIn(d, "look")
	chosen := &http.Cookie{Name: first.Name, Value: "chosen"}
	d.Cookies = []*http.Cookie{chosen}
	third := signIn(d, "right")
	for c, want := range map[*http.Cookie]int{first: http.StatusSeeOther, second: http.StatusOK, chosen: http.StatusSeeOther, third: http.StatusOK} {
		d.Cookies = []*http.Cookie{c}
		d.Want(want, d.Ask(http.MethodGet, "/admin/queues", ""))
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
