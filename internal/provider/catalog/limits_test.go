package catalog

import (
	"testing"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/limits"
)

// TestLimits: the previews know how long a text every provider takes, and take the least of several.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, channel := range []message.Channel{message.SMS, message.WhatsApp} {
		for _, name := range Names(channel) {
			if limit := limits.MaxText(channel, []string{name}); (limit != message.Limit{}) == (name == "sandbox") {
				t.Errorf("%s on %s: %+v", name, channel, limit)
			}
		}
	}
	for want, names := range map[message.Limit][]string{{}: nil, {Units: 4096}: {"business", "sandbox"}, {Units: 1600}: {"business", "twilio"}} {
		if got := limits.MaxText(message.WhatsApp, names); got != want {
			t.Errorf("of %v: %+v, want %+v", names, got, want)
		}
	}
}
