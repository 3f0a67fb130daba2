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

// TestLargeHeaders: headers cannot fill the memory of a program by its operators' port.
func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, opsserver.Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Large", strings.Repeat("x", 1<<20))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return // closed while it was written
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("HTTP %d", resp.StatusCode)
	}
}
