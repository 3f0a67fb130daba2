package emulator

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"ringup.dev/ringup/internal/provider/sendgrid"
)

// sendgridPublicKey is the key as SendGrid's settings page shows it.
func sendgridPublicKey(key *ecdsa.PrivateKey) string {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err) // a key of P-256 can always be encoded
	}
	return base64.StdEncoding.EncodeToString(der)
}

// sendgridReport is one request of the event webhook (twilio.com/docs/sendgrid/for-developers/tracking-events/event). A message's custom
// arguments stand beside SendGrid's own fields.
func sendgridReport(c *Callbacks, m Message, events []Event) ([]Callback, error) {
	batch := []map[string]any{}
	for i, e := range events {
		event := map[string]any{"email": m.To, "timestamp": c.moment(e).Unix(), "smtp-id": "<" + m.ID + "@geopod-ismtpd-1>",
			// A repeated event has the same id.
			"sg_event_id":   base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s-%s-%d", m.ID, e.Kind, i)),
			"sg_message_id": m.ID + ".recvd-5f54b5d587-c2dhs-1-64A1B2C3-1.0"}
		for name, value := range m.Fields {
			event[name] = value
		}
		switch e.Kind {
		case EventSent:
			event["event"] = "processed"
		case EventDelivered:
			event["event"], event["response"] = "delivered", "250 OK"
		case EventRead:
			event["event"], event["useragent"], event["ip"], event["sg_machine_open"] = "open", "Mozilla/5.0", "192.0.2.1", false
		case EventDelayed:
			event["event"], event["response"], event["attempt"] = "deferred", "450 try again later", "5"
		case EventBounce:
			event["event"], event["type"], event["status"] = "bounce", "bounce", "5.1.1"
			event["reason"], event["bounce_classification"] = "550 5.1.1 "+m.To+" unknown", "Invalid Address"
		case EventSoftBounce:
			event["event"], event["type"], event["status"] = "bounce", "blocked", "4.7.0"
			event["reason"], event["bounce_classification"] = "421 4.7.0 unusual rate of mail to "+m.To, "Technical"
		case EventDropped, EventFailed:
			event["event"], event["reason"] = "dropped", e.Code
			if e.Code == "" {
				event["reason"] = "Bounced Address"
			}
		case EventComplaint:
			event["event"] = "spamreport"
		case EventUnsubscribe:
			event["event"] = "unsubscribe"
		case EventResubscribe:
			event["event"], event["asm_group_id"] = "group_resubscribe", 10
		default:
			return nil, Unsupported("sendgrid", e.Kind)
		}
		batch = append(batch, event)
	}
	text, err := json.Marshal(batch)
	if err != nil {
		return nil, err
	}
	// SendGrid ends its bodies like this, and signs that too.
	body := append(text, '\r', '\n')
	return []Callback{c.Sign("sendgrid", sendgrid.CallbackPath, func(genuine bool, at time.Time) (http.Header, []byte) {
		stamp := strconv.FormatInt(at.Unix(), 10)
		hash := sha256.Sum256(append([]byte(stamp), body...))
		signature, err := ecdsa.SignASN1(rand.Reader, c.keys(genuine).sendgrid, hash[:])
		if err != nil {
			panic(err) // a key of P-256 can always sign
		}
		return http.Header{
			"Content-Type": {"application/json"}, "User-Agent": {"SendGrid Event API"},
			"X-Twilio-Email-Event-Webhook-Timestamp": {stamp},
			"X-Twilio-Email-Event-Webhook-Signature": {base64.StdEncoding.EncodeToString(signature)},
		}, body
	})}, nil
}
