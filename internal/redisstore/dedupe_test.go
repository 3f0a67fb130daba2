package redisstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
	shops "ringup.dev/ringup/internal/store"
)

// TestDuplicatesByStoreAndSender: an id is known within its store and its sender; another store's event with the same id is another event.
func TestDuplicatesByStoreAndSender(t *testing.T) {
	t.Parallel()
	_, store, producer, _ := fixture(t)
	for i, of := range []struct{ store, sender string }{{"default", "pos"}, {"default", "shopify"}, {"luna", "pos"}, {"luna", "shopify"}} {
		for repeated := range 2 {
			s := webhook("w")
			s.Event.Store, s.Event.Sender = of.store, of.sender
			s.AcceptedAt = s.AcceptedAt.Add(time.Duration(i) * time.Second)
			a, err := producer.Enqueue(t.Context(), s)
			if err != nil || a.Duplicate != (repeated == 1) {
				t.Errorf("%+v, for the time %d: %+v, %v", of, repeated+1, a, err)
			}
		}
	}
	if d, err := store.Depth(t.Context(), message.SMS); err != nil || d.Waiting[0] != 4 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestDuplicateOfBefore: the record of a webhook that 0.1.0 accepted is found, so that a repetition after the upgrade is not sent again.
func TestDuplicateOfBefore(t *testing.T) {
	t.Parallel()
	_, store, producer, _ := fixture(t)
	sum := sha256.Sum256([]byte("w"))
	period := generationPeriod.Milliseconds()
	key := fmt.Sprintf("%s:seen:%d:%d", store.keys[message.SMS].Base, time.Now().UnixMilli()/period, int(binary.BigEndian.Uint16(sum[12:]))%32768)
	record := append(appendMillis(nil, time.Now()), "\x03\x00\x06+\x000000"...) // of a pos_save
	if err := store.client.HSet(t.Context(), key, sum[:12], record).Err(); err != nil {
		t.Fatal(err)
	}
	for repeated := range 2 {
		for i, kind := range event.Types {
			w := webhook("w")
			w.Event.Type, w.Priority = kind, queueOf(kind)
			a, err := producer.Enqueue(t.Context(), w)
			if err != nil || a.Duplicate != (kind == event.POSSave || repeated == 1) || len(a.Jobs) != 1 || (a.Jobs[0].ID == "w:sms:1") != (kind == event.POSSave) {
				t.Errorf("type %d, for the time %d: %+v, %v", i, repeated+1, a, err)
			}
		}
	}
}

// queueOf is the priority of a type's events.
func queueOf(t event.Type) int { return shops.DefaultPriorities[t] }

// TestJobsOfVersion1 lives the life of a job that 0.1.0 accepted: its bytes stay those of version 1 through a retry and a move to the head of
// its list, and its event is read.
func TestJobsOfVersion1(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	k := s.store.keys[message.SMS]
	body := `{"id":"w","event_type":"order_create","timestamp":"2024-01-01T12:00:00Z","data":{"orderId":"ORD_1"}}`
	raw := "\x01\x02\x00\x00\x00\x01\x8c\xc4\xe5\x22\x7b\x01w\x00\x01c\x0c+15550100000\x00" + body
	s.must(s.store.client.RPush(t.Context(), k.Queue[1], raw).Err())
	for attempt, settlement := range []queue.Settlement{{Outcome: queue.Release{}}, {Outcome: queue.Retry{Error: "transient: outage"}}, {Outcome: queue.Fail{Error: "permanent"}}} {
		_, claim, err := s.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 1})
		s.must(err)
		j := claim.Jobs[0].Job
		e, err := j.Event()
		s.must(err)
		if claim.Jobs[0].Raw[0] != 1 || !j.Version1 || j.Type != "order_create" || j.Store != "default" || e.Sale.OrderID != "ORD_1" || string(j.Body) != body {
			t.Errorf("claim %d: %+v", attempt+1, j)
		}
		settlement.Claimed = claim.Jobs[0]
		_, _, err = s.consumer.Exchange(t.Context(), []queue.Settlement{settlement}, nil, nil)
		s.must(err)
	}
	failed, err := s.store.List(t.Context(), message.SMS, queue.Failed, 0, 0, 10)
	s.must(err)
	if len(failed) != 1 || failed[0].Raw[0] != 1 || failed[0].Job.LastError != "permanent" || failed[0].Job.Attempts != 2 {
		t.Errorf("%+v", failed)
	}
	n, err := s.store.Retry(t.Context(), failed, "ann")
	s.must(err)
	if n != 1 || s.state().Waiting[1] != 1 {
		t.Errorf("%d retried", n)
	}
}

