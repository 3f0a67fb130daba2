package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/whatsapp/codes"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

const (
	// whatsappLimit is Meta's own: "Webhooks payloads can be up to 3 MB" (developers.facebook.com/docs/whatsapp/cloud-api/webhooks).
	whatsappLimit = 3 << 20
	// maxChallenge bounds what is given back to whoever knows the token; Meta's challenges have some ten digits.
	maxChallenge = 256
)

// business is the catalogue's name for the WhatsApp Business Cloud API.
const business = "business"

// whatsapp verifies and reads the webhooks of the Cloud API (developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks).
type whatsapp struct {
	secrets [][]byte
	words   *words
	now     func() time.Time
}

func newWhatsApp(o *Options, w *words) route {
	r := route{path: PathWhatsApp, provider: business, setting: []string{"WHATSAPP_APP_SECRET"}, limit: whatsappLimit, kinds: []string{"application/json"}}
	if secrets := split(o.Config.WhatsAppAppSecret); len(secrets) > 0 {
		r.read = (&whatsapp{secrets: secrets, words: w, now: o.Now}).read
	}
	return r
}

// challenge answers Meta's question whether this is the right address: whoever knows the token gets the challenge back.
func challenge(token secret.String, count func(provider, outcome string)) http.HandlerFunc {
	want := sha256.Sum256([]byte(token.Reveal()))
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		// Digests have one length, whatever the token's.
		given := sha256.Sum256([]byte(query.Get("hub.verify_token")))
		text := query.Get("hub.challenge")
		if subtle.ConstantTimeCompare(given[:], want[:]) != 1 || query.Get("hub.mode") != "subscribe" || len(text) > maxChallenge {
			count(business, outcomeForged)
			(&refusal{status: http.StatusForbidden, detail: "hub.mode is not subscribe, or hub.verify_token is not valid"}).write(w)
			return
		}
		count(business, outcomeNothing)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = io.WriteString(w, text) //nolint:gosec // plain text, which no browser reads as anything else; Meta may be gone
	}
}

func (c *whatsapp) read(r *http.Request, body []byte) (report.Update, reply, error) {
	if err := c.verify(r.Header, body); err != nil {
		return report.Update{}, reply{}, err
	}
	news, err := parseWhatsApp(body, c.words, c.now())
	return news, ok, err
}

// verify looks at the signature: HMAC-SHA256 of the raw body under the app's secret, in hex.
func (c *whatsapp) verify(h http.Header, body []byte) error {
	text, found := strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256=")
	given, err := hex.DecodeString(text)
	if !found || err != nil || len(given) != sha256.Size {
		return forged("X-Hub-Signature-256 is missing, or is not sha256= and the hex of an HMAC-SHA256")
	}
	good := 0
	for _, key := range c.secrets {
		mac := hmac.New(sha256.New, key)
		mac.Write(body)
		good |= subtle.ConstantTimeCompare(mac.Sum(nil), given)
	}
	if good != 1 {
		return forged("X-Hub-Signature-256 does not fit the body")
	}
	return nil
}

