package pages_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/suppress"
)

// as are the headers of a page that an operator with ADMIN_TOKEN has open.
func as(name string) []string {
	return []string{"Authorization", "Bearer right", "X-Operator", name}
}

// hidden returns the hidden fields of the form with an action.
func hidden(page, action string) url.Values {
	values, inside := url.Values{}, false
	for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
		token, attributes := z.Token(), map[string]string{}
		for _, a := range token.Attr {
			attributes[a.Key] = a.Val
		}
		if token.Data == "form" {
			inside = attributes["action"] == action
		}
		if inside && token.Data == "input" && attributes["type"] == "hidden" {
			values.Set(attributes["name"], attributes["value"])
		}
	}
	return values
}

// claimed takes all jobs of a channel.
func claimed(d *admintest.Fixture, channel message.Channel) []*queue.Claimed {
	d.Helper()
	_, claim, err := d.Consumer(channel, "sandbox").Exchange(d.Context(), nil, nil, &queue.ClaimRequest{Max: 100})
	d.Must(err)
	return claim.Jobs
}

// tests returns the audit log's entries of test messages.
func tests(d *admintest.Fixture) (entries []queue.AuditEntry) {
	d.Helper()
	all, err := d.Store.Audit(d.Context(), 1000)
	d.Must(err)
	for _, e := range all {
		if e.Action == "send-test" {
			entries = append(entries, e)
		}
	}
	return entries
}

// TestSendATest is an operator's way: the preview, an address, the question, the job, which is one, to that address alone.
func TestSendATest(t *testing.T) {
	t.Parallel()
	d := admintest.OpenWith(t, admintest.Options{Config: admin.Config{Token: "right", ViewToken: "look"}, Prices: []string{"sms=0.0079"}, Fallback: map[string]string{"sms": "whatsapp"}})
	const payload = `{"id":"w1","event_type":"order_update","timestamp":"2024-01-01T12:00:00Z","source":"till","data":{"customerName":"Zoë","customerPhone":"+12025550199",` +
		`"customerEmail":"zoe@example.com","orderId":"O-77","status":"ready","locale":"de"}}`
	for _, asked := range []struct {
		channel              message.Channel
		audience             message.Audience
		typed, whole, masked string
		payload, text        string
	}{
		{message.SMS, message.Customer, " (202) 555-0143", "+12025550143", "+•••0143", "", "Hi John Doe, here is your receipt"},
		{message.WhatsApp, message.Staff, "+12025550143", "+12025550143", "+•••0143", payload, "O-77"},
		{message.Email, message.Customer, "Ann@example.com", "Ann@example.com", "A•••@example.com", payload, "bereit"},
	} {
		form := url.Values{"audience": {asked.audience.String()}, "payload": {asked.payload}}
		shown := d.Ask(http.MethodPost, "/admin/preview", form.Encode(), as("ann")...)
		if asked.payload == "" {
			shown = d.Ask(http.MethodGet, "/admin/preview?audience="+asked.audience.String(), "", as("ann")...)
		}
		d.Want(http.StatusOK, shown, "Send one as a test")
		form = hidden(shown.Body.String(), "/admin/preview/confirm")
		form.Set("channel", string(asked.channel))
		form.Set("audience", asked.audience.String())
		form.Set("address", asked.typed)
		before := len(tests(d))
		asks := d.Ask(http.MethodPost, "/admin/preview/confirm", form.Encode(), as("ann")...)
		d.Want(http.StatusOK, asks, asked.whole, asked.text, "Yes, send it", "suppression list", "you can send "+strconv.Itoa(9-before)+" within the hour")
		if len(claimed(d, asked.channel)) != 0 || len(tests(d)) != before {
			t.Fatal("it is sent before anybody confirmed it")
		}
		form = hidden(asks.Body.String(), "/admin/preview/send")
		for range 2 { // as by a button that is pressed twice
			w := d.Ask(http.MethodPost, "/admin/preview/send", form.Encode(), as("ann")...)
			d.Want(http.StatusSeeOther, w)
			d.Want(http.StatusOK, d.Ask(http.MethodGet, w.Header().Get("Location"), "", as("ann")...), "The test is in the queue of "+string(asked.channel), "test/")
		}
		entries, jobs := tests(d), claimed(d, asked.channel)
		if len(entries) != before+1 || len(jobs) != 1 {
			t.Fatalf("%d entries, %d jobs", len(entries), len(jobs))
		}
		if e := entries[0]; e.By != "ann" || e.Channel != asked.channel || !strings.HasSuffix(e.Target, " to "+asked.masked) || strings.Contains(e.Target, asked.whole) {
			t.Errorf("the audit log has %+v", e)
		}
		j := jobs[0].Job
		e, err := j.Event()
		d.Must(err)
		if j.Recipient != message.Address(asked.whole) || j.Audience != asked.audience || !strings.HasPrefix(j.WebhookID, "test/") || e.Sender != "admin" || e.Source != "test" {
			t.Errorf("the job is %+v, its event %+v", j, e)
		}
		_, _, err = d.Consumer(asked.channel, "sandbox").Exchange(d.Context(), []queue.Settlement{{Claimed: jobs[0], Worker: "w", Outcome: queue.Fail{Attempt: queue.Attempt{Provider: "sandbox"}, Error: "permanent: invalid_recipient"}}}, nil, nil)
		d.Must(err)
	}
	for _, channel := range message.Channels {
		if jobs := claimed(d, channel); len(jobs) != 0 {
			t.Errorf("there is another job on %s: %+v", channel, jobs[0].Job)
		}
	}
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/audit", "", as("ann")...), "send-test", "+•••0143")
	// The data of the customer in the payload goes when that person is forgotten: two tests have it, and the e-mail of the sample has not.
	d.Want(http.StatusOK, d.Ask(http.MethodPost, "/admin/api/forget", `{"who":"(202) 555-0199"}`, append(as("ann"), "Content-Type", "application/json")...), `"failed":2`)
	if page := d.Ask(http.MethodGet, "/admin/preview", "", "Authorization", "Bearer look").Body.String(); strings.Contains(page, "as a test") {
		t.Error("who may only look is offered a test")
	}
}

