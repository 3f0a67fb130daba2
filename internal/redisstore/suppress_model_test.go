package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/gate"
	"ringup.dev/ringup/internal/job"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// account is one of ours as a callback names it: a number, or a number that belongs to a messaging service.
type account struct {
	name string
	also string
}

var (
	modelPeople   = []message.Address{"+15550100001", "+5215512345678"}
	modelAccounts = []account{{"MG1", "+1"}, {"MG1", "+2"}, {"+3", ""}, {"+4", ""}, {"", ""}}
	modelSenders  = []string{"MG1", "+1", "+2", "+3", "+4", "sns"} // as they are configured
)

// wish is a person's STOP, or a provider's refusal: what START lifts.
type wish struct {
	said   int // s
	names  []string
	marked int // s: when the person opted in at another account
}

// person is what the model knows of one: only words and lists, no entries.
type person struct {
	wishes    map[string]*wish // by kind, account and source
	optedIn   map[string]int   // s: when START was last said to an account, and to any (*)
	out, in   map[string]int   // s: subscriptions, by source
	permanent map[suppress.Selection]bool
}

// listModel is the suppression list as it should be.
type listModel struct {
	people map[message.Address]*person
	told   map[string]bool
}

func newListModel() *listModel {
	m := &listModel{people: map[message.Address]*person{}, told: map[string]bool{}}
	for _, who := range modelPeople {
		m.people[who] = &person{map[string]*wish{}, map[string]int{}, map[string]int{}, map[string]int{}, map[suppress.Selection]bool{}}
	}
	return m
}

// say applies a preference.
func (m *listModel) say(p *suppress.Preference) {
	id, who, said := p.Provider+p.EventID, m.people[p.Address], int(p.At.Unix())
	if p.Provider != report.Own && m.told[id] {
		return
	}
	m.told[id] = true
	switch {
	case p.Why == suppress.Unsubscribe && p.Kind == suppress.OptOut:
		if said >= who.in[p.Provider] {
			who.out[p.Provider] = max(who.out[p.Provider], said)
		}
	case p.Why == suppress.Unsubscribe:
		if out := who.out[p.Provider]; out > 0 && out <= said {
			delete(who.out, p.Provider)
			who.in[p.Provider] = max(who.in[p.Provider], said)
		}
	case p.Kind == suppress.OptIn:
		who.start(p, said)
	case p.Why == suppress.StopWord || p.Why == suppress.Refused:
		who.stop(p, said)
	default:
		who.permanent[suppress.Selection{Why: p.Why, Sender: p.Sender, By: p.Provider}] = true
	}
}

func (who *person) stop(p *suppress.Preference, said int) {
	if said < who.optedIn[p.Sender] || p.Sender == "" && said < who.optedIn["*"] {
		return // they have changed their mind since
	}
	key := string(p.Why) + " " + p.Sender + " " + p.Provider
	w := who.wishes[key]
	if w == nil {
		w = &wish{}
		who.wishes[key] = w
	}
	if said >= w.said {
		w.said, w.marked, w.names = said, 0, append(w.names, append(p.Also, p.Sender)...)
		if said < who.optedIn["*"] {
			w.marked = who.optedIn["*"]
		}
	}
}

func (who *person) start(p *suppress.Preference, said int) {
	heard := false
	for key, w := range who.wishes {
		if w.said > said {
			continue
		}
		heard = true
		here := p.Sender == "" || slices.Contains(w.names, "")
		for _, name := range append(p.Also, p.Sender) {
			here = here || slices.Contains(w.names, name)
		}
		if here {
			delete(who.wishes, key)
		} else {
			w.marked = max(w.marked, said)
		}
	}
	if heard {
		who.optedIn[p.Sender], who.optedIn["*"] = max(who.optedIn[p.Sender], said), max(who.optedIn["*"], said)
	}
}

// suppressed says whether a message from a sender account must not go out.
func (who *person) suppressed(scope, sender string) bool {
	ofSender := func(names ...string) bool { return slices.Contains(names, "") || slices.Contains(names, sender) }
	for _, w := range who.wishes {
		if scope == gate.ScopeChannel && w.marked == 0 || scope == gate.ScopeSender && ofSender(w.names...) {
			return true
		}
	}
	for e := range who.permanent {
		if scope == gate.ScopeChannel || ofSender(e.Sender) {
			return true
		}
	}
	return len(who.out) > 0
}

