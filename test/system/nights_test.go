package system

import (
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/test/emulator"
)

// status runs `ringup status` against an admin until it says all of some texts, and checks that its exit code agrees.
func (s *system) status(admin string, wants ...string) {
	s.Helper()
	said := ""
	defer func() {
		if s.Failed() {
			s.Logf("ringup status says: %s", said)
		}
	}()
	redistest.Eventually(s, "ringup status says "+strings.Join(wants, " and "), func() bool {
		cmd := exec.CommandContext(s.Context(), filepath.Join(bin, "ringup"), "status")
		cmd.Env = []string{"RINGUP_URL=" + admin, "ADMIN_TOKEN=operators-of-the-tests"}
		out, err := cmd.Output()
		said = string(out)
		for _, want := range wants {
			if !strings.Contains(said, want) {
				return false
			}
		}
		var exit *exec.ExitError
		code := 0
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		if well := strings.HasPrefix(said, "All is well"); well != (code == 0) || !well && code != 1 {
			s.Fatalf("exit code %d: %s", code, said)
		}
		return true
	})
}

// TestNightsOfProviders: what `ringup status` says where a provider is down, where it refuses the account, and where every message fails.
func TestNightsOfProviders(t *testing.T) {
	t.Parallel()
	s := start(t, "KEEP_FAILED=3")
	p := emulate(t)
	_, admin := s.admin("KEEP_FAILED=3")
	s.status(admin, "All is well: nothing to send in the last hour")
	p.Fail(emulator.Fault{Provider: "twilio", Probes: true, Refusal: emulator.Refusal{Status: http.StatusServiceUnavailable}},
		emulator.Fault{Provider: "whatsapp", Probes: true, Refusal: emulator.Refusal{Status: http.StatusUnauthorized, Code: "190"}})
	s.post(0, 12)
	quick := []string{"BREAKER_FAILURES=3", "RETRY_BACKOFF=100ms,100ms,100ms,100ms", "KEEP_FAILED=3"}
	s.worker("sms", p.with(append(quick, "SMS_PROVIDER=twilio")...)...)
	s.worker("whatsapp", p.with(append(quick, "WHATSAPP_PROVIDER=business")...)...)
	s.worker("email", append(quick, "SANDBOX_FAIL=permanent:1")...)
	s.status(admin, "SMS", "Twilio has been down since ", "WhatsApp Cloud API has been down since ", "12 of 12 failed in the last 5 min", "9 failed messages of the last hour fell off the end of Failed", "KEEP_FAILED (3)",
		"next try in ", "other trouble")
}

// TestNightsOfTheShop: what it says of a channel that is paused, of one without a worker, and of a full Redis; and that all is well afterwards.
func TestNightsOfTheShop(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, admin := s.admin()
	pause := func(action string) {
		t.Helper()
		if code, answer := s.call(http.MethodPost, admin+"/admin/api/actions", "operators-of-the-tests", `{"action":"`+action+`","channel":"sms","why":"wrong text"}`); code != http.StatusOK {
			t.Fatalf("%s: HTTP %d %s", action, code, answer)
		}
	}
	pause("pause")
	s.post(0, 4)
	// Nobody waits here for minutes: the e-mail was accepted five minutes ago.
	old := func() {
		for list := 1; list <= 4; list++ {
			key := "{ringup:email}:queue:" + strconv.Itoa(list)
			if job, err := s.client.LIndex(t.Context(), key, 0).Bytes(); err == nil {
				at := time.Now().Add(-5 * time.Minute).UnixMilli()
				for i := range 6 {
					job[5+i] = byte(at >> (8 * (5 - i)))
				}
				s.client.LSet(t.Context(), key, 0, job)
			}
		}
		keys, _ := s.client.Keys(t.Context(), "{ringup:email}:minutes:*").Result()
		s.client.Del(t.Context(), keys...)
	}
	old()
	s.status(admin, "no worker runs, 4 wait, the oldest for 5 min", "paused by ", "wrong text, 4 wait")
	used, err := s.client.Info(t.Context(), "memory").Result()
	_, used, _ = strings.Cut(used, "used_memory:")
	used, _, _ = strings.Cut(used, "\r\n")
	if err != nil || s.client.ConfigSet(t.Context(), "maxmemory", used).Err() != nil {
		t.Fatal(err)
	}
	s.status(admin, "Redis is full")
	if err := s.postOne(5); err == nil {
		t.Error("a full Redis took a webhook")
	}
	if err := s.client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	pause("resume")
	for _, c := range channels {
		s.worker(c)
		s.arrives(c, 4)
	}
	s.status(admin, "All is well: 12 sent in the last hour")
}
