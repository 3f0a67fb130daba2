package pages_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// enqueue puts messages about an order into the queue of SMS, one for each recipient.
func enqueue(d *admintest.Fixture, id string, sale event.Sale, recipients ...message.Address) {
	d.Helper()
	to := make([]message.Recipient, len(recipients))
	for i := range recipients {
		to[i] = message.Recipient{Address: recipients[i], Audience: message.Customer}
	}
	_, err := d.Producer.Enqueue(d.Context(), &queue.Submission{Event: &event.Event{ID: id, Store: event.DefaultStore, Sender: event.SenderPOS, Type: event.OrderCreate, Sale: sale},
		Priority: 2, AcceptedAt: time.Now(), Channels: []queue.ChannelSubmission{{Channel: message.SMS, Recipients: to}}})
	d.Must(err)
}

// TestListColumns: a list tells jobs apart, and reads no shared body.
func TestListColumns(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	enqueue(d, "own", event.Sale{OrderID: "42", OrderName: "#1001<b>", TransactionID: "TXN_1", Total: "12.50", Currency: "USD"}, admintest.Customer)
	enqueue(d, "shared", event.Sale{OrderName: "#2002", Total: "9.99", Currency: "EUR"}, admintest.Customer, "+15550104243")
	w := d.Ask(http.MethodGet, "/admin/queues/sms/waiting", "")
	d.Want(http.StatusOK, w, "3 jobs", "#1001&lt;b&gt;", "12.50 USD", ">default<", "on its page", "order_create")
	if body := w.Body.String(); strings.Contains(body, "#2002") || strings.Contains(body, "9.99") || strings.Contains(body, `type="checkbox"`) || strings.Contains(body, "5550104242") {
		t.Errorf("it has a shared body, boxes where nothing can be done, or an address: %s", body)
	}
	d.Settle(queue.Settlement{Outcome: queue.Fail{Attempt: queue.Attempt{Provider: "twilio"}, Error: "permanent: invalid_recipient"}})
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues/sms/failed", ""), `data-name="Provider">twilio<`, `type="checkbox"`)
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/search", "q=%231001%3Cb%3E"), "12.50 USD")
}

// TestListFilter: a filter comes in a form, and goes into the address unless an address is in it.
func TestListFilter(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	for i := range 3 {
		d.Failed(fmt.Sprint("bad", i), "TXN_1", "permanent: invalid_recipient")
	}
	d.Failed("away", "TXN_2", "transient: outage")
	w := d.Ask(http.MethodPost, "/admin/list", "channel=sms&place=failed&event=payment_complete&why=Invalid&from=2020-01-31T12:00&sort=oldest&provider=twilio&store=default")
	d.Want(http.StatusSeeOther, w)
	at := w.Header().Get("Location")
	if want := "/admin/queues/sms/failed?event=payment_complete&from=2020-01-31T12%3A00%3A00Z&provider=twilio&sort=oldest&store=default&why=Invalid"; at != want {
		t.Errorf("it leads to %s", at)
	}
	d.Want(http.StatusOK, d.Ask(http.MethodGet, at, ""), "3 jobs", "all that match", `value="2020-01-31T12:00:00"`, `why has "Invalid"`)
	for _, query := range []string{"event=order_create", "to=2020-01-31", "provider=aws", "store=other", "why=nothing"} {
		d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/queues/sms/failed?"+query, ""), "0 jobs", "No jobs.")
	}
	for _, body := range []string{
		"channel=sms&place=failed&why=jo@example.com", "channel=sms&place=failed&why=(555)+010-4242", "channel=fax&place=failed", "channel=sms&place=..", "channel=sms&place=failed&sort=up",
		"channel=sms&place=failed&why=100%", "channel=sms&place=failed&offset=-1",
	} {
		if w := d.Ask(http.MethodPost, "/admin/list", body); w.Code != http.StatusUnprocessableEntity || strings.Contains(w.Body.String(), "010-4242") {
			t.Errorf("%s: HTTP %d", body, w.Code)
		}
	}
	waiting := d.Ask(http.MethodGet, "/admin/queues/sms/waiting?event=order_create", "")
	if d.Want(http.StatusOK, waiting); strings.Contains(waiting.Body.String(), "action=purge") {
		t.Error("all that wait can be deleted from a list of some")
	}
}