// listTest is the list under test beside the model.
type listTest struct {
	*rapid.T
	ctx        context.Context
	store      *Store
	deliveries *Deliveries
	gates      map[string]*gate.Gate
	model      *listModel
	now, ids   int
	said       []suppress.Preference
}

func (l *listTest) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *listTest) who() message.Address { return rapid.SampledFrom(modelPeople).Draw(l.T, "person") }

// say has a preference applied, mostly one of now, sometimes one that was said before others and comes after them.
func (l *listTest) say(p suppress.Preference) {
	l.now += 2
	l.ids++
	p.Channel, p.EventID, p.At = message.SMS, fmt.Sprint(l.ids), time.Unix(int64(l.now-rapid.SampledFrom([]int{0, 0, 0, 5, 21}).Draw(l.T, "late")), 0)
	l.said = append(l.said, p)
	l.accept(p)
}

func (l *listTest) accept(p suppress.Preference) {
	l.must(l.deliveries.Accept(l.ctx, report.Update{Preferences: []suppress.Preference{p}}))
	l.must(l.deliveries.applyAll(l.ctx, message.SMS))
	l.model.say(&p)
}

// answer draws what somebody answers to one of our accounts.
func (l *listTest) answer(kind suppress.Kind, why suppress.Why) suppress.Preference {
	a := rapid.SampledFrom(modelAccounts).Draw(l.T, "account")
	p := suppress.Preference{Provider: "twilio", Address: l.who(), Kind: kind, Why: why, Sender: a.name}
	if a.also != "" {
		p.Also = []string{a.also}
	}
	return p
}

func (l *listTest) actions() map[string]func(*rapid.T) {
	sources := rapid.SampledFrom([]string{report.Own, "sendgrid", "ses"})
	return map[string]func(*rapid.T){
		"STOP":    func(*rapid.T) { l.say(l.answer(suppress.OptOut, suppress.StopWord)) },
		"START":   func(*rapid.T) { l.say(l.answer(suppress.OptIn, suppress.StopWord)) },
		"refused": func(*rapid.T) { l.say(l.answer(suppress.OptOut, suppress.Refused)) },
		"unsubscribe": func(t *rapid.T) {
			l.say(suppress.Preference{Provider: sources.Draw(t, "source"), Address: l.who(), Kind: suppress.OptOut, Why: suppress.Unsubscribe})
		},
		"subscribe": func(t *rapid.T) {
			l.say(suppress.Preference{Provider: sources.Draw(t, "source"), Address: l.who(), Kind: suppress.OptIn, Why: suppress.Unsubscribe})
		},
		"complaint": func(t *rapid.T) {
			why := rapid.SampledFrom([]suppress.Why{suppress.Complaint, suppress.HardBounce}).Draw(t, "kind")
			l.say(suppress.Preference{Provider: sources.Draw(t, "source"), Address: l.who(), Kind: suppress.OptOut, Why: why})
		},
		"repeat": func(t *rapid.T) {
			if len(l.said) > 0 {
				l.accept(rapid.SampledFrom(l.said).Draw(t, "said before"))
			}
		},
		"operator adds": func(t *rapid.T) {
			e := suppress.Entry{Channel: message.SMS, Address: l.who(), Why: suppress.Operator, By: rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "operator"), At: time.Unix(int64(l.now), 0)}
			selection := suppress.Selection{Why: suppress.Operator}
			added, err := l.store.Suppress(l.ctx, []suppress.Entry{e})
			l.must(err)
			if there := l.model.people[e.Address].permanent; (added == 1) == there[selection] {
				t.Errorf("%d were added, and were there: %t", added, there[selection])
			}
			l.model.people[e.Address].permanent[selection] = true
		},
		"operator removes": l.remove,
		"sync":             l.sync,
		"former release":   l.plant,
		"rotate": func(*rapid.T) {
			if len(l.store.config.PrivacyKey) == 1 {
				l.store.config.PrivacyKey = []secret.Key{keyB, keyA}
				l.store.privacy.namer = nil
			}
		},
		"": l.check,
	}
}

