package system

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/test/emulator"
)

// providers is an emulator of all providers, and the settings by which a worker uses it.
type providers struct {
	*emulator.Server
	env []string
}

func emulate(t *testing.T) *providers {
	t.Helper()
	p := &providers{Server: emulator.New()}
	server := httptest.NewServer(p.Server)
	t.Cleanup(server.Close)
	p.env = []string{
		"TWILIO_BASE_URL=" + server.URL, "TWILIO_ACCOUNT_SID=" + emulator.TwilioAccountSID, "TWILIO_AUTH_TOKEN=" + emulator.TwilioAuthToken,
		"TWILIO_SMS_FROM=+15005550006", "TWILIO_WHATSAPP_FROM=+14155238886",
		"SENDGRID_BASE_URL=" + server.URL, "SENDGRID_API_KEY=" + emulator.SendGridAPIKey, "EMAIL_FROM=Luna Coffee <hello@example.com>",
		"AWS_ENDPOINT_URL=" + server.URL, "AWS_REGION=" + emulator.AWSRegion, "AWS_ACCESS_KEY_ID=" + emulator.AWSAccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + emulator.AWSSecretAccessKey,
		"WHATSAPP_BASE_URL=" + server.URL, "WHATSAPP_ACCESS_TOKEN=" + emulator.WhatsAppToken, "WHATSAPP_PHONE_NUMBER_ID=" + emulator.WhatsAppNumberID,
	}
	return p
}

// with returns the settings and env.
func (p *providers) with(env ...string) []string {
	return append(append([]string(nil), p.env...), env...)
}

// taken returns the number of messages by recipient of a channel.
func (p *providers) taken(channel string) map[string]int {
	times := map[string]int{}
	for _, m := range p.Messages() {
		if m.Channel == channel {
			times[m.To]++
		}
	}
	return times
}

// exactly waits until the recipients of a channel have their messages. It checks that each has one, and that no others have any.
func (p *providers) exactly(s *system, channel string, recipients []string) {
	s.Helper()
	redistest.Eventually(s, fmt.Sprintf("%d messages on %s", len(recipients), channel), func() bool { return len(p.taken(channel)) >= len(recipients) })
	s.settled(channel)
	got := p.taken(channel)
	for _, to := range recipients {
		if got[to] != 1 {
			s.Errorf("%s has %d messages on %s, want 1", to, got[to], channel)
		}
		delete(got, to)
	}
	if len(got) > 0 {
		s.Errorf("messages to other recipients on %s: %v", channel, got)
	}
}

func phones(first, n int) []string {
	var out []string
	for i := first; i < first+n; i++ {
		out = append(out, fmt.Sprintf("+1555%07d", i))
	}
	return out
}

// mixed returns a webhook as tills send them: some without an e-mail address, with an invalid number, with neither, or with odd names.
func mixed(i int) string {
	phone, email, name := fmt.Sprintf("+1555%07d", i), fmt.Sprintf("c%d@example.com", i), "John Doe"
	switch i % 10 {
	case 1:
		email = ""
	case 2:
		phone = "12"
	case 3:
		phone, email = "", ""
	case 4:
		email = "not an address"
	case 5:
		name = "مريم <b>&</b> \\u0000 ☕"
	case 6:
		name = strings.Repeat("x", 10_000)
	}
	return fmt.Sprintf(`{"id":"w%d","event_type":%q,"timestamp":"2024-01-01T12:00:00Z","data":{"orderId":"O%d","amount":1.5,"currency":"USD",`+
		`"customerName":"%s","customerPhone":%q,"customerEmail":%q,"items":[{"name":"Espresso","quantity":2,"price":3.25}]}}`,
		i, events[i%4], i, name, phone, email)
}

func mixedRecipients(n int) (numbers, addresses []string) {
	for i := range n {
		if d := i % 10; d != 2 && d != 3 {
			numbers = append(numbers, fmt.Sprintf("+1555%07d", i))
		}
		if d := i % 10; d != 1 && d != 3 && d != 4 {
			addresses = append(addresses, fmt.Sprintf("c%d@example.com", i))
		}
	}
	return numbers, addresses
}

