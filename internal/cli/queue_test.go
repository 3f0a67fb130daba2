package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/cli"
	"ringup.dev/ringup/internal/queue"
)

// terminal runs commands against the API over a real queue with three failed texts, of which the first has cost something; schedule adds a
// scheduled one.
func terminal(t *testing.T) (run func(args ...string) (out string, code int), schedule func(id, why string)) {
	t.Helper()
	f := admintest.Open(t, admin.Config{Token: "right-for-the-tests", Reveal: true})
	for i := range 3 {
		f.Settled(fmt.Sprint("w", i), fmt.Sprint("TXN_", i), queue.Settlement{Outcome: queue.Fail{Error: "permanent: invalid_recipient"}})
	}
	f.Settled("paid", "TXN_9", queue.Settlement{Outcome: queue.Done{
		Cost: queue.Cost{Event: "payment_complete", Source: "kiosk-7\x1b\u202e", Micros: 15_800}}})
	schedule = func(id, why string) {
		t.Helper()
		f.Settled(id, "TXN_9", queue.Settlement{Outcome: queue.Hold{Delay: time.Hour, Error: why}})
	}
	return commands(t, f.Handler), schedule
}

// commands runs commands against a server's API.
func commands(t *testing.T, handler http.Handler) (run func(args ...string) (out string, code int)) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return func(args ...string) (string, int) {
		t.Helper()
		var out bytes.Buffer
		token := "right-for-the-tests"
		if args[0] == "wrong token" {
			token, args = "wrong-for-the-tests", args[1:]
		}
		env, build, in := envconfig.MapLookuper(map[string]string{"ADMIN_TOKEN": token}), cli.Queue, "no\n"
		switch args[0] {
		case "suppress":
			build, args = cli.Suppress, args[1:]
		case "spending":
			build, args = cli.Spending, args[1:]
		case "forget":
			build, args = cli.Forget, args[1:]
		}
		if len(args) > 0 && args[0] == "<" {
			in, args = args[1], args[2:]
		}
		cmd := build(env)
		cmd.SetArgs(append([]string{"--url", server.URL}, args...))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetIn(strings.NewReader(in))
		cmd.SilenceUsage = true
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			return out.String() + err.Error(), cli.Code(err)
		}
		return out.String(), 0
	}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	run, _ := terminal(t)
	for _, tt := range []struct {
		args string
		code int
		want []string
	}{
		{"list", 0, []string{"CHANNEL", "sms", "whatsapp"}},
		{"list sms failed", 0, []string{"w0:sms:1", "w2:sms:1", "+•••4242", "invalid_recipient"}},
		{"list sms failed --event payment_complete --why INVALID --store default --from 2020-01-31 --to 2200-01-01T10:00 --sort oldest", 0, []string{"w0:sms:1", "12.50 USD"}},
		{"list sms failed --why outage", 0, []string{"no jobs are failed"}},
		{"list sms failed --why jo@example.com", 2, []string{"search for a number"}},
		{"list sms failed --from yesterday", 2, []string{"from is not a time"}},
		{"list --event order_create", 2, []string{"say of which channel"}},
		{"list sms waiting", 0, []string{"no jobs are waiting"}},
		{"list sms held", 0, []string{"no jobs are scheduled"}},
		{"list sms in-flight", 0, []string{"no jobs are in flight"}},
		{"list sms limbo", 1, []string{"there is no place"}},
		{"list fax", 1, []string{"sms, email, whatsapp"}},
		{"show TXN_1", 0, []string{"w1:sms:1"}},
		{"show w1:sms:1", 0, []string{"accepted", "failed", "we received your payment"}},
		{"show nobody", 3, []string{"nothing was found"}},
		{"retry w1:sms:1", 1, []string{"Retry 1 job?", "nothing was done"}},
		{"retry w1:sms:1 --yes", 0, []string{"retry is done, 1 job\n"}},
		{"retry w1:sms:1 --yes", 1, []string{"is waiting"}},
		{"retry w9:sms:1 --yes", 1, []string{"not in the queue"}},
		{"retry", 2, []string{"--channel"}},
		{"retry nonsense", 2, []string{"is no job"}},
		{"retry --channel sms --match TXN_9 --yes", 3, []string{"no such job"}},
		{"retry --channel sms --match TXN_2 --yes", 0, []string{"1 job\n"}},
		{"pause sms --why wrong", 0, []string{"pause is done"}},
		{"drain sms --timeout 1ms", 1, []string{"2 left", "paused"}},
		{"resume sms", 0, []string{"resume is done"}},
		{"purge sms --yes", 0, []string{"purge is done, 2 jobs"}},
		{"drain sms", 0, []string{"sms is empty"}},
		{"delete --channel sms --yes", 0, []string{"delete is done, 1 job\n"}},
		{"list sms", 0, []string{"no jobs are failed"}},
		{"--url nonsense list", 2, []string{"is no address"}},
		{"--url http://127.0.0.1:1 list", 1, []string{"does not answer", "port-forward"}},
	} {
		out, code := run(strings.Fields(tt.args)...)
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d: %s", tt.args, code, tt.code, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in %s", tt.args, want, out)
			}
		}
	}
	if out, code := run("wrong token", "list"); code != 1 || !strings.Contains(out, "ADMIN_TOKEN") {
		t.Errorf("with a wrong token: %d, %s", code, out)
	}
	var answer map[string]any
	if out, _ := run("list", "--json"); json.Unmarshal([]byte(out), &answer) != nil || answer["sms"] == nil {
		t.Errorf("no JSON: %s", out)
	}
}

