package store

import (
	"testing"

	"ringup.dev/ringup/internal/event"
)

func TestPriority(t *testing.T) {
	t.Parallel()
	s := &Store{Priorities: DefaultPriorities}
	for _, kind := range event.Types {
		if p, found := DefaultPriorities[kind]; !found || p < 1 || p > 4 || s.Priority(kind) != p {
			t.Errorf("%s has priority %d", kind, p)
		}
	}
	for of, want := range map[*Store]int{s: 4, {}: 4, {Priorities: map[event.Type]int{"stock_low": 2}}: 2} {
		if got := of.Priority("stock_low"); got != want {
			t.Errorf("of %+v: %d, want %d", of, got, want)
		}
	}
}

func TestOnly(t *testing.T) {
	t.Parallel()
	s := &Store{ID: "luna"}
	d := Only(s)
	if got, found := d.Get("luna"); got != s || !found {
		t.Errorf("%+v, %t", got, found)
	}
	if got, found := d.Get("default"); got != nil || found {
		t.Errorf("another store: %+v, %t", got, found)
	}
	if all := d.All(); len(all) != 1 || all[0] != s {
		t.Errorf("%+v", all)
	}
}
