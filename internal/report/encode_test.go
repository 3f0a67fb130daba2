package report_test

import (
	"net/url"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
)

// jobID is any id that a job can have, with any bytes.
var jobID = rapid.Custom(func(t *rapid.T) string {
	webhook := rapid.OneOf(rapid.StringN(1, 60, 200), rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 100), func(b []byte) string { return string(b) })).Draw(t, "webhook")
	return job.ID(webhook, rapid.SampledFrom(message.Channels).Draw(t, "channel"), rapid.IntRange(1, 5000).Draw(t, "index"))
})

// TestEncodeJob: any id comes back as it was, through what every provider takes and no program on the way writes differently; also as 0.1.0 wrote it.
func TestEncodeJob(t *testing.T) {
	t.Parallel()
	everywhere := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	rapid.Check(t, func(t *rapid.T) {
		id := jobID.Draw(t, "id")
		text := report.EncodeJob(id)
		if !everywhere.MatchString(text) || len(text) > 3*len(id) || url.QueryEscape(text) != text {
			t.Errorf("%q is %q", id, text)
		}
		if got := report.DecodeJob(text); got != id {
			t.Errorf("%q came back as %q", id, got)
		}
		for _, value := range []string{text, id} {
			if got, _ := report.JobOf(value, message.Channels...); got != id {
				t.Errorf("%q of %q: %q", value, id, got)
			}
		}
	})
}

// TestDecodeJob: what EncodeJob did not write is no id, so that two values never name one job.
func TestDecodeJob(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-f0-9A-F_:. -]{0,12}`)).Draw(t, "text")
		if id := report.DecodeJob(text); id != "" && report.EncodeJob(id) != text {
			t.Errorf("%q is %q", text, id)
		}
	})
	for _, text := range []string{"", "_", "_3", "_zz", "_3A", "_61", "a b", "a:b", "a.b", "é"} {
		if id := report.DecodeJob(text); id != "" {
			t.Errorf("%q is %q", text, id)
		}
	}
}
