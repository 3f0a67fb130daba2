package pages_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/preview"
)

// frames returns the documents in the frames of a page.
func frames(page string) (documents []string) {
	for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
		if token := z.Token(); token.Data == "iframe" {
			for _, a := range token.Attr {
				if a.Key == "srcdoc" && inert(token) {
					documents = append(documents, a.Val)
				}
			}
		}
	}
	return documents
}

// TestPreview: each event type is shown on every channel to both audiences in every locale, and nothing is stored.
func TestPreview(t *testing.T) {
	t.Parallel()
	d := admintest.OpenWith(t, admintest.Options{Prices: []string{"sms=0.0079"}})
	before := d.Redis.Client().DBSize(t.Context()).Val()
	for _, kind := range event.Types {
		for _, locale := range []string{"", "de", "ar", "ja", "pt-BR"} {
			w := d.Ask(http.MethodGet, "/admin/preview?"+url.Values{"event": {string(kind)}, "audience": {""}, "locale": {locale}}.Encode(), "")
			d.Want(http.StatusOK, w, "<option selected>"+string(kind)+"</option>", "1 segment", "0.0079 EUR", "Luna Coffee")
			for _, channel := range message.Channels {
				for _, audience := range message.Audiences {
					d.Want(http.StatusOK, w, fmt.Sprintf("<h2>%s for the %s</h2>", channel, audience))
				}
			}
			if shown := frames(w.Body.String()); len(shown) != 2 || !strings.Contains(shown[0], "John Doe") {
				t.Errorf("%s in %q: frames %q", kind, locale, shown)
			}
			direction := map[bool]string{true: "rtl", false: "ltr"}[locale == "ar"]
			for _, class := range []string{"bubble sms", "bubble whatsapp", "subject", "message"} {
				d.Want(http.StatusOK, w, `class="`+class+`" dir="`+direction+`"`)
			}
			if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self'") || !strings.Contains(policy, "style-src 'self' 'unsafe-inline'") {
				t.Errorf("policy %q", policy)
			}
		}
	}
	w := d.Ask(http.MethodGet, "/admin/preview?event=order_update&channel=sms&audience=staff&locale=de&bare=true", "")
	d.Want(http.StatusOK, w, "<h2>sms for the staff</h2>", `lang="de"`)
	if page := w.Body.String(); strings.Contains(page, "for the customer</h2>") || strings.Contains(page, "<h2>email") || len(frames(page)) != 0 || strings.Contains(page, `dir="ltr" lang="de">Luna Coffee: John`) {
		t.Errorf("one message: %s", page)
	}
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/preview", ""), "<h2>sms for the customer</h2>", "Hi John Doe, here is your receipt")
	for query, want := range map[string]string{"event=sale": `event type "sale" is not one of`, "channel=fax": "sms, email, whatsapp", "audience=all": "customer, staff"} {
		d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodGet, "/admin/preview?"+query, ""), want)
	}
	if after := d.Redis.Client().DBSize(t.Context()).Val(); after != before {
		t.Errorf("%d keys in Redis, and %d before", after, before)
	}
}

// TestPreviewOfPayload: a payload is decoded as a webhook is, and stays in the form.
func TestPreviewOfPayload(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	const payload = `{"id":"w1","event_type":"pos_save","timestamp":"soon","source":"till","data":{"transactionId":"T","amount":5,"currency":"GBP","customerName":"<script>alert(1)</script>",` +
		`"customerPhone":"+447700900123","customerEmail":"jane","orderId":"O","status":"ready"}}`
	post := func(values url.Values) string { return values.Encode() }
	w := d.Ask(http.MethodPost, "/admin/preview", post(url.Values{"payload": {payload}, "audience": {"customer"}, "locale": {"de"}}))
	d.Want(http.StatusOK, w, "The answer to this webhook", "<b>timestamp</b>", "email to ••• is skipped: not an e-mail address", "to +•••0123", "5,00", payload)
	if found := scripts(w.Body.String()); len(found) != 0 {
		t.Errorf("what a till sends is run: %q", found)
	}
	for _, document := range frames(w.Body.String()) {
		if strings.Contains(document, "<script>") {
			t.Errorf("what a till sends is run in the frame: %s", document)
		}
	}
	if strings.Contains(w.Body.String(), "to +447700900123") {
		t.Error("the address is not masked")
	}
	for payload, want := range map[string]string{"{": "not valid JSON", `{"event_type":"pos_save"}`: "id: "} {
		d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/preview", post(url.Values{"payload": {payload}})), want, "open><summary>")
	}
	d.Want(http.StatusRequestEntityTooLarge, d.Ask(http.MethodPost, "/admin/preview", "payload="+strings.Repeat("x", 1<<20)), "ringup render")
	d.Want(http.StatusForbidden, d.Ask(http.MethodPost, "/admin/preview", post(url.Values{"payload": {payload}}), "Sec-Fetch-Site", "cross-site"))
}

// TestPreviewAPI: programs get what the page shows; who may only look gets it, too, and who is not signed in does not.
func TestPreviewAPI(t *testing.T) {
	t.Parallel()
	d := admintest.OpenWith(t, admintest.Options{Config: admin.Config{Token: "right", ViewToken: "look"}, Prices: []string{"sms=0.0079"}})
	w := d.Ask(http.MethodPost, "/admin/api/preview", `{"event":"refund_complete","channel":"sms","locale":"de"}`, "Authorization", "Bearer look", "Content-Type", "application/json", "Accept", "application/json")
	d.Want(http.StatusOK, w)
	var got admin.Preview
	d.Must(json.Unmarshal(w.Body.Bytes(), &got))
	if len(got.Messages) != 2 || got.Currency != "EUR" || got.Messages[0].Cost != "0.0079" || !strings.Contains(got.Messages[0].Text, "Rückerstattung") {
		t.Errorf("%s", w.Body)
	}
	payload, err := json.Marshal(preview.Request{Payload: "{"})
	d.Must(err)
	d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/api/preview", string(payload), admintest.Bearer...), "not valid JSON")
	for _, path := range []string{"/admin/api/preview", "/admin/preview"} {
		if w := d.Ask(http.MethodPost, path, "{}", "Accept", "application/json"); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: HTTP %d", path, w.Code)
		}
	}
}
