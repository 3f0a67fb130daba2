package twilio

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's choice; as an HMAC it is not known to be broken
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config"
	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// maxBody is above what Twilio sends: some thirty fields, of which the text has at most 1600 characters.
const maxBody = 64 << 10

// callback verifies and reads the callbacks of Programmable Messaging (twilio.com/docs/usage/security#validating-requests). The SDK's own
// validator would link its REST client into ingest.
type callback struct {
	tokens secret.Keys
	urls   []string // the forms of the address that Twilio may have signed
	words  *suppress.Words
	now    func() time.Time
}

// NewCallback returns Twilio's callback: statuses of messages, and messages of people, in which the words are looked for. now is the clock.
// Errors are of the configuration.
func NewCallback(c CallbackConfig, words *suppress.Words, now func() time.Time) (provider.Callback, error) {
	urls, err := c.signedURLs()
	if err != nil {
		return provider.Callback{}, err
	}
	out := provider.Callback{
		Provider: Name, Path: CallbackPath, Settings: []string{"PUBLIC_URL", "TWILIO_AUTH_TOKEN"},
		Body: inbound.Body{MediaTypes: []string{"application/x-www-form-urlencoded", "application/json"}, Limit: maxBody},
	}
	if len(c.AuthToken) > 0 && len(urls) > 0 {
		out.Read = (&callback{tokens: c.AuthToken, urls: urls, words: words, now: now}).read
	}
	return out, nil
}

// read verifies a callback and reads it. The reply to a status is 204, and to a person's message an empty document of TwiML, so that Twilio
// sends no answer.
func (c *callback) read(r *http.Request, body []byte) (report.Update, inbound.Reply, error) {
	form, err := c.verify(r, body)
	if err != nil {
		return report.Update{}, inbound.Reply{}, err
	}
	query, _ := url.ParseQuery(r.URL.RawQuery) // parameters that cannot be read are left out
	update, fromPerson := parse(query.Get(jobParameter), form, c.words, c.now())
	if fromPerson {
		return update, inbound.Reply{Status: http.StatusOK, MediaType: "text/xml", Body: "<Response/>"}, nil
	}
	return update, inbound.Reply{Status: http.StatusNoContent}, nil
}

// verify returns the fields of a callback that Twilio signed. The signature is over the address and, sorted by name, each field and its value; or,
// for JSON, over the address alone, which then has the body's hash in it.
func (c *callback) verify(r *http.Request, body []byte) (url.Values, error) {
	given, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Twilio-Signature"))
	if err != nil || len(given) != sha1.Size {
		return nil, provider.Forged("X-Twilio-Signature is missing, or is not the base64 of an HMAC-SHA1")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // checked when the body was read
	var form url.Values
	if kind == "application/json" {
		form, err = formOfJSON(body)
	} else {
		form, err = url.ParseQuery(string(body))
	}
	if err != nil {
		return nil, inbound.Malformed("the body cannot be read as its Content-Type says")
	}
	var rest strings.Builder
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		rest.WriteString("?" + r.URL.RawQuery)
	}
	hash := r.URL.Query().Get("bodySHA256")
	if hash == "" && kind == "application/json" {
		return nil, provider.Forged("nothing signs the body: the address has no bodySHA256")
	}
	if hash == "" {
		for _, name := range slices.Sorted(maps.Keys(form)) {
			// A name that comes twice: each value once, sorted, as Twilio's own libraries do.
			for _, value := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
				rest.WriteString(name + value)
			}
		}
	}
	good := 0
	for _, token := range c.tokens {
		for _, address := range c.urls {
			mac := hmac.New(sha1.New, []byte(token.Reveal()))
			mac.Write([]byte(address + rest.String()))
			good |= subtle.ConstantTimeCompare(mac.Sum(nil), given)
		}
	}
	if hash != "" {
		sum := sha256.Sum256(body)
		claimed, _ := hex.DecodeString(hash) // an invalid hash is not equal
		good &= subtle.ConstantTimeCompare(sum[:], claimed)
	}
	if good != 1 {
		return nil, provider.Forged("X-Twilio-Signature does not fit the address and the body: see that PUBLIC_URL is what Twilio calls")
	}
	return form, nil
}

// formOfJSON reads a JSON object as a form: its strings and numbers.
func formOfJSON(body []byte) (url.Values, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil {
		return nil, err
	}
	form := url.Values{}
	for name, raw := range object {
		var text string
		var number json.Number
		if json.Unmarshal(raw, &text) == nil {
			form.Set(name, text)
		} else if json.Unmarshal(raw, &number) == nil {
			form.Set(name, number.String())
		}
	}
	return form, nil
}

