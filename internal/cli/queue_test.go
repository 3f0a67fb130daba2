package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/cli"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/store/envstore"
)

// terminal runs `ringup queue` against the admin program's API over a real queue with three failed texts.
func terminal(t *testing.T) func(args ...string) (out string, code int) {
	t.Helper()
	run, _ := desk(t)
	return run
}

// desk is the same, and holds a text of its own; the first of the three has cost something.
func desk(t *testing.T) (run func(args ...string) (out string, code int), hold func(id, why string)) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := redisstore.Open(redisstore.Config{
		URL: secret.String("redis://" + redistest.Start(t).Addr()), Prefix: "ringup", DedupeTTL: time.Hour, StatusTTL: time.Hour, KeepCompleted: 100, KeepFailed: 100,
		MaxCrashes: 5, OnUncertain: redisstore.Resend,
	}, slog.New(slog.DiscardHandler))
	must(err)
	t.Cleanup(func() { _ = store.Close() })
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	consumer := store.Consumer(message.SMS, redisstore.ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"p"})
	settle := func(id string, i int, settlement queue.Settlement) {
		t.Helper()
		_, err := producer.Enqueue(t.Context(), &queue.Submission{Priority: 1, AcceptedAt: time.Now(),
			Event: &event.Event{ID: id, Store: event.DefaultStore, Sender: event.SenderPOS, Type: event.PaymentComplete,
				Sale: event.Sale{TransactionID: fmt.Sprint("TXN_", i)}},
			Channels: []queue.ChannelSubmission{{Channel: message.SMS, Recipients: []message.Recipient{{Address: "+15550104242", Audience: message.Customer}}}}})
		must(err)
		_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
		must(err)
		settlement.Claimed = claim.Jobs[0]
		_, _, err = consumer.Exchange(t.Context(), []queue.Settlement{settlement}, nil, nil)
		must(err)
	}
	for i := range 3 {
		failed := queue.Settlement{Action: queue.Fail, Error: "permanent: invalid_recipient"}
		if i == 0 {
			failed.Spent = []queue.Spend{{Field: queue.SpendTotal, Micros: 15_800}, {Field: queue.SpendEvent + "payment_complete|kiosk-7\x1b\u202e", Micros: 15_800}}
		}
		settle(fmt.Sprint("w", i), i, failed)
	}
	hold = func(id, why string) {
		t.Helper()
		settle(id, 9, queue.Settlement{Action: queue.Hold, Delay: time.Hour, Error: why})
	}
	renderer, err := render.New(render.Config{}, envstore.Brand{DefaultLocale: "en"}.Directory())
	must(err)
	server := httptest.NewServer(admin.New(admin.Options{
		Config: admin.Config{Token: "right", Reveal: true}, Region: "US", Currency: "EUR", Queues: store, Outbox: store.Outbox(0), Renderer: renderer, Log: slog.New(slog.DiscardHandler),
	}).Handler())
	t.Cleanup(server.Close)
	return func(args ...string) (string, int) {
		t.Helper()
		var out bytes.Buffer
		token := "right"
		if args[0] == "wrong token" {
			token, args = "wrong", args[1:]
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
	}, hold
}

