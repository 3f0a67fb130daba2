// Package clover is the sender of POST /webhooks/clover/{store}: Clover's webhooks of an app, which have ids only, and those of Hosted Checkout.
package clover

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringup.dev/ringup/internal/config/secret"
	"ringup.dev/ringup/internal/event"
	"ringup.dev/ringup/internal/sender"
	"ringup.dev/ringup/internal/sender/fields"
	"ringup.dev/ringup/internal/value"
)

// Name is the sender's name in paths and events.
const Name = "clover"

// Config has the keys of the store "default".
type Config struct {
	// AuthCodes are the Clover Auth Codes of apps, which Clover sends as X-Clover-Auth, separated by commas; any of them counts. Setting one turns /webhooks/clover/default on. The code is shown once the address is verified: until then set any key of 16 bytes or more.
	AuthCodes secret.Keys `env:"CLOVER_AUTH_CODE"`
	// SigningSecrets are those of the Hosted Checkout pages that post to /webhooks/clover/default, separated by commas; any of them counts.
	SigningSecrets secret.Keys `env:"CLOVER_SIGNING_SECRET"`
	// MerchantID is the merchant of CLOVER_ACCESS_TOKEN, where the app is installed at others, too: their webhooks say nothing (outcome account), and Clover is not asked about them. Without it Clover is asked about all, and refuses those of others as it refuses a wrong token.
	MerchantID string `env:"CLOVER_MERCHANT_ID"`
}

// Options are what a store's sender is made of.
type Options struct {
	Store          string
	AuthCodes      [][]byte
	SigningSecrets [][]byte
	MerchantID     string // of whom alone the resolver is asked; "" for all
	Resolve        bool   // a resolver completes the events
}

type clover struct{ Options }

// New returns the sender for a store.
func New(o Options) sender.Sender { return &clover{o} }

const (
	authHeader      = "X-Clover-Auth"
	signatureHeader = "Clover-Signature"
)

// tolerance is how old a signature of Hosted Checkout may be. Clover's page (docs.clover.com/docs/ecomm-hosted-checkout-webhook) names no bound, and none of its repeats: it is as long as a
// webhook is known to be a duplicate, so that one that was recorded is of no use.
const tolerance = 24 * time.Hour

// handshake is the body that Clover posts when its Webhooks page asks for a verification code, before there is a code to authenticate it with (docs.clover.com/docs/webhooks).
var handshake = regexp.MustCompile(`^\s*\{\s*"verificationCode"\s*:\s*"([0-9A-Za-z-]{1,64})"\s*\}\s*$`)

// Verify implements sender.Sender: X-Clover-Auth is a code of the app and says nothing about the body; Clover-Signature: t=<seconds>,v1=<hex of HMAC-SHA-256 over seconds, a point and the
// body> comes with the webhooks of Hosted Checkout. Each header that is there has to be right. The handshake needs none, and says nothing.
func (s *clover) Verify(d *sender.Delivery) error {
	if handshake.Match(d.Body) {
		return nil
	}
	codes, signatures := d.Header.Values(authHeader), d.Header.Values(signatureHeader)
	if len(codes)+len(signatures) == 0 {
		return &sender.UnauthorizedError{Detail: authHeader + " is missing, and so is " + signatureHeader}
	}
	for _, code := range codes {
		if !sender.HasKey(s.AuthCodes, code) {
			return &sender.UnauthorizedError{Detail: authHeader + " is not the Clover Auth Code of the app"}
		}
	}
	for _, text := range signatures {
		if err := s.signed(d, text); err != nil {
			return err
		}
	}
	return nil
}

