package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/address"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/store"
)

func customer(to string) message.Recipient {
	return message.Recipient{Address: message.Address(to), Audience: message.Customer}
}

func staff(to string) message.Recipient {
	return message.Recipient{Address: message.Address(to), Audience: message.Staff}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	plain := []store.Channel{{Name: message.SMS}, {Name: message.Email}, {Name: message.WhatsApp}}
	watched := []store.Channel{
		{Name: message.SMS, Recipients: []message.Recipient{staff("+15550100001"), staff("+15550100002")}},
		{Name: message.Email, Recipients: []message.Recipient{staff("staff@example.com")}},
	}
	skipped := func(channel message.Channel, masked string, reason error) []queue.Skipped {
		return []queue.Skipped{{Channel: channel, Address: masked, Reason: reason.Error()}}
	}
	type parts = []queue.ChannelSubmission
	for name, tt := range map[string]struct {
		customer event.Customer
		channels []store.Channel
		want     parts
	}{
		"a customer on every channel": {event.Customer{Phone: "+1 (555) 010-0009", Email: "Ann@example.com"}, plain, parts{
			{Channel: message.SMS, Recipients: []message.Recipient{customer("+15550100009")}},
			{Channel: message.Email, Recipients: []message.Recipient{customer("Ann@example.com")}},
			{Channel: message.WhatsApp, Recipients: []message.Recipient{customer("+15550100009")}},
		}},
		"a customer before the staff": {event.Customer{Phone: "202-555-0109", Email: "ann@example.com"}, watched, parts{
			{Channel: message.SMS, Recipients: []message.Recipient{customer("+12025550109"), staff("+15550100001"), staff("+15550100002")}},
			{Channel: message.Email, Recipients: []message.Recipient{customer("ann@example.com"), staff("staff@example.com")}},
		}},
		"a customer who is of the staff gets one message": {event.Customer{Phone: "+15550100001"}, watched, parts{
			{Channel: message.SMS, Recipients: []message.Recipient{customer("+15550100001"), staff("+15550100002")}},
			{Channel: message.Email, Recipients: []message.Recipient{staff("staff@example.com")}},
		}},
		"a customer who is of the staff in another spelling": {event.Customer{Phone: "+525512345678", Email: "Staff@example.com"}, []store.Channel{
			{Name: message.SMS, Recipients: []message.Recipient{staff("+5215512345678")}}, {Name: message.Email, Recipients: []message.Recipient{staff("staff@example.com")}},
		}, parts{
			{Channel: message.SMS, Recipients: []message.Recipient{customer("+525512345678")}},
			{Channel: message.Email, Recipients: []message.Recipient{customer("Staff@example.com")}},
		}},
		"a placeholder": {event.Customer{Phone: "٠٠٠٠٠٠٠٠٠٠", Email: "none@none.com"}, plain, parts{
			{Channel: message.SMS, Skipped: skipped(message.SMS, "•••0000", address.ErrPlaceholder)},
			{Channel: message.Email, Skipped: skipped(message.Email, "n•••@none.com", address.ErrPlaceholder)},
			{Channel: message.WhatsApp, Skipped: skipped(message.WhatsApp, "•••0000", address.ErrPlaceholder)},
		}},
		"no customer": {event.Customer{}, watched, parts{
			{Channel: message.SMS, Recipients: []message.Recipient{staff("+15550100001"), staff("+15550100002")}},
			{Channel: message.Email, Recipients: []message.Recipient{staff("staff@example.com")}},
		}},
		"an invalid address is skipped, and the staff is told": {event.Customer{Phone: "12", Email: "no address"}, watched, parts{
			{Channel: message.SMS, Recipients: []message.Recipient{staff("+15550100001"), staff("+15550100002")}, Skipped: skipped(message.SMS, "•••", address.ErrPhone)},
			{Channel: message.Email, Recipients: []message.Recipient{staff("staff@example.com")}, Skipped: skipped(message.Email, "•••", address.ErrEmail)},
		}},
		"an invalid address is all there is": {event.Customer{Phone: "+555010000912345678"}, plain, parts{
			{Channel: message.SMS, Skipped: skipped(message.SMS, "+•••5678", address.ErrPhone)},
			{Channel: message.WhatsApp, Skipped: skipped(message.WhatsApp, "+•••5678", address.ErrPhone)},
		}},
		"a number is read by the customer's country": {event.Customer{Phone: "030 123456", Region: "DE"}, plain[:1], parts{
			{Channel: message.SMS, Recipients: []message.Recipient{customer("+4930123456")}},
		}},
		"a country without numbers of its own": {event.Customer{Phone: "202-555-0109", Region: "AQ"}, plain[:1], parts{
			{Channel: message.SMS, Recipients: []message.Recipient{customer("+12025550109")}},
		}},
		"a text that is too long to be an address": {event.Customer{Phone: strings.Repeat("2025550109 ", 1000), Email: strings.Repeat("ﷺ", 1000) + "@example.com"}, plain[:2], parts{
			{Channel: message.SMS, Skipped: skipped(message.SMS, "•••", address.ErrPhone)},
			{Channel: message.Email, Skipped: skipped(message.Email, "•••", address.ErrEmail)},
		}},
		"no message: the event is remembered on the first channel": {event.Customer{}, plain, parts{{Channel: message.SMS}}},
		"no channel": {event.Customer{Phone: "+15550100009"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := event.Sample(event.OrderCreate)
			e.Customer = tt.customer
			s := &store.Store{ID: "default", Region: "US", Priorities: store.DefaultPriorities, Channels: tt.channels}
			want := &queue.Submission{Event: e, Priority: 2, Channels: tt.want}
			if diff := cmp.Diff(want, Plan(e, s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMayWrite: what the store does not write to is skipped on both channels of a number, and the e-mail goes out.
func TestMayWrite(t *testing.T) {
	t.Parallel()
	countries, err := address.NewCountries(address.CountriesConfig{}, "US", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &store.Store{Region: "US", MayWrite: countries.Check, Channels: []store.Channel{{Name: message.SMS}, {Name: message.Email}, {Name: message.WhatsApp}}}
	for phone, skipped := range map[string]int{"+1234567890": 0, "+4915123456789": 2} {
		e := event.Sample(event.OrderCreate)
		e.Customer = event.Customer{Phone: phone, Email: "ann@example.com"}
		got := 0
		for _, part := range Plan(e, s).Channels {
			got += len(part.Skipped)
			for _, one := range part.Skipped {
				if one.Address != "+•••6789" || !strings.Contains(one.Reason, "add +49 or DE to ALLOWED_COUNTRIES") {
					t.Errorf("%+v", one)
				}
			}
			if len(part.Recipients)+len(part.Skipped) != 1 {
				t.Errorf("%+v", part)
			}
		}
		if got != skipped {
			t.Errorf("%s: %d are skipped, want %d", phone, got, skipped)
		}
	}
}

// TestPriorities: a submission has the priority of its event's type in the store.
func TestPriorities(t *testing.T) {
	t.Parallel()
	s := &store.Store{Priorities: map[event.Type]int{event.OrderUpdate: 1}}
	for kind, want := range map[event.Type]int{event.OrderUpdate: 1, event.PaymentComplete: 4} {
		if got := Plan(event.Sample(kind), s).Priority; got != want {
			t.Errorf("%s: %d, want %d", kind, got, want)
		}
	}
}
