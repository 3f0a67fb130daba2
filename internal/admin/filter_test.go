package admin

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
)

// listQueue has jobs of one state, and nothing but what lists may ask for: a call for a body would crash.
type listQueue struct {
	Queues

	jobs []queue.Stored
}

func (q *listQueue) State(context.Context, message.Channel) (*queue.ChannelState, error) {
	return &queue.ChannelState{Depth: queue.Depth{Failed: int64(len(q.jobs))}}, nil
}

func (q *listQueue) List(_ context.Context, _ message.Channel, _ queue.State, _, offset, limit int) ([]queue.Stored, error) {
	offset = min(offset, len(q.jobs))
	return slices.Clone(q.jobs[offset:min(len(q.jobs), offset+limit)]), nil
}

func (q *listQueue) Providers(_ context.Context, jobs []queue.Stored) error {
	for i := range jobs {
		if jobs[i].Job != nil {
			jobs[i].Provider = jobs[i].Job.Trace // that is where these tests have it
		}
	}
	return nil
}

// drawJobs makes failed jobs, the latest first, of a few kinds; those that cannot be read are among them.
func drawJobs(t *rapid.T) []queue.Stored {
	n := rapid.IntRange(0, 1300).Draw(t, "jobs")
	seed := rapid.Uint32().Draw(t, "seed")
	jobs := make([]queue.Stored, n)
	for i := range jobs {
		seed = seed*1664525 + 1013904223
		k := int(seed >> 16)
		jobs[i] = queue.Stored{Channel: message.SMS, State: queue.Failed, At: time.Unix(int64(10_000-i), 0)}
		if k%17 == 0 {
			jobs[i].Err = job.ErrCorrupt
			continue
		}
		jobs[i].Job = &job.Job{WebhookID: "w" + string(rune('0'+k%10)), Index: i + 1, Channel: message.SMS, Type: event.Types[k%6], Store: []string{"default", "luna-5th"}[k%2],
			Trace: []string{"twilio", "aws", ""}[k%3], LastError: []string{"Permanent: invalid_recipient", "transient: outage", ""}[k/7%3]}
	}
	return jobs
}

func drawFilter(t *rapid.T) JobFilter {
	f := JobFilter{
		Event: rapid.SampledFrom(append([]event.Type{"", ""}, event.Types...)).Draw(t, "event"), Store: rapid.SampledFrom([]string{"", "", "default", "other"}).Draw(t, "store"),
		Provider: rapid.SampledFrom([]string{"", "", "aws", "sns"}).Draw(t, "provider"), Why: rapid.SampledFrom([]string{"", "", "INVALID", "outage", "&why=%&from="}).Draw(t, "why"),
	}
	if from := rapid.IntRange(8000, 10_100).Draw(t, "from"); from%2 == 0 {
		f.From = time.Unix(int64(from), 0).UTC()
	}
	if to := rapid.IntRange(10_101, 10_200).Draw(t, "to"); to%2 == 0 {
		f.To = time.Unix(int64(to)-rapid.Int64Range(0, 1).Draw(t, "back")*100, 0).UTC()
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		f.To = time.Time{}
	}
	return f
}

// TestListsWithFilters compares the pages of a list, and what an action on all that match would change, with a look at each job, and the filter with what its address says.
func TestListsWithFilters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		jobs, f := drawJobs(t), drawFilter(t)
		again, err := ParseJobFilter(f.Query())
		if err != nil || again != f {
			t.Fatalf("%+v is %q, which is %+v, %v", f, f.Query().Encode(), again, err)
		}
		if f.IsZero() != (len(f.Words()) == 0) {
			t.Fatalf("%+v in words is %q", f, f.Words())
		}
		var want []string
		for _, k := range jobs {
			if f.IsZero() || k.Job != nil && (f.From.IsZero() || !k.At.Before(f.From)) && (f.To.IsZero() || k.At.Before(f.To)) && (f.Event == "" || f.Event == k.Job.Type) &&
				(f.Store == "" || f.Store == k.Job.Store) && (f.Provider == "" || f.Provider == k.Job.Trace) && strings.Contains(strings.ToLower(k.Job.LastError), strings.ToLower(f.Why)) {
				id := "unreadable"
				if k.Job != nil {
					id = k.Job.ID()
				}
				want = append(want, id)
			}
		}
		a := &Admin{Options: Options{Queues: &listQueue{jobs: jobs}}}
		x := &Action{Name: ActionDelete, Channel: message.SMS, State: queue.Failed, Where: f}
		result, err := a.DryRun(t.Context(), x)
		if err != nil || result.Jobs != len(want) || len(result.Examples) != min(3, len(want)) {
			t.Fatalf("would change %+v, %v, and not %d", result, err, len(want))
		}
		q := ListRequest{Channel: message.SMS, State: queue.Failed, Filter: f}
		if rapid.Bool().Draw(t, "reversed") {
			q.Sort = SortOldest
			slices.Reverse(want)
		}
		var got []string
		for q.Offset = 0; ; q.Offset += PageSize {
			list, err := a.List(t.Context(), q)
			if err != nil || list.Total != int64(len(want)) {
				t.Fatalf("%d of %d, %v", list.Total, len(want), err)
			}
			for _, one := range list.Jobs {
				got = append(got, one.ID)
			}
			if len(list.Jobs) < PageSize {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, and not %q", got, want)
		}
	})
}

