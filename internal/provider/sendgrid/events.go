package sendgrid

import (
	"encoding/json"
	"strings"
	"time"

	"ringup.dev/ringup/internal/address/email"
	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// event is one event of a batch (twilio.com/docs/sendgrid/for-developers/tracking-events/event). The custom_args of the send stand beside
// SendGrid's own fields.
type event struct {
	Event          string          `json:"event"`
	Email          string          `json:"email"`
	Timestamp      report.UnixTime `json:"timestamp"`
	EventID        string          `json:"sg_event_id"`
	MessageID      string          `json:"sg_message_id"`
	Type           string          `json:"type"`                  // of a bounce: bounce, or blocked, which passes
	Classification string          `json:"bounce_classification"` // of a bounce
	Reason         string          `json:"reason"`                // of a drop, in fixed words
	Status         string          `json:"status"`                // of a bounce: an enhanced code of SMTP, as 5.1.1
	MachineOpen    bool            `json:"sg_machine_open"`
	Job            string          `json:"ringup_job"` // report.JobField
}

// parse reads a batch. What is of an unknown form is left out, an event or a field of one, so that it does not hold up the others. Errors:
// *inbound.Problem.
func parse(body []byte, now time.Time) (report.Update, error) {
	var batch []json.RawMessage
	if err := json.Unmarshal(body, &batch); err != nil {
		return report.Update{}, inbound.Malformed("the body is not a JSON array of events")
	}
	var update report.Update
	for _, raw := range batch {
		var e event
		_ = json.Unmarshal(raw, &e) // the error says which field has another type
		if e.EventID == "" {
			e.EventID = report.Digest(raw)
		}
		e.read(&update, now)
	}
	return update, nil
}

// read adds what an event says.
func (e *event) read(update *report.Update, now time.Time) {
	at := e.Timestamp.Time
	add := func(state report.State, why *failure.Error) {
		r := report.Report{EventID: e.EventID, Provider: Name, Channel: message.Email, State: state, At: at, Err: why}
		r.JobID, _ = report.JobOf(e.Job, message.Email)
		if r.JobID == "" {
			update.Foreign++
			return
		}
		// What the send returned stands before the first point; after it, SendGrid says which of its filters had the message.
		r.MessageID, _, _ = strings.Cut(e.MessageID, ".")
		update.Reports = append(update.Reports, r)
	}
	prefer := func(kind suppress.Kind, why suppress.Why) {
		address, err := email.ParseHeader(e.Email)
		if err != nil {
			return
		}
		p := suppress.Preference{EventID: e.EventID, Provider: Name, Channel: message.Email, Address: address, Kind: kind, Why: why, At: at}
		if at.IsZero() {
			p.At = now
		}
		update.Preferences = append(update.Preferences, p)
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
		prefer(suppress.OptIn, suppress.Unsubscribe)
		// deferred: SendGrid goes on trying, for three days. account_status_change and events of the future: nothing about a message.
	}
}