// TestSelection: what is acted on is what was selected, or what matches, and never more.
func TestSelection(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	for i := range 6 {
		d.Failed(fmt.Sprint("w", i), "TXN_1", map[bool]string{true: "transient: outage", false: "permanent: invalid_recipient"}[i < 4])
	}
	const list = "action=delete&channel=sms&place=failed&back=/admin/queues/sms/failed"
	for _, path := range []string{"/admin/confirm", "/admin/do"} {
		for _, rest := range []string{"&pick=selected&where=", "&pick=page", "&pick=all", "&pick=all&id=w0:sms:1", "&pick=everything&where=", "&pick=all&where=event%3Dx", "&pick=all&where=%25zz", "&pick=selected&id=x"} {
			d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, path, list+rest))
		}
		d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, path, "action=purge&channel=sms&pick=all&where=why%3Dx"))
	}
	count := func() int64 {
		s, err := d.Store.State(t.Context(), message.SMS)
		d.Must(err)
		return s.Failed
	}
	if n := count(); n != 6 {
		t.Fatalf("%d are left", n)
	}
	w := d.Ask(http.MethodPost, "/admin/confirm", list+"&pick=selected&id=w0:sms:1&id=w5:sms:1&id=gone:sms:1&page=w1:sms:1&where=")
	d.Want(http.StatusOK, w, "Delete 2 jobs of sms?", "1 of the selected jobs changed", `name="id" value="w0:sms:1"`, `name="id" value="w5:sms:1"`)
	w = d.Ask(http.MethodPost, "/admin/confirm", list+"&pick=all&where="+url.QueryEscape("why=outage&event=payment_complete"))
	d.Want(http.StatusOK, w, "Delete 4 jobs of sms?", `Filter: event payment_complete, why has "outage"`, "The first of them", `value="event=payment_complete&why=outage"`)
	if n := strings.Count(w.Body.String(), `<td class="id">`); n != 3 {
		t.Errorf("%d examples", n)
	}
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/confirm", list+"&pick=page&page=w1:sms:1&page=w2:sms:1&id=w3:sms:1&where="), "Delete 2 jobs of sms?")
	d.Want(http.StatusSeeOther, d.Ask(http.MethodPost, "/admin/do", list+"&pick=selected&id=w0:sms:1&id=w5:sms:1&why=asked"))
	d.Want(http.StatusSeeOther, d.Ask(http.MethodPost, "/admin/do", list+"&pick=all&where="+url.QueryEscape("why=outage")))
	if n := count(); n != 1 {
		t.Errorf("%d are left", n)
	}
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/audit", ""), `failed: why has "outage"`, "asked")
}

// TestExport: the whole list, masked, and no formula.
func TestExport(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right", ViewToken: "look"})
	const names = 620 // more than are read at a time
	for i := range names {
		enqueue(d, fmt.Sprint("w", i), event.Sale{OrderName: `=HYPERLINK("https://evil.example")`, Total: "-1", Currency: "USD"}, admintest.Customer)
	}
	ask := func(query string) string {
		w := d.Ask(http.MethodGet, "/admin/api/queues/sms/waiting/export?"+query, "", "Authorization", "Bearer look")
		d.Want(http.StatusOK, w)
		if strings.Contains(w.Body.String(), "5550104242") {
			t.Error("an address")
		}
		return w.Body.String()
	}
	lines, err := csv.NewReader(strings.NewReader(ask("format=csv"))).ReadAll()
	d.Must(err)
	if len(lines) != names+1 || lines[1][0] != "w0:sms:1" || lines[1][7] != `'=HYPERLINK("https://evil.example")` || lines[1][8] != "'-1 USD" || lines[1][5] != "'+•••4242" {
		t.Errorf("%d lines, %q", len(lines), lines[1])
	}
	var got struct {
		Jobs []admin.Job
		More bool
	}
	d.Must(json.Unmarshal([]byte(ask("format=json&sort=latest")), &got))
	if len(got.Jobs) != names || got.More || got.Jobs[0].ID != fmt.Sprint("w", names-1, ":sms:1") {
		t.Errorf("%d jobs, %t, %+v", len(got.Jobs), got.More, got.Jobs[0])
	}
	d.Must(json.Unmarshal([]byte(ask("format=json&event=pos_save")), &got))
	if len(got.Jobs) != 0 {
		t.Errorf("%d jobs", len(got.Jobs))
	}
	for _, query := range []string{"", "format=xlsx", "format=csv&event=x", "format=csv&priority=9"} {
		d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodGet, "/admin/api/queues/sms/waiting/export?"+query, "", "Authorization", "Bearer right", "Accept", "application/json"))
	}
}
