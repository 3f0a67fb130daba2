package admin

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"
)

func right() role { return actor }
func wrong() role { return nobody }

// clocked is a guard whose time stands still until it is moved.
func clocked() (g *guard, log *bytes.Buffer, at *time.Time) {
	log, at = &bytes.Buffer{}, &time.Time{}
	*at = time.Unix(1_700_000_000, 0)
	g = newGuard(slog.New(slog.NewTextHandler(log, nil)), prometheus.NewRegistry())
	g.now = func() time.Time { return *at }
	return g, log, at
}

// TestGuessing: 2,700 guesses a second from one address are ten, and then one in two seconds. Meanwhile the right token is not looked at from
// there, and is taken from anywhere else.
func TestGuessing(t *testing.T) {
	t.Parallel()
	g, log, at := clocked()
	from := netip.MustParseAddr("198.51.100.7")
	looked := 0
	guess := func() role {
		looked++
		return nobody
	}
	const seconds = 60
	for i := range 2700 * seconds {
		if i%2700 == 0 {
			*at = at.Add(time.Second)
		}
		g.ask(from, "x", guess)
	}
	if most := clientBurst + seconds/2 + 1; looked > most || looked < most-2 {
		t.Errorf("%d of the guesses were compared, want %d", looked, most)
	}
	if r, wait := g.ask(from, "x", right); r != nobody || wait <= 0 || wait > 2*time.Second {
		t.Errorf("while it guesses: %v, to wait %s", r, wait)
	}
	for _, other := range []string{"198.51.100.8", "2001:db8::1", "::1"} {
		if r, wait := g.ask(netip.MustParseAddr(other), "x", right); r != actor || wait != 0 {
			t.Errorf("from %s: %v, to wait %s", other, r, wait)
		}
	}
	*at = at.Add(2 * time.Second)
	if r, wait := g.ask(from, "x", right); r != actor || wait != 0 {
		t.Errorf("after a pause: %v, to wait %s", r, wait)
	}
	if n := strings.Count(log.String(), "sign-in refused"); n != looked {
		t.Errorf("%d lines of %d", n, looked)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(g.refused)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0.0
	for _, m := range families[0].GetMetric() {
		counted += m.GetCounter().GetValue()
	}
	if want := 2700*seconds + 1.0; counted != want {
		t.Errorf("%g were counted, want %g", counted, want)
	}
}

// TestGuessingFromEverywhere: however many addresses guess, the log has no more than ten lines a second, the memory is bounded, and who is right is let in.
func TestGuessingFromEverywhere(t *testing.T) {
	t.Parallel()
	g, log, at := clocked()
	for i := range 3 * maxClients {
		if i%1000 == 0 {
			*at = at.Add(time.Second)
		}
		g.ask(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)), "x", wrong)
		if r, wait := g.ask(netip.MustParseAddr("192.0.2.1"), "ann", right); r != actor || wait != 0 {
			t.Fatalf("the right token has to wait %s", wait)
		}
	}
	if n := strings.Count(log.String(), "\n"); n > allBurst+10*30 {
		t.Errorf("%d lines", n)
	}
	if len(g.clients) > maxClients {
		t.Errorf("%d addresses are remembered", len(g.clients))
	}
	if _, wait := g.ask(netip.MustParseAddr("192.0.2.2"), "x", wrong); wait != overallWait {
		t.Errorf("a wrong token has to wait %s", wait)
	}
}

// TestOneClientIsANetwork: no choice of an address within what a client has gives it more guesses.
func TestOneClientIsANetwork(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, _, _ := clocked()
		looked := 0
		for range clientBurst + 20 {
			host := rapid.Uint64().Draw(t, "host")
			bytes := [16]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 7}
			for i := range 8 {
				bytes[8+i] = byte(host >> (8 * i))
			}
			g.ask(netip.AddrFrom16(bytes), "x", func() role {
				looked++
				return nobody
			})
		}
		if looked != clientBurst {
			t.Fatalf("%d guesses", looked)
		}
	})
}

// TestConfig: what would let everybody name themselves, and two tokens of one value, are refused by name.
func TestConfig(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"0.0.0.0/0", "proxy.example"} {
		if err := (&Config{TrustedProxy: []string{bad}}).Validate(); err == nil || !strings.Contains(err.Error(), "ADMIN_TRUSTED_PROXY") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := (&Config{Token: "the-same-in-both-places", ViewToken: "the-same-in-both-places"}).Validate(); err == nil || strings.Contains(err.Error(), "the-same") {
		t.Errorf("two tokens of one value: %v", err)
	}
}

// TestTokenOfTheMoment: an operator who signs in with a token while it is replaced gets a session of the old token, which has ended, and not of the new one.
func TestTokenOfTheMoment(t *testing.T) {
	t.Parallel()
	q := &sessions{}
	a := New(Options{Config: Config{Token: "the-old-token-of-ann"}, Queues: q, Log: slog.New(slog.DiscardHandler)})
	q.before = func() {
		if err := a.Use(Config{Token: "the-new-token-of-ann"}); err != nil {
			t.Error(err)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "http://localhost/admin/login", nil)
	r.AddCookie(&http.Cookie{Name: secureCookie, Value: "x"})
	if err := a.SignIn(w, r, "ann", "the-old-token-of-ann"); err != nil {
		t.Fatal(err)
	}
	r.Header.Del("Cookie")
	r.AddCookie(w.Result().Cookies()[0])
	if a.SignedIn(r) {
		t.Error("a token that counts no more has made a session")
	}
}

// sessions is a SessionStore, and does something before the first call.
type sessions struct {
	Queues

	before func()
	names  map[string]string
}

func (s *sessions) SaveSession(_ context.Context, id, name string, _ time.Duration) error {
	s.names = map[string]string{id: name}
	return nil
}

func (s *sessions) Session(_ context.Context, id string) (string, error) { return s.names[id], nil }

func (s *sessions) EndSession(context.Context, string) error {
	s.before()
	return nil
}

// TestOperatorName: a name without a visible character counts as missing.
func TestOperatorName(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"": "unnamed", "  ": "unnamed", "\u202e\n": "unnamed", "\t ann \u2066": "ann", "ann\nbob": "ann bob", strings.Repeat("x", 100): strings.Repeat("x", maxName)} {
		if got := operatorName(given, "unnamed"); got != want {
			t.Errorf("%q: %q", given, got)
		}
	}
}
