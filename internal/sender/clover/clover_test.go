package clover_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/clover"
	"ringup.dev/ringup/internal/sender/sendertest"
)

func bytesOf(keys []string) (all [][]byte) {
	for _, key := range keys {
		all = append(all, []byte(key))
	}
	return all
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// app is the suite of an app's webhooks, which have a fixed code and no signature.
func app(t testing.TB) sendertest.Suite {
	const code = "11111111-2222-4333-8444-555555555555"
	return sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			return clover.New(clover.Options{Store: "default", AuthCodes: bytesOf(keys)})
		},
		Sign:      func(d *sender.Delivery, key string) { d.Header.Set("X-Clover-Auth", key) },
		Unbound:   true,
		Vectors:   []sendertest.Vector{{Name: "a code", Key: code, Body: read(t, "orders.json"), Header: http.Header{"X-Clover-Auth": {code}}}},
		Samples:   []sendertest.Sample{{Name: "orders"}, {Name: "inventory"}, {Name: "verification"}},
		Essential: []string{"verificationCode", "merchants"},
	}
}

// checkout is the suite of Hosted Checkout's webhooks.
func checkout(t testing.TB) sendertest.Suite {
	return sendertest.Suite{
		New: func(keys ...string) sender.Sender {
			return clover.New(clover.Options{Store: "default", SigningSecrets: bytesOf(keys)})
		},
		Sign: func(d *sender.Delivery, key string) {
			stamp := strconv.FormatInt(d.At.Unix(), 10)
			mac := hmac.New(sha256.New, []byte(key))
			mac.Write([]byte(stamp + "."))
			mac.Write(d.Body)
			d.Header.Set("Clover-Signature", "t="+stamp+",v1="+hex.EncodeToString(mac.Sum(nil)))
		},
		Vectors: []sendertest.Vector{{ // computed: Clover publishes none
			Name: "a payment", Key: "test-clover-signing-secret", Body: read(t, "hosted_checkout.payment.json"), At: time.Unix(1795185601, 0),
			Header: http.Header{"Clover-Signature": {"t=1795185601,v1=f2a935b522f8c9546d2e2c92b2621e7a7d50143d57b3b4625842e5f3d3a2672f"}},
		}},
		Window:    24 * time.Hour,
		Samples:   []sendertest.Sample{{Name: "hosted_checkout.payment"}, {Name: "hosted_checkout.declined"}},
		Essential: []string{"id", "status", "type"},
	}
}

func TestApp(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, app(t))
}

func TestHostedCheckout(t *testing.T) {
	t.Parallel()
	sendertest.Run(t, checkout(t))
}

func FuzzDecode(f *testing.F) { sendertest.Fuzz(f, app(f)) }

// TestVerificationCode: what Clover posts before it has a code to authenticate it with is let in, says nothing, and shows the code to the operator; nothing else is let in like that.
func TestVerificationCode(t *testing.T) {
	t.Parallel()
	const code = "ce7643c1-83ea-4218-abe6-da876c9c7a0a" // of Clover's page
	s := clover.New(clover.Options{Store: "default", AuthCodes: [][]byte{[]byte("any key of sixteen bytes")}})
	for _, header := range []http.Header{{}, {"X-Clover-Auth": {"a code of another app, or none"}}} {
		for _, body := range []string{`{"verificationCode":"` + code + `"}`, "{\n \"verificationCode\" : \"" + code + "\"\n}\n"} {
			d := &sender.Delivery{Header: header, Body: []byte(body), At: sendertest.Now}
			if err := s.Verify(d); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			if reading, err := s.Decode(d); err != nil || reading.Skip != sender.SkipPing || len(reading.Events) != 0 || !strings.Contains(reading.Note, code) {
				t.Errorf("%s: %+v, %v", body, reading, err)
			}
		}
	}
	for _, body := range []string{
		`{"verificationCode":""}`, `{"verificationCode":null}`, `{"verificationCode":"` + code + `","merchants":{}}`, `{"merchants":{},"verificationCode":"` + code + `"}`,
		`{"verificationCode":"paste this at https:\/\/example.com"}`, `{"verificationCode":"a\nb"}`, `{"verificationCode":"` + strings.Repeat("a", 65) + `"}`,
		`{"verificationCode":"` + code + `"}{}`, `[{"verificationCode":"` + code + `"}]`, ``,
	} {
		if s.Verify(&sender.Delivery{Header: http.Header{}, Body: []byte(body), At: sendertest.Now}) == nil {
			t.Errorf("%s is let in without a code", body)
		}
	}
}

