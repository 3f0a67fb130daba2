package gate

import (
	"testing"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/suppress"
)

func TestSuppression(t *testing.T) {
	t.Parallel()
	const ours, other = "+15005550006", "+15005550007"
	stop := func(sender string) *suppress.Entry { return &suppress.Entry{Why: suppress.StopWord, Sender: sender} }
	for _, tt := range []struct {
		name       string
		env        map[string]string
		event      event.Type
		entry      *suppress.Entry
		suppressed bool
	}{
		{"not on the list", nil, event.OrderUpdate, nil, false},
		{"on the list", nil, event.OrderUpdate, stop(""), true},
		{"a receipt, too", nil, event.PaymentComplete, stop(""), true},

		{"SUPPRESSION_EXEMPT_EVENTS, the event", map[string]string{"SUPPRESSION_EXEMPT_EVENTS": "payment_complete,pos_save"}, event.POSSave, stop(""), false},
		{"SUPPRESSION_EXEMPT_EVENTS, another event", map[string]string{"SUPPRESSION_EXEMPT_EVENTS": "payment_complete,pos_save"}, event.OrderUpdate, stop(""), true},

		{"OPT_OUT_SCOPE is channel, said to this sender", nil, event.OrderUpdate, stop(ours), true},
		{"OPT_OUT_SCOPE is channel, said to another sender", nil, event.OrderUpdate, stop(other), true},
		{"OPT_OUT_SCOPE=sender, said to this sender", map[string]string{"OPT_OUT_SCOPE": "sender"}, event.OrderUpdate, stop(ours), true},
		{"OPT_OUT_SCOPE=sender, said to another sender", map[string]string{"OPT_OUT_SCOPE": "sender"}, event.OrderUpdate, stop(other), false},
		{"OPT_OUT_SCOPE=sender, said to all", map[string]string{"OPT_OUT_SCOPE": "sender"}, event.OrderUpdate, stop(""), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := settings(t, tt.env)
			in := order()
			in.Event, in.Sender, in.Suppression = tt.event, ours, tt.entry
			want := Verdict{}
			if tt.suppressed {
				want = Verdict{Action: Suppress, Reason: Suppressed, Text: "the recipient is on the suppression list: stop"}
			}
			if got := suppression(c.SuppressionExempt, c.OptOutScope)(in); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}
