package pages_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/admin"
	"ringup.dev/ringup/internal/admin/admintest"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// TestJobPage: what happened and when, the message as it looks, the payload without the customer, and the other messages of the webhook.
func TestJobPage(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	to := func(channel message.Channel, address message.Address) queue.ChannelSubmission {
		return queue.ChannelSubmission{Channel: channel, Recipients: []message.Recipient{{Address: address, Audience: message.Customer}}}
	}
	_, err := d.Producer.Enqueue(t.Context(), &queue.Submission{Priority: 1, AcceptedAt: time.Now().Add(-3 * time.Second), Event: &event.Event{ID: "a", Store: event.DefaultStore, Sender: event.SenderPOS, Type: event.PaymentComplete,
		Sale:     event.Sale{OrderName: "#1001", TransactionID: "TXN_1", Total: "12.50", Currency: "USD", ReceiptURL: "https://shop.example/secret"},
		Customer: event.Customer{Name: "Johanna Doe", Phone: "+15550104242", Email: "johanna@example.com"}, Extra: `{"gate":"code 1234"}`},
		Channels: []queue.ChannelSubmission{to(message.SMS, admintest.Customer), to(message.Email, "johanna@example.com")}})
	d.Must(err)
	w := d.Ask(http.MethodGet, "/admin/job?id=a:email:1", "")
	d.Want(http.StatusOK, w, "Timeline", `<iframe sandbox="" title="The e-mail, its HTML" srcdoc="`, "Other messages of its webhook", "a:sms:1", `"J•••"`, `"gate": "•••"`, "shop.example/•••", "Find all messages of this sale",
		`name="q" value="#1001"`)
	body := w.Body.String()
	payload := body[strings.Index(body, `aria-label="Payload as JSON"`):]
	for _, secret := range []string{"Johanna", "johanna@", "5550104242", "code 1234", "/secret"} {
		if strings.Contains(payload, secret) {
			t.Errorf("%q is in the payload", secret)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self'") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the policy: %s", policy)
	}
	d.Settle(queue.Settlement{Outcome: queue.Fail{Attempt: queue.Attempt{Provider: "sendgrid"}, Error: "permanent: invalid_recipient"}})
	w = d.Ask(http.MethodGet, "/admin/job?id=a:sms:1", "")
	d.Want(http.StatusOK, w, `<p class="note problem">permanent: invalid_recipient</p>`, "3 s later", "https://app.sendgrid.com/email_activity", ">Retry</a>")
	d.Want(http.StatusSeeOther, d.Ask(http.MethodPost, "/admin/do", "action=retry&id=a:sms:1"))
	w = d.Ask(http.MethodGet, "/admin/job?id=a:sms:1", "")
	if d.Want(http.StatusOK, w, "retried", "permanent: invalid_recipient"); strings.Contains(w.Body.String(), `class="note`) {
		t.Error("the error of before the retry is at the head of the page")
	}
}

// TestSendAgain: a message that was sent goes out once more, for a reason, and once however often the form comes.
func TestSendAgain(t *testing.T) {
	t.Parallel()
	d := admintest.Open(t, admin.Config{})
	d.Settled("a", "TXN_1", queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM1"}}})
	d.Failed("b", "TXN_2", "x")
	d.Want(http.StatusOK, d.Ask(http.MethodGet, "/admin/job?id=a:sms:1", ""), ">Send again</a>")
	confirm := d.Ask(http.MethodGet, "/admin/confirm?action=send-again&id=a:sms:1", "")
	d.Want(http.StatusOK, confirm, "Send this message of sms again", "+•••4242", "required")
	once := regexp.MustCompile(`name="once" value="([A-Z2-7]{26})"`).FindStringSubmatch(confirm.Body.String())[1]
	for _, body := range []string{"id=a:sms:1", "id=a:sms:1&why=+", "id=a:sms:1&id=b:sms:1&why=x", "id=b:sms:1&why=x", "id=nobody:sms:1&why=x", "why=x", "place=completed&why=x", "id=a:sms:1&place=completed&why=x", "id=a:sms:1&why=x&once=short",
		"id=a:sms:1&why=x&filter=TXN", "id=a:sms:1&why=x&priority=1", "id=a:email:1&channel=sms&why=x", "id=a:sms:1&why=x&pick=all&where="} {
		d.Want(http.StatusUnprocessableEntity, d.Ask(http.MethodPost, "/admin/do", "action=send-again&"+body))
	}
	waiting := func() int64 {
		s, err := d.Store.State(t.Context(), message.SMS)
		d.Must(err)
		return s.Waiting[0]
	}
	if n := waiting(); n != 0 {
		t.Fatalf("%d wait", n)
	}
	for range 2 {
		w := d.Ask(http.MethodPost, "/admin/do", "action=send-again&id=a:sms:1&why=lost+it&once="+once)
		d.Want(http.StatusSeeOther, w)
		to, err := url.Parse(w.Header().Get("Location"))
		d.Must(err)
		if id := to.Query().Get("id"); id != "again-"+once+":sms:1" {
			t.Errorf("it leads to %q", id)
		}
		d.Want(http.StatusOK, d.Ask(http.MethodGet, w.Header().Get("Location"), ""), "The message is in the queue", "Hi John Doe", "12.50 USD")
	}
	if n := waiting(); n != 1 {
		t.Errorf("%d wait", n)
	}
	d.Settle(queue.Settlement{Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM2"}}})
	audit := d.Ask(http.MethodGet, "/admin/audit", "")
	if d.Want(http.StatusOK, audit, "send-again", "a:sms:1 as again-"+once+":sms:1", "lost it"); strings.Count(audit.Body.String(), "lost it") != 1 {
		t.Error("it is in the audit log more than once")
	}
}
