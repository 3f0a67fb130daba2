package system

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/test/emulator"
)

// Two zones, of which one is eight hours ahead of the other by the clock, whatever the date: neither changes its clocks.
const (
	quietZone = "Asia/Tokyo"
	awakeZone = "America/Phoenix"
)

// said is what a provider says of a message.
type said struct {
	emulator.Event
	result string // what becomes of it, as ringup_reports_applied_total calls it
	// silences is set where the person's address gets nothing from then on; only, where it says nothing else.
	silences, only bool
}

// says are reports that are noted, and no more.
func says(kinds ...emulator.EventKind) []said {
	var out []said
	for _, kind := range kinds {
		out = append(out, said{Event: emulator.Event{Kind: kind}, result: "applied"})
	}
	return out
}

// fails is a report that a message did not arrive.
func fails(kind emulator.EventKind, code, result string) []said {
	return []said{{Event: emulator.Event{Kind: kind, Code: code}, result: result}}
}

// silencing says that the person's address gets nothing from the first of the reports on.
func silencing(reports []said) []said {
	reports[0].silences = true
	return reports
}

// again are reports that have come before.
func again(reports []said) []said {
	reports = slices.Clone(reports)
	for i := range reports {
		reports[i].result, reports[i].silences = "repeated", false
	}
	return reports
}

// fate is what a message comes to.
type fate struct {
	reports []said // in the order in which they come
	late    []said // when the shop has closed
	second  []said // of another try, by the same provider
	times   int    // how often each of the reports comes; 0 is once
	forged  bool   // whoever sends them does not have the provider's key
	want    queue.Status
	by      string // the provider that has it in the end, "" for the channel's first
	why     string // of one that is held
}

// handed says how often a provider takes the message.
func (f *fate) handed() int {
	switch {
	case f.want == queue.StatusSuppressed || f.want == queue.StatusScheduled:
		return 0
	case f.second != nil || f.by != "":
		return 2
	}
	return 1
}

var (
	delivered = fate{reports: says(emulator.EventSent, emulator.EventDelivered), want: queue.StatusDelivered}
	read      = fate{reports: says(emulator.EventSent, emulator.EventDelivered, emulator.EventRead), want: queue.StatusRead}
	silent    = fate{want: queue.StatusSent}
	late      = fate{late: says(emulator.EventDelivered, emulator.EventSent), want: queue.StatusDelivered}
	stopped   = fate{want: queue.StatusSuppressed}
)

func held(why string) fate { return fate{want: queue.StatusScheduled, why: why} }

// fates are of a webhook's messages: by SMS, e-mail and WhatsApp, and of the text that takes over what WhatsApp does not deliver.
type fates struct {
	sms, email, whatsapp fate
	moved                *fate
}

var well = fates{sms: delivered, email: read, whatsapp: read}

// wish is what somebody says to the shop.
type wish struct {
	channel, text string
	again         bool // the provider repeats it, as it does when the first answer was lost
}

// oneClick is what a mail program does with an e-mail's List-Unsubscribe.
const oneClick = "one click"

func stop(channel string) wish  { return wish{channel: channel, text: "STOP"} }
func begin(channel string) wish { return wish{channel: channel, text: "START"} }

// people are customers of one kind.
type people struct {
	name      string
	customers int
	before    []wish // before the shop has opened
	morning   fates
	visits    int    // in the morning; 0 is one
	noon      []wish // what they say at noon
	forged    []wish // what somebody else says in their name
	evening   *fates // of their second visit
}

