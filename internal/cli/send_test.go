package cli_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/cli"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/generic"
	"ringup.dev/ringup/internal/sender/sample"
)

// send runs the command against a server that looks at what comes, and answers with a status.
func send(t *testing.T, status int, stdin string, args ...string) (payload map[string]any, out string, err error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("secret-for-the-tests"))
		mac.Write(body)
		if r.Header.Get("X-Webhook-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) || r.Header.Get("Authorization") != "Bearer token-for-the-tests" {
			t.Errorf("signed %q, token %q", r.Header.Get("X-Webhook-Signature"), r.Header.Get("Authorization"))
		}
		if r.URL.Path != "/webhooks/pos" || json.Unmarshal(body, &payload) != nil {
			t.Errorf("%s %s", r.URL.Path, body)
		}
		if _, _, err := generic.Decode(body, time.UTC, time.Now()); err != nil {
			t.Errorf("it is no valid webhook: %v", err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"status":"accepted"}`)
	}))
	defer server.Close()
	cmd := cli.Send(envconfig.MapLookuper(map[string]string{"WEBHOOK_AUTH_TOKEN": "token-for-the-tests,old-token-for-the-tests", "WEBHOOK_SECRET": "secret-for-the-tests"}))
	var printed bytes.Buffer
	cmd.SetOut(&printed)
	cmd.SetErr(io.Discard)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetArgs(append([]string{"--url", server.URL}, args...))
	err = cmd.ExecuteContext(t.Context())
	return payload, printed.String(), err
}

func TestSend(t *testing.T) {
	t.Parallel()
	payload, out, err := send(t, http.StatusAccepted, "", "--event", "order_create", "--phone", "+12025550143", "--id", "w1")
	if err != nil || !strings.Contains(out, "accepted") {
		t.Fatal(err, out)
	}
	data, _ := payload["data"].(map[string]any)
	if payload["id"] != "w1" || payload["event_type"] != "order_create" || data["customerPhone"] != "+12025550143" {
		t.Errorf("%v", payload)
	}
	payload, _, err = send(t, http.StatusAccepted, `{"event_type":"payment_complete","data":{"orderId":"O7"}}`, "--file", "-", "--nobody")
	data, _ = payload["data"].(map[string]any)
	if err != nil || payload["event_type"] != "payment_complete" || data["orderId"] != "O7" || data["customerPhone"] != "" {
		t.Errorf("%v %v", payload, err)
	}
	if _, _, err := send(t, http.StatusUnauthorized, ""); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("refused: %v", err)
	}
}

func TestSendCannot(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"no such file": {"--file", "/none"}, "no address": {"--url", "ingest"}, "nobody listens": {"--url", "http://127.0.0.1:9"},
	} {
		cmd := cli.Send(envconfig.MapLookuper(nil))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(args)
		if err := cmd.ExecuteContext(t.Context()); err == nil {
			t.Errorf("%s: succeeded", name)
		}
	}
}

// TestSendTestOrder: a test order is answered 200, which is no failure.
func TestSendTestOrder(t *testing.T) {
	t.Parallel()
	for status, taken := range map[int]bool{200: true, 202: true, 204: false, 422: false} {
		if _, _, err := send(t, status, `{"data":{"test":true}}`, "--file", "-"); (err == nil) != taken {
			t.Errorf("HTTP %d: %v", status, err)
		}
	}
}

// TestSendAs: the samples of every sender are taken by that sender with the key of its variable, or that of --key.
func TestSendAs(t *testing.T) {
	t.Parallel()
	for _, g := range catalog.Guides {
		var c catalog.Config
		*g.Keys(&c) = secret.Keys{"a key of the shop"}
		c.Square.NotificationURL = "https://hooks.example.com/webhooks/square/default"
		senders, err := catalog.New(c)
		if err != nil {
			t.Fatal(err)
		}
		from, _ := senders.Get("default", g.Name)
		topics := sample.Topics(g.Name)
		for _, given := range []struct{ env, flag string }{{"a key of the shop,an old key of the shop", ""}, {"another key of the shop", "a key of the shop"}} {
			var failed error
			taken := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				taken++
				if failed = from.Verify(&sender.Delivery{Header: r.Header, Body: body, At: time.Now()}); failed != nil || r.URL.Path != g.Path() {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			cmd := cli.Send(envconfig.MapLookuper(map[string]string{g.Variable: given.env, "SQUARE_NOTIFICATION_URL": c.Square.NotificationURL}))
			cmd.SetOut(io.Discard)
			cmd.SetErr(io.Discard)
			args := []string{"--url", server.URL, "--as", g.Name, "--topic", topics[len(topics)-1]} // of Clover one that is for its first key
			if given.flag != "" {
				args = append(args, "--key", given.flag)
			}
			cmd.SetArgs(args)
			if err := cmd.ExecuteContext(t.Context()); err != nil || failed != nil || taken != 1 {
				t.Errorf("%s %q: %v, %v", g.Name, args, err, failed)
			}
			server.Close()
		}
	}
	for _, tt := range []struct{ sender, variable, topic, path string }{
		{"loyverse", "LOYVERSE_PATH_KEY", "receipts.update", "/a-key-of-the-shop"}, {"lightspeed", "LIGHTSPEED_PATH_KEY", "sale.update", "/a-key-of-the-shop"},
		{"clover", "CLOVER_SIGNING_SECRET", "hosted_checkout", ""},
	} {
		var c catalog.Config
		*catalog.GuideOf(tt.sender).Other.Keys(&c) = secret.Keys{"a-key-of-the-shop"}
		senders, err := catalog.New(c)
		if err != nil {
			t.Fatal(err)
		}
		from, _ := senders.Get("default", tt.sender)
		verified := errors.New("nothing came")
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			rest := strings.TrimPrefix(r.URL.Path, "/webhooks/"+tt.sender+"/default")
			verified = from.Verify(&sender.Delivery{Header: r.Header, Body: body, Key: strings.TrimPrefix(rest, "/"), At: time.Now()})
			if rest != tt.path {
				t.Errorf("%s: posted to %s", tt.sender, r.URL.Path)
			}
		}))
		run := func(url string) error {
			cmd := cli.Send(envconfig.MapLookuper(map[string]string{tt.variable: "a-key-of-the-shop"}))
			cmd.SetOut(io.Discard)
			cmd.SetErr(io.Discard)
			cmd.SetArgs([]string{"--url", url, "--as", tt.sender, "--topic", tt.topic})
			return cmd.ExecuteContext(t.Context())
		}
		if err := run(server.URL); err != nil || verified != nil {
			t.Errorf("%s: %v, %v", tt.sender, err, verified)
		}
		server.Close()
		if err := run(server.URL); err == nil || strings.Contains(err.Error(), "a-key-of-the-shop") || !strings.Contains(err.Error(), server.URL) {
			t.Errorf("%s, nobody answers: %v", tt.sender, err)
		}
	}
	for name, args := range map[string][]string{
		"nobody": {"--as", "nobody", "--topic", "x"}, "no key": {"--as", "shopify", "--topic", "orders/paid"}, "no topic": {"--as", "shopify", "--key", "k"},
		"with a field of /webhooks/pos": {"--as", "shopify", "--topic", "orders/paid", "--key", "k", "--phone", "1"}, "no sender": {"--topic", "orders/paid"},
	} {
		cmd := cli.Send(envconfig.MapLookuper(nil))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(append(args, "--url", "http://127.0.0.1:9"))
		if err := cmd.ExecuteContext(t.Context()); cli.Code(err) != cli.ExitUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSenders: the command names for each sender the address to paste, the variable, and whether it is on.
func TestSenders(t *testing.T) {
	t.Parallel()
	run := func(env map[string]string, args ...string) string {
		cmd := cli.Senders(envconfig.MapLookuper(env))
		var printed bytes.Buffer
		cmd.SetOut(&printed)
		cmd.SetArgs(args)
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return printed.String()
	}
	text := run(map[string]string{"PUBLIC_URL": "https://hooks.example.com/", "SHOPIFY_WEBHOOK_SECRET": "a key of the shop"})
	for _, g := range catalog.Guides {
		if !strings.Contains(text, "https://hooks.example.com"+g.Path()+"\n") || !strings.Contains(text, g.Variable) || !strings.Contains(text, strings.Join(g.Tick, ", ")) {
			t.Errorf("%s is not whole in\n%s", g.Name, text)
		}
	}
	if strings.Count(text, " on, ") != 1 || strings.Contains(text, "a key") {
		t.Errorf("%s", text)
	}
	text = run(map[string]string{"PUBLIC_URL": "https://hooks.example.com", "LOYVERSE_PATH_KEY": "a-key-of-the-shop"})
	if strings.Count(text, " on, with the key of LOYVERSE_PATH_KEY") != 1 || !strings.Contains(text, "https://hooks.example.com/webhooks/loyverse/default/<LOYVERSE_PATH_KEY>\n") || strings.Contains(text, "a-key") {
		t.Errorf("%s", text)
	}
	var all []struct {
		Sender, Address string
		On              bool
	}
	const signed = "https://other.example.com/sq"
	if err := json.Unmarshal([]byte(run(map[string]string{"SQUARE_NOTIFICATION_URL": signed, "SQUARE_SIGNATURE_KEY": "a key of the shop"}, "--json")), &all); err != nil || len(all) != len(catalog.Guides) {
		t.Fatal(err, all)
	}
	for _, one := range all {
		if one.On != (one.Sender == "square") || (one.Address == signed) != one.On {
			t.Errorf("%+v", one)
		}
	}
}
