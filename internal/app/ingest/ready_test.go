package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/sender/generic"
)

// running is the program on ports of its own.
type running struct {
	*testing.T
	*Ingest
}

// start runs ingest on a Redis until the end of the test.
func start(t *testing.T, redis string, settings map[string]string) *running {
	t.Helper()
	env := map[string]string{
		"PORT": "0", "OPS_PORT": "0", "REDIS_URL": "redis://" + redis, "WEBHOOK_AUTH_TOKEN": "0123456789abcdef", "CHANNELS": "sms", "SMS_DEFAULT_RECIPIENTS": "+12025550143",
	}
	maps.Copy(env, settings)
	c, err := Load(t.Context(), envconfig.MapLookuper(env))
	if err != nil {
		t.Fatal(err)
	}
	program, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- program.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &running{t, program}
}

// ready returns the answer of /readyz: its code, its status, and what it says of Redis.
func (r *running) ready() (code int, status, redis string) {
	r.Helper()
	_, port, _ := net.SplitHostPort(r.OpsAddr())
	resp, err := http.Get("http://127.0.0.1:" + port + "/readyz")
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var said struct {
		Status string
		Checks []struct{ Name, State, Detail string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil || len(said.Checks) != 1 || said.Checks[0].Name != "redis" {
		r.Fatalf("%+v, %v", said, err)
	}
	return resp.StatusCode, said.Status, said.Checks[0].Detail
}

// post posts a webhook.
func (r *running) post() *http.Response {
	r.Helper()
	_, port, _ := net.SplitHostPort(r.Addr())
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://127.0.0.1:"+port+"/webhooks/pos", bytes.NewReader(generic.Sample("order_create")))
	if err != nil {
		r.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer 0123456789abcdef")
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp
}

// TestRedisGoesAway: ingest that has had Redis stays ready without it for READY_GRACE, and answers 503 with Retry-After itself, whether Redis is dead or hangs; without
// a grace it is not ready. It says why. It is ready again when Redis is back.
func TestRedisGoesAway(t *testing.T) {
	t.Parallel()
	ways := map[string]struct{ leave, back func(*redistest.Server) }{
		"dead":    {(*redistest.Server).Kill, (*redistest.Server).Restart},
		"hanging": {func(s *redistest.Server) { signal(t, s, syscall.SIGSTOP) }, func(s *redistest.Server) { signal(t, s, syscall.SIGCONT) }},
	}
	for grace, want := range map[string]struct {
		code   int
		status string
	}{"5m": {200, "degraded"}, "": {200, "degraded"}, "0s": {503, "not ready"}} {
		for way, redis := range ways {
			t.Run("READY_GRACE="+grace+", "+way, func(t *testing.T) {
				t.Parallel()
				server := redistest.Start(t)
				settings := map[string]string{"READY_GRACE": grace}
				if grace == "" {
					settings = nil
				}
				r := start(t, server.Addr(), settings)
				redistest.Eventually(t, "ingest is ready", func() bool { code, status, _ := r.ready(); return code == 200 && status == "ready" })
				if resp := r.post(); resp.StatusCode != http.StatusAccepted {
					t.Fatalf("HTTP %d", resp.StatusCode)
				}
				redis.leave(server)
				redistest.Eventually(t, "ingest has noticed", func() bool {
					code, status, detail := r.ready()
					return code == want.code && status == want.status && detail != ""
				})
				if resp := r.post(); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
					t.Errorf("without Redis: HTTP %d, %v", resp.StatusCode, resp.Header)
				}
				redis.back(server)
				redistest.Eventually(t, "ingest is ready again", func() bool { code, status, _ := r.ready(); return code == 200 && status == "ready" })
			})
		}
	}
}

func signal(t *testing.T, s *redistest.Server, what syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(s.PID(), what); err != nil {
		t.Fatal(err)
	}
}

// TestStartWithoutRedis: ingest that has never had Redis is not ready, whatever its grace, and is as soon as Redis is there.
func TestStartWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	r := start(t, server.Addr(), map[string]string{"READY_GRACE": "1h"})
	for range 3 {
		if code, status, detail := r.ready(); code != 503 || status != "not ready" || detail == "" {
			t.Fatalf("HTTP %d %s %s", code, status, detail)
		}
	}
	server.Restart()
	redistest.Eventually(t, "ingest is ready", func() bool { code, _, _ := r.ready(); return code == 200 })
}

// TestUserWithoutRights: ingest whose Redis user may not do what it needs is not ready, and says what is missing; it is ready when the rights are there.
func TestUserWithoutRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	set := func(rules ...any) {
		if err := server.Client().Do(t.Context(), append([]any{"ACL", "SETUSER", "shop", "on", ">password"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("+@all", "~{another:sms}:*") // of another prefix
	r := start(t, "shop:password@"+server.Addr(), nil)
	if code, _, detail := r.ready(); code != 503 || !strings.Contains(detail, "NOPERM") || !strings.Contains(detail, "users.acl") {
		t.Errorf("HTTP %d %s", code, detail)
	}
	if resp := r.post(); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("HTTP %d, %v", resp.StatusCode, resp.Header)
	}
	set("~{ringup:*")
	redistest.Eventually(t, "ingest is ready", func() bool { code, _, _ := r.ready(); return code == 200 })
}

// TestIdleTimeout: the setting is the server's, and each front in docs/operations/sizing.md closes its idle connections before ingest does, with the
// value that the table has for it.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	r := start(t, "localhost:1", map[string]string{"IDLE_TIMEOUT": "17s"})
	if got := r.public.IdleTimeout; got != 17*time.Second {
		t.Errorf("%s", got)
	}
	byDefault := start(t, "localhost:1", nil).public.IdleTimeout
	page, err := os.ReadFile("../../../docs/operations/sizing.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| .* \\| (\\d+) s \\| (?:`(\\d+s)`|the default) \\|$").FindAllStringSubmatch(string(page), -1)
	if len(rows) < 5 {
		t.Fatalf("%d fronts in the table", len(rows))
	}
	for _, row := range rows {
		front, err := time.ParseDuration(row[1] + "s")
		ours := byDefault
		if row[2] != "" {
			ours, err = time.ParseDuration(row[2])
		}
		if err != nil || ours <= front {
			t.Errorf("%s: ingest closes after %s: %v", row[0], ours, err)
		}
	}
	if !strings.Contains(string(page), fmt.Sprintf("`IDLE_TIMEOUT` is %ds", int(byDefault.Seconds()))) {
		t.Errorf("the page does not say %s", byDefault)
	}
}

// TestTimesThatCannotWork are refused at start, by name.
func TestTimesThatCannotWork(t *testing.T) {
	t.Parallel()
	for variable, value := range map[string]string{"READY_GRACE": "-1s", "IDLE_TIMEOUT": "0s"} {
		_, err := Load(t.Context(), envconfig.MapLookuper(map[string]string{"REDIS_URL": "redis://localhost", "WEBHOOK_AUTH_TOKEN": "0123456789abcdef", variable: value}))
		if err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s=%s: %v", variable, value, err)
		}
	}
}
