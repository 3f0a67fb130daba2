package browser

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ringup.dev/ringup/internal/redistest"
)

// pastOutage writes six hours of counts and marks of a channel into Redis, as its scripts do: a new version, a burst, an outage of forty minutes, and one that still lasts.
func pastOutage(t *testing.T, redis *redistest.Server, channel, provider string) {
	t.Helper()
	const begin, burst, opened, closed = 360, 200, 165, 125 // minutes ago
	pipe := redis.Client().Pipeline()
	now := time.Now().Unix() / 60
	count := func(ago int64, name string, n int64) {
		if at := now - ago; n > 0 {
			pipe.HIncrBy(t.Context(), fmt.Sprintf("{ringup:%s}:minutes:%d", channel, at/10), fmt.Sprintf("%d%s", at%10, name), n)
		}
	}
	mark := func(ago int64, kind, what string) {
		text, err := json.Marshal(map[string]any{"t": (now - ago) * 60000, "k": kind, "w": what})
		if err != nil {
			t.Fatal(err)
		}
		pipe.LPush(t.Context(), "{ringup:"+channel+"}:marks", text)
	}
	waits := int64(0)
	for ago := int64(begin); ago > 0; ago-- {
		n := 30 + (begin-ago)/10 + ago*7919%11
		if ago < burst && ago > burst-5 {
			n *= 6
		}
		count(ago, "a", n)
		if ago < opened && ago > closed || ago < 12 {
			waits += n
			count(ago, "w", waits)
			count(ago, "o", (map[bool]int64{true: opened, false: 12}[ago > closed]-ago)*60000)
			continue
		}
		late := min(waits, 250)
		waits -= late
		failed := map[bool]int64{true: 1 + ago%2}[ago%37 == 0]
		count(ago, "f", failed)
		count(ago, "0", n-failed-n/12-n/30)
		count(ago, "1", n/12)
		count(ago, "2", n/30)
		count(ago, "5", late)
		count(ago, "m", (n-failed+late)*7900)
		count(ago, "d", (n-failed+late)*98/100)
		count(ago, "u", (n-failed+late)/80)
	}
	mark(250, "new version", "worker 0.2.0")
	mark(opened, "breaker opened", provider)
	mark(closed, "breaker closed", provider)
	mark(12, "breaker opened", provider)
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestHistory goes from a spike to the jobs that failed then, with and without the mouse, and to a search.
func TestHistory(t *testing.T) {
	redis := redistest.Start(t)
	pastOutage(t, redis, "sms", "twilio")
	s, _ := serve(t, redis, map[string]string{"SANDBOX_FAIL": "permanent"})
	post(t, s, `{"id":"hook_7","event_type":"payment_complete","data":{"transactionId":"TXN_4711"}}`)
	redistest.Eventually(t, "it has failed", func() bool { return redis.Client().ZCard(t.Context(), "{ringup:sms}:failed").Val() == 1 })
	v := open(t)
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/history"))
	v.sees("E-mail")
	v.looks("history-all")
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/history?channel=sms"))
	v.sees("Time from accepted to sent")
	v.sees("breaker opened")
	v.looks("history")
	v.press("The numbers")
	v.sees("Longest wait")
	v.check("history with its numbers")
	at := func(element string) string {
		t.Helper()
		to, err := chromedp.Run(v.ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("`+element+`")].at(-1).getAttribute("href")`))
		v.must(err)
		return to
	}
	for _, element := range []string{".chart a[href*='/failed?']", "details td:nth-child(4) a"} {
		if to := at(element); !strings.HasPrefix(to, "/admin/queues/sms/failed?from=20") || !strings.Contains(to, "&to=20") {
			t.Errorf("%s leads to %s", element, to)
		}
	}
	// The last column is hit where it is drawn.
	where, err := chromedp.Run(v.ctx, chromedp.Evaluate[[]float64](`(() => { const a = [...document.querySelectorAll(".chart a[href*='/failed?']")].at(-1); a.scrollIntoView({block: "center"}); const r = a.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`))
	v.must(err)
	v.run(chromedp.MouseClickXY(where[0], where[1]))
	v.sees("hook_7:sms:1")
	v.run(chromedp.Navigate(s.AdminURL() + "/admin/history?channel=sms&range=1h"))
	v.press("The numbers")
	v.run(chromedp.Navigate(s.AdminURL() + at("details td:nth-child(2) a")))
	v.sees("Accepted from")
	v.check("search in a time")
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.messages {
		t.Errorf("an error on the console: %s", m)
	}
}
