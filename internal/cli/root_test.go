package cli_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/cli"
)

// TestMisuse: whatever is wrong with a command line, the program says what, and ends with 2, so that a script can tell it from what could not be done.
func TestMisuse(t *testing.T) {
	t.Parallel()
	env := envconfig.MapLookuper(nil)
	run := func(args ...string) (string, error) {
		root := cli.Root(cli.Send(env), cli.Queue(env), cli.Suppress(env), cli.Spending(env), cli.Forget(env), cli.Doctor(env), cli.Render(env), cli.Senders(env))
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
		"senders log --url admin": "is no address", "render --event nope": "is not one of", "completion nonsense": "has no command",
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
	for _, line := range []string{"", "queue", "suppress", "help", "help queue", "senders --help", "completion"} {
		if _, err := run(strings.Fields(line)...); err != nil {
			t.Errorf("ringup %s: %v", line, err)
		}
	}
}
