package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/cli"
	"ringup.dev/ringup/internal/queue"
)

// TestMisuse: whatever is wrong with a command line, the program says what, and ends with 2, so that a script can tell it from what could not be done.
func TestMisuse(t *testing.T) {
	t.Parallel()
	env := envconfig.MapLookuper(nil)
	run := func(args ...string) (string, error) {
		root := cli.Root(cli.Send(env), cli.Queue(env), cli.Suppress(env), cli.Spending(env), cli.Forget(env), cli.Doctor(env), cli.Render(env), cli.Senders(env), cli.Status(env), cli.Search(env), cli.Tail(env), cli.Version())
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(io.Discard)
		root.SetIn(strings.NewReader(""))
		root.SetArgs(args)
		return out.String(), root.ExecuteContext(t.Context())
	}
	for line, says := range map[string]string{
		"nonsense": "has no command", "quue": "did you mean queue?", "queue nonsense": "ringup queue has no command", "senders lgo": "did you mean log?", "suppress nonsense": "has no command",
		"forget": "accepts 1 arg", "forget a b": "accepts 1 arg", "suppress check sms": "accepts 2 arg", "queue list sms failed x": "at most 2", "queue pause": "accepts 1 arg",
		"send extra": "takes no arguments", "senders log extra": "takes no arguments", "spending x": "takes no arguments", "doctor x": "takes no arguments", "render x": "takes no arguments",
		"send --nope": "unknown flag", "senders log --nope": "unknown flag", "queue --nope": "unknown flag", "spending --days x": "invalid argument", "nonsense --nope": "",
		"doctor --program x": "ingest, admin, worker", "send --as x": "shopify, woocommerce", "send --as shopify": "SHOPIFY_WEBHOOK_SECRET", "send --key k": "go with --as", "send --topic orders/paid": "go with --as",
		"send --as shopify --key k": "orders/paid", "send --as shopify --topic ../x --key k": "orders/paid", "send --as shopify --topic orders/paid --key k --nobody": "alone",
		"send --url ingest": "address of ingest", "send --url ftp://ingest": "address of ingest", "send --as shopify --topic orders/paid --key k --url localhost:3000": "address of ingest",
		"senders log --url admin": "is no address", "render --event nope": "is not one of", "completion nonsense": "has no command", "status x": "takes no arguments", "status --watch=x": "invalid argument", "search": "accepts 1 arg", "search a b": "accepts 1 arg", "search a --since x": "invalid argument",
		"version x": "takes no arguments", "tail x": "takes no arguments", "tail --since x": "invalid argument", "status --url admin": "is no address",
	} {
		if _, err := run(strings.Fields(line)...); cli.Code(err) != cli.ExitUsage || !strings.Contains(err.Error(), says) {
			t.Errorf("ringup %s: code %d, %v", line, cli.Code(err), err)
		}
	}
	for _, action := range []string{"replay", "delete"} {
		if _, err := run("senders", action, "--yes", ""); cli.Code(err) != cli.ExitUsage {
			t.Errorf("an id that is empty: %v", err)
		}
	}
	for _, line := range []string{"", "queue", "suppress", "help", "help queue", "senders --help", "completion", "version"} {
		if _, err := run(strings.Fields(line)...); err != nil {
			t.Errorf("ringup %s: %v", line, err)
		}
	}
}

// TestCompletion: a shell is told the channels, states, statuses and events wherever a command takes one.
func TestCompletion(t *testing.T) {
	t.Parallel()
	env := envconfig.MapLookuper(nil)
	for line, want := range map[string]string{
		"queue list": "sms", "queue list sms": "in-flight", "queue pause": "whatsapp", "queue purge": "email", "queue drain": "sms", "queue retry --channel": "sms", "suppress check": "email",
		"suppress list": "sms", "suppress import --channel": "sms", "search x --status": "delivered", "search x --channel": "sms", "render --event": "refund_complete", "render --channel": "sms",
		"send --event": "pos_save", "doctor --program": "resolve",
	} {
		root := cli.Root(cli.Send(env), cli.Queue(env), cli.Suppress(env), cli.Doctor(env), cli.Render(env), cli.Search(env))
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(io.Discard)
		root.SetArgs(append(append([]string{"__complete"}, strings.Fields(line)...), ""))
		if err := root.ExecuteContext(t.Context()); err != nil || !strings.Contains("\n"+out.String(), "\n"+want+"\n") {
			t.Errorf("ringup %s: %v, %q", line, err, out.String())
		}
	}
}

