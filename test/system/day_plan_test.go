package system

import (
	"slices"

	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/test/emulator"
)

// Two zones without daylight saving time, eight hours apart by the clock on every date.
const (
	quietZone = "Asia/Tokyo"
	awakeZone = "America/Phoenix"
)

// said is one delivery report of a message.
type said struct {
	emulator.Event
	result string // its result in ringup_reports_applied_total
	// suppresses is set for a report that suppresses the address. only is set for one that has no other effect.
	suppresses, only bool
}

// says returns reports without a consequence, one per kind.
func says(kinds ...emulator.EventKind) []said {
	var out []said
	for _, kind := range kinds {
		out = append(out, said{Event: emulator.Event{Kind: kind}, result: "applied"})
	}
	return out
}

// fails returns a report that a message did not arrive.
func fails(kind emulator.EventKind, code, result string) []said {
	return []said{{Event: emulator.Event{Kind: kind, Code: code}, result: result}}
}

// suppressing marks the first of the reports as one that suppresses the address.
func suppressing(reports []said) []said {
	reports[0].suppresses = true
	return reports
}

// again returns repetitions of the reports.
func again(reports []said) []said {
	reports = slices.Clone(reports)
	for i := range reports {
		reports[i].result, reports[i].suppresses = "repeated", false
	}
	return reports
}

// fate has the delivery reports of a message, and the status that they lead to.
type fate struct {
	reports []said // in the order of their arrival
	late    []said // those that arrive when the shop has closed
	second  []said // those of the second attempt, by the same provider
	times   int    // how often each report arrives; 0 is once
	forged  bool   // the reports are not signed with the provider's key
	want    queue.Status
	by      string // the provider of the last attempt; "" is the channel's first provider
	why     string // the reason of a scheduled message
}

// sends returns how often the message is sent.
func (f *fate) sends() int {
	switch {
	case f.want == queue.StatusSuppressed || f.want == queue.StatusScheduled:
		return 0
	case f.second != nil || f.by != "":
		return 2
	}
	return 1
}

var (
	delivered = fate{reports: says(emulator.EventSent, emulator.EventDelivered), want: queue.StatusDelivered}
	read      = fate{reports: says(emulator.EventSent, emulator.EventDelivered, emulator.EventRead), want: queue.StatusRead}
	silent    = fate{want: queue.StatusSent}
	late      = fate{late: says(emulator.EventDelivered, emulator.EventSent), want: queue.StatusDelivered}
	stopped   = fate{want: queue.StatusSuppressed}
)

func scheduled(why string) fate { return fate{want: queue.StatusScheduled, why: why} }

// fates are those of a webhook's messages, by channel. fallBack is that of the SMS after WhatsApp has failed; nil if there is none.
type fates struct {
	sms, email, whatsapp fate
	fallBack             *fate
}

var well = fates{sms: delivered, email: read, whatsapp: read}

// wish is a customer's opt-out or opt-in.
type wish struct {
	channel, text string
	again         bool // the provider repeats the callback, as it does when the first answer was lost
}

// oneClick is the text of an opt-out by an e-mail's List-Unsubscribe.
const oneClick = "one click"

func stop(channel string) wish  { return wish{channel: channel, text: "STOP"} }
func begin(channel string) wish { return wish{channel: channel, text: "START"} }

// people are customers with the same fate.
type people struct {
	name      string
	customers int
	before    []wish // those before the shop opens
	morning   fates
	visits    int    // in the morning; 0 is one
	noon      []wish // those at noon
	forged    []wish // those that an attacker sends in the customers' name
	evening   *fates // those of another visit in the evening; nil without one
}

