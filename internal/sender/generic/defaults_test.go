package generic

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringup.dev/ringup/internal/event"
)

func TestSamplesAreValid(t *testing.T) {
	t.Parallel()
	for _, e := range event.Types {
		got, notes, err := Decode(Sample(e), time.UTC, now)
		if diff := cmp.Diff(event.Sample(e), got); err != nil || diff != "" || notes != nil {
			t.Errorf("%s: %v %v\n%s", e, err, notes, diff)
		}
	}
	if Sample("refund") != nil || event.Sample("refund") != nil {
		t.Error("a sample of an event that is none")
	}
}

func TestWithDefaults(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	body, err := WithDefaults([]byte(`{"event_type":"order_create","data":{"customerName":"Ana","customerPhone":null}}`), "sim_1", now)
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := Decode(body, time.UTC, now)
	if err != nil {
		t.Fatal(err)
	}
	if w.ID != "sim_1" || w.Type != event.OrderCreate || !w.At.Equal(now) || w.Customer.Name != "Ana" || w.Customer.Phone != "" ||
		w.Sale.OrderID != "ORD_1" {
		t.Errorf("%+v", w)
	}
	for _, bad := range []string{``, `{`, `[]`, `"x"`} {
		if _, err := WithDefaults([]byte(bad), "x", now); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
