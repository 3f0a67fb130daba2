package gate

import (
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/event"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	var c Config
	if err := config.Read(t.Context(), envconfig.MapLookuper(map[string]string{
		"MESSAGE_TTL": "refund:30m,pos_save:-1s", "SUPPRESSION_EXEMPT_EVENTS": "payment_complete,everything", "OPT_OUT_SCOPE": "person",
		"RECIPIENT_LIMIT_ACTION": "queue", "QUIET_HOURS": "late",
	}), &c); err != nil {
		t.Fatal(err)
	}
	err := c.Validate()
	for _, want := range []string{
		`MESSAGE_TTL names the event "refund": there are ` + event.Names(), `MESSAGE_TTL of pos_save is -1s`,
		`SUPPRESSION_EXEMPT_EVENTS names the event "everything": there are ` + event.Names(),
		`OPT_OUT_SCOPE is "person": set channel or sender`, `RECIPIENT_LIMIT_ACTION is "queue": set hold or drop`, `QUIET_HOURS is "late"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if _, err := New(c, nil); err == nil {
		t.Error("New takes quiet hours that cannot be read")
	}
}

// TestJoinIsGone: a configuration that still has RECIPIENT_LIMIT_ACTION=join is told what to set in its place.
func TestJoinIsGone(t *testing.T) {
	t.Parallel()
	c := settings(t, nil)
	c.RecipientLimitAction = "join"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "RECIPIENT_LIMIT_ACTION is join, which is no longer there: set hold") {
		t.Error(err)
	}
}
