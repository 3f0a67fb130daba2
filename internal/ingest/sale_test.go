package ingest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/plan"
)

// TestTimeOfAnEvent: an event goes into the queue with the time that its sender gave, or none where that cannot be read, and waits by the setting of its endpoint.
func TestTimeOfAnEvent(t *testing.T) {
	t.Parallel()
	url, took, _ := natives(t, Config{Coalesce: plan.Coalesce{Webhooks: 3 * time.Second, Native: 20 * time.Second}})
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i, one := range []struct {
		written string
		want    time.Time
	}{{at.Format(time.RFC3339), at}, {"this morning", time.Time{}}, {"", time.Time{}}} {
		body := fmt.Sprintf(`{"id":"w%d","event_type":"order_update","timestamp":%q,"data":{"orderId":"1007","customerPhone":"+12025550143"}}`, i, one.written)
		resp := request(t, url+"/webhooks/pos", body, http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer token"}})
		if resp.StatusCode != http.StatusAccepted || len(took.took) != i+1 {
			t.Fatalf("HTTP %d, %d taken", resp.StatusCode, len(took.took))
		}
		if got := took.took[i]; !got.HappenedAt.Equal(one.want) || got.Coalesce != 3*time.Second || len(got.Channels) == 0 || got.Channels[0].Channel != message.SMS {
			t.Errorf("%q: happened at %s, waits %s", one.written, got.HappenedAt, got.Coalesce)
		}
	}
}
