package callback

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

const (
	// sendgridLimit is above a batch: SendGrid sends one when it has 768 KB, or 30 s have passed (…/tracking-events/getting-started-event-webhook).
	sendgridLimit = 2 << 20
	// sendgridWindow is how far a signed timestamp may be from now: what is older is a replay. SendGrid's own library does not look.
	sendgridWindow = 5 * time.Minute
)

// sendgrid verifies and reads the signed event webhook
// (twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features).
type sendgrid struct {
	keys []*ecdsa.PublicKey
	now  func() time.Time
}

func newSendGrid(o *Options) route {
	r := route{path: PathSendGrid, provider: "sendgrid", setting: []string{"SENDGRID_WEBHOOK_PUBLIC_KEY"},
		limit: sendgridLimit, kinds: []string{"application/json"}}
	s := &sendgrid{now: o.Now}
	if s.keys, _ = publicKeys(o.Config.SendGridPublicKeys); len(s.keys) > 0 { // checked by Validate
		r.read = s.read
	}
	return r
}

func (s *sendgrid) read(r *http.Request, body []byte) (report.Update, reply, error) {
	if err := s.verify(r.Header, body); err != nil {
		return report.Update{}, reply{}, err
	}
	news, err := parseSendGrid(body, s.now())
	return news, ok, err
}

// verify looks at the signature: ECDSA, ASN.1 in base64, over the SHA-256 of the timestamp and the body.
func (s *sendgrid) verify(h http.Header, body []byte) error {
	stamp := h.Get("X-Twilio-Email-Event-Webhook-Timestamp")
	signature, err := base64.StdEncoding.DecodeString(h.Get("X-Twilio-Email-Event-Webhook-Signature"))
	if err != nil || len(signature) == 0 || stamp == "" {
		return forged("X-Twilio-Email-Event-Webhook-Signature or -Timestamp is missing, or is none")
	}
	hash := sha256.New()
	hash.Write([]byte(stamp))
	hash.Write(body)
	sum, good := hash.Sum(nil), false
	for _, key := range s.keys {
		good = good || ecdsa.VerifyASN1(key, sum, signature)
	}
	if !good {
		return forged("X-Twilio-Email-Event-Webhook-Signature does not fit the body")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || s.now().Sub(time.Unix(seconds, 0)).Abs() > sendgridWindow {
		return forged("X-Twilio-Email-Event-Webhook-Timestamp is more than " + sendgridWindow.String() + " from now")
	}
	return nil
}

// sendgridEvent is one of a batch (twilio.com/docs/sendgrid/for-developers/tracking-events/event). What was sent as custom_args stands beside
// SendGrid's own fields.
type sendgridEvent struct {
	Event          string  `json:"event"`
	Email          string  `json:"email"`
	Timestamp      instant `json:"timestamp"`
	EventID        string  `json:"sg_event_id"`
	MessageID      string  `json:"sg_message_id"`
	Type           string  `json:"type"`                  // of a bounce: bounce, or blocked, which passes
	Classification string  `json:"bounce_classification"` // of a bounce
	Reason         string  `json:"reason"`                // of a drop, in fixed words
	Status         string  `json:"status"`                // of a bounce: an enhanced code of SMTP, as 5.1.1
	MachineOpen    bool    `json:"sg_machine_open"`
	Job            string  `json:"ringup_job"` // delivery.JobField
}

// parseSendGrid reads a batch. An event that cannot be read is left out, so that it does not hold up the others. Errors: *refusal.
func parseSendGrid(body []byte, now time.Time) (report.Update, error) {
	var batch []json.RawMessage
	if err := json.Unmarshal(body, &batch); err != nil {
		return report.Update{}, malformed("the body is not a JSON array of events")
	}
	var news report.Update
	for _, raw := range batch {
		var e sendgridEvent
		if json.Unmarshal(raw, &e) != nil {
			continue
		}
		if e.EventID == "" {
			e.EventID = digest(raw)
		}
		e.news(&news, now)
	}
	return news, nil
}

// news adds what an event says.
func (e *sendgridEvent) news(news *report.Update, now time.Time) {
	at := e.Timestamp.Time
	add := func(state report.State, why *failure.Error) {
		r := report.Report{EventID: e.EventID, Provider: "sendgrid", Channel: message.Email, State: state, At: at, Err: why}
		r.JobID, _ = jobOf(e.Job, message.Email)
		// What the send returned stands before the first point; after it, SendGrid says which of its filters had the message.
		r.MessageID, _, _ = strings.Cut(e.MessageID, ".")
		if r.JobID != "" || r.MessageID != "" {
			news.Reports = append(news.Reports, r)
		}
	}
	prefer := func(kind suppress.Kind, why suppress.Why) {
		p := suppress.Preference{EventID: e.EventID, Provider: "sendgrid", Channel: message.Email, Address: emailOf(e.Email), Kind: kind, Why: why, At: at}
		if at.IsZero() {
			p.At = now
		}
		if p.Address != "" {
			news.Preferences = append(news.Preferences, p)
		}
	}
	switch e.Event {
	case "processed":
		add(report.Sent, nil)
	case "delivered":
		add(report.Delivered, nil)
	case "open":
		// Apple's privacy protection opens every e-mail by itself.
		if !e.MachineOpen {
			add(report.Read, nil)
		}
	case "click":
		add(report.Read, nil)
	case "bounce":
		why := e.bounce()
		add(report.Failed, why)
		if why.Suppress {
			prefer(suppress.OptOut, suppress.HardBounce)
		}
	case "dropped":
		why, suppressed := e.drop()
		add(report.Failed, why)
		if suppressed != "" {
			prefer(suppress.OptOut, suppressed)
		}
	case "spamreport":
		prefer(suppress.OptOut, suppress.Complaint)
	case "unsubscribe", "group_unsubscribe":
		prefer(suppress.OptOut, suppress.Unsubscribe)
	case "group_resubscribe":
		prefer(suppress.OptIn, "")
		// deferred: SendGrid goes on trying, for three days. account_status_change and whatever comes to be: nothing about a message.
	}
}

// bounce says why an e-mail came back. One that is blocked did so for this time; SendGrid puts the others on its list and drops what
// follows (twilio.com/docs/sendgrid/ui/sending-email/bounces).
func (e *sendgridEvent) bounce() *failure.Error {
	why := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient, Code: code(e.Status), Suppress: true, Detail: "it bounced"}
	if e.Type != "blocked" {
		return why
	}
	why.Class, why.Suppress, why.Detail = failure.Transient, false, "the receiving server refused it for now"
	switch strings.ToLower(e.Classification) {
	case "content":
		// The same text would be refused again.
		why.Class, why.Reason = failure.Permanent, failure.ReasonContent
	case "reputation":
		why.Reason = failure.ReasonSender
	case "frequency or volume too high", "frequency/volume":
		why.Reason = failure.ReasonRateLimit
	case "technical", "technical failure":
		why.Reason = failure.ReasonNetwork
	}
	return why
}

