package pages_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/admin/api"
	"ringup.dev/ringup/internal/admin/pages"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/store/envstore"
)

// TestHistory: what happened is drawn and listed, and each point of it leads to its jobs, and to a search.
func TestHistory(t *testing.T) {
	t.Parallel()
	d := admintest.OpenWith(t, admintest.Options{Config: admin.Config{Token: "right"}, Prices: []string{"sms=0.0079"}})
	d.Heartbeat("pod-1/7")
	d.Failed("a", "TXN_1", "permanent: invalid_recipient")
	d.Settled("b", "TXN_2", queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM1"}, Cost: queue.Cost{Event: "payment_complete", Source: "till", Micros: 7900}}})
	d.Want(http.StatusSeeOther, d.Ask(http.MethodPost, "/admin/do", "action=pause&channel=sms&why=a+wrong+text", admintest.Bearer...))
	look := func(path string) string {
		t.Helper()
		w := d.Ask(http.MethodGet, path, "", "Authorization", "Bearer right")
		d.Want(http.StatusOK, w)
		if found := scripts(w.Body.String()); len(found) > 0 || strings.Contains(w.Body.String(), "style=") {
			t.Errorf("%s has %q, or a style", path, found)
		}
		return html.UnescapeString(w.Body.String())
	}
	has := func(page string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(page, text) {
				t.Errorf("there is no %q in:\n%s", text, page)
			}
		}
	}
	all := look("/admin/history")
	has(all, "2 accepted, 1 sent, 1 failed.", "E-mail", "worker 0.", "new version", "a wrong text", ">paused<", "Nothing was counted", "/admin/history?channel=sms&range=6h", "per 2 min")
	if strings.Contains(all, "The numbers") || strings.Contains(all, "/admin/search?channel") {
		t.Error("all channels have what one alone has")
	}
	one := look("/admin/history?channel=sms&range=1h")
	has(one, "Time from accepted to sent", "up to 1 s: 100%", "0.0079 EUR in all.", "The numbers", "Messages per minute")
	if strings.Contains(one, "Delivery reports") || strings.Contains(one, ">E-mail</h2>") {
		t.Error("what is not there is drawn")
	}
	for prefix, least := range map[string]int{"/admin/queues/sms/failed?": 2, "/admin/search?": 1} {
		found := regexp.MustCompile(`href="`+regexp.QuoteMeta(prefix)+`([^"]*from=[^"]+)"`).FindAllStringSubmatch(one, -1)
		if len(found) < least {
			t.Fatalf("%d links to %s", len(found), prefix)
		}
		for _, m := range found {
			q, err := url.ParseQuery(m[1])
			d.Must(err)
			from, err := time.Parse(time.RFC3339, q.Get("from"))
			d.Must(err)
			if to, err := time.Parse(time.RFC3339, q.Get("to")); err != nil || to.Sub(from) != time.Minute || time.Since(from) > 10*time.Minute || time.Until(from) > 0 {
				t.Errorf("%s leads to %s to %s, %v", prefix, from, to, err)
			}
			has(look(prefix+m[1]), "")
			if prefix == "/admin/search?" {
				has(look(prefix+m[1]), `name="from" value="`+q.Get("from")+`"`, `name="to" value="`+q.Get("to")+`"`, "<option selected>sms")
			}
		}
	}
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/search", "q=TXN_2&from="+url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339)), "Authorization", "Bearer right"), "TXN_2")
	has(look("/admin/queues"), "Messages per minute", "/admin/history?channel=sms", "pod-1/7 (0.")
	for _, path := range []string{"/admin/history?range=2h", "/admin/history?channel=fax", "/admin/api/history?range=%00"} {
		d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodGet, path, "", "Authorization", "Bearer right"))
	}
}

// busyQueue has two days in which each minute has failures.
type busyQueue struct{ hostileQueue }

func (q *busyQueue) Minutes(_ context.Context, _ message.Channel, from, to time.Time) (out []queue.Minute, _ error) {
	for at := from.Truncate(time.Minute); at.Before(to); at = at.Add(time.Minute) {
		out = append(out, queue.Minute{At: at, Accepted: 700, Sent: 600, Failed: int64(at.Minute()), Delays: [8]int64{500, 80, 20}, Waiting: 30, Oldest: time.Second, Micros: 1})
	}
	return out, nil
}

// BenchmarkHistory is the largest page of the history: it has to take less than 200 ms.
func BenchmarkHistory(b *testing.B) {
	directory := envstore.Brand{DefaultLocale: "en"}.Directory()
	a := admin.New(admin.Options{Region: "US", Store: directory.All()[0], Queues: &busyQueue{hostileQueue{text: "x"}}, Log: slog.New(slog.DiscardHandler)})
	handler := pages.Handler(a, hostileOutbox{"x"}, api.Path, api.Handler(a))
	for b.Loop() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost:8080/admin/history?range=48h&channel=sms", nil))
		if w.Code != http.StatusOK {
			b.Fatalf("HTTP %d", w.Code)
		}
		b.ReportMetric(float64(w.Body.Len())/1024, "KiB")
	}
}
