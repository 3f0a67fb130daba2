package ingest_test

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/provider/aws"
	"ringup.dev/ringup/internal/provider/callbacks"
	"ringup.dev/ringup/internal/provider/sendgrid"
	"ringup.dev/ringup/internal/provider/twilio"
	"ringup.dev/ringup/internal/provider/whatsapp"
	"ringup.dev/ringup/internal/suppress"
	"ringup.dev/ringup/test/emulator"
)

// TestRotation: while a secret changes, callbacks under the old one and under the new one are good.
func TestRotation(t *testing.T) {
	t.Parallel()
	b := open(t, map[string]string{"TWILIO_AUTH_TOKEN": "anewtokenofthetests," + emulator.TwilioAuthToken, "WHATSAPP_APP_SECRET": emulator.WhatsAppAppSecret + ", a-new-secret-of-the-tests"})
	for _, d := range dialects() {
		m := b.send(t, d, "webhook_1:"+string(d.channel)+":1")
		b.call(t, d.taken, b.report(t, m, emulator.Event{Kind: emulator.EventDelivered})...)
	}
}

// TestMetrics: reports and preferences are counted when the queue has them.
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	d := dialects()[2]
	m := b.send(t, d, "webhook_1:email:1")
	callbacks := b.report(t, m, emulator.Event{Kind: emulator.EventDelivered}, emulator.Event{Kind: emulator.EventBounce}, emulator.Event{Kind: emulator.EventResubscribe})
	b.fail(errors.New("away"))
	b.call(t, http.StatusServiceUnavailable, callbacks...)
	b.fail(nil)
	b.call(t, http.StatusOK, callbacks...)
	// channel, provider, reason, state
	if diff := cmp.Diff(map[string]float64{"email sendgrid  delivered": 1, "email sendgrid invalid_recipient failed": 1}, b.counted(t, "ringup_delivery_reports_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// channel, kind, provider, why
	if diff := cmp.Diff(map[string]float64{"email opt_in sendgrid unsubscribe": 1, "email opt_out sendgrid hard_bounce": 1}, b.counted(t, "ringup_preferences_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOtherPrograms: reports on the messages of another program, which sends through the same account, are answered and counted, and the queue does not get
// them. Those of the Cloud API have no value of ours, so the queue looks for the message.
func TestOtherPrograms(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d dialect) {
		b := open(t, nil)
		other, own := b.send(t, d, "order 7"), b.send(t, d, "webhook_1:"+string(d.channel)+":1")
		delivered := emulator.Event{Kind: emulator.EventDelivered}
		for range 3 {
			b.call(t, d.taken, b.report(t, other, delivered)...)
		}
		b.call(t, d.taken, b.report(t, own, delivered)...)
		updates, foreign := 1, 3.0
		if d.name == "whatsapp" {
			updates, foreign = 4, 0
		}
		if got := b.updates(); len(got) != updates {
			t.Errorf("the queue got %+v", got)
		}
		if n := b.counted(t, "ringup_delivery_reports_foreign_total")[d.provider]; n != foreign {
			t.Errorf("%v are counted", n)
		}
	})
}

// TestConfigurationIsChecked: New refuses what Validate does.
func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	c := callbacks.Config{
		Twilio: twilio.CallbackConfig{PublicURL: "x"}, SendGrid: sendgrid.CallbackConfig{PublicKeys: []string{"x"}}, AWS: aws.CallbackConfig{SESTopics: []string{"x"}},
		WhatsApp: whatsapp.CallbackConfig{VerifyToken: "x"}, Words: suppress.WordsConfig{Stop: []string{"!?"}, Start: []string{"+stop"}},
	}
	_, err := callbacks.New(c, callbacks.Dependencies{Log: slog.New(slog.DiscardHandler)})
	for _, err := range []error{err, c.Validate()} {
		for _, want := range []string{"PUBLIC_URL is not", "SENDGRID_WEBHOOK_PUBLIC_KEY: number 1", `SES_TOPIC_ARN has "x"`,
			"WHATSAPP_VERIFY_TOKEN is set without a WHATSAPP_APP_SECRET", `STOP_WORDS has "!?"`} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
	}
	if none := (callbacks.Config{}); none.Validate() != nil {
		t.Errorf("nothing is set: %v", none.Validate())
	}
}
