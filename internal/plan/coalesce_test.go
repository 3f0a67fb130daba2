package plan

import (
	"strings"
	"testing"
	"time"
)

// TestCoalesceIsChecked: a time to wait that cannot work is named at start.
func TestCoalesceIsChecked(t *testing.T) {
	t.Parallel()
	for wait, ok := range map[time.Duration]bool{0: true, 20 * time.Second: true, maxCoalesce: true, -time.Second: false, maxCoalesce + time.Second: false} {
		for _, c := range []Coalesce{{Webhooks: wait}, {Native: wait}} {
			if err := c.Validate(); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "COALESCE") {
				t.Errorf("%s: %v", wait, err)
			}
		}
	}
}
