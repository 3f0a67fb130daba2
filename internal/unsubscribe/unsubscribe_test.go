package unsubscribe_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/unsubscribe"
)

const (
	public = "https://hooks.example.com"
	to     = message.Address("jane.roe@example.com")
	first  = "first-secret-of-the-tests"
	second = "second-secret-of-the-tests"
)

func links(t testing.TB, url string, secrets ...secret.Key) *unsubscribe.Links {
	t.Helper()
	l, err := unsubscribe.New(unsubscribe.Config{PublicURL: url, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// token is the one of a link for the tests' address.
func token(t testing.TB, l *unsubscribe.Links) string {
	t.Helper()
	url := l.URL(to)
	token, found := strings.CutPrefix(url, public+"/unsubscribe/")
	if !found {
		t.Fatalf("the link is %s", url)
	}
	return token
}

func TestLinks(t *testing.T) {
	t.Parallel()
	l := links(t, public, first)
	for _, address := range []message.Address{to, "j@example.com", message.Address(strings.Repeat("é", 121) + "@example.com")} {
		token := l.URL(address)[len(public+"/unsubscribe/"):]
		if got, err := l.Open(token); err != nil || got != address {
			t.Errorf("%q was opened as %q, %v", address.Reveal(), got.Reveal(), err)
		}
		if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%s has to be escaped in a URL", token)
		}
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || strings.Contains(string(raw), "example") {
			t.Errorf("%s shows the address, %v", token, err)
		}
	}
	if one, other := token(t, l), token(t, l); one == other {
		t.Error("two links of an address are the same: a person with one could look for others")
	}
	for _, with := range []string{public + "/", public} {
		if url := links(t, with+"/shop", first).URL(to); !strings.HasPrefix(url, public+"/shop/unsubscribe/") {
			t.Errorf("below a path: %s", url)
		}
	}
}

func TestSecretsRotate(t *testing.T) {
	t.Parallel()
	old, both, after := links(t, public, first), links(t, public, second, first), links(t, public, second)
	of, during := token(t, old), token(t, both)
	for name, tt := range map[string]struct {
		links *unsubscribe.Links
		token string
		opens bool
	}{
		"the old one's, while both are set": {both, of, true},
		"the new one seals":                 {after, during, true},
		"and the old one does not":          {old, during, false},
		"the old one's, when it is gone":    {after, of, false},
	} {
		if _, err := tt.links.Open(tt.token); (err == nil) != tt.opens {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutSecret(t *testing.T) {
	t.Parallel()
	l, err := unsubscribe.New(unsubscribe.Config{PublicURL: "not even a URL"})
	if err != nil || l != nil || l.URL(to) != "" {
		t.Errorf("%v, %v", l, err)
	}
	if _, err := l.Open(token(t, links(t, public, first))); err == nil {
		t.Error("opened")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		url     string
		secrets secret.Keys
		want    []string // none: it is valid
	}{
		"off":                       {"", nil, nil},
		"on":                        {public, secret.Keys{first}, nil},
		"a path":                    {public + "/shop/", secret.Keys{first}, nil},
		"no URL":                    {"", secret.Keys{first}, []string{"PUBLIC_URL is empty"}},
		"no scheme":                 {"hooks.example.com", secret.Keys{first}, []string{"PUBLIC_URL is not"}},
		"another scheme":            {"ftp://hooks.example.com", secret.Keys{first}, []string{"PUBLIC_URL is not"}},
		"a query":                   {public + "?a=b", secret.Keys{first}, []string{"PUBLIC_URL is not"}},
		"a password":                {"https://a:b@hooks.example.com", secret.Keys{first}, []string{"PUBLIC_URL is not"}},
		"http":                      {"http://hooks.example.com", secret.Keys{first}, []string{"https only"}},
		"http, a public number":     {"http://8.8.8.8", secret.Keys{first}, []string{"https only"}},
		"http, this machine":        {"http://localhost:3000", secret.Keys{first}, nil},
		"http, this machine's IPv6": {"http://[::1]:3000", secret.Keys{first}, nil},
		"http, the cluster":         {"http://ringup-ingest.ringup.svc:3000", secret.Keys{first}, nil},
	} {
		config := unsubscribe.Config{PublicURL: tt.url, Secrets: tt.secrets}
		err := config.Validate()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in: %v", name, want, err)
			}
		}
		if err != nil && strings.Contains(err.Error(), first) {
			t.Errorf("%s: gives a secret away: %v", name, err)
		}
		if _, newErr := unsubscribe.New(config); (newErr == nil) != (err == nil) {
			t.Errorf("%s: New says %v", name, newErr)
		}
	}
}

// sealed is a link's token for the tests' address, as an e-mail of long ago has it: what it is made of may not change.
const sealed = "AdgImPWlYwvB2U9DtIgorbJdJBbiZohK2H5GDuBwRB_6ctRVZjVsPtsbgJ1geOnX0Q"

// FuzzOpen: nothing opens but what was sealed, letter by letter.
func FuzzOpen(f *testing.F) {
	l := links(f, public, second, first)
	for _, seed := range []string{sealed, sealed + "=", sealed[:len(sealed)-1], "A" + sealed, "", "AQ", strings.Repeat("A", 380), "\x00", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := l.Open(text)
		if opened := err == nil; opened != (text == sealed) || opened && got != to {
			t.Errorf("%q was opened as %q, %v", text, got.Reveal(), err)
		}
	})
}
