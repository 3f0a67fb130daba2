package job

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
)

// goldenJobs are the jobs of a version whose bytes testdata/golden has, one file per version. Jobs of a released version wait in the Redis of
// its users: neither the bytes nor what they mean may change, and a new version gets a new file beside the old ones.
func goldenJobs(version int) map[string]Job {
	jobs := map[string]Job{
		"least":   {WebhookID: "a", Index: 1, Priority: 1, AcceptedAt: time.UnixMilli(0), Audience: message.Customer, Recipient: "b", Body: []byte{}},
		"example": example(),
	}
	vary := func(name string, change func(*Job)) {
		j := Job{
			WebhookID: "webhook_1", Index: 1, Priority: 2, AcceptedAt: time.UnixMilli(1704110400123), Audience: message.Customer,
			Recipient: "ann@example.com", Body: []byte(`{"id":"webhook_1"}`),
		}
		change(&j)
		jobs[name] = j
	}
	vary("new", func(*Job) {})
	vary("shared-body", func(j *Job) { j.SharedBody, j.Body = true, nil })
	vary("uncertain", func(j *Job) { j.Uncertain = true })
	vary("returned", func(j *Job) { j.Returns = 1 })
	vary("returned-most-often", func(j *Job) { j.Returns, j.Uncertain, j.SharedBody, j.Body = MaxReturns-1, true, true, nil })
	vary("attempts", func(j *Job) { j.Attempts = 255 })
	vary("crashes", func(j *Job) { j.Crashes = 250 })
	vary("error", func(j *Job) { j.LastError = "transient: outage (HTTP 503)" })
	vary("longest-error", func(j *Job) { j.LastError = strings.Repeat("é", MaxError/2) })
	vary("trace", func(j *Job) { j.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" })
	vary("staff", func(j *Job) { j.Audience = message.Staff })
	vary("index", func(j *Job) { j.Index = 16383 })
	vary("longest-id", func(j *Job) { j.WebhookID = strings.Repeat("w", MaxWebhookID) })
	vary("year-2100", func(j *Job) { j.AcceptedAt = time.UnixMilli(4102444800000) })
	if version == 2 {
		vary("group", func(j *Job) { j.Group = "ORD_1" })
		vary("store", func(j *Job) { j.Store = "luna-5th" })
		vary("newer-type", func(j *Job) { j.Type = "stock_low" })
		vary("longest-texts", func(j *Job) {
			j.Type, j.Store, j.Group = event.Type(strings.Repeat("t", 255)), strings.Repeat("s", 255), strings.Repeat("g", 255)
		})
	}
	for name, j := range jobs {
		j.Channel, j.Version1 = message.SMS, version == 1
		if j.Type == "" {
			j.Type = version1Types[j.Priority-1]
		}
		if j.Store == "" {
			j.Store = event.DefaultStore
		}
		jobs[name] = j
	}
	return jobs
}

func TestGoldenVersion1(t *testing.T) {
	t.Parallel()
	testGolden(t, 1)
}

func TestGoldenVersion2(t *testing.T) {
	t.Parallel()
	testGolden(t, 2)
}

func testGolden(t *testing.T, version int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("testdata/golden/v%d.txt", version))
	if err != nil {
		t.Fatal(err)
	}
	golden := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			golden[name] = value
		}
	}
	jobs := goldenJobs(version)
	if len(golden) != len(jobs) {
		t.Errorf("the file has %d jobs, the test %d", len(golden), len(jobs))
	}
	for name, want := range jobs {
		raw, err := hex.DecodeString(golden[name])
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(message.SMS, raw)
		if err != nil {
			t.Errorf("%s cannot be read: %v", name, err)
		} else if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s has another meaning now (+):\n%s", name, diff)
		}
		if again, err := want.AppendBinary(nil); err != nil || hex.EncodeToString(again) != golden[name] {
			t.Errorf("%s has other bytes now: %v\n%s %x", name, err, name, again)
		}
	}
}

// TestReturned: what was put back has other bytes, but for that count the same meaning, and comes to its old bytes only after a whole round.
func TestReturned(t *testing.T) {
	t.Parallel()
	for name, j := range goldenJobs(2) {
		testReturned(t, name, j)
	}
	for name, j := range goldenJobs(1) {
		testReturned(t, name, j)
	}
	for _, junk := range []string{"", "x", "\x03 a job of a newer version"} {
		if got := string(Returned([]byte(junk))); got != junk {
			t.Errorf("%q became %q", junk, got)
		}
	}
}

func testReturned(t *testing.T, name string, j Job) {
	t.Helper()
	raw, err := j.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	first, seen := string(raw), map[string]bool{}
	for range MaxReturns {
		seen[string(raw)] = true
		raw = Returned(raw)
		got, err := Decode(message.SMS, raw)
		if err != nil {
			t.Fatal(err)
		}
		want := j
		want.Returns = got.Returns
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Fatalf("%s: %s", name, diff)
		}
	}
	if len(seen) != MaxReturns || string(raw) != first {
		t.Errorf("%s: %d different bytes in a round", name, len(seen))
	}
}
