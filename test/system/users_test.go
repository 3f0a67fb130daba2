package system

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/redistest"
)

// call makes a request to a program and returns the status and the body; 0 and the error if there is no answer.
func (s *system) call(method, url, token, body string) (int, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, url, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// admin runs the admin program, waits until it answers, and returns its address.
func (s *system) admin(env ...string) (*process, string) {
	s.Helper()
	port := redistest.FreePort(s)
	p := s.run("admin", append([]string{fmt.Sprintf("ADMIN_PORT=%d", port), "ADMIN_TOKEN=operators-of-the-tests"}, env...)...)
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	redistest.Eventually(s, "admin answers", func() bool { status, _ := s.call(http.MethodGet, url+"/admin/login", "", ""); return status == 200 })
	return p, url
}

// TestUsersOfTheirOwn runs the programs as the users of docs/operations/users.acl, with the default user off. Everything works without a
// refused command, and commands that a program does not need are refused.
func TestUsersOfTheirOwn(t *testing.T) {
	t.Parallel()
	documented, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations", "users.acl"))
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users.acl")
	// The test's own user reads the log of refused commands.
	if err := os.WriteFile(users, append(documented, "user test on >test ~* &* +@all\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	server := redistest.StartAs(t, "test", "test", "--appendonly", "yes", "--aclfile", users)
	s := &system{T: t, redis: server, payload: everyChannel, client: server.Client(), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))}
	as := func(name string, env ...string) []string {
		return append([]string{"REDIS_URL=redis://" + name + ":change-me-" + name + "@" + server.Addr(), "RETENTION=1h", "KEEP_COMPLETED=20", "KEEP_FAILED=20"}, env...)
	}
	ingestOps, workerOps, adminOps := redistest.FreePort(t), redistest.FreePort(t), redistest.FreePort(t)
	ops := func(port int, path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", port, path) }
	s.serve(as("ingest", "MAX_QUEUE_DEPTH=100000", fmt.Sprint("OPS_PORT=", ingestOps))...)
	_, admin := s.admin(as("admin", fmt.Sprint("OPS_PORT=", adminOps))...)
	act := func(want int, body string) {
		t.Helper()
		if status, answer := s.call(http.MethodPost, admin+"/admin/api/actions", "operators-of-the-tests", body); status != want {
			t.Errorf("%s: HTTP %d %s", body, status, answer)
		}
	}
	act(200, `{"action":"pause","channel":"sms"}`)
	s.post(0, 200)
	s.post(0, 20) // duplicates
	// A worker that dies with jobs in flight.
	slow := s.worker("email", as("worker", "SANDBOX_LATENCY=30s", "SEND_TIMEOUT=1s", "LEASE=7s", "CONCURRENCY=5")...)
	redistest.Eventually(t, "the worker has jobs", func() bool { return s.client.ZCard(t.Context(), "{ringup:email}:inflight").Val() > 0 })
	_ = slow.cmd.Process.Kill()
	s.worker("sms", as("worker", "RATE_LIMIT=1000", "SANDBOX_FAIL=permanent:0.2,transient:0.1,throttled:0.05", "RETRY_BACKOFF=50ms,100ms", "BREAKER_OPEN_MIN=50ms",
		"BREAKER_OPEN_MAX=200ms", fmt.Sprint("OPS_PORT=", workerOps))...)
	s.worker("email", as("worker", "SANDBOX_FAIL=transient:0.1", "RETRY_BACKOFF=50ms", "BREAKER_OPEN_MIN=50ms", "BREAKER_OPEN_MAX=100ms", "MESSAGE_TTL=order_update:1ms", "LEASE=7s", "SEND_TIMEOUT=1s")...)
	whatsapp := s.worker("whatsapp", as("worker")...)
	redistest.Eventually(t, "whatsapp is sent", func() bool { return s.client.LLen(t.Context(), "{ringup:whatsapp}:outbox").Val() >= 200 })
	act(200, `{"action":"resume","channel":"sms"}`)
	redistest.Eventually(t, "all is settled", func() bool {
		status, answer := s.call(http.MethodGet, admin+"/admin/api/queues", "operators-of-the-tests", "")
		var states map[string]struct {
			Waiting         [4]int
			Retry, Inflight int
		}
		if status != 200 || json.Unmarshal([]byte(answer), &states) != nil {
			t.Fatalf("HTTP %d %s", status, answer)
		}
		left := 0
		for _, c := range states {
			left += c.Retry + c.Inflight + c.Waiting[0] + c.Waiting[1] + c.Waiting[2] + c.Waiting[3]
		}
		return left == 0
	})
	for path, want := range map[string]string{
		"/admin/api/queues/sms/failed": `"jobs":[{`, "/admin/api/queues/sms/waiting": `"total":0`, "/admin/api/queues/sms/completed": `"jobs":[{`,
		"/admin/api/queues/sms/retry": `"total":0`, "/admin/api/queues/sms/sending": `"total":0`,
		"/admin/api/job?id=w19:sms:1": `"history"`, "/admin/api/audit": `"resume"`, "/outbox": `w1`,
	} {
		if status, answer := s.call(http.MethodGet, admin+path, "operators-of-the-tests", ""); status != 200 || !strings.Contains(answer, want) {
			t.Errorf("%s: HTTP %d, no %s in %.300s", path, status, want, answer)
		}
	}
	if status, answer := s.call(http.MethodPost, admin+"/admin/api/search", "operators-of-the-tests", `{"text":"w19"}`); status != 200 || !strings.Contains(answer, `"notifications":[{`) {
		t.Errorf("a search: HTTP %d %.300s", status, answer)
	}
	s.sessionEnds(admin)
	if status, answer := s.call(http.MethodGet, s.url+"/v1/notifications/w1", "token-for-the-tests", ""); status != 200 || !strings.Contains(answer, "sent") {
		t.Errorf("HTTP %d %s", status, answer)
	}
	s.stop(whatsapp)
	s.post(1000, 20)
	for _, body := range []string{
		`{"action":"open-breaker","channel":"sms","provider":"sandbox"}`, `{"action":"close-breaker","channel":"sms","provider":"sandbox"}`,
		`{"action":"pause","channel":"sms"}`, `{"action":"retry","channel":"sms","place":"failed","filter":"w1"}`, `{"action":"delete","channel":"sms","place":"failed"}`,
		`{"action":"resume","channel":"sms"}`, `{"action":"purge","channel":"whatsapp","priority":1}`,
	} {
		act(200, body)
	}
	for _, who := range []string{"+15550001001", "c1@example.com"} {
		if status, answer := s.call(http.MethodPost, admin+"/admin/api/forget", "operators-of-the-tests", fmt.Sprintf(`{"who":%q}`, who)); status != 200 || strings.Contains(answer, `"outbox":0`) && who != "+15550001001" {
			t.Errorf("forget %s: HTTP %d %s", who, status, answer)
		}
	}
	for _, port := range []int{ingestOps, workerOps, adminOps} {
		if status, answer := s.call(http.MethodGet, ops(port, "/readyz"), "", ""); status != 200 {
			t.Errorf("HTTP %d %s", status, answer)
		}
	}
	if status, answer := s.call(http.MethodGet, ops(ingestOps, "/metrics"), "", ""); status != 200 || !strings.Contains(answer, "ringup_queue_waiting") || !strings.Contains(answer, "ringup_redis_memory_bytes") {
		t.Errorf("HTTP %d, the queues are not reported", status)
	}
	keda := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "keda", Password: "change-me-keda"})
	defer func() { _ = keda.Close() }()
	if err := keda.Eval(t.Context(), `return redis.call('LLEN', KEYS[1])`, []string{"{ringup:sms}:queue:1"}).Err(); err != nil {
		t.Errorf("KEDA: %v", err)
	}
	// ACL LIST alone was refused, by which ringup checks the default user.
	refused, err := s.client.ACLLog(t.Context(), 100).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range refused {
		if one.Object != "acl|list" && one.Object != "acl" {
			t.Errorf("%s was refused %s %q (%s), %d times", one.Username, one.Context, one.Object, one.Reason, one.Count)
		}
	}
	forbidden := [][]any{
		{"FLUSHALL"}, {"FLUSHDB"}, {"KEYS", "*"}, {"SCAN", "0"}, {"RANDOMKEY"}, {"CONFIG", "SET", "maxmemory", "1"}, {"CONFIG", "GET", "*"}, {"DEBUG", "SLEEP", "0"}, {"SHUTDOWN"},
		{"ACL", "SETUSER", "default", "on", "nopass"}, {"ACL", "LIST"}, {"MONITOR"}, {"SAVE"}, {"REPLICAOF", "127.0.0.1", "1"}, {"SCRIPT", "FLUSH"}, {"SCRIPT", "KILL"},
		{"CLIENT", "KILL", "TYPE", "normal"}, {"CLIENT", "PAUSE", "1"}, {"CLIENT", "LIST"}, {"SWAPDB", "0", "1"}, {"RENAME", "{ringup:sms}:failed", "{ringup:sms}:x"}, {"PUBLISH", "c", "m"}, {"GET", "somebody:else"},
		{"DUMP", "{ringup:sms}:failed"}, {"MIGRATE", "127.0.0.1", "1", "{ringup:sms}:failed", "0", "1"}, {"MODULE", "LOAD", "/tmp/x.so"}, {"FUNCTION", "LOAD", "x"}, {"SORT", "{ringup:sms}:queue:1"},
		{"EVAL", "return redis.call('FLUSHALL')", "0"}, {"EVAL", "return redis.call('GET', 'somebody:else')", "0"}, {"EVAL", "return redis.call('KEYS', '*')", "0"},
	}
	for _, name := range []string{"ingest", "worker", "admin", "keda"} {
		for _, command := range forbidden {
			client := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: name, Password: "change-me-" + name, Protocol: 2, DisableIdentity: true, ReadTimeout: 5 * time.Second})
			err := client.Do(t.Context(), command...).Err()
			if name == "admin" && command[0] == "SCAN" || name == "ingest" && command[0] == "RENAME" {
				_ = client.Close()
				continue // to forget a person, admin walks the names of all keys; where Redis's clock has gone back, ingest puts sets aside under another name
			}
			if err == nil || !strings.Contains(err.Error(), "NOPERM") && !strings.Contains(err.Error(), "can't access") && !strings.Contains(err.Error(), "can't run") &&
				!strings.Contains(err.Error(), "No permissions") && !strings.Contains(err.Error(), "no permissions") && !strings.Contains(err.Error(), "unknown command") && !strings.Contains(err.Error(), "command not allowed") {
				t.Errorf("%s may %v: %v", name, command, err)
			}
			_ = client.Close()
		}
	}
}

// sessionEnds signs in on admin's page, and out: as admin's user, too, a session is stored, found and deleted.
func (s *system) sessionEnds(admin string) {
	s.Helper()
	ask := func(method, path, form string, cookies []*http.Cookie) *http.Response {
		r, err := http.NewRequestWithContext(s.Context(), method, admin+path, strings.NewReader(form))
		if err != nil {
			s.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			s.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	session := ask(http.MethodPost, "/admin/login", "name=ann&token=operators-of-the-tests", nil).Cookies()
	if len(session) != 1 {
		s.Fatalf("%d cookies", len(session))
	}
	before := ask(http.MethodGet, "/admin/queues", "", session).StatusCode
	ask(http.MethodPost, "/admin/logout", "", session)
	if after := ask(http.MethodGet, "/admin/queues", "", session).StatusCode; before != http.StatusOK || after == http.StatusOK {
		s.Errorf("HTTP %d before, %d after", before, after)
	}
}
