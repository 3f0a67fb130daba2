package callback

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/provider/aws/tags"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// sesLimit is above an envelope: SNS takes messages of 256 KB, which escaping makes larger.
const sesLimit = 1 << 20

// ses reads the events that a configuration set publishes through Amazon SNS.
type ses struct {
	sns *sns
	log *slog.Logger
	now func() time.Time
}

func newSES(o *Options) route {
	// SNS says text/plain of its JSON.
	r := route{path: PathSES, provider: "aws", setting: []string{"SES_TOPIC_ARN"}, limit: sesLimit, kinds: []string{"text/plain", "application/json"}}
	if topics := trimmed(o.Config.SESTopics); len(topics) > 0 {
		r.read = (&ses{sns: newSNS(topics, o), log: o.Log, now: o.Now}).read
	}
	return r
}

func (s *ses) read(r *http.Request, body []byte) (report.Update, reply, error) {
	e, err := parseEnvelope(body)
	if err != nil {
		return report.Update{}, reply{}, err
	}
	if err := s.sns.verify(r.Context(), e); err != nil {
		return report.Update{}, reply{}, err
	}
	switch e.Type {
	case snsSubscribe:
		if err := s.sns.confirm(r.Context(), e); err != nil {
			return report.Update{}, reply{}, err
		}
		s.log.Info("subscription confirmed: SES's events come from now on", "topic", e.TopicARN)
		return report.Update{}, ok, nil
	case snsUnsubscribe:
		s.log.Warn("subscription ended: SES's events come no more", "topic", e.TopicARN)
		return report.Update{}, ok, nil
	}
	return parseSES(e.MessageID, []byte(e.Message), s.now()), ok, nil
}

// sesEvent is one event (docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html). Without a configuration set,
// the notifications of an identity have the same form, but for the name of the type and the tags.
type sesEvent struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"`
	Mail             struct {
		MessageID   string              `json:"messageId"`
		Timestamp   string              `json:"timestamp"`
		Destination []string            `json:"destination"`
		Tags        map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce struct {
		Type       string         `json:"bounceType"`
		SubType    string         `json:"bounceSubType"`
		Recipients []sesRecipient `json:"bouncedRecipients"`
		Timestamp  string         `json:"timestamp"`
	} `json:"bounce"`
	Complaint struct {
		Recipients   []sesRecipient `json:"complainedRecipients"`
		SubType      string         `json:"complaintSubType"`
		FeedbackType string         `json:"complaintFeedbackType"`
		Timestamp    string         `json:"timestamp"`
	} `json:"complaint"`
	Delivery     sesTime `json:"delivery"`
	Open         sesTime `json:"open"`
	Click        sesTime `json:"click"`
	Subscription struct {
		Timestamp string     `json:"timestamp"`
		New       sesConsent `json:"newTopicPreferences"`
		Old       sesConsent `json:"oldTopicPreferences"`
	} `json:"subscription"`
}

type sesTime struct {
	Timestamp string `json:"timestamp"`
}

type sesRecipient struct {
	EmailAddress string `json:"emailAddress"`
	Status       string `json:"status"` // an enhanced code of SMTP, as 5.1.1
}

type sesConsent struct {
	UnsubscribeAll bool `json:"unsubscribeAll"`
}

// parseSES reads the message of an envelope. What is no event says nothing: SES itself begins with a sentence, to see whether the topic
// works.
func parseSES(id string, text []byte, now time.Time) report.Update {
	var e sesEvent
	if json.Unmarshal(text, &e) != nil {
		return report.Update{}
	}
	n := sesNews{id: id, event: &e, now: now}
	kind := e.EventType
	if kind == "" {
		kind = e.NotificationType
	}
	switch kind {
	case "Send":
		n.report(report.Sent, e.Mail.Timestamp, nil)
	case "Delivery":
		n.report(report.Delivered, e.Delivery.Timestamp, nil)
	case "Open":
		n.report(report.Read, e.Open.Timestamp, nil)
	case "Click":
		n.report(report.Read, e.Click.Timestamp, nil)
	case "Bounce":
		n.bounce()
	case "Complaint":
		n.complaint()
	case "Reject":
		n.report(report.Failed, "", &failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent, Detail: "SES refused it: it found a virus"})
	case "Rendering Failure", "RenderingFailure":
		n.report(report.Failed, "", &failure.Error{Class: failure.Permanent, Reason: failure.ReasonTemplate, Detail: "SES cannot render its template"})
	case "Subscription":
		n.subscription()
		// DeliveryDelay: SES goes on trying, for 14 hours.
	}
	return n.Update
}