func customers(capped bool) []people {
	twice := func(f fate) fate {
		f.times, f.late = 2, again(f.reports)
		return f
	}
	reversed := func(f fate) fate {
		f.reports = slices.Clone(f.reports)
		slices.Reverse(f.reports)
		return f
	}
	kiosk := fates{held("daily_cap"), read, read, nil}
	if !capped {
		kiosk = well
	}
	return []people{
		{name: "all is well", customers: 80, morning: well},
		{name: "regulars", customers: 10, morning: well, visits: 3,
			evening: &fates{held("recipient_limit"), held("recipient_limit"), held("recipient_limit"), nil}},
		{name: "kiosk", customers: 10, morning: well, evening: &kiosk},
		{name: "reports in reverse", customers: 40, morning: fates{reversed(delivered), reversed(read), reversed(read), nil}},
		{name: "reports repeated", customers: 40, morning: fates{twice(delivered), twice(read), twice(read), nil}},
		{name: "no reports", customers: 20, morning: fates{silent, silent, silent, nil}},
		{name: "late reports", customers: 20, morning: fates{late, late, late, nil}},
		{name: "forged", customers: 20, morning: fates{
			fate{reports: fails(emulator.EventFailed, "30003", ""), forged: true, want: queue.StatusSent},
			fate{reports: fails(emulator.EventBounce, "", ""), forged: true, want: queue.StatusSent},
			fate{reports: fails(emulator.EventFailed, "131026", ""), forged: true, want: queue.StatusSent}, nil},
			forged: []wish{stop("sms"), stop("whatsapp")}, evening: &well},
		{name: "undeliverable", customers: 20, morning: fates{
			fate{reports: append(says(emulator.EventSent), fails(emulator.EventFailed, "30005", "failed")...), want: queue.StatusFailed},
			fate{reports: silencing(fails(emulator.EventBounce, "", "failed")), want: queue.StatusFailed},
			fate{reports: fails(emulator.EventFailed, "131026", "failed"), want: queue.StatusFailed}, &delivered},
			evening: &fates{delivered, stopped, read, nil}},
		{name: "another try", customers: 20, morning: fates{
			// The other provider takes it, and never says what became of it.
			fate{reports: fails(emulator.EventFailed, "30003", "again"), by: "aws", want: queue.StatusSent},
			fate{reports: fails(emulator.EventSoftBounce, "", "again"), second: says(emulator.EventDelivered), want: queue.StatusDelivered},
			fate{reports: fails(emulator.EventFailed, "131000", "again"), second: says(emulator.EventSent, emulator.EventDelivered), want: queue.StatusDelivered}, nil}},
		{name: "no more", customers: 20, morning: fates{delivered,
			fate{reports: append(says(emulator.EventDelivered), said{Event: emulator.Event{Kind: emulator.EventComplaint}, result: "applied", silences: true, only: true}),
				want: queue.StatusDelivered}, read, nil},
			noon: []wish{stop("sms"), {channel: "whatsapp", text: " Stop! "}}, evening: &fates{stopped, stopped, stopped, nil}},
		{name: "changed their mind", customers: 20, morning: well,
			noon:    []wish{stop("sms"), {channel: "whatsapp", text: "Désabonner"}, {channel: "email", text: oneClick}, begin("sms"), begin("whatsapp")},
			evening: &fates{delivered, stopped, read, nil}},
		{name: "changed their mind twice", customers: 10, morning: well,
			noon: []wish{stop("sms"), begin("sms"), {channel: "sms", text: "quit"}, {channel: "sms", text: "START", again: true},
				stop("whatsapp"), begin("whatsapp"), {channel: "whatsapp", text: "quit"}, {channel: "whatsapp", text: "START", again: true}},
			evening: &fates{stopped, read, stopped, nil}},
		{name: "contradictions", customers: 20, morning: fates{
			fate{reports: says(emulator.EventDelivered), late: fails(emulator.EventFailed, "30003", "applied"), want: queue.StatusDelivered},
			fate{reports: says(emulator.EventDelivered), late: fails(emulator.EventSoftBounce, "", "applied"), want: queue.StatusDelivered},
			fate{reports: says(emulator.EventDelivered), late: fails(emulator.EventFailed, "131026", "applied"), want: queue.StatusDelivered}, nil}},
		{name: "refused", customers: 20, morning: fates{
			fate{reports: silencing(fails(emulator.EventFailed, "21610", "failed")), want: queue.StatusFailed},
			fate{reports: silencing(fails(emulator.EventDropped, "Unsubscribed Address", "failed")), want: queue.StatusFailed},
			// They stopped offers on WhatsApp: the text is not to go around that.
			fate{reports: fails(emulator.EventFailed, "131050", "failed"), want: queue.StatusFailed}, nil},
			evening: &fates{stopped, stopped, read, nil}},
		{name: "said stop before", customers: 20, before: []wish{{channel: "sms", text: "arrêt"}}, morning: fates{stopped, read,
			fate{reports: fails(emulator.EventFailed, "131026", "failed"), want: queue.StatusFailed}, &stopped},
			evening: &fates{stopped, read, read, nil}},
	}
}

// visit is one webhook.
type visit struct {
	of              string
	n               int
	phone, email    string
	event           string
	zone, source    string
	fates           map[string]*fate // by channel, and "moved"
	afternoon, mute bool             // mute: they say STOP at night
}

