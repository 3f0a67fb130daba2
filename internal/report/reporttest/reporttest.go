// Package reporttest holds what a callback was read as to what package report promises. The tests of every provider's callback use it.
package reporttest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// Reports is an update of reports alone.
func Reports(r ...report.Report) report.Update { return report.Update{Reports: r} }

// Preferences is an update of preferences alone.
func Preferences(p ...suppress.Preference) report.Update { return report.Update{Preferences: p} }

// Answered is the status that a callback's error is answered with; 0 where there is none.
func Answered(err error) int {
	if err == nil {
		return 0
	}
	return inbound.AsProblem(err).Status
}

// Equal fails the test where two updates differ, or where the second is not Sound. The words of an error's Detail may differ.
func Equal(t testing.TB, want, got report.Update) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(failure.Error{}, "Detail"), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	Sound(t, got)
}

// Sound fails the test where an update is not in the form that the queue relies on, whatever it was read from.
func Sound(t testing.TB, u report.Update) {
	t.Helper()
	for _, r := range u.Reports {
		_, channelErr := message.ParseChannel(string(r.Channel))
		switch {
		case r.EventID == "" || r.Provider == "" || channelErr != nil || r.JobID == "" && r.MessageID == "":
			t.Errorf("a report that names no message: %+v", r)
		case r.State != report.Sent && r.State != report.Delivered && r.State != report.Read && r.State != report.Failed:
			t.Errorf("an unknown state: %+v", r)
		case (r.Err != nil) != (r.State == report.Failed):
			t.Errorf("an error and a state that do not go together: %+v", r)
		case r.Err != nil && (r.Err.Class < failure.Permanent || r.Err.Class > failure.Account || r.Err.Reason == "" || failure.Code(r.Err.Code) != r.Err.Code):
			t.Errorf("an invalid error: %+v", *r.Err)
		}
		if _, err := r.At.MarshalJSON(); err != nil {
			t.Error(err)
		}
	}
	for _, p := range u.Preferences {
		_, channelErr := message.ParseChannel(string(p.Channel))
		switch {
		case p.EventID == "" || p.Provider == "" || p.Address == "" || channelErr != nil || p.At.IsZero():
			t.Errorf("a preference of no address: %+v", p)
		case (p.Kind != suppress.OptOut || p.Why == "") && (p.Kind != suppress.OptIn || len(suppress.Lifts(p.Why)) == 0):
			t.Errorf("an invalid kind: %+v", p)
		}
		if _, err := p.At.MarshalJSON(); err != nil {
			t.Error(err)
		}
	}
}