// test asks for a test message through the API.
func test(d *admintest.Fixture, by string, x map[string]any) *httptest.ResponseRecorder {
	d.Helper()
	body, err := json.Marshal(x)
	d.Must(err)
	return d.Ask(http.MethodPost, "/admin/api/preview/send", string(body), "Authorization", "Bearer right", "X-Operator", by, "Accept", "application/json", "Content-Type", "application/json")
}

// TestTestsAreRefused: what cannot or may not be sent is refused with the reason, on the page and by the API, and leaves neither a job nor an entry.
func TestTestsAreRefused(t *testing.T) {
	t.Parallel()
	d := admintest.OpenWith(t, admintest.Options{Config: admin.Config{Token: "right", ViewToken: "look"}})
	_, err := d.Store.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: "+12025550143", Why: suppress.StopWord, At: time.Now()}})
	d.Must(err)
	for want, x := range map[string]map[string]any{
		"on the suppression list of sms":      {"channel": "sms", "audience": "customer", "address": "+1 202-555-0143"},
		"ALLOWED_COUNTRIES":                   {"channel": "whatsapp", "audience": "customer", "address": "+49 151 23456789"},
		"type the address":                    {"channel": "sms", "audience": "customer", "address": ""},
		"not an e-mail address":               {"channel": "email", "audience": "staff", "address": "ann"},
		"say which channel":                   {"audience": "customer", "address": "+12025550100"},
		"and which audience":                  {"channel": "sms", "address": "+12025550100"},
		"sms, email, whatsapp":                {"channel": "fax", "audience": "customer", "address": "+12025550100"},
		"not that of a dry run":               {"channel": "sms", "audience": "customer", "address": "+12025550100", "test": "../../x"},
		"is not one of payment_complete":      {"channel": "sms", "audience": "customer", "address": "+12025550100", "event": "sale"},
		"the payload is not a valid webhook:": {"channel": "sms", "audience": "customer", "address": "+12025550100", "payload": "{}"},
	} {
		w := test(d, "ann", x)
		d.Want(http.StatusUnprocessableEntity, w, want)
		if strings.Contains(w.Body.String(), "2025550143") {
			t.Errorf("the address is not masked: %s", w.Body)
		}
		form := url.Values{}
		for name, value := range x {
			form.Set(name, value.(string)) //nolint:forcetypeassert // above
		}
		d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/preview/send", form.Encode(), as("ann")...), want)
	}
	// Whoever said STOP to one account, and then START to another, gets messages again by default: the workers decide.
	_, err = d.Store.Suppress(t.Context(), []suppress.Entry{{Channel: message.WhatsApp, Address: "+12025550143", Why: suppress.StopWord, Sender: "+15005550006", At: time.Now().Add(-time.Hour), OptedIn: time.Now()}})
	d.Must(err)
	asks := d.Ask(http.MethodPost, "/admin/preview/confirm", "channel=whatsapp&audience=customer&address=%2B12025550143", as("ann")...)
	d.Want(http.StatusOK, asks, "Yes, send it")
	// The page says of a suppressed address that nothing is sent to it, and has no button.
	asks = d.Ask(http.MethodPost, "/admin/preview/confirm", "channel=sms&audience=customer&address=%2B12025550143", as("ann")...)
	d.Want(http.StatusOK, asks, "nothing is sent to it")
	if strings.Contains(asks.Body.String(), "Yes, send it") {
		t.Error("there is a button that sends to a suppressed address")
	}
	for _, path := range []string{"/admin/preview/confirm", "/admin/preview/send"} {
		const form = "channel=sms&audience=customer&address=%2B12025550100"
		d.Want(http.StatusForbidden, d.Ask(http.MethodPost, path, form, "Authorization", "Bearer look"))
		d.Cookies = []*http.Cookie{signIn(d, "right")}
		d.Want(http.StatusForbidden, d.Ask(http.MethodPost, path, form, "Sec-Fetch-Site", "cross-site"))
		d.Want(http.StatusForbidden, d.Ask(http.MethodPost, path, form, "Sec-Fetch-Site", ""))
		d.Cookies = nil
	}
	if n := len(tests(d)); n != 0 {
		t.Errorf("%d entries in the audit log", n)
	}
	if jobs := claimed(d, message.SMS); len(jobs) != 0 {
		t.Errorf("%d jobs", len(jobs))
	}
	frozen := admintest.Open(t, admin.Config{Token: "right", ReadOnly: true})
	frozen.Want(http.StatusUnprocessableEntity, test(frozen, "ann", map[string]any{"channel": "sms", "audience": "customer", "address": "+12025550100"}), "ADMIN_READ_ONLY")
}

