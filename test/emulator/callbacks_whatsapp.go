package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/provider/whatsapp"
)

// whatsappHook is a webhook with one change (developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components).
func (c *Callbacks) whatsappHook(number, field string, value map[string]any) Callback {
	value["messaging_product"] = "whatsapp"
	value["metadata"] = map[string]string{"display_phone_number": "15550783881", "phone_number_id": number}
	body, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{
		"id": "102290129340398", "changes": []any{map[string]any{"field": field, "value": value}},
	}}})
	if err != nil {
		panic(err) // a map of strings can always be encoded
	}
	return c.Sign("whatsapp", whatsapp.CallbackPath, func(genuine bool, _ time.Time) (http.Header, []byte) {
		mac := hmac.New(sha256.New, []byte(c.keys(genuine).whatsapp))
		mac.Write(body)
		return http.Header{"Content-Type": {"application/json"}, "User-Agent": {"facebookexternalua"},
			"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}, body
	})
}

// Challenge is the request by which Meta verifies the address for webhooks.
func (c *Callbacks) Challenge(token, challenge string) Callback {
	query := url.Values{"hub.mode": {"subscribe"}, "hub.verify_token": {token}, "hub.challenge": {challenge}}
	return Callback{Provider: "whatsapp", Method: http.MethodGet, URL: strings.TrimSuffix(c.o.Public, "/") + whatsapp.CallbackPath + "?" + query.Encode(), Header: http.Header{}}
}

// whatsappReport returns one webhook per event.
func whatsappReport(c *Callbacks, m Message, events []Event) ([]Callback, error) {
	return Each(events, func(e Event) (Callback, error) { return c.whatsappEvent(m, e) })
}

// whatsappEvent is a status of a message, or a customer's use of the switch for offers and announcements.
func (c *Callbacks) whatsappEvent(m Message, e Event) (Callback, error) {
	person, seconds := strings.TrimPrefix(m.To, "+"), c.moment(e).Unix()
	contacts := []any{map[string]any{"wa_id": person, "profile": map[string]string{"name": "Jane Roe"}}}
	switch e.Kind {
	case EventUnsubscribe, EventResubscribe:
		value := map[EventKind]string{EventUnsubscribe: "stop", EventResubscribe: "resume"}[e.Kind]
		return c.whatsappHook(WhatsAppNumberID, "user_preferences", map[string]any{"contacts": contacts, "user_preferences": []any{map[string]any{
			"wa_id": person, "detail": "User requested to " + value + " marketing messages", "category": "marketing_messages",
			"value": value, "timestamp": seconds,
		}}}), nil
	case EventSent, EventDelivered, EventRead, EventFailed:
	default:
		return Callback{}, Unsupported("whatsapp", e.Kind)
	}
	status := map[string]any{"id": "wamid." + m.ID, "status": string(e.Kind), "timestamp": strconv.FormatInt(seconds, 10), "recipient_id": person}
	if e.Kind == EventFailed {
		code, err := strconv.Atoi(e.Code)
		if err != nil {
			return Callback{}, err
		}
		status["errors"] = []any{map[string]any{"code": code, "title": "Failed", "message": "Failed",
			"error_data": map[string]string{"details": "Message to " + m.To + " failed"},
			"href":       "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"}}
	}
	return c.whatsappHook(WhatsAppNumberID, "messages", map[string]any{"statuses": []any{status}}), nil
}

// whatsappInbound is a customer's message.
func (c *Callbacks) whatsappInbound(in Inbound) Callback {
	person, number := strings.TrimPrefix(in.From, "+"), in.To
	if number == "" {
		number = WhatsAppNumberID
	}
	return c.whatsappHook(number, "messages", map[string]any{
		"contacts": []any{map[string]any{"wa_id": person, "profile": map[string]string{"name": "Jane Roe"}}},
		"messages": []any{map[string]any{"from": person, "id": "wamid.in." + c.id(), "timestamp": strconv.FormatInt(c.o.Now().Unix(), 10), "type": "text",
			"text": map[string]string{"body": in.Text}}},
	})
}
