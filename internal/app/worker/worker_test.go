package worker

import (
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"
)

// TestTimezone: the gate has the store's time zone.
func TestTimezone(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"": "UTC", "asia/tokyo": "Asia/Tokyo"} {
		c, err := Load(t.Context(), envconfig.MapLookuper(map[string]string{"CHANNEL": "sms", "SMS_PROVIDER": "sandbox", "DEFAULT_TIMEZONE": given}))
		if err != nil || c.Gate.Quiet.DefaultTimezone != want {
			t.Errorf("%q: %q, %v; want %s", given, c.Gate.Quiet.DefaultTimezone, err, want)
		}
	}
	_, err := Load(t.Context(), envconfig.MapLookuper(map[string]string{"CHANNEL": "sms", "SMS_PROVIDER": "sandbox", "DEFAULT_TIMEZONE": "here"}))
	if err == nil || strings.Count(err.Error(), "DEFAULT_TIMEZONE") != 1 {
		t.Errorf("an invalid one: %v", err)
	}
}
