package page_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/internal/unsubscribe"
	"ringup.dev/ringup/internal/unsubscribe/page"
)

// sink remembers preferences, or refuses them.
type sink struct {
	taken []suppress.Preference
	err   error
}

func (s *sink) Accept(_ context.Context, n report.Update) error {
	if s.err != nil {
		return s.err
	}
	s.taken = append(s.taken, n.Preferences...)
	return nil
}

const (
	public = "https://hooks.example.com"
	to     = message.Address("jane.roe@example.com")
)

func links(t *testing.T) *unsubscribe.Links {
	t.Helper()
	l, err := unsubscribe.New(unsubscribe.Config{PublicURL: public, Secrets: secret.Keys{"the-secret-of-the-tests"}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var now = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// bench is the page as ingest serves it.
type bench struct {
	server *httptest.Server
	sink   *sink
	log    *bytes.Buffer
	link   string
}

func open(t *testing.T) *bench {
	t.Helper()
	b := &bench{sink: &sink{}, log: &bytes.Buffer{}}
	l := links(t)
	router := chi.NewRouter()
	router.Handle(page.Pattern, page.New(page.Options{
		Business: `Luna <b>& "Co"`, Links: l, Sink: b.sink, Log: slog.New(slog.NewJSONHandler(b.log, nil)),
		Now: func() time.Time { return now },
	}))
	b.server = httptest.NewServer(router)
	t.Cleanup(b.server.Close)
	b.link = b.server.URL + strings.TrimPrefix(l.URL(to), public)
	return b
}

// ask makes a request; a body is a form.
func (b *bench) ask(t *testing.T, method, link, form string) (*http.Response, string) {
	t.Helper()
	return b.do(t, method, link, "application/x-www-form-urlencoded", strings.NewReader(form))
}

func (b *bench) do(t *testing.T, method, link, contentType string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, link, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	// As a mail provider's: no redirect is followed.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// took compares what the sink has.
func (b *bench) took(t *testing.T, want ...suppress.Preference) {
	t.Helper()
	for i := range want {
		want[i].Provider, want[i].Channel, want[i].Address, want[i].At = "ringup", message.Email, to, now
	}
	if diff := cmp.Diff(want, b.sink.taken, cmpopts.IgnoreFields(suppress.Preference{}, "EventID"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +taken):\n%s", diff)
	}
	seen := map[string]bool{"": true}
	for _, p := range b.sink.taken {
		if seen[p.EventID] {
			t.Errorf("the event id %q is not unique", p.EventID)
		}
		seen[p.EventID] = true
	}
}

var (
	out = suppress.Preference{Kind: suppress.OptOut, Why: suppress.Unsubscribe}
	in  = suppress.Preference{Kind: suppress.OptIn, Why: suppress.Unsubscribe}
)

func TestOneClick(t *testing.T) {
	t.Parallel()
	b := open(t)
	resp, html := b.ask(t, http.MethodPost, b.link, "List-Unsubscribe=One-Click")
	if resp.StatusCode != http.StatusOK || !strings.Contains(html, "You will get no more e-mails at <strong>j•••@example.com</strong>") {
		t.Errorf("%d %s", resp.StatusCode, html)
	}
	b.took(t, out)
	// The other form that RFC 8058 allows.
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := errors.Join(form.WriteField("List-Unsubscribe", "One-Click"), form.Close()); err != nil {
		t.Fatal(err)
	}
	if resp, _ := b.do(t, http.MethodPost, b.link, form.FormDataContentType(), &body); resp.StatusCode != http.StatusOK {
		t.Errorf("as multipart: %d", resp.StatusCode)
	}
	b.took(t, out, out)
}

// buttonOf reads the form of a page as a browser does: where it posts to, and what.
func buttonOf(t *testing.T, page string) string {
	t.Helper()
	found := regexp.MustCompile(`<form method="post"><input type="hidden" name="([a-z]+)" value="([a-z]+)"><button`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no button in %s", page)
	}
	return url.Values{found[1]: {found[2]}}.Encode()
}

// TestByHand: a person opens the link, unsubscribes, and thinks better of it.
func TestByHand(t *testing.T) {
	t.Parallel()
	b := open(t)
	resp, html := b.ask(t, http.MethodGet, b.link, "")
	if resp.StatusCode != http.StatusOK || !strings.Contains(html, "j•••@example.com") || !strings.Contains(html, "Luna &lt;b&gt;&amp; &#34;Co&#34;") {
		t.Errorf("%d %s", resp.StatusCode, html)
	}
	b.took(t) // programs that look for dangerous links open them all
	_, html = b.ask(t, http.MethodPost, b.link, buttonOf(t, html))
	b.took(t, out)
	_, html = b.ask(t, http.MethodPost, b.link, buttonOf(t, html))
	if !strings.Contains(html, "subscribed again") {
		t.Errorf("%s", html)
	}
	b.took(t, out, in)
	_, _ = b.ask(t, http.MethodPost, b.link, buttonOf(t, html))
	b.took(t, out, in, out)
}

func TestNothingIsDone(t *testing.T) {
	t.Parallel()
	b := open(t)
	cut := b.link[:len(b.link)-1]
	for name, tt := range map[string]struct {
		method, link, form string
		status             int
		page               string
	}{
		"a look":                 {http.MethodHead, b.link, "", 200, ""},
		"a wish in the address":  {http.MethodGet, b.link + "?wish=unsubscribe&List-Unsubscribe=One-Click", "", 200, "Unsubscribe?"},
		"a POST without a wish":  {http.MethodPost, b.link, "", 400, "Unsubscribe?"},
		"a POST with another":    {http.MethodPost, b.link, "wish=everything", 400, "Unsubscribe?"},
		"its wish in the query":  {http.MethodPost, b.link + "?wish=unsubscribe", "", 400, "Unsubscribe?"},
		"another value":          {http.MethodPost, b.link, "List-Unsubscribe=Two-Clicks", 400, "Unsubscribe?"},
		"too much":               {http.MethodPost, b.link, "a=" + strings.Repeat("x", 5000) + "&wish=unsubscribe", 400, "Unsubscribe?"},
		"a cut link":             {http.MethodGet, cut, "", 404, "This link does not work"},
		"a cut link's one click": {http.MethodPost, cut, "List-Unsubscribe=One-Click", 404, "This link does not work"},
		"another method":         {http.MethodDelete, b.link, "", 405, ""},
	} {
		resp, html := b.ask(t, tt.method, tt.link, tt.form)
		if resp.StatusCode != tt.status || !strings.Contains(html, tt.page) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, html)
		}
	}
	b.took(t)
}

// TestNotTaken: a person is not told that they are unsubscribed when they are not.
func TestNotTaken(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.sink.err = errors.New("Redis is away")
	for _, form := range []string{"List-Unsubscribe=One-Click", "wish=resubscribe"} {
		resp, html := b.ask(t, http.MethodPost, b.link, form)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(html, "Nothing was changed") {
			t.Errorf("%d %s", resp.StatusCode, html)
		}
		b.sink.err = nil
		_, _ = b.ask(t, http.MethodPost, b.link, buttonOf(t, html))
		b.sink.err = errors.New("Redis is away")
	}
	b.took(t, out, in)
	if !strings.Contains(b.log.String(), "Redis is away") {
		t.Errorf("not logged: %s", b.log)
	}
}

// TestHeaders: the page loads nothing, gives nothing away, and is not cached.
func TestHeaders(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, tt := range [][2]string{{http.MethodGet, ""}, {http.MethodPost, "List-Unsubscribe=One-Click"}, {http.MethodPost, "wish=resubscribe"}, {http.MethodPost, ""}} {
		resp, html := b.ask(t, tt[0], b.link, tt[1])
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex",
			"X-Content-Type-Options": "nosniff",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s is %q", name, got)
			}
		}
		_, rest, _ := strings.Cut(html, "<style>")
		style, _, _ := strings.Cut(rest, "</style>")
		hash := sha256.Sum256([]byte(style))
		policy := resp.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%q is not in %s", want, policy)
			}
		}
		for _, bad := range []string{"<script", "http://", "https://", " style=", "onclick", to.Reveal(), "<b>"} {
			if strings.Contains(html, bad) {
				t.Errorf("%q is in %s", bad, html)
			}
		}
	}
	if log := b.log.String(); strings.Contains(log, to.Reveal()) || strings.Contains(log, b.link[len(b.server.URL)+len("/unsubscribe/"):]) || !strings.Contains(log, "j•••@example.com") {
		t.Errorf("the log has the address, or the token, or nothing: %s", log)
	}
}

