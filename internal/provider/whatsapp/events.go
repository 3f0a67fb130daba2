package whatsapp

import (
	"encoding/json"
	"strings"
	"time"

	"ringup.dev/ringup/internal/failure"
	"ringup.dev/ringup/internal/inbound"
	"ringup.dev/ringup/internal/message"
	"ringup.dev/ringup/internal/report"
	"ringup.dev/ringup/internal/suppress"
)

// hook is a webhook (developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components). The parts are read one by one, and of each part the fields
// that are of their types: json.Unmarshal leaves out the others, and its error only says so. So what is of an unknown form holds nothing up.
type hook struct {
	Object string `json:"object"`
	Entry  []struct {
		Changes []struct {
			Field string          `json:"field"`
			Value json.RawMessage `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

type change struct {
	Metadata struct {
		PhoneNumberID string `json:"phone_number_id"`
	} `json:"metadata"`
	Contacts []struct {
		ID     string `json:"wa_id"`
		UserID string `json:"user_id"`
	} `json:"contacts"`
	Statuses    []json.RawMessage `json:"statuses"`
	Messages    []json.RawMessage `json:"messages"`
	Preferences []json.RawMessage `json:"user_preferences"`
}

type status struct {
	ID        string          `json:"id"`
	Status    string          `json:"status"`
	Timestamp report.UnixTime `json:"timestamp"`
	Recipient string          `json:"recipient_id"`
	Errors    []struct {
		Code failure.Number `json:"code"`
	} `json:"errors"`
}

// incoming is a person's message. One who has a user name has no number in it, but an id that stands for them with this business alone; the number
// is among the contacts where Meta gives it (developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids).
type incoming struct {
	From      string          `json:"from"`
	FromUser  string          `json:"from_user_id"`
	ID        string          `json:"id"`
	Timestamp report.UnixTime `json:"timestamp"`
	Text      struct {
		Body string `json:"body"`
	} `json:"text"`
	// A button of a template, or of an interactive message: its words are as good as typed ones.
	Button struct {
		Text string `json:"text"`
	} `json:"button"`
	Interactive struct {
		Reply     choice `json:"button_reply"`
		ListReply choice `json:"list_reply"`
	} `json:"interactive"`
}

// choice is what a person picked of an interactive message.
type choice struct {
	Title string `json:"title"`
}

type preference struct {
	ID        string          `json:"wa_id"`
	UserID    string          `json:"user_id"`
	Category  string          `json:"category"`
	Value     string          `json:"value"`
	Timestamp report.UnixTime `json:"timestamp"`
}

// parse reads a webhook. Errors: *inbound.Problem.
func parse(body []byte, words *suppress.Words, now time.Time) (report.Update, error) {
	var in hook
	if err := json.Unmarshal(body, &in); err != nil {
		return report.Update{}, inbound.Malformed("the body is not a webhook of the Cloud API")
	}
	var update report.Update
	if in.Object != "whatsapp_business_account" {
		return update, nil // the app's other products
	}
	for _, entry := range in.Entry {
		for _, one := range entry.Changes {
			var value change
			_ = json.Unmarshal(one.Value, &value)
			value.read(&update, words, now)
		}
	}
	return update, nil
}

// read adds what a change says.
func (c *change) read(update *report.Update, words *suppress.Words, now time.Time) {
	for _, raw := range c.Statuses {
		var s status
		_ = json.Unmarshal(raw, &s)
		c.report(&s, update, now)
	}
	for _, raw := range c.Messages {
		var m incoming
		if _ = json.Unmarshal(raw, &m); m.ID == "" {
			continue
		}
		for _, text := range []string{m.Text.Body, m.Button.Text, m.Interactive.Reply.Title, m.Interactive.ListReply.Title} {
			if kind, found := words.Meaning(text); found {
				c.prefer(update, m.ID+":"+string(kind), c.number(m.From, m.FromUser), kind, suppress.StopWord, m.Timestamp.Time, now)
				break
			}
		}
	}
	// A person used WhatsApp's own switch for offers and announcements (developers.facebook.com/docs/whatsapp/cloud-api/webhooks/user_preferences).
	// Turning it off stops no receipts, so it puts nobody on the list; turning it on lifts what 0.1.0 put there for it.
	for _, raw := range c.Preferences {
		var p preference
		if _ = json.Unmarshal(raw, &p); p.Category == "marketing_messages" && p.Value == "resume" {
			c.prefer(update, report.Digest(raw), c.number(p.ID, p.UserID), suppress.OptIn, suppress.Unsubscribe, p.Timestamp.Time, now)
		}
	}
}

// number returns a person's number: the one given, or that of the contact with their id; "" where the change has none.
func (c *change) number(given, userID string) string {
	if given != "" {
		return given
	}
	for _, one := range c.Contacts {
		if one.UserID == userID && userID != "" && one.ID != "" {
			return one.ID
		}
	}
	return ""
}

// states are the statuses that say how far a message has come
// (developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components#statuses-object).
var states = map[string]report.State{
	"sent": report.Sent, "delivered": report.Delivered, "read": report.Read, "played": report.Read, "failed": report.Failed,
}

func (c *change) report(s *status, update *report.Update, now time.Time) {
	state, known := states[s.Status]
	if !known || s.ID == "" {
		return
	}
	r := report.Report{EventID: s.ID + ":" + s.Status, Provider: Name, Channel: message.WhatsApp, MessageID: s.ID, State: state,
		At: s.Timestamp.Time}
	if state == report.Failed {
		r.Err = &failure.Error{Class: failure.Permanent, Reason: failure.ReasonUnreadable, Detail: "it failed, and the provider gave no reason"}
		if len(s.Errors) > 0 && s.Errors[0].Code.Given {
			meaning := ReportCode(s.Errors[0].Code.Value)
			r.Err = &meaning
		}
		if r.Err.Suppress {
			c.prefer(update, r.EventID+":"+string(suppress.OptOut), s.Recipient, suppress.OptOut, suppress.Refused, r.At, now)
		}
	}
	update.Reports = append(update.Reports, r)
}

// prefer adds a preference; the Cloud API writes numbers without +. One of a person without a number is only named.
func (c *change) prefer(update *report.Update, id, from string, kind suppress.Kind, why suppress.Why, when, now time.Time) {
	address, valid := message.ParseE164("+" + strings.TrimPrefix(from, "+"))
	if !valid {
		update.Unread = append(update.Unread, id)
		return
	}
	p := suppress.Preference{EventID: id, Provider: Name, Channel: message.WhatsApp, Address: address, Sender: c.Metadata.PhoneNumberID, Kind: kind, Why: why, At: when}
	if when.IsZero() {
		p.At = now
	}
	update.Preferences = append(update.Preferences, p)
}