// states are the statuses that say how far a message has come (twilio.com/docs/messaging/api/message-resource#message-status-values). The
// others (accepted, scheduled, queued, sending) are of a message that Twilio still has.
var states = map[string]report.State{
	"sent": report.Sent, "delivered": report.Delivered, "partially_delivered": report.Delivered, "read": report.Read,
	"failed": report.Failed, "undelivered": report.Failed, "canceled": report.Failed,
}

// parse reads the fields of a callback; fromPerson says that it is a person's message and not a status.
func parse(jobID string, form url.Values, words *suppress.Words, now time.Time) (update report.Update, fromPerson bool) {
	id := form.Get("MessageSid")
	if id == "" {
		id = form.Get("SmsSid")
	}
	status := strings.ToLower(form.Get("MessageStatus"))
	if status == "" && (form.Has("Body") || form.Has("OptOutType") || form.Get("SmsStatus") == "received") {
		switch p, found := preference(id, form, words, now); {
		case found && p.Address == "":
			update.Unread = []string{p.EventID}
		case found:
			update.Preferences = []suppress.Preference{p}
		}
		return update, true
	}
	state, known := states[status]
	if id == "" || !known {
		return report.Update{}, false // another product's callback, or a status on the way
	}
	to, channel := addressOf(form.Get("To"))
	r := report.Report{EventID: id + ":" + status, Provider: Name, Channel: channel, MessageID: id, State: state}
	if job, of := report.JobOf(jobID, message.SMS, message.WhatsApp); job != "" {
		r.JobID, r.Channel = job, of
	}
	if state == report.Failed {
		code, _ := failure.ParseNumber(form.Get("ErrorCode")) // 0 where it is missing or invalid
		meaning := ReportCode(code)
		if status == "canceled" {
			meaning = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "it was canceled at Twilio"}
		}
		r.Err = &meaning
		if meaning.Suppress && to != "" {
			update.Preferences = []suppress.Preference{{EventID: r.EventID + ":" + string(suppress.OptOut), Provider: Name, Channel: r.Channel,
				Address: to, Kind: suppress.OptOut, Why: suppress.Refused, At: now}}
			update.Preferences[0].Sender, update.Preferences[0].Also = senderOf(form, "From")
		}
	}
	if r.JobID == "" {
		update.Foreign = 1
	} else {
		update.Reports = []report.Report{r}
	}
	return update, false
}

// preference reads a person's message; false where it says neither STOP nor START. Its address is "" where the sender is no number. Where the account uses Advanced Opt-Out, Twilio itself says
// what the message means.
func preference(id string, form url.Values, words *suppress.Words, now time.Time) (suppress.Preference, bool) {
	from, channel := addressOf(form.Get("From"))
	if id == "" {
		return suppress.Preference{}, false
	}
	var kind suppress.Kind
	found := false
	// A button of a WhatsApp or RCS message, and an entry of a list, have their words in fields of their own.
	for _, field := range []string{"Body", "ButtonText", "ListTitle"} {
		if kind, found = words.Meaning(form.Get(field)); found {
			break
		}
	}
	switch strings.ToUpper(form.Get("OptOutType")) {
	case "STOP":
		kind, found = suppress.OptOut, true
	case "START":
		kind, found = suppress.OptIn, true
	case "HELP":
		return suppress.Preference{}, false
	}
	if !found {
		return suppress.Preference{}, false
	}
	p := suppress.Preference{EventID: id + ":" + string(kind), Provider: Name, Channel: channel, Address: from,
		Kind: kind, Why: suppress.StopWord, At: now}
	p.Sender, p.Also = senderOf(form, "To")
	return p, true
}

// prefixes stand before numbers by channel (twilio.com/docs/messaging/channels). RCS is how Twilio sends a text message to whose phone has it.
var prefixes = map[string]message.Channel{"whatsapp:": message.WhatsApp, "rcs:": message.SMS}

// addressOf reads a person's number; "" where it is invalid.
func addressOf(text string) (message.Address, message.Channel) {
	number, channel := withoutPrefix(text)
	address, _ := message.ParseE164(number)
	return address, channel
}

func withoutPrefix(text string) (string, message.Channel) {
	for prefix, channel := range prefixes {
		if len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			return text[len(prefix):], channel
		}
	}
	return text, message.SMS
}

// senderOf returns the shop's side: the messaging service where there is one, since the preference is about all of its numbers, and the number, since
// that may be the configured one; or the number alone.
func senderOf(form url.Values, field string) (sender string, also []string) {
	number, _ := withoutPrefix(form.Get(field))
	if service := form.Get("MessagingServiceSid"); service != "" {
		return service, config.NonEmpty([]string{number})
	}
	return number, nil
}
