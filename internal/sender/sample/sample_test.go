package sample_test

import (
	"errors"
	"testing"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/catalog"
	"ringup.dev/ringup/internal/sender/sample"
	"ringup.dev/ringup/internal/sender/sendertest"
)

const (
	key     = "a-key-of-sixteen-bytes-or-more"
	address = "https://hooks.example.com/webhooks/square/default"
)

// elsewhere are the senders whose webhooks have no customers, but perhaps ids of them.
var elsewhere = map[string]bool{"loyverse": true, "clover": true}

// TestSamples: each sample is let in by its sender, is news with a customer and an amount, and is another sale than the one before.
func TestSamples(t *testing.T) {
	t.Parallel()
	var c catalog.Config
	for _, g := range catalog.Guides {
		for _, k := range g.All() {
			*k.Keys(&c) = secret.Keys{key}
		}
	}
	c.Square.NotificationURL = address
	senders, err := catalog.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range catalog.Guides {
		from, on := senders.Get(event.DefaultStore, g.Name)
		topics := sample.Topics(g.Name)
		if !on || len(topics) == 0 {
			t.Errorf("%s: %v, and samples of %q", g.Name, on, topics)
			continue
		}
		for _, topic := range topics {
			seen := map[string]bool{}
			for i := range 3 {
				now := time.Date(2026, 11, 20, 23, 59, 59, i*1000, time.FixedZone("", 3600))
				w, err := sample.New(g.Name, topic, key, address, now)
				if err != nil {
					t.Fatal(err)
				}
				d := &sender.Delivery{Header: w.Header, Body: w.Body, At: now.Add(time.Second)}
				if err := from.Verify(d); err != nil {
					t.Errorf("%s %s: %v", g.Name, topic, err)
				}
				reading, err := from.Decode(d)
				if fault := errors.Join(err, sendertest.Check(reading, err)); fault != nil || len(reading.Events) == 0 && reading.Skip != sender.SkipIDs {
					t.Errorf("%s %s: %v, %+v", g.Name, topic, fault, reading)
					continue
				}
				for _, e := range reading.Events {
					bare := !elsewhere[g.Name] && (e.Customer.Email == "" || e.Sale.Total+e.Sale.Refunded == "")
					if seen[e.ID] || bare || e.Sale.Test || now.Sub(e.At).Abs() > time.Second {
						t.Errorf("%s %s: %q at %s, again: %v\n%s", g.Name, topic, e.ID, e.At, seen[e.ID], sendertest.Text(reading, nil))
					}
					seen[e.ID] = true
				}
			}
		}
		if _, err := sample.New(g.Name, "no/topic", key, address, time.Now()); err == nil {
			t.Errorf("%s: a topic that is unknown", g.Name)
		}
	}
	now := time.UnixMicro(42)
	if w, err := sample.Make("shopify", "orders/paid", key, "", now.Add(time.Hour), sample.Options{Sale: now, Text: `{ "id": 55{{id}} }`}); err != nil || string(w.Body) != `{"id":55000000000042}` {
		t.Errorf("a text of one's own: %v, %+v", err, w)
	}
	if _, err := sample.Make("shopify", "orders/paid", key, "", now, sample.Options{Text: "{"}); err == nil {
		t.Error("a text that is not JSON")
	}
	if topics := sample.Topics("nobody"); topics != nil {
		t.Errorf("of nobody: %q", topics)
	}
	if _, err := sample.New("../shopify", "orders/paid", key, address, time.Now()); err == nil {
		t.Error("a sender that is a path")
	}
}
