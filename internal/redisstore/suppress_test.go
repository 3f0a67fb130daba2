package redisstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

func afterSuppressedIsSaidWithTheClaim(a *after) {
	entry := suppress.Entry{Channel: message.WhatsApp, Address: "+15550100001", Why: suppress.StopWord, By: "business", Sender: "1000", At: time.Now()}
	waits := a.enqueue("+15550100001") // before they said so
	added, err := a.store.Suppress(a.Context(), []suppress.Entry{entry, {Channel: message.Email, Address: "Jane.Roe@Example.com", Why: suppress.Complaint}})
	a.must(err)
	a.want(added, 2)
	again := entry
	again.At = time.Now()
	added, err = a.store.Suppress(a.Context(), []suppress.Entry{again})
	a.must(err)
	a.want(added, 0)
	a.enqueue("+15550100002", "+15550100001")
	for _, one := range a.claim(a.consumer) {
		if is := one.Suppressed != nil; is != (one.Job.Recipient == "+15550100001") {
			a.Errorf("%s: %+v", one.Job.ID(), one.Suppressed)
		} else if is {
			a.want([]any{one.Suppressed[0].Why, one.Suppressed[0].Sender, one.Suppressed[0].By}, []any{suppress.StopWord, "1000", "business"})
			a.settle(queue.Settlement{Claimed: one, Outcome: queue.Suppress{Error: "they said STOP"}})
		}
	}
	a.want(a.state(waits)[waits+":whatsapp:1"].Status, queue.StatusSuppressed)
	// Capitals do not count, and the list can be read.
	found, err := a.store.Suppressed(a.Context(), message.Email, "JANE.ROE@example.com")
	a.must(err)
	if len(found) != 1 || found[0].Why != suppress.Complaint {
		a.Errorf("%+v", found)
	}
	var all []string
	a.must(a.store.Suppressions(a.Context(), message.WhatsApp, func(s suppress.Entry) bool { all = append(all, s.Masked+string(s.Address)); return false }))
	a.want(all, []string{"+•••0001"})
	removed, err := a.store.Unsuppress(a.Context(), message.WhatsApp, "+15550100001", suppress.Selection{})
	a.must(err)
	a.want(removed, 1)
	a.enqueue("+15550100001")
	for _, one := range a.claim(a.consumer) {
		if one.Suppressed != nil {
			a.Errorf("%+v after they were taken off the list", one.Suppressed)
		}
	}
}

func afterPreferences(a *after) {
	out := suppress.Preference{EventID: "1", Provider: "business", Channel: message.WhatsApp, Address: "+15550100001", Kind: suppress.OptOut, Why: suppress.StopWord}
	in := suppress.Preference{EventID: "2", Provider: "business", Channel: message.WhatsApp, Address: "+15550100001", Kind: suppress.OptIn, Why: suppress.StopWord}
	once := func(p suppress.Preference, event string, at time.Time) suppress.Preference {
		p.EventID, p.At = event, at
		return p
	}
	now := time.Now().Add(2 * time.Second) // a second later than the first three, whatever second they are in
	for i, step := range []struct {
		preference suppress.Preference
		suppressed bool
	}{
		{out, true}, {out, true}, {in, false},
		{out, false}, {once(out, "3", now), true}, {in, true}, // repeated, after they had said something else
		{once(in, "4", now.Add(-2*time.Second)), true},    // said before the stop, and came after it
		{once(in, "5", now.Truncate(time.Second)), false}, // some providers tell seconds
	} {
		a.must(a.deliveries.Accept(a.Context(), report.Update{Preferences: []suppress.Preference{step.preference}}))
		a.apply()
		found, err := a.store.Suppressed(a.Context(), message.WhatsApp, "+15550100001")
		a.must(err)
		if (found != nil) != step.suppressed {
			a.Errorf("step %d: %+v", i, found)
		}
	}
	// On ringup's own pages nobody repeats: each counts, and none makes a key, however often it is said.
	told := func() int64 {
		var all atomic.Int64
		count := func(ctx context.Context, node *redis.Client) error {
			keys, err := node.Keys(ctx, "*:told:*").Result()
			all.Add(int64(len(keys)))
			return err
		}
		switch client := a.store.client.(type) {
		case *redis.ClusterClient:
			a.must(client.ForEachMaster(a.Context(), count))
		case *redis.Client:
			a.must(count(a.Context(), client))
		default:
			a.Fatalf("%T", client)
		}
		return all.Load()
	}
	before := told()
	for i := range 6 {
		p := suppress.Preference{EventID: fmt.Sprint("own ", i/4), Provider: report.Own, Channel: message.WhatsApp, Address: "+15550100001", At: now.Add(time.Duration(i) * time.Second)}
		p.Kind, p.Why = suppress.OptOut, suppress.Unsubscribe
		if i%2 == 1 {
			p.Kind = suppress.OptIn
		}
		a.must(a.deliveries.Accept(a.Context(), report.Update{Preferences: []suppress.Preference{p}}))
		a.apply()
		found, err := a.store.Suppressed(a.Context(), message.WhatsApp, "+15550100001")
		a.must(err)
		if (found != nil) != (i%2 == 0) {
			a.Errorf("own preference %d: %+v", i, found)
		}
	}
	a.want(int(told()), int(before))
}

