package browser

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ringup.dev/ringup/internal/app/dev"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
)

const shopKey = "a-key-for-the-tests"

// deliver posts a webhook to a sender's address. It has to be answered with a status.
func deliver(t *testing.T, s *dev.Server, sender string, header http.Header, body []byte, want int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.IngestURL()+catalog.GuideOf(sender).Path(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != want {
		t.Fatalf("HTTP %d, want %d", resp.StatusCode, want)
	}
}

// TestSenders is an operator who sets Shopify up: does it reach us, why was a webhook refused, and what becomes of one that cannot be read?
func TestSenders(t *testing.T) {
	s, _ := serve(t, redistest.Start(t), map[string]string{"SHOPIFY_WEBHOOK_SECRET": shopKey, "TOAST_WEBHOOK_SECRET": shopKey})
	v := open(t)
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/senders"))
	v.sees("No sender with a form of its own has posted a webhook yet.")
	v.check("no senders")

	for _, one := range []struct{ sender, topic string }{{"toast", "order_updated"}, {"shopify", "orders/create"}, {"shopify", "orders/paid"}} {
		w, err := sample.New(one.sender, one.topic, shopKey, "", time.Now())
		v.must(err)
		deliver(t, s, one.sender, w.Header, w.Body, http.StatusOK)
	}
	w, err := sample.New("shopify", "orders/paid", "the-key-of-another-shop", "", time.Now())
	v.must(err)
	deliver(t, s, "shopify", w.Header, w.Body, http.StatusUnauthorized)
	for i := range 2 { // a new form of the sender's
		body := fmt.Appendf(nil, `{"order":{"number":%d,"email":"ann@example.com"}}`, 1001+i)
		mac := hmac.New(sha256.New, []byte(shopKey))
		mac.Write(body)
		deliver(t, s, "shopify", http.Header{"X-Shopify-Topic": {"orders/paid"}, "X-Shopify-Shop-Domain": {"luna.myshopify.com"},
			"X-Shopify-Hmac-Sha256": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}, body, http.StatusOK)
	}
	ids := func() []string {
		rows, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("section[aria-labelledby=aside] input[name=id]")].map(i => i.value).filter((id, i, all) => all.indexOf(id) == i).join(" ")`))
		v.must(err)
		return strings.Fields(rows)
	}
	redistest.Eventually(t, "the webhooks are noted", func() bool {
		v.run(chromedp.Navigate(s.AdminURL() + "/admin/senders"))
		page, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`document.querySelector("main").innerText`))
		return err == nil && strings.Contains(page, "unauthorized") && strings.Contains(page, "order_updated") && strings.Count(page, "malformed") >= 3
	})
	v.sees("X-Shopify-Hmac-Sha256 does not fit the body and the key")
	v.sees("the order has no id")
	v.looks("senders")
	v.press("Headers")
	v.sees("X-Shopify-Hmac-Sha256: •••")
	v.sees("X-Shopify-Topic: orders/paid")
	for _, scheme := range []string{"light", "dark"} {
		v.window(390, 844, scheme)
		v.check("senders at 390 px with headers, " + scheme)
	}
	v.window(1200, 900, "light")
	aside := ids()
	if len(aside) != 2 {
		t.Fatalf("%q are set aside", aside)
	}

	v.press("Replay all")
	v.sees("2 webhooks will be read again within a second or two.")
	v.check("replayed")
	redistest.Eventually(t, "they are read again, and stay", func() bool {
		v.run(chromedp.Navigate(s.AdminURL() + "/admin/senders"))
		page, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`document.querySelector("main").innerText`))
		return err == nil && strings.Contains(page, "replay of "+aside[0]+": the order has no id") && strings.Contains(page, "replay of "+aside[1]+": the order has no id")
	})
	v.press("Delete")
	v.press("Delete for good")
	v.sees("1 webhook deleted.")
	if left := ids(); len(left) != 1 {
		t.Errorf("%q are set aside", left)
	}
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/senders")) // without the word about the first
	v.press("Delete")
	v.press("Delete for good")
	v.sees("1 webhook deleted.")
	if left := ids(); len(left) != 0 {
		t.Errorf("%q are set aside", left)
	}
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/audit"))
	v.sees("replay-aside")
	v.sees("delete-aside")

	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.messages {
		t.Errorf("an error on the console: %s", m)
	}
}
