package resolve_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/app/ingest"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redisstore"
	"ringup.dev/ringup/internal/redistest"
	samples "ringup.dev/ringup/internal/sender/sample"
	"ringup.dev/ringup/test/emulator"
)

// shopKey is the key of every sender here.
const shopKey = "a-key-of-sixteen-bytes-or-more"

// threeAPIs stand in for those of Loyverse, Lightspeed and Clover, with a sale of a time: by the beginning of their variables.
func threeAPIs(t *testing.T, now time.Time) map[string]*emulator.API {
	t.Helper()
	loyverse, lightspeed, clover := emulator.NewLoyverseAPI(), emulator.NewLightspeedAPI(), emulator.NewCloverAPI()
	loyverse.Put("/v1.0/customers/cc000000-0000-4000-8000-000000000001", `{"id":"cc000000-0000-4000-8000-000000000001","name":"Mai Suwan","phone_number":"2025550121","country_code":"US"}`)
	loyverse.Put("/v1.0/merchant", `{"id":"m","currency":{"code":"THB"}}`)
	lightspeed.Put("/api/2.0/products/p1", `{"data":{"id":"p1","name":"Scarf"}}`)
	order, err := os.ReadFile("../../sender/clover/testdata/api-order.json")
	if err != nil {
		t.Fatal(err)
	}
	clover.Put("/v3/merchants/"+emulator.CloverMerchant+"/orders/ORDER?expand=lineItems%2Ccustomers%2Cpayments",
		strings.NewReplacer("1795185603000", itoa(now.UnixMilli()+1000), "TESTORDER0001", "ORDER").Replace(string(order)))
	clover.Put("/v3/merchants/"+emulator.CloverMerchant+"/payments/PAYMENT", `{"id":"PAYMENT","order":{"id":"ORDER"}}`)
	return map[string]*emulator.API{"LOYVERSE": loyverse, "LIGHTSPEED": lightspeed, "CLOVER": clover}
}

// threeWebhooks are one of each sender about a sale of a time, by path.
func threeWebhooks(t *testing.T, now time.Time) map[string]*samples.Webhook {
	t.Helper()
	all := map[string]*samples.Webhook{}
	for path, of := range map[string][2]string{"loyverse/default/" + shopKey: {"loyverse", "receipts.update"}, "lightspeed/default": {"lightspeed", "sale.update"}} {
		w, err := samples.New(of[0], of[1], shopKey, "", now)
		if err != nil {
			t.Fatal(err)
		}
		all[path] = w
	}
	named := all["lightspeed/default"]
	named.Body = []byte(strings.Replace(string(named.Body), "%22name%22%3A%22Scarf%22", "%22product_id%22%3A%22p1%22", 1))
	named.Header = signed(shopKey, string(named.Body))
	at := itoa(now.UnixMilli())
	all["clover/default"] = &samples.Webhook{Header: http.Header{"X-Clover-Auth": {shopKey}}, Body: []byte(`{"merchants":{"` + emulator.CloverMerchant +
		`":[{"objectId":"O:ORDER","type":"UPDATE","ts":` + at + `},{"objectId":"P:PAYMENT","type":"CREATE","ts":` + at + `}]}}`)}
	return all
}

// TestOneSaleOfEachSender: a sale at Loyverse, Clover and Lightspeed, whose webhooks lack an address, a currency or names, becomes one receipt with all of them, through ingest, Redis and resolve. Each webhook
// comes twice.
func TestOneSaleOfEachSender(t *testing.T) {
	t.Parallel()
	now := time.Now()
	env := map[string]string{"REDIS_URL": "redis://" + redistest.Start(t).Addr(), "OPS_PORT": "0", "PORT": "0", "CHANNELS": "sms", "RETRY_BACKOFF": "10ms"}
	forIngest, forResolve := maps.Clone(env), maps.Clone(env)
	maps.Copy(forIngest, map[string]string{"LOYVERSE_PATH_KEY": shopKey, "LIGHTSPEED_CLIENT_SECRET": shopKey, "CLOVER_AUTH_CODE": shopKey, "RESOLVE_SENDERS": "loyverse,lightspeed,clover"})
	tokens := map[string]string{"LOYVERSE": emulator.LoyverseToken, "LIGHTSPEED": emulator.LightspeedToken, "CLOVER": emulator.CloverToken}
	for name, api := range threeAPIs(t, now) {
		server := httptest.NewServer(api)
		t.Cleanup(server.Close)
		forResolve[name+"_ACCESS_TOKEN"], forResolve[name+"_BASE_URL"] = tokens[name], server.URL
	}
	i, store := running(t, forIngest)
	for range 2 {
		for path, w := range threeWebhooks(t, now) {
			postTo(t, i.Addr(), path, w)
		}
	}
	start(t, forResolve)
	redistest.Eventually(t, "all is resolved", func() bool {
		d, err := store.Depth(t.Context(), message.Resolve)
		return err == nil && d.Completed == 4 && waiting(t, store, message.Resolve)+d.Retry+d.Inflight+d.Failed == 0
	})
	jobs, err := store.List(t.Context(), message.SMS, queue.Waiting, 1, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, j := range jobs {
		e, err := j.Job.Event()
		if err != nil {
			t.Fatal(err)
		}
		got[e.Sender] += j.Job.Recipient.Reveal() + " " + e.Sale.Currency + " " + e.Sale.Total + " " + e.Items[0].Name + ";"
	}
	want := map[string]string{"loyverse": "+12025550121 THB 260 Pad thai;", "lightspeed": "+12025550131 USD 30.00000 Scarf;", "clover": "+12025550191 USD 18.50 Bagel;"}
	if !maps.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// running runs ingest, and returns it and its Redis.
func running(t *testing.T, env map[string]string) (*ingest.Ingest, *redisstore.Store) {
	t.Helper()
	c, err := ingest.Load(t.Context(), envconfig.MapLookuper(env))
	if err != nil {
		t.Fatal(err)
	}
	i, err := ingest.New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, i)
	store, err := redisstore.Open(c.Redis, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return i, store
}

// postTo posts a webhook, which is taken.
func postTo(t *testing.T, address, path string, w *samples.Webhook) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+strings.Replace(address, "[::]", "127.0.0.1", 1)+"/webhooks/"+path, bytes.NewReader(w.Body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = w.Header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: HTTP %d", path, resp.StatusCode)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// signed returns the header of a webhook of Lightspeed.
func signed(key, body string) http.Header {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Signature": {"signature=" + hex.EncodeToString(mac.Sum(nil)) + ",algorithm=HMAC-SHA256"}}
}