// TestSearchInEvents: a search sees each job's event, as the sender wrote it, and of one of version 1 its webhook.
func TestSearchInEvents(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	w := webhook("w1")
	w.Event.Customer.Name, w.Event.Items[0].Name, w.Event.Extra = "Zoë \"Z\" Ünal", "Flat white", `{"table":"T-17"}`
	_, err := s.producer.Enqueue(t.Context(), w)
	s.must(err)
	raw := "\x01\x02\x00\x00\x00\x01\x8c\xc4\xe5\x22\x7b\x02w2\x00\x01c\x0c+15550100000\x00" + `{"id":"w2","data":{"orderId":"ORD_V1"}}`
	s.must(s.store.client.RPush(t.Context(), s.store.keys[message.SMS].Queue[1], raw).Err())
	for text, want := range map[string]string{`Zoë "Z" Ünal`: "w1", "Flat white": "w1", "T-17": "w1", "125.50": "w1", "+1234567890": "w1", "pos_save": "w1", "ORD_V1": "w2", "nowhere": ""} {
		found, err := s.store.Search(t.Context(), holds(text), text, 10)
		s.must(err)
		got := ""
		if len(found) == 1 {
			got = found[0].Job.WebhookID
		}
		if got != want {
			t.Errorf("%q: found %q of %d, want %q", text, got, len(found), want)
		}
	}
}

// TestEventsBeyondTheLimits: an event that cannot be encoded is refused, and nothing of it is stored.
func TestEventsBeyondTheLimits(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	w := webhook("w")
	w.Event.Items = append(w.Event.Items, queuetest.Event("w").Items...)
	for range 14 {
		w.Event.Items = append(w.Event.Items, w.Event.Items...)
	}
	if _, err := s.producer.Enqueue(t.Context(), w); err == nil {
		t.Error("it was taken")
	}
	if n := s.store.client.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("%d keys", n)
	}
}

// TestRecordsOutliveTheirSettings: a rollout that changes DEDUPE_TTL or STATUS_TTL, in either direction, loses no record: a repetition is a duplicate, its status
// is found, and its reports are applied. A record that 0.1.0 wrote is found, too, as long as its settings stay.
func TestRecordsOutliveTheirSettings(t *testing.T) {
	t.Parallel()
	addr := redistest.Start(t).Addr()
	ttls := []time.Duration{time.Minute, time.Hour, 7 * time.Hour, 24 * time.Hour, 36 * time.Hour, 72 * time.Hour, 30 * 24 * time.Hour}
	n := 0
	for _, before := range ttls {
		for _, after := range ttls {
			for _, version1 := range []bool{false, true} {
				if version1 && before != after {
					continue
				}
				n++
				prefix := fmt.Sprint("ttl", n)
				with := func(ttl time.Duration) *Store {
					return open(t, url(addr), func(c *Config) { c.Prefix, c.DedupeTTL, c.StatusTTL = prefix, ttl, ttl })
				}
				one := with(before)
				enqueue := func(store *Store) *queue.Acceptance {
					producer := store.Producer(prometheus.NewRegistry())
					defer producer.Close()
					a, err := producer.Enqueue(t.Context(), webhook("w"))
					if err != nil {
						t.Fatal(err)
					}
					return a
				}
				enqueue(one)
				if version1 { // as 0.1.0 would have named it
					_, bucket := recordPath(webhook("w").Event.Key())
					from := fmt.Sprintf("%s:seen:%d:%s", one.keys[message.SMS].Base, time.Now().UnixMilli()/generationPeriod.Milliseconds(), bucket)
					to := fmt.Sprintf("%s:seen:%d:%s", one.keys[message.SMS].Base, time.Now().UnixMilli()/before.Milliseconds(), bucket)
					if err := one.client.Rename(t.Context(), from, to).Err(); err != nil {
						t.Fatal(err)
					}
				}
				other := with(after)
				if status, err := other.Notifications(t.Context(), "w"); err != nil || len(status.Notifications) != 1 {
					t.Errorf("%s, then %s: status %+v, %v", before, after, status, err)
				}
				paths, err := other.Deliveries(prometheus.NewRegistry()).locate(t.Context(), message.SMS, []queuedReport{{JobID: "w:sms:1"}})
				if err != nil || paths[0].key == "" {
					t.Errorf("%s, then %s: the report's job is not found: %v, %v", before, after, paths, err)
				}
				if !enqueue(other).Duplicate {
					t.Errorf("%s, then %s (0.1.0: %t): the repetition is sent again", before, after, version1)
				}
			}
		}
	}
}