// day is a system, the providers' other half, and what is to be true in the end.
type day struct {
	*system
	p         *providers
	callbacks *emulator.Callbacks
	visits    []*visit
	told      atomic.Int64 // messages whose reports have been sent
	carriers  sync.WaitGroup

	mu         sync.Mutex
	deliveries map[string]int // by channel, provider, state
	results    map[string]int // by channel, result
	forged     map[string]int // by provider
	silence    map[string][]time.Time
	closing    []func()
	inbound    map[string]emulator.Callback // what people said, by whom, channel and text
}

// order finds which webhook a message is of.
var order = regexp.MustCompile(`ORDER([0-9]{4})`)

// of returns a message's webhook, and what it is of it: a channel, or moved.
func (d *day) of(m *emulator.Message) (v *visit, part string) {
	found := order.FindStringSubmatch(m.Text)
	if found == nil {
		d.Errorf("a message of nobody: %s", m.Text)
		return &visit{}, ""
	}
	n, _ := strconv.Atoi(found[1]) // four digits
	part = m.Channel
	if strings.HasSuffix(m.JobID, ":whatsapp:1:sms:1") {
		part = "moved"
	}
	return d.visits[n], part
}

// visit adds a webhook to the plan.
func (d *day) visit(of string, customer int, event string, f fates) *visit {
	v := &visit{of: of, n: len(d.visits), phone: fmt.Sprintf("+1602555%04d", customer), email: fmt.Sprintf("c%d@example.com", customer), event: event,
		fates: map[string]*fate{"sms": &f.sms, "email": &f.email, "whatsapp": &f.whatsapp}}
	if f.moved != nil {
		v.fates["moved"] = f.moved
	}
	d.visits = append(d.visits, v)
	return v
}

func (d *day) webhook(i int) string {
	v := d.visits[i]
	return fmt.Sprintf(`{"id":"w%d","event_type":%q,"timestamp":"2024-01-01T12:00:00Z","source":%q,"data":{"orderId":"ORDER%04d","amount":1.5,"currency":"USD",`+
		`"customerPhone":%q,"customerEmail":%q,"timezone":%q}}`, i, v.event, cmp.Or(v.source, "till"), i, v.phone, v.email, v.zone)
}

// opens sends the plan's webhooks from one on, and waits until nothing more happens.
func (d *day) opens(first int) {
	d.Helper()
	d.post(first, len(d.visits)-first)
	d.settles()
}

// settles waits until all messages are settled, and all that providers say of them is applied.
func (d *day) settles() {
	d.Helper()
	redistest.Eventually(d, "nothing more happens", func() bool {
		told := d.told.Load()
		if int(told) != len(d.p.Messages()) {
			return false
		}
		var counts []*redis.IntCmd
		_, err := d.client.TxPipelined(d.Context(), func(pipe redis.Pipeliner) error {
			for _, channel := range channels {
				base := "{ringup:" + channel + "}"
				for _, list := range []string{":queue:1", ":queue:2", ":queue:3", ":queue:4", ":reports", ":moves"} {
					counts = append(counts, pipe.LLen(d.Context(), base+list))
				}
				counts = append(counts, pipe.ZCard(d.Context(), base+":retry"), pipe.ZCard(d.Context(), base+":inflight"))
			}
			return nil
		})
		return err == nil && !slices.ContainsFunc(counts, func(n *redis.IntCmd) bool { return n.Val() > 0 }) && int(told) == len(d.p.Messages())
	})
}

// carry reports what becomes of messages, from the moment on that a provider has taken them.
func (d *day) carry(ctx context.Context) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	places := make(chan struct{}, 8)
	seen, attempts := 0, map[string]int{}
	for {
		select {
		case <-ctx.Done():
			d.carriers.Wait()
			return
		case <-tick.C:
		}
		for _, m := range d.p.Messages()[seen:] {
			seen++
			v, part := d.of(&m)
			f := v.fates[part]
			key := fmt.Sprint(v.n, part)
			attempts[key]++
			reports := []said(nil)
			switch {
			case f == nil:
				d.Errorf("a message of %s that is in no plan: %s %s", v.of, m.Channel, m.JobID)
			case m.Provider == "sns": // reports nothing
			case attempts[key] == 1:
				reports = f.reports
				if len(f.late) > 0 {
					d.mu.Lock()
					d.closing = append(d.closing, func() { d.tell(&m, f, f.late, 1) })
					d.mu.Unlock()
				}
			case attempts[key] == 2:
				reports = f.second
			}
			d.carriers.Go(func() {
				places <- struct{}{}
				d.tell(&m, f, reports, max(1, f.times))
				<-places
				d.told.Add(1)
			})
		}
	}
}

