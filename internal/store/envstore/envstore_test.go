package envstore

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/store"
)

func TestBrand(t *testing.T) {
	t.Parallel()
	got, found := Brand{DefaultLocale: "de", BusinessName: "Luna Coffee"}.Directory().Get(event.DefaultStore)
	if want := (&store.Store{ID: "default", Name: "Luna Coffee", Locale: "de"}); !found || !cmp.Equal(want, got) {
		t.Errorf("%+v, %t", got, found)
	}
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	r := Recipients{Channels: []string{"email", "sms"}, SMSRecipients: []string{"+15550100001", "(202) 555-0102"}, EmailRecipients: []string{"staff@bücher.example"},
		WhatsAppRecipients: []string{"+15550100003"}}
	got, err := r.Store("US", address.Read)
	staff := func(to string) message.Recipient {
		return message.Recipient{Address: message.Address(to), Audience: message.Staff}
	}
	want := &store.Store{ID: "default", Region: "US", Priorities: store.DefaultPriorities, Channels: []store.Channel{
		{Name: message.Email, Recipients: []message.Recipient{staff("staff@xn--bcher-kva.example")}},
		{Name: message.SMS, Recipients: []message.Recipient{staff("+15550100001"), staff("+12025550102")}},
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestEverySettingThatCannotWorkIsNamed(t *testing.T) {
	t.Parallel()
	r := Recipients{Channels: []string{"sms", "fax"}, SMSRecipients: []string{"+15550100001", "12"}, EmailRecipients: []string{"nobody"}, WhatsAppRecipients: []string{"x"}}
	_, err := r.Store("US", address.Read)
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		"SMS_DEFAULT_RECIPIENTS: number 2 is not a phone number", "EMAIL_DEFAULT_RECIPIENTS: number 1 is not an e-mail address",
		"WHATSAPP_DEFAULT_RECIPIENTS: number 1 is not a phone number", `CHANNELS: channel "fax" is not one of`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("there is no %q in %v", want, err)
		}
	}
	if _, err := (&Recipients{}).Store("US", address.Read); err == nil || !strings.Contains(err.Error(), "CHANNELS is empty") {
		t.Errorf("without channels: %v", err)
	}
}

// TestTwice: a recipient that is listed in two spellings gets one message, and is named.
func TestTwice(t *testing.T) {
	t.Parallel()
	r := Recipients{Channels: []string{"sms", "email", "whatsapp"}, SMSRecipients: []string{"+525512345678", "+15550100001", "+52 1 55 1234 5678"},
		EmailRecipients: []string{"Staff@example.com", "staff@example.com", "other@example.com"}, WhatsAppRecipients: []string{"+525512345678"}}
	s, err := r.Store("US", address.Read)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 2, 1} {
		if got := s.Channels[i].Recipients; len(got) != want {
			t.Errorf("%s: %v", s.Channels[i].Name, got)
		}
	}
	want := []string{"SMS_DEFAULT_RECIPIENTS: numbers 1 and 3 are one person (+•••5678)", "EMAIL_DEFAULT_RECIPIENTS: numbers 1 and 2 are one person (s•••@example.com)"}
	if diff := cmp.Diff(want, r.Twice("US", address.Read)); diff != "" {
		t.Error(diff)
	}
}