// TestTestsAreLimited: an operator may send ten tests within an hour, and all operators fifty within a day. They are counted in the audit log; a repeated request for the same test counts once.
func TestTestsAreLimited(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{Token: "right"})
	x := map[string]any{"channel": "sms", "audience": "customer", "address": "+12025550143", "event": event.OrderUpdate}
	var last admin.TestResult
	for i := range 10 {
		w := test(d, "ann", x)
		d.Want(http.StatusOK, w)
		d.Must(json.Unmarshal(w.Body.Bytes(), &last))
		if last.Left != 9-i {
			t.Errorf("after %d tests %d are left", i+1, last.Left)
		}
	}
	d.Want(http.StatusUnprocessableEntity, test(d, "ann", x), "10 within an hour")
	again := map[string]any{"channel": "sms", "audience": "customer", "address": "+12025550143", "event": event.OrderUpdate, "test": last.Test}
	d.Want(http.StatusOK, test(d, "ann", again)) // it is sent already
	for _, by := range []string{"bob", "cat", "dan", "eve"} {
		for range 10 {
			d.Want(http.StatusOK, test(d, by, x))
		}
	}
	d.Want(http.StatusUnprocessableEntity, test(d, "fay", x), "50 within a day")
	if jobs := claimed(d, message.SMS); len(jobs) != 50 {
		t.Errorf("%d jobs", len(jobs))
	}
	// Those of an hour and of a day ago do not count.
	fresh := admintest.Open(t, admin.Config{Token: "right"})
	for _, age := range []time.Duration{61 * time.Minute, 25 * time.Hour} {
		for range 30 {
			fresh.Must(fresh.Store.Record(t.Context(), queue.AuditEntry{At: time.Now().Add(-age), By: "ann", Action: "send-test", Channel: message.SMS, Target: "test/x:sms:1 to +•••0143", Count: 1}))
		}
	}
	w := test(fresh, "ann", x)
	fresh.Want(http.StatusOK, w)
	fresh.Must(json.Unmarshal(w.Body.Bytes(), &last))
	if last.Left != 9 {
		t.Errorf("%d are left", last.Left)
	}
	fresh.Redis.Kill()
	fresh.Want(http.StatusServiceUnavailable, test(fresh, "ann", x))
}