// remove takes entries off the list: all of a person, or those of a kind, an account or a source.
func (l *listTest) remove(t *rapid.T) {
	to := l.who()
	only := suppress.Selection{
		Why: rapid.SampledFrom([]suppress.Why{"", suppress.StopWord, suppress.Operator, suppress.Unsubscribe}).Draw(t, "kind"),
		By:  rapid.SampledFrom([]string{"", "", "twilio", report.Own}).Draw(t, "source"),
	}
	if only.Why == suppress.StopWord {
		only.Sender = rapid.SampledFrom([]string{"", "+1", "MG1", "+3", suppress.EveryAccount}).Draw(t, "account")
	}
	if only.Why == suppress.Operator {
		only.By = ""
	}
	_, err := l.store.Unsuppress(l.ctx, message.SMS, to, only)
	l.must(err)
	who := l.model.people[to]
	for key, w := range who.wishes {
		parts := strings.Split(key, " ")
		account := only.Sender == "" || only.Sender == suppress.EveryAccount && parts[1] == "" || slices.Contains(w.names, only.Sender)
		if (only.Why == "" || string(only.Why) == parts[0]) && (only.By == "" || only.By == parts[2]) && account {
			delete(who.wishes, key)
		}
	}
	for e := range who.permanent {
		if (only.Why == "" || only.Why == e.Why) && (only.By == "" || only.By == e.By) {
			delete(who.permanent, e)
		}
	}
	for by := range who.out {
		if (only.Why == "" || only.Why == suppress.Unsubscribe) && (only.By == "" || only.By == by) {
			delete(who.out, by)
		}
	}
}

// sync reads the list of one of two providers.
func (l *listTest) sync(t *rapid.T) {
	of := rapid.SampledFrom([]account{{"aws", "sns"}, {"other", "+3"}}).Draw(t, "provider")
	listed := rapid.SliceOfDistinct(rapid.SampledFrom(modelPeople), rapid.ID[message.Address]).Draw(t, "listed")
	l.must(l.store.client.Del(l.ctx, l.store.keys[message.SMS].Base+":optouts:"+of.name).Err())
	_, err := l.store.SyncOptOuts(l.ctx, message.SMS, of.name, of.also, time.Hour, func(_ context.Context, each func(message.Address) error) error {
		for _, one := range listed {
			l.must(each(one))
		}
		return nil
	})
	l.must(err)
	for to, who := range l.model.people {
		delete(who.permanent, suppress.Selection{Why: suppress.OptOutList, Sender: of.also, By: of.name})
		if slices.Contains(listed, to) {
			who.permanent[suppress.Selection{Why: suppress.OptOutList, Sender: of.also, By: of.name}] = true
		}
	}
}

// plant puts an entry on an empty list as the release before did, or 0.1.0: it holds for all accounts.
func (l *listTest) plant(t *rapid.T) {
	to := l.who()
	if entries, err := l.store.Suppressed(l.ctx, message.SMS, to); err != nil || len(entries) > 0 {
		return
	}
	var field string
	if rapid.Bool().Draw(t, "0.1.0") {
		field = to.Reveal()
	} else {
		namer, err := l.store.namer(l.ctx)
		l.must(err)
		names := namer.names(to)
		field = names[len(names)-1]
	}
	who := l.model.people[to]
	line := map[string]any{"t": l.now * 1000, "w": "complaint", "b": "former", "s": "+3"}
	if rapid.Bool().Draw(t, "stop") {
		line["w"] = "stop"
		who.wishes["stop  former"] = &wish{said: l.now, names: []string{""}}
	} else {
		who.permanent[suppress.Selection{Why: suppress.Complaint, By: "former"}] = true
	}
	text, err := json.Marshal(line)
	l.must(err)
	l.must(l.store.client.HSet(l.ctx, l.store.keys[message.SMS].Suppressed, field, text).Err())
	if rapid.Bool().Draw(t, "rewritten") {
		l.must(l.store.rekeyAll(l.ctx, message.SMS))
	}
}