// sesNews gathers what an event says.
type sesNews struct {
	report.Update
	id    string
	event *sesEvent
	now   time.Time
}

func (n *sesNews) report(state report.State, at string, why *failure.Error) {
	mail := &n.event.Mail
	r := report.Report{EventID: n.id, Provider: "aws", Channel: message.Email, MessageID: mail.MessageID, State: state, At: sesInstant(at), Err: why}
	r.JobID, _ = jobOf(tags.Decode(mail.Tags), message.Email)
	if r.JobID != "" || r.MessageID != "" {
		n.Reports = append(n.Reports, r)
	}
}

// prefer says that people want no more, or again. Each gets an id of their own.
func (n *sesNews) prefer(kind suppress.Kind, why suppress.Why, at string, addresses ...string) {
	for i, text := range addresses {
		p := suppress.Preference{EventID: n.id + ":" + strconv.Itoa(i+1), Provider: "aws", Channel: message.Email, Address: emailOf(text), Kind: kind, Why: why,
			At: sesInstant(at)}
		if p.At.IsZero() {
			p.At = n.now
		}
		if p.Address != "" {
			n.Preferences = append(n.Preferences, p)
		}
	}
}

// bounce says why an e-mail came back (docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types). SES has tried for
// hours by then.
func (n *sesNews) bounce() {
	b := &n.event.Bounce
	why := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
	if len(b.Recipients) > 0 {
		why.Code = code(b.Recipients[0].Status)
	}
	listed := b.SubType == "OnAccountSuppressionList" || b.SubType == "Suppressed"
	switch {
	case b.Type == "Permanent" && listed:
		why.Suppress, why.Detail = true, "the address is on a suppression list of SES"
		n.prefer(suppress.OptOut, suppress.OptOutList, b.Timestamp, addresses(b.Recipients)...)
	case b.Type == "Permanent":
		why.Suppress, why.Detail = true, "it bounced"
		n.prefer(suppress.OptOut, suppress.HardBounce, b.Timestamp, addresses(b.Recipients)...)
	case b.Type == "Transient" && (b.SubType == "MessageTooLarge" || b.SubType == "ContentRejected" || b.SubType == "AttachmentRejected"):
		// Passing as far as the address goes; the same e-mail would be refused again.
		why.Reason, why.Detail = failure.ReasonContent, "the receiving server refuses what is in it"
	case b.Type == "Transient":
		why.Class, why.Detail = failure.Transient, "the receiving server refused it for now, or the mailbox is full"
	default:
		why.Reason, why.Detail = failure.ReasonUnreadable, "it bounced, and SES cannot tell why"
	}
	n.report(report.Failed, b.Timestamp, why)
}

// complaint is that people called an e-mail spam, or not spam; or that they did earlier, and SES did not even try.
func (n *sesNews) complaint() {
	c := &n.event.Complaint
	if strings.EqualFold(c.FeedbackType, "not-spam") {
		return
	}
	if c.SubType == "OnAccountSuppressionList" {
		n.report(report.Failed, c.Timestamp, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true,
			Detail: "the address is on the account's suppression list, for a complaint"})
	}
	n.prefer(suppress.OptOut, suppress.Complaint, c.Timestamp, addresses(c.Recipients)...)
}

// subscription is that somebody used the link of SES's own list management.
func (n *sesNews) subscription() {
	s := &n.event.Subscription
	switch to := n.event.Mail.Destination; {
	case s.New.UnsubscribeAll:
		n.prefer(suppress.OptOut, suppress.Unsubscribe, s.Timestamp, to...)
	case s.Old.UnsubscribeAll:
		n.prefer(suppress.OptIn, "", s.Timestamp, to...)
	}
}

func addresses(recipients []sesRecipient) []string {
	var out []string
	for _, r := range recipients {
		out = append(out, r.EmailAddress)
	}
	return out
}

// sesInstant reads a time in ISO 8601; zero for what is none.
func sesInstant(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
