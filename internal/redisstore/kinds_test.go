package redisstore

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
)

// kindsOfKeys are all of them.
func kindsOfKeys() []keyKind { return slices.Concat(channelKinds, senderKinds, adminKinds) }

// TestKindsOfPersons: what may hold a person is walked by Forget, and has an end.
func TestKindsOfPersons(t *testing.T) {
	t.Parallel()
	for _, k := range kindsOfKeys() {
		walked := slices.ContainsFunc(forgetSteps, func(step forgetStep) bool { return step.state == k.walk })
		if walked != (k.walk != "") || k.holds == hasPerson && !walked || walked && k.holds != hasPerson && k.holds != hasName {
			t.Errorf("%s holds %s; walked by Forget: %t", k.name, k.holds, walked)
		}
		if k.ends == never && k.holds != hasNobody {
			t.Errorf("%s holds %s, and nothing ends that", k.name, k.holds)
		}
	}
}

// keyInSource matches the kind of a key where a program or a script makes it.
var keyInSource = regexp.MustCompile(`(?:[bB]ase ?\+ ?"|[bB]ase(?:_key)? \.\. '|})():([a-z]+)`)

// TestEveryKeyIsOfAKind: a key that the code makes is of a kind in the lists.
func TestEveryKeyIsOfAKind(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, pattern := range []string{"*.go", "lua/*.lua"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range keyInSource.FindAllStringSubmatch(string(text), -1) {
				if found[match[2]] = true; !slices.ContainsFunc(kindsOfKeys(), func(k keyKind) bool { return k.name == match[2] }) {
					t.Errorf("%s makes the key base:%s, which is not in kinds.go: may it hold a person?", file, match[2])
				}
			}
		}
	}
	for _, k := range kindsOfKeys() {
		if !found[k.name] {
			t.Errorf("nothing makes the key base:%s of kinds.go", k.name)
		}
	}
}

// TestRetentionEndsPersons plants a person in every kind of key that RETENTION ends, and nowhere else. When it is over, nobody is left.
func TestRetentionEndsPersons(t *testing.T) {
	t.Parallel()
	const name = "Jane Q. Roe"
	a := openArchive(t, url(redistest.Start(t).Addr()))
	at := time.Now().Add(-2 * time.Hour)
	for id, outcome := range map[string]queue.Outcome{"failed": queue.Fail{Error: "an error"}, "completed": queue.Done{}} {
		s := &queue.Submission{Event: queuetest.Event(id), Priority: 1, AcceptedAt: at}
		s.Event.Customer.Name, s.Event.Source = name, strings.Repeat("x", 5000) // a body of its own
		for _, channel := range message.Channels {
			s.Channels = append(s.Channels, queue.ChannelSubmission{Channel: channel, Recipients: []message.Recipient{{Address: jane, Audience: message.Customer}, {Address: staff, Audience: message.Staff}}})
		}
		_, err := a.producer.Enqueue(t.Context(), s)
		a.must(err)
		a.settle(outcome)
	}
	for _, channel := range message.Channels {
		a.must(a.store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: channel, To: jane, Text: "to " + name, SentAt: at}))
		a.must(a.store.Record(t.Context(), queue.AuditEntry{At: at, By: "ann", Action: "pause", Channel: channel, Why: name + " complains"}))
	}
	a.must(a.store.SetAside(t.Context(), &queue.SetAside{ID: "1", At: at, Body: []byte(name)}))
	header := map[string][]string{"X-Name": {name}}
	a.must(a.store.NoteDeliveries(t.Context(), &queue.Deliveries{Sender: "shopify", Latest: []queue.Delivery{{At: at, Header: header}}, Refused: []queue.Delivery{{At: at, Header: header}}}))
	planted := map[string]bool{"body": true}
	for _, key := range a.mentions(name, jane) {
		planted[kindOfKey(key)] = true
	}
	for _, k := range kindsOfKeys() {
		if ends := k.ends == withRetention && k.holds != hasNobody || k.name == "body"; ends != planted[k.name] {
			t.Errorf("%s holds %s until %s is over; planted: %t", k.name, k.holds, k.ends, planted[k.name])
		}
	}
	// All of it is two hours old: what has Redis's own time is made so.
	for _, channel := range message.Channels {
		for _, key := range []string{a.store.keys[channel].Failed, a.store.keys[channel].Completed} {
			for _, member := range a.store.client.ZRange(t.Context(), key, 0, -1).Val() {
				a.must(a.store.client.ZAdd(t.Context(), key, redis.Z{Score: float64(at.UnixMilli()), Member: member}).Err())
			}
		}
	}
	senders := a.store.senderKeys()
	a.must(a.store.client.ZAdd(t.Context(), senders.index, redis.Z{Score: float64(at.UnixMilli()), Member: "1"}).Err())
	a.store.config.Retention = time.Hour
	// The sender still posts: its list lives on, and not what is old in it.
	a.must(a.store.NoteDeliveries(t.Context(), &queue.Deliveries{Sender: "shopify", Latest: []queue.Delivery{{At: time.Now().UTC(), Topic: "new"}}, Counts: map[string]int64{"accepted": 1}}))
	for _, channel := range message.Channels {
		_, err := a.store.retainAll(t.Context(), channel)
		a.must(err)
	}
	a.must(a.store.retainSenders(t.Context()))
	if states, err := a.store.Senders(t.Context()); err != nil || len(states) != 1 || len(states[0].Latest) != 1 {
		t.Errorf("%+v, %v", states, err)
	}
	if left := a.mentions(name, jane); len(left) > 0 {
		t.Errorf("left in %q", left)
	}
}
