package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"ringup.dev/ringup/internal/redistest"
)

// TestAfterTheSend is the operator's day: the suppression list, scheduled jobs, costs.
func TestAfterTheSend(t *testing.T) {
	redis := redistest.Start(t)
	s, _ := serve(t, redis, map[string]string{
		"ADMIN_REVEAL": "true", "PRICES": "sms=0.0079,sms:+44=0.04,email=0.0004,whatsapp=0.005", "PRICE_CURRENCY": "EUR", "DAILY_CAP": "sms=0.5,whatsapp=0.012,email/kiosk-7=0.1",
	})
	for i, event := range []string{"payment_complete", "order_create", "pos_save", "order_update"} {
		source := []string{"kiosk-7", "till-2"}[i%2]
		post(t, s, fmt.Sprintf(`{"id":"hook_%d","event_type":%q,"source":%q,"data":{"transactionId":"TXN_%d"}}`, i, event, source, i))
		// One after the other, so that the cap is up to date at the next send.
		redistest.Eventually(t, "it is sent, or scheduled", func() bool {
			c := redis.Client()
			sms, email := c.ZCard(t.Context(), "{ringup:sms}:completed").Val(), c.ZCard(t.Context(), "{ringup:email}:completed").Val()
			whatsapp := c.ZCard(t.Context(), "{ringup:whatsapp}:completed").Val() + c.ZCard(t.Context(), "{ringup:whatsapp}:held").Val()
			return sms == int64(i+1) && email == int64(i+1) && whatsapp == int64(i+1)
		})
	}
	v := open(t)
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/suppressed"))
	v.sees("No addresses.")
	v.run(chromedp.SendKeys(chromedp.CSS(`textarea`), "+12025550143\n+1"))
	v.press("Import")
	v.sees("1 wrong line: nothing was imported.")
	v.sees("not a phone number")
	v.check("wrong lines")
	v.run(chromedp.SendKeys(chromedp.CSS(`textarea`), "sms,+12025550143,stop\nsms,+12025550144,hard_bounce\nsms,+442071838750\nsms,+1"), chromedp.Click(chromedp.CSS(`input[name=partial]`)))
	v.press("Import")
	v.sees("3 addresses added; 1 wrong line left out.")
	v.run(chromedp.SendKeys(chromedp.CSS(`input[name=address]`), "(202) 555-0199\r"))
	v.sees("This address is not suppressed on sms.")
	v.run(chromedp.SendKeys(chromedp.CSS(`#look ~ form input[name=why]`), "asked by phone"))
	v.press("Suppress")
	v.sees("The address is suppressed on sms from now on.")
	v.run(chromedp.SendKeys(chromedp.CSS(`input[name=address]`), "+12025550143\r"))
	v.sees("The recipient opted out.")
	v.looks("suppressed")
	v.run(chromedp.SendKeys(chromedp.CSS(`#look ~ form input[name=why]`), "wants receipts again"))
	v.press("Take off the list")
	v.sees("The address is not suppressed on sms any more.")
	v.sees("+•••0144")

	v.run(chromedp.Navigate(s.AdminURL() + "/admin/spending"))
	v.sees("email/kiosk-7")
	v.looks("spending")
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/queues/whatsapp/held"))
	v.sees("the daily cap of whatsapp is reached")
	v.looks("held")
	v.run(chromedp.Click(chromedp.CSS(`td.id a`)))
	v.sees("Try now")
	v.looks("held-job")
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/job?id=hook_0:sms:1"))
	v.sees("does not report deliveries")
	v.looks("delivery")
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/queues"))
	v.sees("Spent today")
	v.looks("overview")
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/audit"))
	v.sees("wants receipts again")
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.messages {
		t.Errorf("an error on the console: %s", m)
	}
}
