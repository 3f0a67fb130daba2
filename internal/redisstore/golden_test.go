package redisstore

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
)

// Jobs, records and logs in a Redis keep their meaning over releases: testdata/golden has a webhook's records and the lines of a job's log as every released
// version wrote them.

func golden(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/golden/" + file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			out[name] = value
		}
	}
	return out
}

func goldenSubmissions() map[string]*queue.Submission {
	at := time.UnixMilli(1704110400123)
	customer := func(to string) message.Recipient {
		return message.Recipient{Address: message.Address(to), Audience: message.Customer}
	}
	staff := func(to string) message.Recipient {
		return message.Recipient{Address: message.Address(to), Audience: message.Staff}
	}
	return map[string]*queue.Submission{
		"nobody": {Event: queuetest.Event("w"), Priority: 1, AcceptedAt: at, Channels: []queue.ChannelSubmission{{Channel: message.SMS}}},
		"one": {Event: queuetest.Event("w"), Priority: 4, AcceptedAt: at, Channels: []queue.ChannelSubmission{
			{Channel: message.SMS, Recipients: []message.Recipient{customer("+1234567890")}}}},
		"every-channel": {Event: queuetest.Event("w"), Priority: 3, AcceptedAt: at, Channels: []queue.ChannelSubmission{
			{Channel: message.SMS, Recipients: []message.Recipient{customer("+1234567890"), staff("+15550100000")}},
			{Channel: message.Email, Recipients: []message.Recipient{customer("john.doe@example.com")}},
			{Channel: message.WhatsApp, Recipients: []message.Recipient{customer("+1234567890")}}}},
		"skipped": {Event: queuetest.Event("w"), Priority: 2, AcceptedAt: at, Channels: []queue.ChannelSubmission{
			{Channel: message.SMS, Skipped: []queue.Skipped{{Channel: message.SMS, Address: "•••", Reason: "not a phone number"}}},
			{Channel: message.Email, Recipients: []message.Recipient{staff("a@example.com")}}}},
	}
}

func TestGoldenRecords(t *testing.T) {
	t.Parallel()
	records := golden(t, "records.txt")
	if n := len(goldenSubmissions()); len(records) != 2*n {
		t.Errorf("the file has %d records, the test %d", len(records), 2*n)
	}
	for name, s := range goldenSubmissions() {
		var parts []*queue.ChannelSubmission
		var jobs []queue.Accepted
		var skipped []queue.Skipped
		for i := range s.Channels {
			part := &s.Channels[i]
			parts = append(parts, part)
			for k, r := range part.Recipients {
				jobs = append(jobs, queue.Accepted{ID: job.ID("w", part.Channel, k+1), Channel: part.Channel, Recipient: r.Address.String()})
			}
			skipped = append(skipped, part.Skipped...)
		}
		typed := name + "-with-type" // since 0.2
		for _, name := range []string{name, typed} {
			raw, err := hex.DecodeString(records[name])
			if err != nil {
				t.Fatal(err)
			}
			gotJobs, gotSkipped := decodeRecord("w", string(raw))
			if diff := cmp.Diff(jobs, gotJobs) + cmp.Diff(skipped, gotSkipped); diff != "" {
				t.Errorf("%s has another meaning now (+):\n%s", name, diff)
			}
		}
		if again := encodeRecord(s, parts); hex.EncodeToString(again) != records[typed] {
			t.Errorf("%s has other bytes now:\n%s %x", typed, typed, again)
		}
	}
}

// TestRecordOfANewerVersion: what it says beyond what we know is left out, and it stands for its webhook all the same.
func TestRecordOfANewerVersion(t *testing.T) {
	t.Parallel()
	raw, err := hex.DecodeString(golden(t, "records.txt")["one"])
	if err != nil {
		t.Fatal(err)
	}
	known, _ := decodeRecord("w", string(raw))
	jobs, skipped := decodeRecord("w", string(raw)+"\xe0\x05hello\x00\x03abc")
	if diff := cmp.Diff(known, jobs); diff != "" || len(skipped) != 0 {
		t.Errorf("skipped %v, jobs:\n%s", skipped, diff)
	}
}

