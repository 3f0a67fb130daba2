package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	neturl "net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/sandbox"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/queue/queuetest"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

const keyA, keyB = "the first privacy key", "another privacy key"

// withKeys opens a store with a PRIVACY_KEY.
func withKeys(t *testing.T, c Config, prefix string, keys ...secret.Key) *Store {
	t.Helper()
	return open(t, c, func(c *Config) { c.Prefix, c.PrivacyKey = prefix, keys })
}

// TestPrivacyKey: an entry is found by every key in use, a key that was made at random is found when one is set later, and a program with another
// key than the others' does nothing.
func TestPrivacyKey(t *testing.T) {
	t.Parallel()
	c := url(redistest.Start(t).Addr())
	const to = message.Address("+525512345678")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	add := func(s *Store, address message.Address) {
		t.Helper()
		n, err := s.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: address, Why: suppress.StopWord, At: time.Now()}})
		if must(err); n != 1 {
			t.Errorf("%d were added", n)
		}
	}
	found := func(s *Store, address message.Address, want bool) {
		t.Helper()
		e, err := s.Suppressed(t.Context(), message.SMS, address)
		if must(err); (e != nil) != want {
			t.Errorf("%s: %+v", address.Reveal(), e)
		}
	}
	random := withKeys(t, c, "keys")
	add(random, to)
	again := withKeys(t, c, "keys")
	found(again, "+5215512345678", true)
	found(again, "+525512345679", false)
	set := withKeys(t, c, "keys", keyA)
	found(set, to, true)
	add(set, "+551187654321")
	rotated := withKeys(t, c, "keys", keyB, keyA)
	found(rotated, to, true)
	found(rotated, "+5511987654321", true)
	if n, err := rotated.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: "+5511987654321", Why: suppress.StopWord}}); n != 0 || err != nil {
		t.Errorf("another spelling was added: %d, %v", n, err)
	}
	add(rotated, "jane@example.com")
	for _, other := range [][]secret.Key{{keyA}, {"a third privacy key"}, nil} {
		s := withKeys(t, c, "keys", other...)
		if _, err := s.Suppressed(t.Context(), message.SMS, to); err == nil || !strings.Contains(err.Error(), "PRIVACY_KEY") {
			t.Errorf("with %d other keys: %v", len(other), err)
		}
	}
	removed, err := rotated.Unsuppress(t.Context(), message.SMS, "+5215512345678", suppress.Selection{})
	if must(err); removed != 1 {
		t.Error("not removed under the first key's name")
	}
	found(rotated, to, false)
}