// TestScheduled: scheduled jobs are listed, put back and deleted, by either name of their state.
func TestScheduled(t *testing.T) {
	t.Parallel()
	run, schedule := terminal(t)
	schedule("h1", "quiet hours where the customer is")
	schedule("h2", "the daily cap of sms is reached")
	for _, tt := range []struct {
		args string
		code int
		want []string
	}{
		{"list", 0, []string{"SCHEDULED"}},
		{"list sms scheduled", 0, []string{"h1:sms:1", "h2:sms:1"}},
		{"list sms held", 0, []string{"h1:sms:1", "quiet hours where", "h2:sms:1"}},
		{"drain sms", 0, []string{"except for 2 scheduled jobs"}},
		{"retry --channel sms --place held --match cap --yes", 0, []string{"retry is done, 1 job\n"}},
		{"delete --channel sms --place scheduled --yes", 0, []string{"delete is done, 1 job\n"}},
		{"delete --channel sms --place sending --yes", 1, []string{"cannot be changed"}},
		{"list sms waiting", 0, []string{"h2:sms:1"}},
	} {
		out, code := run(strings.Fields(tt.args)...)
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d: %s", tt.args, code, tt.code, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in %s", tt.args, want, out)
			}
		}
	}
}

func TestSuppress(t *testing.T) {
	t.Parallel()
	run, _ := terminal(t)
	list := filepath.Join(t.TempDir(), "list.csv")
	if err := os.WriteFile(list, []byte("channel,address,why\nsms,+12025550143,stop\nsms,nobody\nfax,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"list"}, 0, []string{"no addresses on sms", "no addresses on email", "no addresses on whatsapp"}},
		{[]string{"add", "sms", "(202) 555-0199", "--why", "by phone"}, 0, []string{"suppressed on sms from now on"}},
		{[]string{"add", "sms", "+12025550199"}, 3, []string{"already"}},
		{[]string{"add", "fax", "1"}, 1, []string{"of sms, email, whatsapp"}},
		{[]string{"check", "sms", "+12025550199"}, 0, []string{"+•••0199", "operator"}},
		{[]string{"check", "whatsapp", "+12025550199"}, 3, []string{"not on the list"}},
		{[]string{"<", "+12025550199\n", "check", "sms", "-"}, 0, []string{"+•••0199"}},
		{[]string{"import", list}, 1, []string{"line 3: not a phone number", "line 4: the channel", "nothing was imported"}},
		{[]string{"import", list, "--partial"}, 0, []string{"line 3:", "1 added, 0 were there already, 2 left out"}},
		{[]string{"<", "+12025550143\n+12025550144\n", "import", "-", "--channel", "sms"}, 0, []string{"2 added, 0 were there already"}},
		{[]string{"import", "/nowhere"}, 1, []string{"no such file"}},
		{[]string{"list", "sms"}, 0, []string{"+•••0143", "stop", "+•••0199", "operator"}},
		{[]string{"export", "--channel", "sms"}, 0, []string{"channel,address,key,why,sender,by,since,opted_in\n", "sms,'+•••0143,", ",stop,"}},
		{[]string{"export", "--channel", "fax"}, 1, []string{"of sms, email, whatsapp"}},
		{[]string{"remove", "sms", "+12025550143", "--reason", "stop", "--by", "twilio", "--yes"}, 3, []string{"not on the list"}},
		{[]string{"remove", "sms", "+12025550143", "--reason", "stop", "--sender", "*", "--yes"}, 0, []string{"the entries were taken off the list of sms"}},
		{[]string{"check", "sms", "+12025550143"}, 0, []string{"+•••0143", "import", "all"}},
		{[]string{"remove", "sms", "+12025550199"}, 1, []string{"[y/N]", "nothing was done"}},
		{[]string{"remove", "sms", "+12025550199", "--yes", "--why", "asked"}, 0, []string{"not suppressed on sms any more"}},
		{[]string{"remove", "sms", "+12025550199", "--yes"}, 3, []string{"not on the list"}},
	} {
		out, code := run(append([]string{"suppress"}, tt.args...)...)
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d: %s", tt.args, code, tt.code, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in %s", tt.args, want, out)
			}
		}
	}
}