// hook is a webhook (developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components). The parts are read one by one, so that one of a
// form that nobody knows does not hold up the others.
type hook struct {
	Object string `json:"object"`
	Entry  []struct {
		Changes []struct {
			Field string          `json:"field"`
			Value json.RawMessage `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

type whatsappChange struct {
	Metadata struct {
		PhoneNumberID string `json:"phone_number_id"`
	} `json:"metadata"`
	Statuses    []json.RawMessage `json:"statuses"`
	Messages    []json.RawMessage `json:"messages"`
	Preferences []json.RawMessage `json:"user_preferences"`
}

type whatsappStatus struct {
	ID        string  `json:"id"`
	Status    string  `json:"status"`
	Timestamp instant `json:"timestamp"`
	Recipient string  `json:"recipient_id"`
	Errors    []struct {
		Code *int `json:"code"`
	} `json:"errors"`
}

type whatsappMessage struct {
	From      string  `json:"from"`
	ID        string  `json:"id"`
	Timestamp instant `json:"timestamp"`
	Text      struct {
		Body string `json:"body"`
	} `json:"text"`
	// A button of a template, or of an interactive message: its words are as good as typed ones.
	Button struct {
		Text string `json:"text"`
	} `json:"button"`
	Interactive struct {
		Reply struct {
			Title string `json:"title"`
		} `json:"button_reply"`
	} `json:"interactive"`
}

type whatsappPreference struct {
	ID        string  `json:"wa_id"`
	Category  string  `json:"category"`
	Value     string  `json:"value"`
	Timestamp instant `json:"timestamp"`
}

// parseWhatsApp reads a webhook. Errors: *refusal.
func parseWhatsApp(body []byte, w *words, now time.Time) (report.Update, error) {
	var in hook
	if err := json.Unmarshal(body, &in); err != nil {
		return report.Update{}, malformed("the body is not a webhook of the Cloud API")
	}
	var news report.Update
	if in.Object != "whatsapp_business_account" {
		return news, nil // the app's other products
	}
	for _, entry := range in.Entry {
		for _, change := range entry.Changes {
			var value whatsappChange
			if json.Unmarshal(change.Value, &value) != nil {
				continue
			}
			value.read(&news, w, now)
		}
	}
	return news, nil
}

// read adds what a change says.
func (c *whatsappChange) read(news *report.Update, w *words, now time.Time) {
	for _, raw := range c.Statuses {
		var s whatsappStatus
		if json.Unmarshal(raw, &s) == nil {
			c.status(&s, news, now)
		}
	}
	for _, raw := range c.Messages {
		var m whatsappMessage
		if json.Unmarshal(raw, &m) != nil || m.ID == "" {
			continue
		}
		for _, text := range []string{m.Text.Body, m.Button.Text, m.Interactive.Reply.Title} {
			if kind, found := w.meaning(text); found {
				c.prefer(news, m.ID+":"+string(kind), m.From, kind, suppress.StopWord, m.Timestamp.Time, now)
				break
			}
		}
	}
	// Somebody used WhatsApp's own switch for offers and announcements (developers.facebook.com/docs/whatsapp/cloud-api/webhooks/user_preferences).
	kinds := map[string]suppress.Kind{"stop": suppress.OptOut, "resume": suppress.OptIn}
	for _, raw := range c.Preferences {
		var p whatsappPreference
		if json.Unmarshal(raw, &p) != nil || p.Category != "marketing_messages" {
			continue
		}
		if kind, known := kinds[p.Value]; known {
			c.prefer(news, digest(raw), p.ID, kind, suppress.Unsubscribe, p.Timestamp.Time, now)
		}
	}
}

// whatsappStates are the statuses that say how far a message has come
// (developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components#statuses-object).
var whatsappStates = map[string]report.State{
	"sent": report.Sent, "delivered": report.Delivered, "read": report.Read, "played": report.Read, "failed": report.Failed,
}

func (c *whatsappChange) status(s *whatsappStatus, news *report.Update, now time.Time) {
	state, known := whatsappStates[s.Status]
	if !known || s.ID == "" {
		return
	}
	r := report.Report{EventID: s.ID + ":" + s.Status, Provider: business, Channel: message.WhatsApp, MessageID: s.ID, State: state,
		At: s.Timestamp.Time}
	if state == report.Failed {
		r.Err = unexplained()
		if len(s.Errors) > 0 && s.Errors[0].Code != nil {
			meaning := codes.Report(*s.Errors[0].Code)
			r.Err = &meaning
		}
		if r.Err.Suppress {
			c.prefer(news, r.EventID+":"+string(suppress.OptOut), s.Recipient, suppress.OptOut, suppress.Refused, r.At, now)
		}
	}
	news.Reports = append(news.Reports, r)
}

// prefer adds a preference; the Cloud API writes numbers without +.
func (c *whatsappChange) prefer(news *report.Update, id, from string, kind suppress.Kind, why suppress.Why, when, now time.Time) {
	p := suppress.Preference{EventID: id, Provider: business, Channel: message.WhatsApp, Address: message.Address("+" + strings.TrimPrefix(from, "+")),
		Sender: c.Metadata.PhoneNumberID, Kind: kind, At: when}
	if kind == suppress.OptOut {
		p.Why = why
	}
	if when.IsZero() {
		p.At = now
	}
	if e164.MatchString(p.Address.Reveal()) {
		news.Preferences = append(news.Preferences, p)
	}
}
