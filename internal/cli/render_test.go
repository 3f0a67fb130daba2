package cli_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/cli"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/preview"
)

// rendered runs the command, and returns what it prints and its exit code.
func rendered(t *testing.T, env map[string]string, stdin string, args ...string) (out string, code int) {
	t.Helper()
	all := map[string]string{"BUSINESS_NAME": "Luna Coffee", "PRICES": "sms=0.0079,sms:+44=0.04"}
	maps.Copy(all, env)
	cmd := cli.Render(envconfig.MapLookuper(all))
	var printed bytes.Buffer
	cmd.SetOut(&printed)
	cmd.SetErr(&printed)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		return printed.String() + err.Error(), cli.Code(err)
	}
	return printed.String(), 0
}

// TestRenderAll: each event type is rendered on every channel for both audiences, in every form, full and bare.
func TestRenderAll(t *testing.T) {
	t.Parallel()
	for _, kind := range event.Types {
		for _, bare := range []bool{false, true} {
			args := []string{"--event", string(kind), "--json", "--locale", "de"}
			if bare {
				args = append(args, "--bare")
			}
			out, code := rendered(t, nil, "", args...)
			var r preview.Result
			if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
				t.Fatalf("%s: %v, code %d: %s", kind, err, code, out)
			}
			if r.Event != kind || len(r.Messages) != len(message.Channels)*len(message.Audiences) {
				t.Errorf("%s: %d messages of %s", kind, len(r.Messages), r.Event)
			}
			for _, m := range r.Messages {
				mail := m.Channel == message.Email
				if m.Text == "" || m.Problem != "" || mail != (m.Subject != "" && m.HTML != "") || (m.Channel == message.SMS) != (m.Segments == 1 && m.Cost != "") {
					t.Errorf("%s: %+v", kind, m)
				}
				if strings.Contains(m.Text, "John") == bare {
					t.Errorf("%s, bare (%t): %s", kind, bare, m.Text)
				}
			}
		}
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	templates := t.TempDir()
	if err := os.WriteFile(filepath.Join(templates, "words.en.txt"), []byte(`{{define "greeting"}}Dear {{.CustomerName}}, {{end}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const payload = `{"id":"w1","event_type":"pos_save","timestamp":"soon","source":"till","data":{"transactionId":"T","amount":5,"currency":"GBP","customerName":"\u001b[31mJane",` +
		`"customerPhone":"+447700900123","customerEmail":"jane","orderId":"O"}}`
	for name, tt := range map[string]struct {
		env    map[string]string
		stdin  string
		args   []string
		want   []string
		absent []string
	}{
		"the sample": {args: nil, want: []string{"sms for the customer, to +•••7890, 1 segment, 0.0079 USD\n  | Luna Coffee: Hi John Doe,", "email for the staff\n  subject: [Luna Coffee]",
			"\n  | - Espresso (double, oat milk): 2 × $3.25 = $6.50\n", "*Luna Coffee*"}, absent: []string{"note", "skipped", "<"}},
		"one message": {args: []string{"--event", "refund_complete", "--channel", "whatsapp", "--audience", "staff", "--locale", "es"},
			want: []string{"whatsapp for the staff\n", "125,50"}, absent: []string{"sms", "email", "customer"}},
		"the HTML": {args: []string{"--audience", "customer", "--html"}, want: []string{"<!doctype html>", "$125.50"}, absent: []string{"subject: "}},
		"own words": {env: map[string]string{"TEMPLATES_DIR": templates}, args: []string{"--channel", "sms", "--audience", "customer"},
			want: []string{"Luna Coffee: Dear John Doe, here is"}},
		"a payload": {stdin: payload, args: []string{"--file", "-"}, env: map[string]string{"ALLOWED_COUNTRIES": "GB", "PRICE_CURRENCY": "EUR"},
			want: []string{"note     timestamp: ", "skipped  email to •••: not an e-mail address", "to +•••0123, 1 segment, 0.04 EUR", "£5.00", "email for the customer\n"}, absent: []string{"\x1b"}},
		"a country that is not allowed": {stdin: payload, args: []string{"--file", "-", "--channel", "sms"}, want: []string{"skipped  sms to +•••0123: ", "0.0079 USD"}, absent: []string{"skipped  email"}},
		"staff": {env: map[string]string{"SMS_DEFAULT_RECIPIENTS": "+442071838750", "CHANNELS": "sms"}, args: []string{"--audience", "staff"},
			want: []string{"sms for the staff, to +•••8750, 1 segment, 0.04 USD", "whatsapp for the staff\n"}},
		"the unsubscribe link": {env: map[string]string{"PUBLIC_URL": "https://hooks.example.com", "UNSUBSCRIBE_SECRET": "secret-for-the-tests"}, args: []string{"--channel", "email"},
			want: []string{"https://hooks.example.com/unsubscribe/"}},
	} {
		out, code := rendered(t, tt.env, tt.stdin, tt.args...)
		if code != 0 {
			t.Errorf("%s: code %d: %s", name, code, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in:\n%s", name, want, out)
			}
		}
		for _, absent := range tt.absent {
			if strings.Contains(out, absent) {
				t.Errorf("%s: %q in:\n%s", name, absent, out)
			}
		}
	}
}

// TestRenderCannot: errors say what to do, and are told apart by their codes.
func TestRenderCannot(t *testing.T) {
	t.Parallel()
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "pos_save.sms.customer.en.txt"), []byte("{{.Nothing}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		env   map[string]string
		stdin string
		args  []string
		code  int
		want  string
	}{
		"event":              {args: []string{"--event", "sale"}, code: cli.ExitUsage, want: `event type "sale" is not one of payment_complete`},
		"channel":            {args: []string{"--channel", "fax"}, code: cli.ExitUsage, want: "sms, email, whatsapp"},
		"audience":           {args: []string{"--audience", "all"}, code: cli.ExitUsage, want: "customer, staff"},
		"HTML of an SMS":     {args: []string{"--html", "--channel", "sms"}, code: cli.ExitUsage, want: "--html is of e-mails"},
		"two forms":          {args: []string{"--html", "--json"}, code: cli.ExitUsage, want: "leave one of them out"},
		"event and payload":  {args: []string{"--event", "pos_save", "--file", "-"}, stdin: "{}", code: cli.ExitUsage, want: "leave --event out"},
		"bare payload":       {args: []string{"--bare", "--file", "-"}, stdin: "{}", code: cli.ExitUsage, want: "leave --file out"},
		"no file":            {args: []string{"--file", "/none"}, code: cli.ExitFailed, want: "/none"},
		"empty file":         {args: []string{"--file", "-"}, code: cli.ExitFailed, want: "- is empty"},
		"no JSON":            {args: []string{"--file", "-"}, stdin: "{", code: cli.ExitFailed, want: "not valid JSON"},
		"no webhook":         {args: []string{"--file", "-"}, stdin: `{"event_type":"pos_save"}`, code: cli.ExitFailed, want: "id: "},
		"too large":          {args: []string{"--file", "-"}, stdin: strings.Repeat(" ", preview.MaxPayload+1), code: cli.ExitFailed, want: "larger than 1024 KiB"},
		"a setting":          {env: map[string]string{"DEFAULT_TIMEZONE": "Mars"}, code: cli.ExitFailed, want: "DEFAULT_TIMEZONE"},
		"a template":         {env: map[string]string{"TEMPLATES_DIR": broken}, code: cli.ExitFailed, want: "pos_save.sms.customer.en.txt"},
		"prices":             {env: map[string]string{"PRICES": "sms"}, code: cli.ExitFailed, want: "PRICES"},
		"default recipients": {env: map[string]string{"SMS_DEFAULT_RECIPIENTS": "x"}, code: cli.ExitFailed, want: "SMS_DEFAULT_RECIPIENTS"},
	} {
		if out, code := rendered(t, tt.env, tt.stdin, tt.args...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: code %d, want %d and %q: %s", name, code, tt.code, tt.want, out)
		}
	}
}

// TestRenderAsLongAsTheProviderTakes: a text is as long as the configured providers take: Meta takes more than Twilio.
func TestRenderAsLongAsTheProviderTakes(t *testing.T) {
	t.Parallel()
	items := strings.Repeat(`{"name":"Flat white","quantity":2,"price":4.5},`, 70)
	payload := `{"id":"w","event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","data":{"items":[` + strings.TrimSuffix(items, ",") + `]}}`
	for providers, whole := range map[string]bool{"business": true, "business,sandbox": true, "twilio": false, "business,twilio": false, "": false} {
		out, code := rendered(t, map[string]string{"WHATSAPP_PROVIDER": providers, "SMS_PROVIDER": "aws"}, payload, "--file", "-", "--channel", "whatsapp", "--audience", "customer")
		if code != 0 || strings.Contains(out, " more\n") == whole || strings.Contains(out, "Flat white") == false {
			t.Errorf("%q: code %d: %s", providers, code, out)
		}
	}
}
