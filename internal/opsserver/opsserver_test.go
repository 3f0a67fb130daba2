package opsserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/opsserver"
)

func serve(t *testing.T, o opsserver.Options) (url string, server *opsserver.Server) {
	t.Helper()
	o.Gatherer = prometheus.NewRegistry()
	server, err := opsserver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(server.Addr())
	return "http://127.0.0.1:" + port, server
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestReady(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	well, ill := func(context.Context) error { return nil }, func(context.Context) error { return broken }
	for name, c := range map[string]struct {
		checks []opsserver.Check
		want   int
	}{
		"nothing to look at":      {nil, 200},
		"all well":                {[]opsserver.Check{{Name: "redis", Run: well}, {Name: "twilio", Group: "providers", Run: well}}, 200},
		"Redis away":              {[]opsserver.Check{{Name: "redis", Run: ill}, {Name: "twilio", Group: "providers", Run: well}}, 503},
		"one of two providers":    {[]opsserver.Check{{Name: "redis", Run: well}, {Name: "twilio", Group: "providers", Run: ill}, {Name: "aws", Group: "providers", Run: well}}, 200},
		"none of the providers":   {[]opsserver.Check{{Name: "redis", Run: well}, {Name: "twilio", Group: "providers", Run: ill}}, 503},
		"a check that never ends": {[]opsserver.Check{{Name: "redis", Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, server := serve(t, opsserver.Options{Checks: c.checks})
			status, body := get(t, url+"/readyz")
			if status != c.want {
				t.Errorf("HTTP %d, want %d: %s", status, c.want, body)
			}
			var said struct {
				Status string
				Checks []struct {
					Name, State, Detail string
					LatencyMs           *float64 `json:"latency_ms"`
					AgeMs               *int64   `json:"age_ms"`
				}
			}
			if err := json.Unmarshal([]byte(body), &said); err != nil || len(said.Checks) != len(c.checks) {
				t.Fatalf("%v: %s", err, body)
			}
			for _, check := range said.Checks {
				if check.Name == "" || check.State == "" || check.LatencyMs == nil || check.AgeMs == nil || (check.State == "failing") != (check.Detail != "") {
					t.Errorf("%+v", check)
				}
			}
			if status, _ := get(t, url+"/healthz"); status != 200 {
				t.Error("health depends on others")
			}
			server.Drain()
			if status, body := get(t, url+"/readyz"); status != 503 || !strings.Contains(body, "draining") {
				t.Errorf("draining: HTTP %d %s", status, body)
			}
		})
	}
}

func TestAnswersAreKept(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	url, _ := serve(t, opsserver.Options{Checks: []opsserver.Check{{Name: "twilio", TTL: time.Hour, Run: func(context.Context) error { asked.Add(1); return nil }}}})
	for range 20 {
		get(t, url+"/readyz")
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, opsserver.Options{Live: func() error { return errors.New("the loop stands still") }})
	if status, body := get(t, url+"/healthz"); status != 503 || !strings.Contains(body, "stands still") {
		t.Errorf("HTTP %d %s", status, body)
	}
}

func TestProfilesOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for on, want := range map[bool]int{true: 200, false: 404} {
		url, _ := serve(t, opsserver.Options{Config: opsserver.Config{PProf: on}})
		if status, _ := get(t, url+"/debug/pprof/"); status != want {
			t.Errorf("PPROF=%v: HTTP %d", on, status)
		}
		if status, _ := get(t, url+"/metrics"); status != 200 {
			t.Errorf("metrics: HTTP %d", status)
		}
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if _, err := opsserver.New(opsserver.Options{Config: opsserver.Config{Port: listener.Addr().(*net.TCPAddr).Port}}); err == nil || !strings.Contains(err.Error(), "OPS_PORT") {
		t.Errorf("%v", err)
	}
}

// TestCloseFreesThePort: whether or not the server has begun to serve, and a second call does nothing.
func TestCloseFreesThePort(t *testing.T) {
	t.Parallel()
	for _, serves := range []bool{false, true} {
		server, err := opsserver.New(opsserver.Options{Gatherer: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(server.Addr())
		ended := make(chan error, 1)
		if serves {
			go func() { ended <- server.Serve() }()
			get(t, "http://127.0.0.1:"+port+"/healthz")
		}
		for range 2 {
			if err := server.Close(); err != nil {
				t.Errorf("serves: %t: %v", serves, err)
			}
		}
		if listener, err := net.Listen("tcp", ":"+port); err != nil {
			t.Errorf("serves: %t: %v", serves, err)
		} else {
			_ = listener.Close()
		}
		if !serves {
			go func() { ended <- server.Serve() }()
		}
		if err := <-ended; err != nil {
			t.Errorf("serves: %t: Serve returned %v", serves, err)
		}
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for port, want := range map[int]bool{0: true, 9090: true, 65535: true, -1: false, 70000: false} {
		err := (&opsserver.Config{Port: port}).Validate()
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "OPS_PORT") {
			t.Errorf("port %d: %v", port, err)
		}
	}
}

// TestLargeHeaders: headers take no memory that a scraper has no use for.
func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, opsserver.Options{})
	for size, want := range map[int]int{8 << 10: http.StatusOK, 32 << 10: http.StatusRequestHeaderFieldsTooLarge, 1 << 19: http.StatusRequestHeaderFieldsTooLarge} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Filler", strings.Repeat("x", size))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			if want == http.StatusOK || size < 1<<19 {
				t.Errorf("%d bytes: %v", size, err)
			}
			continue // closed while the client still wrote
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes: HTTP %d, want %d", size, resp.StatusCode, want)
		}
	}
}

