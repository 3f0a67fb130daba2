package emulator

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"ringup.dev/ringup/internal/provider/twilio"
)

// twilioSignature returns the signature that Twilio documents (twilio.com/docs/usage/security#validating-requests): of the address, then
// every field's name and value, sorted by name.
func twilioSignature(token, address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		mac.Write([]byte(name + form.Get(name)))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (c *Callbacks) twilioCallback(address string, form url.Values) Callback {
	return c.signURL("twilio", address, func(genuine bool, _ time.Time) (http.Header, []byte) {
		return http.Header{
			"Content-Type": {"application/x-www-form-urlencoded; charset=UTF-8"}, "User-Agent": {"TwilioProxy/1.1"},
			"X-Twilio-Signature": {twilioSignature(c.keys(genuine).twilio, address, form)}, "I-Twilio-Idempotency-Token": {c.id()},
		}, []byte(form.Encode())
	})
}

// twilioReport returns one status callback per event.
func twilioReport(c *Callbacks, m Message, events []Event) ([]Callback, error) {
	return Each(events, func(e Event) (Callback, error) { return c.twilioStatus(m, e) })
}

// twilioStatus is a status callback (twilio.com/docs/messaging/guides/track-outbound-message-status).
func (c *Callbacks) twilioStatus(m Message, e Event) (Callback, error) {
	if m.StatusCallback == "" {
		return Callback{}, errors.New("the message had no StatusCallback for twilio")
	}
	status, known := map[EventKind]string{EventSent: "sent", EventDelivered: "delivered", EventRead: "read", EventFailed: "undelivered"}[e.Kind]
	if !known || e.Kind == EventRead && m.Channel != "whatsapp" {
		return Callback{}, Unsupported("twilio", e.Kind)
	}
	id, prefix := "SM"+m.ID, ""
	form := url.Values{}
	if m.Channel == "whatsapp" {
		prefix = "whatsapp:"
		form.Set("ChannelPrefix", "whatsapp")
		form.Set("EventType", strings.ToUpper(status))
	}
	for name, value := range map[string]string{"AccountSid": TwilioAccountSID, "ApiVersion": "2010-04-01", "To": prefix + m.To, "MessageSid": id, "SmsSid": id,
		"MessageStatus": status, "SmsStatus": status} {
		form.Set(name, value)
	}
	if strings.HasPrefix(m.From, "MG") {
		form.Set("MessagingServiceSid", m.From)
		form.Set("From", "+15005550006")
	} else {
		form.Set("From", prefix+m.From)
	}
	if e.Kind == EventFailed {
		form.Set("ErrorCode", e.Code)
	}
	return c.twilioCallback(m.StatusCallback, form), nil
}

// twilioInbound is a customer's message (twilio.com/docs/messaging/guides/webhook-request).
func (c *Callbacks) twilioInbound(in Inbound) Callback {
	id, prefix := "SM"+c.id(), ""
	form := url.Values{}
	if in.Channel == "whatsapp" {
		prefix = "whatsapp:"
		form.Set("ProfileName", "Jane Roe")
		form.Set("WaId", strings.TrimPrefix(in.From, "+"))
	}
	for name, value := range map[string]string{"AccountSid": TwilioAccountSID, "ApiVersion": "2010-04-01", "MessageSid": id, "SmsSid": id, "SmsMessageSid": id,
		"SmsStatus": "received", "From": prefix + in.From, "To": prefix + in.To, "Body": in.Text, "NumMedia": "0", "NumSegments": "1"} {
		form.Set(name, value)
	}
	if in.Service != "" {
		form.Set("MessagingServiceSid", in.Service)
	}
	if in.OptOutType != "" {
		form.Set("OptOutType", in.OptOutType)
	}
	return c.twilioCallback(strings.TrimSuffix(c.o.Public, "/")+twilio.CallbackPath, form)
}
