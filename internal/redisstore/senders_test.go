package redisstore

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
)

func setAside(t *testing.T, s *Store, id string, bytes int) {
	t.Helper()
	one := &queue.SetAside{ID: id, At: time.Now().UTC(), Store: "default", Sender: "shopify", Why: "the order has no id", Bytes: bytes,
		Header: map[string][]string{"X-Shopify-Topic": {"orders/paid"}}, Body: []byte(strings.Repeat("x", bytes))}
	if err := s.SetAside(t.Context(), one); err != nil {
		t.Fatal(err)
	}
}

func asideIDs(t *testing.T, s *Store) (ids []string) {
	t.Helper()
	all, err := s.Aside(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		ids = append(ids, one.ID)
	}
	return ids
}

// TestAside: what is set aside comes back whole, the oldest first, and is gone once it was read; a program that dies before loses nothing.
func TestAside(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{"one Redis": url(redistest.Start(t).Addr()), "a cluster": {Addrs: redistest.StartCluster(t)}} {
		s := open(t, c, nil)
		if one, err := s.NextReplay(t.Context()); one != nil || err != nil {
			t.Errorf("%s: %+v, %v", name, one, err)
		}
		for i := range 4 {
			setAside(t, s, fmt.Sprint(i), 10+i)
		}
		if ids := asideIDs(t, s); !slices.Equal(ids, []string{"3", "2", "1", "0"}) {
			t.Errorf("%s: %q", name, ids)
		}
		if n, err := s.Replay(t.Context(), []string{"2", "0", "nothing"}); n != 2 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		for _, want := range []string{"0", "2"} {
			one, err := s.NextReplay(t.Context())
			if err != nil || one == nil || one.ID != want || len(one.Body) != one.Bytes || one.Header["X-Shopify-Topic"][0] != "orders/paid" {
				t.Fatalf("%s: %+v, %v, want %s", name, one, err, want)
			}
			if want == "2" { // the program dies before the end of "0"
				if err := s.EndReplay(t.Context(), want); err != nil {
					t.Error(err)
				}
			}
		}
		if ids := asideIDs(t, s); !slices.Equal(ids, []string{"3", "1", "0"}) {
			t.Errorf("%s: then %q", name, ids)
		}
		// What operators ask for one after the other is all read, each once.
		for _, asked := range [][]string{{"3"}, {"1"}, {"3", "0"}} {
			if n, err := s.Replay(t.Context(), asked); n != len(asked) || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
		}
		var read []string
		for one, err := s.NextReplay(t.Context()); one != nil || err != nil; one, err = s.NextReplay(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			read = append(read, one.ID)
		}
		if slices.Sort(read); !slices.Equal(read, []string{"0", "1", "3"}) {
			t.Errorf("%s: %q are read", name, read)
		}
		if n, err := s.DropAside(t.Context(), []string{"1"}); n != 1 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if n, err := s.Replay(t.Context(), nil); n != 2 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if n, err := s.DropAside(t.Context(), nil); n != 2 || err != nil || len(asideIDs(t, s)) != 0 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if one, err := s.NextReplay(t.Context()); one != nil || err != nil {
			t.Errorf("%s: it was deleted: %+v, %v", name, one, err)
		}
		if body, err := s.AsideBody(t.Context(), "1"); body != nil || err != nil {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
}

// TestAsideIsBounded: by number, by bytes, and by RETENTION; the latest stay, the one that just came in too.
func TestAsideIsBounded(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, url(server.Addr()), nil)
	for i := range maxAside + 20 {
		setAside(t, s, fmt.Sprint(i), 1)
	}
	if ids := asideIDs(t, s); len(ids) != maxAside || !slices.Contains(ids, fmt.Sprint(maxAside+19)) {
		t.Errorf("%d of them, the first %q", len(ids), ids[:3])
	}
	for i := range 40 {
		setAside(t, s, fmt.Sprint("large", i), 1<<20)
	}
	ids := asideIDs(t, s)
	if len(ids) != maxAsideBytes>>20-1 || !slices.Contains(ids, "large39") { // their headers count, too
		t.Errorf("%d large ones", len(ids))
	}
	k := s.senderKeys()
	if n := s.client.HLen(t.Context(), k.aside).Val(); n != int64(2*len(ids)) {
		t.Errorf("%d fields for %d webhooks", n, len(ids))
	}
	brief := open(t, url(server.Addr()), func(c *Config) { c.Retention, c.Prefix = time.Hour, s.config.Prefix })
	if err := s.client.ZIncrBy(t.Context(), k.index, -float64(2*time.Hour.Milliseconds()), "large39").Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := s.aside(t.Context(), "", nil, nil); n != 0 || err != nil {
		t.Errorf("without RETENTION: %d, %v", n, err)
	}
	if n, err := brief.aside(t.Context(), "", nil, nil); n != 0 || err != nil || slices.Contains(asideIDs(t, s), "large39") {
		t.Errorf("with RETENTION: %d are said to be too many, %v", n, err)
	}
	// A webhook that is larger than all may be (MAX_BODY_BYTES) was answered 200, and is kept.
	setAside(t, s, "huge", maxAsideBytes+1)
	if ids := asideIDs(t, s); !slices.Equal(ids, []string{"huge"}) {
		t.Errorf("a huge one: %q", ids)
	}
}

// TestDeliveriesAreRetained: none is kept for longer than RETENTION, whether its sender goes on to post, posts seldom, or has stopped.
func TestDeliveriesAreRetained(t *testing.T) {
	t.Parallel()
	for _, retention := range []time.Duration{0, time.Hour} {
		s := open(t, url(redistest.Start(t).Addr()), func(c *Config) { c.Retention = retention })
		keep := cmp.Or(retention, deliveriesTTL)
		for _, sender := range []string{"goes on", "stopped"} {
			d := &queue.Deliveries{Sender: sender, Counts: map[string]int64{"accepted": 4}}
			for _, age := range []time.Duration{keep + time.Hour, keep + 2*time.Second, keep - time.Minute, 0} {
				d.Latest = append(d.Latest, queue.Delivery{At: time.Now().UTC().Add(-age), Topic: `"at":"2999-01-01T00:00:00`, Outcome: "accepted"})
				d.Refused = append(d.Refused, d.Latest[len(d.Latest)-1])
			}
			if sender == "stopped" { // as they were noted when they were new
				k := s.senderKeys()
				for _, key := range []string{k.latest(sender), k.refused(sender)} {
					for _, one := range d.Latest {
						text, err := json.Marshal(one)
						if err != nil {
							t.Fatal(err)
						}
						if err := s.client.LPush(t.Context(), key, text).Err(); err != nil {
							t.Fatal(err)
						}
					}
				}
				d.Latest, d.Refused = nil, nil
			}
			if err := s.NoteDeliveries(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.retainSenders(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := s.Senders(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v, %v", all, err)
		}
		for _, one := range all {
			if len(one.Latest) != 4 || one.Outcomes["accepted"].Count != 4 {
				t.Errorf("%s, with %s: %+v", one.Sender, retention, one)
			}
		}
	}
}

// TestDeliveries: the latest deliveries of each sender are kept, those that strangers made apart, and all are counted.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	s := open(t, url(redistest.Start(t).Addr()), nil)
	start := time.Now().UTC().Truncate(time.Millisecond)
	note := func(sender, outcome string, from, n int) {
		t.Helper()
		d := &queue.Deliveries{Sender: sender, Counts: map[string]int64{outcome: int64(n)}}
		for i := range n {
			one := queue.Delivery{At: start.Add(time.Duration(from+i) * time.Second), Topic: "orders/paid", Outcome: outcome, Bytes: i}
			if outcome == "unauthorized" {
				d.Refused = append(d.Refused, one)
			} else {
				d.Latest = append(d.Latest, one)
			}
		}
		if err := s.NoteDeliveries(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	note("shopify", "accepted", 0, 70)
	note("shopify", "accepted", 70, 70)
	note("shopify", "unauthorized", 1000, 300)
	note("toast", "ping", 0, 1)
	all, err := s.Senders(t.Context())
	if err != nil || len(all) != 2 || all[0].Sender != "shopify" || all[1].Sender != "toast" {
		t.Fatalf("%+v, %v", all, err)
	}
	shopify := all[0]
	if o := shopify.Outcomes; len(o) != 2 || o["accepted"].Count != 140 || o["unauthorized"].Count != 300 || time.Since(o["accepted"].Last).Abs() > time.Minute {
		t.Errorf("%+v", o)
	}
	accepted := 0
	for i, one := range shopify.Latest {
		if one.Outcome == "accepted" {
			accepted++
			if one.At.Before(start.Add(40 * time.Second)) {
				t.Errorf("%d: an old one is kept: %s", i, one.At)
			}
		}
		if i > 0 && one.At.After(shopify.Latest[i-1].At) {
			t.Errorf("%d: out of order", i)
		}
	}
	if accepted != keepDeliveries || len(shopify.Latest) != 2*keepDeliveries {
		t.Errorf("%d, %d of them accepted", len(shopify.Latest), accepted)
	}
}

// TestSaid: an event that was said is known for as long as it was asked for, and no other is.
func TestSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{"one Redis": url(redistest.Start(t).Addr()), "a cluster": {Addrs: redistest.StartCluster(t)}} {
		s := open(t, c, nil)
		long := "woocommerce/" + strings.Repeat("x", 500) + "/refunded/5.00"
		if err := s.Say(t.Context(), long, time.Hour); err != nil {
			t.Fatal(err)
		}
		for event, want := range map[string]bool{long: true, long + "0": false, "": false} {
			if said, err := s.Said(t.Context(), event); said != want || err != nil {
				t.Errorf("%s: %.60q: %t, %v", name, event, said, err)
			}
		}
		k := s.senderKeys()
		if left, err := s.client.TTL(t.Context(), k.said(long)).Result(); err != nil || left <= 59*time.Minute || left > time.Hour {
			t.Errorf("%s: %s, %v", name, left, err)
		}
	}
}