// TestPrivacyKeyIsLost: programs that run on when Redis has lost everything agree on a key again.
func TestPrivacyKeyIsLost(t *testing.T) {
	t.Parallel()
	c := url(redistest.Start(t).Addr())
	long, fresh := withKeys(t, c, "lost"), withKeys(t, c, "lost")
	entry := []suppress.Entry{{Channel: message.SMS, Address: "+15550100001", Why: suppress.StopWord, At: time.Now()}}
	if _, err := long.Suppress(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if err := long.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := fresh.Suppress(t.Context(), entry); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	long.privacy.read = time.Now().Add(-2 * privacyEvery)
	if e, err := long.Suppressed(t.Context(), message.SMS, "+15550100001"); e == nil || err != nil {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestSuppressByName: what a list exports another one with the same key takes, and no other does.
func TestSuppressByName(t *testing.T) {
	t.Parallel()
	c := url(redistest.Start(t).Addr())
	from, to, other := withKeys(t, c, "from", keyA), withKeys(t, c, "to", keyB, keyA), withKeys(t, c, "other", keyB)
	if _, err := from.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: "+5215512345678", Why: suppress.Complaint, At: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	var entries []suppress.Entry
	if err := from.Suppressions(t.Context(), message.SMS, func(e suppress.Entry) bool { entries = append(entries, e); return false }); err != nil || len(entries) != 1 {
		t.Fatalf("%+v, %v", entries, err)
	}
	if n, err := to.Suppress(t.Context(), entries); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if e, err := to.Suppressed(t.Context(), message.SMS, "+525512345678"); err != nil || len(e) != 1 || e[0].Why != suppress.Complaint || e[0].Masked != "+•••5678" {
		t.Errorf("%+v, %v", e, err)
	}
	if n, err := other.Suppress(t.Context(), entries); n != 0 || !errors.Is(err, suppress.ErrOtherKey) {
		t.Errorf("with another key: %d, %v", n, err)
	}
}

// TestListOf010: entries that 0.1.0 wrote by address are heeded, lifted and exported as before, and are put under names.
func TestListOf010(t *testing.T) {
	t.Parallel()
	a := &after{T: t, store: open(t, url(redistest.Start(t).Addr()), nil)}
	a.producer, a.deliveries = a.store.Producer(prometheus.NewRegistry()), a.store.Deliveries(prometheus.NewRegistry())
	t.Cleanup(a.producer.Close)
	a.consumer = a.consumes(message.WhatsApp, ConsumerConfig{})
	key := a.store.keys[message.WhatsApp].Suppressed
	entry := `{"t":1764000000000,"w":"stop","b":"business","s":"1000"}`
	plant := func() {
		a.must(a.store.client.HSet(t.Context(), key, "+5215512345678", entry, "+15550100001", entry, "jane.roe@example.com", entry, "+15550100009", "not JSON").Err())
	}
	plant()
	// An older release kept the first sender alone, so its entry holds for all; a preference that it queued has its own.
	sender := ""
	suppressed := func() (out []message.Address) {
		a.enqueue("+15550100001", "+15550100002", "+5215512345678")
		for _, one := range a.claim(a.consumer) {
			if one.Suppressed != nil {
				a.want([]any{len(one.Suppressed), one.Suppressed[0].Why, one.Suppressed[0].Sender}, []any{1, suppress.StopWord, sender})
				out = append(out, one.Job.Recipient)
			}
		}
		return out
	}
	a.want(suppressed(), []message.Address{"+15550100001", "+5215512345678"})
	a.must(a.store.rekeyAll(t.Context(), message.WhatsApp))
	fields := a.store.client.HGetAll(t.Context(), key).Val()
	a.want(len(fields), 4)
	for name, text := range fields {
		if isAddress(name) || strings.Contains(text, "5512345678") || json.Valid([]byte(text)) && !strings.Contains(text, `"a":"`) {
			t.Errorf("%s: %s", name, text)
		}
	}
	a.want(suppressed(), []message.Address{"+15550100001", "+5215512345678"})
	found, err := a.store.Suppressed(t.Context(), message.WhatsApp, "+525512345678")
	a.must(err)
	if len(found) != 1 || found[0].At.UnixMilli() != 1764000000000 {
		t.Errorf("%+v", found)
	}
	// A START that comes before the list is rewritten.
	a.must(a.store.client.Del(t.Context(), key).Err())
	plant()
	a.must(a.deliveries.Accept(t.Context(), report.Update{Preferences: []suppress.Preference{
		{EventID: "1", Provider: "business", Channel: message.WhatsApp, Address: "+15550100001", Kind: suppress.OptIn, Why: suppress.StopWord, At: time.Now()}}}))
	a.apply()
	a.want(suppressed(), []message.Address{"+5215512345678"})
	// And preferences that 0.1.0 queued.
	k := a.store.keys[message.WhatsApp]
	a.must(a.store.client.RPush(t.Context(), k.Reports, `{"r":1764000000001,"i":"2","p":"business","t":1764000000001,"k":"opt_in","d":"+5215512345678"}`,
		`{"r":1764000000001,"i":"3","p":"business","t":1764000000001,"k":"opt_out","d":"+15550100002","w":"stop","f":"1000"}`).Err())
	a.apply()
	sender = "1000"
	a.want(suppressed(), []message.Address{"+15550100002"})
}

// TestOptInsLiftTheirOwn: an opt-in lifts what its own kind put on the list, each opt-in once and for good, and the later wish holds.
func TestOptInsLiftTheirOwn(t *testing.T) {
	t.Parallel()
	a := &after{T: t, store: open(t, url(redistest.Start(t).Addr()), nil)}
	a.deliveries = a.store.Deliveries(prometheus.NewRegistry())
	const to = message.Address("+5215512345678")
	listed := func() bool {
		e, err := a.store.Suppressed(t.Context(), message.WhatsApp, "+525512345678")
		a.must(err)
		return e != nil
	}
	at, ids := time.Now().Add(-time.Hour), 0
	say := func(kind suppress.Kind, why suppress.Why, when time.Time, id string) {
		t.Helper()
		a.must(a.deliveries.Accept(t.Context(), report.Update{Preferences: []suppress.Preference{
			{EventID: id, Provider: "business", Channel: message.WhatsApp, Address: to, Kind: kind, Why: why, At: when}}}))
		a.apply()
	}
	for _, entry := range []suppress.Why{suppress.StopWord, suppress.Unsubscribe, suppress.Complaint, suppress.HardBounce, suppress.Refused, suppress.OptOutList, suppress.Operator, suppress.Import} {
		for _, in := range []suppress.Why{suppress.StopWord, suppress.Unsubscribe} {
			_, err := a.store.Suppress(t.Context(), []suppress.Entry{{Channel: message.WhatsApp, Address: "+525512345678", Why: entry, At: at}})
			a.must(err)
			at, ids = at.Add(2*time.Second), ids+1
			say(suppress.OptIn, in, at, fmt.Sprint("in", ids))
			lifts := entry == in || entry == suppress.Refused && in == suppress.StopWord
			if listed() == lifts {
				t.Errorf("an opt-in after %s, and an entry for %s: still there: %t", in, entry, !lifts)
			}
			_, err = a.store.Unsuppress(t.Context(), message.WhatsApp, to, suppress.Selection{})
			a.must(err)
		}
	}
	// A recorded START, once what STATUS_TTL remembers is gone.
	now := time.Now()
	say(suppress.OptOut, suppress.StopWord, now, "stop 1")
	say(suppress.OptIn, suppress.StopWord, now.Add(2*time.Second), "start")
	a.want(listed(), false)
	say(suppress.OptOut, suppress.StopWord, now.Add(4*time.Second), "stop 2")
	told, err := a.store.client.Keys(t.Context(), "*:told:*").Result()
	a.must(err)
	a.must(a.store.client.Del(t.Context(), told...).Err())
	say(suppress.OptIn, suppress.StopWord, now.Add(time.Hour), "start")
	a.want(listed(), true)
	say(suppress.OptIn, suppress.StopWord, now.Add(6*time.Second), "start again")
	a.want(listed(), false)
	// A STOP that was said before the START comes late.
	say(suppress.OptOut, suppress.StopWord, now.Add(time.Second), "stop 3")
	a.want(listed(), false)
	say(suppress.OptOut, suppress.StopWord, now.Add(6*time.Second), "stop 4") // in the same second: the careful reading
	a.want(listed(), true)
}

// TestRecipientLimitByPerson: the limit counts a person's messages in whatever spelling, and keeps no address.
func TestRecipientLimitByPerson(t *testing.T) {
	t.Parallel()
	a := &after{T: t, store: open(t, url(redistest.Start(t).Addr()), nil)}
	a.producer = a.store.Producer(prometheus.NewRegistry())
	t.Cleanup(a.producer.Close)
	a.consumer = a.consumes(message.WhatsApp, ConsumerConfig{RecipientLimit: 2})
	for i, to := range []message.Address{"+551187654321", "+5511987654321", "+551187654321", "+5511987654322"} {
		a.enqueue(to)
		for _, one := range a.claim(a.consumer) {
			if limited := !one.LimitedUntil.IsZero(); limited != (i == 2) {
				t.Errorf("message %d, to %s: limited %t", i, to.Reveal(), limited)
			}
		}
	}
	names, err := a.store.client.Keys(t.Context(), "*:recent:*").Result()
	a.must(err)
	if len(names) != 2 || strings.Contains(strings.Join(names, " "), "7654321") {
		t.Errorf("%q", names)
	}
}

// TestJobsThatCannotBeLookedUpAreReleased: a claim whose recipients could not be looked up sends nothing, and costs no crash.
func TestJobsThatCannotBeLookedUpAreReleased(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	writer, reader := withKeys(t, url(server.Addr()), "look", keyA), withKeys(t, url(server.Addr()), "look", keyB)
	a := &after{T: t, store: reader}
	a.producer = reader.Producer(prometheus.NewRegistry())
	t.Cleanup(a.producer.Close)
	a.consumer = a.consumes(message.WhatsApp, ConsumerConfig{})
	_, err := writer.Suppress(t.Context(), []suppress.Entry{{Channel: message.WhatsApp, Address: "+15550100001", Why: suppress.StopWord}})
	a.must(err)
	a.enqueue("+15550100001")
	if _, claim, err := a.consumer.Exchange(t.Context(), nil, nil, &queue.ClaimRequest{Max: 10}); err == nil || claim != nil {
		t.Errorf("%+v, %v", claim, err)
	}
	state, err := reader.State(t.Context(), message.WhatsApp)
	a.must(err)
	if state.Waiting[2] != 1 || state.Inflight != 0 {
		t.Errorf("%+v", state.Depth)
	}
}

// TestSettlementsNeedNoKey: where an address cannot be put on the suppression list, or under another name, since the program has another PRIVACY_KEY, every settlement of the batch is
// made all the same.
func TestSettlementsNeedNoKey(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	writer, other := withKeys(t, url(server.Addr()), "settle", keyA), withKeys(t, url(server.Addr()), "settle", keyB)
	a := &after{T: t, store: other}
	a.producer = other.Producer(prometheus.NewRegistry())
	t.Cleanup(a.producer.Close)
	a.consumer = a.consumes(message.WhatsApp, ConsumerConfig{})
	_, err := writer.namer(t.Context()) // its key is the one in use
	a.must(err)
	id := a.enqueue("+15550100001", "+15550100002", "+15550100003")
	claimed := a.claim(a.consumer)
	settled, _, err := a.consumer.Exchange(t.Context(), []queue.Settlement{
		{Claimed: claimed[0], Outcome: queue.Fail{Error: "permanent: invalid_recipient", Suppress: &suppress.Entry{Channel: message.WhatsApp, Address: "+15550100001", Why: suppress.HardBounce}}},
		{Claimed: claimed[1], Outcome: queue.Done{}},
		{Claimed: claimed[2], Outcome: queue.Done{KnownAs: "+15550100004"}}, // its other name is not noted
	}, nil, nil)
	if err != nil || len(settled.Lost) != 0 {
		t.Errorf("%+v, %v", settled, err)
	}
	if state := a.state(id); state[id+":whatsapp:1"].Status != queue.StatusFailed || state[id+":whatsapp:2"].Status != queue.StatusSent || state[id+":whatsapp:3"].Status != queue.StatusSent {
		t.Errorf("%+v", state)
	}
}

// TestKeyIsWaitedForInTheCallersTime: while another call reads the key of a Redis that does not answer, a caller gives up when its own time is over.
func TestKeyIsWaitedForInTheCallersTime(t *testing.T) {
	t.Parallel()
	store := withKeys(t, url(redistest.Start(t).Addr()), "turn")
	store.privacy.turn <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := store.namer(ctx); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	<-store.privacy.turn
	if _, err := store.namer(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNobodyIsLeft plants a person wherever a key may hold one, has them forgotten, and looks for them everywhere. A kind of key that is not in
// the list fails it: it has to be walked, or hold nobody.
func TestNobodyIsLeft(t *testing.T) {
	t.Parallel()
	const phone, whatsApps, mail, name = "+52 55 1234 5678", "+5215512345678", "jane.roe@example.com", "Jane Q. Roe"
	a := openArchive(t, url(redistest.Start(t).Addr()))
	a.store.config.KeepCompleted = 1
	for _, channel := range message.Channels {
		a.consumers[channel] = a.store.Consumer(channel, ConsumerConfig{Lease: time.Minute, PriorityAging: time.Hour, RecipientLimit: 9}, []string{"p"})
	}
	accept := func(id, large string) {
		t.Helper()
		s := &queue.Submission{Event: queuetest.Event(id), Priority: 1, AcceptedAt: time.Now()}
		s.Event.Customer.Phone, s.Event.Customer.Email, s.Event.Customer.Name, s.Event.Source = phone, mail, name, large
		for channel, to := range map[message.Channel]message.Address{message.SMS: "+525512345678", message.WhatsApp: whatsApps, message.Email: mail} {
			s.Channels = append(s.Channels, queue.ChannelSubmission{Channel: channel, Recipients: []message.Recipient{
				{Address: to, Audience: message.Customer}, {Address: message.Address(staff), Audience: message.Staff}}})
		}
		_, err := a.producer.Enqueue(t.Context(), s)
		a.must(err)
	}
	// Sent, and then pushed out of the completed jobs: the copy for another try is all that is left.
	accept("sent", "")
	a.settle(queue.Done{Attempt: queue.Attempt{MessageID: "SM1"}, Redelivery: &queue.Redelivery{Retry: true, Delay: time.Millisecond, Within: time.Hour}, FindByMessageID: true, KnownAs: "+15559990001",
		Cost: queue.Cost{Event: "pos_save", Source: "all", Micros: 1}})
	a.accept("other", "+12025550199", "other@example.com")
	a.settle(queue.Done{})
	for id, outcome := range map[string]queue.Outcome{
		"failed": queue.Fail{Error: "an error"}, "retry": queue.Retry{Delay: time.Hour, Error: "an error"}, "held": queue.Hold{Delay: time.Hour, Error: "quiet hours"},
	} {
		accept(id, strings.Repeat("x", 5000))
		a.settle(outcome)
	}
	accept("waiting", "")
	deliveries := a.store.Deliveries(prometheus.NewRegistry())
	for _, channel := range message.Channels {
		k, to := a.store.keys[channel], message.Address(whatsApps)
		if channel == message.Email {
			to = mail
		}
		waiting := a.store.client.LRange(t.Context(), k.Queue[0], 0, -1).Val()
		a.must(a.store.client.RPush(t.Context(), k.Moves, waiting[0]).Err())
		a.must(a.store.client.HSet(t.Context(), k.Suppressed, to.Reveal(), `{"t":1,"w":"stop"}`).Err())
		a.must(a.store.Outbox(10).Put(t.Context(), sandbox.Entry{Channel: channel, To: to.Reveal(), Text: "to " + name, SentAt: time.Now()}))
		a.must(deliveries.Accept(t.Context(), report.Update{Preferences: []suppress.Preference{
			{EventID: "x", Provider: "p", Channel: channel, Address: to, Kind: suppress.OptOut, Why: suppress.StopWord}}}))
		a.must(a.store.client.HSet(t.Context(), k.Suppressed, to.Reveal(), `{"t":1,"w":"stop"}`).Err()) // again, by a program of 0.1.0
		a.must(a.store.Record(t.Context(), queue.AuditEntry{At: time.Now(), By: "ann", Action: "suppress", Channel: channel, Target: to.String()}))
	}
	planter := map[string][]string{"X-Customer": {"+52 55 1234 5678"}, "X-Name": {name}}
	a.must(a.store.NoteDeliveries(t.Context(), &queue.Deliveries{Sender: "shopify", Latest: []queue.Delivery{{At: time.Now(), Header: planter}, {At: time.Now(), Topic: "other"}}, Refused: []queue.Delivery{{At: time.Now(), Why: mail, Header: planter}}}))
	for i, body := range asideBodies("55 1234 5678", mail, name) {
		a.must(a.store.SetAside(t.Context(), &queue.SetAside{ID: fmt.Sprint("aside", i), At: time.Now(), Sender: "shopify", Why: "the order has no id", Body: []byte(body)}))
	}
	a.must(a.store.SetAside(t.Context(), &queue.SetAside{ID: "other", At: time.Now(), Body: []byte(`{"phone":"+12025550199","email":"other@example.com"}`)}))
	_, err := a.store.Replay(t.Context(), nil)
	a.must(err)
	planted := map[string]bool{}
	for _, key := range a.mentions("5512345678", "55 1234 5678", mail, name) {
		planted[kindOfKey(key)] = true
	}
	for _, k := range kindsOfKeys() {
		if k.holds == hasPerson && !planted[k.name] && k.walk != queue.InFlight && k.walk != queue.Completed { // TestForget has these two
			t.Errorf("nobody is in %s: this test looks at nothing there", k.name)
		}
	}
	namer, err := a.store.namer(t.Context())
	a.must(err)
	alias := func() bool {
		k := a.store.keys[message.WhatsApp]
		return a.store.client.Exists(t.Context(), k.alias(namer.names(whatsApps)[0])).Val() == 1
	}
	if !alias() {
		t.Error("the person's other number is not known: this test looks at nothing there")
	}
	if dry := a.forget(whatsApps, true); len(a.mentions(name)) == 0 || dry.Found() == 0 {
		t.Errorf("after a dry run: %+v", dry)
	}
	// By the number alone: the event says whose address the e-mail's is.
	found := a.forget("+525512345678", false)
	a.forget(mail, false) // the messages in the sandbox's outbox have no event
	if left := a.mentions("5512345678", "55 1234 5678", mail, name); len(left) > 0 {
		t.Errorf("found %+v, and left in %q", found, left)
	}
	if alias() {
		t.Error("the person's other number is known still")
	}
	for key := range a.dump() {
		if name := kindOfKey(key); !slices.ContainsFunc(kindsOfKeys(), func(k keyKind) bool { return k.name == name }) {
			t.Errorf("%s is of an unknown kind: may it hold a person?", key)
		}
		if strings.Contains(key, "5512345678") || strings.Contains(key, mail) {
			t.Errorf("%s names a person", key)
		}
	}
	for _, channel := range message.Channels {
		if n, err := a.store.CountSuppressed(t.Context(), channel); n != 2 || err != nil { // under each of the person's two names
			t.Errorf("%s: %d are suppressed, %v: forgetting has to keep the wish", channel, n, err)
		}
	}
	// A report that comes now finds nothing to send again.
	a.must(deliveries.Accept(t.Context(), report.Update{Reports: []report.Report{{EventID: "late", Provider: "p", Channel: message.SMS, JobID: "sent:sms:1", State: report.Failed,
		Err: &failure.Error{Class: failure.Transient}}}}))
	a.must(deliveries.applyAll(t.Context(), message.SMS))
	if n := a.store.client.ZCard(t.Context(), a.store.keys[message.SMS].Retry).Val(); n != 0 {
		t.Errorf("%d jobs are tried again", n)
	}
}

// asideBodies are bodies that no sender could read, each with the person's number or address.
func asideBodies(national, mail, name string) []string {
	return []string{
		`{"id":null,"customer":{"name":"` + name + `","phone":"+52 ` + national + `"}}`,
		`{"phone":"` + national + `","country_code":"MX","name":"` + name + `"}`,
		`[{"email":"` + strings.ToUpper(mail[:1]) + mail[1:] + `","name":"` + name + `"},`,
		`{"a":"\u0040","name":"` + name + `","email":"` + strings.Replace(mail, "@", `\u0040`, 1) + `"}`,
		`payload=` + neturl.QueryEscape(`{"email":"`+mail+`","name":"`+name+`"}`),
		`{"note":"for ` + name + `, call +52 (` + strings.Replace(national, " ", ") ", 1) + ` after five, not 12025550199"}`,
		`{"contact":"` + name + ` <` + mail + `>"}`,
		`{"links":["tel:+52` + strings.ReplaceAll(national, " ", "") + `","mailto:other@example.com?cc=x"],"name":"` + name + `"}`,
		`{"phone":{"country_code":"+52","number":"` + strings.ReplaceAll(national, " ", "-") + `"},"name":"` + name + `"}`,
		`{"raw":"{\"phone\":\"0` + national + `\",\"name\":\"` + name + `\"}"}`,
		`{"phone":52` + strings.ReplaceAll(national, " ", "") + `,"name":"` + name + `"}`,
		`<order><email>` + mail + `</email><name>` + name + `</name></order>`,
	}
}

// kindOfKey is what stands behind a key's base, up to the next colon.
func kindOfKey(key string) string {
	_, rest, _ := strings.Cut(key, "}:")
	kind, _, _ := strings.Cut(rest, ":")
	return kind
}