// check compares what may be sent, by a worker's own look-up, with the model.
func (l *listTest) check(*rapid.T) {
	consumer := l.store.Consumer(message.SMS, ConsumerConfig{}, []string{"p"})
	for to, who := range l.model.people {
		claimed := []*queue.Claimed{{Job: &job.Job{WebhookID: "w", Recipient: to}}}
		l.must(consumer.lookUp(l.ctx, claimed))
		for scope, g := range l.gates {
			for _, sender := range modelSenders {
				v := g.Check(gate.Input{Recipient: to, Sender: sender, Suppressions: claimed[0].Suppressed})
				if got, want := v.Action == gate.Suppress, who.suppressed(scope, sender); got != want {
					l.Fatalf("OPT_OUT_SCOPE=%s, from %s to %s: suppressed %t, want %t; entries %+v, model %+v", scope, sender, to.Reveal(), got, want, claimed[0].Suppressed, who)
				}
			}
		}
	}
}

// TestSuppressionListIsItsModel: whatever persons, providers, operators and lists say, in whatever order it arrives, what may be sent is what the model
// allows: each source has its own say, and lifts nothing else.
func TestSuppressionListIsItsModel(t *testing.T) {
	t.Parallel()
	c := url(redistest.Start(t).Addr())
	gates := map[string]*gate.Gate{}
	for _, scope := range []string{gate.ScopeChannel, gate.ScopeSender} {
		g, err := gate.New(gate.Config{OptOutScope: scope}, nil)
		if err != nil {
			t.Fatal(err)
		}
		gates[scope] = g
	}
	lives(t, 40, func(rt *rapid.T) {
		store := open(t, c, func(c *Config) { c.PrivacyKey = []secret.Key{keyA} })
		defer func() { _ = store.Close() }()
		l := &listTest{T: rt, ctx: t.Context(), store: store, deliveries: store.Deliveries(prometheus.NewRegistry()), gates: gates, model: newListModel(), now: int(time.Now().Unix())}
		rt.Repeat(l.actions())
	})
}

// TestEntriesAreBounded: STOP to thousands of numbers of an account, which anybody can write, makes a bounded number of entries under one name, and all are heeded.
func TestEntriesAreBounded(t *testing.T) {
	t.Parallel()
	a := openAfter(t, open(t, url(redistest.Start(t).Addr()), nil))
	const to = message.Address("+15550100001")
	var all []suppress.Preference
	for i := range 1000 {
		all = append(all, suppress.Preference{EventID: fmt.Sprint(i), Provider: "twilio", Channel: message.SMS, Address: to, Sender: fmt.Sprintf("+1%d", i), Also: []string{fmt.Sprintf("+2%d", i)},
			Kind: suppress.OptOut, Why: suppress.StopWord, At: time.Now()})
	}
	_, err := a.store.Suppress(t.Context(), []suppress.Entry{{Channel: message.SMS, Address: to, Why: suppress.Operator, By: "ann"}})
	a.must(err)
	a.must(a.deliveries.Accept(t.Context(), report.Update{Preferences: all}))
	a.must(a.deliveries.applyAll(t.Context(), message.SMS))
	entries, err := a.store.Suppressed(t.Context(), message.SMS, to)
	a.must(err)
	if len(entries) > 40 {
		t.Errorf("%d entries", len(entries))
	}
	for i := range 1000 {
		if !slices.ContainsFunc(entries, func(e suppress.Entry) bool { return e.Why == suppress.StopWord && e.Of(fmt.Sprintf("+1%d", i)) }) {
			t.Errorf("STOP to number %d is not heeded", i)
		}
	}
	if !slices.ContainsFunc(entries, func(e suppress.Entry) bool { return e.Why == suppress.Operator }) {
		t.Error("the operator's entry is gone")
	}
	// A service with as many numbers is one account.
	for i := range all {
		all[i].EventID, all[i].Sender, all[i].Channel = fmt.Sprint("s", i), "MG1", message.WhatsApp
	}
	a.must(a.deliveries.Accept(t.Context(), report.Update{Preferences: all}))
	a.must(a.deliveries.applyAll(t.Context(), message.WhatsApp))
	entries, err = a.store.Suppressed(t.Context(), message.WhatsApp, to)
	a.must(err)
	if len(entries) != 1 || len(entries[0].Also) > 40 {
		t.Errorf("%d entries, with %d names", len(entries), len(entries[0].Also))
	}
}