// catalogue is what ringup calls a provider of the emulator's.
func catalogue(provider string) string {
	return map[string]string{"twilio": "twilio", "sendgrid": "sendgrid", "whatsapp": "business", "sns": "aws"}[provider]
}

var states = map[emulator.EventKind]string{
	emulator.EventSent: "sent", emulator.EventDelivered: "delivered", emulator.EventRead: "read", emulator.EventFailed: "failed",
	emulator.EventBounce: "failed", emulator.EventSoftBounce: "failed", emulator.EventDropped: "failed",
}

// tell sends reports of a message, one after the other, and notes what is to come of them.
func (d *day) tell(m *emulator.Message, f *fate, reports []said, times int) {
	for _, r := range reports {
		for i := range times {
			made, err := d.callbacks.Report(*m, r.Event)
			if err != nil {
				d.Error(err)
				continue
			}
			for _, cb := range made {
				d.send(cb, f.forged)
			}
			if f.forged {
				continue
			}
			result := r.result
			if i > 0 {
				result = "repeated"
			}
			d.mu.Lock()
			d.results[m.Channel+" "+result]++
			if result != "repeated" && !r.only {
				d.deliveries[m.Channel+" "+catalogue(m.Provider)+" "+states[r.Kind]]++
			}
			if r.silences && !r.only {
				d.results[m.Channel+" applied"]++
			}
			d.mu.Unlock()
			if r.silences {
				d.silenced(m.Channel, m.To)
			}
		}
	}
}

// send calls ingest; what is forged has to be refused.
func (d *day) send(cb emulator.Callback, forged bool) {
	if forged {
		cb = cb.Forged()
		d.mu.Lock()
		d.forged[catalogue(cb.Provider)]++
		d.mu.Unlock()
	}
	answer, err := d.callbacks.Send(d.Context(), cb)
	if err != nil || forged != (answer.Status == http.StatusForbidden) || !forged && answer.Status >= 300 {
		d.Errorf("%s, forged: %t: HTTP %d %s %v", cb.URL, forged, answer.Status, answer.Body, err)
	}
}

// silenced notes that from now on nothing goes to somebody, or, the next time, that it does again.
func (d *day) silenced(channel, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silence[channel+" "+address] = append(d.silence[channel+" "+address], time.Now())
}

