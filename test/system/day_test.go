package system

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringup.dev/ringup/internal/pricing"
	"ringup.dev/ringup/internal/queue"
	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/test/emulator"
)

// TestADay plays a day of a shop with some two thousand messages, and checks that each notification has the status of the plan. SES is left
// out: its reports are signed with a certificate that programs get from Amazon's host only. internal/provider/aws tests them.
func TestADay(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	d := &day{
		system:     &system{T: t, redis: server, client: server.Client(), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))},
		p:          emulate(t),
		deliveries: map[string]int{}, results: map[string]int{}, forged: map[string]int{}, suppressed: map[string][]time.Time{}, inbound: map[string]emulator.Callback{},
	}
	d.payload = d.webhook
	var err error
	if d.callbacks, err = d.p.Callbacks(emulator.CallbackOptions{Ingest: d.url}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.callbacks.Close)
	shared := []string{"PUBLIC_URL=" + d.url, "UNSUBSCRIBE_SECRET=0123456789abcdef", "FALLBACK_CHANNEL=whatsapp:sms", "KEEP_FAILED=1000", "ALLOWED_COUNTRIES=*"}
	ingest := slices.Clone(shared)
	for name, value := range d.callbacks.Environment() {
		ingest = append(ingest, name+"="+value)
	}
	ops := map[string]int{"ingest": redistest.FreePort(t)}
	d.serve(append(ingest, fmt.Sprint("OPS_PORT=", ops["ingest"]))...)

	// It is night in one zone, and day in the other.
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
	// Near midnight, UTC, the daily cap would begin again during the test.
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
		t.Errorf("an unsubscribe link with an invalid token: HTTP %d", status)
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

	t.Log("evening: some customers come again, and in one zone customers sleep")
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
		switch asleep := (fates{scheduled("quiet_hours"), scheduled("quiet_hours"), scheduled("quiet_hours"), nil}); {
		case i < 15:
			v = d.visit("asleep by the payload's zone", customer, "order_update", asleep)
			v.zone, v.mute = quietZone, i < 7
		case i < 30:
			asleep.email = read // an e-mail address has no zone
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

	t.Log("night: some customers say STOP; then it is morning")
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
	_, admin := d.admin()
	if status, answer := d.call(http.MethodPost, admin+"/admin/api/actions", "operators-of-the-tests", `{"action":"retry","channel":"sms","place":"held"}`); status != http.StatusOK {
		t.Errorf("HTTP %d %s", status, answer)
	}
	d.settles()
	d.looks()
	home()
	carrier.Wait()
}

// count returns how many messages of a kind of visit a provider accepted.
func (d *day) count(provider, kind string) (n int) {
	for _, m := range d.p.Messages() {
		if v, _ := d.of(&m); m.Provider == provider && v.of == kind {
			n++
		}
	}
	return n
}
