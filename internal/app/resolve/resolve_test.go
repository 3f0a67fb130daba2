package resolve_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/app/resolve"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/test/emulator"
)

const (
	signatureKey = "a-signature-key-of-square"
	subscription = "https://hooks.example.com/webhooks/square/default"
)

type program interface{ Run(context.Context) error }

// run runs a program until the test ends.
func run(t *testing.T, p program) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// post posts a webhook of Square, signed.
func post(t *testing.T, address, body string) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(signatureKey))
	mac.Write([]byte(subscription))
	mac.Write([]byte(body))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+strings.Replace(address, "[::]", "127.0.0.1", 1)+"/webhooks/square/default", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Square-Hmacsha256-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("HTTP %d", resp.StatusCode)
	}
}

func sample(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("../../sender/square/testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// users runs a Redis with the users of docs/operations/users.acl. At the end of the test none of them was refused a command.
func users(t *testing.T) *redistest.Server {
	t.Helper()
	documented, err := os.ReadFile("../../../docs/operations/users.acl")
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/users.acl"
	if err := os.WriteFile(path, append(documented, "user test on >test ~* &* +@all\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	server := redistest.StartAs(t, "test", "test", "--aclfile", path)
	t.Cleanup(func() {
		if log, err := server.Client().ACLLog(context.Background(), 10).Result(); err != nil || len(log) > 0 {
			t.Errorf("refused: %+v, %v", log, err)
		}
	})
	return server
}

// shop runs ingest, whose webhooks of Square are completed by an API, and returns it, its Redis, and the environment of resolve.
func shop(t *testing.T, api http.Handler) (*ingest.Ingest, *redisstore.Store, map[string]string) {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	addr := users(t).Addr()
	as := func(user, password string) string { return "redis://" + user + ":" + password + "@" + addr }
	env := map[string]string{
		"OPS_PORT": "0", "PORT": "0", "CHANNELS": "sms,email", "RETRY_BACKOFF": "10ms", "BREAKER_FAILURES": "100",
	}
	forIngest, forResolve := maps.Clone(env), maps.Clone(env)
	maps.Copy(forIngest, map[string]string{"REDIS_URL": as("ingest", "change-me-ingest"), "SQUARE_SIGNATURE_KEY": signatureKey, "SQUARE_NOTIFICATION_URL": subscription, "RESOLVE_SENDERS": "square"})
	maps.Copy(forResolve, map[string]string{"REDIS_URL": as("worker", "change-me-worker"), "SQUARE_ACCESS_TOKEN": emulator.SquareToken, "SQUARE_BASE_URL": server.URL})
	c, err := ingest.Load(t.Context(), envconfig.MapLookuper(forIngest))
	if err != nil {
		t.Fatal(err)
	}
	i, err := ingest.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, i)
	c.Redis.URL = secret.String(as("test", "test"))
	store, err := redisstore.Open(c.Redis, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return i, store, forResolve
}

// start runs resolve.
func start(t *testing.T, env map[string]string) {
	t.Helper()
	c, err := resolve.Load(t.Context(), envconfig.MapLookuper(env))
	if err != nil {
		t.Fatal(err)
	}
	r, err := resolve.New(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, r)
}

// waiting returns how many jobs wait in a queue.
func waiting(t *testing.T, store *redisstore.Store, of message.Channel) (n int64) {
	t.Helper()
	d, err := store.Depth(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return d.Waiting[0] + d.Waiting[1] + d.Waiting[2] + d.Waiting[3]
}

// TestFromTheWebhookToTheMessages: a payment that comes twice, while Square is down, becomes one receipt with lines, to the number that only Square knows.
func TestFromTheWebhookToTheMessages(t *testing.T) {
	t.Parallel()
	api := emulator.NewSquareAPI()
	api.Put("/v2/orders/oRdTest00000000000000000001", sample(t, "api-order"))
	api.Put("/v2/customers/CUSTEST00000000000000001", sample(t, "api-customer"))
	api.Fail(emulator.APIFault{Status: 503, Times: 1}, emulator.APIFault{Times: 1})
	i, store, env := shop(t, api)
	for range 2 {
		post(t, i.Addr(), sample(t, "payment.updated"))
	}
	if waiting(t, store, message.Resolve) != 1 || waiting(t, store, message.SMS) != 0 {
		t.Fatalf("%d to resolve, %d on SMS", waiting(t, store, message.Resolve), waiting(t, store, message.SMS))
	}
	start(t, env)
	redistest.Eventually(t, "the messages wait", func() bool { return waiting(t, store, message.SMS) == 1 && waiting(t, store, message.Email) == 1 })
	jobs, err := store.List(t.Context(), message.SMS, queue.Waiting, 1, 0, 10)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%v, %v", jobs, err)
	}
	e, err := jobs[0].Job.Event()
	if err != nil || jobs[0].Job.Recipient != "+12025550142" || len(e.Items) != 3 || e.Lookup != "" {
		t.Errorf("%+v, %v", e, err)
	}
	redistest.Eventually(t, "the job is at its end", func() bool {
		d, err := store.Depth(t.Context(), message.Resolve)
		return err == nil && d.Completed == 1 && d.Retry+d.Inflight+d.Failed == 0
	})
	post(t, i.Addr(), sample(t, "payment.updated"))
	if waiting(t, store, message.Resolve) != 0 || waiting(t, store, message.SMS) != 1 {
		t.Error("a repetition is sent again")
	}
}

// TestWhileTheSenderIsDown: the breaker opens at once and stays open. Receipts go out with what is known, orders of which only ids are known wait, and both without a job that fails. Once Square is back, the order is told.
func TestWhileTheSenderIsDown(t *testing.T) {
	t.Parallel()
	api := emulator.NewSquareAPI()
	api.Fail(emulator.APIFault{Status: 503})
	i, store, env := shop(t, api)
	maps.Copy(env, map[string]string{"RESOLVE_WITHIN": "300ms", "BREAKER_FAILURES": "1", "BREAKER_OPEN_MIN": "100ms", "BREAKER_OPEN_MAX": "200ms"})
	for _, name := range []string{"payment.updated", "payment.updated-refunded", "order.fulfillment.updated"} {
		post(t, i.Addr(), strings.Replace(sample(t, name), `"total_money"`, `"buyer_email_address": "rosa.lind@example.com", "total_money"`, 1))
	}
	start(t, env)
	redistest.Eventually(t, "the receipts are sent as far as they are known", func() bool { return waiting(t, store, message.Email) == 2 })
	redistest.Eventually(t, "the order waits", func() bool {
		d, err := store.Depth(t.Context(), message.Resolve)
		return err == nil && d.Completed == 2 && d.Failed == 0 && d.Retry+d.Inflight+d.Waiting[0]+d.Waiting[1]+d.Waiting[2]+d.Waiting[3] == 1
	})
	api.Put("/v2/orders/oRdTest00000000000000000003", `{"order":{"id":"oRdTest00000000000000000003","version":3,"state":"OPEN","fulfillments":[{"type":"PICKUP","state":"PREPARED",
		"pickup_details":{"recipient":{"display_name":"Ana","email_address":"ana@example.com","phone_number":"+12025550143"}}}]}}`)
	api.Fail()
	redistest.Eventually(t, "the order is told", func() bool {
		held, err := store.List(t.Context(), message.Email, queue.Scheduled, 0, 0, 10) // COALESCE
		return err == nil && len(held) == 1 && held[0].Job.Recipient == "ana@example.com"
	})
}

// TestSettings: what cannot work is refused, with the variable.
func TestSettings(t *testing.T) {
	t.Parallel()
	for variable, env := range map[string]map[string]string{
		"SQUARE_ACCESS_TOKEN": {}, "SQUARE_BASE_URL": {"SQUARE_ACCESS_TOKEN": "t", "SQUARE_BASE_URL": "http://proxy.example"},
		"STRIPE_BASE_URL": {"STRIPE_API_KEY": "t", "STRIPE_BASE_URL": "proxy"}, "RESOLVE_WITHIN": {"STRIPE_API_KEY": "t", "RESOLVE_WITHIN": "-1s"},
		"LEASE": {"STRIPE_API_KEY": "t", "LEASE": "15s"}, "CHANNELS": {"STRIPE_API_KEY": "t", "CHANNELS": "resolve"},
	} {
		env["REDIS_URL"] = "redis://localhost"
		if _, err := resolve.Load(t.Context(), envconfig.MapLookuper(env)); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s: %v", variable, err)
		}
	}
	env := map[string]string{"REDIS_URL": "redis://localhost", "STRIPE_API_KEY": "t"}
	if _, err := resolve.Load(t.Context(), envconfig.MapLookuper(env)); err != nil {
		t.Error(err)
	}
	env = map[string]string{"REDIS_URL": "redis://localhost", "WEBHOOK_SECRET": "0123456789abcdef", "WEBHOOK_AUTH_TOKEN": "0123456789abcdef", "RESOLVE_SENDERS": "square,shopify"}
	if _, err := ingest.Load(t.Context(), envconfig.MapLookuper(env)); err == nil || !strings.Contains(err.Error(), "RESOLVE_SENDERS") || !strings.Contains(err.Error(), "shopify") {
		t.Errorf("%v", err)
	}
}