// wishes has a customer say something to the shop, and waits for the answer.
func (d *day) wishes(v *visit, w wish, forged bool) {
	d.Helper()
	if w.channel == "email" {
		d.clicks(v)
		return
	}
	in := emulator.Inbound{Provider: "twilio", Channel: "sms", From: v.phone, To: "+15005550006", Text: w.text}
	if w.channel == "whatsapp" {
		in.Provider, in.Channel, in.To = "whatsapp", "whatsapp", ""
	}
	key := fmt.Sprint(v.n, w.channel, w.text)
	cb, known := d.inbound[key]
	if !known || !w.again {
		var err error
		if cb, err = d.callbacks.Receive(in); err != nil {
			d.Fatal(err)
		}
		d.inbound[key] = cb
	}
	starts := w.text == "START" && !w.again
	if starts {
		d.silenced(w.channel, v.phone) // it may be heeded before it is answered
	}
	if d.send(cb, forged); forged {
		return
	}
	if !starts && !w.again {
		d.silenced(w.channel, v.phone)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.results[w.channel+map[bool]string{true: " repeated", false: " applied"}[w.again]]++
}

// clicks does what a mail program does with the List-Unsubscribe of a customer's first e-mail.
func (d *day) clicks(v *visit) {
	d.Helper()
	all := d.p.Messages()
	at := slices.IndexFunc(all, func(m emulator.Message) bool { return m.To == v.email })
	if at < 0 {
		d.Fatalf("%s has no e-mail to unsubscribe from", v.of)
	}
	resp, err := http.PostForm(all[at].Unsubscribe, url.Values{"List-Unsubscribe": {"One-Click"}})
	if err != nil {
		d.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		d.Errorf("one click: HTTP %d", resp.StatusCode)
	}
	d.silenced("email", v.email)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.results["email applied"]++
}

// breaker returns the SMS channel's breaker of Twilio: a letter, until when, and more; "" when it is closed.
func (d *day) breaker() string {
	return d.client.HGet(d.Context(), "{ringup:sms}:state", "b:twilio").Val()
}

// over waits until the time has passed that the breaker names.
func (d *day) over() {
	d.Helper()
	redistest.Eventually(d, "the breaker's time is over", func() bool {
		b := strings.Fields(d.breaker())
		if len(b) < 2 {
			return true
		}
		until, err := strconv.ParseInt(b[1], 10, 64)
		now := d.client.Time(d.Context()).Val()
		return err == nil && now.UnixMilli() > until
	})
}

// TestADay plays a day of a shop, some two thousand messages, and looks in the end whether each notification is in the state that a person
// would expect. SES is not among the providers here: its reports are signed with a certificate of Amazon's host, which a program takes from
// nobody else; internal/provider/aws tests it.
func TestADay(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	d := &day{
		system:     &system{T: t, redis: server, client: server.Client(), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))},
		p:          emulate(t),
		deliveries: map[string]int{}, results: map[string]int{}, forged: map[string]int{}, silence: map[string][]time.Time{}, inbound: map[string]emulator.Callback{},
	}
	d.payload = d.webhook
	var err error
	if d.callbacks, err = d.p.Callbacks(emulator.CallbackOptions{Ingest: d.url}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.callbacks.Close)
	shared := []string{"PUBLIC_URL=" + d.url, "UNSUBSCRIBE_SECRET=0123456789abcdef", "FALLBACK_CHANNEL=whatsapp:sms", "KEEP_FAILED=1000"}
	ingest := slices.Clone(shared)
	for name, value := range d.callbacks.Environment() {
		ingest = append(ingest, name+"="+value)
	}
	ops := map[string]int{"ingest": redistest.FreePort(t)}
	d.serve(append(ingest, fmt.Sprint("OPS_PORT=", ops["ingest"]))...)

	// It is the middle of the night in one zone, and of the day in the other.
	zone, err := time.LoadLocation(quietZone)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	night := now.Add(-time.Hour).In(zone).Format("15:04") + "-" + now.Add(3*time.Hour).In(zone).Format("15:04")
	settings := d.p.with(append(slices.Clone(shared), "SMS_PROVIDER=twilio,aws", "EMAIL_PROVIDER=sendgrid", "WHATSAPP_PROVIDER=business", "DEFAULT_TIMEZONE="+awakeZone,
		"RETRY_UNDELIVERED=10m", "RETRY_BACKOFF=100ms,200ms,400ms", "RECIPIENT_LIMIT=3", "PRICES=sms=0.01", "DAILY_CAP=sms/kiosk=0.1",
		"BREAKER_WINDOW=1s", "BREAKER_OPEN_MIN=300ms", "BREAKER_OPEN_MAX=300ms", "BREAKER_RAMP=1s")...)
	workers := map[string]*process{}
	for _, channel := range channels {
		ops[channel] = redistest.FreePort(t)
		workers[channel] = d.worker(channel, append(slices.Clone(settings), "QUIET_HOURS="+night, fmt.Sprint("OPS_PORT=", ops[channel]))...)
	}
	// Near midnight, UTC, the cap on a day's money would begin anew within this day.
	all := customers(time.Until(pricing.DayEnds(now)) > 5*time.Minute)

	customer := 0
	of := map[string][]*visit{} // by kind, the first of each customer
	for _, kind := range all {
		for range kind.customers {
			for i := range max(1, kind.visits) {
				v := d.visit(kind.name, customer, []string{"payment_complete", "pos_save", "order_create"}[customer%3], kind.morning)
				if v.source = "till"; kind.name == "kiosk" {
					v.source = "kiosk"
				}
				if i == 0 {
					of[kind.name] = append(of[kind.name], v)
				}
			}
			customer++
		}
		for _, v := range of[kind.name] {
			for _, w := range kind.before {
				d.wishes(v, w, false)
			}
		}
	}
	d.settles()
	ctx, home := context.WithCancel(t.Context())
	defer home()
	var carrier sync.WaitGroup
	carrier.Go(func() { d.carry(ctx) })

	t.Log("morning")
	d.opens(0)

	t.Log("noon")
	for _, kind := range all {
		for _, v := range of[kind.name] {
			for _, w := range kind.noon {
				d.wishes(v, w, false)
			}
			for _, w := range kind.forged {
				d.wishes(v, w, true)
			}
		}
	}
	if status, _ := d.call(http.MethodPost, d.url+"/unsubscribe/AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", "", ""); status != http.StatusNotFound {
		t.Errorf("a link that nobody made: HTTP %d", status)
	}
	d.settles()

	t.Log("afternoon: Twilio is away, and comes back")
	visits := func(n int) (first int) {
		first = len(d.visits)
		for range n {
			d.visit("afternoon", customer, "pos_save", well).afternoon = true
			customer++
		}
		return first
	}
	d.p.Fail(emulator.Fault{Provider: "twilio", Probes: true, Refusal: emulator.Refusal{Status: http.StatusServiceUnavailable}})
	d.opens(visits(60))
	if n := d.count("sns", "afternoon"); n != 60 {
		t.Errorf("%d of 60 messages went through the second provider while the first was away", n)
	}
	d.p.Fail()
	d.over()
	d.opens(visits(1))
	if n := d.count("twilio", "afternoon"); n != 1 || !strings.HasPrefix(d.breaker(), "R ") {
		t.Errorf("the first message after the outage went to Twilio %d times, whose breaker is now %q", n, d.breaker())
	}
	d.opens(visits(39))
	d.over()

	t.Log("evening: some come again, and in one zone people sleep")
	first := len(d.visits)
	for _, kind := range all {
		if kind.evening == nil {
			continue
		}
		for _, v := range of[kind.name] {
			second := d.visit(kind.name+", again", 0, "pos_save", *kind.evening)
			second.phone, second.email, second.source = v.phone, v.email, v.source
		}
	}
	for i := range 50 {
		var v *visit
		switch asleep := (fates{held("quiet_hours"), held("quiet_hours"), held("quiet_hours"), nil}); {
		case i < 15:
			v = d.visit("asleep by the payload's zone", customer, "order_update", asleep)
			v.zone, v.mute = quietZone, i < 7
		case i < 30:
			asleep.email = read // nobody knows where an e-mail address lives
			v = d.visit("asleep by their number", customer, "order_create", asleep)
			v.phone = fmt.Sprintf("+8190%08d", customer)
		case i < 40:
			v = d.visit("awake", customer, "order_update", well)
			v.zone = awakeZone
		default:
			v = d.visit("asleep, a receipt", customer, "payment_complete", well)
			v.zone = quietZone
		}
		customer++
	}
	d.opens(first)

	t.Log("closing time: late reports")
	for _, tell := range d.closing {
		tell()
	}
	d.settles()
	d.looks()
	d.adds(ops)

	t.Log("night: some say STOP, and then it is morning")
	for _, v := range d.visits {
		if v.mute {
			d.wishes(v, stop("sms"), false)
			v.fates["sms"].want = queue.StatusSuppressed
		} else if f := v.fates["sms"]; f.why == "quiet_hours" {
			*f = delivered
		}
	}
	d.settles()
	d.stop(workers["sms"])
	d.worker("sms", settings...)
	_, desk := d.desk()
	if status, answer := d.call(http.MethodPost, desk+"/admin/api/actions", "operators", `{"action":"retry","channel":"sms","place":"held"}`); status != http.StatusOK {
		t.Errorf("HTTP %d %s", status, answer)
	}
	d.settles()
	d.looks()
	home()
	carrier.Wait()
}

