// Package sample has webhooks of every sender with a form of its own, signed and new, to try ringup with.
package sample

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Loyverse's choice; as an HMAC it is not known to be broken
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"ringup.dev/ringup/internal/sender/clover"
	"ringup.dev/ringup/internal/sender/lightspeed"
	"ringup.dev/ringup/internal/sender/loyverse"
	"ringup.dev/ringup/internal/sender/shopify"
	"ringup.dev/ringup/internal/sender/square"
	"ringup.dev/ringup/internal/sender/stripe"
	"ringup.dev/ringup/internal/sender/toast"
	"ringup.dev/ringup/internal/sender/woocommerce"
)

// files has one webhook for each sender and topic: <sender>/<topic>.json, with a hyphen for the topic's stroke. Where a sender says different things by one topic, what it says is behind a hyphen. What has to be new is written
// {{id}} (12 digits), {{number}} (4 digits), {{now}} (RFC 3339), {{gmt}} (without a zone), {{unix}} (seconds) or {{day}} (20060102).
//
//go:embed */*.json
var files embed.FS

// Topics returns the topics of a sender that there is a sample of, in the sender's words; none for an unknown sender.
func Topics(sender string) []string {
	entries, err := files.ReadDir(sender)
	if err != nil {
		return nil
	}
	var topics []string
	for _, entry := range entries {
		topic := strings.TrimSuffix(entry.Name(), ".json")
		if sender == shopify.Name {
			topic = strings.Replace(topic, "-", "/", 1)
		}
		topics = append(topics, topic)
	}
	slices.Sort(topics)
	return topics
}

// Webhook is what a sender posts.
type Webhook struct {
	Header http.Header
	Body   []byte
}

// New returns the webhook of a sender's topic about a sale that was made now, signed with a key of the shop. notificationURL is the address that a webhook of
// Square is signed with; the others need none. Without a key it is not signed. Two that are made within a microsecond are about the same sale. Errors: an unknown sender or topic.
func New(sender, topic, key, notificationURL string, now time.Time) (*Webhook, error) {
	return Make(sender, topic, key, notificationURL, now, Options{})
}

// Options are what Make takes beside what New takes.
type Options struct {
	// Sale is when New made another webhook of the same sale; the zero time for a sale of its own.
	Sale time.Time
	// Text is a body instead of the sample's, with the same places for what has to be new.
	Text string
}

// Make is New with options. The body is compact, as senders write theirs. Errors: an unknown sender or topic; a text that is not JSON.
func Make(sender, topic, key, notificationURL string, now time.Time, o Options) (*Webhook, error) {
	text, err := files.ReadFile(path.Join(sender, strings.ReplaceAll(topic, "/", "-")+".json"))
	if err != nil || !slices.Contains(Topics(sender), topic) {
		return nil, fmt.Errorf("there is no sample of %s's topic %q: take one of %s", sender, topic, strings.Join(Topics(sender), ", "))
	}
	if o.Text == "" {
		o.Text = string(text)
	}
	if o.Sale.IsZero() {
		o.Sale = now
	}
	now = now.UTC()
	id := fmt.Sprintf("%012d", o.Sale.UnixMicro()%1e12)
	body := jsontext.Value(strings.NewReplacer(
		"{{id}}", id, "{{number}}", strconv.FormatInt(1000+o.Sale.UnixMicro()%9000, 10), "{{now}}", now.Format("2006-01-02T15:04:05.000Z07:00"), "{{gmt}}", now.Format("2006-01-02T15:04:05"),
		"{{unix}}", strconv.FormatInt(now.Unix(), 10), "{{day}}", now.Format("20060102"),
	).Replace(o.Text))
	if err := body.Compact(); err != nil {
		return nil, fmt.Errorf("the text is not JSON: %w", err)
	}
	w := &Webhook{Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
	if sender == lightspeed.Name { // its JSON is in a form
		w.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w.Body = []byte(url.Values{"payload": {string(body)}, "domain_prefix": {"sample"}, "environment": {"prod"}}.Encode())
	}
	if key != "" {
		w.sign(sender, topic, key, notificationURL, now)
	}
	return w, nil
}

// sign adds the sender's headers, as its Verify describes them.
func (w *Webhook) sign(sender, topic, key, notificationURL string, now time.Time) {
	set := w.Header.Set
	signed := func(parts ...[]byte) []byte { return mac(sha256.New, key, parts...) }
	encoded := func(parts ...[]byte) string { return base64.StdEncoding.EncodeToString(signed(parts...)) }
	unix := strconv.FormatInt(now.Unix(), 10)
	switch sender {
	case shopify.Name:
		set("X-Shopify-Topic", topic)
		set("X-Shopify-Shop-Domain", "sample.myshopify.com")
		set("X-Shopify-Triggered-At", now.Format(time.RFC3339Nano))
		set("X-Shopify-Hmac-Sha256", encoded(w.Body))
	case woocommerce.Name:
		set("X-Wc-Webhook-Topic", topic)
		set("X-Wc-Webhook-Source", "https://store.example.com/")
		set("X-Wc-Webhook-Signature", encoded(w.Body))
	case stripe.Name:
		set("Stripe-Signature", "t="+unix+",v1="+hex.EncodeToString(signed([]byte(unix), []byte("."), w.Body)))
	case toast.Name:
		set("Toast-Signature", encoded(w.Body, []byte(now.Format("2006-01-02T15:04:05.000Z07:00"))))
	case square.Name:
		set("Square-Environment", "Production")
		set("X-Square-Hmacsha256-Signature", encoded([]byte(notificationURL), w.Body))
	case loyverse.Name:
		set("X-Loyverse-Signature", base64.StdEncoding.EncodeToString(mac(sha1.New, key, w.Body)))
	case lightspeed.Name:
		set("X-Signature", "signature="+hex.EncodeToString(signed(w.Body))+",algorithm=HMAC-SHA256")
	case clover.Name:
		if topic == hostedCheckout {
			set("Clover-Signature", "t="+unix+",v1="+hex.EncodeToString(signed([]byte(unix), []byte("."), w.Body)))
		} else {
			set("X-Clover-Auth", key)
		}
	}
}

// hostedCheckout is the sample of Clover that another key than its others is for.
const hostedCheckout = "hosted_checkout"

func mac(algorithm func() hash.Hash, key string, parts ...[]byte) []byte {
	m := hmac.New(algorithm, []byte(key))
	for _, part := range parts {
		m.Write(part)
	}
	return m.Sum(nil)
}
