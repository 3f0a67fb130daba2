package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/cli"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/redisqueue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/render"
	"ringup.dev/ringup/internal/secret"
)

// terminal runs `ringup queue` and `ringup forget` against the admin program's API over a real queue with three failed texts.
func terminal(t *testing.T) func(args ...string) (out string, code int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := redisqueue.Open(redisqueue.Config{
		URL: secret.String("redis://" + redistest.Start(t).Addr()), Prefix: "ringup", DedupeTTL: time.Hour, StatusTTL: time.Hour, KeepCompleted: 100, KeepFailed: 100,
		MaxCrashes: 5, OnUncertain: redisqueue.Resend,
	}, slog.New(slog.DiscardHandler))
	must(err)
	t.Cleanup(func() { _ = store.Close() })
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	consumer := store.Consumer(message.SMS, redisqueue.ConsumerConfig{Lease: 30 * time.Second, PriorityAging: time.Minute}, []string{"p"})
	for i := range 3 {
		id := fmt.Sprint("w", i)
		_, err := producer.Enqueue(t.Context(), &queue.Submission{WebhookID: id, Priority: 1, AcceptedAt: time.Now(),
			Body:     fmt.Appendf(nil, `{"id":%q,"event_type":"payment_complete","timestamp":"2024-01-01T12:00:00Z","data":{"transactionId":"TXN_%d"}}`, id, i),
			Channels: []queue.ChannelSubmission{{Channel: message.SMS, Recipients: []queue.Addressee{{To: "+15550104242", Audience: message.Customer}}}}})
		must(err)
		_, claim, err := consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
		must(err)
		_, _, err = consumer.Exchange(t.Context(), []queue.Settlement{{Claimed: claim.Jobs[0], Action: queue.Fail, Error: "permanent: invalid_recipient"}}, nil, nil)
		must(err)
	}
	renderer, err := render.New(render.Config{DefaultLocale: "en"})
	must(err)
	server := httptest.NewServer(admin.New(admin.Options{
		Config: admin.Config{Token: "right"}, Region: "US", Queues: store, Outbox: store.Outbox(0), Renderer: renderer, Log: slog.New(slog.DiscardHandler),
	}).Handler())
	t.Cleanup(server.Close)
	return func(args ...string) (string, int) {
		t.Helper()
		var out bytes.Buffer
		token := "right"
		if args[0] == "wrong token" {
			token, args = "wrong", args[1:]
		}
		env := envconfig.MapLookuper(map[string]string{"ADMIN_TOKEN": token})
		cmd := cli.Queue(env)
		if args[0] == "forget" {
			cmd, args = cli.Forget(env), args[1:]
		}
		cmd.SetArgs(append([]string{"--url", server.URL}, args...))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetIn(strings.NewReader("no\n"))
		cmd.SilenceUsage = true
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			return out.String() + err.Error(), cli.Code(err)
		}
		return out.String(), 0
	}
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

func TestForget(t *testing.T) {
	t.Parallel()
	run := terminal(t)
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