// TestFiltersThatAreRefused: what no job passes, and what names a person.
func TestFiltersThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"event=payment", "event=%00", "from=yesterday", "to=2026-13-01", "from=2026-01-02&to=2026-01-02", "from=2026-01-02T10:00:00Z&to=2026-01-02T10:00:00%2B01:00",
		"store=a/b", "store=+15550104242", "provider=jo@example.com", "why=jo@example.com", "why=%2B1+(555)+010-4242", "why=5550104", "why=" + strings.Repeat("x", 201),
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := ParseJobFilter(q); !Refused(err) {
			t.Errorf("%s: %+v, %v", query, f, err)
		}
	}
	for query, want := range map[string]JobFilter{
		"":                       {},
		"from=2026-01-31":        {From: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)},
		"to=2026-01-31T12:30":    {To: time.Date(2026, 1, 31, 12, 30, 0, 0, time.UTC)},
		"to=2026-01-31T12:30:05": {To: time.Date(2026, 1, 31, 12, 30, 5, 0, time.UTC)},
		"from=2026-01-31T12:00:00%2B02:00&why=HTTP+503+": {From: time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC), Why: "HTTP 503"},
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := ParseJobFilter(q); err != nil || f != want {
			t.Errorf("%s: %+v, %v", query, f, err)
		}
	}
}

// TestExportsAreBounded: an export of more jobs than it has says so, in either form, and is still whole.
func TestExportsAreBounded(t *testing.T) {
	t.Parallel()
	jobs := make([]queue.Stored, maxLooked+1)
	for i := range jobs {
		jobs[i] = queue.Stored{Channel: message.SMS, State: queue.Failed, Job: &job.Job{WebhookID: "w", Index: i + 1, Channel: message.SMS}}
	}
	for _, tt := range []struct {
		n    int
		more bool
	}{{0, false}, {maxLooked, false}, {maxLooked + 1, true}} {
		a := &Admin{Options: Options{Queues: &listQueue{jobs: jobs[:tt.n]}}}
		answer := func(format string) *bytes.Buffer {
			w := httptest.NewRecorder()
			if err := a.ServeJobs(w, httptest.NewRequest(http.MethodGet, "/", nil), ListRequest{Channel: message.SMS, State: queue.Failed}, format); err != nil {
				t.Fatal(err)
			}
			return w.Body
		}
		var got struct {
			Jobs []Job `json:"jobs"`
			More bool  `json:"more"`
		}
		if err := json.Unmarshal(answer("json").Bytes(), &got); err != nil || len(got.Jobs) != min(tt.n, maxLooked) || got.More != tt.more {
			t.Errorf("of %d: %d jobs, more %t, %v", tt.n, len(got.Jobs), got.More, err)
		}
		lines, err := csv.NewReader(answer("csv")).ReadAll()
		if err != nil || len(lines) < 1+min(tt.n, maxLooked) || strings.HasPrefix(lines[len(lines)-1][0], "# ") != tt.more {
			t.Errorf("of %d: %d lines, %v", tt.n, len(lines), err)
		}
	}
}

// brokenList is a queue that stops to answer after some lists.
type brokenList struct {
	listQueue

	after int
}

func (q *brokenList) List(ctx context.Context, channel message.Channel, state queue.State, priority, offset, limit int) ([]queue.Stored, error) {
	if q.after--; q.after < 0 {
		return nil, queue.ErrUnavailable
	}
	return q.listQueue.List(ctx, channel, state, priority, offset, limit)
}

// TestExportBreaksOff: nobody takes a part of an export for the whole.
func TestExportBreaksOff(t *testing.T) {
	t.Parallel()
	for after, cut := range []bool{false, true} {
		q := &brokenList{listQueue{jobs: make([]queue.Stored, 2*listBatch)}, after}
		for i := range q.jobs {
			q.jobs[i].Err = job.ErrCorrupt
		}
		a := &Admin{Options: Options{Queues: q, Log: slog.New(slog.DiscardHandler)}}
		func() {
			defer func() {
				if got := recover(); (got != nil) != cut {
					t.Errorf("after %d: %v", after, got)
				}
			}()
			err := a.ServeJobs(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), ListRequest{Channel: message.SMS, State: queue.Failed}, "csv")
			if !errors.Is(err, queue.ErrUnavailable) {
				t.Errorf("after %d: %v", after, err)
			}
		}()
	}
}
