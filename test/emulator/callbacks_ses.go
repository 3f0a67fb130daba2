package emulator

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	awsprovider "ringup.dev/ringup/internal/provider/aws"
)

// The topic of SES's events, and Amazon's names for its parts.
const (
	SESTopicARN  = "arn:aws:sns:" + AWSRegion + ":123456789012:ringup-ses-events"
	snsHost      = "sns." + AWSRegion + ".amazonaws.com"
	snsCertPath  = "/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
	snsSubscribe = "SubscriptionConfirmation"
)

// amazon stands in for sns.<region>.amazonaws.com.
type amazon struct {
	server    *httptest.Server
	transport *http.Transport

	mu       sync.Mutex
	tokens   []string
	requests int
}

// newAmazon starts a server with the certificate of the key that SNS signs with.
func newAmazon(signer *rsa.PrivateKey) (*amazon, error) {
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the emulator's authority"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &authority.PublicKey, authority)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(rootDER)
	if err != nil {
		return nil, err
	}
	trusted.AddCert(parsed)
	leaf := func(serial int64, public crypto.PublicKey) ([]byte, error) {
		template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, DNSNames: []string{snsHost},
			NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		return x509.CreateCertificate(rand.Reader, template, root, public, authority)
	}
	signing, err := leaf(2, &signer.PublicKey)
	if err != nil {
		return nil, err
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serving, err := leaf(3, &own.PublicKey)
	if err != nil {
		return nil, err
	}
	a := &amazon{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+snsCertPath, func(w http.ResponseWriter, _ *http.Request) {
		a.mu.Lock()
		a.requests++
		a.mu.Unlock()
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: signing}) // the client may be gone
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if query.Get("Action") != "ConfirmSubscription" || query.Get("TopicArn") != SESTopicARN {
			http.Error(w, "invalid", http.StatusBadRequest)
			return
		}
		a.mu.Lock()
		a.tokens = append(a.tokens, query.Get("Token"))
		a.mu.Unlock()
		writeXML(w, http.StatusOK, "<ConfirmSubscriptionResponse/>")
	})
	a.server = httptest.NewUnstartedServer(mux)
	a.server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{serving}, PrivateKey: own}}, MinVersion: tls.VersionTLS12}
	a.server.StartTLS()
	address := a.server.Listener.Addr().String()
	a.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
	}
	return a, nil
}

func (a *amazon) confirmed() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.tokens...)
}

func (a *amazon) fetched() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

// Subscribe is the request by which SNS asks an address to confirm its subscription to a topic.
func (c *Callbacks) Subscribe(token string) Callback {
	return c.snsMessage("2", snsSubscribe, c.id(), map[string]string{
		"Token": token,
		"Message": "You have chosen to subscribe to the topic " + SESTopicARN +
			".\nTo confirm the subscription, visit the SubscribeURL included in this message.",
		"SubscribeURL": "https://" + snsHost + "/?Action=ConfirmSubscription&TopicArn=" + SESTopicARN + "&Token=" + token,
	})
}

// Notify is any message of the topic, with a signature of version 1 or 2.
func (c *Callbacks) Notify(version, text string) Callback {
	return c.snsMessage(version, "Notification", c.id(), map[string]string{"Message": text, "Subject": "Amazon SES Email Event Notification"})
}

// snsMessage is an envelope (docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html), signed as
// docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html says.
func (c *Callbacks) snsMessage(version, kind, id string, fields map[string]string) Callback {
	return c.Sign("ses", awsprovider.CallbackPath, func(genuine bool, at time.Time) (http.Header, []byte) {
		envelope := map[string]string{"Type": kind, "MessageId": id, "TopicArn": SESTopicARN, "Timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z"),
			"SignatureVersion": version, "SigningCertURL": "https://" + snsHost + snsCertPath}
		for name, value := range fields {
			envelope[name] = value
		}
		names := []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
		var signed strings.Builder
		for _, name := range names {
			if value, has := envelope[name]; has {
				signed.WriteString(name + "\n" + value + "\n")
			}
		}
		sum := sha256.Sum256([]byte(signed.String()))
		hash, digest := crypto.SHA256, sum[:]
		if version == "1" {
			old := sha1.Sum([]byte(signed.String()))
			hash, digest = crypto.SHA1, old[:]
		}
		signature, err := rsa.SignPKCS1v15(rand.Reader, c.keys(genuine).sns, hash, digest)
		if err != nil {
			panic(err) // the key is long enough for the hash
		}
		envelope["Signature"] = base64.StdEncoding.EncodeToString(signature)
		body, err := json.MarshalIndent(envelope, "", "  ")
		if err != nil {
			panic(err) // a map of strings can always be encoded
		}
		return http.Header{"Content-Type": {"text/plain; charset=UTF-8"}, "User-Agent": {"Amazon Simple Notification Service Agent"},
			"X-Amz-Sns-Message-Type": {kind}, "X-Amz-Sns-Message-Id": {id}, "X-Amz-Sns-Topic-Arn": {SESTopicARN}}, body
	})
}

