package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
)

// afterFound: a webhook is found by what people know of it, however they write that, and not by a part of it or by another's.
func afterFound(a *after) {
	e := queuetest.Event("hook 1")
	e.Sale.OrderID, e.Sale.OrderName, e.Sale.TransactionID, e.Customer.Name = "820982911946154508", "#1001", "TXN-9", "José  Müller"
	s := &queue.Submission{Event: e, Priority: 1, AcceptedAt: time.Now(), Channels: []queue.ChannelSubmission{
		{Channel: message.WhatsApp, Recipients: []message.Recipient{{Address: "+5215512345678", Audience: message.Customer}, {Address: "+15550109999", Audience: message.Staff}}},
		{Channel: message.Email, Recipients: []message.Recipient{{Address: "Jose@Example.com", Audience: message.Customer}}},
	}}
	_, err := a.producer.Enqueue(a.Context(), s)
	a.must(err)
	_, err = a.producer.Enqueue(a.Context(), s) // a repetition is no other webhook
	a.must(err)
	a.enqueue("+15550100001")

	for text, want := range map[string]bool{
		"820982911946154508": true, "#1001": true, "1001": true, " # 1001 ": true, "txn-9": true, "Jose Muller": true, "JOSÉ MÜLLER": true, "josé müller ": true,
		"100": false, "TXN": false, "José": false, "": false, "#": false, "TXN-10": false,
	} {
		found, err := a.store.Find(a.Context(), queue.FindRequest{Text: text, Limit: 10})
		a.must(err)
		if (len(found.Webhooks) == 1 && found.Webhooks[0].ID == "hook 1") != want || !found.End || want && time.Since(found.Webhooks[0].AcceptedAt) > time.Minute {
			a.Errorf("%q: %+v", text, found)
		}
	}
	for address, want := range map[message.Address]bool{
		"+5215512345678": true, "+525512345678": true, "jose@example.com": true, "+15550109999": false, "+15550100002": false,
	} {
		found, err := a.store.Find(a.Context(), queue.FindRequest{Addresses: []message.Address{address}, Limit: 10})
		a.must(err)
		if (len(found.Webhooks) == 1 && found.Webhooks[0].ID == "hook 1") != want {
			a.Errorf("%s: %+v", address.Reveal(), found)
		}
	}

	all, err := a.store.Find(a.Context(), queue.FindRequest{Any: true, Limit: 10})
	a.must(err)
	a.want(len(all.Webhooks), 2)

	// What another program has there, and what a later release writes, is passed over.
	k := a.store.keys[message.SMS]
	at := time.Now().UnixMilli() / foundSpan
	a.must(a.store.client.LPush(a.Context(), fmt.Sprintf("%s%d", k.found(), at-2), "x").Err())
	later := foundEntry(personNamer{[]byte("key")}, s)
	later[2] = foundVersion + 1
	a.must(a.store.client.Set(a.Context(), fmt.Sprintf("%s%d", k.found(), at-3), string(later)+"\x00\x03cut", time.Minute).Err())
	found, err := a.store.Find(a.Context(), queue.FindRequest{Text: "1001", Limit: 10})
	a.must(err)
	a.want(len(found.Webhooks), 1)
	for _, key := range a.store.client.Keys(a.Context(), k.found()+"*").Val() {
		if ttl := a.store.client.PTTL(a.Context(), key).Val(); strings.HasSuffix(key, fmt.Sprint(at)) && (ttl <= 0 || ttl > a.store.config.StatusTTL) {
			a.Errorf("%s stays for %s", key, ttl)
		}
	}
}

// TestFindInParts: any search, cut into parts of any size and within any bounds, finds the webhooks that one looking through all would, the latest first, each once.
func TestFindInParts(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.store.config.StatusTTL = 4 * time.Hour
	namer, err := s.store.namer(t.Context())
	s.must(err)
	base := s.store.keys[message.Channels[0]]
	now := time.Now().Truncate(time.Second)
	rapid.Check(t, func(t *rapid.T) {
		s.must(s.store.client.FlushDB(context.Background()).Err())
		s.store.privacy.read = time.Now().Add(time.Hour) // the key is gone with the rest: keep the one that is known
		type accepted struct {
			id string
			at time.Time
		}
		var want []accepted
		ago := rapid.SliceOfN(rapid.IntRange(0, 3*3600), 0, 60).Draw(t, "seconds ago")
		slices.Sort(ago)
		for i, seconds := range slices.Backward(ago) {
			w := &queue.Submission{Event: &event.Event{ID: fmt.Sprintf("w%d", i)}, AcceptedAt: now.Add(-time.Duration(seconds) * time.Second)}
			w.Event.Sale.OrderID = fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "order"))
			key := fmt.Sprintf("%s%d", base.found(), w.AcceptedAt.UnixMilli()/foundSpan)
			s.must(s.store.client.Append(context.Background(), key, string(foundEntry(namer, w))).Err())
			if w.Event.Sale.OrderID == "1" {
				want = append(want, accepted{w.Event.ID, w.AcceptedAt})
			}
		}
		slices.SortStableFunc(want, func(a, b accepted) int { return b.at.Compare(a.at) })
		r := queue.FindRequest{Text: "1", Limit: rapid.IntRange(1, 5).Draw(t, "limit")}
		var got []queue.FoundWebhook
		for range len(ago) + 2 {
			found, err := s.store.Find(context.Background(), r)
			s.must(err)
			got = append(got, found.Webhooks...)
			if found.End {
				break
			}
			r.To = found.Back
		}
		if len(got) != len(want) {
			t.Fatalf("found %d, want %d", len(got), len(want))
		}
		for i := range got {
			// Within one span the order of a tie does not matter.
			if !got[i].AcceptedAt.Equal(want[i].at) {
				t.Fatalf("found %v, want %v", got, want)
			}
		}
	})
}

