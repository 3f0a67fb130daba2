package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWindow: a promotion excuses losses within its window, and no others.
func TestWindow(t *testing.T) {
	t.Parallel()
	old, promoted := &server{process: &process{name: "old"}, dir: t.TempDir()}, &server{process: &process{name: "promoted"}, dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(old.dir, "appendonlydir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old.dir, "appendonlydir", "a.incr.aof"), []byte("… chaos_000001 … chaos_000002 …"), 0o600); err != nil {
		t.Fatal(err)
	}
	top := &topology{kind: sentinel, servers: []*server{old, promoted}}
	w := newWatch(top, t.TempDir())
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	master := func(id string, offset int) string {
		return fmt.Sprintf("role:master\r\nmaster_replid:%s\r\nmaster_repl_offset:%d\r\n", id, offset)
	}

	w.note(top, promoted, at(0), "role:slave\r\n")
	w.note(top, old, at(10), master("one", 100))
	w.note(top, old, at(20), master("one", 200))
	w.note(top, old, at(30), master("one", 300))
	if w.master(0) != old || len(w.seenPromotions()) != 0 {
		t.Fatalf("master %s, promotions %v: want the old master, and no promotion", w.master(0).name, w.seenPromotions())
	}
	// The replica had received the old master's stream up to 250.
	w.note(top, promoted, at(40), master("two", 260)+"master_replid2:one\r\nsecond_repl_offset:251\r\n")
	all := w.seenPromotions()
	if w.master(0) != promoted || len(all) != 1 || !all[0].from.Equal(at(20)) || all[0].behind != 50 || !all[0].to.IsZero() {
		t.Fatalf("promotions %+v: want one whose window began at 20 ms and is open, with 50 bytes lost", all)
	}
	for _, test := range []struct {
		id   string
		at   time.Time
		want bool
	}{
		{"chaos_000001", at(25), true},
		{"chaos_000001", at(15), false}, // the webhook had reached the replica
		{"chaos_000003", at(25), false}, // the old master did not have the webhook either
	} {
		if got := forgotten(all, 0, test.at, test.id) != nil; got != test.want {
			t.Errorf("%s acknowledged at %d ms: forgotten %t, want %t", test.id, test.at.UnixMilli(), got, test.want)
		}
	}
	if forgotten(all, 1, at(25), "chaos_000001") != nil {
		t.Error("a promotion of one shard excuses a loss on another")
	}
	if n := undone(all, 0, []time.Time{at(15), at(25)}); n != 1 {
		t.Errorf("%d of two sends may be undone, want 1", n)
	}
	w.note(top, old, time.Now(), "role:slave\r\n")
	if p := w.seenPromotions()[0]; p.to.IsZero() {
		t.Error("the window is still open once the old master follows the new one")
	}
}

// TestFallBack: the sentinels give up a promotion, and the old master, which never followed the new one, is master again.
func TestFallBack(t *testing.T) {
	t.Parallel()
	old, promoted := &server{process: &process{name: "old"}, dir: t.TempDir()}, &server{process: &process{name: "promoted"}, dir: t.TempDir()}
	top := &topology{kind: sentinel, servers: []*server{old, promoted}}
	w := newWatch(top, t.TempDir())
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	w.note(top, promoted, at(0), "role:slave\r\n")
	w.note(top, old, at(10), "role:master\r\nmaster_replid:one\r\nmaster_repl_offset:100\r\n")
	w.note(top, promoted, at(40), "role:master\r\nmaster_replid:two\r\nmaster_repl_offset:100\r\nmaster_replid2:one\r\nsecond_repl_offset:101\r\n")
	w.note(top, promoted, at(60), "role:slave\r\n")
	w.note(top, old, at(70), "role:master\r\nmaster_replid:one\r\nmaster_repl_offset:120\r\n")
	all := w.seenPromotions()
	if w.master(0) != old || len(all) != 2 || all[1].who != old || !all[1].from.Equal(at(10)) {
		t.Errorf("master %s, promotions %+v: want the old master again, with a window since 10 ms", w.master(0).name, all)
	}
}