// TestStatus: RINGUP_URL says where admin is, the verdict decides about the exit code, and what is no terminal gets no colours.
func TestStatus(t *testing.T) {
	t.Parallel()
	level := "failing"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"level":%q,"text":"SMS: no worker runs","channels":[{"channel":"sms","level":%q,"text":"no worker runs"}],"others":[]}`, level, level)
	}))
	defer server.Close()
	env := envconfig.MapLookuper(map[string]string{"RINGUP_URL": server.URL, "ADMIN_TOKEN": "right-for-the-tests"})
	for _, test := range []struct {
		level string
		code  int
	}{{"failing", cli.ExitFailed}, {"attention", cli.ExitFailed}, {"of a later version", cli.ExitFailed}, {"well", 0}} {
		level = test.level
		root := cli.Root(cli.Status(env))
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs([]string{"status"})
		err := root.ExecuteContext(t.Context())
		if (err == nil) != (test.code == 0) || err != nil && cli.Code(err) != test.code || !strings.Contains(out.String(), "no worker runs") || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: %v, %q", test.level, err, out.String())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	root := cli.Root(cli.Status(env))
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"status", "--watch"})
	if err := root.ExecuteContext(ctx); err != nil || strings.Count(out.String(), "no worker runs") != 2 {
		t.Errorf("watched: %v, %q", err, out.String())
	}
}

// TestTail: each event of a message is printed once, in the order in which they happened, and those of before only where they are asked for.
func TestTail(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{"tail": "dropped sent failed delivered", "tail --channel sms --since 5m": "retry dropped sent delivered", "tail --json": "dropped sent failed delivered"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			now, asked := time.Now(), atomic.Int32{}
			event := func(ago time.Duration, what string) queue.Event { return queue.Event{At: now.Add(-ago), What: what} }
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				history := []queue.Event{event(time.Hour, "accepted"), event(2*time.Minute, "retry"), event(-40*time.Second, "sent\x1b[2J")}
				if asked.Add(1) > 1 {
					history = append(history, event(-time.Minute, "delivered"))
				}
				_ = json.NewEncoder(w).Encode(admin.Latest{Webhooks: []admin.FoundWebhook{
					{ID: "b", Notifications: []queue.Notification{{ID: "b:sms:1", Channel: "sms", History: history}, {ID: "b:email:1", Channel: "email", History: []queue.Event{event(-50*time.Second, "failed")}}}},
					{ID: "a", Notifications: []queue.Notification{{ID: "a:sms:1", Channel: "sms", History: []queue.Event{event(-30*time.Second, "dropped")}}}},
				}})
			}))
			defer server.Close()
			env := envconfig.MapLookuper(map[string]string{"RINGUP_URL": server.URL, "ADMIN_TOKEN": "right-for-the-tests"})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			root := cli.Root(cli.Tail(env))
			var out bytes.Buffer
			root.SetOut(&out)
			root.SetErr(io.Discard)
			root.SetArgs(strings.Fields(line))
			err := root.ExecuteContext(ctx)
			got := strings.Join(regexp.MustCompile(`accepted|retry|dropped|sent|failed|delivered`).FindAllString(out.String(), -1), " ")
			if err != nil || got != want || strings.Contains(out.String(), "\x1b") {
				t.Errorf("%v, %q: %s", err, got, out.String())
			}
		})
	}
}
