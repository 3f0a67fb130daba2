package system

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"ringup.dev/ringup/internal/redistest"
	"ringup.dev/ringup/test/emulator"
)

// TestNothingIsGivenAway plants recognisable secrets and personal data in the environment and in payloads. Sends succeed and fail, with
// traces and logs at debug. Then the test searches all output of the programs for them: logs in both formats, metrics, readiness, traces,
// answers, and the operators' pages.
func TestNothingIsGivenAway(t *testing.T) {
	t.Parallel()
	const (
		token, key, oldKey = "planted-token-6d1f", "planted-key-93ab", "planted-old-key-51cc"
		admin, redisSecret = "planted-admin-77e0", "planted-redis-20c4"
		telemetry          = "planted-telemetry-1b9d"
		phone, mail, name  = "+15550107391", "quirin.zwetschge@example.com", "Quirin Zwetschge"
	)
	private := map[string]string{
		"the webhook token": token, "the webhook secret": key, "the old webhook secret": oldKey, "the admin token": admin, "Redis's password": redisSecret,
		"the collector's key": telemetry, "Twilio's token": emulator.TwilioAuthToken, "SendGrid's key": emulator.SendGridAPIKey,
		"AWS's key": emulator.AWSSecretAccessKey, "WhatsApp's token": emulator.WhatsAppToken,
		"the phone number": phone[2:], "the phone number as it was typed": "010-7391", "the address": "quirin.zwetschge", "the name": "zwetschge",
		"what a stranger tried": "planted-wrong-e5",
	}
	var mu sync.Mutex
	seen := map[string]string{} // all output, by its origin
	put := func(where, text string) {
		mu.Lock()
		defer mu.Unlock()
		seen[where] += text + "\n"
	}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		put("traces", string(body))
	}))
	t.Cleanup(collector.Close)
	server := redistest.StartAs(t, "default", redisSecret, "--requirepass", redisSecret)
	s := &system{T: t, redis: server, payload: everyChannel, client: server.Client(), url: fmt.Sprintf("http://127.0.0.1:%d", redistest.FreePort(t))}
	p := emulate(t)
	var ports []int
	programs := map[string]*process{}
	env := func(more ...string) []string {
		ports = append(ports, redistest.FreePort(t))
		return p.with(append([]string{
			fmt.Sprint("OPS_PORT=", ports[len(ports)-1]), "LOG_LEVEL=debug", "OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_EXPORTER_OTLP_HEADERS=X-Key=" + telemetry,
			"OTEL_BSP_SCHEDULE_DELAY=50", "SMS_PROVIDER=twilio", "EMAIL_PROVIDER=sendgrid,aws", "WHATSAPP_PROVIDER=business", "RETRY_BACKOFF=20ms",
			"BREAKER_OPEN_MIN=50ms", "BREAKER_OPEN_MAX=100ms", "WEBHOOK_SECRET=" + key + "," + oldKey, "SMS_DEFAULT_RECIPIENTS=" + phone,
		}, more...)...)
	}
	s.serve(env("WEBHOOK_AUTH_TOKEN="+token, "LOG_FORMAT=text", "SOURCE_RATE_LIMIT=1000")...)
	programs["ingest"] = s.ingest
	post := func(want int, body string, change func(http.Header)) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/webhooks/pos", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, []byte(oldKey))
		mac.Write([]byte(body))
		r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}, "X-Webhook-Signature": {hex.EncodeToString(mac.Sum(nil))}}
		if change != nil {
			change(r.Header)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		put("answers", string(answer)+fmt.Sprint(resp.Header))
		if resp.StatusCode != want {
			t.Errorf("HTTP %d, want %d: %s", resp.StatusCode, want, answer)
		}
	}
	payload := func(id, more string) string {
		return fmt.Sprintf(`{"id":%q,"event_type":"pos_save","timestamp":"2024-01-01T12:00:00Z","source":"till","data":{"customerName":%q,"customerPhone":"+1 (555) 010-7391",`+
			`"customerEmail":%q%s}}`, id, name, mail, more)
	}
	workers := func() (running []*process) {
		for i, channel := range channels {
			format := []string{"json", "text"}[i%2]
			running = append(running, s.worker(channel, env("LOG_FORMAT="+format)...))
			programs[fmt.Sprint("worker ", channel, len(ports))] = running[i]
		}
		return running
	}
	running := workers()
	for i := range 10 {
		post(202, payload(fmt.Sprint("well", i), ""), nil)
	}
	post(202, payload("well0", ""), nil)
	// Refused webhooks, one per reason.
	wrong := func(header, value string) func(http.Header) { return func(h http.Header) { h.Set(header, value) } }
	post(401, payload("a", ""), wrong("Authorization", "Bearer planted-wrong-e5"))
	post(401, payload("a", ""), wrong("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("planted-wrong-e5:x"))))
	post(401, payload("a", ""), wrong("X-Webhook-Signature", "planted-wrong-e5"))
	post(401, payload("a", ""), wrong("X-Webhook-Signature", strings.Repeat("00", 32)))
	post(400, payload("a", "")[:150], func(h http.Header) { h.Del("X-Webhook-Signature") })
	post(422, payload("a", `,"amount":"`+phone+`","currency":"`+mail+`","items":"`+name+`"`), nil)
	post(415, payload("a", ""), wrong("Content-Type", "text/"+token))
	post(202, strings.Replace(payload("skips", ""), mail, "quirin.zwetschge at example", 1), nil)
	post(202, strings.Replace(payload("skips2", ""), "+1 (555) 010-7391", "010-7391 or ask Zwetschge", 1), nil)
	redistest.Eventually(t, "they are sent", func() bool { return len(p.Messages()) >= 34 })
	// Providers that fail, and that name the recipient in their errors.
	text := "it went wrong for " + phone + " " + mail + " " + name
	for _, fault := range []emulator.Fault{
		{Refusal: emulator.Refusal{Status: 400, Code: "21211", Text: text}}, {Refusal: emulator.Refusal{Status: 500, Text: text}},
		{Refusal: emulator.Refusal{Status: 429, Text: text}}, {Kind: emulator.Page, Refusal: emulator.Refusal{Status: 502, Text: text}},
		{Kind: emulator.Garbage}, {Kind: emulator.DropAfter}, {Probes: true, Refusal: emulator.Refusal{Status: 401, Code: "20003", Text: text}},
	} {
		p.Fail(fault)
		before := p.Requests()
		id := fmt.Sprintf("ill%v%d", fault.Kind, fault.Status)
		post(202, payload(id, ""), nil)
		redistest.Eventually(t, "it was tried", func() bool {
			now := p.Requests()
			return now["twilio"] > before["twilio"] && now["business"]+now["whatsapp"] > before["business"]+before["whatsapp"]
		})
	}
	p.Fail()
	_, adminURL := s.admin(env("ADMIN_TOKEN="+admin, "LOG_FORMAT=text")...)
	for _, path := range []string{"/admin/api/queues", "/admin/api/queues/sms/failed", "/admin/api/queues/email/failed", "/admin/api/queues/sms/completed", "/admin/api/queues/sms/waiting",
		"/admin/api/queues/email/retry", "/admin/api/audit", "/admin/api/nothing"} {
		_, answer := s.call(http.MethodGet, adminURL+path, admin, "")
		put("admin "+path, answer)
	}
	for _, text := range []string{"well1", phone[1:], phone, mail} {
		_, answer := s.call(http.MethodPost, adminURL+"/admin/api/search", admin, `{"text":"`+text+`"}`)
		put("admin search", answer)
	}
	_, answer := s.call(http.MethodGet, adminURL+"/admin/api/queues", "planted-wrong-e5", "")
	put("admin", answer)
	_, answer = s.call(http.MethodGet, s.url+"/v1/notifications/well0", token, "")
	put("notifications", answer)
	for _, body := range []string{`{"who":"` + phone + `","dry_run":true}`, `{"who":"` + mail + `"}`, `{"who":"` + name + `"}`, `{"whom":"` + phone + `"}`, `{"who":"` + phone} {
		_, answer := s.call(http.MethodPost, adminURL+"/admin/api/forget", admin, body)
		put("forget", answer)
	}
	_, answer = s.call(http.MethodGet, adminURL+"/admin/api/audit", admin, "")
	put("audit", answer)
	for _, port := range ports {
		for _, path := range []string{"/metrics", "/readyz", "/healthz", "/nothing"} {
			_, answer := s.call(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), "", "")
			put(path, answer)
		}
	}
	// Programs without Redis, and with an invalid configuration.
	server.Kill()
	post(503, payload("away", ""), nil)
	redistest.Eventually(t, "the workers notice", func() bool { return strings.Contains(running[0].text(), "exchange failed") })
	for _, p := range append(running, s.ingest) {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	for _, program := range []string{"ingest", "worker", "admin"} {
		p := s.run(program, env("WEBHOOK_AUTH_TOKEN="+token, "REDIS_URL=redis://:"+redisSecret+"@host:port", "CHANNEL=fax", "DEFAULT_REGION=XX", "SMS_DEFAULT_RECIPIENTS="+name+","+phone,
			"OTEL_EXPORTER_OTLP_HEADERS=X-Key"+telemetry+"%zz")...)
		if err := p.cmd.Wait(); err == nil {
			t.Errorf("%s started with an invalid configuration", program)
		}
		programs[program+" that does not start"] = p
	}
	for where, p := range programs {
		put("log of "+where, p.text())
	}
	mu.Lock()
	defer mu.Unlock()
	// The premise: every origin has its usual output.
	for where, part := range map[string]string{"traces": "ringup.webhook", "/metrics": "ringup_sends_total", "/readyz": "redis", "answers": "duplicate", "log of ingest": "webhook refused",
		"admin /admin/api/queues/sms/failed": `"last_error"`, "notifications": "sent", "forget": `"seen"`, "audit": `"forget"`, "log of worker that does not start": "cannot work"} {
		if !strings.Contains(seen[where], part) {
			t.Errorf("there is no %s in %s: %.500s", part, where, seen[where])
		}
	}
	for where, text := range seen {
		low := strings.ToLower(text)
		for what, value := range private {
			if at := strings.Index(low, strings.ToLower(value)); at >= 0 {
				t.Errorf("%s is in %s: …%s…", what, where, text[max(0, at-150):min(len(text), at+60)])
			}
		}
	}
}