// count returns how many messages of a kind of visit a provider took.
func (d *day) count(provider, kind string) (n int) {
	for _, m := range d.p.Messages() {
		if v, _ := d.of(&m); m.Provider == provider && v.of == kind {
			n++
		}
	}
	return n
}

// looks compares what was sent, and what ringup says of it, with the plan.
func (d *day) looks() {
	d.Helper()
	handed, last := map[string]int{}, map[string]string{}
	for _, m := range d.p.Messages() {
		v, part := d.of(&m)
		key := fmt.Sprint(v.n, " ", part)
		handed[key]++
		last[key] = catalogue(m.Provider)
		if to := map[string]string{"sms": v.phone, "whatsapp": v.phone, "email": v.email}[m.Channel]; m.To != to {
			d.Errorf("a message of %s went to %s, not to %s", v.of, m.To, to)
		}
		since := d.silence[m.Channel+" "+m.To]
		for i := 0; i < len(since); i += 2 {
			if m.At.After(since[i]) && (i+1 == len(since) || m.At.Before(since[i+1])) {
				d.Errorf("%s: a message by %s %s after they wanted none", v.of, m.Channel, m.At.Sub(since[i]))
			}
		}
	}
	for _, v := range d.visits {
		var got queue.Notifications
		if status, answer := d.call(http.MethodGet, fmt.Sprintf("%s/v1/notifications/w%d", d.url, v.n), "token", ""); status != http.StatusOK || json.Unmarshal([]byte(answer), &got) != nil {
			d.Errorf("%s: HTTP %d %s", v.of, status, answer)
			continue
		}
		found := map[string]queue.Notification{}
		for _, n := range got.Notifications {
			found[n.ID] = n
		}
		for part, f := range v.fates {
			id := fmt.Sprintf("w%d:%s:1", v.n, part)
			if part == "moved" {
				id = fmt.Sprintf("w%d:whatsapp:1:sms:1", v.n)
			}
			key := fmt.Sprint(v.n, " ", part)
			want, reports, by := f.want, "yes", cmp.Or(f.by, map[string]string{"email": "sendgrid", "whatsapp": "business"}[part], "twilio")
			if v.afternoon && last[key] == "aws" {
				want, by = queue.StatusSent, "aws"
			}
			if by == "aws" {
				reports = "no"
			}
			if f.handed() == 0 {
				reports, by = "", ""
			}
			n := found[id]
			if n.Status != want || n.Reports != reports || handed[key] != f.handed() || last[key] != by || by != "" && n.Provider != by {
				d.Errorf("%s: %s is %q, taken %d times, last by %q, delivery reports %q; want %q, %d, %q, %q: %+v",
					v.of, id, n.Status, handed[key], last[key], n.Reports, want, f.handed(), by, reports, n.History)
			}
			delete(found, id)
		}
		for id := range found {
			d.Errorf("%s: %s is in no plan", v.of, id)
		}
	}
}

