package ingest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
)

// TestPlainHTTP: with REQUIRE_TLS, a request that a trusted proxy took over plain HTTP is refused before its key is looked at, on every route but the unsubscribe
// page's; what other addresses say of themselves does not count.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	routes := func(o *Options) {
		o.Routes = append(o.Routes, func(r chi.Router) {
			for _, path := range []string{"/callbacks/test", "/unsubscribe/{token}"} {
				r.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
			}
		})
	}
	paths := map[string]int{"POST /webhooks/pos": 202, "GET /v1/notifications/x": 404, "POST /callbacks/test": 204, "GET /callbacks/test": 204, "GET /unsubscribe/x": 204, "POST /unsubscribe/x": 204, "GET /nothing": 404}
	for name, c := range map[string]struct {
		proxies []string
		require bool
		headers string
		refused bool
	}{
		"https":                      {[]string{"127.0.0.1"}, true, "X-Forwarded-Proto: https\r\n", false},
		"HTTPS, in capitals":         {[]string{"127.0.0.0/8"}, true, "X-Forwarded-Proto: HTTPS\r\n", false},
		"https to the load balancer": {[]string{"127.0.0.1"}, true, "X-Forwarded-Proto: https, http\r\n", false},
		"http":                       {[]string{"127.0.0.1"}, true, "X-Forwarded-Proto: http\r\n", true},
		"http to the load balancer":  {[]string{"127.0.0.1"}, true, "X-Forwarded-Proto: http, https\r\n", true},
		"a proxy that does not say":  {[]string{"127.0.0.1"}, true, "", false},
		"an empty header":            {[]string{"127.0.0.1"}, true, "X-Forwarded-Proto: \r\n", false},
		"another word":               {[]string{"127.0.0.1"}, true, "X-Forwarded-Proto: httpsx\r\n", true},
		"not asked for":              {[]string{"127.0.0.1"}, false, "X-Forwarded-Proto: http\r\n", false},
		"from inside":                {[]string{"192.0.2.1"}, true, "", false},
		"from inside, saying http":   {[]string{"192.0.2.1"}, true, "X-Forwarded-Proto: http\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := testConfig()
			config.TrustedProxies, config.RequireTLS = c.proxies, c.require
			p := serve(t, config, &fakeQueue{}, routes)
			refused := 0
			for path, status := range paths {
				request := fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\n%sContent-Length: 0\r\n\r\n", path, c.headers)
				if path == "POST /webhooks/pos" {
					request = strings.Replace(webhook("w", "token", 0), "Host: ringup\r\n", "Host: ringup\r\n"+c.headers, 1)
				}
				if c.refused && !strings.Contains(path, "/unsubscribe/") {
					status = http.StatusForbidden
					refused++
				}
				resp, body := p.ask(t, request)
				if resp.StatusCode != status {
					t.Errorf("%s: HTTP %d, want %d: %s", path, resp.StatusCode, status, body)
				}
				if status == http.StatusForbidden && (!strings.Contains(body, "https://") || !strings.Contains(body, "change the token")) {
					t.Errorf("%s: %s", path, body)
				}
			}
			if n := p.count(t, "plain_http"); n != float64(refused) {
				t.Errorf("%v are counted, want %d", n, refused)
			}
			if logged := strings.Contains(p.log.String(), "plain HTTP refused"); logged != c.refused {
				t.Errorf("logged: %t", logged)
			}
			if n := strings.Count(p.log.String(), "X-Forwarded-Proto missing"); (n == 1) != (name == "a proxy that does not say" || name == "an empty header") || n > 1 {
				t.Errorf("that the proxy does not say is logged %d times", n)
			}
		})
	}
}

// TestPlainHTTPIsReadToItsEnd: a client that writes its whole webhook before it reads sees the answer.
func TestPlainHTTPIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.TrustedProxies, config.RequireTLS = []string{"127.0.0.1"}, true
	p := serve(t, config, &fakeQueue{}, nil)
	conn := p.dial(t)
	if _, err := io.WriteString(conn, strings.Replace(webhook("w", "token", 900<<10), "Host: ringup\r\n", "Host: ringup\r\nX-Forwarded-Proto: http\r\n", 1)); err != nil {
		t.Fatal(err)
	}
	if resp, body := answerOf(t, conn); resp.StatusCode != http.StatusForbidden {
		t.Errorf("HTTP %d %s", resp.StatusCode, body)
	}
}

// TestRequireTLSNeedsProxies: without them it would do nothing.
func TestRequireTLSNeedsProxies(t *testing.T) {
	t.Parallel()
	for _, proxies := range [][]string{nil, {""}, {" "}} {
		c := testConfig()
		c.RequireTLS, c.TrustedProxies = true, proxies
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "TRUSTED_PROXIES") {
			t.Errorf("%q: %v", proxies, err)
		}
	}
}

// TestEvery503SaysWhen: whichever endpoint refuses, and with whatever code of its own, the answer says when to come again; an endpoint's own time stays.
func TestEvery503SaysWhen(t *testing.T) {
	t.Parallel()
	p := serve(t, testConfig(), &fakeQueue{}, func(o *Options) {
		o.Routes = append(o.Routes, func(r chi.Router) {
			r.Get("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
				if own := r.URL.Query().Get("own"); own != "" {
					w.Header().Set("Retry-After", own)
				}
				var code int
				_, _ = fmt.Sscan(chi.URLParam(r, "code"), &code)
				w.WriteHeader(code)
			})
		})
	})
	for path, want := range map[string]string{"503": "5", "429": "5", "503?own=30": "30", "500": "", "200": "", "404": ""} {
		resp, _ := p.ask(t, "GET /status/"+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := resp.Header.Get("Retry-After"); got != want {
			t.Errorf("%s: Retry-After %q, want %q", path, got, want)
		}
	}
}
