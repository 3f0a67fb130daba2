package system

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/test/emulator"
)

// visit is one webhook.
type visit struct {
	of              string
	n               int
	phone, email    string
	event           string
	zone, source    string
	fates           map[string]*fate // by channel, and "fall-back"
	afternoon, mute bool             // mute: the customer opts out at night
}

// day is a system with the providers' callbacks, and the results that the day is to have.
type day struct {
	*system
	p         *providers
	callbacks *emulator.Callbacks
	visits    []*visit
	told      atomic.Int64 // messages whose reports were sent
	carriers  sync.WaitGroup

	mu         sync.Mutex
	deliveries map[string]int         // by channel, provider, state
	results    map[string]int         // by channel, result
	forged     map[string]int         // by provider
	suppressed map[string][]time.Time // by channel and address: opt-outs and opt-ins in turn
	closing    []func()
	inbound    map[string]emulator.Callback // opt-outs and opt-ins, by visit, channel and text
}

// order matches the number of a message's webhook.
var order = regexp.MustCompile(`ORDER([0-9]{4})`)

// of returns a message's webhook, and its key in the webhook's fates.
func (d *day) of(m *emulator.Message) (v *visit, part string) {
	found := order.FindStringSubmatch(m.Text)
	if found == nil {
		d.Errorf("a message without a webhook: %s", m.Text)
		return &visit{}, ""
	}
	n, _ := strconv.Atoi(found[1]) // four digits
	part = m.Channel
	if strings.HasSuffix(m.JobID, ":whatsapp:1:sms:1") {
		part = "fall-back"
	}
	return d.visits[n], part
}

// visit adds a webhook to the plan.
func (d *day) visit(of string, customer int, event string, f fates) *visit {
	v := &visit{of: of, n: len(d.visits), phone: fmt.Sprintf("+1602555%04d", customer), email: fmt.Sprintf("c%d@example.com", customer), event: event,
		fates: map[string]*fate{"sms": &f.sms, "email": &f.email, "whatsapp": &f.whatsapp}}
	if f.fallBack != nil {
		v.fates["fall-back"] = f.fallBack
	}
	d.visits = append(d.visits, v)
	return v
}

func (d *day) webhook(i int) string {
	v := d.visits[i]
	return fmt.Sprintf(`{"id":"w%d","event_type":%q,"timestamp":"2024-01-01T12:00:00Z","source":%q,"data":{"orderId":"ORDER%04d","amount":1.5,"currency":"USD",`+
		`"customerPhone":%q,"customerEmail":%q,"timezone":%q}}`, i, v.event, cmp.Or(v.source, "till"), i, v.phone, v.email, v.zone)
}

// opens posts the plan's webhooks from number first on, and waits until nothing more happens.
func (d *day) opens(first int) {
	d.Helper()
	d.post(first, len(d.visits)-first)
	d.settles()
}

// settles waits until all jobs are settled, and all delivery reports are applied.
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
				for _, list := range []string{":queue:1", ":queue:2", ":queue:3", ":queue:4", ":reports"} {
					counts = append(counts, pipe.LLen(d.Context(), base+list))
				}
				counts = append(counts, pipe.ZCard(d.Context(), base+":retry"), pipe.ZCard(d.Context(), base+":inflight"), pipe.ZCard(d.Context(), base+":reports:taken"))
			}
			return nil
		})
		return err == nil && !slices.ContainsFunc(counts, func(n *redis.IntCmd) bool { return n.Val() > 0 }) && int(told) == len(d.p.Messages())
	})
}

// carry sends the delivery reports of every message as soon as a provider has accepted it, until ctx ends.
func (d *day) carry(ctx context.Context) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	slots := make(chan struct{}, 8)
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
				d.Errorf("an unplanned message of %s: %s %s", v.of, m.Channel, m.JobID)
			case m.Provider == "sns": // has no delivery reports
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
				slots <- struct{}{}
				d.tell(&m, f, reports, max(1, f.times))
				<-slots
				d.told.Add(1)
			})
		}
	}
}

// catalogue returns ringup's name for a provider of the emulator.
func catalogue(provider string) string {
	return map[string]string{"twilio": "twilio", "sendgrid": "sendgrid", "whatsapp": "business", "sns": "aws"}[provider]
}

var states = map[emulator.EventKind]string{
	emulator.EventSent: "sent", emulator.EventDelivered: "delivered", emulator.EventRead: "read", emulator.EventFailed: "failed",
	emulator.EventBounce: "failed", emulator.EventSoftBounce: "failed", emulator.EventDropped: "failed",
}

// tell sends the reports of a message, one after the other, and counts the expected results.
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
			if r.suppresses && !r.only {
				d.results[m.Channel+" applied"]++
			}
			d.mu.Unlock()
			if r.suppresses {
				d.toggle(m.Channel, m.To)
			}
		}
	}
}

// send sends a callback to ingest, which has to refuse a forged one.
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

// toggle notes that an address is suppressed from now on; the next call notes that it is not any more.
func (d *day) toggle(channel, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.suppressed[channel+" "+address] = append(d.suppressed[channel+" "+address], time.Now())
}

// wishes sends a customer's opt-out or opt-in, and waits for the answer.
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
		d.toggle(w.channel, v.phone) // the opt-in may be applied before it is answered
	}
	if d.send(cb, forged); forged {
		return
	}
	if !starts && !w.again {
		d.toggle(w.channel, v.phone)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.results[w.channel+map[bool]string{true: " repeated", false: " applied"}[w.again]]++
}

// clicks follows the List-Unsubscribe of a customer's first e-mail, as a mail program does.
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
	d.toggle("email", v.email)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.results["email applied"]++
}

// breaker returns the SMS channel's breaker of Twilio as Redis has it: a letter, the end of its pause, and more; "" when it is closed.
func (d *day) breaker() string {
	return d.client.HGet(d.Context(), "{ringup:sms}:state", "b:twilio").Val()
}

// over waits until the breaker's pause is over.
func (d *day) over() {
	d.Helper()
	redistest.Eventually(d, "the breaker's pause is over", func() bool {
		b := strings.Fields(d.breaker())
		if len(b) < 2 {
			return true
		}
		until, err := strconv.ParseInt(b[1], 10, 64)
		now := d.client.Time(d.Context()).Val()
		return err == nil && now.UnixMilli() > until
	})
}