func (s *clover) signed(d *sender.Delivery, header string) error {
	stamp, good := "", false
	var signatures [][]byte
	for part := range strings.SplitSeq(header, ",") {
		scheme, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch scheme {
		case "t":
			stamp = text
		case "v1":
			if signature, err := hex.DecodeString(text); err == nil {
				signatures = append(signatures, signature)
			}
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || len(signatures) == 0 {
		return &sender.UnauthorizedError{Detail: signatureHeader + " has no time, or no signature of scheme v1"}
	}
	for _, signature := range signatures {
		good = sender.Signed(sha256.New, s.SigningSecrets, signature, []byte(stamp), []byte("."), d.Body) || good
	}
	switch {
	case !good:
		return &sender.UnauthorizedError{Detail: signatureHeader + " does not fit the body and the signing secret"}
	case d.At.Sub(time.Unix(seconds, 0)) > tolerance:
		return &sender.UnauthorizedError{Detail: signatureHeader + " is too old: look at the clock of this machine"}
	}
	return nil
}

// body is what Clover posts: updates by merchant, or a payment of Hosted Checkout.
type body struct {
	Merchants merchants `json:"merchants"`
	checkout
}

// checkout is a webhook of Hosted Checkout.
type checkout struct {
	ID       fields.Text `json:"id"` // of the payment
	Type     fields.Text `json:"type"`
	Status   fields.Text `json:"status"`
	Merchant fields.Text `json:"merchantId"`
	Created  fields.Text `json:"createdTime"`
}

// Decode implements sender.Sender.
func (s *clover) Decode(d *sender.Delivery) (*sender.Reading, error) {
	if code := handshake.FindSubmatch(d.Body); code != nil {
		return &sender.Reading{Topic: "verification", Skip: sender.SkipPing, Note: "verification code: " + string(code[1])}, nil
	}
	var b body
	if err := fields.Decode(d.Body, &b); err != nil {
		return nil, &sender.MalformedError{Detail: err.Error()}
	}
	switch {
	case b.Merchants != nil:
		return s.updates(d, b.Merchants), nil
	case b.Status.String() != "":
		return s.paid(d, &b.checkout)
	}
	return nil, &sender.MalformedError{Detail: "it has neither merchants nor a status"}
}

// otherMerchant is the note of a webhook of which Clover would refuse to tell more.
const otherMerchant = "it is not of the merchant of CLOVER_MERCHANT_ID"

// asksAbout says whether a merchant is the one whose token is set, as far as that is known.
func (s *clover) asksAbout(merchant string) bool {
	return s.MerchantID == "" || s.MerchantID == merchant
}

// updates reads the webhook of an app. It may have several merchants and several objects of each.
func (s *clover) updates(d *sender.Delivery, all merchants) *sender.Reading {
	reading := &sender.Reading{Topic: all.topic(), Account: all.names(), Skip: sender.SkipTopic}
	sales := all.sales()
	own := slices.DeleteFunc(slices.Clone(sales), func(one sale) bool { return !s.asksAbout(one.merchant) })
	switch {
	case len(sales) == 0:
		return reading
	case !s.Resolve:
		reading.Skip, reading.Note = sender.SkipIDs, "it has ids only: set CLOVER_ACCESS_TOKEN and RESOLVE_SENDERS"
		return reading
	case len(own) == 0:
		reading.Skip, reading.Note = sender.SkipAccount, otherMerchant
		return reading
	}
	reading.Skip = ""
	for _, one := range own {
		at := fields.FirstTime(one.at.Time(time.UTC), d.At)
		e := &event.Event{
			ID: sender.ID(Name, one.merchant, one.id, one.object, strconv.FormatInt(at.UnixMilli(), 10)), Store: s.Store, Sender: Name, Type: event.OrderUpdate, Source: one.merchant,
			At: at, Lookup: lookup(one.merchant, one.object, one.id),
		}
		if one.object == lookupOrder {
			e.Sale.OrderID = one.id
		}
		value.Clean(e)
		reading.Events = append(reading.Events, e)
	}
	return reading
}

// paid reads the webhook of a payment by Hosted Checkout. It tells the amount in a sentence, without a currency: it is left out. A customer whose card was declined
// sees so on the page.
func (s *clover) paid(d *sender.Delivery, c *checkout) (*sender.Reading, error) {
	reading := &sender.Reading{Topic: c.Type.String(), Account: c.Merchant.String()}
	switch {
	case reading.Topic != "PAYMENT":
		reading.Skip = sender.SkipTopic
		return reading, nil
	case !strings.EqualFold(c.Status.String(), "APPROVED"):
		reading.Skip = sender.SkipState
		return reading, nil
	case c.ID.String() == "":
		return nil, &sender.MalformedError{Detail: "the payment has no id"}
	}
	e := &event.Event{
		ID: sender.ID(Name, reading.Account, c.ID.String(), "paid"), Store: s.Store, Sender: Name, Type: event.PaymentComplete, Source: reading.Account,
		At:   fields.FirstTime(c.Created.Time(time.UTC), d.At),
		Sale: event.Sale{TransactionID: c.ID.String(), Status: "paid"},
	}
	switch {
	case s.Resolve && !s.asksAbout(reading.Account):
		reading.Note = otherMerchant
	case s.Resolve:
		e.Lookup = lookup(reading.Account, lookupPayment, c.ID.String())
	default:
		reading.Note = "it has no customer: set CLOVER_ACCESS_TOKEN and RESOLVE_SENDERS"
	}
	value.Clean(e)
	reading.Events = []*event.Event{e}
	return reading, nil
}