// TestRecordsOfEarlierGenerations: a record counts for as long as DEDUPE_TTL says, in whichever generation it is, and is kept for as long.
func TestRecordsOfEarlierGenerations(t *testing.T) {
	t.Parallel()
	addr := redistest.Start(t).Addr()
	for i, ttl := range []time.Duration{time.Hour, 24 * time.Hour, 72 * time.Hour, 30 * 24 * time.Hour} {
		store := open(t, url(addr), func(c *Config) { c.Prefix, c.DedupeTTL, c.StatusTTL = fmt.Sprint("gen", i), ttl, time.Hour })
		producer := store.Producer(prometheus.NewRegistry())
		t.Cleanup(producer.Close)
		for _, age := range []time.Duration{0, ttl / 2, ttl - time.Minute, ttl + time.Minute} {
			w := webhook(fmt.Sprint("w", age))
			w.AcceptedAt = time.Now().Add(-age)
			if _, err := producer.Enqueue(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			_, bucket := recordPath(w.Event.Key())
			name := func(at time.Time) string {
				return fmt.Sprintf("%s:seen:%d:%s", store.keys[message.SMS].Base, at.UnixMilli()/generationPeriod.Milliseconds(), bucket)
			}
			if left := store.client.PTTL(t.Context(), name(time.Now())).Val(); left < ttl {
				t.Errorf("%s: the record goes in %s", ttl, left)
			}
			if from, to := name(time.Now()), name(w.AcceptedAt); from != to {
				if err := store.client.Rename(t.Context(), from, to).Err(); err != nil {
					t.Fatal(err)
				}
			}
			again := *w
			again.AcceptedAt = time.Now()
			a, err := producer.Enqueue(t.Context(), &again)
			if err != nil || a.Duplicate != (age < ttl) {
				t.Errorf("%s: of a webhook %s ago: %+v, %v", ttl, age, a, err)
			}
		}
	}
}

// TestRecordsAreRead: whatever number of messages a webhook has, its record is read as it was written. One that is too long for its field, or has too many
// messages for its place, is refused, and nothing of it is stored.
func TestRecordsAreRead(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	with := func(n int, again int) *queue.Submission {
		w := webhook("w")
		w.Channels[0].Recipients = nil
		for i := range n {
			w.Channels[0].Recipients = append(w.Channels[0].Recipients, message.Recipient{Address: message.Address(fmt.Sprintf("+1555010%04d", i)), Audience: message.Staff})
		}
		w.Channels = append(w.Channels, queue.ChannelSubmission{Channel: message.WhatsApp, Recipients: w.Channels[0].Recipients[again : again+1]})
		return w
	}
	for n := range 600 {
		w := with(n+1, n)
		record := string(encodeRecord(w, []*queue.ChannelSubmission{&w.Channels[0], &w.Channels[1]}))
		jobs, _ := decodeRecord("w", record)
		if parts := splitRecord(record); len(parts) != 1 || parts[0].record != record || len(jobs) != n+2 {
			t.Fatalf("%d messages: %d records, %d jobs", n+2, len(parts), len(jobs))
		}
	}
	for _, n := range []int{placeSpan, placeSpan + 1} {
		w := with(n, 0)
		if _, err := s.producer.Enqueue(t.Context(), w); (err != nil) != (n > placeSpan) || errors.Is(err, queue.ErrUnavailable) {
			t.Errorf("%d messages: %v", n, err)
		}
		if a, err := s.producer.Enqueue(t.Context(), w); n == placeSpan && (err != nil || !a.Duplicate || len(a.Jobs) != n+1) {
			t.Errorf("again: %v", err)
		}
	}
	w := with(1, 0)
	for i := range 300 {
		w.Channels[0].Skipped = append(w.Channels[0].Skipped, queue.Skipped{Channel: message.SMS, Address: fmt.Sprint(i), Reason: strings.Repeat("r", 255)})
	}
	w.Event.ID = "long"
	if _, err := s.producer.Enqueue(t.Context(), w); err == nil || errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("a record of %d bytes: %v", 300*255, err)
	}
}

// TestRecordsAreFoundWithFewReads: the generations that are looked through are those of DEDUPE_TTL, however long a status can be asked for.
func TestRecordsAreFoundWithFewReads(t *testing.T) {
	t.Parallel()
	store := open(t, url(redistest.Start(t).Addr()), func(c *Config) { c.DedupeTTL, c.StatusTTL = time.Hour, 30*24*time.Hour })
	producer := store.Producer(prometheus.NewRegistry())
	t.Cleanup(producer.Close)
	if _, err := producer.Enqueue(t.Context(), webhook("w")); err != nil {
		t.Fatal(err)
	}
	var calls int
	stats := store.client.Info(t.Context(), "commandstats").Val()
	if _, after, found := strings.Cut(stats, "cmdstat_hget:calls="); found {
		_, _ = fmt.Sscanf(after, "%d", &calls)
	}
	if calls < 1 || calls > 4 {
		t.Errorf("%d reads of a webhook's record", calls)
	}
}