// TestBothHeaders: each header that is there has to be right, and the key of one is not that of the other.
func TestBothHeaders(t *testing.T) {
	t.Parallel()
	const code, secret = "the code of the app, as a key", "the secret of the page, as a key"
	s := clover.New(clover.Options{Store: "default", AuthCodes: [][]byte{[]byte(code)}, SigningSecrets: [][]byte{[]byte(secret)}})
	page := checkout(t)
	signed := func(key string) *sender.Delivery { return page.Delivery(t, page.Samples[0], key) }
	for name, tt := range map[string]struct {
		d  *sender.Delivery
		ok bool
	}{
		"signed": {signed(secret), true}, "signed with the code": {signed(code), false},
		"both": {with(signed(secret), code), true}, "the secret as a code": {with(signed(secret), secret), false}, "a code beside a wrong signature": {with(signed(code), code), false},
	} {
		if err := s.Verify(tt.d); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func with(d *sender.Delivery, code string) *sender.Delivery {
	d.Header.Set("X-Clover-Auth", code)
	return d
}

// TestManyUpdates: a webhook may have thousands of updates of many merchants.
func TestManyUpdates(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"appId":"a","merchants":{`)
	for m := range 100 {
		fmt.Fprintf(&b, `%s"M%d":[`, strings.Repeat(",", min(m, 1)), m)
		for o := range 100 {
			fmt.Fprintf(&b, `%s{"objectId":"O:%d","type":"UPDATE","ts":1795185600123}`, strings.Repeat(",", min(o, 1)), o)
		}
		b.WriteString("]")
	}
	b.WriteString("}}")
	reading, err := clover.New(clover.Options{Store: "default"}).Decode(&sender.Delivery{Body: []byte(b.String()), At: sendertest.Now})
	if fault := sendertest.Check(reading, err); fault != nil || len(reading.Account) > 100 || reading.Topic != "O UPDATE" || reading.Skip != sender.SkipIDs {
		t.Errorf("%v: %.300s", fault, sendertest.Text(reading, err))
	}
}

// TestOtherMerchants: of an app that several merchants have installed, those of CLOVER_MERCHANT_ID are asked for, and the others say nothing. A payment by Hosted Checkout is told with what it
// says itself.
func TestOtherMerchants(t *testing.T) {
	t.Parallel()
	const own, other = `"OWN":[{"objectId":"O:1","type":"UPDATE","ts":1795185603000},{"objectId":"P:2","type":"CREATE","ts":1795185603000}]`, `"OTHER":[{"objectId":"O:3","type":"UPDATE","ts":1795185603000}]`
	paid := func(merchant string) string {
		return `{"createdTime":1795185602,"status":"APPROVED","type":"PAYMENT","id":"P","merchantId":"` + merchant + `"}`
	}
	for name, tt := range map[string]struct {
		id, body    string
		asked, told int
		skip        sender.Skip
	}{
		"without it":      {"", `{"merchants":{` + own + `,` + other + `}}`, 3, 3, ""},
		"the own":         {"OWN", `{"merchants":{` + own + `}}`, 2, 2, ""},
		"both":            {"OWN", `{"merchants":{` + other + `,` + own + `}}`, 2, 2, ""},
		"another":         {"OWN", `{"merchants":{` + other + `}}`, 0, 0, sender.SkipAccount},
		"another topic":   {"OWN", `{"merchants":{"OTHER":[{"objectId":"I:1","type":"UPDATE"}]}}`, 0, 0, sender.SkipTopic},
		"the own page":    {"OWN", paid("OWN"), 1, 1, ""},
		"another's page":  {"OWN", paid("OTHER"), 0, 1, ""},
		"page without it": {"", paid("OTHER"), 1, 1, ""},
	} {
		reading, err := clover.New(clover.Options{Store: "default", MerchantID: tt.id, Resolve: true}).Decode(&sender.Delivery{Body: []byte(tt.body), At: sendertest.Now})
		if fault := sendertest.Check(reading, err); fault != nil || err != nil {
			t.Fatalf("%s: %v, %v", name, fault, err)
		}
		asked := 0
		for _, e := range reading.Events {
			if e.Lookup != "" {
				asked++
			}
		}
		if asked != tt.asked || len(reading.Events) != tt.told || reading.Skip != tt.skip {
			t.Errorf("%s: %d asked for, %d told, skip %q", name, asked, len(reading.Events), reading.Skip)
		}
	}
}