// TestAnyRouter: the pattern is the standard library's, too.
func TestAnyRouter(t *testing.T) {
	t.Parallel()
	l := links(t)
	mux := http.NewServeMux()
	mux.Handle(page.Pattern, page.New(page.Options{Links: l, Sink: &sink{}, Log: slog.New(slog.DiscardHandler)}))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, l.URL(to), nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "j•••@example.com") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestOverAndOver: a link that is posted again and again changes nothing any more, and says so; another person's link works.
func TestOverAndOver(t *testing.T) {
	t.Parallel()
	b := open(t)
	refused := 0
	for range 50 {
		resp, html := b.ask(t, http.MethodPost, b.link, "List-Unsubscribe=One-Click")
		if resp.StatusCode == http.StatusOK {
			continue
		}
		refused++
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || !strings.Contains(html, "Please try again in a moment") {
			t.Fatalf("%d %v %s", resp.StatusCode, resp.Header, html)
		}
	}
	if refused == 0 || len(b.sink.taken)+refused != 50 {
		t.Errorf("%d of 50 refused, %d applied", refused, len(b.sink.taken))
	}
	other := b.server.URL + strings.TrimPrefix(links(t).URL("other@example.com"), public)
	if resp, _ := b.ask(t, http.MethodPost, other, "List-Unsubscribe=One-Click"); resp.StatusCode != http.StatusOK {
		t.Errorf("another person's: %d", resp.StatusCode)
	}
	if resp, _ := b.ask(t, http.MethodGet, b.link, ""); resp.StatusCode != http.StatusOK {
		t.Errorf("to look at: %d", resp.StatusCode)
	}
}
