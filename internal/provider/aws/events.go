package aws

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/address/email"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

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

// parseSES reads the message of an envelope. A message that is not an event is empty: SES itself begins with a sentence, to see whether the
// topic works.
func parseSES(id string, text []byte, now time.Time) report.Update {
	var e sesEvent
	_ = json.Unmarshal(text, &e) // the error says which field has another type: the rest is read
	u := sesUpdate{id: id, event: &e, now: now}
	kind := e.EventType
	if kind == "" {
		kind = e.NotificationType
	}
	switch kind {
	case "Send":
		u.report(report.Sent, e.Mail.Timestamp, nil)
	case "Delivery":
		u.report(report.Delivered, e.Delivery.Timestamp, nil)
	case "Open":
		u.report(report.Read, e.Open.Timestamp, nil)
	case "Click":
		u.report(report.Read, e.Click.Timestamp, nil)
	case "Bounce":
		u.bounce()
	case "Complaint":
		u.complaint()
	case "Reject":
		u.report(report.Failed, "", &failure.Error{Class: failure.Permanent, Reason: failure.ReasonContent, Detail: "SES refused it: it found a virus"})
	case "Rendering Failure", "RenderingFailure":
		u.report(report.Failed, "", &failure.Error{Class: failure.Permanent, Reason: failure.ReasonTemplate, Detail: "SES cannot render its template"})
	case "Subscription":
		u.subscription()
		// DeliveryDelay: SES goes on trying, for 14 hours.
	}
	return u.Update
}

// sesUpdate collects what an event says.
type sesUpdate struct {
	report.Update
	id    string
	event *sesEvent
	now   time.Time
}

func (u *sesUpdate) report(state report.State, at string, why *failure.Error) {
	mail := &u.event.Mail
	r := report.Report{EventID: u.id, Provider: Name, Channel: message.Email, MessageID: mail.MessageID, State: state, At: sesTimeOf(at), Err: why}
	r.JobID, _ = report.JobOf(DecodeTags(mail.Tags), message.Email)
	if r.JobID == "" {
		u.Foreign++
		return
	}
	u.Reports = append(u.Reports, r)
}

// prefer adds a preference of each of the addresses. Each gets an event id of its own.
func (u *sesUpdate) prefer(kind suppress.Kind, why suppress.Why, at string, addresses ...string) {
	for i, text := range addresses {
		address, err := email.ParseHeader(text)
		if err != nil {
			continue
		}
		p := suppress.Preference{EventID: u.id + ":" + strconv.Itoa(i+1), Provider: Name, Channel: message.Email, Address: address, Kind: kind, Why: why,
			At: sesTimeOf(at)}
		if p.At.IsZero() {
			p.At = u.now
		}
		u.Preferences = append(u.Preferences, p)
	}
}

// bounce says why an e-mail came back (docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types). SES has tried for
// hours by then.
func (u *sesUpdate) bounce() {
	b := &u.event.Bounce
	why := &failure.Error{Class: failure.Permanent, Reason: failure.ReasonRecipient}
	if len(b.Recipients) > 0 {
		why.Code = failure.Code(b.Recipients[0].Status)
	}
	listed := b.SubType == "OnAccountSuppressionList" || b.SubType == "Suppressed"
	switch {
	case b.Type == "Permanent" && listed:
		why.Suppress, why.Detail = true, "the address is on a suppression list of SES"
		u.prefer(suppress.OptOut, suppress.OptOutList, b.Timestamp, addresses(b.Recipients)...)
	case b.Type == "Permanent":
		why.Suppress, why.Detail = true, "it bounced"
		u.prefer(suppress.OptOut, suppress.HardBounce, b.Timestamp, addresses(b.Recipients)...)
	case b.Type == "Transient" && (b.SubType == "MessageTooLarge" || b.SubType == "ContentRejected" || b.SubType == "AttachmentRejected"):
		// Transient as far as the address goes; the same e-mail would be refused again.
		why.Reason, why.Detail = failure.ReasonContent, "the receiving server refuses what is in it"
	case b.Type == "Transient":
		why.Class, why.Detail = failure.Transient, "the receiving server refused it for now, or the mailbox is full"
	default:
		why.Reason, why.Detail = failure.ReasonUnreadable, "it bounced, and SES cannot tell why"
	}
	u.report(report.Failed, b.Timestamp, why)
}

// complaint reads that people called an e-mail spam, or not spam; or that they did earlier, and SES did not even try.
func (u *sesUpdate) complaint() {
	c := &u.event.Complaint
	if strings.EqualFold(c.FeedbackType, "not-spam") {
		return
	}
	if c.SubType == "OnAccountSuppressionList" {
		u.report(report.Failed, c.Timestamp, &failure.Error{Class: failure.Permanent, Reason: failure.ReasonOptedOut, Suppress: true,
			Detail: "the address is on the account's suppression list, for a complaint"})
	}
	u.prefer(suppress.OptOut, suppress.Complaint, c.Timestamp, addresses(c.Recipients)...)
}

// subscription reads that a person used the link of SES's own list management.
func (u *sesUpdate) subscription() {
	s := &u.event.Subscription
	switch to := u.event.Mail.Destination; {
	case s.New.UnsubscribeAll:
		u.prefer(suppress.OptOut, suppress.Unsubscribe, s.Timestamp, to...)
	case s.Old.UnsubscribeAll:
		u.prefer(suppress.OptIn, suppress.Unsubscribe, s.Timestamp, to...)
	}
}

func addresses(recipients []sesRecipient) []string {
	var out []string
	for _, r := range recipients {
		out = append(out, r.EmailAddress)
	}
	return out
}

// sesTimeOf reads a time in ISO 8601; the zero time where it is missing or invalid.
func sesTimeOf(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