func TestTenThousandMixedWebhooks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sms, email, whatsapp string
		n                    int
	}{
		"Twilio, SendGrid, Cloud API": {"twilio", "sendgrid", "business", 10_000},
		"SNS, SES, Twilio":            {"aws", "aws", "twilio", 1_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := start(t), emulate(t)
			s.payload = mixed
			for _, channel := range channels {
				s.worker(channel, p.with("SMS_PROVIDER="+c.sms, "EMAIL_PROVIDER="+c.email, "WHATSAPP_PROVIDER="+c.whatsapp)...)
			}
			s.post(0, c.n)
			s.post(0, 100) // duplicates, which add no jobs
			numbers, addresses := mixedRecipients(c.n)
			p.exactly(s, "sms", numbers)
			p.exactly(s, "email", addresses)
			p.exactly(s, "whatsapp", numbers)
			for _, m := range p.Messages() {
				digits := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(m.To, "+1555"), "c"), "@example.com")
				i, err := strconv.Atoi(digits)
				if err != nil || !strings.Contains(m.Text, fmt.Sprintf("O%d", i)) {
					t.Fatalf("a message to %s is about another order: %s", m.To, m.Text)
				}
				if strings.ContainsAny(m.Text, "\x00") || strings.Contains(m.HTML, "<b>&</b>") {
					t.Fatalf("the customer's name is not escaped: %s %s", m.Text, m.HTML)
				}
			}
		})
	}
}

func TestProviderOutageOpensTheBreaker(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]emulator.Fault{
		"its own 500":     {Refusal: emulator.Refusal{Status: http.StatusInternalServerError}},
		"a proxy's 503":   {Kind: emulator.Page, Refusal: emulator.Refusal{Status: http.StatusServiceUnavailable}},
		"a revoked token": {Refusal: emulator.Refusal{Status: http.StatusUnauthorized, Code: "20003"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := start(t), emulate(t)
			fault.Provider, fault.Probes = "twilio", true
			p.Fail(fault)
			const n = 500
			s.post(0, n)
			s.worker("sms", p.with("SMS_PROVIDER=twilio", "BREAKER_OPEN_MIN=200ms", "BREAKER_OPEN_MAX=1s")...)
			redistest.Eventually(t, "the breaker opens", func() bool { return s.client.Exists(t.Context(), "{ringup:sms}:halted").Val() == 1 })
			asked := p.Requests()["twilio"]
			if asked > 200 {
				t.Errorf("the provider had %d requests before the breaker opened", asked)
			}
			redistest.Eventually(t, "a few probes notice the outage", func() bool { return p.Requests()["twilio"] >= asked+3 })
			p.Fail()
			p.exactly(s, "sms", phones(0, n))
			if s.client.Exists(t.Context(), "{ringup:sms}:halted").Val() != 0 {
				t.Error("still halted")
			}
		})
	}
}

// TestOutageOfAQuietShop: where messages are few, the breaker never opens; an outage costs no message all the same.
func TestOutageOfAQuietShop(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]emulator.Fault{
		"its own 500":      {Refusal: emulator.Refusal{Status: http.StatusInternalServerError}},
		"a proxy's 503":    {Kind: emulator.Page, Refusal: emulator.Refusal{Status: http.StatusServiceUnavailable}},
		"a proxy's 502":    {Kind: emulator.Page, Refusal: emulator.Refusal{Status: http.StatusBadGateway}},
		"a proxy's 404":    {Kind: emulator.Page, Refusal: emulator.Refusal{Status: http.StatusNotFound}},
		"a firewall's 403": {Kind: emulator.Empty, Refusal: emulator.Refusal{Status: http.StatusForbidden}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := start(t), emulate(t)
			fault.Provider, fault.Probes, fault.Times = "twilio", true, 12
			p.Fail(fault)
			s.worker("sms", p.with("SMS_PROVIDER=twilio", "RETRY_BACKOFF=20ms,20ms", "BREAKER_FAILURES=1000")...)
			s.post(0, 3)
			p.exactly(s, "sms", phones(0, 3))
			if n := s.client.ZCard(t.Context(), "{ringup:sms}:failed").Val(); n != 0 {
				t.Errorf("%d messages failed", n)
			}
			if n := p.Requests()["twilio"]; n < 15 {
				t.Errorf("%d requests, want 12 that failed and 3", n)
			}
		})
	}
}