// adds compares the metrics with what has happened.
func (d *day) adds(ops map[string]int) {
	d.Helper()
	want := map[string]int{}
	for key, n := range d.deliveries {
		f := strings.Fields(key)
		want[fmt.Sprintf(`ringup_deliveries_total{channel="%s",provider="%s",state="%s"}`, f[0], f[1], f[2])] = n
	}
	for key, n := range d.results {
		f := strings.Fields(key)
		want[fmt.Sprintf(`ringup_reports_applied_total{channel="%s",result="%s"}`, f[0], f[1])] = n
	}
	for provider, n := range d.forged {
		want[fmt.Sprintf(`ringup_callbacks_total{outcome="forged",provider="%s"}`, provider)] = n
	}
	for _, channel := range channels {
		want[fmt.Sprintf(`ringup_suppressed_total{channel="%s"}`, channel)] = 0
		for _, why := range []string{"quiet_hours", "recipient_limit", "daily_cap"} {
			want[fmt.Sprintf(`ringup_held_total{channel="%s",reason="%s"}`, channel, why)] = 0
		}
	}
	for _, v := range d.visits {
		for part, f := range v.fates {
			channel := strings.Replace(part, "moved", "sms", 1)
			switch f.want {
			case queue.StatusSuppressed:
				want[fmt.Sprintf(`ringup_suppressed_total{channel="%s"}`, channel)]++
			case queue.StatusScheduled:
				want[fmt.Sprintf(`ringup_held_total{channel="%s",reason="%s"}`, channel, f.why)]++
			}
		}
	}
	got := map[string]int{}
	for _, port := range ops {
		status, text := d.call(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", port), "", "")
		if status != http.StatusOK {
			d.Errorf("metrics: HTTP %d", status)
		}
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			metric, _, _ := strings.Cut(name, "{")
			switch metric {
			case "ringup_deliveries_total", "ringup_reports_applied_total", "ringup_suppressed_total", "ringup_held_total":
			case "ringup_callbacks_total":
				if !strings.Contains(name, `"forged"`) || strings.Contains(name, `"aws"`) {
					continue
				}
			default:
				continue
			}
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				d.Errorf("%s: %v", line, err)
			}
			got[name] = int(n)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			d.Errorf("%s is %d, want %d", name, got[name], want[name])
		}
		delete(got, name)
	}
	for name, n := range got {
		if n != 0 {
			d.Errorf("%s is %d, want none", name, n)
		}
	}
}
