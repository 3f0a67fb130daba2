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
	brand := Brand{DefaultLocale: "de", BusinessName: "Luna Coffee", DefaultCurrency: "eur", DefaultTimezone: "europe/berlin"}
	got, found := brand.Directory().Get(event.DefaultStore)
	if want := (&store.Store{ID: "default", Name: "Luna Coffee", Locale: "de", Currency: "EUR", TimeZone: "Europe/Berlin"}); !found || !cmp.Equal(want, got) || brand.Validate() != nil {
		t.Errorf("%+v, %t, %v", got, found, brand.Validate())
	}
	bare := Brand{DefaultTimezone: "UTC"}
	if got, _ := bare.Directory().Get(event.DefaultStore); got.Currency != "" || got.TimeZone != "UTC" || bare.Validate() != nil {
		t.Errorf("%+v, %v", got, bare.Validate())
	}
	for _, bad := range []Brand{{DefaultCurrency: "dollar", DefaultTimezone: "Local"}, {DefaultCurrency: "XXX"}} {
		err := bad.Validate()
		if err == nil || !strings.Contains(err.Error(), "DEFAULT_CURRENCY is") || !strings.Contains(err.Error(), "DEFAULT_TIMEZONE is") || bad.TimeZone() != "UTC" {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	b := Brand{DefaultLocale: "de", BusinessName: "Luna Coffee", DefaultTimezone: "UTC", BusinessLogoURL: "https://cdn.example.com/logo.png", BusinessColor: "#0B5fff", BusinessAddress: "1 Main St",
		BusinessTaxNumber: "12", BusinessSupport: "+1 202 555 0100", BusinessReplyTo: "hello@example.com"}
	got, found := b.Directory().Get(event.DefaultStore)
	want := &store.Store{ID: "default", Name: "Luna Coffee", Locale: "de", TimeZone: "UTC", Brand: store.Brand{Logo: "https://cdn.example.com/logo.png", Color: "#0B5fff", Address: "1 Main St",
		TaxNumber: "12", Support: "+1 202 555 0100", ReplyTo: "hello@example.com"}}
	if err := b.Validate(); !found || err != nil || !cmp.Equal(want, got) {
		t.Errorf("%+v, %t, %v", got, found, err)
	}
	if err := (&Brand{DefaultTimezone: "UTC"}).Validate(); err != nil {
		t.Errorf("without any: %v", err)
	}
}

func TestBrandsThatCannotWork(t *testing.T) {
	t.Parallel()
	for variable, brands := range map[string][]Brand{
		"BUSINESS_LOGO_URL": {{BusinessLogoURL: "http://cdn.example.com/logo.png"}, {BusinessLogoURL: "cdn.example.com/logo.png"}, {BusinessLogoURL: "https://"}, {BusinessLogoURL: "data:image/png;base64,AA"}},
		"BUSINESS_COLOR":    {{BusinessColor: "blue"}, {BusinessColor: "#fff"}, {BusinessColor: "#12345g"}, {BusinessColor: "123456"}, {BusinessColor: "#123456;"}},
		"BUSINESS_REPLY_TO": {{BusinessReplyTo: "hello"}, {BusinessReplyTo: "Luna <hello@example.com>"}, {BusinessReplyTo: "a@example.com, b@example.com"}},
		"BUSINESS_ADDRESS":  {{BusinessAddress: "1 Main St\nSpringfield"}},
		"BUSINESS_NAME":     {{BusinessName: "Luna\r\nBcc: x"}},
	} {
		for _, b := range brands {
			b.DefaultTimezone = "UTC"
			if err := b.Validate(); err == nil || !strings.Contains(err.Error(), variable) {
				t.Errorf("%+v: %v", b, err)
			}
		}
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

// TestARecipientIsListedTwice: once is enough for one message, however the address is written.
func TestARecipientIsListedTwice(t *testing.T) {
	t.Parallel()
	r := Recipients{Channels: []string{"sms", "email", "whatsapp"},
		SMSRecipients:      []string{"+15550100001", "+12025550102", "(202) 555-0102", "+1 202 555 0102", "+15550100001"},
		EmailRecipients:    []string{"staff@bücher.example", "till@example.com", "staff@xn--bcher-kva.example"},
		WhatsAppRecipients: []string{"+12025550102", "202-555-0102"},
	}
	s, err := r.Store("US", address.Read)
	if err != nil {
		t.Fatal(err)
	}
	got := map[message.Channel][]string{}
	for _, c := range s.Channels {
		for _, to := range c.Recipients {
			got[c.Name] = append(got[c.Name], to.Address.Reveal())
		}
	}
	want := map[message.Channel][]string{
		message.SMS: {"+15550100001", "+12025550102"}, message.Email: {"staff@xn--bcher-kva.example", "till@example.com"}, message.WhatsApp: {"+12025550102"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAChannelIsNamedTwice: on it, every message would go out twice.
func TestAChannelIsNamedTwice(t *testing.T) {
	t.Parallel()
	for _, channels := range [][]string{{"sms", "sms"}, {"email", "sms", "email"}, {"whatsapp", "whatsapp", "whatsapp"}} {
		_, err := (&Recipients{Channels: channels}).Store("US", address.Read)
		if want := "CHANNELS has " + channels[0] + " twice"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", channels, err, want)
		}
	}
}

// TestSeveralNumbersInOneEntry: a comma that was forgotten costs nobody their messages.
func TestSeveralNumbersInOneEntry(t *testing.T) {
	t.Parallel()
	const one, other = "+12025550143", "+4915123456789"
	for _, between := range []string{" ", ";", "; ", "|", " / ", "/", " & ", "", "\n", " and "} {
		for _, entry := range []string{one + between + other, "+1 202 555 0143" + between + "+49 151 23456789"} {
			_, err := (&Recipients{Channels: []string{"sms"}, SMSRecipients: []string{entry}}).Store("US", address.Read)
			if want := "SMS_DEFAULT_RECIPIENTS: number 1 is several"; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", entry, err)
			}
		}
	}
	for _, entry := range []string{one, "(202) 555-0143", "+49 (0) 151 / 234 567 89", "0049 15123456789", "202-555-0143 ext. 12", "202 5550143"} {
		if _, err := (&Recipients{Channels: []string{"sms"}, SMSRecipients: []string{entry}}).Store("US", address.Read); err != nil {
			t.Errorf("%q: %v", entry, err)
		}
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