// sesReport returns one SNS notification per event.
func sesReport(c *Callbacks, m Message, events []Event) ([]Callback, error) {
	return Each(events, func(e Event) (Callback, error) { return c.sesEvent(m, e) })
}

// sesEvent is an event that a configuration set publishes
// (docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html).
func (c *Callbacks) sesEvent(m Message, e Event) (Callback, error) {
	if m.ConfigurationSet == "" {
		return Callback{}, errors.New("ses was given no configuration set with the message, so it publishes nothing")
	}
	const layout = "2006-01-02T15:04:05.000Z"
	at := c.moment(e).UTC().Format(layout)
	returned := map[string][]string{"ses:configuration-set": {m.ConfigurationSet}, "ses:caller-identity": {"ringup"}}
	for name, value := range m.Fields {
		returned[name] = []string{value}
	}
	event := map[string]any{"mail": map[string]any{"timestamp": m.At.UTC().Format(layout), "source": m.From, "sendingAccountId": "123456789012",
		"messageId": m.ID, "destination": []string{m.To}, "headersTruncated": false, "tags": returned}}
	bounce := func(kind, sub, status string) {
		event["eventType"] = "Bounce"
		event["bounce"] = map[string]any{"feedbackId": m.ID + "-feedback", "bounceType": kind, "bounceSubType": sub, "timestamp": at,
			"reportingMTA": "dsn; mta.example.com", "bouncedRecipients": []any{map[string]string{"emailAddress": m.To, "action": "failed", "status": status,
				"diagnosticCode": "smtp; 550 " + status + " user unknown"}}}
	}
	switch e.Kind {
	case EventSent:
		event["eventType"], event["send"] = "Send", map[string]any{}
	case EventDelivered:
		event["eventType"] = "Delivery"
		event["delivery"] = map[string]any{"timestamp": at, "processingTimeMillis": 11893, "recipients": []string{m.To},
			"smtpResponse": "250 2.6.0 Message received"}
	case EventRead:
		event["eventType"], event["open"] = "Open", map[string]string{"timestamp": at, "ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0"}
	case EventDelayed:
		event["eventType"] = "DeliveryDelay"
		event["deliveryDelay"] = map[string]any{"timestamp": at, "delayType": "MailboxFull",
			"delayedRecipients": []any{map[string]string{"emailAddress": m.To}}}
	case EventFailed:
		event["eventType"], event["reject"] = "Reject", map[string]string{"reason": "Bad content"}
	case EventBounce:
		bounce("Permanent", "General", "5.1.1")
	case EventSoftBounce:
		bounce("Transient", "MailboxFull", "4.2.2")
	case EventDropped:
		bounce("Permanent", "OnAccountSuppressionList", "5.1.1")
	case EventComplaint:
		event["eventType"] = "Complaint"
		event["complaint"] = map[string]any{"timestamp": at, "feedbackId": m.ID + "-feedback", "complaintFeedbackType": "abuse",
			"complainedRecipients": []any{map[string]string{"emailAddress": m.To}}}
	case EventUnsubscribe, EventResubscribe:
		all := e.Kind == EventUnsubscribe
		event["eventType"] = "Subscription"
		event["subscription"] = map[string]any{"contactList": "ringup", "timestamp": at, "source": "UnsubscribeHeader",
			"newTopicPreferences": map[string]any{"unsubscribeAll": all}, "oldTopicPreferences": map[string]any{"unsubscribeAll": !all}}
	default:
		return Callback{}, Unsupported("ses", e.Kind)
	}
	text, err := json.Marshal(event)
	if err != nil {
		return Callback{}, err
	}
	return c.snsMessage("1", "Notification", m.ID+"-"+string(e.Kind),
		map[string]string{"Message": string(text), "Subject": "Amazon SES Email Event Notification"}), nil
}