// customers returns the plan of the day. capped is whether the daily cap of the source "kiosk" is reached in the evening.
func customers(capped bool) []people {
	twice := func(f fate) fate {
		f.times, f.late = 2, again(f.reports)
		return f
	}
	reversed := func(f fate) fate {
		f.reports = slices.Clone(f.reports)
		slices.Reverse(f.reports)
		return f
	}
	kiosk := fates{scheduled("daily_cap"), read, read, nil}
	if !capped {
		kiosk = well
	}
	return []people{
		{name: "all is well", customers: 80, morning: well},
		{name: "regulars", customers: 10, morning: well, visits: 3,
			evening: &fates{scheduled("recipient_limit"), scheduled("recipient_limit"), scheduled("recipient_limit"), nil}},
		{name: "kiosk", customers: 10, morning: well, evening: &kiosk},
		{name: "reports in reverse", customers: 40, morning: fates{reversed(delivered), reversed(read), reversed(read), nil}},
		{name: "reports repeated", customers: 40, morning: fates{twice(delivered), twice(read), twice(read), nil}},
		{name: "no reports", customers: 20, morning: fates{silent, silent, silent, nil}},
		{name: "late reports", customers: 20, morning: fates{late, late, late, nil}},
		{name: "forged", customers: 20, morning: fates{
			fate{reports: fails(emulator.EventFailed, "30003", ""), forged: true, want: queue.StatusSent},
			fate{reports: fails(emulator.EventBounce, "", ""), forged: true, want: queue.StatusSent},
			fate{reports: fails(emulator.EventFailed, "131026", ""), forged: true, want: queue.StatusSent}, nil},
			forged: []wish{stop("sms"), stop("whatsapp")}, evening: &well},
		{name: "undeliverable", customers: 20, morning: fates{
			fate{reports: append(says(emulator.EventSent), fails(emulator.EventFailed, "30005", "failed")...), want: queue.StatusFailed},
			fate{reports: suppressing(fails(emulator.EventBounce, "", "failed")), want: queue.StatusFailed},
			fate{reports: fails(emulator.EventFailed, "131026", "failed"), want: queue.StatusFailed}, &delivered},
			evening: &fates{delivered, stopped, read, nil}},
		{name: "another try", customers: 20, morning: fates{
			// The other provider accepts the message, and sends no delivery report.
			fate{reports: fails(emulator.EventFailed, "30003", "again"), by: "aws", want: queue.StatusSent},
			fate{reports: fails(emulator.EventSoftBounce, "", "again"), second: says(emulator.EventDelivered), want: queue.StatusDelivered},
			fate{reports: fails(emulator.EventFailed, "131000", "again"), second: says(emulator.EventSent, emulator.EventDelivered), want: queue.StatusDelivered}, nil}},
		{name: "no more", customers: 20, morning: fates{delivered,
			fate{reports: append(says(emulator.EventDelivered), said{Event: emulator.Event{Kind: emulator.EventComplaint}, result: "applied", suppresses: true, only: true}),
				want: queue.StatusDelivered}, read, nil},
			noon: []wish{stop("sms"), {channel: "whatsapp", text: " Stop! "}}, evening: &fates{stopped, stopped, stopped, nil}},
		{name: "changed their mind", customers: 20, morning: well,
			noon:    []wish{stop("sms"), {channel: "whatsapp", text: "Désabonner"}, {channel: "email", text: oneClick}, begin("sms"), begin("whatsapp")},
			evening: &fates{delivered, stopped, read, nil}},
		{name: "changed their mind twice", customers: 10, morning: well,
			noon: []wish{stop("sms"), begin("sms"), {channel: "sms", text: "quit"}, {channel: "sms", text: "START", again: true},
				stop("whatsapp"), begin("whatsapp"), {channel: "whatsapp", text: "quit"}, {channel: "whatsapp", text: "START", again: true}},
			evening: &fates{stopped, read, stopped, nil}},
		{name: "contradictions", customers: 20, morning: fates{
			fate{reports: says(emulator.EventDelivered), late: fails(emulator.EventFailed, "30003", "applied"), want: queue.StatusDelivered},
			fate{reports: says(emulator.EventDelivered), late: fails(emulator.EventSoftBounce, "", "applied"), want: queue.StatusDelivered},
			fate{reports: says(emulator.EventDelivered), late: fails(emulator.EventFailed, "131026", "applied"), want: queue.StatusDelivered}, nil}},
		{name: "refused", customers: 20, morning: fates{
			fate{reports: suppressing(fails(emulator.EventFailed, "21610", "failed")), want: queue.StatusFailed},
			fate{reports: suppressing(fails(emulator.EventDropped, "Unsubscribed Address", "failed")), want: queue.StatusFailed},
			// The customer stopped offers on WhatsApp, so the message does not fall back to SMS.
			fate{reports: fails(emulator.EventFailed, "131050", "failed"), want: queue.StatusFailed}, nil},
			evening: &fates{stopped, stopped, read, nil}},
		{name: "said stop before", customers: 20, before: []wish{{channel: "sms", text: "arrêt"}}, morning: fates{stopped, read,
			fate{reports: fails(emulator.EventFailed, "131026", "failed"), want: queue.StatusFailed}, &stopped},
			evening: &fates{stopped, read, read, nil}},
	}
}