func goldenSettlements() map[string]queue.Settlement {
	one := &queue.Claimed{Job: &job.Job{WebhookID: "w", Channel: message.SMS, Index: 1, Priority: 1, Recipient: "+15550100000", Attempts: 2, Version1: true}}
	return map[string]queue.Settlement{
		"sent":     {Claimed: one, Outcome: queue.Done{Attempt: queue.Attempt{Provider: "twilio", MessageID: "SM1", Took: 80 * time.Millisecond}}, Worker: "pod-1/7"},
		"retry":    {Claimed: one, Outcome: queue.Retry{Attempt: queue.Attempt{Provider: "twilio", Took: time.Second}, Error: "transient: outage (HTTP 503)"}, Worker: "pod-1/7"},
		"deferred": {Claimed: one, Outcome: queue.Defer{Attempt: queue.Attempt{Provider: "twilio"}, Error: "throttled: rate (HTTP 429)"}},
		"failed":   {Claimed: one, Outcome: queue.Fail{Error: `permanent: invalid_recipient: "x"`}},
		"dropped":  {Claimed: one, Outcome: queue.Drop{Error: "older than MESSAGE_TTL"}},
	}
}

// lineOf is the line that a settlement adds to a job's log.
func lineOf(t *testing.T, at time.Time, s queue.Settlement) string {
	t.Helper()
	var b settleBatch
	if err := (&Consumer{}).encode(&b, at, &s, nil); err != nil {
		t.Fatal(err)
	}
	if len(b.args.Done) > 0 {
		return b.args.Done[0].Line
	}
	return b.args.Ended[0].Lines
}

func TestGoldenLogs(t *testing.T) {
	t.Parallel()
	lines := golden(t, "log.txt")
	at := time.UnixMilli(1704110400123)
	for name, s := range goldenSettlements() {
		if got := lineOf(t, at, s); got != lines[name]+"\n" {
			t.Errorf("%s is written otherwise now:\n%s %s", name, name, got)
		}
	}
	// As the lines follow each other in a life; those that scripts write, and those of operators, and one that a newer version may write.
	log := ""
	for _, name := range []string{"newer", "lost", "deferred", "retry", "failed", "retried", "garbage", "sent"} {
		if lines[name] == "" {
			t.Fatalf("the file has no %s", name)
		}
		log += lines[name] + "\n"
	}
	n := queue.Notification{Status: queue.StatusQueued}
	applyLog(&n, log, "")
	var what []string
	for _, e := range n.History {
		what = append(what, e.What)
	}
	want := queue.Notification{Status: queue.StatusSent, Attempts: 3, Provider: "twilio", MessageID: "SM1", Reports: "yes", UpdatedAt: at, History: n.History}
	if diff := cmp.Diff(want, n) + cmp.Diff([]string{"parked", "lost", "deferred", "retry", "failed", "retried", "sent"}, what); diff != "" {
		t.Errorf("the log has another meaning now (+):\n%s", diff)
	}
	for name, status := range map[string]queue.Status{"failed": queue.StatusFailed, "dropped": queue.StatusFailed, "deleted": queue.StatusFailed, "lost": queue.StatusQueued} {
		n := queue.Notification{}
		if applyLog(&n, lines[name]+"\n", ""); n.Status != status {
			t.Errorf("%s: %q, want %q", name, n.Status, status)
		}
	}
}

// TestGoldenMoves: a message has fallen back, as this version writes it and as 0.1.0 did. The event says to which channel and job, and is no error.
func TestGoldenMoves(t *testing.T) {
	t.Parallel()
	lines := golden(t, "log.txt")
	at := time.UnixMilli(1704110400123)
	if got := (logEntry{At: at.UnixMilli(), State: stateMoved, Channel: message.SMS}).String(); got != lines["moved"]+"\n" {
		t.Errorf("it is written otherwise now: %s", got)
	}
	for name, to := range map[string]string{"moved": "w:whatsapp:1:sms:1", "moved-by-0.1": "w:sms:10001"} {
		n := queue.Notification{ID: "w:whatsapp:1"}
		applyLog(&n, lines["failed"]+"\n"+lines[name]+"\n", "")
		want := queue.Event{At: at, What: "moved", Channel: message.SMS, MovedTo: to}
		if diff := cmp.Diff(want, n.History[1]); diff != "" || n.Status != queue.StatusFailed || n.Error != "" {
			t.Errorf("%s: %s, %q, %s", name, n.Status, n.Error, diff)
		}
	}
}