// TestLimitOfOnePerson: over WhatsApp's limit for one person, the messages to them take turns, and one call tells so; nobody else waits.
func TestLimitOfOnePerson(t *testing.T) {
	t.Parallel()
	s, p := start(t), emulate(t)
	const n, person = 3, "+15550000000"
	s.payload = func(i int) string {
		to := person
		if i >= n {
			to = fmt.Sprintf("+1555%07d", i)
		}
		return fmt.Sprintf(`{"id":"w%d","event_type":"payment_complete","timestamp":"2024-01-01T12:00:00Z","data":{"orderId":"O%d","amount":1.5,"currency":"USD",`+
			`"customerPhone":%q}}`, i, i, to)
	}
	p.Fail(emulator.Fault{Provider: "whatsapp", To: person, Times: 1, Refusal: emulator.Refusal{Status: http.StatusBadRequest, Code: "131056"}})
	s.worker("whatsapp", p.with("WHATSAPP_PROVIDER=business", "CONCURRENCY=1")...)
	s.post(0, n)
	s.post(n, 20)
	redistest.Eventually(t, "everybody else has theirs", func() bool { return len(p.taken("whatsapp")) >= 20 })
	redistest.Eventually(t, "the person has theirs", func() bool { return p.taken("whatsapp")[person] == n })
	if calls := p.Requests()["whatsapp"]; calls != n+20+1 {
		t.Errorf("%d calls for %d messages, want one that is refused", calls, n+20)
	}
}

func TestTheNextProviderTakesOver(t *testing.T) {
	t.Parallel()
	s, p := start(t), emulate(t)
	p.Fail(emulator.Fault{Provider: "twilio", Probes: true, Refusal: emulator.Refusal{Status: http.StatusInternalServerError}})
	s.worker("sms", p.with("SMS_PROVIDER=twilio,aws", "BREAKER_OPEN_MIN=500ms", "BREAKER_OPEN_MAX=500ms")...)
	s.post(0, 300)
	p.exactly(s, "sms", phones(0, 300))
	p.Fail()
	// Probes go to the first provider, one at a time. Once it has recovered, all messages go there.
	next := 300
	by := func(provider string) (n int) {
		for _, m := range p.Messages() {
			if m.Provider == provider {
				n++
			}
		}
		return n
	}
	redistest.Eventually(t, "the first provider is used again", func() bool {
		s.post(next, 20)
		next += 20
		return by("twilio") > 20
	})
	p.exactly(s, "sms", phones(0, next))
	if by("sns") < 300-100 {
		t.Errorf("%d messages went through the second provider during the outage of the first", by("sns"))
	}
}

func TestTermOfEverythingUnderLoad(t *testing.T) {
	t.Parallel()
	s, p := start(t), emulate(t)
	p.Fail(emulator.Fault{Kind: emulator.Slow, Latency: 20 * time.Millisecond})
	env := p.with("SMS_PROVIDER=twilio", "EMAIL_PROVIDER=aws", "WHATSAPP_PROVIDER=business", "CONCURRENCY=10")
	const n = 1500
	// A till sends the same webhook again until the answer is 202.
	var till sync.WaitGroup
	next := make(chan int)
	for range 8 {
		till.Go(func() {
			for i := range next {
				for s.postOne(i) != nil && s.Context().Err() == nil {
					<-time.After(20 * time.Millisecond)
				}
			}
		})
	}
	till.Go(func() {
		defer close(next)
		for i := range n {
			next <- i
			<-time.After(2 * time.Millisecond)
		}
	})
	for round := range 3 {
		var workers []*process
		for _, channel := range channels {
			workers = append(workers, s.worker(channel, env...))
		}
		enough := 300 * (round + 1)
		redistest.Eventually(t, "everything is under way", func() bool { return len(p.Messages()) > enough })
		s.stop(s.ingest)
		for _, w := range workers {
			s.stop(w)
		}
		s.serve()
	}
	for _, channel := range channels {
		s.worker(channel, env...)
	}
	till.Wait()
	var addresses []string
	for i := range n {
		addresses = append(addresses, fmt.Sprintf("c%d@example.com", i))
	}
	p.exactly(s, "sms", phones(0, n))
	p.exactly(s, "email", addresses)
	p.exactly(s, "whatsapp", phones(0, n))
}
