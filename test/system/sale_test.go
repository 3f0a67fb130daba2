package system

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

// told is what a till is told of a webhook.
type told struct {
	Status string        `json:"status"`
	Stale  []queue.Stale `json:"stale"`
}

// happens posts an event of order 1007 that happened some time ago.
func (s *system) happens(id, kind, status string, ago time.Duration) (answer told) {
	s.Helper()
	body := fmt.Sprintf(`{"id":%q,"event_type":%q,"timestamp":%q,"source":"till-1","data":{"customerPhone":"+12025550143","orderId":"1007","status":%q,"amount":5}}`,
		id, kind, time.Now().Add(-ago).Format(time.RFC3339Nano), status)
	s.ask(http.MethodPost, "/webhooks/pos", body, http.StatusAccepted, &answer)
	return answer
}

// ask makes a request of ingest and reads the answer.
func (s *system) ask(method, path, body string, want int, into any) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer token-for-the-tests"}}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want || json.Unmarshal(text, into) != nil {
		s.Fatalf("HTTP %d %s, %v", resp.StatusCode, text, err)
	}
}

// state returns the status of a webhook's message on SMS, and by which webhook.
func (s *system) state(id string) string {
	s.Helper()
	var n queue.Notifications
	s.ask(http.MethodGet, "/v1/notifications/"+url.PathEscape(id), "", http.StatusOK, &n)
	i := slices.IndexFunc(n.Notifications, func(one queue.Notification) bool { return one.Channel == "sms" })
	if i < 0 {
		s.Fatalf("%+v", n)
	}
	return strings.TrimSpace(string(n.Notifications[i].Status) + " " + n.Notifications[i].By)
}

// arrived waits until nothing is left on SMS and returns the jobs that were sent.
func (s *system) arrived() (jobs []string) {
	s.Helper()
	s.settled("sms")
	times, _ := s.sent("sms")
	for id := range times {
		jobs = append(jobs, id)
	}
	slices.Sort(jobs)
	return jobs
}

// TestOlderStateNeverFollows: a "preparing" that is repeated after "ready" is not sent, and says so. A receipt is sent whenever it comes.
func TestOlderStateNeverFollows(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.worker("sms")
	for _, one := range []struct {
		id, kind, status string
		ago              time.Duration
		want             string
	}{
		{"ready", "order_update", "ready", 5 * time.Minute, "accepted"},
		{"preparing", "order_update", "preparing", 10 * time.Minute, "stale"},
		{"preparing", "order_update", "preparing", 10 * time.Minute, "duplicate"},
		{"created", "order_create", "", 15 * time.Minute, "stale"},
		{"paid", "payment_complete", "paid", 12 * time.Minute, "accepted"},
		{"collected", "order_update", "picked up", time.Minute, "accepted"},
	} {
		if got := s.happens(one.id, one.kind, one.status, one.ago); got.Status != one.want || (len(got.Stale) > 0 && got.Stale[0].By == "ready") != (one.want == "stale") {
			t.Errorf("%s: %+v", one.id, got)
		}
	}
	if got := s.arrived(); !slices.Equal(got, []string{"collected:sms:1", "paid:sms:1", "ready:sms:1"}) {
		t.Errorf("%q were sent", got)
	}
	if got := s.state("preparing"); got != "stale ready" {
		t.Errorf("preparing is %s", got)
	}
}

// TestOneSaleOneMessage: with a time to wait, a payment takes the place of all that was said of its order before, also where Redis and ingest begin anew in between.
func TestOneSaleOneMessage(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := &system{T: t, redis: server, client: server.Client(), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))}
	s.serve("WEBHOOK_COALESCE=10m")
	s.worker("sms")
	s.happens("created", "order_create", "", 4*time.Minute)
	s.happens("preparing", "order_update", "preparing", 3*time.Minute)
	server.Kill()
	server.Restart()
	s.stop(s.ingest)
	s.serve("WEBHOOK_COALESCE=10m")
	redistest.Eventually(t, "ingest recovers", func() bool {
		resp, err := http.Get(s.url + "/v1/notifications/x")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && s.client.Ping(t.Context()).Err() == nil
	})
	s.happens("ready", "order_update", "ready", 2*time.Minute)
	for id, want := range map[string]string{"created": "superseded preparing", "preparing": "superseded ready", "ready": "queued"} {
		if got := s.state(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	s.happens("paid", "payment_complete", "paid", time.Minute)
	s.arrives("sms", 1)
	if got := s.arrived(); !slices.Equal(got, []string{"paid:sms:1"}) {
		t.Errorf("%q were sent", got)
	}
	if got := s.state("ready"); got != "superseded paid" {
		t.Errorf("ready is %s", got)
	}
	if left := s.client.ZCard(t.Context(), "{ringup:sms}:held").Val(); left != 0 {
		t.Errorf("%d are scheduled", left)
	}
}
