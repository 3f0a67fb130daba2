// Package message has the nouns that travel through ringup: channels, audiences, recipients and the rendered message. It
// knows nothing of queues, providers or HTTP.
package message

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// Channel is a way to reach a person. Its text is part of Redis keys, of the configuration and of metric labels.
type Channel string

// The channels.
const (
	SMS      Channel = "sms"
	Email    Channel = "email"
	WhatsApp Channel = "whatsapp"
)

// Channels lists every channel, in the order answers and pages show them.
var Channels = []Channel{SMS, Email, WhatsApp}

// Resolve is the queue of events of which a part has to be fetched from their sender first. It has the type of a channel because it is worked on like one; no
// message goes out on it.
const Resolve Channel = "resolve"

// Queues lists every queue: one per channel, and Resolve. A record in Redis has a queue's place in this list.
var Queues = append(slices.Clip(Channels), Resolve)

// ParseChannel returns the channel of that name.
func ParseChannel(name string) (Channel, error) {
	for _, c := range Channels {
		if string(c) == name {
			return c, nil
		}
	}
	return "", fmt.Errorf("channel %q is not one of sms, email, whatsapp", name)
}

// ParseQueue returns the queue of that name: a channel's, or Resolve.
func ParseQueue(name string) (Channel, error) {
	if name == string(Resolve) {
		return Resolve, nil
	}
	return ParseChannel(name)
}

// Audience says for whom a text is written: the shop's customer, or its staff.
type Audience byte

// The audiences. The byte is what a job stores.
const (
	Customer Audience = 'c'
	Staff    Audience = 's'
)

// Audiences lists every audience.
var Audiences = []Audience{Customer, Staff}

func (a Audience) String() string {
	switch a {
	case Customer:
		return "customer"
	case Staff:
		return "staff"
	}
	return "unknown"
}

// Address is an E.164 number or an e-mail address. Personal data: it prints, logs and marshals masked; only Reveal gives
// the value.
type Address string

// Reveal returns the address itself, for the provider's call and the operator who may see it.
func (r Address) Reveal() string { return string(r) }

// String masks the address: "+•••7890", "j•••@example.com".
func (r Address) String() string { return Mask(string(r)) }

// Format masks the address in fmt, whatever the verb.
func (r Address) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue masks the address in logs.
func (r Address) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText masks the address in JSON.
func (r Address) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MaxAddress is how many bytes an address has at most: RFC 5321 limits a forward-path to 256 with its brackets.
const MaxAddress = 254

// Recipient is an address and the text that is meant for it.
type Recipient struct {
	Address  Address
	Audience Audience
}

// Message is rendered and ready to be sent to one recipient on one channel.
type Message struct {
	JobID       string // also the correlation value that is sent along, where the provider has a field for it
	WebhookID   string
	EventType   string
	Source      string // of the event
	Timezone    string // the recipient's, if the event has it: an IANA name, or anything
	Channel     Channel
	To          Address
	Subject     string    // e-mail only
	Text        string    // every channel; for e-mail the text part
	HTML        string    // e-mail only
	ReplyTo     string    // e-mail only: where answers go; "" for the address that the e-mail comes from
	Unsubscribe string    // e-mail only: the URL where one POST ends e-mails to this recipient (RFC 8058); "" for none
	Template    *Template // WhatsApp only: an approved template to send in place of Text
	Segments    int       // SMS only: how many segments Text takes, so how many rate tokens it is worth
}

// Header is a line of an e-mail's head.
type Header struct{ Name, Value string }

// Headers are those that an e-mail has beside the usual ones. Auto-Submitted keeps absence notes from being answered to it (RFC 3834, section 5). With an
// Unsubscribe there is what lets a mail program offer it with one click (RFC 2369, section 3.2; RFC 8058, section 3.1).
func (m *Message) Headers() []Header {
	headers := []Header{{"Auto-Submitted", "auto-generated"}}
	if m.Unsubscribe != "" {
		headers = append(headers, Header{"List-Unsubscribe", "<" + m.Unsubscribe + ">"}, Header{"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"})
	}
	return headers
}

// Template names a message template that WhatsApp has approved, needed outside the 24-hour window.
type Template struct {
	Name       string   // Cloud API: the template's name; Twilio: its ContentSid (HX…)
	Language   string   // Cloud API: language code, as en_US
	Parameters []string // the body's parameters in order: {{1}}, {{2}}, …
}