func TestQueue(t *testing.T) {
	t.Parallel()
	run := terminal(t)
	for _, tt := range []struct {
		args string
		code int
		want []string
	}{
		{"list", 0, []string{"CHANNEL", "sms", "whatsapp"}},
		{"list sms failed", 0, []string{"w0:sms:1", "w2:sms:1", "+•••4242", "invalid_recipient"}},
		{"list sms waiting", 0, []string{"none are waiting"}},
		{"list sms held", 0, []string{"none are held"}},
		{"list fax", 1, []string{"sms, email, whatsapp"}},
		{"show TXN_1", 0, []string{"w1:sms:1"}},
		{"show w1:sms:1", 0, []string{"accepted", "failed", "we received your payment"}},
		{"show nobody", 3, []string{"nothing was found"}},
		{"retry w1:sms:1", 1, []string{"Retry 1 jobs?", "nothing was done"}},
		{"retry w1:sms:1 --yes", 0, []string{"retry is done, 1 jobs"}},
		{"retry w1:sms:1 --yes", 1, []string{"is waiting"}},
		{"retry w9:sms:1 --yes", 1, []string{"not in the queue"}},
		{"retry", 2, []string{"--channel"}},
		{"retry nonsense", 2, []string{"is no job"}},
		{"retry --channel sms --match TXN_9 --yes", 3, []string{"no such job"}},
		{"retry --channel sms --match TXN_2 --yes", 0, []string{"1 jobs"}},
		{"pause sms --why wrong", 0, []string{"pause is done"}},
		{"drain sms --timeout 1ms", 1, []string{"2 left", "paused"}},
		{"resume sms", 0, []string{"resume is done"}},
		{"purge sms --yes", 0, []string{"purge is done, 2 jobs"}},
		{"drain sms", 0, []string{"sms is empty"}},
		{"delete --channel sms --yes", 0, []string{"delete is done, 1 jobs"}},
		{"list sms", 0, []string{"none are failed"}},
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

// TestHeld: what is held is listed, put back and deleted.
func TestHeld(t *testing.T) {
	t.Parallel()
	run, hold := desk(t)
	hold("h1", "quiet hours where the customer is")
	hold("h2", "the daily cap of sms is reached")
	for _, tt := range []struct {
		args string
		code int
		want []string
	}{
		{"list", 0, []string{"HELD"}},
		{"list sms held", 0, []string{"h1:sms:1", "quiet hours where", "h2:sms:1"}},
		{"drain sms", 0, []string{"but for 2 that are held"}},
		{"retry --channel sms --place held --match cap --yes", 0, []string{"retry is done, 1 jobs"}},
		{"delete --channel sms --place held --yes", 0, []string{"delete is done, 1 jobs"}},
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
	run, _ := desk(t)
	list := filepath.Join(t.TempDir(), "list.csv")
	if err := os.WriteFile(list, []byte("channel,address,why\nsms,+12025550143,stop\nsms,nobody\nfax,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"list"}, 0, []string{"nobody on sms", "nobody on email", "nobody on whatsapp"}},
		{[]string{"add", "sms", "(202) 555-0199", "--why", "by phone"}, 0, []string{"gets nothing on sms"}},
		{[]string{"add", "sms", "+12025550199"}, 3, []string{"already"}},
		{[]string{"add", "fax", "1"}, 1, []string{"none of sms"}},
		{[]string{"check", "sms", "+12025550199"}, 0, []string{"+•••0199", "operator"}},
		{[]string{"check", "whatsapp", "+12025550199"}, 3, []string{"not on the list"}},
		{[]string{"<", "+12025550199\n", "check", "sms", "-"}, 0, []string{"+•••0199"}},
		{[]string{"import", list}, 1, []string{"line 3: not a phone number", "line 4: the channel", "nothing was imported"}},
		{[]string{"import", list, "--partial"}, 0, []string{"line 3:", "1 added, 0 were there already, 2 left out"}},
		{[]string{"<", "+12025550143\n+12025550144\n", "import", "-", "--channel", "sms"}, 0, []string{"1 added, 1 were there already"}},
		{[]string{"import", "/nowhere"}, 1, []string{"no such file"}},
		{[]string{"list", "sms"}, 0, []string{"+•••0143", "stop", "+•••0199", "operator"}},
		{[]string{"export", "--channel", "sms"}, 0, []string{"channel,address,why,sender,by,since\n", "sms,'+12025550143,stop"}},
		{[]string{"export", "--channel", "fax"}, 1, []string{"none of sms"}},
		{[]string{"remove", "sms", "+12025550199"}, 1, []string{"[y/N]", "nothing was done"}},
		{[]string{"remove", "sms", "+12025550199", "--yes", "--why", "asked"}, 0, []string{"may be written to on sms again"}},
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

func TestSpending(t *testing.T) {
	t.Parallel()
	run, _ := desk(t)
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

func TestDoctor(t *testing.T) {
	t.Parallel()
	run := func(env map[string]string) (string, error) {
		var out bytes.Buffer
		cmd := cli.Doctor(envconfig.MapLookuper(env))
		cmd.SetArgs(nil)
		cmd.SetOut(&out)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	well := map[string]string{
		"REDIS_URL": "redis://" + redistest.Start(t, "--appendonly", "yes").Addr(), "WEBHOOK_SECRET": "s", "SMS_PROVIDER": "sandbox", "EMAIL_PROVIDER": "sandbox", "WHATSAPP_PROVIDER": "sandbox",
	}
	if out, err := run(well); err != nil || strings.Contains(out, "WRONG") || !strings.Contains(out, "sms through sandbox") || !strings.Contains(out, "clocks") {
		t.Errorf("%v: %s", err, out)
	}
	ill := map[string]string{
		"REDIS_URL": "redis://" + redistest.Start(t, "--maxmemory-policy", "allkeys-lru").Addr(), "SMS_PROVIDER": "carrier-pigeon", "EMAIL_PROVIDER": "sendgrid", "WHATSAPP_PROVIDER": "sandbox",
	}
	out, err := run(ill)
	if err == nil {
		t.Error("all is well")
	}
	for _, want := range []string{"WEBHOOK_SECRET", "carrier-pigeon", "SENDGRID_API_KEY", "noeviction", "append-only"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in:\n%s", want, out)
		}
	}
	if out, err := run(map[string]string{"REDIS_URL": "redis://127.0.0.1:1"}); err == nil || !strings.Contains(out, "set REDIS_URL") {
		t.Errorf("without Redis: %s", out)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	run, _ := desk(t)
	for _, tt := range []struct {
		args string
		code int
		want []string
	}{
		{"forget nobody", 1, []string{"not a phone number"}},
		{"forget +15550109999", 3, []string{"nothing was found", "3 jobs"}},
		{"forget (555)010-4242 --dry-run", 0, []string{"FOUND", "failed", "3", "suppression list"}},
		{"forget +15550104242", 1, []string{"Delete 3 jobs", "nothing was done"}},
		{"list sms failed", 0, []string{"w0:sms:1", "w2:sms:1"}},
		{"forget - --yes", 1, []string{"not a phone number"}}, // it says no
		{"forget +15550104242 --yes --why asked", 0, []string{"DELETED", "3"}},
		{"forget +15550104242 --yes", 3, []string{"nothing was found"}},
		{"list sms failed", 0, []string{"none are failed"}},
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
