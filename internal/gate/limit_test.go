package gate

import (
	"testing"
	"time"
)

func TestRecipientLimit(t *testing.T) {
	t.Parallel()
	const text = "the customer got RECIPIENT_LIMIT messages within an hour"
	later := night.Add(20 * time.Minute)
	for _, tt := range []struct {
		name  string
		env   map[string]string
		until time.Time
		want  Verdict
	}{
		{"below the limit", nil, time.Time{}, Verdict{}},
		{"RECIPIENT_LIMIT_ACTION is hold", nil, later, Verdict{Action: Hold, Until: later, Reason: RecipientLimit, Text: text}},
		{"RECIPIENT_LIMIT_ACTION=hold", map[string]string{"RECIPIENT_LIMIT_ACTION": "hold"}, later, Verdict{Action: Hold, Until: later, Reason: RecipientLimit, Text: text}},
		{"RECIPIENT_LIMIT_ACTION=drop", map[string]string{"RECIPIENT_LIMIT_ACTION": "drop"}, later, Verdict{Action: Drop, Reason: RecipientLimit, Text: text}},
		{"RECIPIENT_LIMIT_ACTION=drop, below the limit", map[string]string{"RECIPIENT_LIMIT_ACTION": "drop"}, time.Time{}, Verdict{}},
	} {
		in := order()
		in.LimitedUntil = tt.until
		if got := recipientLimit(settings(t, tt.env).RecipientLimitAction)(in); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
