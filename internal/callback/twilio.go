package callback

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
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/twilio/codes"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// twilioLimit is above what Twilio sends: some thirty fields, of which the text has at most 1600 characters.
const twilioLimit = 64 << 10

// twilio verifies and reads the callbacks of Programmable Messaging (twilio.com/docs/usage/security#validating-requests). The SDK's own
// validator would link its REST client into ingest.
type twilio struct {
	tokens [][]byte
	urls   []string // the ways to write the address that Twilio called
	words  *words
	now    func() time.Time
}

func newTwilio(o *Options, w *words) route {
	r := route{path: PathTwilio, provider: "twilio", setting: []string{"PUBLIC_URL", "TWILIO_AUTH_TOKEN"}, limit: twilioLimit,
		kinds: []string{"application/x-www-form-urlencoded", "application/json"}}
	bases, _ := publicURLs(o.Config.PublicURL) // checked by Validate
	t := &twilio{tokens: split(o.Config.TwilioAuthToken), words: w, now: o.Now}
	for _, base := range bases {
		t.urls = append(t.urls, base+PathTwilio)
	}
	if len(t.tokens) > 0 && len(t.urls) > 0 {
		r.read = t.read
	}
	return r
}

// read verifies a callback: a status (204), or somebody's message (an empty answer in TwiML, so that Twilio sends them nothing).
func (t *twilio) read(r *http.Request, body []byte) (report.Update, reply, error) {
	form, err := t.verify(r, body)
	if err != nil {
		return report.Update{}, reply{}, err
	}
	query, _ := url.ParseQuery(r.URL.RawQuery) // what is unreadable in it is left out
	news, inbound := parseTwilio(query.Get("job"), form, t.words, t.now())
	if inbound {
		return news, reply{status: http.StatusOK, contentType: "text/xml", body: "<Response/>"}, nil
	}
	return news, reply{status: http.StatusNoContent}, nil
}

// verify returns the fields of a callback that Twilio signed: the address and, sorted by name, each field and its value; or, for JSON, the
// address, which then has the body's hash in it.
func (t *twilio) verify(r *http.Request, body []byte) (url.Values, error) {
	given, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Twilio-Signature"))
	if err != nil || len(given) != sha1.Size {
		return nil, forged("X-Twilio-Signature is missing, or is not the base64 of an HMAC-SHA1")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // readBody has looked
	var form url.Values
	if kind == "application/json" {
		form, err = flat(body)
	} else {
		form, err = url.ParseQuery(string(body))
	}
	if err != nil {
		return nil, malformed("the body cannot be read as its Content-Type says")
	}
	var rest strings.Builder
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		rest.WriteString("?" + r.URL.RawQuery)
	}
	hash := r.URL.Query().Get("bodySHA256")
	if hash == "" && kind == "application/json" {
		return nil, forged("nothing signs the body: the address has no bodySHA256")
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
	for _, token := range t.tokens {
		for _, address := range t.urls {
			mac := hmac.New(sha1.New, token)
			mac.Write([]byte(address + rest.String()))
			good |= subtle.ConstantTimeCompare(mac.Sum(nil), given)
		}
	}
	if hash != "" {
		sum := sha256.Sum256(body)
		claimed, _ := hex.DecodeString(hash) // what is no hash is not equal
		good &= subtle.ConstantTimeCompare(sum[:], claimed)
	}
	if good != 1 {
		return nil, forged("X-Twilio-Signature does not fit the address and the body: see that PUBLIC_URL is what Twilio calls")
	}
	return form, nil
}

// flat reads a JSON object as a form: its strings and numbers.
func flat(body []byte) (url.Values, error) {
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

// twilioStates are the statuses that say how far a message has come (twilio.com/docs/messaging/api/message-resource#message-status-values). The
// others (accepted, scheduled, queued, sending) are still Twilio's own affair.
var twilioStates = map[string]report.State{
	"sent": report.Sent, "delivered": report.Delivered, "partially_delivered": report.Delivered, "read": report.Read,
	"failed": report.Failed, "undelivered": report.Failed, "canceled": report.Failed,
}

// parseTwilio reads the fields of a callback; inbound says that it is somebody's message.
func parseTwilio(jobID string, form url.Values, w *words, now time.Time) (news report.Update, inbound bool) {
	id := form.Get("MessageSid")
	if id == "" {
		id = form.Get("SmsSid")
	}
	status := strings.ToLower(form.Get("MessageStatus"))
	if status == "" && (form.Has("Body") || form.Has("OptOutType") || form.Get("SmsStatus") == "received") {
		if p, is := twilioPreference(id, form, w, now); is {
			news.Preferences = []suppress.Preference{p}
		}
		return news, true
	}
	state, known := twilioStates[status]
	if id == "" || !known {
		return report.Update{}, false // another product's callback, or a status that says nothing yet
	}
	to, channel := twilioAddress(form.Get("To"))
	r := report.Report{EventID: id + ":" + status, Provider: "twilio", Channel: channel, MessageID: id, State: state}
	if valid, of := jobOf(jobID, message.SMS, message.WhatsApp); valid != "" {
		r.JobID, r.Channel = valid, of
	}
	if state != report.Failed {
		return report.Update{Reports: []report.Report{r}}, false
	}
	var meaning failure.Error
	switch code, err := strconv.Atoi(form.Get("ErrorCode")); {
	case status == "canceled":
		meaning = failure.Error{Class: failure.Permanent, Reason: failure.ReasonRequest, Detail: "it was canceled at Twilio"}
	case err != nil || code == 0:
		meaning = *unexplained()
	default:
		meaning = codes.Report(code)
	}
	r.Err = &meaning
	news.Reports = []report.Report{r}
	if meaning.Suppress && to != "" {
		news.Preferences = []suppress.Preference{{EventID: r.EventID + ":" + string(suppress.OptOut), Provider: "twilio", Channel: r.Channel,
			Address: to, Sender: twilioSender(form, "From"), Kind: suppress.OptOut, Why: suppress.Refused, At: now}}
	}
	return news, false
}

// twilioPreference reads somebody's message. Where the account uses Advanced Opt-Out, Twilio says itself what it took the message for.
func twilioPreference(id string, form url.Values, w *words, now time.Time) (suppress.Preference, bool) {
	from, channel := twilioAddress(form.Get("From"))
	if id == "" || from == "" {
		return suppress.Preference{}, false
	}
	kind, found := w.meaning(form.Get("Body"))
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
	p := suppress.Preference{EventID: id + ":" + string(kind), Provider: "twilio", Channel: channel, Address: from,
		Sender: twilioSender(form, "To"), Kind: kind, At: now}
	if kind == suppress.OptOut {
		p.Why = suppress.StopWord
	}
	return p, true
}

// twilioAddress reads a person's address; "" for what is no number.
func twilioAddress(text string) (message.Address, message.Channel) {
	channel := message.SMS
	number, is := strings.CutPrefix(text, "whatsapp:")
	if is {
		channel = message.WhatsApp
	}
	if !e164.MatchString(number) {
		number = ""
	}
	return message.Address(number), channel
}

// twilioSender is ours: the messaging service where there is one, since it is all of its numbers that were answered, or the number.
func twilioSender(form url.Values, field string) string {
	if service := form.Get("MessagingServiceSid"); service != "" {
		return service
	}
	return strings.TrimPrefix(form.Get(field), "whatsapp:")
}
