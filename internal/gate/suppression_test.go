package gate

import (
	"testing"
	"time"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/suppress"
)

func TestSuppression(t *testing.T) {
	t.Parallel()
	const ours, other = "+15005550006", "+15005550007"
	stop := func(sender string) []suppress.Entry {
		return []suppress.Entry{{Why: suppress.StopWord, Sender: sender}}
	}
	since := func(e []suppress.Entry) []suppress.Entry {
		e[0].OptedIn = time.Unix(1, 0)
		return e
	}
	sender := map[string]string{"OPT_OUT_SCOPE": "sender"}
	for _, tt := range []struct {
		name       string
		env        map[string]string
		event      event.Type
		entries    []suppress.Entry
		suppressed bool
	}{
		{"not on the list", nil, event.OrderUpdate, nil, false},
		{"on the list", nil, event.OrderUpdate, stop(""), true},
		{"a receipt, too", nil, event.PaymentComplete, stop(""), true},

		{"SUPPRESSION_EXEMPT_EVENTS, the event", map[string]string{"SUPPRESSION_EXEMPT_EVENTS": "payment_complete,pos_save"}, event.POSSave, stop(""), false},
		{"SUPPRESSION_EXEMPT_EVENTS, another event", map[string]string{"SUPPRESSION_EXEMPT_EVENTS": "payment_complete,pos_save"}, event.OrderUpdate, stop(""), true},

		{"OPT_OUT_SCOPE is channel, said to this sender", nil, event.OrderUpdate, stop(ours), true},
		{"OPT_OUT_SCOPE is channel, said to another sender", nil, event.OrderUpdate, stop(other), true},
		{"OPT_OUT_SCOPE=sender, said to this sender", sender, event.OrderUpdate, stop(ours), true},
		{"OPT_OUT_SCOPE=sender, said to another sender", sender, event.OrderUpdate, stop(other), false},
		{"OPT_OUT_SCOPE=sender, said to both", sender, event.OrderUpdate, append(stop(other), stop(ours)...), true},
		{"OPT_OUT_SCOPE=sender, said to a number of this service", sender, event.OrderUpdate, []suppress.Entry{{Why: suppress.StopWord, Sender: "MG1", Also: []string{ours}}}, true},
		{"OPT_OUT_SCOPE=sender, opted in at another sender", sender, event.OrderUpdate, since(stop(ours)), true},
		{"OPT_OUT_SCOPE is channel, opted in at another sender", nil, event.OrderUpdate, since(stop(ours)), false},
		{"OPT_OUT_SCOPE is channel, opted in at another sender before a complaint", nil, event.OrderUpdate, append(since(stop(ours)), stop("")...), true},
		{"OPT_OUT_SCOPE=sender, said to all", sender, event.OrderUpdate, stop(""), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := settings(t, tt.env)
			in := order()
			in.Event, in.Sender, in.Suppressions = tt.event, ours, tt.entries
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