func afterSyncOptOuts(a *after) {
	list := func(addresses ...message.Address) func(context.Context, func(message.Address) error) error {
		return func(_ context.Context, each func(message.Address) error) error {
			for _, one := range addresses {
				if err := each(one); err != nil {
					return err
				}
			}
			return nil
		}
	}
	_, err := a.store.Suppress(a.Context(), []suppress.Entry{{Channel: message.SMS, Address: "+15550100009", Why: suppress.StopWord}})
	a.must(err)
	mine, err := a.store.SyncOptOuts(a.Context(), message.SMS, "aws", "sns", 20*time.Millisecond, list("+15550100001", "+15550100002", "+15550100001"))
	a.must(err)
	a.want(mine, true)
	n, err := a.store.CountSuppressed(a.Context(), message.SMS)
	a.must(err)
	a.want(n, 3)
	a.must(a.store.client.Del(a.Context(), a.store.keys[message.SMS].Base+":optouts:aws").Err()) // the interval is over
	_, err = a.store.SyncOptOuts(a.Context(), message.SMS, "aws", "sns", time.Hour, list("+15550100002"))
	a.must(err)
	mine, err = a.store.SyncOptOuts(a.Context(), message.SMS, "aws", "sns", time.Hour, list())
	a.must(err)
	a.want(mine, false)
	left := map[string]suppress.Why{}
	a.must(a.store.Suppressions(a.Context(), message.SMS, func(s suppress.Entry) bool { left[s.Masked] = s.Why; return false }))
	if len(left) != 2 || left["+•••0009"] != suppress.StopWord || left["+•••0002"] != suppress.OptOutList {
		a.Errorf("%d are left", len(left))
	}
}

// afterKnownAs: WhatsApp knows a person by another number than the one that was written to, and STOP and START come from that one.
func afterKnownAs(a *after) {
	const written, known = message.Address("+15550100001"), message.Address("+15559990001")
	suppressed := func() bool {
		entries, err := a.store.Suppressed(a.Context(), message.WhatsApp, written)
		a.must(err)
		return len(entries) > 0
	}
	say := func(id string, kind suppress.Kind, at time.Time) {
		a.must(a.deliveries.Accept(a.Context(), report.Update{Preferences: []suppress.Preference{
			{EventID: id, Provider: "business", Channel: message.WhatsApp, Address: known, Sender: "1000", Kind: kind, Why: suppress.StopWord, At: at}}}))
		a.apply()
	}
	send := func(as message.Address) {
		a.enqueue(written)
		a.settle(queue.Settlement{Claimed: a.claim(a.consumer)[0], Outcome: queue.Done{KnownAs: as}})
	}
	aliases := func() (n int) {
		for _, name := range []message.Address{written, known, "+15559990002"} {
			namer, err := a.store.namer(a.Context())
			a.must(err)
			n += int(a.store.client.Exists(a.Context(), a.store.keys[message.WhatsApp].Base+":alias:"+namer.names(name)[0]).Val())
		}
		return n
	}
	now := time.Now()
	send("")
	send(written)
	a.want(aliases(), 0)
	say("another's", suppress.OptOut, now)
	a.want(suppressed(), false)
	send(known)
	a.want(aliases(), 2)
	say("stop", suppress.OptOut, now.Add(2*time.Second))
	a.want(suppressed(), true)
	say("start", suppress.OptIn, now.Add(4*time.Second))
	a.want(suppressed(), false)
	say("stop again", suppress.OptOut, now.Add(6*time.Second))
	say("start", suppress.OptIn, now.Add(4*time.Second)) // repeated
	a.want(suppressed(), true)
	// Forgetting keeps the wish, and not who is who.
	a.must(a.store.forgetAliases(a.Context(), message.WhatsApp, written))
	a.want(aliases(), 0)
	a.want(suppressed(), true)
}