// TestFindInAFlood: of a person with very many webhooks within seconds a search gives the latest, says how many more there are, and keeps Redis for no longer than for others.
func TestFindInAFlood(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := &shop{T: t, store: open(t, url(server.Addr()), nil)}
	namer, err := s.store.namer(t.Context())
	s.must(err)
	const flood = 40_000
	span := time.Now().UnixMilli() / foundSpan
	base := s.store.keys[message.Channels[0]]
	var log []byte
	for i := range flood {
		w := &queue.Submission{Event: &event.Event{ID: fmt.Sprintf("w%d", i)}, AcceptedAt: time.UnixMilli(span * foundSpan).Add(time.Duration(i) * time.Microsecond * 100)}
		w.Event.Sale.OrderID = "1"
		log = append(log, foundEntry(namer, w)...)
	}
	s.must(s.store.client.Set(t.Context(), fmt.Sprintf("%s%d", base.found(), span), log, time.Minute).Err())
	before := cpuOf(server)
	found, err := s.store.Find(t.Context(), queue.FindRequest{Text: "1", Limit: 50})
	s.must(err)
	// With a shift of all for each, Redis would work for many seconds.
	if took := cpuOf(server) - before; len(found.Webhooks) != foundMost || found.Left != flood-foundMost || found.Webhooks[0].AcceptedAt.Before(found.Webhooks[foundMost-1].AcceptedAt) || took > 500*time.Millisecond {
		t.Errorf("%d found, %d left, Redis took %s", len(found.Webhooks), found.Left, took)
	}
}

// BenchmarkFind looks for the one webhook of a million of a day that is the oldest: through all of them. redis-ms/op is what it costs Redis.
func BenchmarkFind(b *testing.B) {
	server := redistest.Start(b)
	store, err := Open(Config{URL: secret.String("redis://" + server.Addr()), Prefix: "bench", DedupeTTL: 24 * time.Hour, StatusTTL: 24 * time.Hour, KeepFailed: 50, MaxCrashes: 5, OnUncertain: Resend}, slog.New(slog.DiscardHandler))
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	must(err)
	b.Cleanup(func() { _ = store.Close() })
	ctx := b.Context()
	namer, err := store.namer(ctx)
	must(err)
	const webhooks, day = 1_000_000, 24 * time.Hour
	now := time.Now()
	base := store.keys[message.Channels[0]]
	var log []byte
	span := int64(0)
	pipe := store.client.Pipeline()
	flush := func() {
		if len(log) > 0 {
			pipe.Append(ctx, fmt.Sprintf("%s%d", base.found(), span), string(log))
		}
		log = log[:0]
		if pipe.Len() > 500 {
			_, err := pipe.Exec(ctx)
			must(err)
		}
	}
	for i := range webhooks {
		at := now.Add(-day + time.Minute + (day-time.Minute)/webhooks*time.Duration(i))
		w := &queue.Submission{Event: &event.Event{ID: fmt.Sprintf("shopify/luna/%d/paid", i)}, AcceptedAt: at,
			Channels: []queue.ChannelSubmission{{Channel: message.SMS, Recipients: []message.Recipient{{Address: message.Address(fmt.Sprintf("+1555%07d", i)), Audience: message.Customer}}}}}
		w.Event.Sale.OrderID, w.Event.Sale.OrderName, w.Event.Sale.TransactionID, w.Event.Customer.Name = fmt.Sprint(i), fmt.Sprint("#", i), fmt.Sprint("T", i), fmt.Sprint("Ana ", i)
		if next := at.UnixMilli() / foundSpan; next != span {
			flush()
			span = next
		}
		log = append(log, foundEntry(namer, w)...)
	}
	flush()
	_, err = pipe.Exec(ctx)
	must(err)
	for name, address := range map[string]message.Address{"oldest": "+15550000000", "latest": message.Address(fmt.Sprintf("+1555%07d", webhooks-1))} {
		b.Run(name, func(b *testing.B) {
			used := cpuOf(server)
			for b.Loop() {
				found, err := store.Find(ctx, queue.FindRequest{Addresses: []message.Address{address}, Limit: 1})
				if err != nil || len(found.Webhooks) != 1 {
					b.Fatalf("%+v, %v", found, err)
				}
			}
			b.ReportMetric(float64((cpuOf(server)-used).Milliseconds())/float64(b.N), "redis-ms/op")
		})
	}
}
