package browser

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"ringup.dev/ringup/internal/redistest"
)

// receipt is a payload with a field for every part of a receipt.
const receipt = `{"id":"w1","event_type":"pos_save","timestamp":"2026-03-14T18:42:00+01:00","source":"till-2","data":{"transactionId":"TXN_88213","amount":"41.80","currency":"EUR",
"subtotal":"39.00","discount":"2.00","tax":"6.23","taxIncluded":true,"tip":"4.80","customerName":"Anna Müller","customerPhone":"+49 151 23456789","customerEmail":"anna@example.com","customerTimezone":"Europe/Berlin",
"payment":{"brand":"Visa","lastFour":"4242"},"place":"Table 7","orderName":"#1001","orderId":"ORD_1","status":"paid","receiptUrl":"https://till.example.com/r/1",
"items":[{"name":"Flat white","quantity":2,"price":4.2,"options":["oat milk","extra shot"]},{"name":"Käsekuchen","quantity":1,"price":5.5},
{"name":"Ethiopia Yirgacheffe, 250 g","quantity":1,"price":14.9},{"name":"Beans by weight","quantity":0.75,"price":13.6}]}}`

// languages are those of the built-in words.
var languages = []string{"en", "es", "fr", "de", "it", "pt-BR", "pt-PT", "nl", "pl", "tr", "ar", "ja", "zh-Hans"}

// fits says that nothing on the page is wider than the page.
func (v *visit) fits(what string) {
	v.Helper()
	over, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`))
	if v.must(err); over > 0 {
		v.Errorf("%s is %d pixels wider than its window", what, over)
	}
}

// TestPreview is the shop's owner, who looks at messages before customers do.
func TestPreview(t *testing.T) {
	s, _ := serve(t, redistest.Start(t), map[string]string{
		"BUSINESS_COLOR": "#7a3b12", "BUSINESS_ADDRESS": "Karl-Marx-Allee 1, 10178 Berlin", "BUSINESS_TAX_NUMBER": "DE 123456789", "BUSINESS_SUPPORT": "+49 30 1234567",
		"PRICES": "sms=0.0079,sms:+49=0.075,whatsapp=0.05,email=0.0004", "PRICE_CURRENCY": "EUR",
	})
	v := open(t)
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/preview"))
	v.sees("sms for the customer")
	v.looks("preview")
	v.run(chromedp.SendKeys(chromedp.CSS(`input[name=locale]`), "ar\r"))
	v.sees("إيصال طلبك")
	v.looks("preview-ar")
	for _, scheme := range []string{"light", "dark"} {
		v.window(320, 700, scheme)
		v.check("preview at 320 px, " + scheme)
	}
	v.window(1200, 900, "light")

	v.run(chromedp.Navigate(s.AdminURL()+"/admin/preview?locale=de"), chromedp.Click(chromedp.CSS(`summary`)))
	_, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector("textarea").value = %q`, receipt)))
	v.must(err)
	v.press("Show the payload")
	v.sees("Visa (Endziffern 4242)")
	v.sees("0.075 EUR")
	v.looks("preview-payload")

	// One is sent as a test.
	v.run(chromedp.SendKeys(chromedp.CSS(`input[name=address]`), "+49 151 23456789"))
	v.press("Continue")
	v.sees("Send this message to +4915123456789?")
	v.looks("preview-test")
	v.window(320, 700, "light")
	v.check("test at 320 px")
	v.window(1200, 900, "light")
	v.press("Yes, send it")
	v.sees("The test is in the queue of sms.")
	v.sees("+•••6789")

	for _, locale := range languages {
		v.run(chromedp.Navigate("data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(mail(t, s.AdminURL(), locale)))))
		v.window(700, 950, "light")
		v.fits("the e-mail in " + locale)
		v.save("email-" + locale)
	}
	for _, locale := range languages {
		v.run(chromedp.Navigate(s.AdminURL() + "/admin/preview?channel=whatsapp&locale=" + locale))
		v.window(700, 1100, "light")
		v.fits("the preview in " + locale)
		v.save("whatsapp-" + locale)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.messages {
		t.Errorf("an error on the console: %s", m)
	}
}

// mail returns the HTML of the receipt's e-mail in a locale.
func mail(t *testing.T, admin, locale string) string {
	t.Helper()
	asked, err := json.Marshal(map[string]string{"channel": "email", "audience": "customer", "locale": locale, "payload": receipt})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, admin+"/admin/api/preview", bytes.NewReader(asked))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer of a program")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var shown struct{ Messages []struct{ HTML string } }
	if err := json.NewDecoder(resp.Body).Decode(&shown); err != nil || len(shown.Messages) != 1 {
		t.Fatalf("HTTP %d, %v, %d messages", resp.StatusCode, err, len(shown.Messages))
	}
	return shown.Messages[0].HTML
}

// TestOutbox is a developer, who looks at what came in and reads on while more comes.
func TestOutbox(t *testing.T) {
	s, _ := serve(t, redistest.Start(t), nil)
	post(t, s, `{"id":"first","event_type":"pos_save"}`)
	v := open(t)
	v.run(chromedp.Navigate(s.AdminURL() + "/outbox"))
	v.sees("first:email:1")
	v.sees("first:sms:1")
	v.sees("first:whatsapp:1")
	v.press("Headers")
	v.sees("Auto-Submitted: auto-generated")
	v.sees("Subject: ")
	post(t, s, `{"id":"second","event_type":"order_update","data":{"locale":"de"}}`)
	v.sees("second:sms:1") // without a reload
	v.sees("second:email:1")
	v.sees("second:whatsapp:1")
	v.sees("Auto-Submitted: auto-generated") // what was opened is open
	v.sees("The newest 6 of 6.")
	v.looks("outbox")
	v.window(320, 700, "light")
	v.check("outbox at 320 px")
	v.window(1200, 900, "light")
	v.run(chromedp.SendKeys(chromedp.CSS(`main input[name=q]`), "second:sms:1\r"))
	v.sees("The newest 1 of 1.")
	v.press("second:sms:1")
	v.sees("Timeline")
	v.press("in the outbox")
	v.sees("The newest 1 of 1.")
	_, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](`history.go(-2); 0`)) // past the job, to what was found
	v.must(err)
	v.sees("The newest 1 of 1.")

	// An address is searched for without being in the page's own, and the page goes on to show what comes.
	v.run(chromedp.Navigate(s.AdminURL()+"/outbox"), chromedp.SendKeys(chromedp.CSS(`main input[name=q]`), "JOHN.doe@example.com\r"))
	v.sees("The newest 2 of 2.")
	v.press("HTML source")
	post(t, s, `{"id":"third","event_type":"pos_save"}`)
	v.sees("third:email:1")
	v.sees("The newest 3 of 3.")
	v.sees("<!doctype html")
	at, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`location.href + " " + document.body.innerText.includes("third:sms:1")`))
	v.must(err)
	if at != s.AdminURL()+"/outbox false" {
		t.Errorf("the page is %s", at)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.messages {
		t.Errorf("an error on the console: %s", m)
	}
}