// TestGrace: what has passed once may fail for its grace, and readiness says so in its body; what never passed may not, and neither may another check.
func TestGrace(t *testing.T) {
	t.Parallel()
	const well, away = true, false
	for name, c := range map[string]struct {
		grace  time.Duration
		states []bool // as they follow each other; the last counts
		other  error
		code   int
		status string
	}{
		"never there":             {time.Hour, []bool{away}, nil, 503, "not ready"},
		"never there, twice":      {time.Hour, []bool{away, away}, nil, 503, "not ready"},
		"there":                   {time.Hour, []bool{well}, nil, 200, "ready"},
		"gone":                    {time.Hour, []bool{well, away}, nil, 200, "degraded"},
		"gone, still":             {time.Hour, []bool{well, away, away}, nil, 200, "degraded"},
		"back":                    {time.Hour, []bool{well, away, well}, nil, 200, "ready"},
		"gone again":              {time.Hour, []bool{away, well, away, well, away}, nil, 200, "degraded"},
		"gone for longer":         {1, []bool{well, away}, nil, 503, "not ready"},
		"gone, without a grace":   {0, []bool{well, away}, nil, 503, "not ready"},
		"another check fails too": {time.Hour, []bool{well, away}, errors.New("broken"), 503, "not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			url, server := serve(t, opsserver.Options{Checks: []opsserver.Check{
				{Name: "redis", Grace: c.grace, Run: func(context.Context) error {
					asked++
					if c.states[min(asked, len(c.states))-1] {
						return nil
					}
					return errors.New("away")
				}},
				{Name: "other", Run: func(context.Context) error { return c.other }},
			}})
			var code int
			var body string
			for range c.states {
				code, body = get(t, url+"/readyz")
			}
			var said struct {
				Status string
				Checks []struct {
					State, Detail string
					ReadyForMs    int64 `json:"ready_for_ms"`
				}
			}
			if err := json.Unmarshal([]byte(body), &said); err != nil {
				t.Fatal(err)
			}
			if code != c.code || said.Status != c.status {
				t.Errorf("HTTP %d, want %d, status %q: %s", code, c.code, c.status, body)
			}
			redis := said.Checks[0]
			if last := c.states[len(c.states)-1]; (redis.State == "ok") != last || (redis.Detail == "away") == last {
				t.Errorf("%+v", redis)
			}
			if inGrace := strings.HasPrefix(name, "gone") && c.grace > 1 || c.other != nil; (redis.ReadyForMs > 0) != inGrace {
				t.Errorf("ready for %d ms more", redis.ReadyForMs)
			}
			server.Drain()
			if code, body := get(t, url+"/readyz"); code != 503 || !strings.Contains(body, "draining") {
				t.Errorf("draining: HTTP %d %s", code, body)
			}
		})
	}
}