// TestNames: what `queue show` prints has the names that the pages have, and not those of programs.
func TestNames(t *testing.T) {
	t.Parallel()
	f := admintest.OpenWith(t, admintest.Options{Config: admin.Config{Token: "right-for-the-tests"}, Fallback: map[string]string{"sms": "whatsapp"}})
	run := commands(t, f.Handler)
	f.Settled("hours", "TXN_1", queue.Settlement{Outcome: queue.Hold{Delay: time.Hour, Error: "quiet hours"}})
	f.Settled("falls", "TXN_2", queue.Settlement{Outcome: queue.Fail{Error: "permanent", FallBack: true}})
	for _, tt := range []struct{ args, want, not string }{
		{"show hours:sms:1", `(?m)  scheduled +quiet hours$`, `\bheld\b`},
		{"show hours", `(?m)^hours:sms:1 +scheduled +\+`, `\bheld\b`},
		{"show falls:sms:1", `(?m)  fell back to another channel +falls:sms:1:whatsapp:1$`, `\bmoved\b`},
		{"show falls:sms:1:whatsapp:1", `(?m)^fell back from falls:sms:1$`, `\bmoved\b`},
	} {
		out, code := run(strings.Fields(tt.args)...)
		if code != 0 || !regexp.MustCompile(tt.want).MatchString(out) || regexp.MustCompile(tt.not).MatchString(out) {
			t.Errorf("%s: %d, want %s and not %s in:\n%s", tt.args, code, tt.want, tt.not, out)
		}
	}
}

// TestOtherAdmin: a command that cannot read the state of a queue says so. It neither ends in a panic nor takes the queue for empty.
func TestOtherAdmin(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{`{"sms":{}}`: "nothing of the queue of sms", `{"sms":null}`: "nothing of the queue of sms", `{}`: "there is no channel"} {
		run := commands(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		if out, code := run("drain", "sms", "--timeout", "1ms"); code == 0 || !strings.Contains(out, want) {
			t.Errorf("drain, after %s: %d, %s", answer, code, out)
		}
		if out, code := run("list"); (code == 0) != (answer == "{}") || strings.Contains(out, "\nsms") {
			t.Errorf("list, after %s: %d, %s", answer, code, out)
		}
	}
}

// TestMore: a change that stops at its limit is asked for again until there are no more jobs, and not for ever.
func TestMore(t *testing.T) {
	t.Parallel()
	var left []int
	run := commands(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var x admin.ActionRequest
		if err := json.NewDecoder(r.Body).Decode(&x); err != nil {
			t.Error(err)
		}
		answer := admin.ActionResult{Action: x.Name, Channel: x.Channel, Jobs: left[0], More: len(left) > 1, DryRun: x.DryRun}
		if !x.DryRun {
			left = left[1:]
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	for _, tt := range []struct {
		jobs []int
		want string
	}{{[]int{20_000}, "purge is done, 20,000 jobs"}, {[]int{10_000, 10_000, 7}, "purge is done, 20,007 jobs"}, {[]int{5, 0, 9}, "purge is done, 5 jobs"}} {
		left = tt.jobs
		if out, code := run("purge", "sms", "--yes"); code != 0 || !strings.Contains(out, tt.want) {
			t.Errorf("%v: %d, %s", tt.jobs, code, out)
		}
	}
	left = []int{10_000, 7}
	if out, _ := run("purge", "sms"); !strings.Contains(out, "10,000 jobs or more") {
		t.Error(out)
	}
}

func TestSpending(t *testing.T) {
	t.Parallel()
	run, _ := terminal(t)
	if out, code := run("spending", "--days", "2"); code != 0 || !strings.Contains(out, "EUR") || strings.Count(out, "0.0158") != 3 || !strings.Contains(out, "kiosk-7  0") {
		t.Errorf("%d: %s", code, out)
	}
	if out, code := run("spending", "--days", "99"); code != 1 || !strings.Contains(out, "1 to 40") {
		t.Errorf("%d: %s", code, out)
	}
	var answer map[string]any
	if out, _ := run("spending", "--json"); json.Unmarshal([]byte(out), &answer) != nil || answer["currency"] != "EUR" {
		t.Errorf("no JSON: %s", out)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	run, _ := terminal(t)
	for _, tt := range []struct {
		args string
		code int
		want []string
	}{
		{"forget nobody", 1, []string{"not a phone number"}},
		{"forget +15550109999", 3, []string{"nothing was found", "4 jobs"}},
		{"forget (555)010-4242 --dry-run", 0, []string{"FOUND", "failed", "3", "suppression list"}},
		{"forget +15550104242", 1, []string{"Delete 4 jobs", "nothing was done"}},
		{"list sms failed", 0, []string{"w0:sms:1", "w2:sms:1"}},
		{"forget - --yes", 1, []string{"not a phone number"}}, // it says no
		{"forget +15550104242 --yes --why asked", 0, []string{"DELETED", "3"}},
		{"forget +15550104242 --yes", 3, []string{"nothing was found"}},
		{"list sms failed", 0, []string{"no jobs are failed"}},
		{"show w0:sms:1", 0, []string{"accepted"}}, // its record is left, masked
	} {
		out, code := run(strings.Fields(tt.args)...)
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d: %s", tt.args, code, tt.code, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in %s", tt.args, want, out)
			}
		}
		if tt.code != 3 && strings.Contains(out, "0104242") {
			t.Errorf("%s: the address is printed: %s", tt.args, out)
		}
	}
}