// drop says why SendGrid did not even try, and for which of its lists the address is to be left alone, if for any.
func (e *sendgridEvent) drop() (*failure.Error, suppress.Why) {
	why := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
	listed := func(reason failure.Reason, list suppress.Why, detail string) (*failure.Error, suppress.Why) {
		why.Reason, why.Suppress, why.Detail = reason, true, detail
		return why, list
	}
	switch reason := strings.ToLower(e.Reason); {
	case strings.Contains(reason, "unsubscribed"):
		return listed(failure.ReasonOptedOut, suppress.Unsubscribe, "the address is on SendGrid's list of unsubscribes")
	case strings.Contains(reason, "spam reporting"):
		return listed(failure.ReasonOptedOut, suppress.Complaint, "the address is on SendGrid's list of spam reports")
	case strings.Contains(reason, "bounced address"):
		return listed(failure.ReasonRecipient, suppress.HardBounce, "the address is on SendGrid's list of bounces")
	case reason == "invalid":
		return listed(failure.ReasonRecipient, suppress.HardBounce, "the address is on SendGrid's list of invalid addresses")
	case strings.Contains(reason, "package quota"):
		why.Class, why.Reason, why.Detail = failure.Account, failure.ReasonQuota, "more recipients than the package has"
	case strings.Contains(reason, "spam content"):
		why.Reason, why.Detail = failure.ReasonContent, "SendGrid's spam checker refused it"
	case strings.Contains(reason, "smtpapi"):
		why.Reason, why.Detail = failure.ReasonRequest, "SendGrid cannot read the request"
	default:
		why.Reason, why.Detail = failure.ReasonUnreadable, "SendGrid dropped it"
	}
	return why, ""
}

// code keeps what looks like a code, and never a provider's words, which may quote the recipient.
func code(text string) string {
	if len(text) > 20 || strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '.' && r != '-' && r != '_'
	}) {
		return ""
	}
	return text
}
