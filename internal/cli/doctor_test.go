package cli_test

import (
	"bytes"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/cli"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/test/emulator"
)

// doctor runs ringup doctor in an environment.
func doctor(t *testing.T, env map[string]string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := cli.Doctor(envconfig.MapLookuper(env))
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	well := map[string]string{
		"REDIS_URL": "redis://" + redistest.Start(t, "--appendonly", "yes").Addr(), "WEBHOOK_SECRET": "a-secret-of-the-tests", "SMS_PROVIDER": "sandbox", "EMAIL_PROVIDER": "sandbox", "WHATSAPP_PROVIDER": "sandbox",
	}
	if out, err := doctor(t, well); err != nil || strings.Contains(out, "WRONG") || !strings.Contains(out, "sms through sandbox") || !strings.Contains(out, "clocks") {
		t.Errorf("%v: %s", err, out)
	}
	ill := map[string]string{
		"REDIS_URL": "redis://" + redistest.Start(t, "--maxmemory-policy", "allkeys-lru").Addr(), "SMS_PROVIDER": "carrier-pigeon", "EMAIL_PROVIDER": "sendgrid", "WHATSAPP_PROVIDER": "sandbox",
		"WEBHOOK_SECRET": "whsec_", "ADMIN_TOKEN": " ", "UNSUBSCRIBE_SECRET": "0123456789abcdef,",
	}
	out, err := doctor(t, ill)
	if err == nil {
		t.Error("every check passed")
	}
	for _, want := range []string{"WEBHOOK_SECRET has 6 bytes", "ADMIN_TOKEN is empty", "UNSUBSCRIBE_SECRET number 2 is empty", "carrier-pigeon", "SENDGRID_API_KEY", "noeviction", "append-only"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in:\n%s", want, out)
		}
	}
	if out, err := doctor(t, map[string]string{"REDIS_URL": "redis://127.0.0.1:1"}); err == nil || !strings.Contains(out, "set REDIS_URL") {
		t.Errorf("without Redis: %s", out)
	}
}

// TestDoctorOfOneProgram: with --program the environment is that program's alone, as in its pod: what is wrong for another one does not count, and what is wrong
// for this one does.
func TestDoctorOfOneProgram(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	for _, rules := range [][]any{{"shop", "on", ">password", "~{ringup:*", "+@all"}, {"stranger", "on", ">password", "~{another:*", "+@all"}} {
		if err := server.Client().Do(t.Context(), append([]any{"ACL", "SETUSER"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	square := emulator.NewSquareAPI()
	api := httptest.NewServer(square)
	t.Cleanup(api.Close)
	asked := map[string]string{"SQUARE_ACCESS_TOKEN": emulator.SquareToken, "SQUARE_BASE_URL": api.URL, "RESOLVE_SENDERS": "square"}
	refused, other, unnamed := maps.Clone(asked), maps.Clone(asked), maps.Clone(asked)
	refused["SQUARE_ACCESS_TOKEN"], other["RESOLVE_SENDERS"], unnamed["RESOLVE_SENDERS"] = "another", "square,stripe", ""
	shop := map[string]string{"REDIS_URL": "redis://shop:password@" + server.Addr()}
	const key = "0123456789abcdef"
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		says string // "" where all is well
	}{
		"ingest":                        {[]string{"--program=ingest"}, map[string]string{"WEBHOOK_SECRET": key}, ""},
		"ingest, without a key":         {[]string{"--program=ingest"}, nil, "WEBHOOK_SECRET"},
		"ingest, another's settings":    {[]string{"--program=ingest"}, map[string]string{"WEBHOOK_SECRET": key, "ADMIN_TOKEN": " ", "CONCURRENCY": "-1"}, ""},
		"worker":                        {[]string{"--program=worker"}, map[string]string{"CHANNEL": "sms", "SMS_PROVIDER": "sandbox"}, ""},
		"worker, without a provider":    {[]string{"--program=worker"}, map[string]string{"CHANNEL": "sms"}, "SMS_PROVIDER"},
		"worker, without a channel":     {[]string{"--program=worker"}, map[string]string{"SMS_PROVIDER": "sandbox"}, "CHANNEL"},
		"worker, another's provider":    {[]string{"--program=worker"}, map[string]string{"CHANNEL": "sms", "SMS_PROVIDER": "sandbox", "EMAIL_PROVIDER": "pigeon"}, ""},
		"admin":                         {[]string{"--program=admin"}, map[string]string{"ADMIN_TOKEN": key}, ""},
		"admin, with a token too short": {[]string{"--program=admin"}, map[string]string{"ADMIN_TOKEN": "x"}, "ADMIN_TOKEN"},
		"resolve":                       {[]string{"--program=resolve"}, asked, ""},
		"resolve, without a token":      {[]string{"--program=resolve"}, map[string]string{"RESOLVE_SENDERS": "square"}, "SQUARE_ACCESS_TOKEN"},
		"resolve, with a wrong token":   {[]string{"--program=resolve"}, refused, "the token is refused"},
		"resolve, for another sender":   {[]string{"--program=resolve"}, other, "asking stripe"},
		"resolve, for nobody":           {[]string{"--program=resolve"}, unnamed, "RESOLVE_SENDERS does not name it"},
		"a Redis user without rights":   {[]string{"--program=admin"}, map[string]string{"REDIS_URL": "redis://stranger:password@" + server.Addr()}, "users.acl"},
		"a program that there is not":   {[]string{"--program=till"}, nil, "there is no program"},
	} {
		env := maps.Clone(shop)
		maps.Copy(env, c.env)
		square.Requests()
		out, err := doctor(t, env, c.args...)
		if err != nil {
			out += err.Error()
		}
		if name == "resolve" && !slices.Equal(square.Requests(), []string{"/v2/orders/ringup-doctor", "/v2/customers/ringup-doctor"}) {
			t.Error("the token was not tried")
		}
		if (err == nil) != (c.says == "") || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}
